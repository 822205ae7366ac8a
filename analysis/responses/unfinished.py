"""Studies and runs that did not ask all of their prompts."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from refusal_metrics.studies.record import RECORD

from .runs import is_remote
from .table import Responses

_DEPTH = 3
"""A log is at most so many folders below its study's."""
_DATED = "results_*.json"
_MOST = 12
"""So many models and tasks are listed."""


def list_unfinished(responses: Responses, results: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Say how much of each task of an unfinished study there is, and which runs had a limit.

    Parameters
    ----------
    responses : Responses
        Read from sample logs.
    results : iterable of str or path
        What was given. Of a study's models and tasks those are looked at that lie in or above it.

    Returns
    -------
    list of str
        A sentence for each model and task that lacks prompts, in the order of the study; none of a
        finished one.
    """
    paths = [Path(os.path.realpath(path)) for path in results if not is_remote(os.fspath(path))]
    logs = [Path(file) for file in responses.files if not is_remote(str(file))]
    notes: list[str] = []
    studies = _studies([*logs, *paths])
    for folder in studies:
        notes += _of_study(folder, responses, logs, paths)
    alone = [log for log in logs if not any(folder in log.parents for folder in studies)]
    return [*notes, *_limited(alone)]


def _studies(places: Sequence[Path]) -> list[Path]:
    """List the folders of studies above some logs, and those right below what was given."""
    above = {folder for place in places for folder in [place, *place.parents][: _DEPTH + 1]}
    below = {record.parent for place in places if place.is_dir() for record in place.glob(f"*/{RECORD}")}
    return sorted(below | {folder for folder in above if (folder / RECORD).is_file()})


def _of_study(folder: Path, responses: Responses, logs: Sequence[Path], paths: Sequence[Path]) -> Iterator[str]:
    record = _read(folder / RECORD)
    asked, tasks = _mapping(record, "asked"), _mapping(record, "tasks")
    models = list(_mapping(asked, "models"))
    if not models or not tasks:
        yield f"{folder / RECORD}: does not say what the study asks, so whether it is finished is not known."
        return
    repeats = asked.get("repeats")
    n_repeats = repeats if isinstance(repeats, int) and repeats > 1 else 1
    found = _count(responses, _mapping(asked, "designs")) if n_repeats == 1 else _count_repeats(logs, folder)
    lacking = []
    for model in models:
        wanted = {
            task: told["n_docs"] * n_repeats
            for task, told in tasks.items()
            if isinstance(told, dict) and isinstance(told.get("n_docs"), int)
            if any(_overlap(folder / model / task, path) for path in paths)
        }
        if len(wanted) > 1 and not any(found.get((model, task)) for task in wanted):
            lacking.append(f"{model}: 0 of {sum(wanted.values()):,} prompts of {len(wanted)} tasks")
            continue
        lacking += [
            f"{model}, {task}: {found.get((model, task), 0):,} of {n:,} prompts"
            for task, n in wanted.items()
            if found.get((model, task), 0) < n
        ]
    if lacking:
        of_repeats = f" in {n_repeats} repeats" if n_repeats > 1 else ""
        more = f"; and {len(lacking) - _MOST:,} more" if len(lacking) > _MOST else ""
        listed = "; ".join(lacking[:_MOST]) + more
        yield f"The study is unfinished{of_repeats}: {listed}. Resume it with persona-refusal run."


def _overlap(place: Path, path: Path) -> bool:
    """Tell whether one of two paths lies in the other."""
    return path == place or path in place.parents or place in path.parents


def _count(responses: Responses, designs: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Count the prompts that each model answered of each task, by the task's design."""
    if not {"design_id", "index"} <= {*responses.columns}:
        return {}
    rows = responses.query(
        'SELECT model, design_id, task, setting, count(DISTINCT "index") FROM responses GROUP BY ALL'
    ).fetchall()
    found: dict[tuple[str, str], int] = {}
    for model, design, kind, setting, n in rows:
        for task, of_task in designs.items():
            # Tasks of one design are of different kinds or settings.
            if of_task == design and _is_of(task, str(kind), str(setting)):
                found[model, task] = found.get((model, task), 0) + int(n)
    return found


def _is_of(task: str, kind: str, setting: str) -> bool:
    suffix = "" if setting == "persona" else f"_{setting.replace('-', '_')}"
    own = task.removeprefix("persona_refusal_")
    return own == f"{kind}{suffix}" or not own.startswith(kind)


def _count_repeats(logs: Iterable[Path], folder: Path) -> dict[tuple[str, str], int]:
    """Count the prompts of the shards that there are: of repeats only one answer to each prompt is read."""
    found: dict[tuple[str, str], int] = {}
    for log in logs:
        if folder not in log.parents or len(log.relative_to(folder).parts) != _DEPTH:
            continue
        model, task, name = log.relative_to(folder).parts
        results = _read(log.with_name(f"results_{name.partition(f'samples_{task}_')[2].partition('.jsonl')[0]}.json"))
        n = _mapping(_mapping(results, "n-samples"), task).get("effective")
        found[model, task] = found.get((model, task), 0) + (n if isinstance(n, int) else 0)
    return found


def _limited(logs: Iterable[Path]) -> Iterator[str]:
    """Say which runs of the harness asked the first prompts alone."""
    said = set()
    for folder in sorted({log.parent for log in logs}):
        for file in sorted(folder.glob(_DATED)):
            results = _read(file)
            if not _mapping(results, "config").get("limit"):
                continue
            for task, numbers in _mapping(results, "n-samples").items():
                sizes = numbers if isinstance(numbers, dict) else {}
                n, n_docs = sizes.get("effective"), sizes.get("original")
                known = isinstance(n, int) and isinstance(n_docs, int) and n < n_docs
                if "persona_refusal" in task and known:
                    model = results.get("model_name") or folder.name
                    said.add(f"{model}, {task}: {n:,} of {n_docs:,} prompts asked (--limit).")
    yield from sorted(said)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}  # what cannot be read says nothing of responses that can
    return read if isinstance(read, dict) else {}


def _mapping(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = told.get(key)
    return value if isinstance(value, dict) else {}
