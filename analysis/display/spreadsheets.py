"""CSV for spreadsheet programs: no cell is a formula or has invisible characters."""

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
"""The first characters of formulas, and the full-width, small and mathematical signs that some programs treat alike."""
_BEFORE = "\\x00-\\x20'\"`\u00a0\u00ab\u00bb\u200b-\u200f\u2018-\u201f\u2028-\u202e\u2060-\u2069\u3000\ufeff"
"""Spaces, quotation marks and invisible characters, which programs drop before a formula."""
# Identifiers that would be read as numbers lose digits. Apostrophes may precede each alternative, so that
# `unguard` removes what `guard` added and nothing else.
_IDS = r"^(?:\d{16}|\d+e\d+){end}"
_COMMANDS = f"^(?:[{_BEFORE}]*[{_SIGNS}]|'*[\\t\\r\\n]|'*{_IDS[1:]})"
_NUMBERS = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?{end}"
_IS_COMMAND, _IS_NUMBER, _IS_ID = (
    re.compile(pattern.replace("{end}", r"\Z"), re.ASCII) for pattern in (_COMMANDS, _NUMBERS, _IDS)
)

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters, directional overrides and zero-width characters except joiners."""


def guard(text: str, *, numbers: bool = False) -> str:
    """Add an apostrophe before a text that a spreadsheet program would run or change.

    Parameters
    ----------
    text : str
    numbers : bool
        Whether numbers with a sign are guarded too.

    Returns
    -------
    str
        The text itself if it does not begin like a formula.

    Examples
    --------
    >>> guard("=1+1"), guard("-0.05"), guard("- Yes"), guard("a man")
    ("'=1+1", '-0.05', "'- Yes", 'a man')
    """
    is_harmless = not numbers and _IS_NUMBER.match(text) and not _IS_ID.match(text)
    return f"'{text}" if _IS_COMMAND.match(text) and not is_harmless else text


def unguard(text: str) -> str:
    """Remove the apostrophe that `guard` added before a text.

    Examples
    --------
    >>> unguard("'=1+1"), unguard("'tis so")
    ('=1+1', "'tis so")
    """
    return text[1:] if text.startswith("'") and _IS_COMMAND.match(text[1:]) else text


def seen(text: str) -> str:
    """Replace characters that could disguise a text; line ends become line feeds.

    Examples
    --------
    >>> seen("a" + chr(27) + "[31mb")
    'a\ufffd[31mb'
    """
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def to_csv(table: "pd.DataFrame", *, quote_all: bool = False, exact: bool = False) -> str:
    """Return a table as CSV for people.

    Parameters
    ----------
    table : pandas.DataFrame
    quote_all : bool
        Whether numbers are in quotation marks too.
    exact : bool
        Whether texts keep invisible characters, for a file that is read again.

    Returns
    -------
    str
        Texts and names of columns are guarded, see `guard`; numbers are as they are.
    """
    import pandas as pd  # noqa: PLC0415 - reading logs does not wait for it

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        return guard(value if exact else seen(value))

    shown = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            shown.isetitem(place, table.iloc[:, place].astype(object).map(cell, na_action="ignore").to_numpy())
    shown.columns = pd.Index([cell(str(name)) for name in table.columns])
    # Some readers end a line at a lone carriage return, which is quoted only if everything is.
    whole = quote_all or exact
    return str(shown.to_csv(index=False, quoting=csv.QUOTE_ALL if whole else csv.QUOTE_MINIMAL))


def guard_in_sql(column: str) -> str:
    """Return DuckDB SQL that guards a column of texts like `guard`."""
    is_command, is_number, is_id = (
        f"regexp_matches({column}, {_in_sql(pattern)})" for pattern in (_COMMANDS, _NUMBERS, _IDS)
    )
    return f"CASE WHEN {is_command} AND NOT ({is_number} AND NOT {is_id}) THEN '''' || {column} ELSE {column} END"


def unguard_in_sql(column: str) -> str:
    """Return DuckDB SQL that restores a column of texts like `unguard`."""
    rest = f"{column}[2:]"
    guarded = f"{column}[1] = '''' AND regexp_matches({rest}, {_in_sql(_COMMANDS)})"
    return f"CASE WHEN {guarded} THEN {rest} ELSE {column} END"


def _in_sql(pattern: str) -> str:
    return "'" + pattern.replace("{end}", r"\z").replace("'", "''") + "'"
