"""Types of arrays, the levels of intervals and tests, the numbering of combinations of codes, and sums by position."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Integers: TypeAlias = NDArray[np.integer]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

CONFIDENCE = 0.95
"""The level of every confidence interval."""
ALPHA = 0.05
"""The level of every test, and of corrections for many of them."""
_ROOM = 1 << 23
"""The largest number of text-by-cell counts in a dense array (64 MB)."""


def simultaneous_level(n: int) -> float:
    """Return the confidence level of each of n intervals, so that all cover together with 95% (Bonferroni).

    Examples
    --------
    >>> simultaneous_level(1), simultaneous_level(10)
    (0.95, 0.995)
    """
    return 1 - (1 - CONFIDENCE) / max(n, 1)


def from_zero(index: Integers) -> Integers:
    """Convert indices to codes: shift them, or renumber them if they are far apart."""
    low, high = int(index.min(initial=0)), int(index.max(initial=0))
    return index - low if high - low < 1 << 40 else np.unique(index, return_inverse=True)[1]


def smallest(code: Integers) -> Integers:
    """Store codes in the smallest type that holds them."""
    return np.asarray(code).astype(np.min_scalar_type(-int(code.max(initial=0)) - 1))


def number_combinations(parts: Sequence[Integers]) -> Integers:
    """Return numbers from 0 for the combinations that occur: (n,) codes of -1 or more each, to (n,) int32."""
    code = np.zeros(len(parts[0]), dtype=np.int64)
    n_codes = 1
    for part in parts:
        size = int(part.max(initial=-1)) + 2
        if n_codes * size >= 1 << 63:  # too many for an integer: renumber the combinations so far
            code = positions(code, n_codes)[1].astype(np.int64)
            n_codes = int(code.max(initial=0)) + 1
        code = code * size + part + 1
        n_codes *= size
    return positions(code, n_codes)[1]


def positions(code: Integers, n_codes: int) -> tuple[Integers, Integers]:
    """Find the distinct codes, sorted, and each entry's position among them."""
    # If there are few codes, a lookup is many times faster than sorting.
    if n_codes <= 1 << 24:
        occurs = np.zeros(n_codes, dtype=bool)
        occurs[code] = True
        (found,) = np.nonzero(occurs)
        return found, (np.cumsum(occurs, dtype=np.int32) - 1)[code]
    found, position = np.unique(code, return_inverse=True)
    return found, position.astype(np.int32)


def first_entries(code: Integers) -> Integers:
    """Find the first entry of each code from 0 on, and 0 for codes that do not occur: (n,) to (n_codes,) int."""
    first = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return first


@dataclass(frozen=True)
class Units:
    """The units of entries, numbered from 0.

    Attributes
    ----------
    number : (n_entries,) array of int
        Each entry's unit.
    first, times : (n_units,) array of int
        The first entry of each unit, and how many entries it has.
    again : (n_again,) array of int
        The entries that are not the first of their unit.
    """

    number: Integers
    first: Integers
    times: Integers
    again: Integers

    @classmethod
    def of(cls, unit: Integers) -> "Units":
        """Renumber units of which not all occur."""
        number = positions(unit, int(unit.max(initial=-1)) + 1)[1]
        first = first_entries(number)
        again = np.flatnonzero(first[number] != np.arange(len(number)))
        return cls(number, first, np.bincount(number), again)


def count_before(code: Integers) -> Integers:
    """Count how often each entry's code came before it: (n,) int."""
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    since = np.arange(len(code)) - np.repeat(starts, np.diff(np.r_[starts, len(code)]))
    occurrence = np.empty(len(code), dtype=np.int64)
    occurrence[order] = since
    return occurrence


def add_up(values: Integers | Floats, row: Integers, column: Integers, shape: tuple[int, int]) -> sparse.csr_array:
    """Sum values above 0 by their positions in an array."""
    if math.prod(shape) > _ROOM:
        return sparse.coo_array((values.astype(np.float64), (row, column)), shape=shape).tocsr()
    # Counting is several times faster than sorting.
    place = row.astype(np.int64)
    place *= shape[1]
    place += column
    # All values are mostly 1.
    weights = None if values.dtype == np.uint8 and values.min(initial=1) == values.max(initial=1) == 1 else values
    return _to_sparse(np.bincount(place, weights=weights, minlength=math.prod(shape)), shape)


def _to_sparse(values: Integers | Floats, shape: tuple[int, int]) -> sparse.csr_array:
    """Convert the values of an array, row by row, as scipy does, which takes several times longer."""
    place = np.flatnonzero(values)
    starts = np.searchsorted(place, np.arange(shape[0] + 1) * shape[1])
    column = (place - np.repeat(np.arange(shape[0]) * shape[1], np.diff(starts))).astype(np.int32)
    entries = (values[place].astype(np.float64), column, starts.astype(np.int32))
    return sparse.csr_array(entries, shape=shape)
