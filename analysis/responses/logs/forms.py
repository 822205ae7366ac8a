"""The forms in which sample logs are kept, each made a plain local file of UTF-8 lines."""

import codecs
import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from refusal_metrics.errors import InputError

from ...files import reason
from ..runs import Log, is_remote

_HEAD = 1 << 20
"""How many bytes of a log tell whose it is."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Marks at the beginning of texts in encodings that are not UTF-8; the longer ones first."""

_ERRORS = (OSError, EOFError, zlib.error, pa.ArrowException, duckdb.Error)


@dataclass(frozen=True)
class Plain:
    """A log as a local file of UTF-8 text.

    Attributes
    ----------
    path : Path
    record : mapping
        Its first record; empty if that cannot be read.
    ends_well : bool
        Whether it ends with a complete line.
    """

    path: Path
    record: dict[str, Any]
    ends_well: bool


def make_plain(log: Log, folder: Path, number: int) -> Plain | None:
    """Convert a log to a plain file.

    Parameters
    ----------
    log : Log
    folder : Path
        For what has to be written.
    number : int
        The number of the log, for a distinct name.

    Returns
    -------
    Plain or None
        None if it has no line of one of our tasks.

    Raises
    ------
    InputError
        If the log cannot be read.
    """
    try:
        packed = _fetch(log.path, folder / f"{number}.fetched") if is_remote(log.path) else Path(log.path)
        with _opened(packed) as file:
            head = file.read(_HEAD)
        encoding = _encoding(head)
        text = head.decode(encoding, errors="replace") if encoding else head.decode("utf-8", errors="replace")
        # A file named like one of ours is looked through, whatever its first line is.
        if not (log.task.startswith("persona_refusal") or _may_be_ours(text, is_whole=len(head) < _HEAD)):
            return None
        path = packed
        if encoding or _packing(packed):
            path = folder / f"{number}.jsonl"
            with _opened(packed) as file, path.open("wb") as out:
                _copy(file, out, encoding)
        return Plain(path, first_record(text), _ends_well(path))
    except _ERRORS as error:
        raise InputError(
            f"{log.path}: cannot be read as sample logs ({reason(error)}); restore it, or leave it out"
        ) from error


def first_record(text: str) -> dict[str, Any]:
    """Read the first JSON object of a text; empty if there is none."""
    start = text.find("{")
    try:
        record, _ = json.JSONDecoder().raw_decode(text, start) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _may_be_ours(text: str, *, is_whole: bool) -> bool:
    """Look whether a log begins with a line of ours, so that gigabytes of other tasks are not read."""
    line, end, rest = text.partition("\n")
    if '"design_id"' in line or (not end and not is_whole):
        return True
    # A first line that is another task's tells whose all are; one that is damaged tells nothing.
    return (not _is_record(line) or not end) and ('"design_id"' in rest or not _is_record(line))


def _is_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line.removeprefix("\ufeff")), dict)
    except (ValueError, RecursionError):
        return False


def _encoding(head: bytes) -> str | None:
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return name
    if head[:1] == b"{" and head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:2] == b"\0{" else None


def _fetch(address: str, path: Path) -> Path:
    """Copy a file from a remote store."""
    rows = duckdb.connect().execute("SELECT content FROM read_blob($1)", [address]).fetchall()
    path.write_bytes(rows[0][0])
    return path


def _packing(path: Path) -> bytes | None:
    """Detect a file's compression from its first bytes."""
    with path.open("rb") as file:
        head = file.read(4)
    return next((mark for mark in (_GZIP, _ZSTD) if head.startswith(mark)), None)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    packing = _packing(path)
    if packing == _ZSTD:
        with pa.CompressedInputStream(str(path), "zstd") as stream:
            yield stream
    elif packing == _GZIP:
        with gzip.open(path) as stream:
            yield stream  # type: ignore[misc]
    else:
        with path.open("rb") as stream:
            yield stream


def _copy(file: BinaryIO, out: BinaryIO, encoding: str | None) -> None:
    if encoding is None:
        shutil.copyfileobj(file, out, 1 << 20)
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while block := file.read(1 << 20):
        out.write(decoder.decode(block).encode("utf-8"))
    out.write(decoder.decode(b"", final=True).encode("utf-8"))


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
