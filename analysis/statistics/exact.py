"""Exact tests that verdicts are exchangeable between two arms within each text."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from ..arrays import Floats

SMALLEST_P = 1e-12
"""The smallest p-value: the transform is exact to about 1e-14."""

_DIGITS = 9
"""Digits after the point that are no rounding errors."""
_GRID = 512
_LARGEST_VARIANCE = 400.0
# This many characteristic functions fit into a processor's cache.
_CHUNK = 4096


@dataclass(frozen=True)
class Strata:
    """Texts with responses in both arms: one entry for each such text of each contrast.

    Responses here are distinct prompts, each with a value between 0 and 1, mostly 0 or 1.

    Attributes
    ----------
    contrast : (n_entries,) array of int
    n, k : (n_entries,) array of float
        Responses and refusals in the arm of interest.
    n_baseline, k_baseline : (n_entries,) array of float
    n_contrasts : int
    squares : (n_entries,) array of float, optional
        Sums of the squared values in both arms; None if all values are 0 or 1.
    """

    contrast: NDArray[np.integer]
    n: Floats
    k: Floats
    n_baseline: Floats
    k_baseline: Floats
    n_contrasts: int
    squares: Floats | None = None

    def total(self, values: Floats) -> Floats:
        """Sum values by contrast: (n_entries,) to (n_contrasts,)."""
        return np.bincount(self.contrast, weights=values, minlength=self.n_contrasts).astype(np.float64)

    @cached_property
    def null_variances(self) -> Floats:
        """The variance of each text's refusals in the arm of interest, see `null_variance`: (n_entries,)."""
        n, s = self.n + self.n_baseline, self.k + self.k_baseline
        # n times the sum of squared deviations from the mean; rounding errors are no variance.
        deviations = s * (n - s) if self.squares is None else np.round(n * self.squares - s**2, _DIGITS)
        return self.n * self.n_baseline * deviations / (n**2 * np.maximum(n - 1, 1))

    @cached_property
    def is_whole(self) -> NDArray[np.bool_]:
        """Whether all values of a contrast are 0 or 1: (n_contrasts,)."""
        if self.squares is None:
            return np.ones(self.n_contrasts, dtype=bool)
        differ = np.round(self.squares - self.k - self.k_baseline, _DIGITS) != 0
        return np.asarray(self.total(differ.astype(np.float64)) == 0, dtype=np.bool_)

    def take(self, keep: NDArray[np.bool_]) -> "Strata":
        """Select entries by a mask: (n_entries,) bool."""
        return Strata(
            self.contrast[keep],
            self.n[keep],
            self.k[keep],
            self.n_baseline[keep],
            self.k_baseline[keep],
            self.n_contrasts,
            None if self.squares is None else self.squares[keep],
        )


def null_variance(strata: Strata) -> Floats:
    r"""Compute the variance of an arm's refusals if verdicts were assigned to arms at random within texts.

    Parameters
    ----------
    strata : Strata

    Returns
    -------
    (n_contrasts,) array of float
        :math:`\sum_g n_{gx} n_{g0} s_g (n_g - s_g) / (n_g^2 (n_g - 1))`, with :math:`s_g` refusals
        in the text's :math:`n_g` responses. If some values are neither 0 nor 1, :math:`n_g q_g - s_g^2` takes the place
        of :math:`s_g (n_g - s_g)`, with :math:`q_g` the sum of the squared values: the variance of a total of
        values drawn without replacement.
    """
    return strata.total(strata.null_variances)


