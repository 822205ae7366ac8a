"""The exception for users' mistakes, with suggestions of valid names."""

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable

_LONGEST_QUOTE = 80
"""The largest number of characters that an error quotes."""


class InputError(ValueError):
    """A mistake in the user's input: one sentence with what was found and what to do."""


def quoted(found: object, longest: int = _LONGEST_QUOTE) -> str:
    r"""Quote a value in an error: on one line, truncated, and without control characters.

    Parameters
    ----------
    found : object
        Of any size and depth; no more of it is written out than is shown.
    longest : int
        Characters.

    Returns
    -------
    str

    Examples
    --------
    >>> quoted("a\x1b[31m"), quoted(["x"] * 1000)
    ("'a\\x1b[31m'", "['x', 'x', 'x', 'x', 'x', 'x', ...]")
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = longest - 4
    short.maxlevel, short.maxdict = 4, 6
    shown = short.repr(found)
    # Other objects have their own repr.
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 4]} ..."


def has_control(text: str) -> bool:
    r"""Return whether a text has control characters, directional controls, or halves of surrogate pairs.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
        True for control characters (line breaks too), bidirectional controls and halves of surrogate pairs.

    Examples
    --------
    >>> has_control("a\x07"), has_control("a Black person")
    (True, False)
    """
    if text.isascii() and text.isprintable():
        return False
    return any(
        unicodedata.category(c) in {"Cc", "Cs"} or unicodedata.bidirectional(c) in _BIDI or c in "\u2028\u2029"
        for c in text
    )


_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def unknown_name(what: str, given: object, allowed: Iterable[str], near: str | None = None) -> InputError:
    """Build the error for a name that is not among the allowed ones.

    Parameters
    ----------
    what : str
        What the name stands for and where it was found, e.g. ``"persona"``.
    given : object
        The name as it was given.
    allowed : iterable of str
        The valid names, in the order in which they are shown.
    near : str, optional
        The text to compare with valid names, if it is not the name itself.

    Returns
    -------
    InputError
        To be raised by the caller.
    """
    names = list(allowed)
    # Longer than any name: only the beginning is compared.
    wanted = str(given if near is None else near)[:_LONGEST_QUOTE].lower()
    close = difflib.get_close_matches(wanted, [n.lower() for n in names], n=1, cutoff=0.6)
    hint = next((f"; did you mean {n!r}?" for n in names if close and n.lower() == close[0]), "")
    return InputError(f"unknown {what} {quoted(given)}: allowed are {', '.join(names)}{hint}")
