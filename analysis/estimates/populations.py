"""Rates of a finite population of texts: the texts of the source, instead of all texts like these."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from ..arrays import Floats
from ..counts import Counts, TextCounts


def tasks_of(counts: Counts, cells: pd.DataFrame) -> list[str | None]:
    """Return the task of each cell; None if a cell has several tasks.

    Parameters
    ----------
    counts : Counts
    cells : pandas.DataFrame
        One row a cell, with a column a factor.

    Returns
    -------
    list of str or None
    """
    if "task" in cells:
        return [None if pd.isna(task) else str(task) for task in cells["task"]]
    tasks = counts.levels["task"]
    return [tasks[0] if len(tasks) == 1 else None] * len(cells)


def asked_shares(counts: Counts, cells: pd.DataFrame, population: Mapping[str, int]) -> Floats:
    """Return the share of the population's texts that each cell has.

    Parameters
    ----------
    counts : Counts
    cells : pandas.DataFrame
        One row a cell: its factors and ``n_texts``.
    population : mapping of str to int
        The number of texts of each task.

    Returns
    -------
    (n_cells,) array of float
        In (0, 1].

    Raises
    ------
    InputError
        If the number of texts of a task is unknown or below the number of texts in the results, if a task is unknown,
        or if a cell has several tasks.
    """
    for name in population:
        if name not in counts.levels["task"]:
            raise unknown_name("task", name, counts.levels["task"])
    tasks = tasks_of(counts, cells)
    if None in tasks:
        raise InputError("population: a rate over several tasks has no single population; break rates down by task")
    for task in dict.fromkeys(map(str, tasks)):
        most = max(int(n) for n, of in zip(cells["n_texts"], tasks, strict=True) if of == task)
        if task not in population:
            raise InputError(
                f"population: the number of texts of the task {task} is unknown, because no record of a study names "
                f"it; give it, e.g. {task}=1500"
            )
        if population[task] < most:
            raise InputError(
                f"population: {task}={population[task]}: the results have {most:,} texts of this task; give the number "
                "of all texts of its source"
            )
    sizes = np.array([population[str(task)] for task in tasks], dtype=np.float64)
    return cells["n_texts"].to_numpy(dtype=np.float64) / sizes


def within_variance(texts: TextCounts, scale: Floats) -> Floats:
    r"""Estimate the variance of a sum of refusals that is due to the prompts drawn within texts.

    .. math:: c^2 \sum_g n_g s_g^2, \quad s_g^2 = \frac{n_g}{n_g - 1} p_g (1 - p_g)

    of c times the number of refusals. A text with one prompt gets the variance :math:`p (1 - p)` of its cell, which is
    too large if texts differ.

    Parameters
    ----------
    texts : TextCounts
    scale : (n_cells,) array of float
        c of each cell.

    Returns
    -------
    (n_cells,) array of float
    """
    _, cell, n, k = texts.entries()
    whole = (texts.cells["n_refused"] / texts.cells["n"]).to_numpy(dtype=np.float64)
    spread = np.where(n > 1, k * (n - k) / np.maximum(n - 1, 1), n * (whole * (1 - whole))[cell])
    return np.asarray(scale**2 * np.bincount(cell, spread, len(texts.cells)), dtype=np.float64)


def finite_variance(clustered: Floats, within: Floats, share: Floats) -> Floats:
    r"""Return the variance of a rate of a finite population of texts.

    .. math:: (1 - f) v + f v_w

    with the text-clustered variance v, the share f of the population's texts that were asked, and the variance
    :math:`v_w` within texts. The second part stays even if all texts were asked: of each text, only some prompts were.

    Parameters
    ----------
    clustered, within, share : (n_cells,) array of float

    Returns
    -------
    (n_cells,) array of float

    References
    ----------
    Cochran 1977, Sampling Techniques, third edition, theorem 10.2, with the second-stage sampling fraction taken as 0.

    Examples
    --------
    >>> finite_variance(np.array([0.04, 0.04]), np.array([0.01, 0.01]), np.array([0.0, 0.5])).tolist()
    [0.04, 0.025]
    """
    return np.asarray((1 - share) * clustered + share * within, dtype=np.float64)
