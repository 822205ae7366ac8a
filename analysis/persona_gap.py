r"""Whether a detector errs more often under one persona than under another.

The largest error rate of K personas minus the smallest is above 0 even where all are the same, so the
observed gap says little alone. Three things are set beside it.

What chance makes of it: its mean when personas are dealt out anew among the responses of each text
(responses alone in their text are dealt out among one another), errors staying where they are. The
share of such deals with a gap as large is a p-value.

An upper bound of the true gap: the largest, over all pairs, of the upper bounds of the pair's
difference. No allowance for the number of pairs is needed, because the true gap is the difference of
one pair, and the bound lies above that pair's own.

A lower bound: the largest of the pairs' lower bounds. Here the pair is chosen by the data, so that all
K (K - 1) bounds hold at once (Bonferroni).

A pair's bounds come from the two rates' exact intervals for clustered data and their correlation
within texts (Zou and Donner), so that personas without a single error have bounds too.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .effective import clustered, effective_units, proportion_interval, sum_interval, totals, unseen_share
from .labels import number_texts
from .rates import LEVEL

GAP = (
    *("observed", "expected", "p_value", "ci_low", "ci_high", "upper", "highest", "lowest"),
    *("n_personas", "n", "n_texts", "n_errors"),
)
"""The columns of `estimate_persona_gap`."""

Floats = NDArray[np.float64]


def estimate_persona_gap(items: pd.DataFrame, *, rng: np.random.Generator, n_permutations: int = 1000) -> pd.DataFrame:
    """Estimate the largest difference between personas in how often a detector errs.

    Parameters
    ----------
    items : pandas.DataFrame
        As in `refusal_metrics.analysis.validation.estimate_validation`, with a column ``persona``;
        items without a persona are left out.
    rng : numpy.random.Generator
        Deals out the personas.
    n_permutations : int

    Returns
    -------
    pandas.DataFrame
        One row, with the columns `GAP`: ``observed`` (the highest weighted error rate minus the
        lowest), ``expected`` and ``p_value`` (if personas did not matter), ``ci_low, ci_high`` (95 %
        interval of the true gap), ``upper`` (its one-sided 95 % bound), ``highest, lowest`` (the
        personas), ``n_personas``, and ``n, n_texts, n_errors`` of items. All estimates are missing
        for fewer than two personas.

    References
    ----------
    Zou and Donner 2008, doi:10.1002/sim.3095, for a pair's bounds. Berger 1982,
    doi:10.1080/00401706.1982.10487790, for the largest of many at no price.
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
    tail = (1 - LEVEL) / 2
    parts = _Rates(persona, text, error, weight, rates)
    row = {
        "observed": observed,
        "expected": float(np.mean(dealt)),
        # Equal gaps differ by rounding.
        "p_value": (1 + np.sum(np.array(dealt) >= observed * (1 - 1e-9))) / (1 + n_permutations),
        "ci_low": max(parts.bounds(tail / (len(names) * (len(names) - 1)))[0], 0.0),
        "ci_high": parts.bounds(tail)[1],
        "upper": parts.bounds(1 - LEVEL)[1],
        "highest": names[int(np.argmax(rates))],
        "lowest": names[int(np.argmin(rates))],
    }
    return pd.DataFrame([row | sizes], columns=list(GAP))


def _rates(persona: NDArray[np.integer], error: Floats, weight: Floats, n: int) -> Floats:
    return totals(persona, weight * error, n) / totals(persona, weight, n)


def _deals(
    persona: NDArray[np.integer], text: NDArray[np.integer], rng: np.random.Generator, n: int
) -> "list[NDArray[np.integer]]":
    """Deal personas out anew within texts, and among the responses that are alone in theirs."""
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


class _Rates:
    """The error rates of personas with all that bounds of their differences need."""

    def __init__(
        self,
        persona: NDArray[np.integer],
        text: NDArray[np.integer],
        error: Floats,
        weight: Floats,
        rates: Floats,
    ) -> None:
        self._rates, n = rates, len(rates)
        total = totals(persona, weight, n)
        at = np.unique(text, return_inverse=True)[1]
        scores = np.zeros((at.max() + 1, n))
        np.add.at(scores, (at, persona), weight * (error - rates[persona]) / total[persona])
        self._n = np.bincount(persona, minlength=n).astype(np.float64)
        self._variance, self._freedom, self._units = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
        for number in range(n):
            mine = persona == number
            weights = totals(at[mine], weight[mine])
            # A text's scores can cancel out; it is one of the persona's texts all the same.
            own = scores[np.unique(at[mine]), number]
            self._variance[number], self._freedom[number] = clustered(own)[0], len(own) - 1
            self._units[number] = effective_units(weights)
        products = scores.T @ scores
        spread = np.sqrt(np.diag(products))
        with np.errstate(divide="ignore", invalid="ignore"):
            self._correlation = np.nan_to_num(products / np.outer(spread, spread))
        np.fill_diagonal(self._correlation, 1.0)

    def bounds(self, tail: float) -> tuple[float, float]:
        """Give the largest lower and the largest upper bound of all pairs, each missed with probability `tail`."""
        low, high = proportion_interval(
            self._rates,
            self._variance,
            np.minimum(self._n, self._units),
            unseen_share(self._units, tail),
            freedom=self._freedom,
            level=1 - 2 * tail,
        )
        n, signs = len(self._rates), np.array([1.0, -1.0])
        ends = [
            sum_interval(self._rates[pair], low[pair], high[pair], signs, self._correlation[np.ix_(pair, pair)])
            for pair in ([a, b] for a in range(n) for b in range(n) if a != b)
        ]
        lower, upper = np.transpose(ends)
        return float(np.max(lower)), float(min(np.max(upper), 1.0))
