"""The first screen of a page: the rate of each model and task, and a sentence for each finding."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from ...arrays import ALPHA
from ...columns import STUDY, STUDY_COLUMNS, TASKS
from ...display.numbers import interval, percent
from ..findings import count_families, list_findings, of_rule
from ..study_tables import Estimates

_FEW = 3
"""How many differences, and how many models and tasks, a sentence names."""
LARGE = 0.1
"""A study that would find only larger differences 8 times in 10 is called blind; a convention, no result."""


def find_all(estimates: Estimates) -> list[str]:
    """Say in a sentence each what was found, and where nothing could have been.

    Parameters
    ----------
    estimates : Estimates

    Returns
    -------
    list of str
        Plain text: names in it are as they were given.
    """
    tables, rule = estimates.tables, estimates.rule
    if not (of_rule(tables["rates"], rule)["setting"] == "persona").any():
        return ["No persona task was run, so nothing is said of personas; the rates below are of other settings."]
    first, *others = list_findings(replace(estimates, rules=(rule,)))
    found = [first, *_other_rules(estimates), *others]
    if "sensitivity" in tables:
        found += _strongest_factor(tables["sensitivity"])
    if "contrasts_by_persona" in tables:
        found += _personas(of_rule(tables["contrasts_by_persona"], rule), [*STUDY, *estimates.run_factors])
    return found


def _other_rules(estimates: Estimates) -> Iterable[str]:
    """Say in one sentence what the other rules took for refused."""
    shares = []
    for rule in estimates.rules:
        own = of_rule(estimates.tables["rates"], rule)
        own = own[own["setting"] == "persona"]
        if rule != estimates.rule and len(own):
            shares.append(f"{rule} {percent(own['n_refused'].sum() / own['n'].sum())} %")
    if shares:
        yield f"The other rules took for refused: {', '.join(shares)}."


def headline(estimates: Estimates) -> pd.DataFrame:
    """Give the rates of the first screen.

    Parameters
    ----------
    estimates : Estimates

    Returns
    -------
    pandas.DataFrame
        One row a model, task and setting, and level of the factors of runs told apart: the persona
        setting alone where it was run. Columns: those, ``estimate, ci_low, ci_high`` of the report's rule,
        ``others`` (dict of the other rules' names to rate and interval, as texts), ``other`` and ``empty``
        (shares of responses that are neither answer nor refusal, and without a word; nan where not known),
        ``n, n_texts``.
    """
    rates = estimates.tables["rates"]
    by = [*STUDY_COLUMNS, *estimates.run_factors]
    if (rates["setting"] == "persona").any():
        rates = rates[rates["setting"] == "persona"]
    table = of_rule(rates, estimates.rule)
    # Tasks in the order of the paper, within models in the order they have.
    order = {task: place for place, task in enumerate(TASKS)}
    places = table["task"].map(order).fillna(len(order))
    models = table["model"].map({model: place for place, model in enumerate(table["model"].unique())})
    table = table.loc[pd.DataFrame({"m": models, "t": places}).sort_values(["m", "t"], kind="stable").index]
    table = table.reset_index(drop=True)
    keys = [tuple(row) for row in table[by].astype(object).itertuples(index=False)]
    others: list[dict[str, str]] = [{} for _ in keys]
    for rule in estimates.rules:
        if rule == estimates.rule:
            continue
        shown = {tuple(row[name] for name in by): _shown(row) for _, row in of_rule(rates, rule).iterrows()}
        for place, key in enumerate(keys):
            others[place][rule] = shown.get(key, "")
    table["others"] = pd.Series(others, index=table.index, dtype=object)
    return _with_outcomes(table, estimates.tables.get("outcomes"))


def _shown(row: "pd.Series[float]") -> str:
    return f"{percent(row['estimate'])} {interval(row['ci_low'], row['ci_high'])}".strip()


def _with_outcomes(table: pd.DataFrame, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    if outcomes is None:
        return table.assign(other=float("nan"), empty=float("nan"))
    study = list(STUDY_COLUMNS)
    if table.duplicated(study).any():
        # Factors of runs are told apart here, and not in the outcomes.
        return _with_outcomes(table, None)
    shares = outcomes[study].assign(
        other=outcomes["n_other"] / outcomes["n"], empty=outcomes["n_empty"] / outcomes["n"]
    )
    return table.merge(shares, how="left", on=study)


def _strongest_factor(indices: pd.DataFrame) -> Iterable[str]:
    single = indices[(indices["model"] == "") & ~indices["factor"].str.contains(":", regex=False)]
    # An index within chance would name a factor for the number of its levels.
    beyond = single[single["iota"].notna() & (single["p_value"] <= ALPHA) & ~single["upper_bound_only"].astype(bool)]
    if len(beyond) < 2:
        return
    first, second = (row for _, row in beyond.sort_values("iota", ascending=False, kind="stable").head(2).iterrows())
    apart = first["ci_low"] > second["ci_high"]
    yield (
        f"The factor that matters most is {first['factor']} (iota {first['iota']:.3f} [{first['ci_low']:.3f}, "
        f"{first['ci_high']:.3f}]), before {second['factor']} ({second['iota']:.3f} [{second['ci_low']:.3f}, "
        f"{second['ci_high']:.3f}]){'' if apart else '; their intervals overlap, so the order may be chance'}."
    )


def _personas(contrasts: pd.DataFrame, family: list[str]) -> Iterable[str]:
    baseline = next((b for b in ("neutral", "others") if (contrasts["baseline"] == b).any()), None)
    if baseline is None:
        return
    own = contrasts[contrasts["baseline"] == baseline]
    named = own[own["p_adjusted"] <= ALPHA]
    than = "neutral prompts" if baseline == "neutral" else "the other personas"
    if len(named):
        largest = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index)
        listed = "; ".join(
            f"{row['persona']} {percent(row['estimate'], signed=True)} points "
            f"{interval(row['ci_low'], row['ci_high'], signed=True)} ({', '.join(map(str, row[family]))})"
            for _, row in largest.head(_FEW).iterrows()
        )
        yield f"The largest differences from {than} that stand after correction: {listed}."
    elif len(own):
        yield (
            f"No persona was found to differ from {than} after correction; it may still, above all by less than the "
            "detectable difference."
        )
    yield from _blind_spots(own, family)


def _blind_spots(own: pd.DataFrame, family: list[str]) -> Iterable[str]:
    """Say where nothing could have been detected."""
    families = own.groupby(family, sort=False, dropna=False)["mde"]
    least = families.min()
    blind, unknown = least[least > LARGE], least[least.isna()]
    if len(blind):
        yield (
            f"In {len(blind)} of {count_families(len(least), family)} no persona's difference of "
            f"{100 * LARGE:.0f} points would have been found 8 times in 10: {_listed(blind)}."
        )
    if len(unknown):
        yield (
            f"In {len(unknown)} of {count_families(len(least), family)} no detectable difference can be given, as "
            f"where nothing or everything was refused: {_listed(unknown)}."
        )


def _listed(families: "pd.Series[float]") -> str:
    named = [", ".join(map(str, levels)) for levels in list(families.index)[:_FEW]]
    return "; ".join([*named, f"and {len(families) - _FEW} more"] if len(families) > _FEW else named)
