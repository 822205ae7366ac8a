r"""The parts of a rate that is corrected by the difference estimator, and their intervals.

With a detector's verdicts of all N responses and labels y of a sample drawn with known probabilities :math:`\pi`,

.. math:: \hat\theta = \frac{1}{N} \sum_i \hat y_i + \frac{1}{N} \sum_{i \in S} \frac{y_i - \hat y_i}{\pi_i}
          = R - A + B

is unbiased for any detector: R is its rate, A the share of all responses that it wrongly flags as refusals, B the share
of missed refusals among all responses. Here the two errors themselves are of interest; rates are corrected by
`refusal_metrics.analysis.labels.corrected`.

Variances are clustered: the contribution of a text to each of the three sums is one number,
:math:`z_g = \sum_{i \in g} (x_i - X) / N`, and products of two such over texts give variances and
covariances, of the texts and of the sampling of labels together. For samples with fixed numbers in strata this is
conservative. The parts have exact intervals (Korn and Graubard), which are combined with these correlations (Zou and
Donner).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import CONFIDENCE, Floats
from ..statistics import (
    clustered_interval,
    effective_units,
    proportion_interval,
    sum_interval,
    variance_of_scores,
    zero_count_bound,
)

FEWEST = 5
"""The number of responses with either verdict that must be labelled, unless all are."""

SUMS = (
    *("n", "n_refused", "n_labelled_refused", "n_labelled_others", "n_false", "n_missed"),
    *("weight_refused", "weight_others", "weight_false", "weight_missed"),
)
"""The columns that are summed over the responses of a text."""

_SIGNS = np.array([1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Arm:
    """The three parts of a corrected rate, and their intervals.

    Attributes
    ----------
    parts, low, high : (3,) array of float
        R, A and B with their intervals.
    scores : (n_texts, 3) array of float
        The contribution of each text to their errors.
    usable : bool
        Whether there are enough labels.
    sizes : list of int
        The last columns of `CORRECTED`.
    """

    parts: Floats
    low: Floats
    high: Floats
    scores: Floats
    usable: bool
    sizes: list[int]

    @classmethod
    def of(cls, sums: pd.DataFrame, level: float = CONFIDENCE) -> "Arm":
        """Compute the parts of (n_texts,) rows; a text without responses contributes nothing."""
        tail = (1 - level) / 2
        of_text = {name: sums[name].to_numpy(dtype=np.float64) for name in SUMS}
        total = {name: float(values.sum()) for name, values in of_text.items()}
        n, there = total["n"], of_text["n"] > 0
        n_texts = int(there.sum())
        values = np.stack([of_text[name] for name in ("n_refused", "weight_false", "weight_missed")], axis=1)
        # Whole numbers until the last step, so that equal rates give exactly 0.
        scores = (values * n - of_text["n"][:, None] * values.sum(axis=0)) / n**2
        parts = values.sum(axis=0) / n
        variances, _ = variance_of_scores(scores[there])
        # Few errors need no wider interval: the exact interval accounts for their number.
        unseen = zero_count_bound(n_texts, tail)
        low, high = proportion_interval(np.minimum(parts, 1.0), variances, n, unseen, level=level)
        one_cell = np.zeros(n_texts, dtype=np.int64)
        (low[0],), (high[0],) = clustered_interval(
            of_text["n_refused"][there], of_text["n"][there], one_cell, 1, level=level
        )
        for part, side, count in ((1, "refused", total["n_refused"]), (2, "others", n - total["n_refused"])):
            # An unseen error can have a larger weight than the observed ones: one light error must not give a narrower
            # interval than none.
            units = effective_units(of_text[f"weight_{side}"])
            high[part] = max(high[part], count / n * float(zero_count_bound(max(units, 1.0), tail)))
            if total[("n_false", "n_missed")[part - 1]] == 0:
                low[part], high[part] = 0.0, count / n * float(zero_count_bound(max(units, 1.0), tail))
        sides = (("refused", total["n_refused"]), ("others", n - total["n_refused"]))
        usable = n_texts > 1 and all(total[f"n_labelled_{side}"] >= min(FEWEST, count) for side, count in sides)
        labelled = total["n_labelled_refused"] + total["n_labelled_others"]
        sizes = [n, n_texts, total["n_refused"], labelled, total["n_false"], total["n_missed"]]
        return cls(parts, low, high, scores, usable, [int(size) for size in sizes])


def interval_of_arms(
    arms: "Sequence[Arm]", signs: Sequence[float], parts: Sequence[int] = (0, 1, 2)
) -> tuple[float, float]:
    """Compute the interval of a sum of corrected rates, or of some of their parts (0 is R, 1 is A, 2 is B)."""
    chosen = list(parts)
    scores = np.concatenate([arm.scores[:, chosen] for arm in arms], axis=1)
    products = scores.T @ scores
    size = np.sqrt(np.diag(products))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(products / np.outer(size, size))
    np.fill_diagonal(correlation, 1.0)
    values, low, high = (
        np.concatenate([getattr(arm, name)[chosen] for arm in arms]) for name in ("parts", "low", "high")
    )
    return sum_interval(values, low, high, np.concatenate([sign * _SIGNS[chosen] for sign in signs]), correlation)
