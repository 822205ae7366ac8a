"""Text-level sign flips: the null distribution of personas and templates that matter within texts, but not on average.

A persona can be refused more often than others about one text and less often about another. Then verdicts of a text are
not exchangeable between personas, and within-text permutations underestimate the noise, although the persona's rate is
the same as all others'. Therefore the signs of all deviations of a text from its own rate are flipped together with
probability 1/2, which keeps the correlation within a text.
"""

import numpy as np
from scipy import sparse

from ...arrays import Floats
from ...statistics import draw_signs
from .grid import Cells, Grid


class TextSignFlips:
    """Sign flips of the deviations of whole texts.

    Parameters
    ----------
    grid : Grid

    References
    ----------
    Sign flips of clusters: Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060; Canay, Romano
    and Shaikh 2017, doi:10.3982/ECTA13081.
    """

    def __init__(self, grid: Grid) -> None:
        counts, (n_runs, n_tasks, n_labels) = grid.counts, grid.axes.shape
        # A text has its own rate in each run, because runs can differ in how often they refuse it.
        unit = counts.text.astype(np.int64) * n_runs + grid.run
        n, k = (np.bincount(unit, values.astype(np.float64)) for values in (counts.n, counts.n_refused))
        varies = ((k > 0) & (k < n))[unit]
        unit, n_own = unit[varies], counts.n[varies].astype(np.float64)
        deviation = counts.n_refused[varies] - n_own * k[unit] / n[unit]
        run, task, label = (place[varies].astype(np.int64) for place in (grid.run, grid.task, grid.label))
        cell = (run * n_tasks + task) * n_labels + label
        shape = (n_runs * n_tasks * n_labels, counts.n_texts)
        self._deviations = sparse.coo_array((deviation, (cell, counts.text[varies])), shape=shape).tocsr()
        self._shape = (n_runs, n_tasks, n_labels)
        self._n = grid.observed.n
        self._expected: Floats = grid.observed.n_refused - self._add_up(np.ones((counts.n_texts, 1)))

    def draw(self, rng: np.random.Generator, n_drawn: int) -> Cells:
        """Draw sign flips of all texts.

        Parameters
        ----------
        rng : numpy.random.Generator
        n_drawn : int

        Returns
        -------
        Cells
            Refusals of each run and task sum to the observed number; those of a cell can be fractions.
        """
        signs = np.asarray(draw_signs(rng, (self._deviations.shape[1], n_drawn)), dtype=np.float64)
        turned = self._add_up(signs)
        return Cells(self._n, np.add(self._expected, turned))

    def _add_up(self, signs: Floats) -> Floats:
        """Sum the deviations of texts with these signs: (n_texts, n_drawn) to (n_drawn, runs, tasks, labels)."""
        added = np.asarray(self._deviations @ signs, dtype=np.float64)
        return added.T.reshape(signs.shape[1], *self._shape)
