"""Counts of two arms within texts, and their moments if verdicts are assigned to the arms at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Integers, first_entries, number_combinations

_DIGITS = 9
"""Digits after the point that are no rounding errors."""


@dataclass(frozen=True)
class Strata:
    """Texts with responses in both arms: one entry for each such text of each contrast.

    If prompts were asked in blocks, an entry is a block, see `refusal_metrics.prompts.blocks`. Responses here are
    distinct prompts, each with a value between 0 and 1, mostly 0 or 1.

    Attributes
    ----------
    contrast : (n_entries,) array of int
    n, k : (n_entries,) array of float
        Responses and refusals in the arm of interest.
    n_baseline, k_baseline : (n_entries,) array of float
    n_contrasts : int
    squares : (n_entries,) array of float, optional
        Sums of the squared values in both arms; None if all values are 0 or 1.
    text : (n_entries,) array of int, optional
        The text of each entry; None if each entry is a text of its own.
    """

    contrast: NDArray[np.integer]
    n: Floats
    k: Floats
    n_baseline: Floats
    k_baseline: Floats
    n_contrasts: int
    squares: Floats | None = None
    text: Integers | None = None

    def total(self, values: Floats) -> Floats:
        """Sum values by contrast: (n_entries,) to (n_contrasts,)."""
        return np.bincount(self.contrast, weights=values, minlength=self.n_contrasts).astype(np.float64)

    @cached_property
    def weights(self) -> Floats:
        """The weight of each entry, n_x n_0 / (n_x + n_0); 0 if an arm has no responses: (n_entries,)."""
        return np.asarray(self.n * self.n_baseline / (self.n + self.n_baseline), dtype=np.float64)

    @cached_property
    def scores(self) -> Floats:
        """The difference of each entry's two rates times its weight: (n_entries,)."""
        crossed = self.k * self.n_baseline - self.k_baseline * self.n
        return np.asarray(crossed / (self.n + self.n_baseline), dtype=np.float64)

    def mean_differences(self) -> Floats:
        """Compute Mantel and Haenszel's difference of rates: (n_contrasts,); nan if no entry has both arms."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.total(self.scores) / self.total(self.weights), dtype=np.float64)

    def residuals(self, differences: Floats) -> Floats:
        """Subtract from the scores what differences of rates make them: (n_contrasts,) to (n_entries,)."""
        return np.asarray(self.scores - differences[self.contrast] * self.weights, dtype=np.float64)

    @cached_property
    def null_variances(self) -> Floats:
        """The variance of each text's refusals in the arm of interest, see `null_variance`: (n_entries,)."""
        n, s = self.n + self.n_baseline, self.k + self.k_baseline
        # n times the sum of squared deviations from the mean; rounding errors are no variance.
        deviations = s * (n - s) if self.squares is None else np.round(n * self.squares - s**2, _DIGITS)
        return self.n * self.n_baseline * deviations / (n**2 * np.maximum(n - 1, 1))

    @cached_property
    def _texts(self) -> tuple[Integers, Integers]:
        """The number of each entry's contrast and text, and the contrast of each number."""
        if self.text is None:
            return np.arange(len(self.contrast)), self.contrast
        place = number_combinations([self.contrast, self.text])
        return place, self.contrast[first_entries(place)]

    def _by_text(self, values: Floats) -> Floats:
        place, contrast = self._texts
        return np.bincount(place, weights=values, minlength=len(contrast)).astype(np.float64)

    def total_squares(self, values: Floats) -> Floats:
        """Sum values by text, and the squares of these sums by contrast: (n_entries,) to (n_contrasts,)."""
        weights = self._by_text(values) ** 2
        return np.bincount(self._texts[1], weights=weights, minlength=self.n_contrasts).astype(np.float64)

    def count_texts(self, keep: NDArray[np.bool_] | None = None) -> Floats:
        """Count the texts of each contrast with an entry, or with a marked entry: (n_contrasts,)."""
        counted = np.ones(len(self.contrast)) if keep is None else keep.astype(np.float64)
        weights = (self._by_text(counted) > 0).astype(np.float64)
        return np.bincount(self._texts[1], weights=weights, minlength=self.n_contrasts).astype(np.float64)

    def whole_texts(self) -> "Strata":
        """Add up the entries of each text."""
        if self.text is None:
            return self
        n, k, n0, k0 = (self._by_text(values) for values in (self.n, self.k, self.n_baseline, self.k_baseline))
        squares = None if self.squares is None else self._by_text(self.squares)
        return Strata(self._texts[1], n, k, n0, k0, self.n_contrasts, squares)

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
            None if self.text is None else self.text[keep],
        )


def join_strata(parts: Sequence[Strata]) -> Strata:
    """Join the entries of several sets of contrasts, which are numbered one after the other."""
    first = np.cumsum([0, *(part.n_contrasts for part in parts)])
    squares = None
    if any(part.squares is not None for part in parts):
        # Values of 0 or 1 are their own squares.
        own = (part.k + part.k_baseline if part.squares is None else part.squares for part in parts)
        squares = np.concatenate(list(own))
    texts = None
    if any(part.text is not None for part in parts):
        numbers = (np.arange(len(part.contrast)) if part.text is None else part.text for part in parts)
        texts = np.concatenate(list(numbers))
    return Strata(
        contrast=np.concatenate([part.contrast + start for part, start in zip(parts, first, strict=False)]),
        n=np.concatenate([part.n for part in parts]),
        k=np.concatenate([part.k for part in parts]),
        n_baseline=np.concatenate([part.n_baseline for part in parts]),
        k_baseline=np.concatenate([part.k_baseline for part in parts]),
        n_contrasts=int(first[-1]),
        squares=squares,
        text=texts,
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
