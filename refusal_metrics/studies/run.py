"""Run a study: each model in its own process, so that a failure stops no other model and all memory is freed."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any, TypeAlias

from refusal_metrics.studies.folder import Shard, StudyFolder
from refusal_metrics.studies.model_args import place_of
from refusal_metrics.studies.process import LOG, Job, ModelProcess
from refusal_metrics.studies.signals import Interruptions
from refusal_metrics.studies.spec import Study, StudyModel
from refusal_metrics.studies.stages import Stage, list_wanted

Show: TypeAlias = Callable[[StudyModel, str, Mapping[str, Any]], object]
"""Told of which model what happened, see `refusal_metrics.studies.ask.Tell`; also ``begins``."""

_SECONDS_TO_INTERRUPT = 5.0
"""What has not ended by then is ended: what was answered is kept."""


@dataclass
class Ended:
    """How a run ended.

    Attributes
    ----------
    written, busy, others : int
        Shards written by this run, still being written by other runs at its end, and written by others meanwhile.
    failed : dict of str to str
        Models that failed, and why.
    lost : dict of str to str
        Servers that failed while another one of their model asked the rest, and why.
    stopped : bool
        Whether it was interrupted.
    signal : int
        By which signal.
    left : list of Shard
        Those that another run was writing when it was their turn.
    """

    written: int = 0
    busy: int = 0
    others: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    signal: int = signal.SIGINT
    left: list[Shard] = field(default_factory=list)

    def stop(self, number: int) -> None:
        """Note an interruption, the first one of them."""
        if number and not self.stopped:
            self.stopped, self.signal = True, number


def deal_shards(shards: Sequence[Shard], number: int, n_tasks: int) -> tuple[Shard, ...]:
    """Return one job's part of the shards: adjacent ones, so that each job loads as few models as possible.

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
    return tuple(shard for shard in wanted_shards(study, shards) if not folder.has(shard, began))


def wanted_shards(study: Study, shards: Sequence[Shard]) -> Sequence[Shard]:
    """List the shards that a stopping rule has not made superfluous: all of them without a rule.

    Parameters
    ----------
    study : Study
    shards : sequence of Shard

    Returns
    -------
    sequence of Shard
    """
    return shards if study.stopping is None else list_wanted(shards, StudyFolder(study.out).record())


def run_study(study: Study, shards: Sequence[Shard], began: str, show: Show, stages: Sequence[Stage] = ()) -> Ended:
    """Run the models of a study, one after the other.

    Parameters
    ----------
    study : Study
    shards : sequence of Shard
        What is missing.
    began : str
        The study's date, from `StudyFolder.open`.
    show : callable
    stages : sequence of Stage
        Of the plan, if the study has a stopping rule.

    Returns
    -------
    Ended
        A model that failed has stopped no other.
    """
    ended = Ended()
    with Interruptions() as interruptions:
        for model in study.models:
            mine = [shard for shard in shards if shard.model == model.name]
            if mine and not ended.stopped:
                show(model, "begins", {"n_shards": len(mine)})
                own = [stage for stage in stages if stage.model == model.name]
                _run_apart(study, model, Job(mine, began, stages=own), show, ended, interruptions)
    # What another run was writing may be there by now.
    ended.busy = len(missing_shards(study, ended.left, began))
    ended.others += len(ended.left) - ended.busy
    return ended


def run_checks(study: Study, n_prompts: int, show: Show) -> Ended:
    """Send each model of a study some prompts twice, see `refusal_metrics.studies.repeat_check`.

    Parameters
    ----------
    study : Study
    n_prompts : int
    show : callable
        Told ``checked`` with the fields of a `refusal_metrics.studies.repeat_check.RepeatCheck`.

    Returns
    -------
    Ended
    """
    ended = Ended()
    with Interruptions() as interruptions:
        for model in study.models:
            if not ended.stopped:
                show(model, "begins", {"n_shards": 1})
                first = model.by_server()[0]
                _run_apart(study, first, Job(n_prompts=n_prompts), show, ended, interruptions)
    return ended


def _run_apart(
    study: Study, model: StudyModel, job: Job, show: Show, ended: Ended, interruptions: Interruptions
) -> None:
    """Run a model in its own process, or in one for each of its servers, and report its progress."""
    servers = model.by_server()
    job = replace(job, is_shared=len(servers) > 1)
    processes: list[ModelProcess] = []
    try:
        # One by one, so that those that have begun are known where the next cannot.
        processes.extend(ModelProcess(study, server, job) for server in servers)
        with _paused_together(processes):
            written = _listen(processes, partial(show, model), ended, interruptions)
    except BaseException:
        # Whatever ended the run ends them: nobody would know of them.
        for process in processes:
            process.kill()
        raise
    for process in processes:
        process.let_end()
        ended.stop(process.stopped_by)
    ended.stop(interruptions.first)
    why = {}
    for server, process in zip(servers, processes, strict=True):
        if process.why or (process.has_vanished and not ended.stopped):
            log = study.out / model.name / LOG
            vanished = f"its process was ended (exit code {process.exit_code}); see the end of {log}"
            name = f"{model.name} at {place_of(server.args['base_url'])}" if job.is_shared else model.name
            why[name] = process.why or vanished
    if job.is_shared and not ended.stopped:
        # What no process of this run wrote, another run did, or nobody.
        left = missing_shards(study, [shard for shard in job.shards if shard not in written], job.began)
        ended.others += len(wanted_shards(study, job.shards)) - len(written) - len(left)
        if not left:
            ended.lost |= why
            return
    ended.failed |= why


def _listen(
    processes: Sequence[ModelProcess],
    show: Callable[[str, Mapping[str, Any]], object],
    ended: Ended,
    interruptions: Interruptions,
) -> set[Shard]:
    """Report what processes do until all have ended; return the shards that they wrote."""
    written: set[Shard] = set()
    passing = _Passing(interruptions)
    while talking := [process for process in processes if not process.is_over]:
        passing.to(talking)
        ended.stop(interruptions.first)
        for process in talking:
            if event := process.next_event(len(talking)):
                kind, what = event
                if kind == "shard":
                    written.add(what["shard"])
                elif kind == "busy":
                    ended.left.append(what["shard"])
                ended.written += kind == "shard"
                ended.others += kind == "others"
                show(kind, what)
    return written


class _Passing:
    """Passes interruptions on: the first ends models in order, the second one, or some seconds, at once."""

    def __init__(self, interruptions: Interruptions) -> None:
        self._interruptions = interruptions
        self._until = float("inf")

    def to(self, processes: Sequence[ModelProcess]) -> None:
        """Pass on what there is."""
        if self._interruptions.n and self._until == float("inf"):
            self._until = time.monotonic() + _SECONDS_TO_INTERRUPT
            for process in processes:
                process.interrupt()
        if self._interruptions.n > 1 or time.monotonic() > self._until:
            for process in processes:
                process.kill()


@contextmanager
def _paused_together(processes: Sequence[ModelProcess]) -> Iterator[None]:
    """Pause and continue the models, which have their own process groups, together with the run."""

    def pause(number: int, _: FrameType | None) -> None:
        for process in processes:
            process.send(signal.SIGSTOP)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Goes on from here.
        signal.signal(number, pause)
        for process in processes:
            process.send(signal.SIGCONT)

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:
        yield
        return
    before = signal.signal(signal.SIGTSTP, pause)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
