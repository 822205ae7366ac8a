"""The levels of tests and intervals in studies that were looked at several times."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Integers
from ..statistics import Looks

LooksOfStudies: TypeAlias = Mapping[tuple[str, str], tuple[tuple[float, ...], tuple[float, ...]]]
"""See `refusal_metrics.analysis.counts.Counts.looks`."""


class Repeated:
    """Replaces p-values and levels by those of repeated looks, for contrasts whose model and task have them.

    Parameters
    ----------
    family : sequence of tuple of str
        Of each contrast: its model and task, and run factors.
    looks : mapping
    """

    def __init__(self, family: Sequence[tuple[str, ...]], looks: LooksOfStudies) -> None:
        self._n = len(family)
        self._of: list[tuple[Looks, Integers]] = []
        if looks:
            for study, (shares, information) in looks.items():
                at = np.flatnonzero([study == of[:2] for of in family])
                if len(at):
                    self._of.append((Looks(shares, information), at))

    def levels(self, alpha: ArrayLike) -> Floats:
        """Return the level of each contrast's usual test, for the level of the test over all looks."""
        found = np.array(np.broadcast_to(np.asarray(alpha, dtype=np.float64), self._n))
        for looks, at in self._of:
            found[at] = looks.level(found[at])
        return found

    def p_values(self, p: Floats) -> Floats:
        """Return repeated p-values for those of the usual test."""
        found = np.array(p)
        for looks, at in self._of:
            found[at] = looks.repeated_p(found[at])
        return found
