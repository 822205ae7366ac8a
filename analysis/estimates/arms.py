"""The two arms of contrasts: the responses of each cell and of its reference, text by text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ..arrays import Floats, Integers
from ..counts import TextCounts
from ..statistics import Strata

_DIGITS = 12
"""Digits after the point that are no rounding errors of means of verdicts."""


def take_cells(texts: TextCounts, keep: NDArray[np.bool_]) -> TextCounts:
    """Select the marked cells."""
    at = np.flatnonzero(keep)
    squares = None if texts.squares is None else texts.squares[:, at]
    return TextCounts(texts.cells.iloc[at].reset_index(drop=True), texts.n[:, at], texts.n_refused[:, at], squares)


def list_entries(
    cells: TextCounts, reference: TextCounts, study: Sequence[str], text: Integers | None, *, minus_own: bool
) -> tuple[Strata, Integers, pd.DataFrame]:
    """List the texts of each contrast that have either arm, their numbers, and the cells that have a reference."""
    on = list(study)
    places = reference.cells[on].assign(place=np.arange(len(reference.cells)))
    place = cells.cells[on].merge(places, on=on, how="left")["place"].to_numpy(dtype=np.float64)
    found = ~np.isnan(place)
    cells, at = take_cells(cells, found), place[found].astype(np.int64)
    either = cells.n + reference.n[:, at]
    n, k, n0, k0 = (
        _fill_in(arm, either) for arm in (cells.n, cells.n_refused, reference.n[:, at], reference.n_refused[:, at])
    )
    squares = None
    if cells.squares is not None or reference.squares is not None:
        of_cells, of_reference = (arm.n_refused if arm.squares is None else arm.squares for arm in (cells, reference))
        squares = _fill_in(of_reference[:, at], either)
        # All others together with the persona are the reference.
        squares = squares if minus_own else squares + _fill_in(of_cells, either)
    own = (n, k) if minus_own else (0.0, 0.0)
    row, contrast = either.tocoo().coords
    arms = (n, k, n0 - own[0], np.round(k0 - own[1], _DIGITS))
    texts = row if text is None else text[row]
    of_block = None if text is None else texts
    strata = Strata(contrast, *arms, n_contrasts=len(cells.cells), squares=squares, text=of_block)
    return strata, texts, cells.cells


def _fill_in(counted: sparse.csr_array, either: sparse.csr_array) -> Floats:
    """Read an array at the nonzero positions of another, 0 if it has no value there: (n_filled,) float."""
    # A sum has the same positions in the same order, and is exact for whole numbers.
    return np.asarray(np.round((counted + either).data - either.data, _DIGITS), dtype=np.float64)
