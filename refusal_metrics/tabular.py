"""Read a CSV, JSONL or Parquet file into columns that know their lines."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.surrogates import whole

_LONGEST_FIELD = 1 << 30


@dataclass(frozen=True)
class Table:
    """A file's records by column, and where each record stands in the file."""

    path: Path
    columns: dict[str, list[Any]]
    places: Sequence[str]
    """Of each record, e.g. ``"line 17"``: what an error about it names."""

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> list[Any]:
        """Give one column.

        Raises
        ------
        InputError
            If the file has no such column.
        """
        if name not in self.columns:
            raise unknown_name(f"column in {self.path}:", name, self.columns)
        return self.columns[name]

    def text_column(self, name: str) -> list[str]:
        """Give one column of texts.

        Raises
        ------
        InputError
            If the file has no such column, or at the first record that holds no text.
        """
        values = self.column(name)
        for place, value in zip(self.places, values, strict=True):
            if not isinstance(value, str) or not value.strip():
                raise InputError(
                    f"{self.path}, {place}: column {name!r} must hold a text, found {value!r}; "
                    "fill it in or remove the record"
                )
        return values

    def where(self, keep: Callable[[int], bool]) -> "Table":
        """Keep the records whose position passes."""
        kept = [i for i in range(len(self)) if keep(i)]
        columns = {name: [values[i] for i in kept] for name, values in self.columns.items()}
        return Table(self.path, columns, [self.places[i] for i in kept])


def load_table(path: Path) -> Table:
    """Read a file, its form told by its ending.

    Parameters
    ----------
    path : Path
        A ``.csv`` with a header, a ``.jsonl`` with one object a line, or a ``.parquet`` file.

    Returns
    -------
    Table
        With at least one record. CSV values are text as written, nothing guessed.

    Raises
    ------
    InputError
        If the file is missing, of another form, broken (with the line) or empty.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: cannot tell the form of the file; give one ending in {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        table = readers[path.suffix.lower()](path)
    except OSError as error:
        reason = " ".join(str(error.strerror or error).split())
        raise InputError(f"{path}: cannot be read ({reason})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not len(table):
        raise InputError(f"{path}: holds no records; give a file with at least one")
    # Half a surrogate pair, which JSON can escape, could be asked and never be written down.
    columns = {
        whole(name): [whole(value) if type(value) is str else value for value in values]
        for name, values in table.columns.items()
    }
    return replace(table, columns=columns)


def _csv(path: Path) -> Table:
    # Decoded whole, so that an error knows its place in the file.
    with StringIO(path.read_bytes().decode("utf-8-sig"), newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            if not header and path.stat().st_size:
                raise InputError(f"{path}, line 1: is blank; the first line must name the columns")
            if len(set(header)) != len(header):
                raise InputError(f"{path}, line 1: two columns have the same name; rename one")
            records, places, line = [], [], reader.line_num + 1
            for record in reader:
                if record and len(record) != len(header):
                    raise InputError(
                        f"{path}, line {line}: found {len(record)} fields where the header has {len(header)}; "
                        "quote texts that contain commas"
                    )
                if record:
                    records.append(record)
                    places.append(f"line {line}")
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: is not valid CSV ({error})") from error
    columns = {name: [record[i] for record in records] for i, name in enumerate(header)}
    return Table(path, columns, places)


def _jsonl(path: Path) -> Table:
    records, places = [], []
    with StringIO(path.read_bytes().decode("utf-8-sig"), newline=None) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{path}, line {number}: is not valid JSON ({getattr(error, 'msg', error)}); mend the line"
                ) from error
            if not isinstance(record, dict):
                raise InputError(f"{path}, line {number}: must be a JSON object with named columns")
            records.append(record)
            places.append(f"line {number}")
    names = dict.fromkeys(name for record in records for name in record)
    return Table(path, {name: [record.get(name) for record in records] for name in names}, places)


def _parquet(path: Path) -> Table:
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: is not a valid Parquet file ({' '.join(str(error).split())})") from error
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Table(path, columns, [f"row {i}" for i in range(1, table.num_rows + 1)])


@contextmanager
def long_fields() -> Iterator[None]:
    """Let the csv module, which stops at 128 KiB a field, read longer ones inside a ``with`` block."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
