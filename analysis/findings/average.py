r"""Each persona's difference from the baseline, averaged over models and tasks, with simultaneous intervals.

With two models or more, it is the mean over models, `refusal_metrics.analysis.estimates.pooling.differences`, and
single models have the shrunken differences of `refusal_metrics.analysis.estimates.pooling.pool`. The differences of a
single model are averaged over its tasks. Tasks have different texts, so the mean of T differences :math:`d_t` with the
intervals :math:`l_t, u_t` has the interval

.. math:: \bar d - \frac{1}{T} \sqrt{\sum_t (d_t - l_t)^2}, \quad \bar d + \frac{1}{T} \sqrt{\sum_t (u_t - d_t)^2} .

With labels, differences are corrected, over all models and tasks together. All intervals of K personas have the level
1 - .05 / K, so that they are simultaneous: they hold for the persona that is named, whichever it is.

References
----------
Zou and Donner 2008, doi:10.1002/sim.3095, for the mean over tasks. Dunn 1961, doi:10.1080/01621459.1961.10482090, for
simultaneous intervals.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from refusal_metrics.errors import InputError

from ..arrays import CONFIDENCE, simultaneous_level
from ..columns import OTHERS
from ..counts import Counts
from ..estimates import (
    average_differences,
    average_estimates,
    estimate_contrasts,
    estimate_pool,
    find_baseline,
    personas_only,
)
from ..labels import LabelSums, estimate_corrected_contrasts

_ENDS = ["estimate", "ci_low", "ci_high"]
_NO_EACH = pd.DataFrame(columns=["model", "persona", "estimate"])


@dataclass(frozen=True)
class Average:
    """Differences of personas over models and tasks.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a persona: ``persona, estimate, ci_low, ci_high``, with simultaneous intervals; nan if unknown.
    baseline : {"neutral", "others"}
    models, n_tasks : tuple of str, int
        The models and the number of tasks that are averaged over.
    each : pandas.DataFrame
        One row a model and persona: ``model, persona, estimate``, shrunken; empty if they cannot be shrunken.
    n_labelled : int
        How many labels correct the differences; 0 without labels.
    """

    table: pd.DataFrame
    baseline: str
    models: tuple[str, ...]
    n_tasks: int
    each: pd.DataFrame
    n_labelled: int = 0


def choose_baseline(counts: Counts) -> str | None:
    """Return what personas are compared with: neutral prompts if there are any, or the other personas.

    Returns
    -------
    {"neutral", "others"} or None
        None if there are no persona prompts, or one persona and no neutral prompts.
    """
    if "persona" not in counts.levels or not len((asked := personas_only(counts)).n):
        return None
    baseline = find_baseline(counts)
    return None if baseline == OTHERS and len(np.unique(asked.codes["persona"])) < 2 else baseline


def average_personas(counts: Counts, baseline: str) -> Average:
    """Average each persona's difference from the baseline over models and tasks.

    Parameters
    ----------
    counts : Counts
        By one detector.
    baseline : {"neutral", "others"}

    Returns
    -------
    Average
    """
    level = simultaneous(counts)
    asked = personas_only(counts)
    if len(np.unique(asked.codes["model"])) == 1:
        return _average_contrasts(estimate_contrasts(counts, baseline, confidence=level), baseline)
    table = average_differences(counts, baseline, level)
    try:
        pooled = estimate_pool(counts, spread=False, baseline=baseline, only_studied=True)
    except InputError:
        # Fewer than two models refuse often enough to compare single models.
        each = _NO_EACH
    else:
        each = pooled.models[["model", "persona", "estimate"]].dropna()
    return Average(table[["persona", *_ENDS]], baseline, _levels(asked, "model"), len(_levels(asked, "task")), each)


def correct_personas(sums: LabelSums, counts: Counts, baseline: str) -> Average | None:
    """Estimate each persona's difference from the baseline over all models and tasks, corrected by labels.

    Texts are compared over all models, because a single model or task has too few labels.

    Parameters
    ----------
    sums : LabelSums
        With the columns ``setting`` and ``persona``.
    counts : Counts
        Of the same responses.
    baseline : {"neutral", "others"}

    Returns
    -------
    Average or None
        None if no persona has enough labels.
    """
    found = estimate_corrected_contrasts(sums.sums.assign(model="", task=""), baseline)
    found = found[found["estimate"].notna()]
    if found.empty:
        return None
    table = widen(found[["persona", *_ENDS]].reset_index(drop=True), ratio_of(simultaneous(counts)), -1.0)
    asked = personas_only(counts)
    models, tasks = _levels(asked, "model"), _levels(asked, "task")
    n_labelled = int(sums.sums[["n_labelled_refused", "n_labelled_others"]].to_numpy().sum())
    return Average(table, baseline, models, len(tasks), _NO_EACH, n_labelled)


def simultaneous(counts: Counts) -> float:
    """Return the level of the interval of one persona at which those of all personas are simultaneous."""
    return simultaneous_level(len(np.unique(personas_only(counts).codes["persona"])))


def ratio_of(level: float) -> float:
    """Return how many times as wide as usual an interval of another level is; by normal quantiles."""
    return float(special.ndtri((1 + level) / 2) / special.ndtri((1 + CONFIDENCE) / 2))


def widen(table: pd.DataFrame, ratio: float, lowest: float = 0.0) -> pd.DataFrame:
    """Multiply the distances of intervals from their estimates, and cut them off at `lowest` and 1."""
    below, above = (table["estimate"] - table["ci_low"]) * ratio, (table["ci_high"] - table["estimate"]) * ratio
    return table.assign(
        ci_low=(table["estimate"] - below).clip(lower=lowest), ci_high=(table["estimate"] + above).clip(upper=1.0)
    )


def _average_contrasts(contrasts: pd.DataFrame, baseline: str) -> Average:
    """Average the differences of one model over its tasks."""
    table = average_estimates(contrasts, ["persona"])
    models = tuple(str(name) for name in contrasts["model"].unique())
    return Average(table, baseline, models, contrasts["task"].nunique(), _NO_EACH)


def _levels(counts: Counts, factor: str) -> tuple[str, ...]:
    """List the levels of a factor that occur."""
    return tuple(counts.levels[factor][code] for code in np.unique(counts.codes[factor]))
