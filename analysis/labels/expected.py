r"""The width of a corrected rate's interval to expect before anything is labelled.

Labels are drawn by class of responses (`refusal_metrics.analysis.responses.label_classes`), in proportion to
:math:`N_c \sqrt{p_c (1 - p_c)}` of its :math:`N_c` responses (Neyman's allocation), with the shares :math:`p_c` of
refusals to anticipate. The width is the mean over samples whose labels are drawn with these shares.
"""

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..responses import FLAGGED, LABEL_CLASSES
from ..statistics import effective_units
from .tuned import error_interval, unseen_variance

ANTICIPATED = {"agreed": 0.98, "alone": 0.75, "disputed": 0.15, "hedged": 0.15, "open": 0.01, "answered": 0.005}
"""The share of refusals in each class, if a rule errs somewhat more often than ``answer_aware`` in its validation."""

_N_SAMPLES = 200
_IS_FLAGGED = np.array([name in FLAGGED for name in LABEL_CLASSES])
_SHARES = np.array([ANTICIPATED[name] for name in LABEL_CLASSES])


def label_deviation(label_class: str) -> float:
    """Return the standard deviation of a label that is to be anticipated in a class.

    Parameters
    ----------
    label_class : str
        One of `LABEL_CLASSES`; any other text is a class of which nothing is known.

    Returns
    -------
    float

    Examples
    --------
    >>> round(label_deviation("agreed"), 2), label_deviation("")
    (0.14, 0.5)
    """
    share = ANTICIPATED.get(label_class, 0.5)
    return float(np.sqrt(share * (1 - share)))


def expect_width(
    n: Floats, n_labelled: NDArray[np.integer], distances: tuple[float, float], rng: np.random.Generator
) -> float:
    """Compute the mean width of the 95% confidence interval of a corrected rate.

    Parameters
    ----------
    n : (n_classes,) array of float
        Responses of each class of `LABEL_CLASSES`.
    n_labelled : (n_classes,) array of int
        Labels of each; at least 1 where there are responses.
    distances : tuple of float
        The distances of the detector's rate from the ends of its own interval.
    rng : numpy.random.Generator

    Returns
    -------
    float
        In [0, 1].
    """
    share = n / n.sum()
    labels = rng.binomial(n_labelled, _SHARES, size=(_N_SAMPLES, len(n_labelled))) / np.maximum(n_labelled, 1)
    squares, means = np.zeros((2, _N_SAMPLES)), np.zeros((2, _N_SAMPLES))
    for side, at in enumerate((_IS_FLAGGED & (n > 0), ~_IS_FLAGGED & (n > 0))):
        if at.any():
            k, of_side, m = n_labelled[at].astype(np.float64), share[at] / share[at].sum(), labels[:, at]
            means[side] = m @ of_side
            variance = (m * (1 - m)) @ (of_side**2 / np.maximum(k - 1, 1))
            if side == 0:
                alike = ((m == 0) | (m == 1)) & ((means[side] > 0) & (means[side] < 1))[:, None]
                variance += np.where(alike, unseen_variance(k), 0.0) @ of_side**2
            ends = error_interval(means[side], variance, effective_units(np.repeat(of_side / k, n_labelled[at])))
            squares += (share[at].sum() * np.stack([means[side] - ends[0], ends[1] - means[side]])) ** 2
    tuned = np.abs(means[0] - means[1]) if n[_IS_FLAGGED].any() else np.ones(_N_SAMPLES)
    return float(np.sqrt(squares + np.outer(distances, tuned) ** 2).sum(axis=0).mean())
