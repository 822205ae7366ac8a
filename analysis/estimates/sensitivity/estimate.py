"""How much each factor matters to refusals: the paper's index, with its noise, its error and its parts.

The index of `refusal_metrics.analysis.statistics.iota` is a mean of absolute values, so noise makes it larger.
Beside each stands therefore its mean over permutations under which the factor cannot matter, and
the index with each level's noise taken out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from refusal_metrics.errors import unknown_name

from ...arrays import Floats
from ...counts import Counts, check_not_empty
from ...statistics.iota import explain_variance, index_of, remove_noise, split_shares
from ...statistics.multiplicity import holm
from .grid import Cells, Grid, number_levels
from .permutations import Moved, PromptMoves, RowMoves
from .replicates import Index, Null, Tally, gather
from .sign_flips import TextFlips

INDICES = (
    "model", "task", "factor", "iota", "ci_low", "ci_high", "null_mean", "p_value", "n_levels",
    "iota_corrected", "one_sided", "first_order", "total",
)  # fmt: skip
SEPARATIONS = (
    "model", "task", "factor", "level", "estimate", "ci_low", "ci_high", "separation", "null_mean",
    "corrected", "p_value", "n", "n_refused", "p_adjusted",
)  # fmt: skip
LABEL_FACTORS = ("persona", "persona_group", "template", "response_type")
ROW_FACTORS = ("stratum", "language")
"""Factors that usually belong to a text's rows, and not to its prompts."""
PAIRED = ("model", "task", "persona", "template")
"""The factors whose pairs have joint indices."""

N_THREADS = 2
"""In so many threads replicates are drawn where nobody says."""
_CLEAR, _LOUD = 2, 0.1
"""An index has a two-sided interval from this many times its `null_mean` on, and if that is not above this."""

_Z = float(stats.norm.ppf(0.975))
_MAGNITUDE = math.sqrt(2 / math.pi)
"""The mean magnitude of a normal variable without mean, in standard deviations."""


@dataclass(frozen=True)
class Sensitivity:
    """Sensitivity indices of a study.

    Attributes
    ----------
    indices : pandas.DataFrame
        One row an index, columns `INDICES`; ``model`` and ``task`` are empty for the whole study,
        ``factor`` is ``a:b`` for two factors jointly. ``iota_corrected`` is the index without each
        level's noise. The interval is one-sided, from 0 to an upper bound, where ``iota`` is below
        twice its ``null_mean``, or that is above .1. ``p_value`` is the
        larger of two for personas and templates: of verdicts that do not depend on the factor within
        any text, and of those that may, one way in one text and the other way in another, so that
        levels' rates are alike; for other factors it is the first, by moves. ``first_order`` and ``total`` are
        shares of the variance: what the factor alone explains, and what is explained no more where
        it is not known and all others are; both are missing for two factors jointly, the second
        also for groups and strata, and where cells are too small. From the first all noise is taken,
        from the second that of independent responses, so it can come out below the first.
    separations : pandas.DataFrame
        One row a level, columns `SEPARATIONS`: ``estimate`` is :math:`p_x - p`, ``separation`` its
        absolute value, ``null_mean`` what that is on average where the factor cannot matter,
        ``corrected`` the separation without its noise, ``p_adjusted`` that of Holm's method among the
        levels. A level that was never or always refused has no interval: resampling finds no noise.
    notes : tuple of str
        One sentence for all that could not be estimated.
    """

    indices: pd.DataFrame
    separations: pd.DataFrame
    notes: tuple[str, ...]


