"""Differences of two arms' refusal rates and the statistics of their test, within texts or between them."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .clustered import cluster_correction, clustered_variance
from .intervals import zero_count_bound
from .score import Score, overdispersion, score_interval
from .strata import Strata, null_third_moment, null_variance


@dataclass(frozen=True)
class Difference:
    """Estimates of all contrasts: (n_contrasts,) array of float each.

    Attributes
    ----------
    score
        The difference of rates, in [-1, 1], and the statistics of its test.
    log_odds, log_odds_error
        Logarithm of the odds ratio, and its text-clustered standard error.
    freedom
        Degrees of freedom of this error.
    n, n_texts, n_refused, n_baseline, n_refused_baseline
        Of the responses that were compared.
    """

    score: Score
    log_odds: Floats
    log_odds_error: Floats
    freedom: Floats
    n: Floats
    n_texts: Floats
    n_refused: Floats
    n_baseline: Floats
    n_refused_baseline: Floats

    def where(self, keep: NDArray[np.bool_], other: "Difference") -> "Difference":
        """Select contrasts by a mask, (n_contrasts,) bool, and take the others from a second set."""
        numbers = (np.where(keep, getattr(self, name), getattr(other, name)) for name in _NUMBERS)
        return Difference(self.score.where(keep, other.score), *numbers)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> "Difference":
        """Select contrasts by a mask, (n_contrasts,) bool, or by number, each as often as it is named."""
        return Difference(self.score.take(keep), *(getattr(self, name)[keep] for name in _NUMBERS))


_NUMBERS = [field.name for field in fields(Difference) if field.name != "score"]


def pool_overdispersion(difference: Difference, family: NDArray[np.integer]) -> tuple[Difference, Floats]:
    """Estimate overdispersion within families of differences, and how well it is known.

    Parameters
    ----------
    difference : Difference
    family : (n_contrasts,) array of int
        The family of each contrast, numbered from 0.

    Returns
    -------
    Difference
        The same; the test of a difference within texts that is alone in its family, whose overdispersion is estimated
        from its own texts, has their degrees of freedom.
    phi : (n_contrasts,) array of float
        As of `refusal_metrics.analysis.statistics.score.overdispersion`.
    """
    score = difference.score
    is_alone = (np.bincount(family)[family] == 1) & np.isposinf(score.freedom) & (difference.freedom > 0)
    score = replace(score, freedom=np.where(is_alone, difference.freedom, score.freedom))
    return replace(difference, score=score), overdispersion(score, family)


def interval_of_difference(difference: Difference, phi: Floats, level: float | Floats) -> tuple[Floats, Floats]:
    """Compute the confidence interval of each difference.

    Parameters
    ----------
    difference : Difference
    phi : (n_contrasts,) array of float
        As of `refusal_metrics.analysis.statistics.score.overdispersion`.
    level : float or (n_contrasts,) array of float
        Confidence level.

    Returns
    -------
    low, high : (n_contrasts,) array of float
        As of `refusal_metrics.analysis.statistics.score.score_interval`. If no text has different verdicts, from -b to
        b, with b the proportion of texts of which as many would show none with a probability of (1 - level) / 2. nan
        for a single text.
    """
    score, has_error = difference.score, difference.freedom > 0
    unseen = zero_count_bound(np.where(has_error, difference.freedom + 1, np.nan), (1 - level) / 2)
    low, high = score_interval(score, phi, level)
    is_known = has_error & (score.variance > 0)
    return np.where(is_known, low, -unseen), np.where(is_known, high, unseen)


def compare_within(strata: Strata) -> Difference:
    r"""Compare two arms within texts: Mantel and Haenszel's difference and odds ratio.

    Parameters
    ----------
    strata : Strata
        Each entry has responses in both arms.

    Returns
    -------
    Difference
        nan where a contrast has no entries. The logarithm of the odds ratio,
        :math:`\log(\sum_g r_g / \sum_g s_g)`, has the text-clustered variance
        :math:`\tfrac{G}{G-1} \sum_g (r_g / R - s_g / S)^2`, R and S being the two sums.

    References
    ----------
    Greenland and Robins 1985, doi:10.2307/2530643. Robins, Breslow and Greenland 1986,
    doi:10.2307/2531052.
    """
    n_texts = strata.count_texts()
    log_odds, log_odds_error = _log_odds(strata, n_texts)
    return Difference(
        score=_score_within(strata, n_texts),
        log_odds=log_odds,
        log_odds_error=log_odds_error,
        freedom=n_texts - 1,
        n=strata.total(strata.n),
        n_texts=n_texts,
        n_refused=strata.total(strata.k),
        n_baseline=strata.total(strata.n_baseline),
        n_refused_baseline=strata.total(strata.k_baseline),
    )


def text_scores(strata: Strata, difference: Difference) -> Floats:
    r"""Compute what each text adds to the error of a difference within texts.

    Parameters
    ----------
    strata : Strata
    difference : Difference
        From `compare_within`.

    Returns
    -------
    (n_entries,) array of float
        :math:`\sqrt{G / (G - 1)} (w_g d_g - \hat d w_g) / \sum_g w_g`: the sum of squares is the text-clustered
        variance. nan for one text.
    """
    scale = np.sqrt(cluster_correction(difference.n_texts)) / difference.score.weight
    return np.asarray(strata.residuals(difference.score.estimate) * scale[strata.contrast], dtype=np.float64)


def _score_within(strata: Strata, n_texts: Floats) -> Score:
    """Compute the statistics of the test within texts."""
    of_n, of_baseline, total = (strata.total(values) for values in (strata.n, strata.n_baseline, strata.weights))
    estimate = strata.mean_differences()
    with np.errstate(divide="ignore", invalid="ignore"):
        return Score(
            estimate=estimate,
            weight=np.where(n_texts > 0, total, np.nan),
            weight_squares=strata.total_squares(strata.weights),
            variance=null_variance(strata),
            third=null_third_moment(strata),
            scatter=clustered_variance(strata.total_squares(strata.residuals(estimate)), n_texts),
            n_informative=strata.count_texts(strata.null_variances > 0),
            freedom=np.full(strata.n_contrasts, np.inf),
            n=of_n,
            n_baseline=of_baseline,
            rate=strata.total(strata.k + strata.k_baseline) / (of_n + of_baseline),
        )


def _log_odds(strata: Strata, n_texts: Floats) -> tuple[Floats, Floats]:
    """Compute the logarithms of the odds ratios, and their errors."""
    n = strata.n + strata.n_baseline
    toward = strata.k * (strata.n_baseline - strata.k_baseline) / n
    against = strata.k_baseline * (strata.n - strata.k) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        r, s = (strata.total(values) for values in (toward, against))
        influence = toward / r[strata.contrast] - against / s[strata.contrast]
        return np.log(r) - np.log(s), np.sqrt(clustered_variance(strata.total_squares(influence), n_texts))


def compare_between(strata: Strata) -> Difference:
    """Compare two arms without common texts: the difference of their rates, and its odds ratio.

    Parameters
    ----------
    strata : Strata
        Each entry has responses in one arm.

    Returns
    -------
    Difference
        The test treats all texts as one text. The scatter of its score is the larger of two: that of texts around the
        rate of their own arm, and that with one rate and one correlation within texts, estimated from both arms.
        Degrees of freedom are those of the arm with fewer texts.
    """
    strata = strata.whole_texts()
    arms = ((strata.n, strata.k), (strata.n_baseline, strata.k_baseline))
    (n, k), (n0, k0) = ((strata.total(n), strata.total(k)) for n, k in arms)
    squares = None if strata.squares is None else strata.total(strata.squares)
    n_texts, n_texts0 = (strata.total((n > 0).astype(np.float64)) for n, _ in arms)
    whole = Strata(np.arange(len(n)), n, k, n0, k0, len(n), squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance, variance0 = _variance(strata, *arms[0], n, k), _variance(strata, *arms[1], n0, k0)
        slope, slope0 = n**2 / (k * (n - k)), n0**2 / (k0 * (n0 - k0))
        freedom = np.minimum(n_texts, n_texts0) - 1
        weight = n * n0 / (n + n0)
        score = Score(
            estimate=k / n - k0 / n0,
            weight=weight,
            weight_squares=weight**2,
            variance=np.nan_to_num(null_variance(whole)),
            third=null_third_moment(whole),
            scatter=(variance + variance0) * weight**2,
            # All that is known of the variance is this contrast's own.
            n_informative=np.full(len(n), np.inf),
            freedom=np.where(freedom > 0, freedom, np.nan),
            n=n,
            n_baseline=n0,
            rate=(k + k0) / (n + n0),
        )
        # With one rate, it would change with the difference as all variances do.
        common = _between_null_variance(strata) * weight**2 * score.moments(score.estimate)[0] / score.variance
        return Difference(
            score=replace(score, scatter=np.fmax(score.scatter, common)),
            log_odds=np.log(k) + np.log(n0 - k0) - np.log(k0) - np.log(n - k),
            log_odds_error=np.sqrt(variance * slope**2 + variance0 * slope0**2),
            freedom=freedom,
            n=n,
            n_texts=n_texts,
            n_refused=k,
            n_baseline=n0,
            n_refused_baseline=k0,
        )


def _variance(strata: Strata, n: Floats, k: Floats, total_n: Floats, total_k: Floats) -> Floats:
    """Compute the text-clustered variance of an arm's rate; n and k are the arm's entries."""
    # Whole numbers, so that equal rates give exactly 0.
    score = k * total_n[strata.contrast] - n * total_k[strata.contrast]
    n_texts = strata.total((n > 0).astype(np.float64))
    return clustered_variance(strata.total(score**2), n_texts) / total_n**4


def _between_null_variance(strata: Strata) -> Floats:
    """Compute the variance of a difference if both arms had one rate, and one correlation within texts."""
    n, k = strata.n + strata.n_baseline, strata.k + strata.k_baseline
    rate = strata.total(k) / strata.total(n)
    independent = rate * (1 - rate)
    excess = strata.total((k - rate[strata.contrast] * n) ** 2) - independent * strata.total(n)
    correlation = excess / (independent * strata.total(n * (n - 1)))
    # Texts with one response have no correlation.
    correlation = np.clip(np.nan_to_num(correlation, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    arms = ((strata.total(arm), strata.total(arm**2)) for arm in (strata.n, strata.n_baseline))
    share, share0 = ((total + correlation * (square - total)) / total**2 for total, square in arms)
    return independent * (share + share0)
