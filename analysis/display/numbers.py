"""Single values formatted for people."""

import math
import re
from enum import StrEnum

_SMALLEST_P = 0.001


class Format(StrEnum):
    """The forms in which a command prints its table."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def percent(value: float, *, signed: bool = False) -> str:
    """Format a proportion as a percentage, or a difference of proportions as signed points.

    Parameters
    ----------
    value : float
        Proportion; nan becomes an empty text.
    signed : bool

    Returns
    -------
    str
        With two decimals, as in the paper's tables.
    """
    # Adding 0 makes a rounded -0.0 positive.
    return "" if math.isnan(value) else f"{round(100 * value, 2) + 0.0:{'+' if signed else ''}.2f}"


def points(value: float, *, signed: bool = False) -> str:
    """Format a proportion in percent, or a difference of proportions in percentage points, for a sentence.

    Examples
    --------
    >>> points(0.0573, signed=True), points(-0.0001), points(float("nan"))
    ('+5.7', '0.0', '')
    """
    return "" if math.isnan(value) else f"{round(100 * value, 1) + 0.0:{'+' if signed else ''}.1f}"


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """Format an interval of proportions in percent, or return an empty text if there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{percent(low, signed=signed)}, {percent(high, signed=signed)}]"


def number(value: float) -> str:
    """Format a number that is not a proportion, or return an empty text for nan."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    # Adding 0 makes a rounded -0.0 positive.
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else f"{value:.1f}"


def p_text(value: float) -> str:
    """Format a p-value."""
    if math.isnan(value):
        return ""
    return "<.001" if value < _SMALLEST_P else f"{value:.3f}".removeprefix("0")


def escape(value: object) -> str:
    """Escape a value for Markdown, as one line that is shown as its text in a line or cell."""
    text = re.sub(r"[\\`*~|]", r"\\\g<0>", plain(value))
    # An underscore inside a word is not emphasis, and a bracket alone not a link: prefix_strict, [0.00, 1.00].
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text).replace("](", "]\\(")
    return text.replace("&", "&amp;").replace("<", "&lt;")


def plain(value: object) -> str:
    """Return a value as one line of printable characters, so that no name can control a terminal or page."""
    line = " ".join(str(value).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
