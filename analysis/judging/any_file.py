"""Any file of responses: its rows as a Parquet file, or an error with the broken line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.reading import ENDINGS, is_json, is_parquet, read_json_records

from ..display import plain
from ..files import reason
from ..responses import LONGEST_PERSONA, connect, copy_delimited, copy_json, count_rows, identifier, literal, quoted

PERSONA_COLUMN = "persona"
"""The column of personas if no other is named."""

_INTEGERS = {"UBIGINT", "BIGINT"}


@dataclass(frozen=True)
class Given:
    """The rows of a file.

    Attributes
    ----------
    path : Path
        The file as it was named.
    table : Path
        Its rows in the same order, as Parquet. JSON values are kept as JSON.
    columns : dict of str to str
        Each column's type in DuckDB; ``JSON`` for what came from JSON lines.
    n : int
        The number of rows.
    notes : tuple of str
        Changes of the columns.
    """

    path: Path
    table: Path
    columns: dict[str, str]
    n: int
    notes: tuple[str, ...] = ()

    @property
    def scan(self) -> str:
        """The rows, as SQL; ``file_row_number`` counts them from 0."""
        return f"read_parquet({quoted(literal(self.table))}, file_row_number = true, hive_partitioning = false)"


def is_given(name: str) -> bool:
    """Return whether a file's format can be read, by its name."""
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


def read_given(path: Path, folder: Path) -> Given:
    """Read a whole file.

    Parameters
    ----------
    path : Path
        Parquet, delimited text or JSON; the content decides how it is read. CSV values are kept as text.
    folder : Path
        A folder for copies of CSV and JSON.

    Returns
    -------
    Given

    Raises
    ------
    InputError
        If the file does not exist, is empty, or is broken (with the line).
    """
    if not is_given(path.name):
        raise InputError(f"{path}: unknown file format; give a file that ends in {', '.join(ENDINGS)} (.gz)")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    connection = connect()
    notes: list[str] = []
    of_json = not is_parquet(path) and is_json(path)
    table = path if is_parquet(path) else folder / "given.parquet"
    try:
        if of_json:
            notes = copy_json(connection, path, folder, table)
        elif table != path:
            notes = list(copy_delimited(path, table))
        scan = f"read_parquet({quoted(literal(table))}, hive_partitioning = false)"
        columns = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM {scan}").fetchall()}
        n = count_rows(connection, f"SELECT count(*) FROM {scan}")
    except (duckdb.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read ({plain(reason(error))[:200]}); write the file again") from error
    if not n:
        raise InputError(f"{path}: contains no records; give a file with at least one")
    if of_json:
        columns = dict.fromkeys(columns, "JSON")
    return Given(path, table, columns, n, tuple(notes))


def text_column(given: Given, name: str) -> str:
    """Return a column of texts as SQL; missing values, null or NaN, are NULL.

    Raises
    ------
    InputError
        If there is no such column, or for the first record without a text.
    """
    if name not in given.columns:
        if "JSON" in given.columns.values():
            _find_fault(given.path)
        raise unknown_name(f"column in {given.path}:", name, given.columns)
    kind, column = given.columns[name], identifier(name)
    text, wrong = column, "false"
    if kind == "JSON":
        is_text = f"coalesce(json_type({column}::JSON), 'NULL') IN ('VARCHAR', 'NULL')"
        text, wrong = f"CASE WHEN {is_text} THEN {column}::JSON ->> '$' END", f"NOT {is_text} AND {column} <> 'NaN'"
    elif kind != "VARCHAR":
        text, wrong = "NULL::VARCHAR", f"{column}::VARCHAR <> 'nan'"
    if found := _first_record(given, f"{column}::VARCHAR", wrong):
        place, value = found
        raise InputError(
            f"{place}: column {name!r} must contain text, found {plain(value)[:80]}; "
            "name the column of the responses with --column"
        )
    return text


def other_column(given: Given, name: str) -> str:
    """Return any column as texts, as SQL: lists and objects as JSON; NULL if there is no such column."""
    kind, column = given.columns.get(name), identifier(name)
    if kind is None:
        return "NULL::VARCHAR"
    if kind == "JSON":
        return f"{column}::JSON ->> '$'"
    return column if kind == "VARCHAR" else f"to_json({column}) ->> '$'"


def persona_of(given: Given, name: str | None) -> str:
    """Return the column of personas as SQL; missing values, null or NaN, are NULL.

    Parameters
    ----------
    given : Given
    name : str or None
        None for the column `PERSONA_COLUMN`, if there is one.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If there is no column of that name, or for the first record with a persona longer than `LONGEST_PERSONA`.
    """
    if name is not None and name not in given.columns:
        raise unknown_name(f"column in {given.path}:", name, given.columns)
    column = name or PERSONA_COLUMN
    text = other_column(given, column)
    if given.columns.get(column, "VARCHAR") != "VARCHAR":
        text = f"nullif(nullif({text}, 'NaN'), 'nan')"
    if found := _first_record(given, f"length({text})", f"length({text}) > {LONGEST_PERSONA}"):
        place, length = found
        raise InputError(
            f"{place}: column {column!r} has {length:,} characters; name a persona in at most {LONGEST_PERSONA:,} (a "
            "noun phrase), or rename the column"
        )
    return text


def _first_record(given: Given, value: str, wrong: str) -> tuple[str, Any] | None:
    """Return the place of the first record for which a condition in SQL holds, and a value of it; None if none is."""
    row = (
        connect()
        .execute(f"SELECT file_row_number, {value} FROM {given.scan} WHERE {wrong} ORDER BY ALL LIMIT 1")
        .fetchone()
    )
    return (f"{given.path}, record {row[0] + 1}", row[1]) if row else None


def written_columns(given: Given, form: str) -> dict[str, str]:
    """Return each column as SQL, in the type of the file format.

    JSON values are unchanged in JSON lines, become texts in CSV, and get their common type in Parquet: text, Boolean,
    number, else JSON as text.
    """
    if form.startswith(".jsonl") or "JSON" not in given.columns.values():
        return {name: identifier(name) for name in given.columns}
    if form != ".parquet":
        return {name: f"{identifier(name)}::JSON ->> '$'" for name in given.columns}
    connection = connect()
    columns = {}
    for name in given.columns:
        column = identifier(name)
        kinds, fits = connection.execute(
            f"SELECT list(DISTINCT json_type({column}::JSON)), "
            f"bool_and({column} IN ('null') OR try_cast({column} AS BIGINT) IS NOT NULL) FROM {given.scan} "
            f"WHERE {column} IS NOT NULL"
        ).fetchone() or (None, True)
        columns[name] = _typed(column, {kind for kind in kinds or () if kind} - {"NULL"}, fits=bool(fits))
    return columns


def _typed(column: str, types: set[str], *, fits: bool) -> str:
    text = f"{column}::JSON ->> '$'"
    if types == {"BOOLEAN"}:
        return f"({text})::BOOLEAN"
    if types and types <= _INTEGERS:
        # Numbers beyond 64 bits stay texts, which keeps all digits.
        return f"({text})::BIGINT" if fits else text
    if types and types <= {*_INTEGERS, "DOUBLE"}:
        return f"({text})::DOUBLE"
    return text


def _find_fault(path: Path) -> None:
    """Raise an error for the first broken JSON record, if it can be found."""
    for _ in read_json_records(path):
        pass
