"""Studies and runs with missing prompts."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from refusal_metrics.studies import RECORD

from .runs import Log, is_remote
from .study_records import DEPTH, find_studies, mapping, read_asked
from .table import Responses

_MOST = 12
"""The largest number of listed models and tasks."""


def list_unfinished(responses: Responses, results: Iterable[str | os.PathLike[str]]) -> list[str]:
    """List the progress of unfinished studies by task, and the runs with a limit, in sentences.

    Parameters
    ----------
    responses : Responses
        Read from sample logs.
    results : iterable of str or path
        The given paths. Only a study's models and tasks in or above them are checked.

    Returns
    -------
    list of str
        A sentence for each model and task that lacks prompts, in the order of the study; none of a
        finished one.
    """
    paths = [Path(os.path.realpath(path)) for path in results if not is_remote(os.fspath(path))]
    places = {Path(log.path): log for log in responses.logs if not is_remote(log.path)}
    notes: list[str] = []
    studies = find_studies([*places, *paths], below=True)
    for folder in studies:
        notes += _of_study(folder, responses, places, paths)
    of_studies = {log.path for place, log in places.items() if any(folder in place.parents for folder in studies)}
    return [*notes, *_limited(log for log in responses.logs if log.path not in of_studies)]


def _of_study(folder: Path, responses: Responses, places: Mapping[Path, Log], paths: Sequence[Path]) -> Iterator[str]:
    record = read_asked(folder)
    asked, tasks = mapping(record.get("asked")), mapping(record.get("tasks"))
    models = list(mapping(asked.get("models")))
    if not models or not tasks:
        yield f"{folder / RECORD}: does not list the prompts of the study, so whether it is finished is unknown."
        return
    repeats = asked.get("repeats")
    n_repeats = repeats if isinstance(repeats, int) and repeats > 1 else 1
    found = _count(responses, mapping(asked.get("designs"))) if n_repeats == 1 else _count_repeats(places, folder)
    lacking = []
    for model in models:
        planned = {
            task: told["n_docs"]
            for task, told in tasks.items()
            if isinstance(told, dict) and isinstance(told.get("n_docs"), int)
            if any(_overlap(folder / model / task, path) for path in paths)
        }
        stopped = _stopped_at(mapping(mapping(record.get("looks")).get(model)))
        wanted = {task: stopped.get(task, n) * n_repeats for task, n in planned.items()}
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


def _stopped_at(looks: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of prompts of each task of a model at which a stopping rule ended it."""
    ends: dict[str, int] = {}
    for of_kind in looks.values():
        last = mapping(of_kind[-1]) if isinstance(of_kind, list) and of_kind else {}
        if last.get("stops") is True:
            ends |= {task: n for task, n in mapping(last.get("n_docs")).items() if isinstance(n, int)}
    return ends


def _overlap(place: Path, path: Path) -> bool:
    """Return whether one of two paths is in the other."""
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
    # Prompts of a contrast task are of two settings.
    return own in (f"{kind}{suffix}", f"{kind}_contrast") or not own.startswith(kind)


def _count_repeats(places: Mapping[Path, Log], folder: Path) -> dict[tuple[str, str], int]:
    """Count the prompts of the existing shards: with repeats, only one answer to each prompt is read."""
    found: dict[tuple[str, str], int] = {}
    for place, log in places.items():
        if folder in place.parents and len(place.relative_to(folder).parts) == DEPTH:
            model, task, _ = place.relative_to(folder).parts
            found[model, task] = found.get((model, task), 0) + (log.facts.n_asked or 0)
    return found


def _limited(logs: Iterable[Log]) -> Iterator[str]:
    """List in sentences which runs of the harness asked only the first prompts."""
    said = set()
    for log in logs:
        n, n_docs = log.facts.n_asked, log.facts.n_docs
        if log.facts.limited and n is not None and n_docs is not None and n < n_docs:
            said.add(f"{log.model}, {log.task}: {n:,} of {n_docs:,} prompts asked (--limit).")
    yield from sorted(said)
