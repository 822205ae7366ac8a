"""Multiple-comparison correction of p-values in many families."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..arrays import ALPHA, Floats


def holm(p: ArrayLike) -> Floats:
    """Adjust p-values by Holm's method.

    Parameters
    ----------
    p : (n,) array_like of float
        Probabilities in [0, 1]; nan is a test that was not made, and is not counted.

    Returns
    -------
    (n,) array of float
        The smallest level at which each hypothesis is rejected; nan where `p` is.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    given = np.asarray(p, dtype=np.float64)
    # nan sorts last.
    order = np.argsort(given, kind="stable")[: np.count_nonzero(~np.isnan(given))]
    adjusted = np.full(given.shape, np.nan)
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * given[order]), 1)
    return adjusted


def adjust(p: ArrayLike, family: Sequence[Hashable]) -> Floats:
    r"""Adjust p-values within families, and for the number of families.

    At level q, Benjamini and Hochberg's procedure on the families' smallest Holm-adjusted p-values
    :math:`h_{(1)} \le \dots \le h_{(m)}` selects R of m families, and Holm's procedure at level
    R q / m rejects within them. This bounds at q the expected share, among the families selected,
    of those in which a true hypothesis is rejected. Without any effect, it is the probability that anything is
    rejected.

    Parameters
    ----------
    p : (n,) array_like of float
        Probabilities in [0, 1]; nan is a test that was not made, and is not counted.
    family : (n,) sequence of hashable
        The family of each.

    Returns
    -------
    (n,) array of float
        The smallest q at which each hypothesis is rejected; nan where `p` is.

    Notes
    -----
    At least r families are selected from :math:`Q_r = \min_{j \ge r} m h_{(j)} / j` on. A hypothesis
    with Holm-adjusted p-value a is rejected where :math:`a \le R(q) q / m`, that is from
    :math:`\min_r \max(Q_r, m a / r)` on; its family is then selected, for its h is at most a.

    References
    ----------
    Benjamini and Bogomolov 2014, doi:10.1111/rssb.12028.
    """
    within, smallest = _families(p, family)
    if not len(smallest):
        return within
    rank = np.arange(1, len(smallest) + 1)
    selects = _selecting_levels(smallest)
    adjusted = np.maximum(selects, len(smallest) * within[:, None] / rank).min(axis=1)
    # Rounding can make it slightly smaller.
    return np.asarray(np.clip(adjusted, within, 1), dtype=np.float64)


def count_selected(p: ArrayLike, family: Sequence[Hashable], level: float = ALPHA) -> tuple[int, int]:
    """Count the families that `adjust` selects at a level, and all those that have a p-value."""
    _, smallest = _families(p, family)
    return int(np.count_nonzero(_selecting_levels(smallest) <= level)), len(smallest)


def selection_levels(p_adjusted: ArrayLike, family: Sequence[Hashable], level: float = ALPHA) -> Floats:
    r"""Return the error level of the confidence interval of each hypothesis that `adjust` rejects.

    Of the estimates that are significant, intervals at the usual level cover the true value too rarely, because
    estimates whose error increases them are more often significant. With the level
    :math:`q \frac{S}{m} \frac{R_f}{n_f}`, for S of m families with a rejected hypothesis and :math:`R_f` of the
    :math:`n_f` hypotheses of family f rejected, the expected share of intervals that do not cover is at most q, on
    average over the families with a rejected hypothesis. For one family, it is the level of Benjamini and Yekutieli.

    Parameters
    ----------
    p_adjusted : (n,) array_like of float
        From `adjust`; nan is a test that was not made, and is not counted.
    family : (n,) sequence of hashable
        The family of each.
    level : float
        The level q, at which hypotheses are rejected and of the intervals.

    Returns
    -------
    (n,) array of float
        In (0, `level`], and at least the p-value before adjustment: an interval from inverting the test does not
        contain the value that the test rejects. nan for hypotheses that are not rejected.

    References
    ----------
    Benjamini and Yekutieli 2005, doi:10.1198/016214504000001907; Benjamini and Bogomolov 2014,
    doi:10.1111/rssb.12028, for families.

    Examples
    --------
    Two of four hypotheses are rejected in one of two families: the level is .05 / 2 * 2 / 4.

    >>> selection_levels([0.01, 0.02, 0.3, 0.8, 0.5, 1.0], [0, 0, 0, 0, 1, 1])
    array([0.0125, 0.0125,    nan,    nan,    nan,    nan])
    """
    given = pd.Series(np.asarray(p_adjusted, dtype=np.float64))
    of_family = pd.factorize(pd.Series(list(family), dtype=object), use_na_sentinel=False)[0]
    is_rejected = given <= level
    n_rejected, n_tests = is_rejected.groupby(of_family).sum(), given.groupby(of_family).count()
    n_families = int((n_tests > 0).sum())
    if not n_families:
        return np.full(len(given), np.nan)
    share = (n_rejected / n_tests.where(n_tests > 0)).to_numpy()[of_family]
    of_families = np.count_nonzero(n_rejected) / n_families
    return np.where(is_rejected, level * of_families * share, np.nan)


def _families(p: ArrayLike, family: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Apply Holm's method within each family: return the adjusted p-values, and each family's smallest, sorted."""
    given = pd.Series(np.asarray(p, dtype=np.float64))
    of_family, _ = pd.factorize(pd.Series(list(family), dtype=object), use_na_sentinel=False)
    within = np.full(len(given), np.nan)
    for members in given.groupby(of_family).indices.values():
        within[members] = holm(given.to_numpy()[members])
    smallest = pd.Series(within).groupby(of_family).min().dropna()
    return within, np.sort(smallest.to_numpy(dtype=np.float64))


def _selecting_levels(smallest: Floats) -> Floats:
    """Find the smallest level at which at least r families are selected, for r = 1, ..., m."""
    ratio = len(smallest) * smallest / np.arange(1, len(smallest) + 1)
    return np.asarray(np.minimum.accumulate(ratio[::-1])[::-1], dtype=np.float64)
