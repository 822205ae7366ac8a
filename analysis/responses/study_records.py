"""The records of studies by `persona-refusal run`, found from the logs of the studies."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.studies import RECORD, read_record

DEPTH = 3
"""A log is so many folders below its study's, at most: STUDY/MODEL/TASK/LOG."""


def find_studies(places: Iterable[Path], *, below: bool = False) -> list[Path]:
    """List the folders of studies that some places belong to.

    Parameters
    ----------
    places : iterable of Path
        Logs, or folders of results.
    below : bool
        Whether studies right below a place count too.

    Returns
    -------
    list of Path
        Sorted.
    """
    every = list(places)
    near = {folder for place in every for folder in [place, *place.parents][: DEPTH + 1]}
    found = {folder for folder in near if (folder / RECORD).is_file()}
    if below:
        found |= {record.parent for place in every if place.is_dir() for record in place.glob(f"*/{RECORD}")}
    return sorted(found)


def read_asked(folder: Path) -> dict[str, Any]:
    """Read the record of a study as its file has it; empty if it cannot be read.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
    """
    try:
        read = json.loads((folder / RECORD).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}  # what cannot be read says nothing of responses that can
    return read if isinstance(read, dict) else {}


def read_counted(folder: Path) -> dict[str, Any]:
    """Read the record of a study with the counts of its shards; empty if it cannot be read.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        See `refusal_metrics.studies.record.read_record`.
    """
    with suppress(InputError, RecursionError):
        return read_record(folder)
    return {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value of a record if it is a mapping, else an empty one.

    Parameters
    ----------
    value : object

    Returns
    -------
    mapping
    """
    return value if isinstance(value, dict) else {}
