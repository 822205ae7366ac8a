"""The results folder of a study: the shards that are complete or in progress, and the study's record.

A shard is two files of one run of the harness: ``MODEL/TASK/samples_TASK_DATE.jsonl``, as ``lm_eval --log_samples``
writes it, and ``results_DATE.json`` beside it, which holds the checksum of the first. Both are written under
other names and renamed, the samples last: a shard is there, whole, or it is not. DATE is when the study
began, with the shard's number for microseconds, so that it is the same whenever the shard is written.

Until then its answers are in ``.answers_DATE.jsonl`` beside them, see `refusal_metrics.studies.journal`.

One file is locked, a byte a shard, by whoever writes the shard; the system frees what a killed process
had locked.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from refusal_metrics.errors import InputError
from refusal_metrics.studies.counts import COUNTED, ShardCounts
from refusal_metrics.studies.disk import strict_json, unwritable
from refusal_metrics.studies.journal import Journal, describe_reply
from refusal_metrics.studies.record import RECORD, read_record

ANSWERED_BY = "answered_by"
"""Names, in the record and in a shard's results, the models that a server says it answered with."""
_MOST_NAMES = 20
_LOCKS = ".study.lock"
_WHOLE_STUDY = 0
"""The byte that is locked while the record is read and written."""
_UNFINISHED = ".unfinished"
_JOURNAL = ".answers_"


@dataclass(frozen=True)
class Shard:
    """A part of a task that is run and written at once.

    Attributes
    ----------
    model, task : str
    repeat : int
        From 1.
    number : int
        Of the shard among all of the study, from 1.
    start, stop : int
        The docs of the task.
    """

    model: str
    task: str
    repeat: int
    number: int
    start: int
    stop: int


