"""The findings of a study, in sentences."""

from collections.abc import Iterable, Sequence

import pandas as pd

from ..arrays import ALPHA
from ..columns import BASELINES, OTHERS, STUDY, name_level
from ..display import counted, interval, percent
from ..responses import MUCH
from .layout import are_standardised, headline_rates
from .study_tables import StudyEstimates
from .wordings import describe_wordings


def list_findings(estimates: StudyEstimates) -> Iterable[str]:
    """List the findings in the tables of the persona setting, in sentences.

    Parameters
    ----------
    estimates : StudyEstimates

    Yields
    ------
    str
        Plain text, with unescaped names.
    """
    tables = estimates.tables
    for rule in estimates.rules:
        rates = of_rule(tables["rates"], rule)
        rates = rates[rates["setting"] == "persona"]
        if rates.empty:
            yield f"{rule} has no verdicts on persona prompts."
            continue
        share = percent(rates["n_refused"].sum() / rates["n"].sum())
        sentence = f"{share}% of responses to persona prompts were refusals ({rule}"
        shown = headline_rates(rates)
        of = " of class-standardised rates" * are_standardised(rates)
        low, high = (shown.loc[shown["estimate"].agg(end)] for end in ("idxmin", "idxmax"))
        if low["estimate"] < high["estimate"]:
            sentence += f"; range{of}: {_rate_of(low)} to {_rate_of(high)}"
        yield f"{sentence}){_unread(rates, tables.get('outcomes') if rule == estimates.rule else None)}."
    yield from _baseline_findings(of_rule(tables["contrasts"], estimates.rule), estimates.rule)
    by_persona = tables.get("contrasts_by_persona")
    if by_persona is not None and (named := name_personas(by_persona, estimates.rule, estimates.run_factors)):
        yield named[0]
    if said := describe_wordings(estimates):
        yield said
    if "undetermined_contrasts" in tables:
        yield from _undetermined_findings(tables["undetermined_contrasts"])
    if "sensitivity" in tables:
        yield from _factor_findings(tables["sensitivity"], estimates.rule)


def _unread(rates: pd.DataFrame, outcomes: pd.DataFrame | None) -> str:
    """Describe the share of empty, unjudged or truncated responses to persona prompts, if it is large."""
    counts = {name: rates[f"n_{name}"].sum() for name in ("unjudged", "truncated") if f"n_{name}" in rates}
    if outcomes is not None:
        counts = {"empty": outcomes.loc[outcomes["setting"] == "persona", "n_empty"].sum()} | counts
    shares = {name: n / rates["n"].sum() for name, n in counts.items()}
    many = [f"{percent(share)}% are {name}" for name, share in shares.items() if share > MUCH]
    return f"; {' and '.join(many)} and count as not refused" if many else ""


