"""The first screen of a page: rates by model and task, and the findings in sentences."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from ...arrays import ALPHA
from ...columns import STUDY, STUDY_COLUMNS, TASKS
from ...display import interval, name_levels, percent
from ..findings import count_families, list_findings, of_rule, write_selected
from ..layout import are_standardised, headline_rates
from ..study_tables import StudyEstimates

_FEW = 3
"""The number of differences, and of models and tasks, in a sentence."""
LARGE = 0.1
"""A study with less than 80% power to detect this difference is reported; a convention, not a result."""


def find_all(estimates: StudyEstimates) -> list[str]:
    """List the findings in sentences, and where power is low.

    Parameters
    ----------
    estimates : StudyEstimates

    Returns
    -------
    list of str
        Plain text, with unescaped names.
    """
    tables, rule = estimates.tables, estimates.rule
    if not (of_rule(tables["rates"], rule)["setting"] == "persona").any():
        return [
            "No persona task was run, so there are no findings on personas; the rates below are for other settings."
        ]
    first, *others = list_findings(replace(estimates, rules=(rule,)))
    found = [first, *_other_rules(estimates), *others]
    if "sensitivity" in tables:
        found += _strongest_factor(tables["sensitivity"])
    if "contrasts_by_persona" in tables:
        found += _personas(of_rule(tables["contrasts_by_persona"], rule), [*STUDY, *estimates.run_factors])
    return found


def _other_rules(estimates: StudyEstimates) -> Iterable[str]:
    """Describe the rates by the other detectors in one sentence."""
    shares = []
    for rule in estimates.rules:
        own = of_rule(estimates.tables["rates"], rule)
        own = own[own["setting"] == "persona"]
        if rule != estimates.rule and len(own):
            shares.append(f"{percent(own['n_refused'].sum() / own['n'].sum())}% with {rule}")
    if shares:
        yield f"With the other detectors, the rate is {' and '.join(shares)}."


def headline(estimates: StudyEstimates) -> pd.DataFrame:
    """Return the rates of the first screen.

    Parameters
    ----------
    estimates : StudyEstimates

    Returns
    -------
    pandas.DataFrame
        One row per model, task and setting, and level of the run factors: only the persona setting if it was run.
        Columns: those, ``estimate, ci_low, ci_high`` of the report's detector, class-standardised if every row has a
        class-standardised rate, which ``standardised`` says, and ``refusal_rate_low, refusal_rate_high``, always raw;
        ``others`` (dict of the other detectors' names to rate and interval, as texts), ``other`` and ``empty``
        (shares of responses that are neither answer nor refusal, and of empty responses; nan if unknown),
        ``n, n_texts``.
    """
    rates = estimates.tables["rates"]
    by = [*STUDY_COLUMNS, *estimates.run_factors]
    if (rates["setting"] == "persona").any():
        rates = rates[rates["setting"] == "persona"]
    standardised = are_standardised(rates)
    rates = headline_rates(rates)
    table = of_rule(rates, estimates.rule)
    # Tasks in the order of the paper, within models in their given order.
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
    table["standardised"] = standardised
    return _with_outcomes(table, estimates.tables.get("outcomes"))


def _shown(row: "pd.Series[float]") -> str:
    return f"{percent(row['estimate'])} {interval(row['ci_low'], row['ci_high'])}".strip()


def _with_outcomes(table: pd.DataFrame, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    if outcomes is None:
        return table.assign(other=float("nan"), empty=float("nan"))
    study = list(STUDY_COLUMNS)
    if table.duplicated(study).any():
        # The rates are broken down by run factors, the outcomes are not.
        return _with_outcomes(table, None)
    shares = outcomes[study].assign(
        other=outcomes["n_other"] / outcomes["n"], empty=outcomes["n_empty"] / outcomes["n"]
    )
    return table.merge(shares, how="left", on=study)


def _strongest_factor(indices: pd.DataFrame) -> Iterable[str]:
    single = indices[(indices["model"] == "") & ~indices["factor"].str.contains(":", regex=False)]
    # The size of an index that is not significant reflects the number of levels.
    beyond = single[single["iota"].notna() & (single["p_value"] <= ALPHA) & ~single["upper_bound_only"].astype(bool)]
    if len(beyond) < 2:
        return
    first, second = (row for _, row in beyond.sort_values("iota", ascending=False, kind="stable").head(2).iterrows())
    apart = first["ci_low"] > second["ci_high"]
    yield (
        f"The most important factor is {first['factor']} (iota {first['iota']:.3f}), followed by {second['factor']} "
        f"({second['iota']:.3f}){'' if apart else '; their intervals overlap, so the order is uncertain'}."
    )


def _personas(contrasts: pd.DataFrame, family: list[str]) -> Iterable[str]:
    baseline = next((b for b in ("neutral", "others") if (contrasts["baseline"] == b).any()), None)
    if baseline is None:
        return
    own = contrasts[contrasts["baseline"] == baseline]
    named = own[own["p_adjusted"] <= ALPHA]
    than = "neutral prompts" if baseline == "neutral" else "the other personas"
    if len(named):
        largest = name_levels(named).reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index)
        listed = "; ".join(
            f"{row['persona']} {write_selected(row, 'points')} ({', '.join(map(str, row[family]))})"
            for _, row in largest.head(_FEW).iterrows()
        )
        yield (
            f"Largest significant differences from {than} (corrected for multiple comparisons; 95% CIs adjusted for "
            f"selection): {listed}."
        )
    elif len(own):
        yield "Differences smaller than the minimum detectable effects cannot be ruled out."
    yield from _blind_spots(own, family)


def _blind_spots(own: pd.DataFrame, family: list[str]) -> Iterable[str]:
    """List where power is low or unknown, in sentences."""
    families = name_levels(own).groupby(family, sort=False, dropna=False)["mde_up"]
    least = families.min()
    blind, unknown = least[least > LARGE], least[least.isna()]
    if len(blind):
        yield (
            f"The study has less than 80% power to detect a {100 * LARGE:.0f}-point increase for any persona in "
            f"{len(blind)} of {count_families(len(least), family)}: {_listed(blind)}."
        )
    if len(unknown):
        yield (
            f"Power could not be computed in {len(unknown)} of {count_families(len(least), family)}, where no "
            "prompt or "
            f"every prompt was refused: {_listed(unknown)}."
        )


def _listed(families: "pd.Series[float]") -> str:
    named = [", ".join(map(str, levels)) for levels in list(families.index)[:_FEW]]
    return "; ".join([*named, f"and {len(families) - _FEW} more"] if len(families) > _FEW else named)
