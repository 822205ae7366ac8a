"""With what a study was run, from the record that `persona-refusal run` keeps in its folder."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from refusal_metrics.errors import InputError
from refusal_metrics.study_folder import RECORD, StudyFolder

_ENGINES = ("vllm", "transformers")
_N_DIGITS = 12
_DEPTH = 3
"""A log is so many folders below its study's, at most."""


def read_provenance(files: Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """Tabulate how the models of studies were run.

    Parameters
    ----------
    files : iterable of str or path
        Sample logs; those that no study wrote tell nothing.

    Returns
    -------
    pandas.DataFrame
        One row a model: ``model, revision, dtype, chat_template`` (the beginning of its SHA-256),
        ``lm_eval, engine, hardware, n_prompts`` (that were logged), ``n_asked`` (of them, equal ones
        being asked once), ``prompts_per_second, tokens_per_second`` (new tokens; of one server, where a model
        has several), and of a repeat check
        ``n_checked, texts_changed, refusals_changed``, shares. Empty where no log is of a study.
    """
    runs = [record.get("runs", {}) for record in _records(files)]
    return pd.DataFrame([_row(model, run) for told in runs for model, run in told.items()])


def read_tasks(files: Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """Tabulate what studies asked.

    Parameters
    ----------
    files : iterable of str or path
        As of `read_provenance`.

    Returns
    -------
    pandas.DataFrame
        One row a task of a study: ``task, version, design_id, n_docs, source, checksum``, the last of
        its texts. Empty where no log is of a study.
    """
    rows = [
        {"task": task, "version": told["version"], "design_id": record["asked"]["designs"].get(task)}
        | {name: told[name] for name in ("n_docs", "source", "checksum")}
        for record in _records(files)
        for task, told in record.get("tasks", {}).items()
    ]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def _records(files: Iterable[str | os.PathLike[str]]) -> Iterator[dict[str, Any]]:
    """Read the records of the studies that wrote some logs."""
    above = {folder for file in files for folder in Path(file).parents[:_DEPTH]}
    for folder in sorted(folder for folder in above if (folder / RECORD).is_file()):
        # A record that cannot be read tells nothing of responses that can.
        with suppress(InputError):
            yield StudyFolder(folder).record()


def _row(model: str, run: Mapping[str, Any]) -> dict[str, object]:
    versions, seconds = run.get("versions", {}), run.get("seconds") or float("nan")
    engine = next((f"{name} {versions[name]}" for name in _ENGINES if name in versions), None)
    hardware = run.get("hardware", {})
    devices = hardware.get("accelerators") or [f"{hardware.get('n_cores')} cores, {hardware.get('machine')}"]
    row: dict[str, object] = {
        "model": model,
        "revision": run.get("model_revision"),
        "dtype": run.get("model_dtype"),
        "chat_template": (run.get("chat_template_sha256") or "")[:_N_DIGITS],
        "lm_eval": versions.get("lm_eval"),
        "engine": engine,
        "hardware": f"{len(devices)} x {devices[0]}" if len(devices) > 1 else devices[0],
        "n_prompts": run.get("n_prompts"),
        "n_asked": run.get("n_asked"),
        "prompts_per_second": round(run.get("n_prompts", 0) / seconds, 2),
        "tokens_per_second": round(run.get("n_tokens", 0) / seconds, 1),
    }
    check = run.get("repeat_check")
    if check and check.get("n"):
        row |= {
            "n_checked": check["n"],
            "texts_changed": check["n_texts_changed"] / check["n"],
            "refusals_changed": check["n_refusals_changed"] / check["n"],
        }
    return row
