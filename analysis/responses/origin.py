"""Where a report's responses come from: the runs, their versions and designs, and the files' checksums."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from .provenance import SOFTWARE, software_of
from .runs import is_remote
from .table import Responses, identifier

VERSIONS = ("lm_eval_version", "transformers_version", "git_hash", "task_version")
"""What runs are told apart by: `git_hash` is of the folder in which the harness ran."""

SOFTWARE_OF_RUNS = {name: name.replace("-", "_") for name in SOFTWARE if name not in ("lm_eval", "transformers")}
"""The columns of what `persona-refusal run` notes of each shard besides."""

RUNS = ("model", "task", "date", *VERSIONS, *SOFTWARE_OF_RUNS.values(), "chat_template", "samples")
_LOG = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl(\.gz|\.zst)?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)T")
_SHORT = 12
"""How many digits of a checksum are shown."""


@dataclass(frozen=True)
class Origin:
    """Where responses come from.

    Attributes
    ----------
    runs : pandas.DataFrame
        Columns: `RUNS`, one row a log that has the harness's results beside it. What those do not say is None.
    designs : pandas.DataFrame
        Columns: ``task, setting, design_id, models, n, texts``; without ``design_id`` where nobody says.
    tables : pandas.DataFrame
        Of responses tables: ``file, bytes, sha256``.
    first, last : str or None
        Dates of the runs, as in the names of their files: ``2026-01-02``.
    """

    runs: pd.DataFrame
    designs: pd.DataFrame
    tables: pd.DataFrame
    first: str | None
    last: str | None


def read_origin(responses: Responses) -> Origin:
    """Find out where responses come from.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    Origin
        A results file that cannot be read says nothing.
    """
    logs = [Path(file) for file in responses.files if not is_remote(str(file)) and _LOG.fullmatch(Path(file).name)]
    known: dict[Path, Mapping[str, Any]] = {}
    runs = pd.DataFrame([_row(log, known) for log in logs], columns=list(RUNS))
    given = [Path(file) for file in responses.files if Path(file) not in logs and not is_remote(str(file))]
    tables = pd.DataFrame([_checked(file) for file in given], columns=["file", "bytes", "sha256"])
    days = sorted({match[1] for text in _dated(responses, logs) if (match := _DATE.search(text))})
    return Origin(runs, _designs(responses), tables, days[0] if days else None, days[-1] if days else None)


def _row(log: Path, known: dict[Path, Mapping[str, Any]]) -> dict[str, object]:
    match = _LOG.fullmatch(log.name)
    task, date = (match["task"], match["date"]) if match else ("", "")
    results = _results(log.parent, date, known)
    versions = results.get("versions")
    template = results.get("chat_template_sha")
    software = software_of(results)
    return {
        "model": _named(results.get("model_name")) or log.parent.name,
        "task": task,
        "date": date.partition("T")[0],
        **{name: _text(results.get(name)) or software.get(name.removesuffix("_version")) for name in VERSIONS[:-1]},
        **{column: software.get(name) for name, column in SOFTWARE_OF_RUNS.items()},
        "task_version": _text(versions.get(task)) if isinstance(versions, dict) else None,
        "chat_template": template[:_SHORT] if isinstance(template, str) else None,
        "samples": _text(results.get("samples_blake2b"), _SHORT),
    }


def _named(model: object) -> str | None:
    """Give a model's name; of one that was given by its path, the folder's, as the path is nobody's business."""
    text = _text(model)
    return PurePosixPath(text).name if text and text.startswith((".", "/", "~")) else text


def _results(folder: Path, date: str, known: dict[Path, Mapping[str, Any]]) -> Mapping[str, Any]:
    file = folder / f"results_{date}.json"
    if file not in known:
        try:
            read = json.loads(file.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            read = {}
        known[file] = read if isinstance(read, dict) else {}
    return known[file]


def _text(value: object, most: int = 100) -> str | None:
    return str(value)[:most] if isinstance(value, str | int | float) and value != "" else None


def _checked(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as opened:
            return {
                "file": file.name,
                "bytes": os.fstat(opened.fileno()).st_size,
                "sha256": hashlib.file_digest(opened, "sha256").hexdigest(),
            }
    except OSError:
        return {"file": file.name, "bytes": None, "sha256": None}


def _dated(responses: Responses, logs: Sequence[Path]) -> Iterable[str]:
    yield from (log.name for log in logs)
    if not logs and "run" in responses.columns:
        yield from (name for (name,) in responses.query("SELECT DISTINCT run FROM responses").fetchall() if name)


def _designs(responses: Responses) -> pd.DataFrame:
    by = [name for name in ("task", "setting", "design_id") if name in responses.columns]
    listed = ", ".join(identifier(name) for name in by)
    return responses.query(
        f"SELECT {listed}, count(DISTINCT model) AS models, count(*) AS n, count(DISTINCT text_id) AS texts "
        f"FROM responses GROUP BY {listed} ORDER BY ALL"
    ).df()
