"""Counts of responses and refusals, by text and cell: the input of all estimates."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from refusal_metrics.errors import InputError, unknown_name

from .arrays import Floats, Integers, Units, add_up, number_combinations, positions
from .columns import STATES, UNDETERMINED

Found = TypeVar("Found")


@dataclass(frozen=True)
class Counts:
    """A study, counted by prompt and run: one entry for each prompt put to each model.

    Attributes
    ----------
    levels : mapping of str to tuple of str
        The levels of each factor, sorted. Factors are ``model, task, setting, persona,
        persona_group, template, response_type, stratum, language`` and, where asked for, those of
        a run (``temperature``, ...).
    codes : mapping of str to (n_entries,) array of int
        For each factor the position of an entry's level in `levels`; -1 where it has none.
    text, row, prompt : (n_entries,) array of int
        The text an entry is about, the source row of the text, and the prompt, each numbered from
        0 through the whole study. Models asked the same prompt share its number.
    n, n_refused : (n_entries,) array of int
        Responses (one an entry), and refusals among them.
    n_texts : int
        How many texts the whole study has, whatever part of it this is.
    found : dict, optional
        Cached values that do not depend on refusals, see `share`.
    states : mapping of str to (n_entries,) array of bool
        By the name of the column that counts them, the responses that could not be judged, were cut off, or were
        refused by the provider; those that do not occur are missing.
    unit : (n_entries,) array of int, optional
        A number for each prompt, model and run, the same for all responses of a model in a run to copies of a prompt;
        None if no prompt was repeated.
    block : (n_entries,) array of int, optional
        The block of each entry, see `refusal_metrics.prompts.blocks`, numbered from 0 through the whole study; a text
        with prompts in no block is one block. None if no text has several.
    looks : mapping of (str, str) to (tuple of float, tuple of float)
        By model and task, the planned shares and the information at the looks of a group sequential study so far, see
        `refusal_metrics.analysis.statistics.sequential.Looks`.
    """

    levels: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, Integers]
    text: Integers
    row: Integers
    prompt: Integers
    n: Integers
    n_refused: Integers
    n_texts: int
    found: dict[Hashable, Any] | None = field(default=None, repr=False, compare=False)
    states: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    unit: Integers | None = field(default=None, repr=False)
    block: Integers | None = field(default=None, repr=False)
    looks: Mapping[tuple[str, str], tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)

    def check_factors(self, factors: Sequence[str]) -> None:
        """Check the names of factors.

        Raises
        ------
        InputError
            For a name that is no factor of this study.
        """
        for factor in factors:
            if factor not in self.levels:
                raise unknown_name("factor", factor, self.levels)

    def where(self, **level: str) -> "Counts":
        """Select the entries of one level of each named factor, e.g. ``where(setting="persona")``."""

        def find() -> "tuple[Integers, Counts | None]":
            keep = np.ones(len(self.n), dtype=bool)
            for factor, name in level.items():
                keep &= self.codes[factor] == (self.levels[factor].index(name) if name in self.levels[factor] else -2)
            # Positions are looked up faster than masks, once they are known.
            at = np.flatnonzero(keep)
            return at, self._take(at) if len(at) < len(keep) else None

        at, kept = self.once(("where", *sorted(level.items())), find)
        return self if kept is None else replace(kept, n_refused=self.n_refused[at])

    def take(self, keep: NDArray[np.bool_]) -> "Counts":
        """Select entries by a mask: (n_entries,) bool."""
        return self if keep.all() else self._take(np.flatnonzero(keep))

    def _take(self, at: Integers) -> "Counts":
        arrays = {name: getattr(self, name)[at] for name in ("text", "row", "prompt", "n", "n_refused")}
        codes = {factor: code[at] for factor, code in self.codes.items()}
        states = {name: marks[at] for name, marks in self.states.items()}
        arrays |= {name: kept[at] for name in ("unit", "block") if (kept := getattr(self, name)) is not None}
        return replace(self, codes=codes, states=states, found=None if self.found is None else {}, **arrays)

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """Compute a value that does not depend on refusals, or reuse it from counts of the same study."""
        if self.found is None:
            return find()
        if what not in self.found:
            self.found[what] = find()
        known: Found = self.found[what]
        return known

    def cell(self, factors: Sequence[str]) -> tuple[pd.DataFrame, Integers]:
        """Return the combinations of levels that occur, and the number of each entry's combination.

        Parameters
        ----------
        factors : sequence of str
            May be empty: then there is one cell, the whole study.

        Returns
        -------
        cells : pandas.DataFrame
            One row a cell in the order of levels, with a column a factor; None where a factor has
            no level.
        of_entry : (n_entries,) array of int
            Each entry's cell.
        """
        shape = [len(self.levels[factor]) + 1 for factor in factors]
        # In place and in half the width, if it holds them, which takes half as long.
        code: Integers = np.zeros(len(self.n), dtype=np.int32 if math.prod(shape) < 1 << 31 else np.int64)
        for factor, size in zip(factors, shape, strict=True):
            code *= size
            code += self.codes[factor]
            code += 1
        found, of_entry = positions(code, math.prod(shape))
        parts = np.unravel_index(found, shape) if factors else ()
        cells = pd.DataFrame(index=range(len(found)))
        for factor, part in zip(factors, parts, strict=True):
            # As objects, because pandas strings do not support None.
            cells[factor] = pd.Series(np.array([None, *self.levels[factor]], dtype=object)[part], dtype=object)
        return cells, of_entry


@dataclass(frozen=True)
class TextCounts:
    """Responses and refusals of each text in each cell.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row a cell: the factors, then ``n, n_refused, n_texts``.
    n, n_refused : (n_texts, n_cells) sparse array of float
        Responses and refusals; the row of a text that was never asked about is empty.
    squares : (n_texts, n_cells) sparse array of float, optional
        Sums of the squared values of units, see `count_units_by_text`; None if all values are 0 or 1, whose squares
        they are.
    """

    cells: pd.DataFrame
    n: sparse.csr_array
    n_refused: sparse.csr_array
    squares: sparse.csr_array | None = None

    def entries(self) -> tuple[Integers, Integers, Floats, Floats]:
        """List the text and the cell of each pair with responses, these responses, and the refusals among them."""
        n = self.n.tocoo()
        text, cell = n.coords
        # The sum has the positions of n, because refusals are among the responses, and is exact for whole numbers.
        refused = (self.n + self.n_refused).tocoo().data - n.data
        return text, cell, np.asarray(n.data, dtype=np.float64), np.asarray(refused, dtype=np.float64)


def share(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    """Share cached values between the counts of one study by several detectors.

    Parameters
    ----------
    counts : mapping of str to Counts
        As of `count_responses`.

    Returns
    -------
    dict of str to Counts
        The same counts; cached values live as long as any of them.
    """
    found: dict[int, dict[Hashable, Any]] = {}
    # A rule that lacks verdicts has entries of its own.
    return {rule: replace(own, found=found.setdefault(id(own.text), {})) for rule, own in counts.items()}


def count_cells(counts: Counts, factors: Sequence[str]) -> pd.DataFrame:
    """Count responses and refusals of each cell.

    Parameters
    ----------
    counts : Counts
    factors : sequence of str
        Whose combinations are the cells, e.g. ``["model", "task", "persona"]``.

    Returns
    -------
    pandas.DataFrame
        Columns: the factors, ``n, n_refused``. One row a cell that occurs, in the order of levels.

    Raises
    ------
    InputError
        For an unknown factor.
    """
    counts.check_factors(factors)
    cells, cell = counts.cell(factors)
    for name in ("n", "n_refused"):
        cells[name] = np.bincount(cell, weights=getattr(counts, name), minlength=len(cells)).astype(np.int64)
    return cells


def count_states(counts: Counts, factors: Sequence[str]) -> dict[str, Integers]:
    """Count the responses in each state of each cell; see `count_cells`.

    Parameters
    ----------
    counts : Counts
    factors : sequence of str

    Returns
    -------
    dict of str to (n_cells,) array of int
        By the names of `STATES`; 0 in every cell if no response is in the state.
    """
    counts.check_factors(factors)

    def find() -> dict[str, Integers]:
        cells, cell = counts.cell(factors)
        none = np.zeros(len(cells), dtype=np.int64)
        marked = {name: np.bincount(cell[marks], minlength=len(cells)) for name, marks in counts.states.items()}
        return {name: marked.get(name, none).astype(np.int64) for name in STATES}

    return counts.once(("states", *factors), find)


def count_undetermined(counts: Counts) -> Counts:
    """Count undetermined responses in place of refusals.

    Parameters
    ----------
    counts : Counts

    Returns
    -------
    Counts
        The same entries; ``n_refused`` counts the responses that were truncated or could not be judged, and that the
        detector did not flag.
    """
    unknown = np.zeros(len(counts.n), dtype=bool)
    for name in UNDETERMINED:
        if name in counts.states:
            unknown |= counts.states[name]
    return replace(counts, n_refused=(unknown & (counts.n_refused == 0)).astype(np.uint8))


def count_by_text(counts: Counts, factors: Sequence[str]) -> TextCounts:
    """Count responses and refusals of each text in each cell; see `count_cells`.

    Returns
    -------
    TextCounts
        With a row for each text of the whole study, so that parts of it can be compared.
    """
    counts.check_factors(factors)

    def find() -> tuple[pd.DataFrame, Integers, sparse.csr_array]:
        cells, cell = counts.cell(factors)
        n = add_up(counts.n, counts.text, cell, (counts.n_texts, len(cells)))
        cells["n"] = n.sum(axis=0).astype(np.int64)
        return cells, cell, n

    cells, cell, n = counts.once(("by text", *factors), find)
    refused = np.flatnonzero(counts.n_refused)
    n_refused = add_up(counts.n_refused[refused], counts.text[refused], cell[refused], n.shape)
    cells = cells.assign(
        n_refused=n_refused.sum(axis=0).astype(np.int64), n_texts=np.bincount(n.indices, minlength=len(cells))
    )
    return TextCounts(cells, n, n_refused)


def count_units_by_text(counts: Counts, factors: Sequence[str]) -> TextCounts:
    """Count distinct prompts, instead of responses, of each text in each cell.

    Copies of a prompt are no independent data: at temperature 0 they have one verdict. All responses of a model and run
    to one prompt are a unit, whose value is the mean of their verdicts.

    Parameters
    ----------
    counts : Counts
    factors : sequence of str
        See `count_cells`.

    Returns
    -------
    TextCounts
        As of `count_by_text`, which it equals if no prompt was repeated; ``n`` counts units, and ``n_refused`` adds up
        their values, rounded in `cells`.
    """
    if counts.unit is None:
        return count_by_text(counts, factors)
    counts.check_factors(factors)
    of_response = counts.unit

    def find() -> tuple[pd.DataFrame, Units, Integers, Integers, sparse.csr_array]:
        cells, cell = counts.cell(factors)
        units = counts.once("units", lambda: Units.of(of_response))
        # A unit is in one cell, unless the cells are of the strata of a text.
        if (cell[units.again] != cell[units.first[units.number[units.again]]]).any():
            units = Units.of(number_combinations([cell, units.number]))
        text, cell = counts.text[units.first], cell[units.first]
        n = add_up(np.ones(len(text), dtype=np.uint8), text, cell, (counts.n_texts, len(cells)))
        cells["n"] = n.sum(axis=0).astype(np.int64)
        return cells, units, text, cell, n

    cells, units, text, cell, n = counts.once(("units by text", *factors), find)
    refused = np.flatnonzero(counts.n_refused)
    totals = np.bincount(units.number[refused], weights=counts.n_refused[refused], minlength=len(text))
    some = np.flatnonzero(totals)
    value = totals[some] / units.times[some]
    place = (text[some], cell[some], n.shape)
    n_refused = add_up(value, *place)
    cells = cells.assign(
        n_refused=np.rint(n_refused.sum(axis=0)).astype(np.int64),
        n_texts=np.bincount(n.indices, minlength=len(cells)),
    )
    return TextCounts(cells, n, n_refused, None if np.all(value == 1) else add_up(value**2, *place))


def check_not_empty(counts: Counts, what: str) -> None:
    """Check that something is left to estimate from.

    Raises
    ------
    InputError
        If `counts` has no entries.
    """
    if not len(counts.n):
        raise InputError(f"there are no responses {what}")
