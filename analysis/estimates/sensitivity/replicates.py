"""Indices of a study, and tallies of their replicates."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from ...statistics import index_of, monte_carlo_p, split_shares
from .grid import Cells, Grid, Margin

SAME = 1e-12
"""The largest rounding difference between two equal values."""

_CHUNK, _MOST_VALUES = 50, 4_000_000
"""Replicates in a block, and the values they may have together: memory does not grow with their number."""


class Tally:
    """Replicates of an index. Of its levels only sums are kept, so that many replicates take no memory.

    Attributes
    ----------
    n : int
        Replicates.
    parts : list of (n_drawn, ...) array of float
        The index of each replicate, as they were added.
    sums : dict of str to (..., n_levels) array of float
        Sums over replicates: ``seen``, in how many a level occurs; ``distance`` from the overall rate and its
        ``square``; if observed distances are given, its ``magnitude``, and in how many it is ``at_least`` as large as
        observed.
    """

    def __init__(self) -> None:
        self.n = 0
        self.parts: list[Floats] = []
        self.sums: dict[str, Floats] = {}

    def add(self, n: Floats, n_refused: Floats, observed: Floats | None = None) -> None:
        """Add replicates.

        Parameters
        ----------
        n, n_refused : (n_drawn, ..., n_levels) array of float
            `n` may have one replicate, of all.
        observed : (..., n_levels) array of float, optional
            The levels' distances to compare with.
        """
        share, distance, scale = split_shares(n, n_refused)
        part = Tally()
        part.n, part.parts = len(distance), [index_of(share, distance, scale)]
        part.sums = {
            "seen": (n > 0).sum(axis=0) * (len(distance) / len(n)),
            "distance": distance.sum(axis=0),
            "square": np.einsum("i...,i...->...", distance, distance),
        }
        if observed is not None:
            magnitude = np.abs(distance)
            part.sums["magnitude"] = magnitude.sum(axis=0)
            part.sums["at_least"] = (magnitude >= np.abs(observed) - SAME).sum(axis=0)
        self.join(part)

    def join(self, other: "Tally") -> None:
        """Add the replicates of another tally."""
        self.n += other.n
        self.parts += other.parts
        for name, values in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + values

    @property
    def indices(self) -> Floats:
        """The index of each replicate, nan if nothing or everything was refused: (n, ...) float."""
        return np.concatenate(self.parts)

    @property
    def spread(self) -> Floats:
        """The standard deviation of the levels' distances from the overall rate: (..., n_levels) float.

        It is of the replicates in which a level occurs; nan where there are not two.
        """
        seen = np.where(self.sums["seen"] > 1, self.sums["seen"], np.nan)
        squares = np.maximum(self.sums["square"] - self.sums["distance"] ** 2 / seen, 0)
        return np.asarray(np.sqrt(squares / (seen - 1)), dtype=np.float64)

    @property
    def magnitude(self) -> Floats:
        """The mean magnitude of the levels' distances: (..., n_levels) float."""
        return self.sums["magnitude"] / self.n

    @property
    def level_p_values(self) -> Floats:
        """How often a level was as far from the overall rate as observed, itself counted: (..., n_levels) float."""
        return monte_carlo_p(self.sums["at_least"], self.n)

    def p_value(self, iota: Floats) -> Floats:
        """Compute how often the index was as large as this one, itself counted: (...) float, nan where it is."""
        p_value = monte_carlo_p(np.sum(self.indices >= iota - SAME, axis=0), self.n)
        return np.where(np.isfinite(iota), p_value, np.nan)

    def quantiles(self, levels: list[float]) -> Floats:
        """Find quantiles of the replicates that have an index: (n_quantiles, ...) float, nan if none has."""
        indices = self.indices
        is_none = ~np.isfinite(indices).any(axis=0)
        # nanquantile warns where there is nothing.
        quantiles = np.nanquantile(np.where(is_none, 0.0, indices), levels, axis=0)
        return np.where(is_none, np.nan, quantiles)


class Null:
    """An index under its null hypothesis, by one or two kinds of replicates; the larger counts.

    Parameters
    ----------
    tallies : sequence of Tally
        Computed with the observed distances if there are levels to compare.
    """

    def __init__(self, tallies: Sequence[Tally]) -> None:
        self._tallies = tallies

    @property
    def mean(self) -> Floats:
        """The mean index: (...) float."""
        return self._largest(lambda tally: tally.indices.mean(axis=0))

    @property
    def magnitude(self) -> Floats:
        """The mean magnitude of the levels' distances: (..., n_levels) float."""
        return self._largest(lambda tally: tally.magnitude)

    @property
    def level_p_values(self) -> Floats:
        """How often a level was as far from the overall rate as observed, itself counted: (..., n_levels) float."""
        return self._largest(lambda tally: tally.level_p_values)

    def p_value(self, iota: Floats) -> Floats:
        """Compute how often the index was as large as this one, itself counted: (...) float, nan where it is."""
        return self._largest(lambda tally: tally.p_value(iota))

    def _largest(self, find: Callable[[Tally], Floats]) -> Floats:
        return np.asarray(np.maximum.reduce([find(tally) for tally in self._tallies]), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Index:
    """An index, of the whole study or of each family (a model and task).

    Attributes
    ----------
    factors : tuple of str
    in_families : bool
    grid : Grid
        A grid with these factors.
    margin : Margin
        Sums the grid's cells by the levels of the factors.
    n, n_refused : ([n_models, n_tasks,] n_levels) array of float
        As observed.
    """

    factors: tuple[str, ...]
    in_families: bool
    grid: Grid
    margin: Margin
    n: Floats
    n_refused: Floats

    @classmethod
    def of(cls, grid: Grid, factors: tuple[str, ...], *, in_families: bool) -> "Index":
        """Create the index of factors of a grid."""
        margin = Margin(grid.axes, factors, in_families=in_families)
        n, n_refused = (margin.add_up(cells)[0] for cells in (grid.observed.n, grid.observed.n_refused))
        return cls(factors, in_families, grid, margin, n, n_refused)

    @property
    def is_single(self) -> bool:
        """Whether it is of one factor."""
        return len(self.factors) == 1

    def tally(self, cells: Cells, observed: Floats | None = None) -> Tally:
        """Tally replicates; see `Tally.add`."""
        tally = Tally()
        tally.add(self.margin.add_up(cells.n), self.margin.add_up(cells.n_refused), observed)
        return tally


def gather(
    draw: Callable[[np.random.Generator, int], Mapping[Index, Tally]],
    rng: np.random.Generator,
    n_replicates: int,
    threads: Executor,
    n_cells: int = 1,
) -> dict[Index, Tally]:
    """Draw replicates in threads, in blocks, each block with its own generator.

    Parameters
    ----------
    draw : callable
        Draws a number of replicates of all indices.
    rng : numpy.random.Generator
    n_replicates : int
    threads : concurrent.futures.Executor
        The result does not depend on their number.
    n_cells : int
        Of one replicate.

    Returns
    -------
    dict
    """
    at_once = max(1, min(_CHUNK, _MOST_VALUES // n_cells))
    parts = [min(at_once, n_replicates - start) for start in range(0, n_replicates, at_once)]
    tallies: dict[Index, Tally] = {}
    for drawn in threads.map(draw, rng.spawn(len(parts)), parts):
        for key, tally in drawn.items():
            tallies.setdefault(key, Tally()).join(tally)
    return tallies
