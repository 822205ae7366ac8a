"""Sentences of the report's sections on significant differences; what a reader would quote is in the room findings."""

from collections.abc import Iterable, Sequence

import pandas as pd

from ..arrays import ALPHA
from ..columns import BASELINES, OTHERS, STUDY, name_level
from ..display import counted, interval, percent


def of_rule(table: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Return the rows of one detector."""
    return table[table["rule"] == rule]


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