def exchangeability_p(strata: Strata) -> Floats:
    r"""Test that verdicts are exchangeable between the arms within each text.

    Given how many of a text's responses are refusals, the arm's share of them is hypergeometric,
    and its sum over texts :math:`T` is a sum of independent hypergeometric numbers: the exact form
    of Cochran, Mantel and Haenszel's test. Its distribution comes from its characteristic function by
    a discrete Fourier transform. Above a variance of 400 it is approximated by Pearson's type III distribution with the
    same three moments and a continuity correction; if some values are neither 0 nor 1, at any variance, without the
    correction, and with the skewness of values of 0 or 1.

    Parameters
    ----------
    strata : Strata

    Returns
    -------
    (n_contrasts,) array of float
        :math:`\min(1, 2 \min(P(T \le t), P(T \ge t)))`, with the observed t in both, so that the test is conservative;
        at least 1e-12. 1 if no text has both verdicts.

    References
    ----------
    Mantel and Haenszel 1959, doi:10.1093/jnci/22.4.719. The transform is that of Hong 2013,
    doi:10.1016/j.csda.2012.10.006, who uses it for Bernoulli variables.
    """
    n, s = strata.n + strata.n_baseline, strata.k + strata.k_baseline
    observed, expected = strata.total(strata.k), strata.total(strata.n * s / n)
    variance = null_variance(strata)
    is_small = (variance <= _LARGEST_VARIANCE) & (strata.is_whole | (variance == 0))
    matters = (s > 0) & (s < n) & is_small[strata.contrast] & strata.is_whole[strata.contrast]
    # The smallest possible number is subtracted, so that only the variable part is transformed.
    least = strata.total(np.where(strata.is_whole[strata.contrast], np.maximum(0, s - strata.n_baseline), strata.k))
    pmf = _distribution(strata.take(matters))
    below, above = np.ones((2, strata.n_contrasts))
    below[is_small], above[is_small] = _tails(pmf[is_small], (observed - least)[is_small], (expected - least)[is_small])
    deviation, error = (observed - expected)[~is_small], np.sqrt(variance[~is_small])
    skewness = strata.total(_null_third_moments(strata))[~is_small] / error**3
    half = np.where(strata.is_whole[~is_small], 0.5, 0.0)
    below[~is_small] = stats.pearson3.cdf((deviation + half) / error, skewness)
    above[~is_small] = stats.pearson3.sf((deviation - half) / error, skewness)
    return np.asarray(np.clip(2 * np.minimum(below, above), SMALLEST_P, 1), dtype=np.float64)


def _null_third_moments(strata: Strata) -> Floats:
    """Compute the third central moment of each text's refusals: (n_entries,)."""
    n, s = strata.n + strata.n_baseline, strata.k + strata.k_baseline
    return strata.null_variances * (n - 2 * s) * (n - 2 * strata.n) / (n * np.maximum(n - 2, 1))


def _tails(pmf: Floats, observed: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Sum the probabilities of both tails on the circular grid."""
    # The circle is cut opposite the mean, at least 12 standard deviations away.
    start = np.floor(expected).astype(np.int64) - _GRID // 2
    place = (start[:, None] + np.arange(_GRID)) % _GRID
    unrolled = np.take_along_axis(pmf, place, axis=1)
    at = np.round(observed).astype(np.int64) - start
    position = np.arange(_GRID)
    return (
        np.sum(unrolled, axis=1, where=position <= at[:, None]),
        np.sum(unrolled, axis=1, where=position >= at[:, None]),
    )


def _distribution(strata: Strata) -> Floats:
    """Compute the distribution of the arm's refusals minus the smallest number: (n_contrasts, 512), modulo 512."""
    # Many texts have the same counts: each kind is transformed once.
    triple = np.stack([strata.n, strata.n_baseline, strata.k + strata.k_baseline]).astype(np.int64)
    sizes = triple.max(axis=1, initial=0) + 1
    kinds, of_entry = np.unique(np.ravel_multi_index(tuple(triple), tuple(sizes)), return_inverse=True)
    shape = (strata.n_contrasts, len(kinds))
    times = sparse.csc_array((np.ones(len(of_entry)), (strata.contrast, of_entry)), shape=shape)
    log_modulus, angle = np.zeros((2, strata.n_contrasts, _GRID // 2 + 1))
    for first in range(0, len(kinds), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        transform = np.fft.rfft(_hypergeometric(*np.unravel_index(kinds[chunk], tuple(sizes))), axis=1)
        # That of a fair coin is 0 at the highest frequency; its logarithm must stay finite.
        log_modulus += np.asarray(times[:, chunk] @ np.log(np.maximum(np.abs(transform), 1e-300)))
        angle += np.asarray(times[:, chunk] @ np.angle(transform))
    return np.fft.irfft(np.exp(log_modulus + 1j * angle), n=_GRID, axis=1)


def _hypergeometric(n: NDArray[np.int64], n_baseline: NDArray[np.int64], s: NDArray[np.int64]) -> Floats:
    """Tabulate the probabilities of an arm's refusals minus the smallest number: (n_kinds, 512), modulo 512."""
    least = np.maximum(0, s - n_baseline)
    width = int((np.minimum(n, s) - least).max(initial=0)) + 1
    k = least[:, None] + np.arange(width)
    weight = np.asarray(stats.hypergeom.pmf(k, (n + n_baseline)[:, None], s[:, None], n[:, None]), dtype=np.float64)
    folded = np.zeros((len(n), -(-weight.shape[1] // _GRID) * _GRID))
    folded[:, : weight.shape[1]] = weight
    return np.asarray(folded.reshape(len(n), -1, _GRID).sum(axis=1))
