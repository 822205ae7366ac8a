r"""Corrected rates: the prediction of a rate from a detector's verdicts, tuned by labels, and what labels leave open.

Responses are divided into classes c that are known for all of them: at least those that the detector flags and the
others, see `refusal_metrics.analysis.responses.label_classes`. With the share :math:`\hat m_c` of refusals among the
labels of a class, weighted by 1 / probability, the corrected rate is

.. math:: \hat\theta = \sum_c W_c \hat m_c = \frac{1}{N} \sum_i \hat m_{c(i)},

with :math:`W_c` the share of class c in all N responses. For two classes this is prediction-powered inference with the
power-tuned :math:`\lambda = \hat m_1 - \hat m_0`, the slope of the label on the verdict:
:math:`\hat\theta = \lambda R + \bar y - \lambda \bar{\hat y}`, with R the detector's rate over all responses and means
over the labelled ones. More classes are a finer prediction.

Its error has two parts, both clustered by text. The prediction varies between texts like the detector's rate, so its
interval is that of the detector's rate, scaled by the ratio of their standard errors. The shares :math:`\hat m_c` vary
by the sampling of labels: the flagged classes together, and the others together, have a linearised variance
:math:`\sum_g z_g^2`, :math:`z_g = \sum_c W_c \sum_{i \in g, c} w_i (y_i - \hat m_c) / \sum_{i \in c} w_i`, whose
effective sample size gives a mid-P interval. Flagged classes whose labels are all alike, but unlike those of another,
have the variance of `unseen_variance`: their own would be 0. No interval is narrower than that without an error among
as many labels, for an unseen error can have a larger weight than those seen; with few labels (`FEW_LABELS`), intervals
are exact. The distances of the parts from their ends are combined with the correlations of the texts' contributions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..arrays import CONFIDENCE, Floats, Integers
from ..responses import LABEL_CLASSES
from ..statistics import (
    effective_units,
    mid_p_interval,
    proportion_interval,
    sum_interval,
    totals,
    variance_of_scores,
    zero_count_bound,
)
from .arms import FEWEST

KINDS = ("n", "n_labelled", "weight", "weight_refusal")
"""The sums over the responses of a class: all, the labelled, the weights of these and of the labelled refusals."""

CLASS_SUMS = tuple(f"{kind}_{name}" for kind in KINDS for name in LABEL_CLASSES)
"""The columns that are summed over the responses of a text besides `refusal_metrics.analysis.labels.arms.SUMS`."""

FEW_LABELS = 20
"""With fewer effective labels of one verdict, the interval of its errors is exact."""

_UNSEEN_ERRORS = 1 / 5
"""How many errors are added to either side of labels that are all alike, so that their share has a variance. More would
widen the usual intervals by more than about 2%."""

# How classes are put together if they have too few labels: the first of these of which all groups have enough.
_GROUPS = (
    (((0,), (1,)), ((0, 1),)),
    (((2,), (3,), (4,), (5,)), ((2, 3), (4,), (5,)), ((2, 3, 4), (5,)), ((2, 3, 4, 5),)),
)


@dataclass(frozen=True)
class Tuned:
    """A corrected rate, and what its error consists of.

    Attributes
    ----------
    estimate, uncorrected : float
        The corrected rate and the detector's.
    predicted, observed : (n_texts,) array of float
        The contributions of each text to the errors of the prediction and of the detector's rate.
    low, high : (2,) array of float
        How far the ends of the intervals of the two verdicts' shares are from the estimate.
    scores : (n_texts, 2) array of float
        The contributions of each text to the errors of these.
    usable : bool
        Whether there are enough labels.
    """

    estimate: float
    uncorrected: float
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    scores: Floats
    usable: bool

    @classmethod
    def of(cls, sums: pd.DataFrame, weight: Floats | None = None, text: Integers | None = None) -> "Tuned":
        """Estimate a rate.

        Parameters
        ----------
        sums : pandas.DataFrame
            One row a text, with the columns ``n, n_refused`` and `CLASS_SUMS`; a text without responses contributes
            nothing.
        weight : (n_texts,) array of float, optional
            The weight of a text's responses, at least 0; by default 1.
        text : (n_rows,) array of int, optional
            The text of each row, numbered from 0, if rows are blocks of texts.

        Returns
        -------
        Tuned
        """
        every = np.ones(len(sums)) if weight is None else weight
        n, n_refused = (sums[name].to_numpy(dtype=np.float64) * every for name in ("n", "n_refused"))
        there = n > 0
        classes = _Classes(*(_of_classes(sums, kind) for kind in KINDS)).weigh(every, there)
        if text is not None:
            n, n_refused = totals(text, n), totals(text, n_refused)
            classes, there = classes.add_up(text), totals(text, there.astype(np.float64)) > 0
        total, rate = float(n.sum()), float(n_refused.sum() / n.sum())
        mean = np.zeros(len(LABEL_CLASSES))
        low, high, scores = np.zeros(2), np.zeros(2), np.zeros((len(n), 2))
        usable = int(there.sum()) > 1
        for side, choices in enumerate(_GROUPS):
            groups = classes.choose(choices)
            usable = usable and groups is not None
            share, units, unseen = 0.0, np.zeros(len(n)), 0.0
            for group in groups or ():
                at = list(group)
                w, refusals = classes.weight[:, at].sum(axis=1), classes.weight_refusal[:, at].sum(axis=1)
                of_all, k = float(classes.n[:, at].sum()) / total, float(classes.n_labelled[there][:, at].sum())
                mean[at] = m = float(refusals.sum() / w.sum())
                share += of_all
                scores[:, side] += of_all * (refusals - m * w) / w.sum() * np.sqrt(k / max(k - 1, 1))
                units += of_all * w / w.sum()
                if side == 0 and m in {0.0, 1.0}:
                    unseen += of_all**2 * float(unseen_variance(effective_units(w)))
            if groups:
                at = [c for group in groups for c in group]
                m = float(classes.n[:, at].sum(axis=0) @ mean[at]) / total / share
                variance = float(variance_of_scores(scores[there][:, [side]])[0][0]) / share**2
                # If all classes are alike, the interval is that of a share without an error.
                variance += unseen / share**2 if 0 < m < 1 else 0.0
                ends = error_interval(m, variance, effective_units(units))
                low[side], high[side] = share * (m - float(ends[0])), share * (float(ends[1]) - m)
        expected = classes.n @ mean
        estimate = float(expected.sum() / total)
        predicted, observed = (expected - estimate * n) / total, (n_refused - rate * n) / total
        return cls(estimate, rate, predicted, observed, low, high, scores, usable)


@dataclass(frozen=True)
class _Classes:
    """`KINDS` of each text and class: (n_texts, n_classes) array of float."""

    n: Floats
    n_labelled: Floats
    weight: Floats
    weight_refusal: Floats
    counts: Floats = field(default_factory=lambda: np.zeros(0))

    def weigh(self, weight: Floats, there: NDArray[np.bool_]) -> "_Classes":
        """Multiply by the weights of texts, and count the responses of those that are there before."""
        n, w, refusals = (values * weight[:, None] for values in (self.n, self.weight, self.weight_refusal))
        return _Classes(
            n,
            self.n_labelled * there[:, None],
            w,
            refusals,
            np.stack([values[there].sum(axis=0) for values in (self.n, self.n_labelled)]),
        )

    def add_up(self, text: Integers) -> "_Classes":
        """Sum the rows of each text."""
        parts = (self.n, self.n_labelled, self.weight, self.weight_refusal)
        n, n_labelled, w, refusals = (np.stack([totals(text, one) for one in part.T], axis=1) for part in parts)
        return _Classes(n, n_labelled, w, refusals, self.counts)

    def choose(self, choices: Sequence[Sequence[tuple[int, ...]]]) -> Sequence[tuple[int, ...]] | None:
        """Choose the finest groups with enough labels in each; those without responses are left out."""
        for groups in choices:
            sizes = {group: self.counts[:, list(group)].sum(axis=1) for group in groups}
            there = [group for group, (n, _) in sizes.items() if n > 0]
            if all(sizes[group][1] >= min(FEWEST, sizes[group][0]) for group in there):
                return there
        return None


def _of_classes(sums: pd.DataFrame, kind: str) -> Floats:
    return sums[[f"{kind}_{name}" for name in LABEL_CLASSES]].to_numpy(dtype=np.float64)


def unseen_variance(units: ArrayLike) -> Floats:
    """Return the variance of a class's share if its labels are all alike: of a fifth of an error more to either side.

    Without it, a class would count as known although few labels were drawn from it.

    Parameters
    ----------
    units : array of float
        The effective number of the labels of the class.

    Returns
    -------
    array of float

    Examples
    --------
    >>> round(float(unseen_variance(10)), 4)
    0.0019
    """
    k = np.asarray(units, dtype=np.float64)
    share = _UNSEEN_ERRORS / (k + 2 * _UNSEEN_ERRORS)
    return np.asarray(share * (1 - share) / k, dtype=np.float64)


def error_interval(rate: ArrayLike, variance: ArrayLike, units: ArrayLike) -> tuple[Floats, Floats]:
    """Compute the 95% confidence interval of a share that labels estimate.

    Parameters
    ----------
    rate : array of float
        In [0, 1].
    variance : array of float
        Of its estimate.
    units : array of float
        The effective number of labels.

    Returns
    -------
    low, high : array of float
        Mid-P, or exact for fewer than `FEW_LABELS`; never narrower than without an error among as many labels.
    """
    p, v, k = np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in (rate, variance, units)))
    few = k < FEW_LABELS
    unseen = np.where(
        few, *(zero_count_bound(np.maximum(k, 1), tail) for tail in ((1 - CONFIDENCE) / 2, 1 - CONFIDENCE))
    )
    # Unflagged labels that are alike in each class, but not in all, have no variance.
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(v > 0, p * (1 - p) / v, np.maximum(k, 1))
        exact = proportion_interval(p, p * (1 - p) / n, np.inf, unseen)
    low, high = (np.where(few, *ends) for ends in zip(exact, mid_p_interval(p, n), strict=True))
    # An unseen error can have a larger weight than those seen.
    low, high = np.minimum(low, 1 - unseen), np.maximum(high, unseen)
    return np.where(p <= 0, 0.0, low), np.where(p >= 1, 1.0, high)


def interval_of_tuned(rates: Sequence[Tuned], signs: Sequence[float], ends: tuple[float, float]) -> tuple[float, float]:
    """Compute the interval of a corrected rate, or of the difference of two.

    Parameters
    ----------
    rates : sequence of Tuned
        Of the same texts.
    signs : sequence of float
        1 or -1 each.
    ends : tuple of float
        The interval of the same sum of uncorrected rates.

    Returns
    -------
    low, high : float

    References
    ----------
    Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    predicted, observed = (_add(signs, [getattr(rate, name) for rate in rates]) for name in ("predicted", "observed"))
    size, of_observed = (float(np.sum(scores**2)) for scores in (predicted, observed))
    scale = np.sqrt(size / of_observed) if of_observed > 0 else 1.0
    uncorrected = sum(sign * rate.uncorrected for sign, rate in zip(signs, rates, strict=True))
    below, above = (np.array([scale * distance]) for distance in (uncorrected - ends[0], ends[1] - uncorrected))
    scores = np.column_stack([predicted, *(rate.scores for rate in rates)])
    products = scores.T @ scores
    length = np.sqrt(np.diag(products))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(products / np.outer(length, length))
    np.fill_diagonal(correlation, 1.0)
    zeros = np.zeros(len(length))
    low, high = sum_interval(
        zeros,
        -np.concatenate([below, *(rate.low for rate in rates)]),
        np.concatenate([above, *(rate.high for rate in rates)]),
        np.concatenate([[1.0], *([sign, sign] for sign in signs)]),
        correlation,
    )
    estimate = sum(sign * rate.estimate for sign, rate in zip(signs, rates, strict=True))
    return estimate + low, estimate + high


def _add(signs: Sequence[float], scores: Sequence[NDArray[np.float64]]) -> Floats:
    return np.asarray(np.sum([sign * score for sign, score in zip(signs, scores, strict=True)], axis=0))
