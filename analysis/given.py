"""Any file of responses: its rows as a Parquet file, or the line at which it is broken."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import duckdb

from refusal_metrics.errors import InputError, unknown_name

from .responses import connect, count, identifier, literal, quoted
from .runs import reason
from .values import plain

FORMS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
"""The endings of files that can be read and written."""

# How long a line of CSV may be, in bytes, and what is read at a time; the first pair is DuckDB's own.
_CSV_LIMITS = ("", ", max_line_size = 268435456, buffer_size = 268435456")
_LONGEST_OBJECT = 1 << 28
_INTEGERS = {"UBIGINT", "BIGINT"}


@dataclass(frozen=True)
class Given:
    """The rows of a file.

    Attributes
    ----------
    path : Path
        The file as it was named.
    table : Path
        Its rows in the same order, as Parquet. Values of JSON stand there as JSON.
    columns : dict of str to str
        Each column's type in DuckDB; ``JSON`` for what came from JSON lines.
    n : int
        The number of rows.
    notes : tuple of str
        What was done to the columns.
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


def form_of(path: Path) -> str:
    """Tell a file's form by its ending.

    Raises
    ------
    InputError
        If it is none of `FORMS`.
    """
    for form in FORMS:
        if path.name.lower().endswith(form):
            return form
    raise InputError(f"{path}: cannot tell the form of the file; give one ending in {', '.join(FORMS)}")


def read_given(path: Path, folder: Path) -> Given:
    """Read a file whole.

    Parameters
    ----------
    path : Path
        Of one of `FORMS`. Values of CSV are texts as written.
    folder : Path
        Where a copy of CSV and JSON lines may be put.

    Returns
    -------
    Given

    Raises
    ------
    InputError
        If there is no such file, it is empty, or broken (with the line).
    """
    form = form_of(path).removesuffix(".gz")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    connection = connect()
    table, notes = path, []
    try:
        if form != ".parquet":
            table = folder / "given.parquet"
            if form == ".csv":
                notes = _copy_csv(connection, path, table)
            else:
                _copy_jsonl(connection, path, table)
        scan = f"read_parquet({quoted(literal(table))}, hive_partitioning = false)"
        columns = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM {scan}").fetchall()}
        n = count(connection, f"SELECT count(*) FROM {scan}")
    except (duckdb.Error, OSError, EOFError, zlib.error) as error:
        _find_fault(path, form)
        raise InputError(f"{path}: cannot be read ({plain(reason(error))[:200]}); write the file anew") from error
    if form == ".jsonl":
        columns = dict.fromkeys(columns, "JSON")
    if not n:
        raise InputError(f"{path}: holds no records; give a file with at least one")
    return Given(path, table, columns, n, tuple(notes))


def text_column(given: Given, name: str) -> str:
    """Give a column of texts as SQL; what is missing, null or NaN, is NULL.

    Raises
    ------
    InputError
        If there is no such column, or at the first record that holds no text there.
    """
    if name not in given.columns:
        if given.path.name.lower().endswith((".jsonl", ".jsonl.gz")):
            _find_fault(given.path, ".jsonl")
        raise unknown_name(f"column in {given.path}:", name, given.columns)
    kind, column = given.columns[name], identifier(name)
    text, wrong = column, "false"
    if kind == "JSON":
        is_text = f"coalesce(json_type({column}::JSON), 'NULL') IN ('VARCHAR', 'NULL')"
        text, wrong = f"CASE WHEN {is_text} THEN {column}::JSON ->> '$' END", f"NOT {is_text} AND {column} <> 'NaN'"
    elif kind != "VARCHAR":
        text, wrong = "NULL::VARCHAR", f"{column}::VARCHAR <> 'nan'"
    row = (
        connect()
        .execute(f"SELECT file_row_number, {column}::VARCHAR FROM {given.scan} WHERE {wrong} ORDER BY ALL LIMIT 1")
        .fetchone()
    )
    if row:
        raise InputError(
            f"{given.path}, record {row[0] + 1}: column {name!r} must hold a text, found {plain(row[1])[:80]}; "
            "name the column of the responses with --column"
        )
    return text


