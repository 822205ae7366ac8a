"""The one exception that a user's mistake raises, and how it names the nearest valid word."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in what the user gave: one sentence with what was found and what to do."""


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
        What the nearest valid name is looked for with, where that is not the name itself.

    Returns
    -------
    InputError
        To be raised by the caller.
    """
    names = list(allowed)
    wanted = str(given if near is None else near).lower()
    close = difflib.get_close_matches(wanted, [n.lower() for n in names], n=1, cutoff=0.6)
    hint = next((f"; did you mean {n!r}?" for n in names if close and n.lower() == close[0]), "")
    return InputError(f"unknown {what} {given!r}: allowed are {', '.join(names)}{hint}")
