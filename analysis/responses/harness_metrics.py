"""Other metrics of the same models (mmlu, ifeval, ...), from the harness's aggregated results."""

import json
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any

import pandas as pd

from refusal_metrics.errors import InputError

from .model_names import name_model
from .runs import find_logs, is_remote
from .tables.files import is_table

METRICS = ("model", "metric", "value", "stderr", "higher_is_better")
"""The columns of a table of other metrics."""

_RESULTS = re.compile(r"results_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.json")
_OURS = "refusal_rate_"
"""The prefix of metrics that only this package's tasks have."""


def read_metrics(
    results: Iterable[str | os.PathLike[str]], models: Collection[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the other metrics in lm-eval's results files.

    Parameters
    ----------
    results : iterable of str or path
        Folders that were given to ``lm_eval --output_path``, or folders inside or above them, or patterns of such;
        of a file of samples, its folder. Responses tables have no other metrics and are skipped.
    models : collection of str
        The models on the board, as `refusal_metrics.analysis.responses.runs.find_logs` names them. Metrics of
        others are left out.

    Returns
    -------
    metrics : pandas.DataFrame
        One row per model and metric, the newest if it was measured more than once, in the order of metrics' names.
        Columns: ``model``; ``metric``, as ``mmlu/acc``, with the filter where there is one,
        ``gsm8k/exact_match,strict-match``; ``value`` and ``stderr`` as the harness gives them, the
        second nan where it gives none; ``higher_is_better``, None where it does not say. Of a group that has
        a number of its own its subtasks are left out.
    notes : tuple of str
        A sentence about what was left out, or measured in different ways.

    Raises
    ------
    InputError
        If a path does not exist.
    """
    paths = [os.fspath(path) for path in results]
    for path in paths:
        _refuse_metric(path)
    folders = [path for path in paths if not is_table(path)]
    far = [path for path in folders if is_remote(path)]
    notes = [f"{', '.join(far)}: other metrics are read from folders on this machine alone."] if far else []
    near = [path for path in folders if path not in far]
    files = sorted({file for path in near for file in _find(path)}, key=lambda file: (_date(file), file))
    named = _names(near)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    ways: dict[str, set[str]] = {}
    strangers = set()
    for file in files:
        run = _load(file)
        found = list(_metrics(run))
        if not found:
            continue
        model = _match(named.get((str(file.parent), _date(file))), run.get("model_name"), models)
        if model is None:
            strangers.add(name_model(str(run.get("model_name") or file.parent.name)))
            continue
        rows |= {(model, row["metric"]): {"model": model} | row for row in found}
    for row in rows.values():
        ways.setdefault(row["metric"].split("/")[0], set()).add(row.pop("way"))
    if strangers:
        notes.append(f"Left out, metrics of models that have no refusal rate here: {', '.join(sorted(strangers))}.")
    notes += [
        f"{task} was measured in different ways ({'; '.join(sorted(how))}): its numbers do not compare models."
        for task, how in sorted(ways.items())
        if len(how) > 1
    ]
    table = pd.DataFrame(list(rows.values()), columns=list(METRICS))
    return table.sort_values(["metric", "model"], ignore_index=True), tuple(notes)


def _refuse_metric(path: str) -> None:
    """Check that a path is not the name of one of this package's metrics; the error gives its current name."""
    if Path(path).exists() or not (path.startswith(("refusal_rate", "persona_spread")) and path.isidentifier()):
        return
    name = path.replace("_answer_aware", "").replace("_clustered_se", "_stderr")
    for split in ("_unforced", "_semi_forced", "_forced"):
        if name.endswith(split):
            raise InputError(
                f"{path}: is a metric and no folder, and the harness's table has it no longer; persona-refusal rates "
                "RESULTS --by response_type prints the rates of response types"
            )
    spread = name.startswith("persona_spread")
    today = "persona_spread" if spread else name
    renamed = f", and is called {today} now" if today != path else ""
    raise InputError(
        f"{path}: is a metric and no folder{renamed}; the leaderboard has it anyway (--detector chooses the "
        "rule); give a results folder"
    )


def _find(path: str) -> Iterator[Path]:
    if Path(path).exists():
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        for inside, _, names in os.walk(folder):
            yield from (Path(inside).resolve() / name for name in names if _RESULTS.fullmatch(name))
        return
    matches = glob(path, recursive=True)  # noqa: PTH207 (a Path's patterns cannot be absolute)
    if not matches:
        raise InputError(f"{path}: no such file or folder; give the folder named in lm_eval --output_path")
    for match in matches:
        yield from _find(match)


def _date(file: Path) -> str:
    match = _RESULTS.fullmatch(file.name)
    return match["date"] if match else ""


def _names(paths: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the model of each run with sample logs, by its folder and date."""
    # Results without samples have no logs, and are named from their own data.
    with suppress(InputError):
        return {(str(Path(log.path).parent), log.date): log.model for log in find_logs(paths)}
    return {}


def _match(of_run: str | None, given: object, models: Collection[str]) -> str | None:
    """Find a run's model on the board; None if it is not there."""
    name = str(given or "").rstrip("/")
    candidates = [of_run, name, name_model(name)]
    return next((candidate for candidate in candidates if candidate in models), None)


def _load(file: Path) -> dict[str, Any]:
    try:
        run = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}  # incomplete file
    return run if isinstance(run, dict) else {}


def _metrics(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """List a run's metrics, and the way each was measured."""
    of_task = {task: values for task, values in _mapping(run, "results").items() if isinstance(values, dict)}
    numbers = {task: list(_numbers(values)) for task, values in of_task.items() if not _is_ours(values)}
    groups = {name: parts for name, parts in _mapping(run, "group_subtasks").items() if isinstance(parts, list)}
    inside = {part for name, parts in groups.items() if numbers.get(name) for part in parts if isinstance(part, str)}
    for told, found in numbers.items():
        task = _own_name(told)
        # A task of a group with a number of its own, by either of its names, or one that is there by both.
        if told in inside or (task != told and (task in inside or _group_of(told, numbers) or task in numbers)):
            continue
        way = _way(run, told) or _way(run, task)
        directions = _mapping(run, "higher_is_better")
        better = _mapping(directions, told) or _mapping(directions, task)
        for name, filtered_by, value, stderr in found:
            yield {
                "metric": f"{task}/{name}" + ("" if filtered_by in {"", "none"} else f",{filtered_by}"),
                "value": value,
                "stderr": stderr,
                "higher_is_better": better[name] if isinstance(better.get(name), bool) else None,
                "way": way,
            }


def _own_name(task: str) -> str:
    """Return a task's name without its groups: since 0.5, the harness writes ``mmlu::mmlu_anatomy``."""
    return task.rpartition("::")[2]


def _group_of(task: str, numbers: Mapping[str, Sequence[object]]) -> bool:
    """Return whether one of the groups in a task's name has its own number."""
    return any(numbers.get(name) for name in task.split("::")[:-1])


def _way(run: Mapping[str, Any], task: str) -> str:
    """Describe how a task was measured, in the settings that must be equal for all models."""
    n_samples = _mapping(_mapping(run, "n-samples"), task).get("effective")
    known = {"version": _mapping(run, "versions").get(task), "shots": _mapping(run, "n-shot").get(task)}
    return ", ".join(f"{word} {value}" for word, value in (known | {"samples": n_samples}).items() if value is not None)


def _mapping(run: Mapping[str, Any], key: str) -> dict[str, Any]:
    given = run.get(key)
    return given if isinstance(given, dict) else {}


def _is_ours(values: Mapping[str, Any]) -> bool:
    return any(name.startswith(_OURS) for name in values)


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """List a task's metrics: name, filter, value, standard error."""
    for key, value in values.items():
        name, _, filtered_by = key.partition(",")
        # Entries without a comma are the number of samples, or the task's name.
        if "," in key and not name.endswith("_stderr") and not math.isnan(number := _number(value)):
            yield name, filtered_by, number, _number(values.get(f"{name}_stderr,{filtered_by}"))


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else math.nan  # type: ignore[arg-type]
