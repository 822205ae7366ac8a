"""The names that no factor may have, and what a factor is called instead."""

import re
from collections.abc import Iterable

from refusal_metrics.errors import InputError, quoted

from ..columns import FACTORS, FLAGS, STUDY_COLUMNS
from .tables import OTHER_TABLES, TABLES

_IDS = ("text_id", "row_id", "item_id", "index", "design_id", "block")
_OF_RESPONSES = (
    "looks",
    "refused_by",
    "cause",
    "rules",
    "answer",
    "label",
    "label_class",
    "weight",
    "outcome_before",
    *FLAGS,
)
_OF_FIGURES_AND_PAGES = ("drawn", "other", "others", "texts", "cell", "refused")
_COLUMNS_OF_RESULTS = {
    name for contract in (*TABLES.values(), *OTHER_TABLES) for name in (*contract.keys, *contract.estimates)
} - {*STUDY_COLUMNS, *FACTORS}
RESERVED = frozenset({*_COLUMNS_OF_RESULTS, *_IDS, *_OF_RESPONSES, *_OF_FIGURES_AND_PAGES})
"""The names that no run factor may have, whatever their case."""


def is_reserved(name: str) -> bool:
    """Return whether a run factor of this name would be mistaken for a column of a table.

    Examples
    --------
    >>> is_reserved("n"), is_reserved("N Texts"), is_reserved("refused_mine"), is_reserved("temperature")
    (True, True, True, False)
    """
    folded = _fold(name)
    return folded in RESERVED or folded.startswith("refused") or ":" in name


def free_name(name: str) -> str:
    """Return a name that a factor can have instead of a reserved one.

    Examples
    --------
    >>> free_name("n"), free_name("top-p: high")
    ('run_n', 'run_top_p_high')
    """
    return f"run_{re.sub(r'[^0-9A-Za-z]+', '_', name).strip('_') or 'factor'}"


def check_run_factors(names: Iterable[str]) -> None:
    """Check that no run factor has a reserved name.

    Raises
    ------
    InputError
        With a name to choose instead.
    """
    for name in names:
        if ":" in name:
            raise InputError(
                f"the factor {quoted(name)} cannot be used, for a colon joins two factors; rename the column, e.g. to "
                f"{free_name(name)}"
            )
        if is_reserved(name):
            raise InputError(
                f"the factor {quoted(name)} cannot be used, for tables of results have a column of that name; rename "
                f"the column, e.g. to {free_name(name)}"
            )


def name_settings(settings: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Choose column names for the settings in a log, which its reader cannot rename.

    Parameters
    ----------
    settings : iterable of str
        Their names in the log.
    taken : iterable of str
        Names of other columns, besides the reserved ones.

    Returns
    -------
    dict of str to str
        Setting to column: the same name, or ``run_NAME`` where that is reserved, taken or no single word.

    Examples
    --------
    >>> name_settings(["temperature", "n", "N", "top-p"])
    {'temperature': 'temperature', 'n': 'run_n', 'N': 'run_N_2', 'top-p': 'run_top_p'}
    """
    used = {name.lower() for name in taken}
    columns = {}
    for setting in dict.fromkeys(settings):
        name, again = setting, 1
        while not name.isidentifier() or is_reserved(name) or name.lower() in used:
            name = free_name(setting) + f"_{again}" * (again > 1)
            again += 1
        used.add(name.lower())
        columns[setting] = name
    return columns


def _fold(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip().lower())
