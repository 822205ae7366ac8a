r"""Agreement of a detector's refusals with people's labels.

Precision and recall are ratios :math:`r = \sum_i w_i a_i / \sum_i w_i b_i` over labelled items, w
being 1 / inclusion probability, with the linearised variance
:math:`v = \tfrac{G}{G-1} \sum_g z_g^2`, :math:`z_g = \sum_{i \in g} w_i (a_i - r b_i) / \sum_i w_i b_i`,
over the G texts with b. Linearisation is used instead of resampling, because unobserved errors are in no bootstrap
sample: a detector without an error would have an interval of width 0. Here the variance gives an effective sample size,
which has an exact interval (Korn and Graubard); without errors, only texts count and the interval is one-sided, like
that of a rate. Degrees of freedom are G - 1: labelled errors are few and in different texts, and the exact interval
accounts for their number.

F1 is 2 J / (1 + J) with the ratio J = tp / (tp + fp + fn), and its interval is transformed from that of J. Kappa is 1 -
D / E, with D the observed and E the expected disagreement: its interval is that of D with the variance of kappa times E
squared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refusal_metrics.detection import TRUNCATED, UNJUDGED
from refusal_metrics.errors import InputError, unknown_name

from ..arrays import CONFIDENCE, Floats
from ..statistics import (
    cohen_kappa,
    effective_units,
    proportion_interval,
    totals,
    variance_of_scores,
    wilson,
    zero_count_bound,
)
from .read import number_texts

MEASURES = ("precision", "recall", "f1", "kappa")

VALIDATION = (
    *("factor", "level", "n", "n_texts", "n_refusals", "tp", "fp", "fn", "tn", "n_truncated", "n_unjudged"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *("precision_low_wilson", "recall_low_wilson"),
)
"""The columns of a table of detection errors, after the detector."""


def estimate_validation(items: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Estimate the agreement of verdicts with labels, over all items and by the levels of factors.

    Parameters
    ----------
    items : pandas.DataFrame
        One row an item: ``label, refused`` (bool), the factors of `by`, and where known ``text_id``
        (else each item is a text of its own), ``weight`` (1 / probability; else all count alike) and ``outcome``.
    by : sequence of str
        Factors; each gives a row a level, ``None`` for items without one.

    Returns
    -------
    pandas.DataFrame
        Columns `VALIDATION`: ``factor, level`` (empty for all items); ``n, n_texts, n_refusals``
        (labelled so), ``tp, fp, fn, tn`` and, counted among them as not refused, ``n_truncated, n_unjudged``, items
        not weighted; ``precision, recall, f1, kappa``
        weighted, each with its 95% confidence interval ``_low, _high`` as described above; and the lower ends of
        Wilson's intervals of unweighted precision and recall, which ignore texts. A measure is missing if nothing is
        flagged, or nothing is labelled as a refusal.

    Raises
    ------
    InputError
        For an unknown factor, or without items.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Särndal, Swensson and Wretman 1992,
    doi:10.1007/978-1-4612-4378-6, section 5.5, for the variance of a ratio.
    """
    if items.empty:
        raise InputError("there are no items with a label and a verdict")
    for name in by:
        if name not in items:
            raise unknown_name("factor", name, items.columns)
    rows: list[dict[str, object]] = [{"factor": "", "level": "", **_row(items)}]
    for name in by:
        for level, part in items.groupby(name, sort=True, dropna=False):
            named = {"factor": name, "level": None if pd.isna(level) else level}
            rows.append({**named, **_row(part)})
    table = pd.DataFrame(rows, columns=list(VALIDATION))
    # As objects, because pandas strings do not support None.
    return table.assign(level=pd.Series([row["level"] for row in rows], dtype=object))


def _row(items: pd.DataFrame) -> dict[str, float]:
    label, refused = (items[name].to_numpy(dtype=bool) for name in ("label", "refused"))
    weight = items["weight"].to_numpy(dtype=np.float64) if "weight" in items else np.ones(len(items))
    text = number_texts(items)
    counts = {
        "tp": int(np.sum(label & refused)),
        "fp": int(np.sum(~label & refused)),
        "fn": int(np.sum(label & ~refused)),
        "tn": int(np.sum(~label & ~refused)),
    }
    if "outcome" in items:
        counts |= {f"n_{name}": int(np.sum(items["outcome"] == name)) for name in (TRUNCATED, UNJUDGED)}
    else:
        counts |= {"n_truncated": 0, "n_unjudged": 0}
    sizes = {"n": len(items), "n_texts": int(text.max()) + 1, "n_refusals": int(label.sum())}
    hit = label & refused
    ends = {
        "precision": ratio(hit, refused, weight, text),
        "recall": ratio(hit, label, weight, text),
        "f1": tuple(2 * j / (1 + j) for j in ratio(hit, label | refused, weight, text)),
        "kappa": _kappa(label, refused, weight, text),
    }
    measures = {
        f"{name}{end}": value
        for name, values in ends.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    # Without items, everything is nan.
    low = {
        f"{name}_low_wilson": float(wilson(counts["tp"], n)[0])
        for name, n in (("precision", refused.sum()), ("recall", label.sum()))
    }
    return sizes | counts | measures | low


def ratio(
    a: NDArray[np.bool_], b: NDArray[np.bool_], weight: Floats, text: NDArray[np.integer]
) -> tuple[float, float, float]:
    """Estimate the share of some items among others.

    Parameters
    ----------
    a, b : (n_items,) array of bool
        The items that are counted, and those that they are counted among.
    weight : (n_items,) array of float
    text : (n_items,) array of int
        The text of each item.

    Returns
    -------
    share, low, high : float
        The weighted share of a among b and its 95% confidence interval, clustered by text; nan without any b.
    """
    a, weight, text = a[b], weight[b], np.unique(text[b], return_inverse=True)[1]
    if not len(a):
        return np.nan, np.nan, np.nan
    total = weight.sum()
    # Exactly 1 if all are a, in spite of rounding.
    share = 1.0 if a.all() else float(weight[a].sum() / total)
    return share, *_interval(share, totals(text, weight * (a - share) / total), len(a), totals(text, weight))


def _kappa(
    label: NDArray[np.bool_], refused: NDArray[np.bool_], weight: Floats, text: NDArray[np.integer]
) -> tuple[float, float, float]:
    """Estimate kappa: return the estimate and the ends of its interval."""
    kappa = cohen_kappa(label, refused, weight)
    if np.isnan(kappa):
        return np.nan, np.nan, np.nan
    share = weight / weight.sum()
    p, q = (float(share[part].sum()) for part in (label, refused))
    by_chance, differ = p + q - 2 * p * q, label != refused
    disagreement = float(share[differ].sum())
    score = differ - disagreement / by_chance * ((1 - 2 * q) * (label - p) + (1 - 2 * p) * (refused - q))
    scores = totals(text, share * (score - disagreement))
    low, high = _interval(disagreement, scores, len(label), totals(text, weight))
    return kappa, max(1 - high / by_chance, -1.0), 1 - low / by_chance


def _interval(share: float, scores: Floats, n: int, weights: Floats) -> tuple[float, float]:
    # Items of unequal weight have a smaller effective number than equal ones, whatever the weights of the errors.
    units = effective_units(weights)
    unseen = zero_count_bound(units, 1 - CONFIDENCE)
    low, high = proportion_interval(
        share, variance_of_scores(scores)[0], min(n, units), unseen, freedom=len(scores) - 1
    )
    return float(low), float(high)