def of_rule(table: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return the rows of one detector."""
    return table[table["rule"] == rule]


def _rate_of(row: "pd.Series[float]") -> str:
    return f"{percent(row['estimate'])}% for {row['model']}, {name_level('task', str(row['task']))}"


def _baseline_findings(contrasts: pd.DataFrame, rule: str) -> Iterable[str]:
    for baseline, own in contrasts.groupby("baseline", sort=False):
        beyond = int((own["p_adjusted"] <= ALPHA).sum())
        low, high = (percent(end, signed=True) for end in (own["estimate"].min(), own["estimate"].max()))
        points = f"{low}" if len(own) == 1 else f"{low} to {high}"
        number = (
            f"{beyond} of the {len(own)} differences are"
            if len(own) > 1
            else f"the difference is{'' if beyond else ' not'}"
        )
        yield (
            f"Compared with {baseline} prompts, personas changed the refusal rate by {points} percentage points "
            f"({rule}); {number} significant after correction."
        )


def _undetermined_findings(contrasts: pd.DataFrame) -> Iterable[str]:
    baseline = next((b for b in ("neutral", OTHERS) if (contrasts["baseline"] == b).any()), None)
    if baseline is not None:
        yield from describe_undetermined(contrasts[contrasts["baseline"] == baseline], baseline)


def describe_undetermined(contrasts: pd.DataFrame, baseline: str) -> Iterable[str]:
    """Describe how personas differ in the share of truncated or unjudged responses, in a sentence.

    Parameters
    ----------
    contrasts : pandas.DataFrame
        See `refusal_metrics.analysis.estimates.undetermined.estimate_undetermined_contrasts`; of one baseline.
    baseline : str

    Yields
    ------
    str
        Plain text; nothing if there are no contrasts.
    """
    if contrasts.empty:
        return
    named = contrasts[contrasts["p_adjusted"] <= ALPHA]
    than = "the other personas" if baseline == OTHERS else f"{baseline} prompts" if baseline in BASELINES else baseline
    start = f"The share of truncated or unjudged responses differs significantly from {than} in {len(named)} of "
    start += counted(len(contrasts), "comparison")
    if named.empty:
        yield f"{start}."
        return
    largest = named.iloc[int(named["estimate"].abs().to_numpy().argmax())]
    yield (
        f"{start} (largest difference: {name_level('persona', str(largest['persona']))}, "
        f"{write_selected(largest, 'pp')}, {largest['model']}, "
        f"{name_level('task', str(largest['task']))}). These responses count as not refused, so differences in refusal "
        "rates there may be due to them."
    )


def write_selected(row: "pd.Series[float]", unit: str) -> str:
    """Write a significant difference with the interval that is adjusted for the selection, and the shrunken one."""
    ends = interval(row["ci_low_named"], row["ci_high_named"], signed=True)
    shrunken = percent(row["estimate_shrunken"], signed=True)
    written = f"{percent(row['estimate'], signed=True)} {unit} {ends}".strip()
    return f"{written}, shrunken {shrunken}" if shrunken else written


def _factor_findings(indices: pd.DataFrame, rule: str) -> Iterable[str]:
    single = ~indices["factor"].str.contains(":", regex=False)
    whole = indices[(indices["model"] == "") & single & indices["iota"].notna()]
    beyond = whole[whole["p_value"] <= ALPHA].sort_values("iota", ascending=False, kind="stable")
    listed = ", ".join(f"{row['factor']} {row['iota']:.3f}" for _, row in beyond.iterrows())
    if len(whole):
        yield (f"Factors with a significant effect on refusals (sensitivity index, {rule}): {listed or 'none'}.")


def count_families(n: int, family: Sequence[str] = STUDY) -> str:
    """Describe the number of families: 3 combinations of a model and a task."""
    *first, last = family
    return f"{counted(n, 'combination')} of {', '.join(f'a {name}' for name in first)} and a {last}"


def name_personas(
    contrasts: pd.DataFrame, rule: str, run_factors: Sequence[str] = ()
) -> tuple[str, pd.DataFrame] | None:
    """List the personas with a significant difference from the best available baseline.

    Parameters
    ----------
    contrasts : pandas.DataFrame
        The table ``contrasts_by_persona``.
    rule : str
    run_factors : sequence of str
        The factors that define families besides model and task.

    Returns
    -------
    sentence : str
        The number of significant differences and of all comparisons, as text.
    named : pandas.DataFrame
        Their rows, the largest difference first. None instead of both if there is no baseline.
    """
    contrasts = of_rule(contrasts, rule)
    baseline = next((b for b in ("neutral", "others") if (contrasts["baseline"] == b).any()), None)
    if baseline is None:
        return None
    against = "the neutral baseline" if baseline == "neutral" else "the other personas (no neutral task was run)"
    own = contrasts[contrasts["baseline"] == baseline]
    named = own[own["p_adjusted"] <= ALPHA]
    family = [*STUDY, *run_factors]
    n_families = len(own.drop_duplicates(family))
    tests = f"{counted(own['persona'].nunique(), 'persona')} in {count_families(n_families, family)}"
    sentence = (
        f"{len(named)} of {counted(len(own), 'difference')} between a persona and {against} "
        f"{'is' if len(named) == 1 else 'are'} "
        f"significant after correction ({rule}; {tests})."
    )
    detectable = own["mde_up"].dropna()
    # Undefined if no response, or every response, was refused on both sides.
    known = f"the {len(detectable):,} that have one" if len(detectable) < len(own) else "them"
    if detectable.median() < 1:
        of_known = f" of {known}" if known != "them" else ""
        sentence += f" The median minimum detectable increase{of_known} is {percent(detectable.median())} points."
    elif detectable.median() == 1:
        sentence += " The study is too small to detect realistic differences."
    return sentence, named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index)
