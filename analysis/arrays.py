"""Types of arrays, the levels of intervals and tests, the numbering of combinations of codes, and sums by position."""

import math
from collections.abc import Sequence
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
    place = row.astype(np.int64) * shape[1]
    place += column
    added = np.bincount(place, weights=values, minlength=math.prod(shape))
    return sparse.csr_array(added.reshape(shape))
