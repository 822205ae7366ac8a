r"""Whether a detector errs more often under one persona than under another.

The largest error rate of K personas minus the smallest is above 0 even if all are equal, so the observed gap alone is
not informative. Three statistics are reported with it.

Its mean under the null hypothesis: personas are permuted among the responses of each text (single responses of texts
among one another), and errors stay with their responses. The p-value is the share of permutations with a gap as large.

An upper bound of the true gap: the largest, over all pairs, of the upper bounds of the pair's difference. No correction
for the number of pairs is needed, because the true gap is the difference of one pair, and the bound is at least that
pair's own.

A lower bound: the largest of the pairs' lower bounds. Here the data choose the pair, so all K (K - 1) bounds must hold
simultaneously (Bonferroni).

A pair's bounds are Newcombe's, from Wilson's intervals of both rates, which are valid with few errors and with none.
Their numbers of items are effective sample sizes: Kish's effective number for weights, divided by the design effect of
texts. That is estimated once, from the differences of all pairs, because one pair has too few errors.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import CONFIDENCE, Floats
from ..statistics import clustered_variance, effective_units, monte_carlo_p, totals, wilson
from .read import number_texts

GAP = (
    *("observed", "expected", "p_value", "ci_low", "ci_high", "upper", "highest", "lowest"),
    *("n_personas", "n", "n_texts", "n_errors"),
)
"""The columns of `estimate_persona_gap`."""


def estimate_persona_gap(items: pd.DataFrame, *, rng: np.random.Generator, n_permutations: int = 1000) -> pd.DataFrame:
    """Estimate the largest difference between personas in a detector's error rate.

    Parameters
    ----------
    items : pandas.DataFrame
        As in `refusal_metrics.analysis.labels.detection_errors.estimate_validation`, with a column ``persona``;
        items without a persona are left out.
    rng : numpy.random.Generator
        For the permutations of personas.
    n_permutations : int

    Returns
    -------
    pandas.DataFrame
        One row, with the columns `GAP`: ``observed`` (the highest weighted error rate minus the
        lowest), ``expected`` and ``p_value`` (under the null hypothesis), ``ci_low, ci_high`` (95% confidence interval
        of the true gap), ``upper`` (its one-sided 95% bound), ``highest, lowest`` (the
        personas), ``n_personas``, and ``n, n_texts, n_errors`` of items. All estimates are missing
        for fewer than two personas.

    References
    ----------
    Newcombe 1998, Statistics in Medicine 17, pages 873-890, method 10, for a pair's bounds. Kish 1965,
    Survey Sampling, for the design effect. Berger 1982, doi:10.1080/00401706.1982.10487790, for the
    largest of many without correction.
    """
    asked = items[items["persona"].notna()].reset_index(drop=True)
    persona, names = pd.factorize(asked["persona"], sort=True)
    text = number_texts(asked)
    label, refused = (asked[name].to_numpy(dtype=bool) for name in ("label", "refused"))
    error = (label != refused).astype(np.float64)
    weight = asked["weight"].to_numpy(dtype=np.float64) if "weight" in asked else np.ones(len(asked))
    sizes = {
        "n_personas": len(names),
        "n": len(asked),
        "n_texts": len(np.unique(text)),
        "n_errors": int(error.sum()),
    }
    if len(names) < 2:
        return pd.DataFrame([dict.fromkeys(GAP, np.nan) | {"highest": None, "lowest": None} | sizes], columns=list(GAP))
    rates = _rates(persona, error, weight, len(names))
    observed = float(np.ptp(rates))
    dealt = [float(np.ptp(_rates(p, error, weight, len(names)))) for p in _deals(persona, text, rng, n_permutations)]
    tail = (1 - CONFIDENCE) / 2
    worth = _worth(persona, text, error, weight, rates)
    row = {
        "observed": observed,
        "expected": float(np.mean(dealt)),
        # Equal gaps differ by rounding.
        "p_value": float(monte_carlo_p(np.sum(np.array(dealt) >= observed * (1 - 1e-9)), n_permutations)),
        "ci_low": max(_bounds(rates, worth, tail / (len(names) * (len(names) - 1)))[0], 0.0),
        "ci_high": _bounds(rates, worth, tail)[1],
        "upper": _bounds(rates, worth, 1 - CONFIDENCE)[1],
        "highest": names[int(np.argmax(rates))],
        "lowest": names[int(np.argmin(rates))],
    }
    return pd.DataFrame([row | sizes], columns=list(GAP))


def _rates(persona: NDArray[np.integer], error: Floats, weight: Floats, n: int) -> Floats:
    return totals(persona, weight * error, n) / totals(persona, weight, n)


def _deals(
    persona: NDArray[np.integer], text: NDArray[np.integer], rng: np.random.Generator, n: int
) -> "list[NDArray[np.integer]]":
    """Permute personas within texts, and among the single responses of texts."""
    alone = np.bincount(text)[text] == 1
    group = np.where(alone, -1, text)
    order = np.argsort(group, kind="stable")
    deals = []
    for _ in range(n):
        shuffled = np.lexsort((rng.random(len(group)), group))
        dealt = np.empty_like(persona)
        dealt[order] = persona[shuffled]
        deals.append(dealt)
    return deals


def _worth(
    persona: NDArray[np.integer], text: NDArray[np.integer], error: Floats, weight: Floats, rates: Floats
) -> Floats:
    """Return the effective number of items of each persona: (n_personas,)."""
    n = len(rates)
    units = np.array([effective_units(weight[persona == number]) for number in range(n)])
    at = np.unique(text, return_inverse=True)[1]
    n_texts = at.max() + 1
    scores = np.zeros((n_texts, n))
    np.add.at(scores, (at, persona), weight * (error - rates[persona]) / totals(persona, weight, n)[persona])
    # Sums over all pairs of the squared difference of their scores, and of the variance of independent items.
    products = np.sum(n * scores**2) - np.sum(scores.sum(axis=1) ** 2)
    clustered = float(clustered_variance(products, n_texts))
    independent = (n - 1) * float(np.sum(rates * (1 - rates) / units))
    effect = clustered / independent if independent else 1.0
    return units / max(effect, 1.0)


def _bounds(rates: Floats, worth: Floats, tail: float) -> tuple[float, float]:
    """Find the largest lower and upper bounds of all differences of two personas, each with this error probability."""
    low, high = wilson(rates * worth, worth, 1 - 2 * tail)
    below, above = rates - low, high - rates
    pairs = ~np.eye(len(rates), dtype=bool)
    difference = np.subtract.outer(rates, rates)
    lower = difference - np.hypot.outer(below, above)
    upper = difference + np.hypot.outer(above, below)
    return float(lower[pairs].max()), float(min(upper[pairs].max(), 1.0))
