"""The runs of the harness under a results folder: their sample logs, models and settings."""

import gzip
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from refusal_metrics.errors import InputError
from refusal_metrics.model_args import MACHINERY, SECRET

_LOG = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl(\.gz|\.zst)?")
_REMOTE = re.compile(r"[a-z][a-z0-9+]+://")
_NAMES_OF_MODELS = frozenset({"pretrained", "model", "tokenizer", "gguf_file", "path", "base_url", "engine"})
"""What tells models apart already and is no setting."""
_HEAD = 1 << 20
"""How many bytes of a log's first line tell whose it is."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


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
        As the results of the run say, else as its folder is called.
    settings : mapping of str to str
        What the run was asked with besides its docs: arguments of the model and of generation,
        the system prompt.
    """

    path: str
    date: str
    model: str
    settings: Mapping[str, str] = field(default_factory=dict)

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
            f"{', '.join(given_paths)}: holds no samples_TASK_DATE.jsonl files; run lm_eval with --log_samples "
            "and --output_path"
        )
    runs = _Runs()
    given = {path: _given_model(path, runs) for path in found}
    models = _short_names(given)
    logs = [Log(path, _date(path), models[path], _settings(path, runs)) for path in found]
    return sorted(logs, key=lambda log: (log.date, log.path))


def differing_settings(logs: Sequence[Log]) -> tuple[str, ...]:
    """List the settings that some of these logs have otherwise than others, as far as is known."""
    known = [log.settings for log in logs if log.settings]
    names = dict.fromkeys(name for settings in known for name in settings)
    return tuple(name for name in names if len({settings.get(name) for settings in known}) > 1)


def is_log(path: str | os.PathLike[str]) -> bool:
    """Tell a sample log by its name."""
    return bool(_LOG.fullmatch(_parts(os.fspath(path))[1]))


def may_be_ours(log: Log) -> bool:
    """Look whether a log's first line is one of ours, so that gigabytes of other tasks are not read."""
    if is_remote(log.path) or log.path.endswith(".zst"):
        return True
    try:
        with gzip.open(log.path) if log.path.endswith(".gz") else Path(log.path).open("rb") as file:
            head = file.readline(_HEAD)
    except (OSError, EOFError, zlib.error):
        return True  # what is wrong is said when it is read
    return b'"design_id"' in head or not head.endswith(b"\n")


def ends_well(log: Log) -> bool:
    """Look whether a log is known to end with a complete line."""
    if is_remote(log.path) or log.path.endswith((".gz", ".zst")):
        return False
    try:
        with Path(log.path).open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:
        return False  # what is wrong is said when it is read


def is_remote(path: str) -> bool:
    """Tell an address from a path."""
    return bool(_REMOTE.match(path))


def reason(error: Exception) -> str:
    """Give what DuckDB or the system says on one line, without the query that DuckDB quotes."""
    return " ".join((getattr(error, "strerror", None) or str(error)).split("LINE 1:")[0].split())


def _parts(path: str) -> tuple[str, str]:
    """Split a path or address into folder and name; pathlib would take an address's slashes together."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _find(path: str) -> Iterable[str]:
    if Path(path).is_dir():
        yield from _walk(path)
    elif Path(path).is_file() and is_log(path):
        yield path
    elif Path(path).exists():
        raise InputError(f"{path}: is no folder and no samples_TASK_DATE.jsonl file; give what lm_eval wrote")
    else:
        matches = glob(path, recursive=True)  # noqa: PTH207 (a Path's patterns cannot be absolute)
        if not matches:
            raise InputError(f"{path}: no such file or folder; give the folder named in lm_eval --output_path")
        for match in matches:
            if Path(match).is_dir() or is_log(match):
                yield from _find(match)


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


class _Runs:
    """The results files of runs, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], dict[str, Any]] = {}

    def of(self, path: str) -> dict[str, Any]:
        """Read the results of a log's run; empty where there are none."""
        key = (_parts(path)[0], _date(path))
        if key not in self._read:
            self._read[key] = self._find(*key)
        return self._read[key]

    @staticmethod
    def _find(folder: str, date: str) -> dict[str, Any]:
        for text in _far_texts(folder, date) if _REMOTE.match(folder) else _near_texts(folder, date):
            try:
                run = json.loads(text)
            except ValueError:
                continue  # half-written: what it would have said is not known
            if isinstance(run, dict):
                return run
        return {}


def _far_texts(folder: str, date: str) -> list[str]:
    try:
        rows = duckdb.connect().execute("SELECT content FROM read_text($1)", [f"{folder}/*_{date}.json"]).fetchall()
    except duckdb.Error:
        return []  # the logs may be readable where the results are not
    return [text for (text,) in rows]


def _near_texts(folder: str, date: str) -> Iterable[str]:
    for path in sorted(Path(folder).iterdir()):
        if path.name.endswith(f"_{date}.json"):
            with suppress(OSError):
                yield path.read_text(encoding="utf-8", errors="replace")


def _given_model(path: str, runs: _Runs) -> str:
    name = runs.of(path).get("model_name")
    if not (isinstance(name, str) and name):
        return _parts(_parts(path)[0])[1]
    return name.rstrip("/") or name


def _short_names(given: Mapping[str, str]) -> dict[str, str]:
    """Let a model that was given by the path of a folder go by the folder's name, unless two do."""
    short = {name: PurePosixPath(name).name if _is_path(name) else name for name in set(given.values())}
    n_alike = Counter(short.values())
    return {path: short[name] if short[name] and n_alike[short[name]] == 1 else name for path, name in given.items()}


def _is_path(model: str) -> bool:
    """Tell the path of a folder from ORGANISATION/NAME."""
    return model.startswith((".", "/", "~")) or model.count("/") > 1


def _settings(path: str, runs: _Runs) -> dict[str, str]:
    """Give what a run's answers depend on besides its docs, flat."""
    run = runs.of(path)
    match = _LOG.fullmatch(_parts(path)[1])
    config = _mapping(run.get("config"))
    task = _mapping(_mapping(run.get("configs")).get(match["task"] if match else ""))
    settings = _arguments(config.get("model_args"))
    # The task's own arguments, then the command line's, which most versions have merged into them.
    for given in (task.get("generation_kwargs"), config.get("gen_kwargs")):
        settings |= {name: _plain(value) for name, value in _arguments(given).items()}
    named = {"system_prompt": run.get("system_instruction"), "chat_template": run.get("chat_template_sha")}
    # What `persona-refusal run` adds to the harness's results.
    named |= {name: run[name] for name in ("repeat", "placement") if isinstance(run.get(name), str | int)}
    settings |= {name: str(value) for name, value in named.items() if value}
    left_out = _NAMES_OF_MODELS | MACHINERY
    return {name: value for name, value in settings.items() if name not in left_out and not SECRET.search(name)}


def _mapping(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _arguments(given: object) -> dict[str, str]:
    """Read arguments that are logged as a mapping or as ``a=1,b=2``."""
    if isinstance(given, str):
        parts = (part.strip().split("=", 1) for part in given.split(",") if "=" in part)
        return {part[0].strip(): part[1].strip() for part in parts}
    return {str(name): str(value) for name, value in _mapping(given).items() if isinstance(value, str | int | float)}


def _plain(value: str) -> str:
    """Write a value one way: 0.0 and 0 are one temperature, True and true one choice."""
    if _NUMBER.fullmatch(value):
        return f"{float(value):.15g}"
    return value.capitalize() if value.lower() in {"true", "false", "none"} else value
