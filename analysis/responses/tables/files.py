"""Detection of responses tables, and their rows as Parquet from any format."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path

import duckdb

from refusal_metrics.errors import InputError
from refusal_metrics.reading import is_json, is_parquet

from ...columns import is_verdict
from ..runs import is_log, is_remote, is_results_file
from ..sql import connect, count_rows, identifier, literal, quoted
from .checks import KNOWN
from .delimited import copy_delimited, fetch
from .json_copy import copy_json

_TABLES = (".parquet", ".pq", ".csv", ".tsv", ".txt")
_RECORDS = (".json", ".jsonl", ".ndjson")
"""Endings of responses tables, and of files that can also be logs or results of the harness."""

_OF_A_LOG = frozenset({"doc", "arguments", "filtered_resps"})


def is_table(path: str) -> bool:
    """Return whether a path is a responses table, rather than results of the harness.

    Parameters
    ----------
    path : str
        A file, an address, or a pattern of files.

    Returns
    -------
    bool
        By the name, and for a file without a known ending by its first bytes.
    """
    name = path.lower().removesuffix(".gz")
    if is_remote(path) or not Path(path).exists():
        found = [] if is_remote(path) else glob(path, recursive=True)  # noqa: PTH207 (patterns may be absolute)
        return all(map(is_table, found)) if found else name.endswith(_TABLES)
    if not Path(path).is_file() or is_log(path):
        return False
    if name.endswith(_RECORDS):
        return not is_results_file(path)
    return name.endswith(_TABLES) or _begins_as_parquet(Path(path))


def as_parquet(connection: duckdb.DuckDBPyConnection, file: str, copy: Path) -> str:
    """Return the address of a table's rows as Parquet.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    file : str
        Parquet, delimited text or JSON records, detected from the content; or the address of such a file.
    copy : Path
        The path for a copy of other formats as Parquet, with values as texts.

    Returns
    -------
    str
        For DuckDB's ``read_parquet``.

    Raises
    ------
    InputError
        If the file is none of these or is broken, with the line.
    """
    if is_remote(file):
        if file.endswith((".parquet", ".pq")):
            return file
        path = fetch(connection, file, copy.with_suffix("".join(Path(file).suffixes[-2:]).lower() or ".csv"))
    else:
        path = Path(file)
    if _begins_as_parquet(path):
        return literal(path)
    if is_parquet(path):
        raise InputError(f"{path}: is not a Parquet file, though its name says so; name it after its form")
    if is_json(path):
        _copy_records(connection, path, copy)
    else:
        # Read once: texts in memory would take many times their size in Parquet.
        copy_delimited(path, copy, guarded=True)
    return literal(copy)


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _copy_records(connection: duckdb.DuckDBPyConnection, path: Path, copy: Path) -> None:
    """Copy JSON records with each value as text, as delimited text has them."""
    values = copy.with_suffix(".values.parquet")
    try:
        copy_json(connection, path, copy.parent, values)
    except duckdb.Error as error:
        raise InputError(f"{path}: cannot be read as JSON records; write it again, one object per line") from error
    source = f"read_parquet({quoted(literal(values))})"
    names = [str(name) for name, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()]
    if names == ["json"]:  # DuckDB's name of a missing column
        raise InputError(f"{path}: contains no records; give a table with at least one row")
    if set(names) >= _OF_A_LOG:
        raise InputError(
            f"{path}: is a sample log of lm_eval under another name; name it samples_TASK_DATE.jsonl, as lm_eval did"
        )
    _refuse_nested(path, source, names)
    connection.execute(
        f"COPY (SELECT {', '.join(f'{_text(name)} AS {identifier(name)}' for name in names)} FROM {source}) "
        f"TO {quoted(literal(copy))} (FORMAT parquet)"
    )
    values.unlink()


def _text(name: str) -> str:
    """Convert a JSON value to text; whole numbers stay whole even if others have fractions."""
    text = f"({identifier(name)}::JSON ->> '$')"
    whole = f"json_type({identifier(name)}::JSON) = 'DOUBLE' AND regexp_full_match({text}, '-?[0-9]+[.]0+')"
    return f"CASE WHEN {whole} THEN split_part({text}, '.', 1) ELSE {text} END"


def _refuse_nested(path: Path, source: str, names: Iterable[str]) -> None:
    for name in names:
        if name in KNOWN or is_verdict(name):
            nested = f"json_type({identifier(name)}::JSON) IN ('ARRAY', 'OBJECT')"
            if count_rows(connect(), f"SELECT count(*) FROM {source} WHERE {nested}"):
                raise InputError(f"{path}: {name} contains lists or records; write one value a row")