class StudyFolder:
    """A study's results.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locks: BinaryIO | None = None
        self._counts = ShardCounts(path)

    def open(self, asked: Mapping[str, Any], tasks: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Begin a study, or resume one with the same prompts and settings.

        Parameters
        ----------
        asked : mapping
            All that answers depend on; ``models`` and ``designs`` may grow and shrink.
        tasks : mapping, optional
            What else is to be known of each task.

        Returns
        -------
        dict
            The study's record: ``began`` (a date), ``asked``, ``tasks``, and what `note` added.

        Raises
        ------
        InputError
            If the folder contains another study, or cannot be written.
        """
        asked = json.loads(json.dumps(asked))
        with self._writing(), self._locked(_WHOLE_STUDY, wait=True):
            record = self.record()
            if not record:
                self._check_empty()
                now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
                record = {"began": now.isoformat(timespec="seconds").replace(":", "-"), "asked": asked}
            else:
                self._check_same(record["asked"], asked)
                for name in ("models", "designs"):
                    record["asked"][name] |= asked[name]
            record["tasks"] = {**record.get("tasks", {}), **(tasks or {})}
            self._put(RECORD, strict_json(record, indent=2) + "\n")
            self._remove_journals()
        return record

    def record(self) -> dict[str, Any]:
        """Read the study's record, with counts that are added up from its shards; empty where there is none."""
        return read_record(self.path, self._counts)

    def note(self, model: str, what: Mapping[str, Any], answered_by: Iterable[str] = ()) -> None:
        """Record how a model was run, its counts, and the models that a server reports."""
        with self._writing(), self._locked(_WHOLE_STUDY, wait=True):
            record = self.record()
            known = record.setdefault("runs", {}).setdefault(model, {})
            known.update({**what, **self._counts.of_model(model, record["began"])})
            named = known.get(ANSWERED_BY)
            if names := list(dict.fromkeys([*(named if isinstance(named, list) else []), *answered_by])):
                known[ANSWERED_BY] = names[:_MOST_NAMES]
            self._put(RECORD, strict_json(record, indent=2) + "\n")

    def journal(self, shard: Shard, began: str, identity: str) -> Journal:
        """Open the answers of a shard that an earlier run left, and keep more; only while it is claimed.

        Parameters
        ----------
        shard : Shard
        began : str
            The study's date.
        identity : str
            All that answers depend on besides shard, prompt and arguments of generation.

        Returns
        -------
        Journal
        """
        file = self._files(shard, began)[0]
        return Journal(_journal(file, shard.task), f"{began} {shard!r} {identity}")

    def join(self, model: str, describe: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Record how a model is run, given how it was run before; nothing is recorded if that is refused."""
        with self._writing(), self._locked(_WHOLE_STUDY, wait=True):
            record = self.record()
            known = record.setdefault("runs", {}).setdefault(model, {})
            known.update(describe(known))
            self._put(RECORD, strict_json(record, indent=2) + "\n")

    def looks(self, model: str, kind: str) -> list[dict[str, Any]]:
        """Return the looks of a stopping rule at a model's responses to a kind of task, in their order."""
        found: list[dict[str, Any]] = self.record().get("looks", {}).get(model, {}).get(kind, [])
        return found

    def look(
        self, model: str, kind: str, number: int, take: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """Return a look, from 1, and whether it is new: one that has not been taken is taken and recorded.

        `take` is given the earlier looks. It may take minutes, in which other runs can write. If two runs take a look,
        the first that is recorded counts.
        """
        before = self.looks(model, kind)
        taken = dict(take(before)) if len(before) < number else {}
        with self._writing(), self._locked(_WHOLE_STUDY, wait=True):
            record = self.record()
            looks: list[dict[str, Any]] = record.setdefault("looks", {}).setdefault(model, {}).setdefault(kind, [])
            is_new = bool(taken) and len(looks) == len(before)
            if is_new:
                looks.append(taken)
                self._put(RECORD, strict_json(record, indent=2) + "\n")
            return looks[number - 1], is_new

    @contextmanager
    def claim(self, shard: Shard) -> Iterator[bool]:
        """Lock a shard; return False if another run has locked it."""
        # Bytes of a task of a model lie together, and a million is more shards than it has.
        digest = hashlib.blake2b(f"{shard.model}/{shard.task}".encode(), digest_size=5).digest()
        with self._locked(1 + int.from_bytes(digest) * 1_000_000 + shard.number, wait=False) as mine:
            yield mine

    def has(self, shard: Shard, began: str) -> bool:
        """Return whether a shard has been written and is still what was written."""
        return _is_whole(*self._files(shard, began))

    def samples(self, shard: Shard, began: str) -> Path:
        """Return the file of a shard's samples."""
        return self._files(shard, began)[0]

    def is_damaged(self, shard: Shard, began: str) -> bool:
        """Return whether a shard's samples are there and not what was written."""
        return self._files(shard, began)[0].exists() and not self.has(shard, began)

    def put(self, shard: Shard, began: str, samples: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> None:
        """Write a shard.

        Parameters
        ----------
        shard : Shard
            Claimed.
        began : str
            The study's date.
        samples : sequence of mapping
            As the harness returns them.
        results : mapping
            What its results file says.

        Raises
        ------
        InputError
            If it cannot be written; what was there is as it was.
        """
        start = time.monotonic()
        content = "".join(strict_json(_line(sample)) + "\n" for sample in samples).encode()
        checksum = hashlib.blake2b(content).hexdigest()
        names = [file.relative_to(self.path) for file in self._files(shard, began)]
        with self._writing():
            (self.path / names[0]).parent.mkdir(parents=True, exist_ok=True)
            try:
                self._write(names[0], content)
                written = {"seconds_writing": round(time.monotonic() - start, 3)}
                counted = {COUNTED: {**results[COUNTED], **written}} if COUNTED in results else {}
                self._put(
                    str(names[1]), strict_json({**results, **counted, "samples_blake2b": checksum}, indent=2) + "\n"
                )
                self._rename(names[0])
            except OSError:
                # Half a file must not fill what is left of a full disk.
                self.tidy(shard, began)
                raise

    def tidy(self, shard: Shard, began: str) -> None:
        """Remove incomplete files of a shard that a killed run left; only while it is claimed."""
        for file in self._files(shard, began):
            _unfinished(file).unlink(missing_ok=True)

    def _files(self, shard: Shard, began: str) -> tuple[Path, Path]:
        date = f"{began}.{shard.number:06}"
        folder = self.path / shard.model / shard.task
        return folder / f"samples_{shard.task}_{date}.jsonl", folder / f"results_{date}.json"

    def _remove_journals(self) -> None:
        """Remove the answers that are in logs by now: their run was killed before it could."""
        for file in self.path.glob(f"*/*/{_JOURNAL}*.jsonl"):
            task, date = file.parent.name, file.stem.removeprefix(_JOURNAL)
            samples = file.with_name(f"samples_{task}_{date}.jsonl")
            if _is_whole(samples, file.with_name(f"results_{date}.json")):
                file.unlink(missing_ok=True)

    def _put(self, name: str, text: str) -> None:
        try:
            self._write(Path(name), text.encode())
        except OSError:
            _unfinished(self.path / name).unlink(missing_ok=True)
            raise
        self._rename(Path(name))

    def _write(self, name: Path, content: bytes) -> None:
        """Write a file under another name, and see it onto the disk."""
        with _unfinished(self.path / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _rename(self, name: Path) -> None:
        _unfinished(self.path / name).replace(self.path / name)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise unwritable(self.path, error) from error

    @contextmanager
    def _locked(self, byte: int, *, wait: bool) -> Iterator[bool]:
        if self._locks is None:
            # Open until the end: to close it once would free all that this process has locked.
            self._locks = (self.path / _LOCKS).open("ab")
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, byte)

    def _check_empty(self) -> None:
        if found := sorted(file.name for file in self.path.iterdir() if not file.name.startswith(".")):
            raise InputError(f"{self.path}: contains {found[0]} and no study; name a new folder, or that of this study")

    def _check_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name in dict.fromkeys([*before, *now]):
            if name in ("models", "designs"):
                for key in before[name].keys() & now[name].keys():
                    self._check_value(f"{name}: {key}", before[name][key], now[name][key])
            else:
                self._check_value(name, before.get(name), now.get(name))

    def _check_value(self, name: str, was: object, is_now: object) -> None:
        if was == is_now:
            return
        if isinstance(was, dict) and isinstance(is_now, dict):
            for key in dict.fromkeys([*was, *is_now]):
                self._check_value(f"{name}: {key}", was.get(key), is_now.get(key))
        raise InputError(
            f"{self.path}: holds a study with {name} {was!r}, and this one has {is_now!r}; "
            "answers of both must not mix: name another folder, or change it back"
        )


def _journal(samples: Path, task: str) -> Path:
    """Name the answers beside a shard's samples; hidden, for they are no log."""
    return samples.with_name(f"{_JOURNAL}{samples.name.removeprefix(f'samples_{task}_')}")


def _is_whole(samples: Path, results: Path) -> bool:
    try:
        checksum = json.loads(results.read_text(encoding="utf-8"))["samples_blake2b"]
        with samples.open("rb") as file:
            return bool(hashlib.file_digest(file, "blake2b").hexdigest() == checksum)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _unfinished(file: Path) -> Path:
    return file.with_name(f".{file.name}{_UNFINISHED}")


def _line(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Write a sample in the form that the harness logs it in, with what its provider said of it."""
    arguments = {
        f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(request)}
        for i, request in enumerate(sample["arguments"])
    }
    reply = describe_reply(sample["resps"][0][0])
    said = {"reply": reply} if reply else {}
    return {**sample, "arguments": arguments, "target": str(sample["target"]), **said}
