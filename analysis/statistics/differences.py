"""Differences of two arms' refusal rates and their errors, within texts or between them."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .clustered import clustered_variance
from .exact import Strata, exchangeability_p, null_variance


@dataclass(frozen=True)
class Difference:
    """Estimates of all contrasts: (n_contrasts,) array of float each.

    Attributes
    ----------
    estimate
        Difference of rates, in [-1, 1].
    clustered, error
        Its text-clustered standard error, and the larger of that and the one under no difference.
    freedom
        Degrees of freedom of both.
    log_odds, log_odds_error
        Logarithm of the odds ratio, and its text-clustered standard error.
    exact_p
        Of `refusal_metrics.analysis.statistics.exact.exchangeability_p`.
    n, n_texts, n_refused, n_baseline, n_refused_baseline
        Of the responses that were compared.
    """

    estimate: Floats
    clustered: Floats
    error: Floats
    freedom: Floats
    log_odds: Floats
    log_odds_error: Floats
    exact_p: Floats
    n: Floats
    n_texts: Floats
    n_refused: Floats
    n_baseline: Floats
    n_refused_baseline: Floats

    def where(self, keep: NDArray[np.bool_], other: "Difference") -> "Difference":
        """Select contrasts by a mask, (n_contrasts,) bool, and take the others from a second set."""
        return Difference(*(np.where(keep, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def take(self, keep: NDArray[np.bool_]) -> "Difference":
        """Select contrasts by a mask: (n_contrasts,) bool."""
        return Difference(*(getattr(self, f.name)[keep] for f in fields(self)))


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
    n_texts = np.bincount(strata.contrast, minlength=strata.n_contrasts).astype(np.float64)
    estimate, clustered, error = _weighted_difference(strata, n_texts)
    log_odds, log_odds_error = _log_odds(strata, n_texts)
    return Difference(
        estimate=estimate,
        clustered=clustered,
        error=error,
        freedom=n_texts - 1,
        log_odds=log_odds,
        log_odds_error=log_odds_error,
        exact_p=exchangeability_p(strata),
        n=strata.total(strata.n),
        n_texts=n_texts,
        n_refused=strata.total(strata.k),
        n_baseline=strata.total(strata.n_baseline),
        n_refused_baseline=strata.total(strata.k_baseline),
    )


def _weighted_difference(strata: Strata, n_texts: Floats) -> tuple[Floats, Floats, Floats]:
    """Compute the differences, their clustered errors, and the larger of these and the errors under no difference."""
    n = strata.n + strata.n_baseline
    weight = strata.n * strata.n_baseline / n
    score = (strata.k * strata.n_baseline - strata.k_baseline * strata.n) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        total = strata.total(weight)
        estimate = strata.total(score) / total
        residual = score - estimate[strata.contrast] * weight
        clustered = np.sqrt(clustered_variance(strata.total(residual**2), n_texts)) / total
        return estimate, clustered, np.maximum(clustered, np.sqrt(null_variance(strata)) / total)


def _log_odds(strata: Strata, n_texts: Floats) -> tuple[Floats, Floats]:
    """Compute the logarithms of the odds ratios, and their errors."""
    n = strata.n + strata.n_baseline
    toward = strata.k * (strata.n_baseline - strata.k_baseline) / n
    against = strata.k_baseline * (strata.n - strata.k) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        r, s = (strata.total(values) for values in (toward, against))
        influence = toward / r[strata.contrast] - against / s[strata.contrast]
        return np.log(r) - np.log(s), np.sqrt(clustered_variance(strata.total(influence**2), n_texts))


def compare_between(strata: Strata) -> Difference:
    """Compare two arms without common texts: the difference of their rates, and its odds ratio.

    Parameters
    ----------
    strata : Strata
        Each entry has responses in one arm.

    Returns
    -------
    Difference
        The exact test treats all texts as one. The error under no difference has one rate and one
        correlation within texts, estimated from both arms. Degrees of freedom are those of the arm with fewer
        texts.
    """
    arms = ((strata.n, strata.k), (strata.n_baseline, strata.k_baseline))
    (n, k), (n0, k0) = ((strata.total(n), strata.total(k)) for n, k in arms)
    squares = None if strata.squares is None else strata.total(strata.squares)
    n_texts, n_texts0 = (strata.total((n > 0).astype(np.float64)) for n, _ in arms)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance, variance0 = _variance(strata, *arms[0], n, k), _variance(strata, *arms[1], n0, k0)
        null = _between_null_variance(strata)
        clustered = np.sqrt(variance + variance0)
        slope, slope0 = n**2 / (k * (n - k)), n0**2 / (k0 * (n0 - k0))
        return Difference(
            estimate=k / n - k0 / n0,
            clustered=clustered,
            error=np.maximum(clustered, np.sqrt(null)),
            freedom=np.minimum(n_texts, n_texts0) - 1,
            log_odds=np.log(k) + np.log(n0 - k0) - np.log(k0) - np.log(n - k),
            log_odds_error=np.sqrt(variance * slope**2 + variance0 * slope0**2),
            exact_p=exchangeability_p(Strata(np.arange(len(n)), n, k, n0, k0, len(n), squares)),
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
