r"""Refusal rates corrected by a labelled sample, and differences of them.

A detector makes errors, possibly more under one persona than another. With its verdicts of all N responses
and labels y of a sample drawn with known probabilities :math:`\pi`, the difference estimator

.. math:: \hat\theta = \frac{1}{N} \sum_i \hat y_i + \frac{1}{N} \sum_{i \in S} \frac{y_i - \hat y_i}{\pi_i}
          = R - A + B

is unbiased for any detector: R is its rate, A the share of all responses that it wrongly flags as refusals, B the share
of missed refusals among all responses.

Variances are clustered: the contribution of a text to each of the three sums is one number,
:math:`z_g = \sum_{i \in g} (x_i - X) / N`, and products of two such over texts give variances and
covariances, of the texts and of the sampling of labels together. For samples with fixed numbers in strata this is
conservative.

The interval takes R, A and B from their own exact intervals (Korn and Graubard) with these
correlations (Zou and Donner). With many errors, this is linearisation. With few, neither that nor a bootstrap is
adequate: among 300 labels without a missed refusal, both give B = 0 with an interval of width 0, although B can be one
in a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from refusal_metrics.errors import unknown_name

from ..arrays import CONFIDENCE, Floats
from ..columns import BASELINES, OTHERS, STUDY
from ..contracts import CORRECTED
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


def estimate_corrected(sums: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Estimate the corrected refusal rate of each cell.

    Parameters
    ----------
    sums : pandas.DataFrame
        From `refusal_metrics.analysis.labels.sums.sum_labels`: a row a text and combination of factors.
    by : sequence of str
        The factors that make the cells; may be empty.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then `CORRECTED`: ``estimate, ci_low, ci_high`` (corrected, in [0, 1]; what
        lies beyond is cut off), ``uncorrected`` with its interval (as by
        `refusal_metrics.analysis.estimates.rates.estimate_rates`), ``n, n_texts, n_refused`` (by the detector),
        ``n_labelled``, and of these ``n_false`` (flagged as refusals, not labelled so) and ``n_missed``. The corrected
        columns are missing if fewer than `FEWEST` of the responses with either verdict are labelled, unless all are.

    Raises
    ------
    InputError
        For an unknown factor.

    References
    ----------
    Särndal, Swensson and Wretman 1992, doi:10.1007/978-1-4612-4378-6, section 6.3. Angelopoulos et
    al. 2023, doi:10.1126/science.adi6000: prediction-powered inference, with lambda = 1. Zou and
    Donner 2008, doi:10.1002/sim.3095.
    """
    for name in by:
        if name not in sums:
            raise unknown_name("factor", name, [str(c) for c in sums if c not in {"text_id", *SUMS}])
    rows = []
    for levels, part in _cells(sums, by):
        arm = Arm.of(part.groupby("text_id", dropna=False)[list(SUMS)].sum())
        corrected = np.clip([_SIGNS @ arm.parts, *interval_of_arms([arm], [1.0])], 0, 1) if arm.usable else [np.nan] * 3
        values = [*corrected, arm.parts[0], arm.low[0], arm.high[0]]
        rows.append([*levels, *values, *arm.sizes])
    return pd.DataFrame(rows, columns=[*by, *CORRECTED.estimates])


def estimate_corrected_contrasts(sums: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Estimate the difference between each persona's corrected rate and a baseline.

    Unlike `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts` this is the plain difference of two rates,
    because there are too few labels to compare within texts; the interval accounts for the correlation of verdicts
    about one text.

    Parameters
    ----------
    sums : pandas.DataFrame
        As for `estimate_corrected`, with the columns ``setting`` and ``persona``.
    baseline : str
        ``neutral`` or ``persona-free``, that setting's responses; ``others``, all other personas' of the same
        model and task; or a persona.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and persona (but the baseline itself), without models and tasks that
        lack the baseline. Columns: ``model, task, persona, baseline``, then `CORRECTED` as in
        `estimate_corrected`, of differences in [-1, 1] and of the persona's responses. Corrected
        columns are missing if those of either rate are.

    Raises
    ------
    InputError
        For an unknown baseline, or without personas.
    """
    if "persona" not in sums or "setting" not in sums:
        raise unknown_name("factor", "persona", [str(c) for c in sums if c not in {"text_id", *SUMS}])
    asked = sums[(sums["setting"] == "persona") & sums["persona"].notna()]
    allowed = [*BASELINES, OTHERS, *sorted(asked["persona"].unique())]
    if baseline not in allowed:
        raise unknown_name("baseline", baseline, allowed)
    rows = []
    for study, part in _cells(sums, STUDY):
        mine = part[(part["setting"] == "persona") & part["persona"].notna()]
        for (persona,), own in _cells(mine, ["persona"]):
            if baseline in BASELINES:
                other = part[part["setting"] == baseline]
            else:
                other = mine[mine["persona"] != persona] if baseline == OTHERS else mine[mine["persona"] == baseline]
            if persona == baseline or other.empty:
                continue
            rows.append([*study, persona, baseline, *_difference(own, other)])
    return pd.DataFrame(rows, columns=[*STUDY, "persona", "baseline", *CORRECTED.estimates])


def _cells(sums: pd.DataFrame, by: Sequence[str]) -> "list[tuple[tuple[object, ...], pd.DataFrame]]":
    """Split a table by the levels of factors; None if a factor has no level."""
    if not by:
        return [((), sums)]
    parts = sums.groupby(list(by), sort=True, dropna=False)
    return [(tuple(map(_level, levels)), part) for levels, part in parts]


def _level(level: object) -> object:
    # Missing values in pandas can be None or nan.
    return None if pd.isna(level) else level  # type: ignore[call-overload]


def _difference(own: pd.DataFrame, other: pd.DataFrame) -> list[object]:
    """Compare two sets of responses: the values of `CORRECTED`."""
    of_text = [part.groupby("text_id", dropna=False)[list(SUMS)].sum() for part in (own, other)]
    texts = of_text[0].index.union(of_text[1].index)
    arms = [Arm.of(part.reindex(texts, fill_value=0)) for part in of_text]
    difference = _SIGNS @ arms[0].parts - _SIGNS @ arms[1].parts
    usable = arms[0].usable and arms[1].usable
    corrected = np.clip([difference, *interval_of_arms(arms, [1.0, -1.0])], -1, 1) if usable else [np.nan] * 3
    ends = np.clip(interval_of_arms(arms, [1.0, -1.0], parts=[0]), -1, 1)
    return [*corrected, arms[0].parts[0] - arms[1].parts[0], *ends, *arms[0].sizes]


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