def estimate_sensitivity(
    counts: Counts,
    rng: np.random.Generator,
    *,
    run_factors: Sequence[str] = (),
    without: Sequence[str] = (),
    n_replicates: int = 1000,
    threads: Executor | None = None,
) -> Sensitivity:
    """Estimate the indices of all factors and pairs, in the whole study and in each model and task.

    Parameters
    ----------
    counts : Counts
        Of the persona setting.
    rng : numpy.random.Generator
        The result does not depend on the order of responses where their prompts are numbered or none
        comes twice. Other names of levels change p-values and intervals as another seed would.
    run_factors : sequence of str
        Factors of runs besides the model.
    without : sequence of str
        Factors of prompts that are left out: they have no index, and ``total`` counts what they explain as noise.
    n_replicates : int
        Permutations, and bootstrap samples of whole texts.
    threads : concurrent.futures.Executor, optional
        Where replicates are drawn, by default two threads; the result does not depend on their number.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        If there are no responses, for an unknown factor, or if there are too many combinations of levels,
        see `refusal_metrics.analysis.estimates.sensitivity.grid.Axes.check_size`.

    References
    ----------
    Basic (reversed percentile) bootstrap of clusters: Davison and Hinkley 1997, section 5.2,
    doi:10.1017/CBO9780511802843. The bootstrap finds too little of the bias where levels are alike, and
    too much where they differ little. So the lower end takes the 99 % point instead of the 97.5 % one,
    and lies lower by what levels' magnitudes fall short of their mean without effect; and the upper end
    lies half the bootstrap's width above ``iota_corrected`` at least. A one-sided upper bound is the
    bootstrap's 95 % point as it is.

    P-values count the observed value among the permuted ones: Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585.
    """
    counts.check_factors(run_factors)
    check_not_empty(counts, "in the persona setting")
    for name in without:
        if name not in {*LABEL_FACTORS, *ROW_FACTORS}:
            raise unknown_name("factor to leave out", name, [*LABEL_FACTORS, *ROW_FACTORS])
    study = _Study(counts, run_factors, without)
    with nullcontext(threads) if threads else ThreadPoolExecutor(N_THREADS) as pool:
        moved, flipped, drawn = (draw(rng, n_replicates, pool) for draw in (study.permute, study.flip, study.resample))
    null = {index: Null([moved[index], *([flipped[index]] if index in flipped else [])]) for index in study.indices}
    indices = [_tabulate_index(study, index, null[index], drawn[index]) for index in study.indices]
    levels = [_tabulate_levels(study, index, null[index], drawn[index]) for index in study.indices if index.is_single]
    return Sensitivity(_concatenate(indices, INDICES), _concatenate(levels, SEPARATIONS), tuple(study.notes))


