"""Read JSON records in any layout: one object a line, a list of objects, or objects written over several lines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from refusal_metrics.errors import InputError
from refusal_metrics.reading.delimited import find_encoding, open_text

_SPACE = re.compile(r"\s*")
_LOOKS = re.compile(r'\s*(?:\[\s*(?:[\[{\]"\d]|\Z)|\{\s*(?:["}]|\Z))')
_HEAD = 4096


def looks_like_json(path: Path) -> bool:
    """Return whether a text file begins as JSON records do, whatever its name.

    Raises
    ------
    InputError
        If it cannot be read or is no text.
    """
    with open_text(path, find_encoding(path)) as file:
        head = file.read(_HEAD)
    return bool(_LOOKS.match(head))


def read_json_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the objects of a JSON file, compressed with gzip or not, in UTF-8 or UTF-16.

    Parameters
    ----------
    path : Path
        JSON lines, which are read one by one; or a list, or objects over several lines, which are read whole.

    Yields
    ------
    place : str
        ``line 17``, or ``record 17`` of a list, for errors.
    record : dict

    Raises
    ------
    InputError
        If the file cannot be read, is not valid JSON, holds anything but objects, or an object with two values of
        one name.
    """
    with open_text(path, find_encoding(path)) as file:
        first, number = "", 0
        for number, first in enumerate(file, start=1):  # noqa: B007 - the first line that is not blank
            if first.strip():
                break
        if _is_whole(first):
            yield from _read_lines(path, number, first, file)
        else:
            yield from _read_whole(path, number, first + file.read())


def _is_whole(line: str) -> bool:
    """Return whether a line is a record by itself, or is none however it goes on."""
    text = line.strip()
    if text.startswith("["):
        # A list that ends on its line may hold all records.
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return not text.startswith("{")
    return True


def _read_lines(path: Path, number: int, first: str, file: TextIO) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _parse_line(path, number, first)
    for later, line in enumerate(file, start=number + 1):
        yield from _parse_line(path, later, line)


def _parse_line(path: Path, number: int, line: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not line.strip():
        return
    place = f"line {number}"
    try:
        record = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, place, error) from error
    yield place, _object(path, place, record)


def _read_whole(path: Path, number: int, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at, counted = _end_of_space(text, 0), 0
    is_list = text.startswith("[", at)
    while at < len(text):
        number, counted = number + text.count("\n", counted, at), at
        place = f"line {number}"
        try:
            record, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            where = f"line {number + text.count(chr(10), at, error.pos)}" if is_list else place
            raise _invalid(path, where, error) from error
        except (ValueError, RecursionError) as error:
            raise _invalid(path, place, error) from error
        at = _end_of_space(text, end)
        if isinstance(record, list) and is_list:
            if at < len(text):
                raise InputError(f"{path}: more follows after the list of records; give one list, or a record a line")
            for i, one in enumerate(record, start=1):
                yield f"record {i}", _object(path, f"record {i}", one)
            return
        yield place, _object(path, place, record)


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _object(path: Path, place: str, record: object) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise InputError(f"{path}, {place}: must be a JSON object with named columns")
    return record


def _invalid(path: Path, place: str, error: Exception) -> InputError:
    said = "it is nested too deeply" if isinstance(error, RecursionError) else getattr(error, "msg", error)
    return InputError(f"{path}, {place}: is not valid JSON ({said}); fix the line")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has two values of {twice[:60]!r}")
    return record
