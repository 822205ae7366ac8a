"""Random permutations of labels within groups of units, and between texts."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Integers
from .grid import Grid

_MANY = 100
"""This many groups of two or more have more arrangements by steps than can ever be drawn: 2^100."""
_NONE = np.zeros(0, dtype=np.int64)


class Shuffles:
    """Labels of units, shuffled within groups.

    Parameters
    ----------
    group : (n_units,) int
        Each unit's group, from 0.
    label : (n_units,) int
        Each unit's label.
    wanted : (n_wanted,) int
        The units whose labels are returned.
    """

    def __init__(self, group: Integers, label: Integers, wanted: Integers) -> None:
        self._groups = _Groups(group)
        self._label = label[self._groups.order].astype(np.int64)
        self._wanted = self._groups.position[wanted]

    def draw(self, rng: np.random.Generator) -> Integers:
        """Shuffle once and return the labels of the wanted units."""
        label = self._label.copy()
        self._groups.shuffle(rng, label)
        return label.take(self._wanted, mode="clip")


class Steps:
    """Labels of units, shifted by a random step among the units of each group.

    The random order of the units of a group is drawn once. Steps form a group of permutations, so the test stays exact
    [1]_, and they are several times cheaper than shuffles.
    Parameters are those of `Shuffles`.

    References
    ----------
    .. [1] Hemerik and Goeman 2018, doi:10.1007/s11749-017-0571-1.
    """

    def __init__(self, group: Integers, label: Integers, wanted: Integers, rng: np.random.Generator) -> None:
        groups = _Groups(group)
        order = groups.order.copy()
        groups.shuffle(rng, order)
        position = np.empty_like(groups.position)
        position[order] = np.arange(len(order), dtype=np.int32)
        start, size = groups.start, groups.size
        # The labels of each group are repeated, so that no step leaves it.
        rank = np.arange(len(order), dtype=np.int32) - start
        # A small type, because it is read at random positions.
        self._label = np.empty(2 * len(order), dtype=np.min_scalar_type(int(label.max(initial=0))))
        self._label[2 * start + rank] = self._label[2 * start + rank + size] = label[order]
        at = position[wanted]
        self._first = at.astype(np.int64) + start[at]
        # Groups of one size are adjacent here too, so that their steps are drawn in one call.
        moved, self._group = np.unique(start[at], return_inverse=True)
        sizes, n_groups = np.unique(size[moved], return_counts=True)
        self._sizes = list(zip(sizes.tolist(), n_groups.tolist(), strict=True))

    def draw(self, rng: np.random.Generator) -> Integers:
        """Step once and return the labels of the wanted units."""
        steps = [rng.integers(size, size=n_groups) for size, n_groups in self._sizes]
        at: Integers = np.concatenate([*steps, _NONE]).take(self._group, mode="clip")
        at += self._first
        return self._label.take(at, mode="clip")


def move_labels(group: Integers, label: Integers, wanted: Integers, rng: np.random.Generator) -> Shuffles | Steps:
    """Choose the cheaper permutation if either has enough arrangements; see `Shuffles` and `Steps`."""
    is_few = np.count_nonzero(np.bincount(group) > 1) < _MANY
    return Shuffles(group, label, wanted) if is_few else Steps(group, label, wanted, rng)


class _Groups:
    """Units in an order in which groups of one size are adjacent, so that they are shuffled in one call.

    Attributes
    ----------
    order, position : (n_units,) int
        The units in this order, and the position of each.
    start, size : (n_units,) int
        In this order: where the unit's group starts, and how many units it has.
    """

    def __init__(self, group: Integers) -> None:
        size = np.bincount(group).astype(np.int32)[group]
        self.order = np.lexsort((group, size))
        self.position = np.empty(len(group), dtype=np.int32)
        self.position[self.order] = np.arange(len(group), dtype=np.int32)
        self.size = size[self.order]
        first = np.flatnonzero(np.diff(group[self.order], prepend=-1)).astype(np.int32)
        self.start = np.repeat(first, self.size[first])
        sizes, n_units = np.unique(size, return_counts=True)
        ends = np.cumsum(n_units)
        self._blocks = [(end - n, end, s) for end, n, s in zip(ends, n_units, sizes, strict=True)]

    def shuffle(self, rng: np.random.Generator, values: Integers) -> None:
        """Shuffle values in `order` within their groups, in place."""
        for start, end, size in self._blocks:
            if size > 1:
                block = values[start:end].reshape(-1, size)
                rng.permuted(block, axis=1, out=block)


class RowsOfTexts:
    """Labels of rows, exchanged between texts of the same structure and between the rows of a text."""

    def __init__(self, grid: Grid) -> None:
        counts = grid.counts
        entry = last_entry(counts.row)
        pattern = number_patterns(counts.row, grid.run)
        rows = np.flatnonzero(entry >= 0)
        rows = rows[np.lexsort((pattern[rows], counts.text[entry[rows]]))]
        self._label = grid.label[entry]
        starts = np.flatnonzero(np.diff(counts.text[entry[rows]], prepend=-1))
        makes: dict[tuple[int, ...], list[Integers]] = {}
        for own in np.split(rows, starts[1:]):
            makes.setdefault((int(grid.task[entry[own[0]]]), *pattern[own]), []).append(own)
        self._blocks = [(np.stack(texts), _spans(make[1:])) for make, texts in makes.items()]

    def draw(self, rng: np.random.Generator) -> Integers:
        """Return the labels of all rows: (n_rows,) int."""
        label = self._label.copy()
        for rows, spans in self._blocks:
            moved = self._label[rows][rng.permutation(len(rows))]
            for start, end in spans:
                moved[:, start:end] = rng.permuted(moved[:, start:end], axis=1)
            label[rows] = moved
        return label


def _size(codes: Integers) -> int:
    return int(codes.max(initial=-1)) + 1


def last_entry(unit: Integers) -> Integers:
    """Find an entry of each unit, -1 if it has none."""
    entry = np.full(_size(unit), -1)
    entry[unit] = np.arange(len(unit))
    return entry


def number(*codes: Integers) -> Integers:
    """Return numbers from 0 for the combinations that occur, in their order: (n,) int32."""
    every = np.zeros(len(codes[0]), dtype=np.int64)
    for code in codes:
        every *= _size(code)
        every += code
    return np.unique(every, return_inverse=True)[1].astype(np.int32)


def number_sorted(*codes: Integers) -> Integers:
    """Return numbers of combinations in the order in which they occur; equal ones are adjacent."""
    is_new = np.zeros(len(codes[0]), dtype=bool)
    for code in codes:
        is_new[1:] |= code[1:] != code[:-1]
    return np.cumsum(is_new, dtype=np.int32)


def number_patterns(unit: Integers, label: Integers) -> Integers:
    """Return numbers of units by their labels and how often they have each: (n_units,) int."""
    # A sum of random keys identifies a set without sorting; two sets collide with probability 2^-64.
    keys = np.random.default_rng(0).integers(1 << 64, size=_size(label), dtype=np.uint64, endpoint=False)
    total = np.zeros(_size(unit), dtype=np.uint64)
    np.add.at(total, unit, keys[label])
    return np.unique(total, return_inverse=True)[1].astype(np.int32)


def _spans(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Find the runs of equal sizes that are longer than one: [start, end)."""
    ends = [i + 1 for i in range(len(sizes)) if i + 1 == len(sizes) or sizes[i + 1] != sizes[i]]
    return [(start, end) for start, end in zip([0, *ends], ends, strict=False) if end - start > 1]
