"""The process that asks a model: what it does, and what the run that began it hears of it."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.studies.folder import Shard
from refusal_metrics.studies.output import OutputLog
from refusal_metrics.studies.secrets import redactor_of
from refusal_metrics.studies.signals import ENDING
from refusal_metrics.studies.spec import Study, StudyModel
from refusal_metrics.studies.stages import Stage

LOG = "run.log"
"""What engines say while a model is asked, in its folder."""
_LAST = ("failed", "stopped", "ended")
"""What a process tells of how it ended."""
_SECONDS_TO_STOP = 10.0
_SECONDS_BETWEEN_LOOKS = 1.0
_LONGEST_REASON = 400
_INSTALL = (
    (("vllm",), 'pip install "persona-refusal[vllm]"'),
    (("completions", "anthropic", "openai", "-chat"), 'pip install "lm-eval[api]"'),
    (("hf",), 'pip install "persona-refusal[hf]"'),
)
"""What backends need, by what their names contain."""


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
    stages : sequence of Stage
        All of the model, if the study has a stopping rule.
    """

    shards: Sequence[Shard] = ()
    began: str = ""
    is_shared: bool = False
    n_prompts: int = 0
    stages: Sequence[Stage] = ()


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
    stopped_by : int
        The signal that it said it was interrupted by; 0 where it did not.
    has_vanished : bool
        Whether it ended without a word.
    why : str
        Why it failed, where it said so.
    """

    def __init__(self, study: Study, model: StudyModel, job: Job) -> None:
        # Spawned, because engines and DuckDB have threads, and a fork of a process with threads may never end.
        context = multiprocessing.get_context("spawn")
        self._redactor = redactor_of(each.args for each in (*study.models, model))
        printed, prints = context.Pipe(duplex=False)
        self._log = OutputLog(printed, study.out / model.name / LOG, self._redactor)
        self._here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(study, model, job, there, prints), name=model.name)
        with _held_back():
            self._process.start()
        there.close()
        prints.close()
        self.is_over = self.has_vanished = False
        self.stopped_by = 0
        self.why = ""

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, where it has."""
        return self._process.exitcode

    def next_event(self, n_talking: int = 1) -> tuple[str, dict[str, Any]] | None:
        """Wait a moment for what it tells next, see `refusal_metrics.studies.ask.Tell`.

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
                self.is_over, self.stopped_by = True, what.get("signal", 0)
                # Cut afterwards: half a secret is not found.
                self.why = self._redactor.clean(what.get("why", ""))[:_LONGEST_REASON] + what.get("see", "")
                return None
        except (EOFError, OSError):
            has_ended = True
        # The pipe may never end, for processes that an engine left behind hold it open.
        self.is_over = self.has_vanished = has_ended
        return None

    def interrupt(self) -> None:
        """Make the process end without starting anything new."""
        with suppress(ProcessLookupError):
            if self._process.pid and self._process.exitcode is None:
                os.kill(self._process.pid, signal.SIGINT)

    def send(self, number: int) -> None:
        """Send a signal to it and to all that it has begun."""
        if self._process.pid:
            # It is the first of a group of its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it at once, with all that it has begun."""
        self.send(signal.SIGKILL)
        self._process.kill()

    def let_end(self) -> None:
        """Wait until it has ended, end it where it lingers, and end what it left behind."""
        until = time.monotonic() + _SECONDS_TO_STOP
        while self._process.is_alive() and time.monotonic() < until:
            # Not at a stretch: what an engine left behind may hold open what tells that the process has ended.
            self._process.join(_SECONDS_BETWEEN_LOOKS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.send(signal.SIGKILL)
        self._log.close(_SECONDS_BETWEEN_LOOKS)


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep signals from a process that is beginning until it can answer them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Stopping:
    """Ends a model's process in order at the first signal, whatever Python was doing; further ones are ignored."""

    def __init__(self) -> None:
        self.signal = 0

    def listen(self) -> None:
        """Begin to hear signals, also those that were held back."""
        for number in ENDING:
            signal.signal(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if not self.signal:
            self.signal = number
            raise KeyboardInterrupt

    def check(self) -> None:
        """Interrupt again where Python has swallowed it, as it does in destructors and callbacks."""
        if self.signal:
            raise KeyboardInterrupt


def _work(study: Study, model: StudyModel, job: Job, events: Connection, prints: Connection) -> None:
    """Run a model: what the process does."""
    stopping = _Stopping()

    def tell(kind: str, what: Mapping[str, Any]) -> None:
        events.send((kind, dict(what)))
        if kind not in _LAST:
            stopping.check()

    try:
        with suppress(PermissionError):
            # Of all that it begins, so that nothing of it is left behind; Ctrl-C is passed on by the run.
            os.setpgid(0, 0)
        stopping.listen()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        # Of engines in other languages too.
        os.dup2(prints.fileno(), 1)
        os.dup2(prints.fileno(), 2)
        prints.close()
        # Imported here, so that what engines say of it is in the log.
        from refusal_metrics.studies.ask import run_model  # noqa: PLC0415
        from refusal_metrics.studies.repeat_check import check_repeats  # noqa: PLC0415

        if job.n_prompts:
            tell("checked", check_repeats(study, model, job.n_prompts).as_dict())
        else:
            run_model(study, model, job.shards, job.began, tell, is_shared=job.is_shared, stages=job.stages)
        tell("ended", {})
    except KeyboardInterrupt:
        tell("stopped", {"signal": stopping.signal or signal.SIGINT})
    except InputError as error:
        tell("failed", {"why": str(error)})
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is of this model alone
        tell("failed", {"why": _why(error, model.backend), "see": f"; see the end of {study.out / model.name / LOG}"})
        # Told before: on a full disk this fails.
        traceback.print_exc()
    finally:
        _end_engines()


def _why(error: Exception, backend: str) -> str:
    """Write why a model failed on one line."""
    said = str(error).strip()
    if isinstance(error, ImportError):
        needs = next((how for parts, how in _INSTALL if any(part in backend for part in parts)), "")
        if needs:
            return f"backend {backend} needs packages that are not installed; run {needs} ({' '.join(said.split())})"
    first = (said.splitlines() or [""])[0]
    return f"{type(error).__name__}{': ' * bool(first)}{first}"


def _end_engines() -> None:
    """End processes that engines have started, which would outlive this one or keep it from ending."""
    engines = multiprocessing.active_children()
    for engine in engines:
        engine.terminate()
    until = time.monotonic() + _SECONDS_TO_STOP / 2
    for engine in engines:
        engine.join(max(0, until - time.monotonic()))
        if engine.is_alive():
            engine.kill()


def _end_with_parent() -> None:
    """End when the parent does, however that ends: nobody would know of this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        _end_engines()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
