"""The origin of responses: input files, and how they were run.

Everything about this in a report is read here, once: of the results of runs, which `find_logs` has read
(`responses.run_results`), of the records of studies, and of the responses themselves.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .runs import Log, is_remote
from .sql import identifier
from .study_records import find_studies, mapping, read_counted
from .table import Responses

VERSIONS = ("lm_eval_version", "transformers_version", "git_hash", "task_version")
"""What identifies the software of a run: `git_hash` is of the folder in which the harness ran."""

_WEIGHTS = ("model_revision", "model_sha", "model_dtype")

SOFTWARE = ("persona-refusal", "rules", "lm_eval", "vllm", "transformers", "torch", *_WEIGHTS)
"""What a results file may name besides its task's version."""

SOFTWARE_OF_RUNS = {name: name.replace("-", "_") for name in SOFTWARE if name not in ("lm_eval", "transformers")}
"""The columns of what `persona-refusal run` notes of each shard besides."""

RUNS = ("model", "task", "date", *VERSIONS, *SOFTWARE_OF_RUNS.values(), "chat_template", "samples")
_ENGINES = ("vllm", "transformers")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)T")
_SHORT = 12
"""How many digits of a checksum are shown."""


@dataclass(frozen=True)
class Origin:
    """Where responses come from.

    Attributes
    ----------
    runs : pandas.DataFrame
        Columns: `RUNS`, one row per log. Unknown values are None.
    designs : pandas.DataFrame
        Columns: ``task, setting, design_id, models, n, texts``; without ``design_id`` if unknown.
    tables : pandas.DataFrame
        Of responses tables: ``file, bytes, sha256``.
    first, last : str or None
        Dates of the runs, as in the names of their files: ``2026-01-02``.
    studies : pandas.DataFrame
        How the models of studies were run, one row a model: ``model, revision, dtype, chat_template`` (the
        beginning of its SHA-256), ``persona_refusal, rules`` (versions of the package and of its detection rules),
        ``lm_eval, engine``, each with all versions that its shards name, ``hardware, n_prompts`` (that were
        logged), ``n_asked`` (of them, equal ones being asked once), ``prompts_per_second, tokens_per_second`` (new
        tokens; of one server, where a model has several), and of a repeat check ``n_checked, texts_changed,
        refusals_changed``, shares. Empty where no log is of a study.
    asked : pandas.DataFrame
        What studies asked, one row a task: ``task, version, design_id, n_docs, source, checksum``, the last of its
        texts. Empty where no log is of a study.
    files : tuple of Path or str
        What was read.
    notes : tuple of str
        Notes on what was left out.
    """

    runs: pd.DataFrame
    designs: pd.DataFrame
    tables: pd.DataFrame
    first: str | None
    last: str | None
    studies: pd.DataFrame = field(default_factory=pd.DataFrame)
    asked: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: tuple[Path | str, ...] = ()
    notes: tuple[str, ...] = ()


def read_origin(responses: Responses) -> Origin:
    """Find the origin of responses.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    Origin
        Results files and records that cannot be read are ignored.
    """
    logs = responses.logs
    paths = {log.path for log in logs}
    given = [Path(file) for file in responses.files if str(file) not in paths and not is_remote(str(file))]
    days = sorted({match[1] for text in _dated(responses) if (match := _DATE.search(text))})
    records = [
        (folder, record)
        for folder in find_studies(Path(log.path) for log in logs if not is_remote(log.path))
        if (record := read_counted(folder))
    ]
    return Origin(
        runs=pd.DataFrame([_of_run(log) for log in logs], columns=list(RUNS)),
        designs=_designs(responses),
        tables=pd.DataFrame([_checked(file) for file in given], columns=["file", "bytes", "sha256"]),
        first=days[0] if days else None,
        last=days[-1] if days else None,
        studies=pd.DataFrame(list(_of_studies(records, logs))),
        asked=pd.DataFrame(list(_of_tasks(records))).drop_duplicates(ignore_index=True),
        files=responses.files,
        notes=responses.notes,
    )


def read_population(responses: Responses) -> dict[str, int]:
    """Find the number of texts in the source of each task, asked or not, in the records of studies.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    dict of str to int
        By the level of ``task``; without those whose number is in no record, or differs between records.
    """
    if "design_id" not in responses.columns:
        return {}
    recorded: dict[str, set[int]] = {}
    for folder in find_studies(Path(log.path) for log in responses.logs if not is_remote(log.path)):
        record = read_counted(folder)
        designs = mapping(mapping(record.get("asked")).get("designs"))
        for name, told in mapping(record.get("tasks")).items():
            n_texts = mapping(told).get("n_texts")
            if isinstance(n_texts, int) and n_texts > 0:
                recorded.setdefault(str(designs.get(name)), set()).add(n_texts)
    found: dict[str, set[int | None]] = {}
    for task, design in responses.query("SELECT DISTINCT task, design_id FROM responses").fetchall():
        found.setdefault(str(task), set()).update(recorded.get(str(design), {None}))
    return {task: n for task, sizes in found.items() if len(sizes) == 1 and (n := next(iter(sizes))) is not None}


