"""The findings of a study: at most four, ranked by what a reader would quote.

The persona that is refused more often, then the other personas that differ, then the model that refuses most, then how
sure all of this is. A study that shows no difference says what it rules out; one that is too small says only that, and
the size that would do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..columns import PHRASE
from ..counts import Counts
from ..display import counted, plain, points
from ..estimates import average_estimates, personas_only
from ..labels import (
    MEASURED,
    LabelSums,
    MeasuredError,
    Validation,
    describe_explanation,
    explain_difference,
    measured_by_labels,
)
from .average import Average, average_personas, choose_baseline, correct_personas
from .models import describe_models
from .size import WANTED, find_size
from .sure import describe_sure
from .words import (
    Strength,
    compare,
    listed,
    name_asked,
    name_baseline,
    points_with_interval,
    strength_of,
)

TOO_SMALL = 0.1
"""A study that shows nothing and does not rule out this difference is too small; a convention, not a result."""
_NO_BASELINE = (
    "Personas cannot be compared: there are no neutral prompts and no other persona. Add persona_refusal_neutral to "
    "lm_eval --tasks."
)
_FEW = 3
"""The number of personas in the second finding."""


@dataclass(frozen=True)
class Evidence:
    """What findings are derived from.

    Attributes
    ----------
    counts : Counts
        By the detector.
    detector : str
    rates : pandas.DataFrame
        The rates of persona prompts by model and task, by the detector: those that the report shows, and ``n,
        n_unjudged, n_truncated``.
    contrasts : pandas.DataFrame
        Differences between personas and baselines in each model and task, by the detector, with ``mde_up``.
    wordings : pandas.DataFrame or None
        The same beyond the spread of wordings, if personas have several.
    outcomes : pandas.DataFrame or None
    sums : LabelSums or None
        Labels of these responses, with the columns ``setting`` and ``persona``.
    validation : Validation or None
        The detectors compared with labels.
    remarks : tuple of str
        Why labels cannot be used, as parts of a sentence.
    n_cautions : int
        How many cautions the report lists.
    """

    counts: Counts
    detector: str
    rates: pd.DataFrame
    contrasts: pd.DataFrame
    wordings: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    sums: LabelSums | None = None
    validation: Validation | None = None
    remarks: tuple[str, ...] = ()
    n_cautions: int = 0


def list_findings(evidence: Evidence) -> tuple[str, ...]:
    """List the findings of a study.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    tuple of str
        At most four, as plain text with visible names: each a sentence, and what limits it.
    """
    if evidence.rates.empty:
        return ("No persona task was run, so there are no findings on personas.",)
    baseline = choose_baseline(evidence.counts)
    if baseline is None:
        return (
            *describe_models(evidence.rates, evidence.outcomes),
            _NO_BASELINE,
        )
    average, remarks = _average(evidence, baseline)
    ends = average.table[["ci_low", "ci_high"]].abs().max(axis=1)
    shown = average.table[[strength_of(low, high) != Strength.NOT_SHOWN for low, high in _ends(average.table)]]
    if shown.empty and not ends.max() <= TOO_SMALL:
        return (_too_small(evidence.counts, baseline, float(ends.max())),)
    of_personas = _personas(evidence, average, shown) if len(shown) else _nobody(average, float(ends.max()))
    sure = describe_sure(
        evidence.contrasts[evidence.contrasts["baseline"] == baseline],
        evidence.detector,
        list(evidence.rates["model"].unique()),
        evidence.validation,
        remarks,
        evidence.n_cautions,
    )
    return (*of_personas, *describe_models(evidence.rates, evidence.outcomes), sure)


def _average(evidence: Evidence, baseline: str) -> tuple[Average, tuple[str, ...]]:
    """Average over models and tasks, corrected by labels if there are enough; with remarks on the labels."""
    if evidence.sums is not None:
        if corrected := correct_personas(evidence.sums, evidence.counts, baseline):
            return corrected, evidence.remarks
        too_few = "the labels are too few to correct differences between personas"
        return average_personas(evidence.counts, baseline), (*evidence.remarks, too_few)
    return average_personas(evidence.counts, baseline), evidence.remarks


def _ends(table: pd.DataFrame) -> Iterator[tuple[float, float]]:
    return zip(table["ci_low"], table["ci_high"], strict=True)


def _personas(evidence: Evidence, average: Average, shown: pd.DataFrame) -> Iterator[str]:
    """Describe the persona that is refused more often than others, then the others that differ."""
    ranked = shown.reindex(shown["estimate"].abs().sort_values(ascending=False, kind="stable").index)
    # Whoever is refused more often comes before whoever is refused less often.
    first = ranked[ranked["estimate"] > 0].head(1) if (ranked["estimate"] > 0).any() else ranked.head(1)
    yield _first(evidence, average, first.iloc[0])
    others = ranked.drop(first.index)
    if len(others):
        yield _others(evidence, average, others)


def _first(evidence: Evidence, average: Average, row: "pd.Series[float]") -> str:
    persona, low, high = str(row["persona"]), row["ci_low"], row["ci_high"]
    n_wordings = _count_wordings(evidence.counts, persona)
    one_model = len(average.models) == 1
    who = f"{plain(average.models[0])} refuses" if one_model else "models refuse"
    wordings = f"{n_wordings} wordings" if n_wordings > 1 else "one wording"
    sentence = (
        f"Asked as {name_asked(persona)} ({wordings}), {who} {compare(low, high)} than "
        f"{name_baseline(average.baseline)}: by {points_with_interval(row['estimate'], low, high)}"
        f"{_averaged(average)}{_range(average, persona)}."
    )
    limits = [*_detector(evidence, average, low, high), *_wordings(evidence, persona, n_wordings)]
    return " ".join([sentence, *limits])


def _averaged(average: Average) -> str:
    over = [f"the {len(average.models)} models"] * (len(average.models) > 1)
    over += [counted(average.n_tasks, "task")] * (average.n_tasks > 1)
    return f", averaged over {listed(over)}" if over else ""


def _range(average: Average, persona: str) -> str:
    """Describe the range of single models, shrunken, because the smallest and largest are selected."""
    own = average.each[average.each["persona"] == persona]
    if len(own) < 2:
        return ""
    low, high = (own.loc[own["estimate"].agg(end)] for end in ("idxmin", "idxmax"))
    ends = [f"{points(row['estimate'], signed=True)} ({plain(row['model'])})" for row in (low, high)]
    return f"; single models range from {ends[0]} to {ends[1]} pp (shrunken)"


def _detector(evidence: Evidence, average: Average, low: float, high: float) -> Iterator[str]:
    """Describe what the detector may add to a difference."""
    if average.n_labelled:
        yield f"The difference is corrected by {counted(average.n_labelled, 'label')}."
        return
    yield describe_explanation(explain_difference(low, high, _measured(evidence)))


def _measured(evidence: Evidence) -> MeasuredError | None:
    """Return the largest difference of detection errors between personas: of the labels, or of the detector."""
    own = None
    if evidence.validation is not None and evidence.validation.n_matched != 0:
        own = measured_by_labels(evidence.validation.gaps, evidence.detector)
    return own or MEASURED.get(evidence.detector)


def _count_wordings(counts: Counts, persona: str) -> int:
    """Count the phrases of a persona; 1 if they are unknown."""
    if PHRASE[0] not in counts.levels:
        return 1
    asked = personas_only(counts).where(persona=persona)
    return max(len(np.unique(asked.codes[PHRASE[0]][asked.codes[PHRASE[0]] >= 0])), 1)


def _wordings(evidence: Evidence, persona: str, n_wordings: int) -> Iterator[str]:
    """Describe what is known beyond the wordings of a persona."""
    if n_wordings == 1:
        yield "Other wordings were not tested."
        return
    own = None if evidence.wordings is None else evidence.wordings[evidence.wordings["persona"] == persona]
    if own is None or own.empty or own[["ci_low", "ci_high"]].isna().to_numpy().any():
        yield "Whether it exceeds the spread of wordings is unknown."
        return
    mean = average_estimates(own, ["model"])[["estimate", "ci_low", "ci_high"]].mean()
    ends = f"[{points(mean['ci_low'], signed=True)}, {points(mean['ci_high'], signed=True)}]"
    yield f"For wordings like these, the difference is {points(mean['estimate'], signed=True)} pp {ends}."


def _others(evidence: Evidence, average: Average, others: pd.DataFrame) -> str:
    """Describe the other personas that differ."""
    measured = _measured(evidence)
    named = []
    for _, row in others.head(_FEW).iterrows():
        low, high = row["ci_low"], row["ci_high"]
        is_corrected = average.n_labelled > 0
        doubt = measured and not is_corrected and explain_difference(low, high, measured).may_be_detector
        size = points_with_interval(row["estimate"], low, high)
        caveat = " (may be the detector)" if doubt else ""
        named.append(f"{name_asked(str(row['persona']))} {compare(low, high)}, by {size}{caveat}")
    more = f"; {len(others) - _FEW} more differ" if len(others) > _FEW else ""
    return f"The other personas that differ: {'; '.join(named)}{more}."


def _nobody(average: Average, largest: float) -> Iterator[str]:
    """Describe what is ruled out if no persona differs."""
    n = len(average.table)
    personas = counted(n, "persona")
    ruled_out = "it" if n == 1 else "each of them"
    yield (
        f"No persona is shown to be refused more or less often than {name_baseline(average.baseline)} "
        f"({personas}{_averaged(average)}). For {ruled_out}, a difference of more than {points(largest)} pp is ruled "
        "out (simultaneous 95% confidence intervals)."
    )


def _too_small(counts: Counts, baseline: str, largest: float) -> str:
    """Describe a study that is too small, and the size that would do."""
    asked = personas_only(counts)
    n_texts = max(len(np.unique(asked.text[asked.codes["task"] == task])) for task in np.unique(asked.codes["task"]))
    size = find_size(counts, baseline)
    would_do = (
        "plan a larger one with `persona-refusal plan`"
        if size is None or size <= n_texts
        else f"about {counted(size, 'text')} per task would detect {100 * WANTED:.0f} pp with 80% power"
    )
    excluded = "no difference" if not largest < 1 else f"only differences of more than {points(largest)} pp"
    return (
        f"This study is too small to show who is refused more often: with {counted(n_texts, 'text')} per task it rules "
        f"out {excluded}; {would_do}."
    )
