"""The runs of the harness under a results folder: their sample logs, models and settings."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import duckdb

from refusal_metrics.errors import InputError

from ..files import reason
from .model_names import name_models
from .run_results import Facts, ResultsFiles, settings_in_effect

_STAMP = r"\d{4}-\d\d-\d\dT[\d.-]+"
_LOG = re.compile(rf"samples_(?P<task>.+)_(?P<date>{_STAMP})\.jsonl?(\.gz|\.zst)?")
_DATED = re.compile(rf"(?P<stem>.+)_(?P<date>{_STAMP})\.json")
_REMOTE = re.compile(r"[a-z][a-z0-9+]+://")

DATE = "date"
"""The run factor of the day on which a run was written, YYYY-MM-DD."""


@dataclass(frozen=True)
class Log:
    """One file of samples.

    Attributes
    ----------
    path : str
        Of a file, or its address on a remote store.
    date : str
        When its run was written, as in the file's name.
    model : str
        What it is called, see `name_models`: as the results of the run say, else as its folder is called.
    settings : mapping of str to str
        What the run was asked with besides its docs, as it took effect: arguments of the model and of
        generation, the system prompt.
    facts : Facts
        What its results file says.
    """

    path: str
    date: str
    model: str
    settings: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    @property
    def task(self) -> str:
        """The task, as the file's name says; of ``group::task`` names the last part."""
        return _task(self.path).rpartition("::")[2]

    @property
    def day(self) -> str:
        """The day on which its run was written, YYYY-MM-DD."""
        return self.date.partition("T")[0]

    @property
    def run(self) -> str:
        """The run's name: its folder and date."""
        return f"{_parts(self.path)[0].rpartition('/')[2]}/{self.date}"


def find_logs(results: Iterable[str | os.PathLike[str]]) -> list[Log]:
    """List the sample logs in results folders, oldest run first.

    Parameters
    ----------
    results : iterable of str or path
        Folders, ``samples_*.jsonl`` files (``.gz`` and ``.zst`` too), patterns of either, or
        addresses such as ``s3://bucket/results`` and ``hf://datasets/NAME/results``, which DuckDB
        reads where it can.

    Returns
    -------
    list of Log

    Raises
    ------
    InputError
        If a path does not exist or is no such file, or if there are no logs.
    """
    given_paths = [os.fspath(path) for path in results]
    remote = [path for path in given_paths if _REMOTE.match(path)]
    local = {log for path in given_paths if path not in remote for log in _find(path)}
    # A folder may have been given twice, or together with one above it.
    far = {log for path in remote for log in _find_remote(path)}
    found = sorted({path if _REMOTE.match(path) else os.path.realpath(path) for path in local | far})
    if not found:
        raise InputError(
            f"{', '.join(given_paths)}: contains no samples_TASK_DATE.jsonl files; run lm_eval with --log_samples "
            "and --output_path"
        )
    files = ResultsFiles()
    facts = {path: files.of(_parts(path)[0], _date(path), _task(path)) for path in found}
    given_models = {path: _given_model(path, facts[path]) for path in found}
    names = name_models(given_models.values())
    logs = [
        Log(path, _date(path), names[given_models[path]], settings_in_effect(facts[path], None), facts[path])
        for path in found
    ]
    return sorted(logs, key=lambda log: (log.date, log.path))


def differing_settings(logs: Sequence[Log]) -> tuple[str, ...]:
    """List the settings that some of these logs have otherwise than others, as far as is known."""
    known = [log.settings for log in logs if log.settings]
    names = dict.fromkeys(name for settings in known for name in settings)
    return tuple(name for name in names if len({settings.get(name) for settings in known}) > 1)


def is_log(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a sample log, by its name."""
    return bool(_LOG.fullmatch(_parts(os.fspath(path))[1]))


def is_results_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a results file of the harness or the record of a study, by its name."""
    name = _parts(os.fspath(path))[1]
    return bool(_DATED.fullmatch(name)) or name == "study.json"


def is_remote(path: str) -> bool:
    """Return whether a path is an address."""
    return bool(_REMOTE.match(path))


def _parts(path: str) -> tuple[str, str]:
    """Split a path or address into folder and name; pathlib would take an address's slashes together."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _find(path: str) -> Iterable[str]:
    if Path(path).is_dir():
        yield from _walk(path)
    elif Path(path).is_file() and is_log(path):
        yield path
    elif path.endswith(".json") and (beside := _beside(Path(path))):
        yield from beside
    elif Path(path).exists():
        raise InputError(
            f"{path}: is no folder and no samples_TASK_DATE.jsonl file; give a folder that lm_eval wrote, or a "
            "responses table "
            "(.parquet, .csv, .tsv, .json or .jsonl)"
        )
    else:
        matches = glob(path, recursive=True)  # noqa: PTH207 (a Path's patterns cannot be absolute)
        if not matches:
            raise InputError(f"{path}: no such file or folder; give the folder named in lm_eval --output_path")
        for match in matches:
            if Path(match).is_dir() or is_log(match):
                yield from _find(match)


def _beside(path: Path) -> list[str]:
    """List the logs of runs with ``--output_path NAME.json``, given that name or that of a results file.

    The harness writes ``NAME_DATE.json`` and puts the samples of that date into the same folder.
    """
    folder = path.parent
    if not folder.is_dir():
        return []
    names = sorted(file.name for file in folder.iterdir())
    dated = [match for name in names if (match := _DATED.fullmatch(name)) and not is_log(name)]
    if path.is_file():
        dates = {match["date"] for match in dated if match.string == path.name}
    else:
        dates = {match["date"] for match in dated if match["stem"] == path.stem}
    return [f"{folder}/{name}" for name in names if is_log(name) and _date(name) in dates]


def _walk(path: str) -> Iterable[str]:
    seen = set()
    for folder, inside, names in os.walk(path, followlinks=True):
        # A link to a folder above would lead round and round.
        if os.path.realpath(folder) in seen:
            inside.clear()
            continue
        seen.add(os.path.realpath(folder))
        yield from (f"{folder}/{name}" for name in names if is_log(name))


def _find_remote(path: str) -> list[str]:
    pattern = path if path.endswith((".jsonl", ".gz", ".zst")) else f"{path.rstrip('/')}/**"
    try:
        found = duckdb.connect().execute("SELECT file FROM glob($1) ORDER BY ALL", [pattern]).fetchall()
    except duckdb.Error as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); copy it to a folder here and give that") from error
    return [file for (file,) in found if is_log(file)]


def _date(path: str) -> str:
    match = _LOG.fullmatch(_parts(path)[1])
    return match["date"] if match else ""


def _task(path: str) -> str:
    match = _LOG.fullmatch(_parts(path)[1])
    return match["task"] if match else ""


def _given_model(path: str, facts: Facts) -> str:
    if facts.model:
        return facts.model
    folder, _ = _parts(path)
    above, name = _parts(folder)
    # A study's folders are MODEL/TASK.
    return (_parts(above)[1] or name) if name == _task(path) else name