def _of_run(log: Log) -> dict[str, object]:
    facts = log.facts
    told = _software(log)
    return {
        "model": log.model,
        "task": log.task,
        "date": log.day,
        "lm_eval_version": told.get("lm_eval"),
        "transformers_version": told.get("transformers"),
        "git_hash": facts.git_hash,
        "task_version": facts.task_version,
        **{column: told.get(name) for name, column in SOFTWARE_OF_RUNS.items()},
        "chat_template": facts.chat_template and facts.chat_template[:_SHORT],
        "samples": facts.checksum and facts.checksum[:_SHORT],
    }


def _software(log: Log) -> dict[str, str]:
    """List the versions of software, rules and weights that the results of a run name."""
    told = {**log.facts.software, **log.facts.weights}
    return {name: told[name] for name in SOFTWARE if name in told}


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


def _dated(responses: Responses) -> Iterable[str]:
    yield from (log.date for log in responses.logs)
    if not responses.logs and "run" in responses.columns:
        yield from (name for (name,) in responses.query("SELECT DISTINCT run FROM responses").fetchall() if name)


def _designs(responses: Responses) -> pd.DataFrame:
    by = [name for name in ("task", "setting", "design_id") if name in responses.columns]
    listed = ", ".join(identifier(name) for name in by)
    return responses.query(
        f"SELECT {listed}, count(DISTINCT model) AS models, count(*) AS n, count(DISTINCT text_id) AS texts "
        f"FROM responses GROUP BY {listed} ORDER BY ALL"
    ).df()


def _of_tasks(records: Iterable[tuple[Path, Mapping[str, Any]]]) -> Iterator[dict[str, object]]:
    for _, record in records:
        designs = mapping(mapping(record.get("asked")).get("designs"))
        for task, told in mapping(record.get("tasks")).items():
            said = mapping(told)
            yield {
                "task": task,
                "version": said.get("version"),
                "design_id": designs.get(task),
                **{name: said.get(name) for name in ("n_docs", "source", "checksum")},
            }


def _of_studies(records: Iterable[tuple[Path, Mapping[str, Any]]], logs: Sequence[Log]) -> Iterator[dict[str, object]]:
    for folder, record in records:
        for model, run in mapping(record.get("runs")).items():
            # The distinct values over its shards.
            shards: list[dict[str, str]] = []
            for log in logs:
                told = _software(log) if folder / model in Path(log.path).parents else {}
                shards += [told] * (bool(told) and told not in shards)
            yield _of_model(model, run, shards)


def _of_model(model: str, run: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    # The record contains the last run.
    told = [*shards, {**{name: run.get(name) for name in _WEIGHTS}, **mapping(run.get("versions"))}]

    def each(name: str) -> str | None:
        return ", ".join(dict.fromkeys(str(of[name]) for of in told if of.get(name) not in (None, ""))) or None

    row: dict[str, object] = {
        "model": model,
        "revision": each("model_revision"),
        "dtype": each("model_dtype"),
        "chat_template": str(run.get("chat_template_sha256") or "")[:_SHORT],
        "persona_refusal": each("persona-refusal"),
        "rules": each("rules"),
        "lm_eval": each("lm_eval"),
        "engine": next((f"{name} {versions}" for name in _ENGINES if (versions := each(name))), None),
        "hardware": _hardware(mapping(run.get("hardware"))),
        "n_prompts": run.get("n_prompts"),
        "n_asked": run.get("n_asked"),
        "prompts_per_second": _rate(run, "n_prompts", 2),
        "tokens_per_second": _rate(run, "n_tokens", 1),
    }
    check = mapping(run.get("repeat_check"))
    if n := check.get("n"):
        row |= {
            "n_checked": n,
            "texts_changed": check.get("n_texts_changed", float("nan")) / n,
            "refusals_changed": check.get("n_refusals_changed", float("nan")) / n,
        }
    return row


def _hardware(hardware: Mapping[str, Any]) -> str:
    devices = hardware.get("accelerators") or [f"{hardware.get('n_cores')} cores, {hardware.get('machine')}"]
    return f"{len(devices)} x {devices[0]}" if len(devices) > 1 else str(devices[0])


def _rate(run: Mapping[str, Any], counted: str, digits: int) -> float:
    seconds = run.get("seconds") or float("nan")
    return float(round(run.get(counted, 0) / seconds, digits))