def other_column(given: Given, name: str) -> str:
    """Give any column as texts, as SQL: lists and objects as JSON; NULL where there is no such column."""
    kind, column = given.columns.get(name), identifier(name)
    if kind is None:
        return "NULL::VARCHAR"
    if kind == "JSON":
        return f"{column}::JSON ->> '$'"
    return column if kind == "VARCHAR" else f"to_json({column}) ->> '$'"


def written_columns(given: Given, form: str) -> dict[str, str]:
    """Give each column as SQL, in the type in which a file of the form holds it.

    Values of JSON lines stay as they are in JSON lines, are texts in CSV, and take the type that
    they all have in Parquet: texts, truth values, numbers, else JSON as text.
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
        # One beyond 64 bits stays a text rather than lose digits.
        return f"({text})::BIGINT" if fits else text
    if types and types <= {*_INTEGERS, "DOUBLE"}:
        return f"({text})::DOUBLE"
    return text


def _copy_csv(connection: duckdb.DuckDBPyConnection, path: Path, table: Path) -> list[str]:
    """Copy to Parquet. Nothing is guessed: a guess may take a line that begins with # for a comment."""
    with _opened(path) as file:
        header = next(csv.reader(file, strict=True), [])
    names = [name or f"column{place}" for place, name in enumerate(header)]
    if len({name.lower() for name in names}) < len(names):
        raise InputError(f"{path}, line 1: two columns have the same name, case aside; rename one")
    if not names:
        raise InputError(
            f"{path}: holds no records; give a file with at least one, the columns named in its first line"
        )
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    for limits in _CSV_LIMITS:
        csv_scan = (
            f"read_csv($1, auto_detect = false, columns = {{{columns}}}, header = true, delim = ',', quote = '\"', "
            f"escape = '\"', comment = '', hive_partitioning = false{limits})"
        )
        try:
            connection.execute(f"COPY (FROM {csv_scan}) TO {quoted(table)} (FORMAT parquet)", [literal(path)])
        except duckdb.Error:
            if limits == _CSV_LIMITS[-1]:
                raise
        else:
            break
    return [
        f"Column {place + 1} of {path.name} has no name; it is called {name}."
        for place, name in enumerate(names)
        if not header[place]
    ]


def _copy_jsonl(connection: duckdb.DuckDBPyConnection, path: Path, table: Path) -> None:
    """Copy to Parquet; each value stays the JSON that it is."""
    scan = (
        "read_json($1, format = 'newline_delimited', maximum_depth = 1, sample_size = -1, "
        f"maximum_object_size = {_LONGEST_OBJECT}, hive_partitioning = false)"
    )
    connection.execute(
        f"COPY (SELECT COLUMNS(*)::VARCHAR FROM {scan}) TO {quoted(table)} (FORMAT parquet)", [literal(path)]
    )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a file as UTF-8, compressed or not; what is not is an error with its line."""
    compressed = path.suffix.lower() == ".gz"
    opened = gzip.open if compressed else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, line {_find_undecodable(path)}: is not UTF-8; save it as UTF-8") from error
        except csv.Error as error:
            raise InputError(f"{path}: is not valid CSV ({error}); mend it") from error


def _find_undecodable(path: Path) -> int:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number


def _find_fault(path: Path, form: str) -> None:
    """Raise what is wrong with the first broken line, if one can be told."""
    finders = {".csv": _check_csv, ".jsonl": _check_jsonl}
    if form not in finders:
        return
    try:
        with _opened(path) as file:
            finders[form](path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({plain(reason(error))[:200]}); copy the file anew") from error


def _check_csv(path: Path, file: TextIO) -> None:
    before = csv.field_size_limit(_LONGEST_OBJECT)
    reader = csv.reader(file, strict=True)
    try:
        width, line = len(next(reader, [])), reader.line_num + 1
        for record in reader:
            if record and len(record) != width:
                raise InputError(
                    f"{path}, line {line}: found {len(record)} fields where the header has {width}; "
                    "quote texts that contain commas"
                )
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: is not valid CSV ({error}); mend the line") from error
    finally:
        csv.field_size_limit(before)


def _check_jsonl(path: Path, file: TextIO) -> None:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            said = getattr(error, "msg", error)
            raise InputError(f"{path}, line {number}: is not valid JSON ({said}); mend the line") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: must be a JSON object with named columns")
