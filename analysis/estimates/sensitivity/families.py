"""The families of factors of a study, and the permutations of each under the null hypothesis."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...counts import Counts, check_not_empty
from ...statistics import explain_variance, split_shares
from .grid import Cells, Grid, number_levels
from .permutations import Permuted, PromptPermutations, RowPermutations
from .replicates import Index, Tally, gather
from .sign_flips import TextSignFlips

LABEL_FACTORS = ("persona", "persona_group", "template", "response_type")


ROW_FACTORS = ("stratum", "language")
"""Factors that usually belong to the rows of a text, and not to its prompts."""


_OF_BLOCKS = ("template", "response_type")
"""Factors that belong to whole texts if prompts were asked in blocks, one a text."""

PAIRED = ("model", "task", "persona", "template")
"""The factors whose pairs have joint indices."""


class Families:
    """A study's indices.

    Attributes
    ----------
    indices : list of Index
    run_factors, label_factors : list of str
        Those that the study has, the model first.
    grid : Grid
    row_grids : dict of str to Grid
        The same study, broken down by one factor of its rows.
    notes : list of str
    """

    def __init__(self, counts: Counts, run_factors: Sequence[str], without: Sequence[str] = ()) -> None:
        self.notes: list[str] = []
        self._without = frozenset(without)
        self.run_factors = ["model", *run_factors]
        counts, known = self._leave_out(counts)
        self.run_factors = ["model", *self._list_moving(counts)]
        of_rows = [name for name in ROW_FACTORS if name in known and _is_constant(counts.codes[name], counts.row)]
        # Within texts that have one of them, there is nothing to permute.
        of_rows += [name for name in _OF_BLOCKS if name in known and _is_of_texts(counts, name)]
        self.label_factors = [name for name in (*LABEL_FACTORS, *ROW_FACTORS) if name in known and name not in of_rows]
        self.grid = Grid(counts, self.run_factors, self.label_factors)
        self.row_grids = {name: Grid(counts, self.run_factors, [name]) for name in of_rows}
        self.indices = list(self._list_indices())
        self._note_families()

    def _leave_out(self, counts: Counts) -> tuple[Counts, list[str]]:
        """Leave out responses that lack a level of some factor, and factors without levels; report this."""
        # Most studies are in one language, which needs no note.
        wanted = [
            name for name in (*LABEL_FACTORS, *ROW_FACTORS) if name in counts.levels and name not in self._without
        ]
        wanted = [name for name in wanted if name != "language" or len(counts.levels[name]) > 1]
        factors = [*self.run_factors[1:], *wanted]
        known = [name for name in factors if (counts.codes[name] >= 0).any()]
        if unknown := [name for name in factors if name not in known]:
            self.notes.append(f"No response has a level of {', '.join(unknown)}: there is no index of it.")
        self.run_factors = [name for name in self.run_factors if name not in unknown]
        has_all = np.ones(len(counts.n), dtype=bool)
        for name in known:
            has_all &= counts.codes[name] >= 0
        if not has_all.all():
            self.notes.append(f"{(~has_all).sum():,} responses without a level of {', '.join(known)} left out.")
            counts = counts.take(has_all)
            check_not_empty(counts, f"with a level of each of {', '.join(known)}")
        return counts, known

    def _list_moving(self, counts: Counts) -> Iterator[str]:
        """List the run factors that differ between the answers of a model to a prompt; report those that do not."""
        if not self.run_factors[1:]:
            return
        unit = counts.prompt.astype(np.int64) * len(counts.levels["model"]) + counts.codes["model"]
        unit = np.unique(unit, return_inverse=True)[1]
        for name in self.run_factors[1:]:
            if _is_constant(counts.codes[name], unit) and len(np.unique(counts.codes[name])) > 1:
                self.notes.append(
                    f"{name} is the same in all answers of a model to a prompt: it has no index of its own."
                )
            else:
                yield name

    def _list_indices(self) -> Iterator[Index]:
        varying = []
        for name in (*self.run_factors, "task", *self.label_factors, *self.row_grids):
            levels = self.levels(name)
            if len(levels) > 1:
                varying.append(name)
            else:
                self.notes.append(f"{name} has one level, {levels[0]}: it has no index.")
        whole = set(_OF_BLOCKS) & set(varying) & set(self.row_grids)
        if "template" in whole:
            self.notes.append(
                "Each text was asked with one template: template has no index together with other factors."
            )
        pairs = [pair for pair in combinations(PAIRED, 2) if set(pair) <= set(varying) - whole]
        for factors in [*((name,) for name in varying), *pairs]:
            yield Index.of(self._grid_of(factors), factors, in_families=False)
        for factors in [*((name,) for name in varying), *pairs]:
            if not {"model", "task"} & set(factors):
                yield Index.of(self._grid_of(factors), factors, in_families=True)

    def _grid_of(self, factors: Sequence[str]) -> Grid:
        return self.row_grids.get(factors[0], self.grid)

    def levels(self, factor: str) -> list[str]:
        """List the levels of a factor, in their order."""
        axes = self._grid_of([factor]).axes
        frame = next(frame for frame in (axes.runs, axes.tasks, axes.labels) if factor in frame)
        return sorted(frame[factor].unique())

    def flip(self, rng: np.random.Generator, n_flips: int, threads: Executor) -> dict[Index, Tally]:
        """Tally the indices of labels under sign flips: no effect on average, but possibly within a text."""
        distances = {
            i: split_shares(i.n, i.n_refused)[1] for i in self.indices if set(i.factors) <= set(self.label_factors)
        }
        sign_flips = TextSignFlips(self.grid)

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            cells = sign_flips.draw(child, n_drawn)
            return {index: index.tally(cells, distance) for index, distance in distances.items()}

        return gather(draw, rng, n_flips, threads, self.grid.n_cells)

    def permute(self, rng: np.random.Generator, n_permutations: int, threads: Executor) -> dict[Index, Tally]:
        """Tally the indices under permutations of their factors."""
        distances = {index: split_shares(index.n, index.n_refused)[1] for index in self.indices if index.is_single}
        prompts = PromptPermutations(self.grid, rng)
        rows = {grid: RowPermutations(grid) for grid in self.row_grids.values()}

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            permuted = prompts.draw(child, n_drawn)
            cells = {index: self._choose(permuted, index.factors) for index in self.indices}
            for grid, permutations in rows.items():
                within_tasks = permutations.draw(child, n_drawn)
                cells |= {index: within_tasks for index in self.indices if index.grid is grid}
            return {index: index.tally(cells[index], distances.get(index)) for index in self.indices}

        return gather(draw, rng, n_permutations, threads, self.grid.n_cells)

    def _choose(self, permuted: Permuted, factors: Sequence[str]) -> Cells:
        """Choose the permutation that removes the effect of these factors."""
        if set(factors) <= set(self.label_factors):
            return permuted.labels
        if set(factors) <= set(self.run_factors[1:]):
            return permuted.runs
        if "task" not in factors:
            return permuted.runs_labels
        return permuted.tasks_labels if set(factors) & set(self.label_factors) else permuted.runs_tasks

    def resample(self, rng: np.random.Generator, n_samples: int, threads: Executor) -> dict[Index, Tally]:
        """Tally the indices of bootstrap samples of texts."""
        grids = [self.grid, *self.row_grids.values()]

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            drawn = {grid: grid.resample(child, n_drawn) for grid in grids}
            return {index: index.tally(drawn[index.grid]) for index in self.indices}

        return gather(draw, rng, n_samples, threads, self.grid.n_cells)

    def has_texts(self, index: Index) -> NDArray[np.bool_]:
        """Return whether texts can be resampled: (n_models, n_tasks) in families, else (), bool."""
        model, _ = number_levels(self.grid.axes.runs, ["model"])
        firsts = np.flatnonzero(np.diff(model, prepend=-1))
        n_texts = np.maximum.reduceat(self.grid.n_texts, firsts)
        return n_texts > 1 if index.in_families else np.asarray((n_texts.max(axis=0) > 1).all())

    def lose(self, index: Index) -> Floats | float:
        """Estimate the share of the variance that is lost without a factor, given all others."""
        known = {*self.run_factors[1:], *self.label_factors} - {"persona_group", "response_type"}
        if not index.in_families:
            known |= {"model", "task"}
        if not index.is_single or not set(index.factors) <= known:
            return np.nan
        every, others = (
            Index.of(self.grid, tuple(factors), in_families=index.in_families)
            for factors in (known, known - set(index.factors))
        )
        explained = explain_variance(every.n, every.n_refused) - explain_variance(others.n, others.n_refused)
        return np.maximum(explained, 0)

    def _note_families(self) -> None:
        """Report models and tasks without refusals, with nothing else, or with one text, which cannot be resampled."""
        family = Index.of(self.grid, (), in_families=True)
        n, n_refused = family.n[..., 0], family.n_refused[..., 0]
        for found, is_so, missing in (
            ("no refusal", n_refused == 0, "index"),
            ("nothing but refusals", n_refused == n, "index"),
            ("only one text", ~self.has_texts(family), "interval"),
        ):
            where = [
                f"{model} in {', '.join(np.array(self.levels('task'))[is_here])}"
                for model, is_here in zip(self.levels("model"), is_so & (n > 0), strict=True)
                if is_here.any()
            ]
            if where:
                self.notes.append(f"There is {found} by {'; '.join(where)}: no {missing} can be estimated there.")


def _is_of_texts(counts: Counts, name: str) -> bool:
    """Return whether all prompts of a text have one level of a factor that has several."""
    code = counts.codes[name]
    return bool((code != code[:1]).any()) and _is_constant(code, counts.text)


def _is_constant(code: NDArray[np.integer], unit: NDArray[np.integer]) -> bool:
    """Return whether the entries of each unit, numbered from 0, have one code."""
    of_unit = np.empty(int(unit.max(initial=-1)) + 1, dtype=np.int64)
    of_unit[unit] = code
    return bool((of_unit[unit] == code).all())
