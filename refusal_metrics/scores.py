"""Numbers that stay right in the harness's own arithmetic, which averages the scores of a group's tasks.

For the score of a group the harness multiplies each task's score by a weight, adds the products and divides by
the sum of the weights, for whatever a group's file lists, also for a standard error.
"""

import math
from typing import Self


class StandardError(float):
    """A standard error, which adds in quadrature: estimates of different tasks are independent.

    Examples
    --------
    >>> sum([StandardError(3.0), StandardError(4.0)]) / 2
    2.5
    """

    __slots__ = ()

    def __mul__(self, weight: float) -> Self:
        """Scale the error of an estimate that is multiplied by a weight."""
        if not isinstance(weight, (int, float)):
            return NotImplemented
        return type(self)(float(self) * abs(weight))

    def __truediv__(self, weight: float) -> Self:
        """Scale the error of an estimate that is divided by a weight."""
        if not isinstance(weight, (int, float)):
            return NotImplemented
        return type(self)(float(self) / abs(weight))

    def __add__(self, other: float) -> Self:
        """Combine the errors of two estimates that are added; a number without an error adds none."""
        if not isinstance(other, (int, float)):
            return NotImplemented
        return type(self)(math.hypot(self, other))

    __rmul__, __radd__ = __mul__, __add__


class NotAvailable(str):
    """The harness's ``N/A``, in place of nan, which strict JSON cannot hold: what it enters is not available either."""

    __slots__ = ()

    def _absorb(self, _: object) -> Self:
        return self

    __mul__ = __rmul__ = __truediv__ = __add__ = __radd__ = _absorb


NOT_AVAILABLE = NotAvailable("N/A")
"""The score that cannot be given."""

Score = float | NotAvailable
"""What an aggregation gives the harness."""
