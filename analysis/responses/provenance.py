"""With what a study was run, from the record that `persona-refusal run` keeps in its folder and its results files."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from refusal_metrics.errors import InputError
from refusal_metrics.studies.record import RECORD, read_record

_ENGINES = ("vllm", "transformers")
_N_DIGITS = 12
_LONGEST = 100
_LOG = "samples_"
_WEIGHTS = ("model_revision", "model_sha", "model_dtype")

SOFTWARE = ("persona-refusal", "rules", "lm_eval", "vllm", "transformers", "torch", *_WEIGHTS)
"""What a results file may name besides its task's version."""

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
        ``persona_refusal, rules`` (versions of the package and of its detection rules), ``lm_eval, engine``, each with
        all versions that its shards name, ``hardware, n_prompts`` (that were logged), ``n_asked`` (of them, equal ones
        being asked once), ``prompts_per_second, tokens_per_second`` (new tokens; of one server, where a model
        has several), and of a repeat check
        ``n_checked, texts_changed, refusals_changed``, shares. Empty where no log is of a study.
    """
    listed = list(files)
    rows = [
        _row(model, run, _of_shards(listed, folder, model))
        for folder, record in _records(listed)
        for model, run in record.get("runs", {}).items()
        if isinstance(run, dict)
    ]
    return pd.DataFrame(rows)


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
        for _, record in _records(files)
        for task, told in record.get("tasks", {}).items()
    ]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def _records(files: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read the records of the studies that wrote some logs."""
    above = {folder for file in files for folder in Path(file).parents[:_DEPTH]}
    for folder in sorted(folder for folder in above if (folder / RECORD).is_file()):
        # A record that cannot be read tells nothing of responses that can.
        with suppress(InputError):
            yield folder, read_record(folder)


def _of_shards(files: Iterable[str | os.PathLike[str]], folder: Path, model: str) -> list[dict[str, Any]]:
    """Read with what the shards of a model were asked, each different answer once."""
    found: list[dict[str, Any]] = []
    for log in map(Path, files):
        if folder / model in log.parents and log.name.startswith(_LOG):
            date = log.name.partition(".jsonl")[0].rpartition("_")[2]
            told = software_of(read_json(log.with_name(f"results_{date}.json")))
            found += [told] * (bool(told) and told not in found)
    return found


def read_json(file: Path) -> dict[str, Any]:
    """Read a file with one JSON object; empty if it cannot be read."""
    try:
        read = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def software_of(results: Mapping[str, Any]) -> dict[str, str]:
    """List the versions of software, rules and weights that a results file names.

    Parameters
    ----------
    results : mapping
        As `persona-refusal run` writes it, or the harness, whose own ``versions`` are those of tasks.

    Returns
    -------
    dict of str to str
        Some of `SOFTWARE`.
    """
    versions = results.get("versions")
    config = results.get("config")
    told: dict[str, Any] = {
        **{name: results.get(f"{name}_version") for name in ("lm_eval", "transformers")},
        **{name: config.get(name) for name in _WEIGHTS if isinstance(config, dict)},
        **{name: results.get(name) for name in _WEIGHTS if results.get(name)},
        **(versions if isinstance(versions, dict) else {}),
    }
    return {name: str(told[name])[:_LONGEST] for name in SOFTWARE if isinstance(told.get(name), str | int | float)}


def _row(model: str, run: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    seconds = run.get("seconds") or float("nan")
    # The record names what ran last.
    told = [*shards, {**{name: run.get(name) for name in _WEIGHTS}, **(run.get("versions") or {})}]

    def each(name: str) -> str | None:
        return ", ".join(dict.fromkeys(str(of[name]) for of in told if of.get(name) not in (None, ""))) or None

    engine = next((f"{name} {versions}" for name in _ENGINES if (versions := each(name))), None)
    hardware = run.get("hardware", {})
    devices = hardware.get("accelerators") or [f"{hardware.get('n_cores')} cores, {hardware.get('machine')}"]
    row: dict[str, object] = {
        "model": model,
        "revision": each("model_revision"),
        "dtype": each("model_dtype"),
        "chat_template": (run.get("chat_template_sha256") or "")[:_N_DIGITS],
        "persona_refusal": each("persona-refusal"),
        "rules": each("rules"),
        "lm_eval": each("lm_eval"),
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