class _Study:
    """A study's indices.

    Attributes
    ----------
    indices : list of Index
    run_factors, label_factors : list of str
        Those that the study has, the model first.
    grid : Grid
    row_grids : dict of str to Grid
        The same study, told apart by one factor of its rows only.
    notes : list of str
    """

    def __init__(self, counts: Counts, run_factors: Sequence[str], without: Sequence[str] = ()) -> None:
        self.notes: list[str] = []
        self._without = frozenset(without)
        self.run_factors = ["model", *run_factors]
        counts, known = self._leave_out(counts)
        self.run_factors = ["model", *self._list_moving(counts)]
        of_rows = [name for name in ROW_FACTORS if name in known and _is_constant(counts.codes[name], counts.row)]
        self.label_factors = [name for name in (*LABEL_FACTORS, *ROW_FACTORS) if name in known and name not in of_rows]
        self.grid = Grid(counts, self.run_factors, self.label_factors)
        self.row_grids = {name: Grid(counts, self.run_factors, [name]) for name in of_rows}
        self.indices = list(self._list_indices())
        self._note_families()

    def _leave_out(self, counts: Counts) -> tuple[Counts, list[str]]:
        """Leave out responses that lack a level of some factor, and factors without levels; say so."""
        # A study in one language, as most are, needs no word about it.
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
        """List the factors of runs that differ between the answers of a model to a prompt; say which do not."""
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
        pairs = [pair for pair in combinations(PAIRED, 2) if set(pair) <= set(varying)]
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
        """Tally the indices of labels where these do not matter on average, and may within a text."""
        distances = {
            i: split_shares(i.n, i.n_refused)[1] for i in self.indices if set(i.factors) <= set(self.label_factors)
        }
        flips = TextFlips(self.grid)

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            cells = flips.draw(child, n_drawn)
            return {index: index.tally(cells, distance) for index, distance in distances.items()}

        return gather(draw, rng, n_flips, threads, self.grid.n_cells)

    def permute(self, rng: np.random.Generator, n_permutations: int, threads: Executor) -> dict[Index, Tally]:
        """Tally the indices where their factors cannot matter."""
        distances = {index: split_shares(index.n, index.n_refused)[1] for index in self.indices if index.is_single}
        prompts = PromptMoves(self.grid, rng)
        rows = {grid: RowMoves(grid) for grid in self.row_grids.values()}

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            moved = prompts.draw(child, n_drawn)
            cells = {index: self._choose(moved, index.factors) for index in self.indices}
            for grid, moves in rows.items():
                within_tasks = moves.draw(child, n_drawn)
                cells |= {index: within_tasks for index in self.indices if index.grid is grid}
            return {index: index.tally(cells[index], distances.get(index)) for index in self.indices}

        return gather(draw, rng, n_permutations, threads, self.grid.n_cells)

    def _choose(self, moved: Moved, factors: Sequence[str]) -> Cells:
        """Choose the move under which these factors cannot matter."""
        if set(factors) <= set(self.label_factors):
            return moved.labels
        if set(factors) <= set(self.run_factors[1:]):
            return moved.runs
        if "task" not in factors:
            return moved.runs_labels
        return moved.tasks_labels if set(factors) & set(self.label_factors) else moved.runs_tasks

    def resample(self, rng: np.random.Generator, n_samples: int, threads: Executor) -> dict[Index, Tally]:
        """Tally the indices of bootstrap samples of texts."""
        grids = [self.grid, *self.row_grids.values()]

        def draw(child: np.random.Generator, n_drawn: int) -> dict[Index, Tally]:
            drawn = {grid: grid.resample(child, n_drawn) for grid in grids}
            return {index: index.tally(drawn[index.grid]) for index in self.indices}

        return gather(draw, rng, n_samples, threads, self.grid.n_cells)

    def has_texts(self, index: Index) -> NDArray[np.bool_]:
        """Say where texts can be resampled: (n_models, n_tasks) in families, else (), bool."""
        model, _ = number_levels(self.grid.axes.runs, ["model"])
        firsts = np.flatnonzero(np.diff(model, prepend=-1))
        n_texts = np.maximum.reduceat(self.grid.n_texts, firsts)
        return n_texts > 1 if index.in_families else np.asarray((n_texts.max(axis=0) > 1).all())

    def lose(self, index: Index) -> Floats | float:
        """Estimate how much variance is explained no more where a factor is not known, and all others are."""
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
        """Say where nothing, or everything, was refused, and where there is one text, which cannot be resampled."""
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
                self.notes.append(f"There is {found} by {'; '.join(where)}: no {missing} can be given there.")


def _is_constant(code: NDArray[np.integer], unit: NDArray[np.integer]) -> bool:
    """Tell whether entries of one unit, numbered from 0, have one code."""
    of_unit = np.empty(int(unit.max(initial=-1)) + 1, dtype=np.int64)
    of_unit[unit] = code
    return bool((of_unit[unit] == code).all())


