r"""Confidence intervals of rates clustered by text, also at few cases.

The design effect of a rate is its text-clustered variance divided by the variance of as many independent responses.
With few cases it cannot be estimated: a single refusal says nothing about whether refusals share texts. It is therefore
shrunk towards its worst case, in which each text is refused always or never and only texts count.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..arrays import CONFIDENCE, Floats, Integers
from .clustered import clustered_freedom, clustered_variance
from .intervals import proportion_interval, student, totals, zero_count_bound

PRIOR_TEXTS = 5.0
"""How many texts with a case count as much as the prior design effect.

Of 5 to 10, the smallest, because larger ones widen the intervals of all rates below 10% and 5 already covers.
"""

FEW = 20.0
"""With cases that would fill fewer whole texts than this, the upper limit is compared with that of fewer cases.

With more cases, the limit rises with their number by itself.
"""


def clustered_interval(
    n_cases: Floats,
    n: Floats,
    cell: Integers,
    n_cells: int,
    *,
    level: float = CONFIDENCE,
    adjust: Callable[[Floats], Floats] | None = None,
) -> tuple[Floats, Floats]:
    r"""Compute the text-clustered confidence interval of the rate of each cell.

    Korn and Graubard's interval for :math:`n^* = N / D` responses, with the design effect

    .. math:: D = \min\Big(\max\Big(\hat D \frac{t_d^2}{t_{N-1}^2},\; \max(\hat D, 1) + (D_0 - 1)
              \frac{\nu_0}{\nu_0 + m}\Big),\; \max(D_0, \hat D)\Big) \ge 1, \quad D_0 = \frac{N}{G},

    :math:`\hat D = v N / (\hat p (1 - \hat p))` being the estimated one, with the text-clustered variance v and d
    degrees of freedom, m the number of texts with a case (if fewer, of texts with another response), and
    :math:`\nu_0 = 5`. Without a case :math:`n^* = G`.
    The upper limit is never below that of fewer cases: of all :math:`j < k`, placed in the texts with the most cases
    first. If all texts have equally many responses, one more case therefore never lowers it; else it may by a little.
    The lower limit is the mirror image. Both tails are :math:`(1 - level) / 2` for any number of cases.

    Parameters
    ----------
    n_cases, n : (n_entries,) array of float
        Cases and responses of each text in each cell; whole numbers, n at least 1.
    cell : (n_entries,) array of int
        The cell of each entry; within a cell each text has one entry.
    n_cells : int
    level : float
        Confidence level.
    adjust : callable, optional
        What turns the variances of the rates, (n_cells,) array of float, into those of another population of texts.
        The limits are then compared with those of no case alone.

    Returns
    -------
    low, high : (n_cells,) array of float
        In [0, 1]; nan for a single text with both cases and other responses.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    For the degrees of freedom, O'Neill 2014, doi:10.1080/00031305.2014.966589. For a prior weight in units of
    observations, Efron and Morris 1975, doi:10.1080/01621459.1975.10479864.

    Examples
    --------
    No, one and two refusals in 200 texts with 10 responses each:

    >>> import numpy as np
    >>> n, cell = np.full(600, 10.0), np.repeat([0, 1, 2], 200)
    >>> n_refused = np.zeros(600)
    >>> n_refused[[200, 400, 401]] = 1
    >>> low, high = clustered_interval(n_refused, n, cell, 3)
    >>> (100 * high).round(2).tolist()
    [1.83, 1.83, 1.83]
    """
    cases = _Entries.of(n_cases, n, cell, n_cells)
    low, high = cases.sums.interval(level, adjust)
    if adjust is not None:
        unseen = zero_count_bound(cases.sums.n_texts, (1 - level) / 2)
        return np.minimum(low, 1 - unseen), np.maximum(high, unseen)
    return np.minimum(low, 1 - cases.mirrored().monotone(1 - low, level)), cases.monotone(high, level)


def shrink_design_effect(
    estimated: Floats, worst: Floats, n_texts_with: Floats, n: Floats, freedom: Floats, *, level: float = CONFIDENCE
) -> Floats:
    r"""Shrink design effects towards their worst case, see `clustered_interval`.

    Parameters
    ----------
    estimated, worst : array of float
        :math:`\hat D`, and :math:`D_0`, that if each text is refused always or never.
    n_texts_with : array of float
        The number m of texts with a case (if fewer, of texts with another response).
    n : array of float
        Responses.
    freedom : array of float
        Degrees of freedom of the estimated design effect.
    level : float
        Confidence level of the interval.

    Returns
    -------
    array of float
        At least 1; nan if the estimate is missing.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        unsure = estimated * (student(level, freedom) / student(level, n - 1)) ** 2
    shrunk = np.maximum(estimated, 1) + (worst - 1) * PRIOR_TEXTS / (PRIOR_TEXTS + n_texts_with)
    # A single response has no quantile of Student's t.
    return np.maximum(np.minimum(np.fmax(unsure, shrunk), np.maximum(worst, estimated)), 1)


