"""Read delimited text of any program: CSV with commas, semicolons, tabs or bars, in UTF-8 or UTF-16.

This is the one reader of such files. It guesses what the header shows (separator, encoding) and nothing else:
values stay text, and a record that does not have the header's width is an error with its line.
"""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, TextIO, cast

from refusal_metrics.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may separate fields, in order of preference, and its name for people."""

_LONGEST_FIELD = 1 << 30
_SAMPLE = 200
"""Records that decide between separators where the header leaves a choice."""

_GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FORMS = {
    b"PK\x03\x04": "is an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook",
    b"PAR1": "is a Parquet file",
    b"SQLi": "is an SQLite database",
    b"%PDF": "is a PDF file",
}
_SEP_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*\Z', re.IGNORECASE)
"""The first line by which Excel is told the separator."""


@dataclass(frozen=True)
class Delimited:
    r"""A delimited text file whose header has been read.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        The names in the header without surrounding spaces; ``column0``, ... for those that have none.
    unnamed : tuple of int
        The places of columns without a name, from 0.
    separator : str
    encoding : str
    first : int
        The header's line, from 1.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"
    >>> _ = path.write_bytes(b'id;text\r\n1;"a; b"\n2;c\r')
    >>> found = open_delimited(path)
    >>> found.columns, found.separator, list(found.records())
    (('id', 'text'), ';', [(2, ['1', 'a; b']), (3, ['2', 'c'])])
    """

    path: Path
    columns: tuple[str, ...]
    unnamed: tuple[int, ...]
    separator: str
    encoding: str
    first: int

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Read the records below the header.

        Blank lines are skipped, and so are records of empty fields after the last one that holds something,
        which spreadsheet programs write.

        Yields
        ------
        line : int
            On which the record begins.
        fields : list of str
            As many as `columns`.

        Raises
        ------
        InputError
            If the file is broken, or a record has another number of fields (with the line).
        """
        width, empty = len(self.columns), list[tuple[int, list[str]]]()
        with open_text(self.path, self.encoding) as file, long_fields():
            lines = _Lines(file)
            try:
                for line, fields in _parse(lines, self.separator, self.first):
                    if line == self.first or _is_blank(fields, width):
                        continue
                    if len(fields) != width:
                        raise InputError(f"{self.path}, line {line}: {self._ragged(len(fields))}")
                    if width > 1 and not any(fields):
                        empty.append((line, fields))
                        continue
                    yield from empty
                    empty.clear()
                    yield line, fields
            except csv.Error as error:
                raise InputError(f"{self.path}, line {lines.start}: {_fault(error, lines.last)}") from error

    def _ragged(self, n: int) -> str:
        name = SEPARATORS.get(self.separator, f"the separator {self.separator!r}")
        return (
            f"found {n} field{'s' * (n != 1)} where the header has {len(self.columns)}; fields are separated by "
            f"{name}: put texts that contain {name} in quotes"
        )


def open_delimited(path: Path) -> Delimited:
    """Read the header of a delimited text file, compressed with gzip or not.

    Parameters
    ----------
    path : Path
        In UTF-8 or UTF-16, its first line the names of columns, separated by one of `SEPARATORS` or by what Excel's
        ``sep=`` names in a line before it. Lines may end in any way, each in its own.

    Returns
    -------
    Delimited

    Raises
    ------
    InputError
        If the file cannot be read, is of another form, has no header, or two columns of one name.
    """
    header, separator, encoding, first = _read_header(path)
    names = [name.strip() for name in header]
    if not any(names):
        raise InputError(f"{path}, line {first}: is blank; the first line must name the columns")
    unnamed = tuple(place for place, name in enumerate(names) if not name)
    columns = tuple(name or f"column{place}" for place, name in enumerate(names))
    for place, name in enumerate(columns):
        if name in columns[:place]:
            raise InputError(f"{path}, line {first}: two columns have the same name, {name[:60]!r}; rename one")
    return Delimited(path, columns, unnamed, separator, encoding, first)


def read_names(path: Path) -> list[str]:
    """Read the names in the header as they are written, with spaces around them and repeated ones.

    Raises
    ------
    InputError
        If the file cannot be read, is of another form, or has no header.
    """
    return _read_header(path)[0]


