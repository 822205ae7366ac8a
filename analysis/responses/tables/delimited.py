"""Delimited text copied to Parquet, a few rows at a time, for DuckDB to read."""

from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from refusal_metrics.errors import InputError
from refusal_metrics.reading import open_delimited

from ...display import unguard

_ROWS, _CHARACTERS = 20_000, 1 << 26
"""Limits of a block in memory: rows, and characters (exceeded by at most one row)."""


def copy_delimited(path: Path, table: Path, *, guarded: bool = False) -> tuple[str, ...]:
    """Copy a delimited text file to Parquet.

    Parameters
    ----------
    path : Path
        As `refusal_metrics.reading.delimited.open_delimited` reads it.
    table : Path
        The file to write. All columns are texts; an empty field is null.
    guarded : bool
        Whether the file was written by this package, with texts guarded for spreadsheets.

    Returns
    -------
    tuple of str
        A sentence for each column that had no name.

    Raises
    ------
    InputError
        If the file is broken (with the line), or two columns have the same name, case aside.
    """
    found = open_delimited(path)
    lowered = [name.lower() for name in found.columns]
    for place, name in enumerate(lowered):
        if name in lowered[:place]:
            raise InputError(
                f"{path}, line {found.first}: two columns have the same name, case aside "
                f"({found.columns[place][:60]}); rename one"
            )
    names = [unguard(name) if guarded else name for name in found.columns]
    schema = pa.schema([(name, pa.string()) for name in names])
    records = found.records()
    with pq.ParquetWriter(table, schema) as writer:
        rows: list[list[str]] = []
        size = 0
        while batch := list(islice(records, 1000)):
            rows += [record for _, record in batch]
            size += sum(len(field) for _, record in batch for field in record)
            if len(rows) >= _ROWS or size > _CHARACTERS:
                writer.write_batch(_batch(rows, schema, guarded=guarded))
                rows, size = [], 0
        if rows:
            writer.write_batch(_batch(rows, schema, guarded=guarded))
    return tuple(
        f"Column {place + 1} of {path.name} has no name; it is called {found.columns[place]}."
        for place in found.unnamed
    )


def fetch(connection: duckdb.DuckDBPyConnection, address: str, file: Path) -> Path:
    """Copy a file from an address; duckdb.Error if it cannot be read."""
    ((content,),) = connection.execute("SELECT content FROM read_blob($1)", [address]).fetchall()
    file.write_bytes(content)
    return file


def _batch(rows: list[list[str]], schema: pa.Schema, *, guarded: bool) -> pa.RecordBatch:
    fields = list(zip(*rows, strict=True))
    if guarded:
        fields = [tuple(unguard(value) if value[:1] == "'" else value for value in values) for values in fields]
    columns = [pa.array(values, pa.string()) for values in fields]
    empty = pa.scalar(None, pa.string())
    return pa.record_batch([pc.if_else(pc.equal(column, ""), empty, column) for column in columns], schema=schema)
