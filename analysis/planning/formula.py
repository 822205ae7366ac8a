"""The power of a planned contrast by a formula, which proposes a size; simulated studies decide."""

from dataclasses import replace

import numpy as np

from ..arrays import Floats
from ..statistics import Score, detection_power
from .layout import Layout
from .truth import Truth

_MOST_TIMES = 10_000


def expect_score(layout: Layout, truth: Truth) -> Score:
    r"""Compute the expected statistics of the score test of a persona without an effect.

    Verdicts about text g, or in block g, vary with the variance :math:`s^2`, the mean of :math:`p_g (1 - p_g)`, so the
    statistic has the variance :math:`s^2 \sum_g w_g` and the third moment
    :math:`s^2 (1 - 2p) \sum_g w_g (n_{g0} - n_{gx}) / n_g`.

    Parameters
    ----------
    layout : Layout
    truth : Truth

    Returns
    -------
    Score
        Of one contrast, the mean over personas.
    """
    w, n, n0 = layout.weights, layout.n, layout.n_baseline[:, None]
    both = (n > 0) & (n0 > 0)
    n_personas = n.shape[1]
    unevenness = (w * (n0 - n) / np.maximum(n + n0, 1)).sum() / n_personas
    weight = w.sum() / n_personas

    def one(value: float) -> Floats:
        return np.array([value], dtype=np.float64)

    return Score(
        estimate=one(0),
        weight=one(weight),
        weight_squares=one((layout.by_text(w) ** 2).sum() / n_personas),
        variance=one(truth.within * weight),
        third=one(truth.within * (1 - 2 * truth.rate) * unevenness),
        scatter=one(truth.within * weight),
        n_informative=one(np.inf),
        freedom=one(np.inf),
        n=one(n[both].sum() / n_personas),
        n_baseline=one(np.broadcast_to(n0, n.shape)[both].sum() / n_personas),
        rate=one(truth.rate),
    )


def predict_power(layout: Layout, truth: Truth, difference: float, alpha: float) -> float:
    """Predict the probability that the score test detects a difference.

    Parameters
    ----------
    layout : Layout
    truth : Truth
    difference : float
        Of a persona's rate from the neutral rate.
    alpha : float
        The level of the two-sided test.

    Returns
    -------
    float
    """
    score = expect_score(layout, truth)
    phi = np.array([truth.overdispersion])
    return float(detection_power(score, phi, np.array([difference]), np.array([alpha]))[0])


def find_texts(layout: Layout, truth: Truth, difference: float, alpha: float, power: float) -> int | None:
    """Find how many texts like those of a study detect a difference, with as many prompts about each.

    Parameters
    ----------
    layout : Layout
        Of the study.
    truth : Truth
    difference : float
        Of a persona's rate from the neutral rate.
    alpha : float
        The level of the two-sided test.
    power : float

    Returns
    -------
    int or None
        None if even 10,000 times as many texts do not.
    """
    score, phi = expect_score(layout, truth), np.array([truth.overdispersion])
    summed = ("weight", "weight_squares", "variance", "third", "scatter")

    def detects(n_texts: int) -> bool:
        times = n_texts / len(layout.n)
        larger = replace(score, **{name: times * getattr(score, name) for name in summed})
        return bool(detection_power(larger, phi, np.array([difference]), np.array([alpha]))[0] >= power)

    low, high = 0, 2
    while not detects(high):
        low, high = high, 2 * high
        if high > _MOST_TIMES * len(layout.n):
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detects(middle) else (middle, high)
    return high
