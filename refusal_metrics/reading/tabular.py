"""Read a file of records (CSV, JSON or Parquet) into columns that know their lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.reading.delimited import open_delimited
from refusal_metrics.reading.json_records import looks_like_json, read_json_records
from refusal_metrics.reading.surrogates import whole

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""The names' ends of files of records; text may be compressed (``.gz``)."""


@dataclass(frozen=True)
class Table:
    """A file's records by column, and where each record stands in the file."""

    path: Path
    columns: dict[str, list[Any]]
    places: Sequence[str]
    """Of each record, e.g. ``"line 17"``: what an error about it names."""
    decimal_comma: bool = False
    """Whether "0,5" is a number in it: its fields are text and not separated by commas."""

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> list[Any]:
        """Return one column.

        Raises
        ------
        InputError
            If the file has no such column.
        """
        if name not in self.columns:
            raise unknown_name(f"column in {self.path}:", name, self.columns)
        return self.columns[name]

    def text_column(self, name: str) -> list[str]:
        """Return one column of texts.

        Raises
        ------
        InputError
            If the file has no such column, or at the first record that holds no text.
        """
        values = self.column(name)
        for place, value in zip(self.places, values, strict=True):
            if not isinstance(value, str) or not value.strip():
                raise InputError(
                    f"{self.path}, {place}: column {name!r} must contain text, found {value!r}; "
                    "fill it in or remove the record"
                )
        return values

    def with_columns(self, columns: dict[str, list[Any]]) -> "Table":
        """Replace the columns."""
        return replace(self, columns=columns)

    def where(self, keep: Callable[[int], bool]) -> "Table":
        """Keep the records whose position passes."""
        kept = [i for i in range(len(self)) if keep(i)]
        columns = {name: [values[i] for i in kept] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=[self.places[i] for i in kept])


def load_table(path: Path) -> Table:
    """Read a file of records; what it holds decides how, not its name.

    Parameters
    ----------
    path : Path
        A ``.csv`` (or ``.tsv``) with a header as `reading.delimited` reads it, a ``.jsonl`` or ``.json`` as
        `refusal_metrics.reading.json_records` does, each also compressed (``.gz``), or a ``.parquet`` file.

    Returns
    -------
    Table
        With at least one record. CSV values are text as written, nothing guessed.

    Raises
    ------
    InputError
        If the file is missing, of another form, broken (with the line) or empty.
    """
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if f".{ending}" not in ENDINGS:
        raise InputError(f"{path}: unknown file format; give a file that ends in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    table = _parquet(path) if is_parquet(path) else _json(path) if is_json(path) else _csv(path)
    if not len(table):
        raise InputError(f"{path}: contains no records; give a file with at least one")
    # Half a surrogate pair, which JSON can escape, could be asked and never be written down.
    columns = {
        whole(name): [whole(value) if type(value) is str else value for value in values]
        for name, values in table.columns.items()
    }
    return replace(table, columns=columns)


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet: by its first bytes, or by its name where it has too few.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error.strerror or error).split())})") from error
    return head == b"PAR1" or path.suffix.lower() == ".parquet"


def is_json(path: Path) -> bool:
    """Return whether a text file is JSON: if it begins so, or is named so and is no table with several columns.

    Raises
    ------
    InputError
        If it cannot be read or is no text.
    """
    if looks_like_json(path):
        return True
    if path.name.lower().removesuffix(".gz").endswith((".json", ".jsonl", ".ndjson")):
        try:
            return len(open_delimited(path).columns) == 1
        except InputError:
            return True
    return False


def _csv(path: Path) -> Table:
    found = open_delimited(path)
    records, lines = [], []
    for line, record in found.records():
        records.append(record)
        lines.append(f"line {line}")
    columns = {name: [record[i] for record in records] for i, name in enumerate(found.columns)}
    return Table(path, columns, lines, decimal_comma=found.separator != ",")


def _json(path: Path) -> Table:
    records, places = [], []
    for place, record in read_json_records(path):
        records.append(record)
        places.append(place)
    names = dict.fromkeys(name for record in records for name in record)
    return Table(path, {name: [record.get(name) for record in records] for name in names}, places)


def _parquet(path: Path) -> Table:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is not a valid Parquet file ({' '.join(str(error).split())})") from error
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Table(path, columns, [f"row {i}" for i in range(1, table.num_rows + 1)])
