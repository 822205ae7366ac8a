"""Conditions of gates: a metric and a margin, read from short texts such as ``refusal_rate > 5%``."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from refusal_metrics.errors import InputError, quoted, unknown_name

PERSONA_GAP = "persona gap"
"""The differences between personas and a baseline."""

CHANGE = "change of the refusal rate"
"""The difference between two runs on the same prompts."""

RATE, POINTS = "%", "pp"

METRICS = {
    "refusal_rate": RATE,
    "refusal_rate_prefix": RATE,
    "refusal_rate_prefix_strict": RATE,
    PERSONA_GAP: POINTS,
}
"""The metrics of conditions, and the unit of the margin of each."""

_LONGEST = 200
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_OTHER_SIGNS = "<=!~≥≤≠\N{FULLWIDTH GREATER-THAN SIGN}"
_UNITS = (RATE, POINTS)


@dataclass(frozen=True)
class Condition:
    """A metric and the values that are allowed for it.

    Attributes
    ----------
    text : str
        The condition as it was given, with single blanks.
    metric : str
        One of `METRICS`, or `CHANGE`.
    low, high : float
        The smallest and the largest allowed value, as proportions or differences of proportions; an infinite value is
        no bound.
    """

    text: str
    metric: str
    low: float
    high: float

    @property
    def is_rate(self) -> bool:
        """Whether the metric is a rate, and not a difference."""
        return METRICS.get(self.metric) == RATE

    @property
    def allowed(self) -> str:
        """The allowed values, for people.

        Examples
        --------
        >>> parse_condition("refusal_rate > 5%").allowed, parse_condition("persona gap > 3pp").allowed
        ('refusal_rate at most 5%', 'persona gap within ±3 pp')
        """
        return f"{self.metric} {'at most' if math.isinf(self.low) else 'within'} {self._margin}"

    @property
    def violated(self) -> str:
        """The values that are not allowed, for people.

        Examples
        --------
        >>> parse_condition("refusal_rate > 5%").violated, parse_condition("persona gap > 3pp").violated
        ('refusal_rate above 5%', 'persona gap outside ±3 pp')
        """
        return f"{self.metric} {'above' if math.isinf(self.low) else 'outside'} {self._margin}"

    @property
    def _margin(self) -> str:
        if self.is_rate:
            return f"{100 * self.high:g}%"
        return f"{'+' if math.isinf(self.low) else '±'}{100 * self.high:g} pp"


def parse_condition(given: str) -> Condition:
    """Parse the condition under which a gate fails: a metric, ``>``, and a margin with its unit.

    Parameters
    ----------
    given : str
        For example ``refusal_rate > 5%`` or ``persona gap > 3pp``.

    Returns
    -------
    Condition

    Raises
    ------
    InputError
        For anything else: one sentence with what was found and what is allowed. The text is read once from left to
        right, and never evaluated.

    Examples
    --------
    >>> parse_condition("persona gap > 3pp")
    Condition(text='persona gap > 3pp', metric='persona gap', low=-0.03, high=0.03)
    """
    shown = f"--fail-if {quoted(given)}"
    if len(given) > _LONGEST:
        raise InputError(f"{shown}: has {len(given):,} characters; {_EXAMPLE}")
    if not given.strip():
        raise InputError(f"{shown}: is empty; {_EXAMPLE}")
    name, sign, margin = given.partition(">")
    if ">" in margin:
        raise InputError(f"{shown}: has several >; give one condition, and --fail-if again for another")
    if other := next((c for c in given if c in _OTHER_SIGNS), None):
        raise InputError(f"{shown}: contains {other}, but only > is allowed; {_EXAMPLE}")
    metric = _find_metric(name, shown)
    unit = METRICS[metric]
    example = f"give a margin, e.g. '{metric} > {'5%' if unit == RATE else '3pp'}'"
    if not sign or not margin.strip():
        raise InputError(f"{shown}: has no margin; {example}")
    bound, written = _read_margin(margin, unit, shown, example)
    return Condition(f"{metric} > {written}", metric, -math.inf if unit == RATE else -bound, bound)


def parse_conditions(given: Sequence[str]) -> tuple[Condition, ...]:
    """Parse several conditions, each of another metric; see `parse_condition`.

    Raises
    ------
    InputError
        Also if two conditions are about one metric.
    """
    found = tuple(map(parse_condition, given))
    metrics = [condition.metric for condition in found]
    for number, condition in enumerate(found):
        if condition.metric in metrics[:number]:
            raise InputError(f"--fail-if: names {condition.metric} twice; give one margin for each metric")
    return found


def parse_margin(given: str) -> Condition:
    """Parse the margin of a comparison of two runs.

    Parameters
    ----------
    given : str
        ``2pp`` allows changes of the refusal rate by up to 2 percentage points in both directions, ``+2pp`` increases
        by up to 2 points and any decrease.

    Returns
    -------
    Condition

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> parse_margin("2pp").allowed, parse_margin("+2pp").allowed
    ('change of the refusal rate within ±2 pp', 'change of the refusal rate at most +2 pp')
    """
    shown = f"--margin {quoted(given)}"
    example = "give a number with its unit, e.g. 2pp, or +2pp to allow any decrease"
    if len(given) > _LONGEST:
        raise InputError(f"{shown}: has {len(given):,} characters; {example}")
    if not given.strip():
        raise InputError(f"{shown}: is empty; {example}")
    amount = given.strip()
    only_up = amount.startswith("+")
    bound, written = _read_margin(amount.removeprefix("+"), POINTS, shown, example)
    return Condition(f"{'+' * only_up}{written}", CHANGE, -math.inf if only_up else -bound, bound)


def _find_metric(name: str, shown: str) -> str:
    """Find a metric by its name, in which blanks and underscores are the same."""
    words = " ".join(name.replace("_", " ").split()).lower()
    if not words:
        raise InputError(f"{shown}: names no metric; {_EXAMPLE}")
    metric = next((known for known in METRICS if known.replace("_", " ") == words), None)
    if metric is None:
        raise InputError(f"{shown}: {unknown_name('metric', name.strip(), METRICS)}")
    return metric


def _read_margin(given: str, unit: str, shown: str, example: str) -> tuple[float, str]:
    """Read a number and its unit; return the proportion, and the text with single blanks."""
    amount = given.strip()
    found = next((known for known in _UNITS if amount.lower().endswith(known)), None)
    digits = amount[: -len(found)].rstrip() if found else amount
    if not _NUMBER.fullmatch(digits):
        raise InputError(f"{shown}: {quoted(amount)} is not a number with the unit {unit}; {example}")
    if found != unit:
        problem = f"has the unit {found}" if found else "has no unit"
        raise InputError(f"{shown}: the margin {problem}, but {unit} is needed; {example}")
    bound = float(digits) / 100
    if not 0 < bound < 1:
        raise InputError(f"{shown}: {digits} is not above 0 and below 100; {example}")
    return bound, f"{float(digits):g}{unit}"


_EXAMPLE = "give a metric, > and a margin, e.g. 'refusal_rate > 5%' or 'persona gap > 3pp'"
