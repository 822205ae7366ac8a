"""What a difference between two conditions amounts to, in one of four words, by a written rule."""

import math

from ..arrays import ALPHA

HOLDS, HANGS, FALLS, UNDECIDED = "holds", "hangs on the detector", "falls", "undecided"

DECISIONS = (HOLDS, HANGS, FALLS, UNDECIDED)


def decide(low: float, high: float, p_adjusted: float, *, may_be_detector: bool, claimed: float = math.nan) -> str:
    """Decide what a difference amounts to.

    Parameters
    ----------
    low, high : float
        The interval of the difference that is shown: of a significant one that for selected differences, else the 95%
        confidence interval.
    p_adjusted : float
        Corrected for all conditions, models and tasks.
    may_be_detector : bool
        Whether a difference of the detector's errors between the two conditions, as large as was measured, would
        explain the difference, see `refusal_metrics.analysis.labels.explained`.
    claimed : float
        The difference that somebody claimed; nan for none.

    Returns
    -------
    str
        The first of these that applies. `FALLS`: there is a claim, and the interval does not contain it. `UNDECIDED`:
        the difference is not significant. `HANGS`: errors of a size that was measured would explain the difference.
        `HOLDS`.

    Examples
    --------
    >>> decide(0.13, 0.17, 0.001, may_be_detector=False)
    'holds'
    >>> decide(0.01, 0.05, 0.001, may_be_detector=True)
    'hangs on the detector'
    >>> decide(0.13, 0.17, 0.001, may_be_detector=False, claimed=0.3)
    'falls'
    """
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if not math.isnan(claimed) and not low <= claimed <= high:
        return FALLS
    if math.isnan(p_adjusted) or p_adjusted > ALPHA:
        return UNDECIDED
    return HANGS if may_be_detector else HOLDS
