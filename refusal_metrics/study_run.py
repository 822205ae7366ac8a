"""Running a study: each model in a process of its own, so that none takes another down or leaves memory behind."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from refusal_metrics.errors import InputError
from refusal_metrics.study_file import Study, StudyModel
from refusal_metrics.study_folder import Shard, StudyFolder

Show: TypeAlias = Callable[[StudyModel, str, Mapping[str, Any]], object]
"""Told of which model what happened, see `refusal_metrics.study.Tell`; also ``begins``."""

_LOG = "run.log"
_SECONDS_TO_STOP = 10.0
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Ended:
    """How a run ended.

    Attributes
    ----------
    written, busy, others : int
        Shards written by this run, left to other runs that were writing them, and written by others meanwhile.
    failed : dict of str to str
        Models that failed, and why.
    stopped : bool
        Whether it was interrupted.
    """

    written: int = 0
    busy: int = 0
    others: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def deal_shards(shards: Sequence[Shard], number: int, n_tasks: int) -> tuple[Shard, ...]:
    """Give one of several jobs its part: neighbours, so that each loads as few models as can be.

    Parameters
    ----------
    shards : sequence of Shard
    number : int
        From 1.
    n_tasks : int

    Returns
    -------
    tuple of Shard
    """
    ends = [round(i * len(shards) / n_tasks) for i in range(n_tasks + 1)]
    return tuple(shards[ends[number - 1] : ends[number]])


def missing_shards(study: Study, shards: Sequence[Shard], began: str) -> tuple[Shard, ...]:
    """List the shards that have not been written, or are not what was written.

    Parameters
    ----------
    study : Study
    shards : sequence of Shard
    began : str

    Returns
    -------
    tuple of Shard
    """
    folder = StudyFolder(study.out)
    return tuple(shard for shard in shards if not folder.has(shard, began))


def run_study(study: Study, shards: Sequence[Shard], began: str, show: Show) -> Ended:
    """Ask the models of a study, one after the other.

    Parameters
    ----------
    study : Study
    shards : sequence of Shard
        What is missing.
    began : str
        The study's date, from `StudyFolder.open`.
    show : callable

    Returns
    -------
    Ended
        A model that failed has stopped no other.
    """
    ended = Ended()
    for model in study.models:
        mine = [shard for shard in shards if shard.model == model.name]
        if mine and not ended.stopped:
            show(model, "begins", {"n_shards": len(mine)})
            _run_apart(study, model, _Job(mine, began), show, ended)
    return ended


def run_checks(study: Study, n_prompts: int, show: Show) -> Ended:
    """Ask each model of a study some prompts twice, see `refusal_metrics.study_check`.

    Parameters
    ----------
    study : Study
    n_prompts : int
    show : callable
        Told ``checked`` with the fields of a `refusal_metrics.study_check.RepeatCheck`.

    Returns
    -------
    Ended
    """
    ended = Ended()
    for model in study.models:
        if not ended.stopped:
            show(model, "begins", {"n_shards": 1})
            _run_apart(study, model, _Job(n_prompts=n_prompts), show, ended)
    return ended


@dataclass(frozen=True)
class _Job:
    """What the process of a model shall do: write shards, or ask some prompts twice."""

    shards: Sequence[Shard] = ()
    began: str = ""
    n_prompts: int = 0


def _run_apart(study: Study, model: StudyModel, job: _Job, show: Show, ended: Ended) -> None:
    """Run a model in a process of its own and tell of it."""
    # Spawned, because engines and DuckDB have threads, and a fork of a process with threads may never end.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(study, model, job, there), name=model.name)
    process.start()
    there.close()
    said_how = False
    while not said_how:
        try:
            event = _next_event(process, here)
            if event is None:
                break
            kind, what = event
            if kind == "failed":
                ended.failed[model.name] = what["why"]
            elif kind == "stopped":
                ended.stopped = True
            elif kind != "ended":
                ended.written += kind == "shard"
                ended.busy += kind == "busy"
                ended.others += kind == "others"
                show(model, kind, what)
            said_how = kind in ("failed", "stopped", "ended")
        except KeyboardInterrupt:
            # The process is interrupted too; it says so, and ends. Engines may keep it from that.
            if ended.stopped:
                process.kill()
            ended.stopped = True
    _let_end(process)
    if not said_how and not ended.stopped:
        log = study.out / model.name / _LOG
        ended.failed[model.name] = f"its process was ended (exit code {process.exitcode}); see the end of {log}"


def _next_event(process: BaseProcess, events: Connection) -> tuple[str, dict[str, Any]] | None:
    """Wait for what a process tells next; None where it has ended."""
    while True:
        # Looked at first: what it told before it ended is still to be read.
        is_over = process.exitcode is not None
        if events.poll(_SECONDS_BETWEEN_LOOKS):
            try:
                event: tuple[str, dict[str, Any]] = events.recv()
            except (EOFError, OSError):
                return None
            return event
        # The pipe may never end, for processes that an engine left behind hold it open.
        if is_over:
            return None


def _let_end(process: BaseProcess) -> None:
    """Wait for a process that has said how it ended, and end it where it lingers."""
    until = time.monotonic() + _SECONDS_TO_STOP
    while process.is_alive() and time.monotonic() < until:
        # Not at a stretch: what an engine left behind may hold open what tells that the process has ended.
        process.join(_SECONDS_BETWEEN_LOOKS)
    if process.is_alive():
        process.kill()
        process.join()


def _work(study: Study, model: StudyModel, job: _Job, events: Connection) -> None:
    """Run a model: what the process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = study.out / model.name / _LOG

    def tell(kind: str, what: Mapping[str, Any]) -> None:
        events.send((kind, dict(what)))

    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as file:
            # Of engines in other languages too.
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        # Imported here, so that what engines say of it is in the log.
        from refusal_metrics.study import run_model  # noqa: PLC0415
        from refusal_metrics.study_check import check_repeats  # noqa: PLC0415

        if job.n_prompts:
            tell("checked", check_repeats(study, model, job.n_prompts).as_dict())
        else:
            run_model(study, model, job.shards, job.began, tell)
        tell("ended", {})
    except KeyboardInterrupt:
        tell("stopped", {})
    except InputError as error:
        tell("failed", {"why": str(error)})
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is of this model alone
        first = (str(error).strip().splitlines() or [""])[0][:300]
        tell("failed", {"why": f"{type(error).__name__}{': ' * bool(first)}{first}; see the end of {log}"})
        # Told before: on a full disk this fails.
        traceback.print_exc()
    finally:
        _end_engines()


def _end_engines() -> None:
    """End processes that engines have started, which would outlive this one or keep it from ending."""
    engines = multiprocessing.active_children()
    for engine in engines:
        engine.terminate()
    for engine in engines:
        engine.join(_SECONDS_TO_STOP)
        if engine.is_alive():
            engine.kill()


def _end_with_parent() -> None:
    """End when the parent does, however that ends: nobody would know of this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        _end_engines()
        os._exit(1)
