"""Components of the variance of 0/1 values by how often pairs of values differ, and their jackknife."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..arrays import CONFIDENCE, Bools, Floats, Integers, first_entries, number_combinations
from .clustered import cluster_correction, variance_of_scores
from .intervals import student, totals

_Keys: TypeAlias = tuple[str, ...]
_Found = TypeVar("_Found")

LEAST_CLUSTERS = 10
"""The least number of clusters with pairs of a kind from which a component is estimated."""


@dataclass(frozen=True)
class HalfDifference:
    """Half the share of pairs whose values differ, an unbiased estimate of a variance, with and without each cluster.

    Attributes
    ----------
    whole : float
        nan if there are no pairs.
    without : (n_clusters,) array of float
        Without each cluster.
    clusters : (n_clusters,) array of bool
        The clusters that have such pairs.
    """

    whole: float
    without: Floats
    clusters: Bools

    def __sub__(self, other: "HalfDifference") -> "HalfDifference":
        """Subtract, with the clusters that both have."""
        return HalfDifference(self.whole - other.whole, self.without - other.without, self.clusters & other.clusters)

    def __add__(self, other: "HalfDifference") -> "HalfDifference":
        """Add, with the clusters that both have."""
        return HalfDifference(self.whole + other.whole, self.without + other.without, self.clusters & other.clusters)

    @property
    def is_estimable(self) -> bool:
        """Whether enough clusters have such pairs."""
        return int(self.clusters.sum()) >= LEAST_CLUSTERS and bool(np.isfinite(self.without).all())


@dataclass(frozen=True)
class Pairs:
    """Pairs of 0/1 values, counted by what their two values share.

    Attributes
    ----------
    n, ones : (n_entries,) array of float
        Values of each entry, which share everything, and how many are 1.
    cluster : (n_entries,) array of int
        From 0; pairs of one cluster and pairs of different ones are never mixed.
    item : (n_entries,) array of int
        Parts of clusters, from 0: pairs of one cluster are pairs of one item.
    n_clusters : int
    factors : mapping of str to (n_entries,) array of int
        Codes of the factors that a pair can share. A factor may be nested in the one before it that `nested` names.
    nested : mapping of str to str
        By factor, the one whose levels its levels are parts of.
    known : dict
        Pairs counted before.
    layout : dict
        What was found of all but `ones`, for pairs that differ in nothing else.
    """

    n: Floats
    ones: Floats
    cluster: Integers
    item: Integers
    n_clusters: int
    factors: Mapping[str, Integers]
    nested: Mapping[str, str]
    known: dict[tuple[bool, _Keys], tuple[Floats, Floats]] = field(default_factory=dict, repr=False, compare=False)
    layout: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def of(self, ones: Floats) -> "Pairs":
        """Return pairs of the same entries with other values, which are counted in a fraction of the time."""
        return replace(self, ones=ones, known={})

    def _once(self, what: Hashable, find: Callable[[], _Found]) -> _Found:
        """Find what does not depend on `ones`, or reuse it."""
        if what not in self.layout:
            self.layout[what] = find()
        found: _Found = self.layout[what]
        return found

    def between(self, *shared: str) -> HalfDifference:
        """Compare pairs of different clusters that share exactly these factors, each pair with the same weight."""
        differ, pairs = self._exactly(shared, within=False)
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = np.divide(differ.sum(), pairs.sum())
            # A pair belongs to two clusters, and is in the sums twice.
            without = (differ.sum() - 2 * differ) / (pairs.sum() - 2 * pairs)
        return HalfDifference(float(whole) / 2, without / 2, pairs > 0)

    def within(self, *shared: str, less: Sequence[str] | None = None) -> HalfDifference:
        """Compare pairs of one item that share exactly these factors; an item weighs as much as it has values.

        Parameters
        ----------
        shared : str
        less : sequence of str, optional
            Subtract, within items that have both, the pairs that share exactly these factors instead.
        """
        sizes, cluster = self._once(
            "items", lambda: (totals(self.item, self.n), self.cluster[first_entries(self.item)])
        )
        of_item = self._share_of_items(shared)
        if less is not None:
            of_item = self._share_of_items(less) - of_item
        return self._average(of_item, sizes, cluster)

    def repeated(self, prompt: Integers) -> HalfDifference:
        """Compare pairs of one prompt, which share everything: (n_entries,) int, from 0."""
        sizes, ones = totals(prompt, self.n), totals(prompt, self.ones)
        differ, pairs = ones * (sizes - ones), sizes * (sizes - 1) / 2
        with np.errstate(invalid="ignore"):
            return self._average(differ / pairs, sizes, self.cluster[first_entries(prompt)])

    def _average(self, of_part: Floats, weight: Floats, cluster: Integers) -> HalfDifference:
        """Average over parts of clusters, those without pairs left out."""
        has = np.isfinite(of_part)
        weights = totals(cluster[has], weight[has], self.n_clusters)
        sums = totals(cluster[has], weight[has] * of_part[has], self.n_clusters)
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = np.divide(sums.sum(), weights.sum())
            without = (sums.sum() - sums) / (weights.sum() - weights)
        return HalfDifference(float(whole) / 2, without / 2, weights > 0)

    def _share_of_items(self, shared: Sequence[str]) -> Floats:
        differ, pairs = self._exactly(shared, within=True)
        with np.errstate(invalid="ignore"):
            return differ / pairs

    def _exactly(self, shared: Sequence[str], *, within: bool) -> tuple[Floats, Floats]:
        """Count pairs that share these factors and no other, by inclusion and exclusion."""
        chains = [[name, *(inner for inner, outer in self.nested.items() if outer == name)] for name in self._outer]
        terms: list[tuple[int, _Keys]] = [(1, ())]
        for chain in chains:
            last = [name for name in chain if name in shared][-1:]
            rest = chain[chain.index(last[0]) + 1 :] if last else chain
            kept = [(sign, (*keys, *last)) for sign, keys in terms]
            terms = kept + [(-sign, (*keys, rest[0])) for sign, keys in terms] if rest else kept
        for _, keys in terms:
            if (within, keys) not in self.known:
                self.known[within, keys] = (self._within if within else self._between)(keys)
        counted = [(sign, self.known[within, keys]) for sign, keys in terms]
        differ, pairs = (np.sum([sign * one[place] for sign, one in counted], axis=0) for place in (0, 1))
        return differ, pairs

    @property
    def _outer(self) -> list[str]:
        return [name for name in self.factors if name not in self.nested]

    def _within(self, keys: _Keys) -> tuple[Floats, Floats]:
        """Count by item the pairs that share at least these factors."""

        def find() -> tuple[Integers, Integers, Floats, Floats]:
            cell = number_combinations([self.item, *(self.factors[name] for name in keys)])
            item, n = self.item[first_entries(cell)], totals(cell, self.n)
            return cell, item, n, totals(item, n * (n - 1) / 2, int(self.item.max(initial=-1)) + 1)

        cell, item, n, pairs = self._once((True, keys), find)
        ones = totals(cell, self.ones)
        return totals(item, ones * (n - ones), len(pairs)), pairs

    def _between(self, keys: _Keys) -> tuple[Floats, Floats]:
        """Count by cluster its pairs with values of other clusters that share at least these factors."""

        def find() -> tuple[Integers, Integers, Integers, Floats, Floats, Floats]:
            parts = [self.factors[name] for name in keys] or [np.zeros(len(self.n), dtype=np.int64)]
            cell = number_combinations(parts)
            own = number_combinations([self.cluster, cell])
            at = first_entries(own)
            n, cell, cluster = totals(own, self.n), cell[at], self.cluster[at]
            n_others = totals(cell, n)[cell] - n
            return own, cell, cluster, n, n_others, totals(cluster, n * n_others, self.n_clusters)

        own, cell, cluster, n, n_others, pairs = self._once((False, keys), find)
        ones = totals(own, self.ones)
        ones_others = totals(cell, ones)[cell] - ones
        differ = ones * (n_others - ones_others) + (n - ones) * ones_others
        return totals(cluster, differ, self.n_clusters), pairs


def estimate_share(part: HalfDifference, whole: HalfDifference) -> tuple[float, float, float]:
    """Estimate the share of a variance that a component has, with a 95% confidence interval.

    Parameters
    ----------
    part, whole : HalfDifference
        The component, and the variance.

    Returns
    -------
    estimate, low, high : float
        The interval is from the jackknife, one cluster left out at a time, with the degrees of freedom of
        `clustered_freedom`, of which there are few if few clusters decide. nan if the variance is 0.

    References
    ----------
    The jackknife of U-statistics: Arvesen 1969, doi:10.1214/aoms/1177697287. Its variance is biased upwards: Efron and
    Stein 1981, doi:10.1214/aos/1176345462.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = float(np.divide(part.whole, whole.whole))
        shares = part.without / whole.without
    scores = (shares.mean() - shares) / cluster_correction(len(shares))
    variance, freedom = variance_of_scores(scores)
    reach = float(student(CONFIDENCE, freedom) * np.sqrt(variance))
    return estimate, estimate - reach, estimate + reach
