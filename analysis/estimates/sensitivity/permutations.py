"""Design-based label permutations: only what the design drew at random is permuted.

Personas and templates were drawn for the prompts of a text: they are permuted among the prompts of each text that the
same runs answered, and the verdicts of all models stay with their prompt. Every model answers every prompt: models with
the same runs are permuted within a prompt. A task, and the strata of a text's rows, belong to a whole text: they are
permuted among texts.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...arrays import Floats, Integers, add_up
from ...counts import Counts
from .grid import Cells, Grid, number_levels
from .shuffles import RowsOfTexts, Shuffles, Steps, last_entry, move_labels, number, number_patterns, number_sorted


@dataclass(frozen=True)
class Permuted:
    """A study after permutations: in each, the factors of the named axes have no effect.

    Attributes
    ----------
    labels, runs : Cells
        Permuted labels, and permuted runs of each model.
    runs_tasks, runs_labels, tasks_labels : Cells
        Two permuted axes, or either; the third is summed.
    """

    labels: Cells
    runs: Cells
    runs_tasks: Cells
    runs_labels: Cells
    tasks_labels: Cells


class PromptPermutations:
    """Permutations of labels among prompts, of runs within prompts, and of tasks among texts.

    Parameters
    ----------
    grid : Grid
    rng : numpy.random.Generator
        Draws the order in which runs are stepped through, see `Steps`.
    """

    def __init__(self, grid: Grid, rng: np.random.Generator) -> None:
        counts = grid.counts
        self._grid = grid
        # Only prompts that were refused can change anything. Entries are sorted by prompt and run, so that the
        # permutations do not depend on their order.
        is_refused = np.zeros(int(counts.prompt.max()) + 1, dtype=bool)
        is_refused[counts.prompt[counts.n_refused > 0]] = True
        entries = np.flatnonzero(is_refused[counts.prompt])
        key = counts.prompt[entries].astype(np.int64) * len(grid.axes.runs) + grid.run[entries]
        entries = entries[np.argsort(key, kind="stable")]
        at = np.flatnonzero(counts.n_refused[entries])
        refused = entries[at]
        self._run, self._task, self._label = (
            code[refused].astype(np.int64) for code in (grid.run, grid.task, grid.label)
        )
        # If it is the same for all refusals of a prompt, it is drawn for the prompt.
        first, self._prompt = np.unique(counts.prompt[refused], return_index=True, return_inverse=True)[1:]
        self._text = counts.text[refused[first]]
        self._labels = _labels_within_texts(grid, refused[first], rng)
        self._models, self._rest, self._run_of = _models_within_prompts(grid, entries, at, rng)
        self._runs = _runs_of_models(grid, entries, at, rng)
        self._texts = np.unique(counts.text)
        self._task_of = np.zeros(counts.n_texts, dtype=np.int64)
        self._task_of[counts.text] = grid.task
        self._by_run, self._by_label = (
            _responses_by_text(counts, code, n)
            for code, n in ((grid.run, len(grid.axes.runs)), (grid.label, len(grid.axes.labels)))
        )

    def draw(self, rng: np.random.Generator, n_drawn: int) -> Permuted:
        """Draw `n_drawn` permutations.

        Returns
        -------
        Permuted
            Each with `n_drawn` replicates.
        """
        n_runs, n_tasks, n_labels = self._grid.axes.shape
        shape = (n_drawn, n_runs, n_tasks, n_labels)
        by_label, by_all = np.empty(shape), np.empty(shape)
        # If each model has one run, there is nothing to permute.
        by_run = np.tile(self._grid.observed.n_refused, (n_drawn, 1, 1, 1))
        tasks = np.tile(self._task_of, (n_drawn, 1))
        tasks[:, self._texts] = rng.permuted(tasks[:, self._texts], axis=1)
        of_run_and_task = (self._run * n_tasks + self._task) * n_labels
        of_task_and_label = self._task * n_labels + self._label
        # 64 bits wide, because labels and runs are drawn in few.
        of_run = np.int64(n_tasks * n_labels)
        for i in range(n_drawn):
            label = self._labels.draw(rng)
            # Looked up without a check of bounds, which takes as long as to look up.
            place = label.take(self._prompt, mode="clip")
            by_label[i] = self._count(place + of_run_and_task)
            run = self._models.draw(rng)
            if self._rest is not None:
                run = self._run_of.take(run + self._rest, mode="clip")
            place = run * of_run
            of_prompt = (tasks[i] * n_labels).take(self._text, mode="clip") + label
            place += of_prompt.take(self._prompt, mode="clip")
            by_all[i] = self._count(place)
            if self._runs is not None:
                by_run[i] = self._count(self._runs.draw(rng) * of_run + of_task_and_label)
        n = self._grid.observed.n
        n_by_run, n_by_label = self._count_tasks(tasks)
        return Permuted(
            labels=Cells(n, by_label),
            runs=Cells(n, by_run),
            runs_tasks=Cells(n_by_run[..., None], by_all.sum(axis=3, keepdims=True)),
            runs_labels=Cells(n.sum(axis=2, keepdims=True), by_all.sum(axis=2, keepdims=True)),
            tasks_labels=Cells(n_by_label[:, None], by_all.sum(axis=1, keepdims=True)),
        )

    def _count(self, place: Integers) -> Floats:
        shape = self._grid.axes.shape
        return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)

    def _count_tasks(self, tasks: Integers) -> tuple[Floats, Floats]:
        """Count responses if texts have these tasks: by run and task, and by task and label."""
        of_task = [(tasks == task).T.astype(np.float64) for task in range(self._grid.axes.shape[1])]
        by_run = np.stack([self._by_run @ texts for texts in of_task], axis=1)
        by_label = np.stack([self._by_label @ texts for texts in of_task])
        return by_run.transpose(2, 0, 1), by_label.transpose(2, 0, 1)


class RowPermutations:
    """Permutations of the labels of source rows among whole texts, as for strata.

    Texts of one task exchange labels that have as many rows, answered by the same runs as often; tasks keep theirs, so
    an effect shared by stratum and task counts for neither.
    """

    def __init__(self, grid: Grid) -> None:
        counts = grid.counts
        self._grid = grid
        refused = np.flatnonzero(counts.n_refused)
        n_runs, n_tasks, n_labels = grid.axes.shape
        # A run's refusals of a row are permuted together.
        own = counts.row[refused].astype(np.int64) * n_runs + grid.run[refused]
        own, first, n_refused = np.unique(own, return_index=True, return_counts=True)
        self._row, run = np.divmod(own, n_runs)
        self._run_and_task = (run * n_tasks + grid.task[refused[first]]) * n_labels
        self._n_refused = n_refused.astype(np.float64)
        self._rows = RowsOfTexts(grid)

    def draw(self, rng: np.random.Generator, n_drawn: int) -> Cells:
        """Draw `n_drawn` permutations of labels."""
        shape = self._grid.axes.shape
        permuted = np.empty((n_drawn, *shape))
        for of_drawn in permuted:
            place = self._run_and_task + self._rows.draw(rng)[self._row]
            of_drawn[:] = np.bincount(place, self._n_refused, of_drawn.size).reshape(shape)
        return Cells(self._grid.observed.n, permuted)


def _labels_within_texts(grid: Grid, refused: Integers, rng: np.random.Generator) -> Shuffles | Steps:
    """Permute labels among the prompts of a text that the same runs answered, so that the numbers of responses stay.

    `refused` is an entry of each prompt whose label is asked for.
    """
    counts = grid.counts
    entry = last_entry(counts.prompt)
    pattern = number_patterns(counts.prompt, grid.run)
    text = np.where(entry >= 0, counts.text[entry], counts.n_texts)
    wanted = counts.prompt[refused]
    # Texts that were never refused need not be shuffled.
    is_refused = np.zeros(counts.n_texts + 1, dtype=bool)
    is_refused[counts.text[refused]] = True
    prompts = np.flatnonzero(is_refused[text])
    unit = np.empty(len(entry), dtype=np.int64)
    unit[prompts] = np.arange(len(prompts))
    group = number(text[prompts], pattern[prompts])
    return move_labels(group, grid.label[entry[prompts]], unit[wanted], rng)


def _models_within_prompts(
    grid: Grid, entries: Integers, refused: Integers, rng: np.random.Generator
) -> tuple[Steps, Integers | None, Integers]:
    """Step models within prompts, each with all its runs.

    Parameters
    ----------
    entries : (n_entries,) int
        Sorted by prompt and run.
    refused : (n_refused,) int
        Which of them were refused.

    Returns
    -------
    steps : Steps
        Gives the model of each refusal, which is its run too, or if models have several the model times ``n_others``.
    other : (n_refused,) int, or None
        The levels of its other run factors, if there are several.
    run_of : (n_models * n_others,) int
        The run with this model and these levels.
    """
    model, n_models = number_levels(grid.axes.runs, ["model"])
    other, n_others = number_levels(grid.axes.runs, [name for name in map(str, grid.axes.runs) if name != "model"])
    run_of = np.zeros(n_models * n_others, dtype=np.int64)
    run_of[model * n_others + other] = np.arange(len(model))
    run, prompt = grid.run[entries], grid.counts.prompt[entries]
    # One unit a prompt and model; runs of one model are neighbours.
    unit = number_sorted(prompt, model[run])
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    group = number(prompt[first], number_patterns(unit, other[run]))
    steps = Steps(group, model[run[first]] * n_others, unit[refused], rng)
    return steps, other[run[refused]] if n_others > 1 else None, run_of


def _runs_of_models(grid: Grid, entries: Integers, refused: Integers, rng: np.random.Generator) -> Steps | None:
    """Step the runs of each model within prompts, if there are any to step; see `_models_within_prompts`."""
    if grid.axes.runs.shape[1] == 1:
        return None
    model, _ = number_levels(grid.axes.runs, ["model"])
    run = grid.run[entries]
    return Steps(number_sorted(grid.counts.prompt[entries], model[run]), run, refused, rng)


def _responses_by_text(counts: Counts, code: Integers, n_codes: int) -> sparse.csr_array:
    """Count responses: (n_codes, n_texts)."""
    return add_up(counts.n, code, counts.text, (n_codes, counts.n_texts))
