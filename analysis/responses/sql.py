"""DuckDB helpers: connections, quoted names and texts, counts."""

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from refusal_metrics.errors import InputError

from ..display import guard, guard_in_sql

_FLOATS = ("DOUBLE", "FLOAT")


class Folder:
    """A temporary folder that is removed with this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="persona-refusal-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def connect() -> duckdb.DuckDBPyConnection:
    """Open a database in memory without progress output."""
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    return connection


def count_rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Return the number that a query counts; 0 for an empty sum."""
    # All rows, because an unfinished result keeps the connection busy.
    rows = connection.execute(sql, parameters).fetchall()
    return int(rows[0][0] or 0) if rows else 0


def literal(path: str | os.PathLike[str]) -> str:
    """Escape a path so that DuckDB, which treats it as a pattern, matches only this path."""
    return re.sub(r"[*?\[]", r"[\g<0>]", os.fspath(path))


def quoted(text: str | os.PathLike[str]) -> str:
    """Quote a text for SQL."""
    return "'" + os.fspath(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Quote the name of a column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def for_spreadsheets(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Wrap a query so that no text in its result is a formula; see `display.spreadsheets.guard`."""
    columns = [
        f"{guard_in_sql(identifier(name)) if kind == 'VARCHAR' else identifier(name)} AS {identifier(guard(name))}"
        for name, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall()
    ]
    return f"SELECT {', '.join(columns)} FROM ({query})"


def as_text(name: str, kind: str) -> str:
    """Return a column as text; 3.0 as 3, because whole numbers with a gap among them become floats in pandas."""
    column = identifier(name)
    if kind not in _FLOATS:
        return f"{column}::VARCHAR"
    whole = f"try_cast({column} AS BIGINT)"
    return (
        f"CASE WHEN isnan({column}) THEN NULL WHEN {whole} = {column} THEN {whole}::VARCHAR ELSE {column}::VARCHAR END"
    )


def as_index(kind: str) -> str:
    """Return the column ``index`` as a whole number, which programs write as 7, 7.0 or 007; null if there is none."""
    return f"try_cast({as_text('index', kind)} AS BIGINT)"


def as_verdict(name: str, kind: str) -> str:
    """Return a column of verdicts as true or false; null for what is neither of 0 and 1, true and false."""
    if kind == "BOOLEAN":
        return identifier(name)
    text = as_text(name, kind)
    return (
        f"coalesce(try_cast({text} AS BOOLEAN), CASE try_cast({text} AS DOUBLE) WHEN 1 THEN true WHEN 0 THEN false END)"
    )


def check_verdicts(connection: duckdb.DuckDBPyConnection, listed: str, verdicts: Mapping[str, str]) -> None:
    """Check the columns of verdicts of the view ``given``: name to type.

    Raises
    ------
    InputError
        For a value that is not a verdict.
    """
    for name, kind in verdicts.items():
        if kind == "BOOLEAN":
            continue
        text = as_text(name, kind)
        wrong = connection.execute(
            f"SELECT {text} FROM given WHERE {text} IS NOT NULL AND {as_verdict(name, kind)} IS NULL LIMIT 1"
        ).fetchone()
        if wrong:
            raise InputError(f"{listed}: {name} contains {wrong[0]!r}; a verdict is 0 or 1, true or false")
