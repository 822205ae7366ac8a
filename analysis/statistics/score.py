r"""A score test of a difference of two arms' refusal rates, the interval from inverting it, and its power.

The statistic is the arm's refusals minus the number expected if verdicts were assigned to the arms at random within
texts, :math:`T = \sum_g (k_{gx} - n_{gx} s_g / n_g) = W \hat d`, with W the sum of the weights of Mantel and Haenszel's
difference. At the difference d it is compared with :math:`W d`,

.. math:: z(d) = \frac{W (\hat d - d)}{\sqrt{\phi\, V(d)}} ,

and Pearson's type III distribution with the third moment of T. V(0) and the third moment at 0 are hypergeometric.
Elsewhere they change as those of two binomial numbers with the rates
:math:`p_x = \hat p + d\, n_0 / n` and :math:`p_0 = \hat p - d\, n_x / n`, moved into [0, 1] where necessary:
:math:`V(d) = V(0)\, \kappa_2(d) / \kappa_2(0)`, and the third moment by
:math:`(\kappa_3(d) - \kappa_3(0))\, V(0) / \kappa_2(0)`.

With few informative texts (texts with both verdicts), the data do not show whether an effect is the same in all texts
or concentrated in some of them. An effect that changes all verdicts in a share :math:`|d|` of the texts adds the
variance :math:`|d| (1 - |d|) \sum_g w_g^2`. It is added to V(d) with the weight :math:`5^2 / (5^2 + I^2)`, for I
informative texts.

The factor :math:`\phi` is the overdispersion: the ratio of the observed variance of the texts' scores to the variance
under random assignment, which is above 1 if a persona's effect varies between texts. It is the same at every d, so a
95% confidence interval contains 0 exactly if p > .05.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from ..arrays import Floats

SMALLEST_P = 1e-12
"""The smallest p-value reported: the approximation is not accurate below it."""

PRIOR_TEXTS = 200
"""The pooled overdispersion of a family has the weight of this many informative texts of one contrast."""

FEW_TEXTS = 5
"""With this many informative texts, the variance of an effect that is concentrated in some texts has the weight 1/2."""

_SYMMETRIC = 1e-4
"""Below this skewness, the normal distribution is used."""
_STEPS = 38
"""Halvings when an end of an interval is searched."""
_STEPS_DETECTABLE = 24
"""Halvings when a detectable difference is searched: to 1e-7."""


@dataclass(frozen=True)
class Score:
    """The score statistics of contrasts: (n_contrasts,) array of float each.

    Attributes
    ----------
    estimate
        Difference of rates, in [-1, 1].
    weight, weight_squares
        W, by which the statistic is the estimate, and the sum of the texts' squared weights.
    variance, third
        The second and the third central moment of the statistic under no difference.
    scatter
        The sum of the texts' squared scores around the estimate, with the finite-sample factor; nan for one text.
    n_informative
        Texts with both verdicts.
    freedom
        Degrees of freedom of the variance; infinite if it is known under no difference.
    n, n_baseline
        Responses in both arms.
    rate
        Refusal rate of both arms together.
    """

    estimate: Floats
    weight: Floats
    weight_squares: Floats
    variance: Floats
    third: Floats
    scatter: Floats
    n_informative: Floats
    freedom: Floats
    n: Floats
    n_baseline: Floats
    rate: Floats

    def take(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> "Score":
        """Select contrasts by a mask, (n_contrasts,) bool, or by number, each as often as it is named."""
        return Score(*(getattr(self, field.name)[keep] for field in fields(self)))

    def where(self, keep: NDArray[np.bool_], other: "Score") -> "Score":
        """Select contrasts by a mask, (n_contrasts,) bool, and take the others from a second set."""
        return Score(*(np.where(keep, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def moments(self, difference: ArrayLike) -> tuple[Floats, Floats]:
        """Compute the variance of the statistic at a difference, without overdispersion, and its skewness."""
        d = np.asarray(difference, dtype=np.float64)
        share = self.n / (self.n + self.n_baseline)
        rate = np.clip(self.rate + (1 - share) * d, np.maximum(d, 0), np.minimum(1 + d, 1))
        return self.moments_of(rate, rate - d)

    def moments_of(self, rate: ArrayLike, rate_baseline: ArrayLike) -> tuple[Floats, Floats]:
        """Compute the variance and the skewness of the statistic at given rates of the arms."""
        here, here3 = _cumulants(rate, rate_baseline, self.n, self.n_baseline)
        null, null3 = _cumulants(self.rate, self.rate, self.n, self.n_baseline)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = self.variance / null
            variance = scale * here
            return variance, (self.third + scale * (here3 - null3)) / variance**1.5


def overdispersion(score: Score, family: NDArray[np.integer]) -> Floats:
    r"""Estimate the ratio of the observed variance of texts' scores to that under random assignment within texts.

    Parameters
    ----------
    score : Score
    family : (n_contrasts,) array of int
        The family of each contrast, numbered from 0.

    Returns
    -------
    (n_contrasts,) array of float
        :math:`\phi_a = \max\big(\phi, \frac{200 \phi + I_a S_a / V_a}{200 + I_a}\big)` with
        :math:`\phi = \max(1, \sum_a S_a / \sum_a V_a)` over the contrasts of the family, :math:`S_a` the squared
        scores around the estimate, :math:`V_a` their variance at the estimate and :math:`I_a` the informative texts.
    """
    variance = score.moments(score.estimate)[0]
    known = np.isfinite(score.scatter) & (variance > 0)
    own, expected = np.where(known, score.scatter, 0), np.where(known, variance, 0)
    totals, totals_expected = (np.bincount(family, weights=values) for values in (own, expected))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.fmax(totals / totals_expected, 1)[family]
        share = 1 / (1 + PRIOR_TEXTS / score.n_informative)
        single = np.where(known, own / expected, pooled)
    return np.asarray(np.maximum(pooled, (1 - share) * pooled + share * single), dtype=np.float64)


def score_p(score: Score, phi: Floats, difference: ArrayLike = 0.0) -> Floats:
    """Test that the difference has a given value.

    Parameters
    ----------
    score : Score
    phi : (n_contrasts,) array of float
        As of `overdispersion`.
    difference : (n_contrasts,) array_like of float

    Returns
    -------
    (n_contrasts,) array of float
        Twice the probability of a statistic at least as far from its expectation in the same direction; at least
        1e-12. 1 if no text has both verdicts.
    """
    return np.clip(2 * _tail_of(score, phi, difference), SMALLEST_P, 1)


def _tail_of(score: Score, phi: Floats, difference: ArrayLike) -> Floats:
    """Compute the probability of a statistic at least as far from its expectation in the same direction."""
    d = np.asarray(difference, dtype=np.float64)
    variance, skewness = score.moments(d)
    unknown = 1 / (1 + (score.n_informative / FEW_TEXTS) ** 2)
    raised = variance + unknown * np.abs(d) * (1 - np.abs(d)) * score.weight_squares
    with np.errstate(divide="ignore", invalid="ignore"):
        z = score.weight * (score.estimate - d) / np.sqrt(phi * raised)
        skewness = skewness * (variance / raised) ** 1.5
        tail = upper_tail(_normal_deviate(np.abs(z), score.freedom), np.sign(z) * skewness)
    return np.where(z == 0, 1.0, np.where(score.variance > 0, tail, np.where(np.isfinite(score.weight), 1.0, np.nan)))


def score_interval(score: Score, phi: Floats, level: float | Floats) -> tuple[Floats, Floats]:
    """Find the differences that the test does not reject.

    Parameters
    ----------
    score : Score
    phi : (n_contrasts,) array of float
        As of `overdispersion`.
    level : float or (n_contrasts,) array of float
        Confidence level: differences are kept if p > 1 - level.

    Returns
    -------
    low, high : (n_contrasts,) array of float
        In [-1, 1]. They include 0 exactly if its p-value is above 1 - level. nan if no text has both verdicts.
    """
    alpha = 1 - level
    keeps_zero = score_p(score, phi) > alpha
    bound = np.array([[-1.0], [1.0]])
    # Where 0 lies between the estimate and a bound, an end is beyond 0 exactly if 0 is kept.
    is_between = score.estimate * bound < 0
    inside = np.where(is_between & keeps_zero, 0.0, score.estimate)
    outside = np.where(is_between & ~keeps_zero, 0.0, bound)
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        # At a level of 0 nothing is rejected, also beyond the distribution's end.
        is_kept = (2 * _tail_of(score, phi, middle) > alpha) | (np.asarray(alpha) <= 0)
        inside, outside = np.where(is_kept, middle, inside), np.where(is_kept, outside, middle)
    # A bound itself is never tested.
    ends = np.where(np.abs(inside - bound) < 2.0 ** (2 - _STEPS), bound, inside)
    low, high = np.where(score.variance > 0, ends, np.nan)
    return low, high


def detectable(score: Score, phi: Floats, alpha: Floats, power: float) -> tuple[Floats, Floats]:
    r"""Find the smallest increase and the smallest decrease that the test detects with a given power.

    The baseline keeps the rate p of both arms together, the arm of interest gets p + d. Under this, the statistic has
    the expectation :math:`W d` and the error :math:`e_1`, and the test, which then estimates one common rate, the error
    :math:`e_0` under no difference:

    .. math:: W |d| = c\, e_0 + q\, e_1

    with c the critical value and q the quantile of the power, both of Pearson's type III distribution.

    Parameters
    ----------
    score : Score
    phi : (n_contrasts,) array of float
        As of `overdispersion`.
    alpha : (n_contrasts,) array of float
        The level of the two-sided test.
    power : float

    Returns
    -------
    increase, decrease : (n_contrasts,) array of float
        Both in [0, 1]. The increase is 1 if none is detected; the decrease is nan if none is down to a rate of 0.
        Both are nan if no text has both verdicts.
    """
    direction = np.array([[1.0], [-1.0]])
    room = np.stack([1 - score.rate, score.rate])
    is_possible = detection_power(score, phi, direction * room * (1 - 1e-9), alpha) >= power
    low, high = np.zeros_like(room), room.copy()
    for _ in range(_STEPS_DETECTABLE):
        middle = (low + high) / 2
        is_enough = detection_power(score, phi, direction * middle, alpha) >= power
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    found = np.where(is_possible, high, np.array([[1.0], [np.nan]]))
    increase, decrease = np.where(score.variance > 0, found, np.nan)
    return increase, decrease


def detection_power(score: Score, phi: Floats, difference: Floats, alpha: Floats) -> Floats:
    """Compute the probability that the test detects a difference, in its direction, under the model of `detectable`.

    Parameters
    ----------
    score : Score
    phi : (n_contrasts,) array of float
        As of `overdispersion`.
    difference : (..., n_contrasts) array of float
        The rate of both arms together plus the difference is in [0, 1].
    alpha : (n_contrasts,) array of float
        The level of the two-sided test.

    Returns
    -------
    (..., n_contrasts) array of float
    """
    sign = np.sign(difference)
    share = score.n / (score.n + score.n_baseline)
    common = score.rate + share * difference
    null, null_skewness = score.moments_of(common, common)
    variance, skewness = score.moments_of(score.rate + difference, score.rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        critical = _student_deviate(quantile(alpha / 2, sign * null_skewness), score.freedom)
        shortfall = critical * np.sqrt(phi * null) - score.weight * np.abs(difference)
        power = upper_tail(shortfall / np.sqrt(phi * variance), sign * skewness)
    # At a level of 0 nothing is detected, also where the distribution ends before.
    return np.where(alpha > 0, power, 0.0)


def _cumulants(rate: ArrayLike, rate0: ArrayLike, n: Floats, n0: Floats) -> tuple[Floats, Floats]:
    """Compute the second and third cumulants of the statistic of one stratum whose refusals are binomial."""
    p, p0 = np.asarray(rate, dtype=np.float64), np.asarray(rate0, dtype=np.float64)
    weight = n * n0 / (n + n0)
    of_one, of_other = p * (1 - p), p0 * (1 - p0)
    second = weight**2 * (of_one / n + of_other / n0)
    third = weight**3 * (of_one * (1 - 2 * p) / n**2 - of_other * (1 - 2 * p0) / n0**2)
    return second, third


def upper_tail(z: Floats, skewness: Floats) -> Floats:
    """Compute P(Z >= z) of Pearson's type III distribution with mean 0, variance 1 and this skewness.

    References
    ----------
    Johnson, Kotz and Balakrishnan 1994, Continuous Univariate Distributions 1, chapter 17: a shifted gamma
    distribution of shape 4 / skewness^2.
    """
    z, skewness = np.broadcast_arrays(z, skewness)
    tail = np.array(special.ndtr(-z), dtype=np.float64)
    for sign, distribution in ((1, special.gammaincc), (-1, special.gammainc)):
        at = sign * skewness >= _SYMMETRIC
        shape = 4 / skewness[at] ** 2
        tail[at] = distribution(shape, np.maximum(shape + sign * np.sqrt(shape) * z[at], 0))
    return tail


def quantile(tail: Floats, skewness: Floats) -> Floats:
    """Find the value that `upper_tail` exceeds with a given probability."""
    tail, skewness = np.broadcast_arrays(tail, skewness)
    z = np.array(-special.ndtri(tail), dtype=np.float64)
    for sign, inverse in ((1, special.gammainccinv), (-1, special.gammaincinv)):
        at = sign * skewness >= _SYMMETRIC
        shape = 4 / skewness[at] ** 2
        z[at] = sign * (inverse(shape, tail[at]) - shape) / np.sqrt(shape)
    return z


def _normal_deviate(t: Floats, freedom: Floats) -> Floats:
    """Convert positive values of Student's t to normal deviates with the same upper tail."""
    few = np.isfinite(freedom)
    if not few.any():
        return t
    deviate = stats.norm.isf(stats.t.sf(t, np.where(few & (freedom > 0), freedom, np.nan)))
    return np.where(few, deviate, np.where(np.isnan(freedom), np.nan, t))


def _student_deviate(z: Floats, freedom: Floats) -> Floats:
    """Convert normal deviates to values of Student's t with the same upper tail."""
    few = np.isfinite(freedom)
    if not few.any():
        return z
    t = stats.t.isf(stats.norm.sf(z), np.where(few & (freedom > 0), freedom, np.nan))
    return np.where(few, t, np.where(np.isnan(freedom), np.nan, z))
