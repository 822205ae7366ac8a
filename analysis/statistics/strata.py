"""Counts of two arms within texts, and their moments if verdicts are assigned to the arms at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

_DIGITS = 9
"""Digits after the point that are no rounding errors."""


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


def join_strata(parts: Sequence[Strata]) -> Strata:
    """Join the entries of several sets of contrasts, which are numbered one after the other."""
    first = np.cumsum([0, *(part.n_contrasts for part in parts)])
    squares = None
    if any(part.squares is not None for part in parts):
        # Values of 0 or 1 are their own squares.
        own = (part.k + part.k_baseline if part.squares is None else part.squares for part in parts)
        squares = np.concatenate(list(own))
    return Strata(
        contrast=np.concatenate([part.contrast + start for part, start in zip(parts, first, strict=False)]),
        n=np.concatenate([part.n for part in parts]),
        k=np.concatenate([part.k for part in parts]),
        n_baseline=np.concatenate([part.n_baseline for part in parts]),
        k_baseline=np.concatenate([part.k_baseline for part in parts]),
        n_contrasts=int(first[-1]),
        squares=squares,
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
        in the text's :math:`n_g` responses: the variance of a hypergeometric number. If some values are neither 0 nor
        1, :math:`n_g q_g - s_g^2` takes the place of :math:`s_g (n_g - s_g)`, with :math:`q_g` the sum of the squared
        values: the variance of a total of values drawn without replacement.

    References
    ----------
    Mantel and Haenszel 1959, doi:10.1093/jnci/22.4.719. Cochran 1977, Sampling Techniques, 3rd edition, theorem 2.2.
    """
    return strata.total(strata.null_variances)


def null_third_moment(strata: Strata) -> Floats:
    r"""Compute the third central moment of an arm's refusals if verdicts were assigned to arms at random within texts.

    Parameters
    ----------
    strata : Strata

    Returns
    -------
    (n_contrasts,) array of float
        :math:`\sum_g V_g (n_g - 2 s_g) (n_g - 2 n_{gx}) / (n_g (n_g - 2))`, with :math:`V_g` the variance of text g
        (`null_variance`): the third central moment of a hypergeometric number, and an approximation if some values are
        neither 0 nor 1.

    References
    ----------
    Johnson, Kemp and Kotz 2005, Univariate Discrete Distributions, section 6.3, doi:10.1002/0471715816.
    """
    n, s = strata.n + strata.n_baseline, strata.k + strata.k_baseline
    return strata.total(strata.null_variances * (n - 2 * s) * (n - 2 * strata.n) / (n * np.maximum(n - 2, 1)))