@dataclass(frozen=True)
class _Sums:
    """Sums over the texts of a cell, of which the interval is a function: arrays of one shape."""

    n: Floats
    n_texts: Floats
    n_cases: Floats
    squares: Floats
    fourths: Floats
    n_texts_with: Floats

    def interval(self, level: float, adjust: Callable[[Floats], Floats] | None = None) -> tuple[Floats, Floats]:
        """Compute the interval by itself, not compared with that of fewer cases."""
        p = self.n_cases / self.n
        variance = self._design_effect(level) * p * (1 - p) / self.n
        variance = variance if adjust is None else adjust(variance)
        return proportion_interval(p, variance, self.n, zero_count_bound(self.n_texts, (1 - level) / 2), level=level)

    def may_exceed(self, high: Floats, level: float) -> NDArray[np.bool_]:
        """Check whether upper limits exceed these; in doubt True, which takes less time than the limits."""
        largest = np.maximum(*self._design_effects())
        n, n_cases = self.n / largest, self.n_cases / largest
        return np.asarray(special.betainc(n_cases + 1, n - n_cases, high) < (1 + level) / 2)

    def take(self, at: NDArray[np.bool_]) -> "_Sums":
        """Select some."""
        return _Sums(*(getattr(self, field.name)[at] for field in fields(self)))

    def _design_effect(self, level: float) -> Floats:
        freedom = clustered_freedom(self.squares, self.fourths, self.n_texts)
        return shrink_design_effect(*self._design_effects(), self.n_texts_with, self.n, freedom, level=level)

    def _design_effects(self) -> tuple[Floats, Floats]:
        """Return the estimate, nan without a case, and the worst case, in which only texts count."""
        p = self.n_cases / self.n
        with np.errstate(divide="ignore", invalid="ignore"):
            estimated = clustered_variance(self.squares, self.n_texts) / (self.n * p * (1 - p))
        return estimated, self.n / self.n_texts


@dataclass(frozen=True)
class _Entries:
    """Cases and responses of each text in each cell, and their sums by cell."""

    n_cases: Floats
    n: Floats
    cell: Integers
    sums: _Sums

    @classmethod
    def of(cls, n_cases: Floats, n: Floats, cell: Integers, n_cells: int) -> "_Entries":
        """Sum entries by cell."""
        size, k, n_texts = (totals(cell, values, n_cells) for values in (n, n_cases, np.ones(len(n))))
        # Whole numbers until the last step, so that equal rates give exactly 0.
        second = np.square(n_cases * size[cell] - n * k[cell])
        squares, fourths = totals(cell, second, n_cells) / size**2, totals(cell, second * second, n_cells) / size**4
        n_with, n_without = (totals(cell, values.astype(np.float64), n_cells) for values in (n_cases > 0, n_cases < n))
        return cls(n_cases, n, cell, _Sums(size, n_texts, k, squares, fourths, np.minimum(n_with, n_without)))

    def mirrored(self) -> "_Entries":
        """Swap cases and other responses; what depends on the squares of differences is the same."""
        sums = replace(self.sums, n_cases=self.sums.n - self.sums.n_cases)
        return replace(self, n_cases=self.n - self.n_cases, sums=sums)

    def monotone(self, high: Floats, level: float) -> Floats:
        """Raise upper limits, (n_cells,), to those of fewer cases."""
        sums = self.sums
        raised = np.maximum(high, zero_count_bound(sums.n_texts, (1 - level) / 2))
        # A single text has an interval without a case only.
        few = (sums.n_texts > 1) & (sums.n_cases * sums.n_texts < FEW * sums.n)
        cell, fewer = self._fewer(few)
        higher = fewer.may_exceed(raised[cell], level)
        np.maximum.at(raised, cell[higher], fewer.take(higher).interval(level)[1])
        return raised

    def _fewer(self, cells: NDArray[np.bool_]) -> tuple[Integers, _Sums]:
        """Sum up 1, 2, ... of the cases of these cells, those of the texts with most first.

        If texts have equally many responses, this has the largest design effect of all ways to have so many.
        """
        inside = np.flatnonzero(cells[self.cell])
        at = inside[self.n_cases[inside] > 0]
        at = at[np.lexsort((self.n[at], -self.n_cases[at], self.cell[at]))]
        k, n, cell = self.n_cases[at], self.n[at], self.cell[at]
        first = np.searchsorted(cell, cell)
        step = np.repeat(np.arange(len(at)), k.astype(np.int64))
        of_text = np.arange(1, len(step) + 1) - (np.cumsum(k) - k)[step]
        so_far = _before(k, first)[step] + of_text
        kept = so_far < self.sums.n_cases[cell[step]]
        step, of_text, so_far = step[kept], of_text[kept], so_far[kept]
        cell, n_texts, size = cell[step], self.sums.n_texts[cell[step]], self.sums.n[cell[step]]

        def score_sum(power: int) -> Floats:
            """Sum a power of (cases - rate * responses) over the texts of a cell, by the binomial theorem."""
            total = totals(self.cell[inside], self.n[inside] ** power, len(cells))[cell] * (so_far / size) ** power
            for i in range(1, power + 1):
                sums = _before(k**i * n ** (power - i), first)[step] + of_text**i * n[step] ** (power - i)
                total += math.comb(power, i) * (-so_far / size) ** (power - i) * sums
            return np.maximum(total, 0)

        n_with = (np.arange(len(at)) - first)[step] + 1
        n_full = _before((k == n).astype(np.float64), first)[step] + (of_text == n[step])
        return cell, _Sums(size, n_texts, so_far, score_sum(2), score_sum(4), np.minimum(n_with, n_texts - n_full))


def _before(values: Floats, first: Integers) -> Floats:
    """Sum the values before each of the same cell, whose first value is at position ``first``."""
    sums = np.cumsum(values) - values
    return np.asarray(sums - sums[first], dtype=np.float64)