def _read_header(path: Path) -> tuple[list[str], str, str, int]:
    """Read the fields of the header; the separator, the encoding, and the header's line."""
    encoding = find_encoding(path)
    with open_text(path, encoding) as file:
        told = _SEP_LINE.match(file.readline(20))
    first = 2 if told else 1
    separator = told[1] if told else _guess_separator(path, encoding)
    try:
        with open_text(path, encoding) as file, long_fields():
            header = next((fields for _, fields in _parse(_Lines(file), separator, first)), None)
    except csv.Error as error:
        raise InputError(f"{path}, line {first}: {_fault(error, '')}") from error
    if header is None:
        raise InputError(
            f"{path}: contains no records; give a file with at least one, the columns named in its first line"
        )
    return header, separator, encoding, first


def find_encoding(path: Path) -> str:
    """Detect a text file's encoding from its first bytes: UTF-8, UTF-16 or UTF-32.

    Raises
    ------
    InputError
        If the file cannot be read or is no text.
    """
    with _readable(path), open_bytes(path) as file:
        head = file.read(4)
    for mark, form in _OTHER_FORMS.items():
        if head.startswith(mark):
            raise InputError(f"{path}: {form} and no text; save it as CSV UTF-8 and give that")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark: a name of letters has a zero in each pair of bytes, which UTF-8 has nowhere.
    if len(head) >= 2 and not all(head[:2]) and any(head[:2]):
        return "utf-16-le" if head[0] else "utf-16-be"
    return "utf-8-sig"


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file of bytes, decompressed if it is compressed with gzip."""
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
    return cast("IO[bytes]", gzip.open(path)) if compressed else path.open("rb")


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a text file with its line ends as they are; what is not in its encoding is an error with its line.

    Raises
    ------
    InputError
        If the file cannot be read or decoded, inside the ``with`` block too.
    """
    if encoding == "utf-32":
        raise InputError(f"{path}: is UTF-32; save it as UTF-8")
    with _readable(path), open_bytes(path) as raw, TextIOWrapper(raw, encoding=encoding, newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise InputError(_undecodable(path, encoding)) from error


@contextmanager
def long_fields() -> Iterator[None]:
    """Raise the field size limit of the csv module (128 KiB) inside a ``with`` block."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Lines:
    """The lines of a file, as the csv module asks for them, and where the record that it reads began."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.n, self.start, self.last = 0, 1, ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.last = next(self._file)
        self.n += 1
        return self.last


def _parse(lines: _Lines, separator: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Parse records from line `first` on; csv.Error if quotes are broken."""
    for _ in range(first - 1):
        next(lines, None)
    lines.start = lines.n + 1
    for fields in csv.reader(lines, strict=True, delimiter=separator):
        yield lines.start, fields
        lines.start = lines.n + 1


def _is_blank(fields: list[str], width: int) -> bool:
    return not fields or (width > 1 and len(fields) == 1 and not fields[0].strip())


def _guess_separator(path: Path, encoding: str) -> str:
    """Choose the separator by which the header, and the first records, are of one width of more than 1."""
    found: dict[str, tuple[int, int]] = {}
    for separator in SEPARATORS:
        with open_text(path, encoding) as file, long_fields():
            try:
                records = _parse(_Lines(file), separator, 1)
                width = len(next((fields for _, fields in records), []))
            except csv.Error:
                continue
            if width < 2:
                continue
            n_wrong = 0
            try:
                n_wrong += sum(
                    len(fields) != width for _, fields in islice(records, _SAMPLE) if not _is_blank(fields, width)
                )
            except csv.Error:
                n_wrong += _SAMPLE
            found[separator] = n_wrong, -width
    # min gives the first of equals, so that the order of SEPARATORS decides.
    return min(found, key=found.__getitem__, default=",")


def _fault(error: csv.Error, line: str) -> str:
    if '\\"' in line:
        return 'quotes inside a text are escaped with backslashes; write each of them twice instead ("")'
    return f"is not valid CSV ({error}); fix the line"


def _undecodable(path: Path, encoding: str) -> str:
    """Report where a file is not in its encoding."""
    if encoding != "utf-8-sig":
        return f"{path}: is not valid {encoding[:6].upper()}; save it as UTF-8"
    place = 0
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return (
                    f"{path}, line {number}: is not UTF-8 at byte {place + error.start} of the file (0x{byte:02X}); "
                    "save it as UTF-8"
                )
            place += len(line)
    return f"{path}: is not UTF-8; save it as UTF-8"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise what keeps a file from being read as one sentence."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        said = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise InputError(f"{path}: cannot be read ({said}); check the file, or copy it again") from error