def _tabulate_index(study: _Study, index: Index, null: Null, drawn: Tally) -> pd.DataFrame:
    """Lay out an index, beside its null distribution and with its interval."""
    share, distance, scale = split_shares(index.n, index.n_refused)
    iota, null_mean = index_of(share, distance, scale), null.mean
    is_defined, has_texts = np.isfinite(iota), study.has_texts(index)
    is_clear = (iota >= _CLEAR * null_mean) & (null_mean <= _LOUD)
    low, bound, high, higher = np.where(has_texts, drawn.quantiles([0.025, 0.95, 0.975, 0.99]), np.nan)
    noise = _noise(study, index, drawn)
    corrected = index_of(share, remove_noise(np.abs(distance), noise), scale)
    # Of levels nearer the rate of all than noise alone puts them the bootstrap finds too little noise.
    missing = index_of(share, np.maximum(_MAGNITUDE * noise - np.abs(distance), 0), scale)
    lower_end, upper_end = 2 * iota - higher - missing, np.maximum(2 * iota - low, corrected + (high - low) / 2)
    explained = np.maximum(np.sum(share * (distance**2 - noise**2), axis=-1), 0) if index.is_single else np.nan
    variance = np.where(is_defined, scale / 2, np.nan)
    columns = {
        "iota": iota,
        "ci_low": np.select([~is_defined | ~has_texts, is_clear], [np.nan, np.clip(lower_end, 0, 1)], 0.0),
        "ci_high": np.where(is_clear, np.clip(upper_end, 0, 1), bound),
        "null_mean": null_mean,
        "p_value": null.p_value(iota),
        "n_levels": (index.n > 0).sum(axis=-1),
        "iota_corrected": corrected,
        "one_sided": ~is_clear & is_defined,
        "first_order": np.minimum(explained / variance, 1),
        "total": np.minimum(study.lose(index) / variance, 1),
    }
    # A family that was not asked is no row.
    table = _frame(study, index, columns)
    return table[table["n_levels"] > 0]


def _tabulate_levels(study: _Study, index: Index, null: Null, drawn: Tally) -> pd.DataFrame:
    """Lay out how far the levels of a factor lie from the rate of all."""
    share, distance, scale = split_shares(index.n, index.n_refused)
    noise = _noise(study, index, drawn)
    # A level that was never or always refused is so in every sample drawn from its texts: no noise of its own.
    is_mixed = (index.n_refused > 0) & (index.n_refused < index.n)
    columns = {
        "ci_low": np.where(is_mixed, np.maximum(distance - _Z * noise, -1), np.nan),
        "ci_high": np.where(is_mixed, np.minimum(distance + _Z * noise, 1), np.nan),
        "null_mean": null.magnitude,
        "corrected": remove_noise(np.abs(distance), noise),
        "p_value": null.level_p_values,
        "p_adjusted": np.apply_along_axis(holm, -1, null.level_p_values),
    }
    # Where nothing or everything was refused, nothing is known but that the levels are alike.
    is_defined = np.isfinite(index_of(share, distance, scale))[..., None]
    columns = {name: np.where(is_defined, values, np.nan) for name, values in columns.items()}
    columns |= {"estimate": distance, "separation": np.abs(distance), "n": index.n, "n_refused": index.n_refused}
    # A level that was not asked in a family is no row.
    table = _frame(study, index, columns, study.levels(index.factors[0]))
    return table[table["n"] > 0]


def _noise(study: _Study, index: Index, drawn: Tally) -> Floats:
    """Give the standard error of the levels' distances from the rate of all; nan where texts cannot be resampled."""
    return np.where(study.has_texts(index)[..., None], drawn.spread, np.nan)


def _frame(
    study: _Study, index: Index, columns: Mapping[str, NDArray[Any]], levels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Lay out arrays over families and levels as rows."""
    families = [study.levels("model"), study.levels("task")] if index.in_families else [[""], [""]]
    keys = [*families, levels or [""]]
    model, task, level = zip(*product(*keys), strict=True)
    labels = {"model": model, "task": task, "factor": ":".join(index.factors), "level": level}
    return pd.DataFrame(labels | {name: np.ravel(values) for name, values in columns.items()})


def _concatenate(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))
    counts = {name: np.int64 for name in ("n", "n_refused") if name in columns}
    return table[list(columns)].astype(counts)
