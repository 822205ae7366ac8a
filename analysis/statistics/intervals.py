"""Confidence intervals of proportions with a known variance, and of sums of such proportions.

A proportion with a variance has an effective sample size, and the exact interval for that many trials never has width 0
and stays within [0, 1]. Intervals of sums combine the distances of the parts from their ends.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

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
        The number of trials, an upper bound of the effective sample size.
    unseen : array of float
        The width of the interval if the rate is 0 or 1, see `zero_count_bound`.
    freedom : array of float
        Degrees of freedom of the variances, if they are to widen the interval.
    level : float
        Confidence level.

    Returns
    -------
    low, high : array of float
        In [0, 1]; nan if a variance is missing.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 - a start needs none of it

    p, v, most, reach, d = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (rate, variance, n, unseen, freedom))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.where(np.isposinf(d), 1.0, (student(level, most - 1) / student(level, np.where(d > 0, d, 1))) ** 2)
        # A single trial has no quantile of Student's t; its effective size is 1.
        effective = np.minimum(most, p * (1 - p) / v * np.where(np.isnan(known), 1.0, known))
        low, high = proportion_confint(p * effective, effective, alpha=1 - level, method="beta")
    return (
        np.select([p <= 0, p >= 1], [0.0, np.maximum(1 - reach, 0)], low),
        np.select([p <= 0, p >= 1], [np.minimum(reach, 1), 1.0], high),
    )


def mid_p_interval(rate: ArrayLike, n: ArrayLike, level: float = CONFIDENCE) -> tuple[Floats, Floats]:
    r"""Compute the mid-P interval of a proportion.

    It is Clopper and Pearson's with half the probability of the observed number, so it covers in 95 of 100 cases on
    average, not at least. The upper end is the proportion at which :math:`P(X < x) + P(X = x) / 2` is (1 - level) / 2,
    the lower end the mirror image. For 0 of n, the upper end is :math:`1 - (1 - \mathrm{level})^{1/n}`.

    Parameters
    ----------
    rate : array of float
        Proportions in [0, 1].
    n : array of float
        Trials, greater than 0; both they and the successes rate * n may be fractions, of effective sample sizes.
    level : float
        Confidence level.

    Returns
    -------
    low, high : array of float
        In [0, 1].

    References
    ----------
    Berry and Armitage 1995, Mid-P confidence intervals: a brief review, The Statistician 44, 417-423.

    Examples
    --------
    >>> low, high = mid_p_interval(5 / 20, 20)
    >>> round(float(low), 3), round(float(high), 3)
    (0.098, 0.47)
    """
    p, size = np.broadcast_arrays(np.asarray(rate, dtype=np.float64), np.asarray(n, dtype=np.float64))
    return 1 - _mid_p_upper(1 - p, size, level), _mid_p_upper(p, size, level)


def _mid_p_upper(rate: Floats, n: Floats, level: float) -> Floats:
    """Search the upper ends by halving, to 1e-12."""
    x = rate * n
    low, high = np.array(rate, dtype=np.float64), np.ones_like(rate)
    for _ in range(40):
        middle = (low + high) / 2
        # P(X <= x) and P(X < x); the second is 0 if x is, and the first 1 if x is n.
        up_to = special.betainc(np.maximum(n - x, 1e-300), x + 1, 1 - middle)
        below = np.where(x > 0, special.betainc(n - x + 1, np.maximum(x, 1e-300), 1 - middle), 0.0)
        is_kept = (up_to + below) / 2 > (1 - level) / 2
        low, high = np.where(is_kept, middle, low), np.where(is_kept, high, middle)
    return np.where(rate >= 1, 1.0, high)


def totals(group: NDArray[np.integer], values: Floats, n_groups: int = 0) -> Floats:
    """Sum values by group: (n,) numbers of groups from 0 and values, to (n_groups or more,)."""
    return np.bincount(group, values, minlength=n_groups).astype(np.float64)


def effective_units(weights: Floats) -> float:
    """Return Kish's effective sample size of weights, 0 without any."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def zero_count_bound(n_units: ArrayLike, tail: float | Floats) -> Floats:
    r"""Return the upper bound :math:`1 - \alpha^{1/n}` of a proportion without an observed case.

    At this proportion, n independent units have no case with probability :math:`\alpha`. It is the end of
    Clopper and Pearson's interval for 0 of n; for :math:`\alpha = .05` about 3 / n (the rule of three). If all units
    are cases, 1 minus it is the lower bound.

    Parameters
    ----------
    n_units : array of float
        Independent units, e.g. texts; may be an effective number.
    tail : float or array of float
        :math:`\alpha`: 1 - confidence of a one-sided interval, half of it of a two-sided one.

    Returns
    -------
    array of float
        In [0, 1]; 1 without units.

    References
    ----------
    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404. Hanley and Lippman-Hand 1983,
    doi:10.1001/jama.1983.03330370053031.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(1 - tail ** (1 / np.asarray(n_units, dtype=np.float64)), dtype=np.float64)


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
        # A quadratic form of a correlation matrix is negative only by rounding.
        square = float(signed @ correlation @ signed)
        ends.append(math.sqrt(max(square, 0.0)) if np.isfinite(signed).all() else math.nan)
    total = float(signs @ estimates)
    return total - ends[0], total + ends[1]


def interval_of_means(
    estimates: Floats, low: Floats, high: Floats, group: NDArray[np.integer], n_groups: int
) -> tuple[Floats, Floats, Floats]:
    r"""Average independent estimates by group, with an interval from their own intervals.

    .. math:: \bar\theta - \frac{1}{T} \sqrt{\textstyle\sum_t (\hat\theta_t - l_t)^2}, \quad
              \bar\theta + \frac{1}{T} \sqrt{\textstyle\sum_t (u_t - \hat\theta_t)^2},

    for the T estimates of a group.

    Parameters
    ----------
    estimates, low, high : (n,) array of float
    group : (n,) array of int
        The group of each, numbered from 0.
    n_groups : int

    Returns
    -------
    estimates, low, high : (n_groups,) array of float
        nan for a group without estimates; an end is nan if it is of a member.

    References
    ----------
    Zou, Huang and Zhang 2009, doi:10.1016/j.csda.2008.09.033.

    Examples
    --------
    Two intervals of half-width 3 and 4: the mean has half the root of 3^2 + 4^2.

    >>> one, two = np.array([10.0, 20.0]), np.array([3.0, 4.0])
    >>> [float(end[0]) for end in interval_of_means(one, one - two, one + two, np.array([0, 0]), 1)]
    [15.0, 12.5, 17.5]
    """
    with np.errstate(invalid="ignore"):
        n = np.bincount(group, minlength=n_groups)
        mean = np.bincount(group, estimates, n_groups) / n
        below, above = (np.sqrt(np.bincount(group, (end - estimates) ** 2, n_groups)) / n for end in (low, high))
    return mean, mean - below, mean + above


def student(level: float | Floats, freedom: ArrayLike) -> Floats:
    """Return the two-sided critical values of Student's t at a confidence level; nan without degrees of freedom."""
    d = np.asarray(freedom, dtype=np.float64)
    return np.asarray(stats.t.ppf((1 + level) / 2, np.where(d > 0, d, np.nan)), dtype=np.float64)


def wilson(k: ArrayLike, n: ArrayLike, level: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Compute Wilson's score interval of a proportion.

    Parameters
    ----------
    k, n : array of float
        Successes and trials; shapes that broadcast.
    level : float
        Confidence level in (0, 1).

    Returns
    -------
    low, high : array of float
        Probabilities in [0, 1]; nan without trials. Never of width 0.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 - a start needs none of it

    successes, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    # Without these, the ends differ from 0 and 1 by a rounding error.
    low, high = np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)
    return np.where(trials > 0, low, np.nan), np.where(trials > 0, high, np.nan)
