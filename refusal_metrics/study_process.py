"""The process that asks a model: what it does, and what the run that began it hears of it."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.study_file import Study, StudyModel
from refusal_metrics.study_folder import Shard

LOG = "run.log"
"""What engines say while a model is asked, in its folder."""
_LAST = ("failed", "stopped", "ended")
"""What a process tells of how it ended."""
_SECONDS_TO_STOP = 10.0
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Job:
    """What the process of a model shall do: write shards, or ask some prompts twice.

    Attributes
    ----------
    shards : sequence of Shard
    began : str
        The study's date.
    is_shared : bool
        Whether processes beside it have the same shards to write.
    n_prompts : int
        To be asked twice.
    """

    shards: Sequence[Shard] = ()
    began: str = ""
    is_shared: bool = False
    n_prompts: int = 0


class ModelProcess:
    """A process that asks a model.

    Parameters
    ----------
    study : Study
    model : StudyModel
    job : Job

    Attributes
    ----------
    is_over : bool
        Whether all that it told has been heard.
    was_stopped : bool
        Whether it said that it was interrupted.
    has_vanished : bool
        Whether it ended without a word.
    why : str
        Why it failed, where it said so.
    """

    def __init__(self, study: Study, model: StudyModel, job: Job) -> None:
        # Spawned, because engines and DuckDB have threads, and a fork of a process with threads may never end.
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(study, model, job, there), name=model.name)
        self._process.start()
        there.close()
        self.is_over = self.was_stopped = self.has_vanished = False
        self.why = ""

    @property
    def exit_code(self) -> int | None:
        """Give how it ended, where it has."""
        return self._process.exitcode

    def next_event(self, n_talking: int = 1) -> tuple[str, dict[str, Any]] | None:
        """Wait a moment for what it tells next, see `refusal_metrics.study.Tell`.

        Parameters
        ----------
        n_talking : int
            How many processes are heard in turn.

        Returns
        -------
        tuple of str and dict, or None
            What happened, and its numbers; None where it told nothing, or how it ended.
        """
        # Looked at first: what it told before it ended is still to be read.
        has_ended = self._process.exitcode is not None
        try:
            if self._here.poll(_SECONDS_BETWEEN_LOOKS / n_talking):
                kind, what = self._here.recv()
                if kind not in _LAST:
                    return kind, what
                self.is_over, self.was_stopped, self.why = True, kind == "stopped", what.get("why", "")
                return None
        except (EOFError, OSError):
            has_ended = True
        # The pipe may never end, for processes that an engine left behind hold it open.
        self.is_over = self.has_vanished = has_ended
        return None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def let_end(self) -> None:
        """Wait until it has ended, and end it where it lingers."""
        until = time.monotonic() + _SECONDS_TO_STOP
        while self._process.is_alive() and time.monotonic() < until:
            # Not at a stretch: what an engine left behind may hold open what tells that the process has ended.
            self._process.join(_SECONDS_BETWEEN_LOOKS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(study: Study, model: StudyModel, job: Job, events: Connection) -> None:
    """Run a model: what the process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = study.out / model.name / LOG

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
            run_model(study, model, job.shards, job.began, tell, is_shared=job.is_shared)
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
