r"""Estimates of the differences that are significant after correction.

Of these, estimates are too large on average, and intervals of the usual level cover the true difference too rarely. So
their intervals have the level of `refusal_metrics.analysis.statistics.multiplicity.selection_levels`, and the estimates
are shrunken towards the mean of their family, for example of all personas of a model and a task.

The differences :math:`d_1, \dots, d_n` of a family share texts and a baseline. Their covariance is computed from what
each text g adds to the error of each, :math:`z_{ga}`: :math:`V_{ab} = \tfrac{G}{G-1} \sum_g z_{ga} z_{gb}`. A variance
is raised to that of the score test if that is larger. With this covariance, the differences are shrunken by
`refusal_metrics.analysis.statistics.random_effects.shrink`.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ..arrays import Floats
from ..columns import NAMED
from ..statistics import Score, score_interval, selection_levels, shrink
from .repeated import Repeated


def estimate_selected(
    score: Score,
    phi: Floats,
    p_adjusted: Floats,
    family: Sequence[Hashable],
    known: NDArray[np.bool_],
    by_text: Callable[[], sparse.csc_array],
    repeated: Repeated,
) -> dict[str, Floats]:
    """Estimate the differences that are significant.

    Parameters
    ----------
    score : Score
        The score statistics of all differences.
    phi : (n,) array of float
        Their overdispersion.
    p_adjusted : (n,) array of float
        From `refusal_metrics.analysis.statistics.multiplicity.adjust`.
    family : (n,) sequence of hashable
    known : (n,) array of bool
        Whether `by_text` has the scores of a difference.
    by_text : callable
        Returns what each text adds to the error of each difference, with the finite-sample factor: (n_texts, n).
    repeated : Repeated
        The levels of differences in studies that were looked at several times.

    Returns
    -------
    dict of str to (n,) array of float
        ``estimate_shrunken, ci_low_named, ci_high_named``; nan for the other differences.
    """
    alpha = repeated.levels(selection_levels(p_adjusted, family))
    selected = ~np.isnan(alpha)
    shrunken, low, high = np.full((3, len(alpha)), np.nan)
    # Few are selected, and an interval takes much longer than a p-value.
    if selected.any():
        low[selected], high[selected] = score_interval(score.take(selected), phi[selected], 1 - alpha[selected])
        of_family = pd.factorize(pd.Series(list(family), dtype=object), use_na_sentinel=False)[0]
        scores = by_text()
        for number in np.unique(of_family[selected]):
            members = np.flatnonzero((of_family == number) & known)
            shrunken[members] = _shrink(score, phi, members, scores[:, members].toarray())
    return dict(zip(NAMED, (np.where(selected, shrunken, np.nan), low, high), strict=True))


def _shrink(score: Score, phi: Floats, members: NDArray[np.integer], scores: Floats) -> Floats:
    """Shrink the differences of one family."""
    return shrink_family(score.estimate[members], least_variances(score, phi, members), scores)


def least_variances(score: Score, phi: Floats, members: NDArray[np.integer]) -> Floats:
    """Return the variances of a family's differences under no difference: (n_members,), nan if none is known.

    Without different verdicts about a text, the variance is taken from the family.
    """
    weight, variance = score.weight[members], score.variance[members]
    if not (variance > 0).any():
        return np.full(len(members), np.nan)
    return np.asarray(
        phi[members] * np.where(variance > 0, variance, variance.sum() / weight.sum() * weight) / weight**2
    )


def shrink_family(estimates: Floats, least: Floats, scores: Floats) -> Floats:
    """Shrink the differences of one family towards their mean.

    Parameters
    ----------
    estimates : (n,) array of float
    least : (n,) array of float
        The least variance of each, see `least_variances`.
    scores : (n_texts, n) array of float
        What each text adds to the error of each.

    Returns
    -------
    (n,) array of float
        nan for fewer than three differences, or without any variance.
    """
    if np.isnan(least).any():
        return np.full(len(estimates), np.nan)
    covariance = scores.T @ scores
    at = np.diag_indices(len(estimates))
    covariance[at] = np.maximum(covariance[at], least)
    return shrink(estimates, covariance)[0]
