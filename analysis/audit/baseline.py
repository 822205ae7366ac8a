"""The condition that the others are compared with."""

import re
from collections.abc import Collection, Sequence

from refusal_metrics.errors import InputError, unknown_name

from .rows import listed

NO_PERSONA = "(none)"
"""The condition of the rows that name none, if these are the baseline."""

_NOBODY = frozenset({"none", "no_persona", "nopersona", "neutral", "baseline", "control", "default", "vanilla", "base"})
_ANYBODY = frozenset({"person", "individual", "human", "someone", "human_being"})


def names_nobody(condition: str) -> bool:
    """Return whether a condition's name says that the prompts name no persona.

    Examples
    --------
    >>> names_nobody("(none)"), names_nobody("No persona"), names_nobody("a person")
    (True, True, False)
    """
    return _fold(condition) in _NOBODY


def find_baseline(name: str, conditions: Sequence[str], n_missing: int, given: str | None) -> tuple[str, list[str]]:
    """Find the baseline: the named condition, or the only one whose name says so.

    Parameters
    ----------
    name : str
        What errors call the table.
    conditions : sequence of str
    n_missing : int
        The number of rows without a condition.
    given : str or None
        As the user named it.

    Returns
    -------
    str
    list of str
        A sentence, if it was guessed.

    Raises
    ------
    InputError
        If the named condition does not occur, or none or several could be it.
    """
    if given is not None:
        wanted = given.strip()
        if wanted in conditions or (wanted == NO_PERSONA and n_missing):
            return wanted, []
        raise unknown_name(f"--baseline in {name}:", given, _allowed(conditions, n_missing))
    for words in (_NOBODY, _ANYBODY):
        found = [condition for condition in conditions if _fold(condition) in words]
        if len(found) == 1:
            return found[0], [f"Baseline guessed by its name: {found[0]}. Name another condition with --baseline."]
        if found:
            raise InputError(f"{name}: {listed(found)} could be the baseline; name one with --baseline")
    raise InputError(
        f"{name}: none of the conditions {listed(_allowed(conditions, n_missing))} is known as a baseline; name the "
        "one that the others are compared with, with --baseline"
    )


def _allowed(conditions: Sequence[str], n_missing: int) -> Collection[str]:
    return [*conditions, *[NO_PERSONA] * (n_missing > 0)]


def _fold(condition: str) -> str:
    return re.sub(r"[\W_]+", "_", re.sub(r"^(an?|the)\s+", "", condition.strip().lower())).strip("_")
