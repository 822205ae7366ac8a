"""How many texts a study needs that was too small."""

import math

import numpy as np

from refusal_metrics.errors import InputError

from ..arrays import ALPHA, Floats
from ..columns import OTHERS, STUDY
from ..counts import Counts, count_by_text
from ..estimates import personas_only
from ..planning import POWER, Layout, find_texts, read_pilot

WANTED = 0.05
"""The difference that a study should detect; a convention, not a result."""


def find_size(counts: Counts, baseline: str) -> int | None:
    """Find how many texts a task needs to detect a difference of `WANTED` with 80% power.

    The formula of `refusal_metrics.analysis.planning`, with the prompts per text of this study, the upper limits of its
    refusal rate and overdispersion as of a pilot, and the most stringent level of the correction. Of several tasks, the
    one that needs most.

    Parameters
    ----------
    counts : Counts
    baseline : {"neutral", "others"}

    Returns
    -------
    int or None
        Rounded up to two digits; None if the study is too small to plan with, or no number of texts is enough.
    """
    try:
        pilots = read_pilot(counts)
    except InputError:
        return None
    asked = personas_only(counts)
    reference = asked if baseline == OTHERS else counts.where(setting=baseline)
    n_personas = len(np.unique(asked.codes["persona"]))
    n_families = len(asked.cell(list(STUDY))[0])
    found = []
    for task, pilot in pilots.items():
        n = _prompts(asked, pilot.model, task, ["persona"])
        n_baseline = _prompts(reference, pilot.model, task, []).sum(axis=1)
        # All other personas together.
        n_baseline = n_baseline * (1 - 1 / n_personas) if baseline == OTHERS else n_baseline
        kept = (n.sum(axis=1) > 0) & (n_baseline > 0)
        if not kept.any() or not 0 < pilot.truth.rate + WANTED < 1:
            continue
        layout = Layout(n[kept], n_baseline[kept])
        alpha = ALPHA / (n_families * n_personas)
        found.append(find_texts(layout, pilot.truth, WANTED, alpha, POWER))
    sizes = [size for size in found if size is not None]
    return _rounded_up(max(sizes)) if sizes and len(sizes) == len(found) else None


def _prompts(counts: Counts, model: str, task: str, by: list[str]) -> Floats:
    """Count the prompts about each text by the levels of `by`: (n_texts, n_levels)."""
    own = counts.where(model=model, task=task)
    if not len(own.n):
        return np.zeros((counts.n_texts, 1))
    return np.asarray(count_by_text(own, by).n.toarray(), dtype=np.float64)


def _rounded_up(size: int) -> int:
    """Round up to two digits.

    Examples
    --------
    >>> _rounded_up(1234), _rounded_up(7)
    (1300, 7)
    """
    digits: int = 10 ** max(len(str(size)) - 2, 0)
    return math.ceil(size / digits) * digits
