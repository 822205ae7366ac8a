"""Intervals of proportions whose variance is known, and of sums of such proportions.

A proportion with a variance knows as much as so many independent trials, and their exact interval is
never of width 0 and never beyond 0 and 1. Sums take the distances of their parts from their ends.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..arrays import CONFIDENCE, Floats


def proportion_interval(
    rate: ArrayLike,
    variance: ArrayLike,
    n: ArrayLike,
    unseen: ArrayLike,
    *,
    freedom: ArrayLike = np.inf,
    level: float = CONFIDENCE,
) -> tuple[Floats, Floats]:
    r"""Compute Korn and Graubard's interval: Clopper and Pearson's for :math:`n^*` trials.

    .. math:: n^* = \min\Big(n, \frac{\hat p (1 - \hat p)}{v} \Big(\frac{t_{n-1}}{t_d}\Big)^2\Big)

    Parameters
    ----------
    rate, variance : array of float
        Proportions in [0, 1] and the variances of their estimates.
    n : array of float
        How many trials there can have been at most.
    unseen : array of float
        How far the interval reaches where the rate is 0 or 1, which tell no variance.
    freedom : array of float
        Degrees of freedom of the variances, as far as they are to widen the interval.
    level : float
        Probability that the interval is to cover.

    Returns
    -------
    low, high : array of float
        In [0, 1]; nan where a variance is missing.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201.
    """
    p, v, most, reach, d = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (rate, variance, n, unseen, freedom))
    )
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.where(np.isposinf(d), 1.0, (student(level, most - 1) / student(level, np.where(d > 0, d, 1))) ** 2)
        # A single trial has no point of Student's t, and knows no less than itself.
        effective = np.minimum(most, p * (1 - p) / v * np.where(np.isnan(known), 1.0, known))
        low = stats.beta.ppf(tail, p * effective, (1 - p) * effective + 1)
        high = stats.beta.ppf(1 - tail, p * effective + 1, (1 - p) * effective)
    return (
        np.select([p <= 0, p >= 1], [0.0, np.maximum(1 - reach, 0)], low),
        np.select([p <= 0, p >= 1], [np.minimum(reach, 1), 1.0], high),
    )


def clustered(scores: Floats) -> tuple[float, float]:
    r"""Compute the variance of a sum over texts and its degrees of freedom.

    Parameters
    ----------
    scores : (n_texts,) array of float
        What each text adds to the error of the estimate; they sum to 0.

    Returns
    -------
    variance : float
        :math:`\tfrac{G}{G-1} \sum_g z_g^2`; nan for fewer than two texts.
    freedom : float
        As in `refusal_metrics.analysis.estimates.rates.estimate_rates`: few where few texts decide.

    References
    ----------
    O'Neill 2014, doi:10.1080/00031305.2014.966589.
    """
    n_texts = len(scores)
    if n_texts < 2:
        return float("nan"), float("nan")
    squares = float(np.sum(scores**2))
    if squares == 0:
        return 0.0, n_texts - 1.0
    kurtosis = n_texts * float(np.sum(scores**4)) / squares**2
    freedom = min(n_texts - 1, 2 * n_texts / max(kurtosis - (n_texts - 3) / (n_texts - 1), 1e-9))
    return n_texts / (n_texts - 1) * squares, freedom


def totals(group: NDArray[np.integer], values: Floats, n_groups: int = 0) -> Floats:
    """Sum values by group: (n,) numbers of groups from 0 and values, to (n_groups or more,)."""
    return np.bincount(group, values, minlength=n_groups).astype(np.float64)


def effective_units(weights: Floats) -> float:
    """Count the equal weights that would know as much (Kish), 0 of none."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def unseen_share(units: ArrayLike, tail: float) -> Floats:
    """Find the share at which none of so many independent units would show it with probability `tail`."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 - tail ** (1 / np.asarray(units, dtype=np.float64)), dtype=np.float64)


def sum_interval(
    estimates: Floats, low: Floats, high: Floats, signs: Floats, correlation: Floats
) -> tuple[float, float]:
    r"""Compute an interval of a sum of estimates from their own intervals.

    .. math:: \sum_j s_j \hat\theta_j - \sqrt{\sum_{jk} s_j s_k r_{jk} h_j h_k},

    :math:`h_j` being the distance of :math:`\hat\theta_j` from its lower end where :math:`s_j = 1`,
    from its upper end where :math:`s_j = -1`; the upper end is the mirror image. With symmetric
    intervals it is the usual one.

    Parameters
    ----------
    estimates, low, high : (n_parts,) array of float
    signs : (n_parts,) array of float
        1 or -1.
    correlation : (n_parts, n_parts) array of float
        Of the estimates.

    Returns
    -------
    low, high : float

    References
    ----------
    Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    below, above = estimates - low, high - estimates
    ends = []
    for distance in (np.where(signs > 0, below, above), np.where(signs > 0, above, below)):
        signed = signs * distance
        # A correlation matrix is never negative but for rounding.
        square = float(signed @ correlation @ signed)
        ends.append(math.sqrt(max(square, 0.0)) if np.isfinite(signed).all() else math.nan)
    total = float(signs @ estimates)
    return total - ends[0], total + ends[1]


def student(level: float | Floats, freedom: "NDArray[Any]") -> Floats:
    """Find the points that hold a share of Student's t between them; nan without degrees of freedom."""
    return np.asarray(stats.t.ppf((1 + level) / 2, np.where(freedom > 0, freedom, np.nan)), dtype=np.float64)


def wilson(k: ArrayLike, n: ArrayLike, level: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Compute Wilson's score interval of a proportion.

    Parameters
    ----------
    k, n : array of float
        Successes and trials; shapes that broadcast.
    level : float
        Probability in (0, 1) that the interval is to cover.

    Returns
    -------
    low, high : array of float
        Probabilities in [0, 1]; nan without trials. Never of width 0.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    successes, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    z = stats.norm.ppf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = successes / trials
        centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
        half = z * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # Without these the ends miss 0 and 1 by a rounding error.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == trials, 1.0, centre + half)
    return np.where(trials > 0, low, np.nan), np.where(trials > 0, high, np.nan)
