"""The record of a study: what it asks, and how its models were run."""

import json
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.studies.counts import ShardCounts

RECORD = "study.json"
"""The name of the record's file."""


def read_record(folder: Path, counts: ShardCounts | None = None) -> dict[str, Any]:
    """Read the record of a study.

    Parameters
    ----------
    folder : Path
        The study's results.
    counts : ShardCounts, optional
        Of this folder, which remembers what it has read.

    Returns
    -------
    dict
        ``began`` (a date), ``asked``, ``tasks`` and ``runs``, these with counts that are added up from the shards;
        empty if the folder has no record.

    Raises
    ------
    InputError
        If there is one that cannot be read.
    """
    file = folder / RECORD
    counts = counts or ShardCounts(folder)
    try:
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); restore it, or name another folder") from error
    if not isinstance(record, dict) or not {"began", "asked"} <= record.keys():
        raise InputError(f"{file}: is no record of a study; restore it, or name another folder")
    runs = record.get("runs")
    for model, known in runs.items() if isinstance(runs, dict) else ():
        if not isinstance(known, dict):
            raise InputError(f"{file}: runs: {model} is no record of a model; restore it, or name another folder")
        known.update(counts.of_model(model, record["began"]))
    return record
