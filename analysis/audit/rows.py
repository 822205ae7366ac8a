"""Any table of answers, read as texts: one row a response."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from refusal_metrics.errors import InputError, quoted

from ..display import plain
from ..files import reason
from ..judging import read_given
from ..responses import Folder


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes
    ----------
    name : str
        What errors call the file.
    table : pyarrow.Table
    of_json : frozenset of str
        The columns whose values are JSON.
    notes : tuple of str
        Changes of the columns.
    """

    name: str
    table: pa.Table
    of_json: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    read: "dict[str, pd.Series[str]]" = field(default_factory=dict, repr=False)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.column_names)

    def column(self, name: str) -> "pd.Series[str]":
        """Return a column as texts; None where it is missing or blank.

        Parameters
        ----------
        name : str

        Returns
        -------
        pandas.Series
            (n_rows,) of str or None. Whole numbers have no fraction, so that an id is the same text in any file;
            lists and records are JSON.
        """
        if name not in self.read:
            values: Iterable[object] = self.table.column(name).to_pylist()
            if name in self.of_json:
                values = (value if value is None else json.loads(str(value)) for value in values)
            self.read[name] = pd.Series([_text(value) for value in values], dtype=object)
        return self.read[name]


def read_rows(path: Path, name: str | None = None) -> Rows:
    """Read a table of answers.

    Parameters
    ----------
    path : Path
        CSV, JSON records (both ``.gz`` too) or Parquet.
    name : str, optional
        What errors call it; by default its path.

    Returns
    -------
    Rows

    Raises
    ------
    InputError
        If it does not exist, is of another format, empty or broken (with the line).
    """
    folder = Folder()
    called = name or str(path)
    try:
        given = read_given(path, folder.path)
        table = pq.read_table(given.table, partitioning=None, memory_map=False)
    except InputError as error:
        raise InputError(str(error).replace(str(path), called)) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{called}: cannot be read ({plain(reason(error))[:200]}); write the file again") from error
    of_json = frozenset(column for column, kind in given.columns.items() if kind == "JSON")
    return Rows(called, table, of_json, given.notes)


def _text(value: object) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.decode(errors="replace") or None
    text = str(value)
    return text if text.strip() else None


def listed(values: Iterable[object], most: int = 6) -> str:
    """List values in a sentence, each quoted, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    every = [quoted(value, 60) for value in values]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
