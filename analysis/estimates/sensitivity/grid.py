"""A study's counts on a grid of runs, tasks and labels, as observed and resampled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from refusal_metrics.errors import InputError

from ...arrays import Floats, Integers, add_up
from ...counts import Counts

MOST_CELLS = 1_000_000
"""How many combinations of runs, tasks and labels a study may have: replicates hold all of them at once."""


@dataclass(frozen=True)
class Axes:
    """The axes of a grid.

    Attributes
    ----------
    runs, tasks, labels : pandas.DataFrame
        One row a level of each axis: the combinations that occur of the run-level factors
        (``model, ...``), of ``task``, and of the factors drawn for a prompt (``persona, ...``).
    """

    runs: pd.DataFrame
    tasks: pd.DataFrame
    labels: pd.DataFrame

    @property
    def shape(self) -> tuple[int, int, int]:
        """Levels of each axis."""
        return len(self.runs), len(self.tasks), len(self.labels)

    def check_size(self) -> None:
        """Check that replicates of the study fit into memory.

        Raises
        ------
        InputError
            If there are more cells than `MOST_CELLS`; it names the factor with the most levels.
        """
        n_cells = math.prod(self.shape)
        if n_cells <= MOST_CELLS:
            return
        frames = [frame for frame in (self.labels, self.runs, self.tasks) if len(frame) > 1]
        parts = " x ".join(f"{len(frame):,} of {', '.join(map(str, frame))}" for frame in frames)
        n_levels = {str(name): int(frame[name].nunique()) for frame in frames for name in frame}
        most = sorted(n_levels, key=lambda name: -n_levels[name])[:2]
        droppable = [name for name in map(str, self.labels) if n_levels.get(name, 1) > 1]
        largest = max(droppable, key=lambda name: n_levels[name], default="")
        remedies = [f"leave factors out (--without {largest}), merge levels"] * bool(largest)
        raise InputError(
            f"{n_cells:,} combinations of factors ({parts}) are too many for sensitivity indices, at most "
            f"{MOST_CELLS:,} are possible; {' and '.join(f'{name} has {n_levels[name]:,} levels' for name in most)}: "
            f"{', or '.join([*remedies, 'give fewer models at a time'])}"
        )


@dataclass(frozen=True)
class Cells:
    """Responses and refusals in the cells of a grid, in replicates.

    Attributes
    ----------
    n, n_refused : (n_drawn, n_runs, n_tasks, n_labels) array of float
        An axis that was added up has length 1; so has the first of `n` where it does not vary.
    """

    n: Floats
    n_refused: Floats


class Grid:
    """The counts of a study by run, task and label.

    Parameters
    ----------
    counts : Counts
        Of one setting.
    run_factors, label_factors : sequence of str
        The factors whose combinations make two of the axes; the third is the task.

    Attributes
    ----------
    axes : Axes
    counts : Counts
    run, task, label : (n_entries,) array of int
        The position of each entry.
    observed : Cells
        One replicate: what was observed.
    n_texts : (n_runs, n_tasks) array of int

    Raises
    ------
    InputError
        If there are too many cells, see `Axes.check_size`.
    """

    def __init__(self, counts: Counts, run_factors: Sequence[str], label_factors: Sequence[str]) -> None:
        runs, self.run = counts.cell(run_factors)
        tasks, self.task = counts.cell(["task"])
        labels, self.label = counts.cell(label_factors)
        self.axes = Axes(runs, tasks, labels)
        self.axes.check_size()
        self.counts = counts
        self._refused_by_text = self._count_by_text(counts.n_refused)
        n_by_text = self._count_by_text(counts.n)
        # If all runs have the same prompts, as is usual, the responses of one are enough.
        n_cells = len(tasks) * len(labels)
        each_run = [n_by_text[start : start + n_cells] for start in range(0, n_by_text.shape[0], n_cells)]
        is_same = all((of_run - each_run[0]).count_nonzero() == 0 for of_run in each_run)
        self._n_by_text = each_run[0] if is_same else n_by_text
        self.observed = self._add_texts(np.ones((counts.n_texts, 1)))
        is_asked = np.zeros((len(tasks), len(runs), counts.n_texts), dtype=bool)
        is_asked[self.task, self.run, counts.text] = True
        self._texts = [np.flatnonzero(of_task.any(axis=0)) for of_task in is_asked]
        by_run = np.asarray(is_asked.any(axis=0), dtype=np.bool_)
        self.n_texts = np.stack([by_run[:, texts].sum(axis=1) for texts in self._texts], axis=1)

    @property
    def n_cells(self) -> int:
        """Cells of one replicate."""
        return math.prod(self.axes.shape)

    def _count_by_text(self, values: Integers) -> sparse.csr_array:
        """Sum entries: (n_runs * n_tasks * n_labels, n_texts)."""
        n_runs, n_tasks, n_labels = self.axes.shape
        entries = np.flatnonzero(values)
        cell = (self.run[entries].astype(np.int64) * n_tasks + self.task[entries]) * n_labels + self.label[entries]
        shape = (n_runs * n_tasks * n_labels, self.counts.n_texts)
        return add_up(values[entries], cell, self.counts.text[entries], shape)

    def resample(self, rng: np.random.Generator, n_drawn: int) -> Cells:
        """Draw whole texts with replacement, as many of each task as it has."""
        drawn = np.zeros((self.counts.n_texts, n_drawn))
        for texts in self._texts:
            drawn[texts] = _draw_texts(rng, len(texts), n_drawn)
        return self._add_texts(drawn)

    def _add_texts(self, weights: Floats) -> Cells:
        """Sum texts with these weights: (n_texts, n_drawn)."""
        n_tasks, n_labels = self.axes.shape[1:]
        n, n_refused = (
            (by_text @ weights).T.reshape(weights.shape[1], -1, n_tasks, n_labels)
            for by_text in (self._n_by_text, self._refused_by_text)
        )
        return Cells(np.broadcast_to(n, n_refused.shape), n_refused)


class Margin:
    """The sums of a grid's cells by level.

    Parameters
    ----------
    axes : Axes
    factors : sequence of str
        Whose combinations are the levels.
    in_families : bool
        Whether each model and task has its own sums.
    """

    def __init__(self, axes: Axes, factors: Sequence[str], *, in_families: bool) -> None:
        self._n_models = axes.runs["model"].nunique() if in_families else 0
        families = ("model", "task", "") if in_families else ("", "", "")
        self._levels = [
            number_levels(frame, [name for name in map(str, frame) if name in factors or name == family])
            for frame, family in zip((axes.runs, axes.tasks, axes.labels), families, strict=True)
        ]
        # Of labels only combinations that occur can ever be drawn; of many levels they are far fewer than all.
        code, size = self._levels[2]
        if size > len(axes.labels):
            occurring, code = np.unique(code, return_inverse=True)
            self._levels[2] = code, len(occurring)
        self._adders = [_adder(level, n_levels) for level, n_levels in self._levels]

    def add_up(self, cells: Floats) -> Floats:
        """Add up: (n_drawn, n_runs, n_tasks, n_labels) to (n_drawn, [n_models, n_tasks,] n_levels)."""
        for axis, ((_, n_levels), adder) in enumerate(zip(self._levels, self._adders, strict=True), start=1):
            if n_levels == 1:
                cells = cells.sum(axis=axis, keepdims=True)
            elif adder is not None:
                first = np.moveaxis(cells, axis, 0)
                added = adder @ first.reshape(len(first), -1)
                cells = np.moveaxis(added.reshape(n_levels, *first.shape[1:]), 0, axis)
        n_drawn, n_runs, n_tasks, n_labels = cells.shape
        if not self._n_models:
            return cells.reshape(n_drawn, -1)
        # Runs are sorted by model first; its other levels go beside the labels.
        by_model = cells.reshape(n_drawn, self._n_models, n_runs // self._n_models, n_tasks, n_labels)
        return by_model.swapaxes(2, 3).reshape(n_drawn, self._n_models, n_tasks, -1)


def _adder(level: Integers, n_levels: int) -> sparse.csr_array | None:
    """Build the matrix that sums entries by level: (n_levels, n_entries); None if each is a level of its own."""
    if n_levels == 1 or np.array_equal(level, np.arange(n_levels)):
        return None
    ones = (np.ones(len(level)), (level, np.arange(len(level))))
    return sparse.coo_array(ones, shape=(n_levels, len(level))).tocsr()


def number_levels(frame: pd.DataFrame, factors: Sequence[str]) -> tuple[Integers, int]:
    """Return the number of each row's levels among all combinations of levels, and how many combinations there are."""
    code, size = np.zeros(len(frame), dtype=np.int64), 1
    for name in factors:
        own, levels = pd.factorize(frame[name], sort=True)
        code, size = code * len(levels) + own, size * len(levels)
    return code, size


def _draw_texts(rng: np.random.Generator, n_texts: int, n_drawn: int) -> Floats:
    """Count how often each text is drawn: (n_texts, n_drawn)."""
    text = rng.integers(n_texts, size=(n_texts, n_drawn)) * n_drawn + np.arange(n_drawn)
    return np.bincount(text.ravel(), minlength=n_texts * n_drawn).reshape(n_texts, n_drawn).astype(np.float64)
