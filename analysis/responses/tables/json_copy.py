"""JSON records copied to Parquet, for DuckDB to read."""

import json
import re
from pathlib import Path

import duckdb

from refusal_metrics.reading import find_encoding, read_json_records

from ..sql import literal, quoted

_LONGEST_OBJECT = 1 << 28
_HALF = re.compile(r"[\ud800-\udfff]")


def copy_json(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path, table: Path) -> list[str]:
    """Copy JSON records to Parquet; each value stays the JSON that it is.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
        As `refusal_metrics.reading.json_records.read_json_records` reads it.
    folder : Path
        A folder for another copy.
    table : Path
        The file to write.

    Returns
    -------
    list of str
        A sentence if anything was replaced.

    Raises
    ------
    InputError
        If the file is broken, with the line.
    """
    try:
        if path.suffix.lower() == ".json" or find_encoding(path) != "utf-8-sig":
            raise duckdb.InvalidInputException
        _copy_lines(connection, literal(path), table)
    except duckdb.Error:
        lines = folder / "given.jsonl"
        n_halves = _write_lines(path, lines)
        _copy_lines(connection, literal(lines), table)
        halves = f"{n_halves:,} record{'s' * (n_halves != 1)} of {path.name} with half of a surrogate pair"
        return [f"{halves}: read as U+FFFD."] * (n_halves > 0)
    return []


def _copy_lines(connection: duckdb.DuckDBPyConnection, lines: str, table: Path) -> None:
    scan = (
        "read_json($1, format = 'newline_delimited', maximum_depth = 1, sample_size = -1, "
        f"maximum_object_size = {_LONGEST_OBJECT}, hive_partitioning = false)"
    )
    connection.execute(f"COPY (SELECT COLUMNS(*)::VARCHAR FROM {scan}) TO {quoted(table)} (FORMAT parquet)", [lines])


def _write_lines(path: Path, lines: Path) -> int:
    """Write JSON records of any layout, one per line; count those in which half of a surrogate pair was replaced."""
    n_halves = 0
    with lines.open("w", encoding="utf-8", newline="\n") as file:
        for _, record in read_json_records(path):
            line = json.dumps(record, ensure_ascii=False)
            whole = _HALF.sub("\N{REPLACEMENT CHARACTER}", line)
            n_halves += whole != line
            file.write(whole + "\n")
    return n_halves
