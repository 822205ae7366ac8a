"""Run the models of a study on its prompts through the harness, shard by shard; each is written before the next."""

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import PLACEMENTS
from refusal_metrics.studies.calls import is_failed
from refusal_metrics.studies.counts import COUNTED
from refusal_metrics.studies.environment import describe_run
from refusal_metrics.studies.folder import ANSWERED_BY, Shard, StudyFolder
from refusal_metrics.studies.model_args import harmless, left_out
from refusal_metrics.studies.models import CHAT_APIS, check_template, load_model
from refusal_metrics.studies.once_per_prompt import OncePerPrompt
from refusal_metrics.studies.plan import load_tasks, quiet
from refusal_metrics.studies.replies import FailedCallError
from refusal_metrics.studies.resumed import join_runs
from refusal_metrics.studies.spec import Study, StudyModel
from refusal_metrics.studies.stages import Stage, run_in_stages
from refusal_metrics.studies.versions import answers_depend_on, shard_versions

Tell: TypeAlias = Callable[[str, Mapping[str, Any]], object]
"""Told what happens, with the numbers of it: ``loaded, shard, busy, others, damaged, journal, look``."""

_SECONDS_BETWEEN_LOOKS = 1.0
_PATIENCE = 2
"""Shards that fail one after the other until a server is taken to be down."""


def run_model(
    study: Study,
    model: StudyModel,
    shards: Sequence[Shard],
    began: str,
    tell: Tell,
    *,
    is_shared: bool = False,
    stages: Sequence[Stage] = (),
) -> None:
    """Run a model on the shards that have not been written yet.

    Parameters
    ----------
    study : Study
    model : StudyModel
    shards : sequence of Shard
        The shards that this run writes.
    began : str
        The study's date.
    tell : callable
    is_shared : bool
        Whether other processes of this run have the same shards to write, with servers of their own:
        then what another one is writing is waited for, and taken over where that one gives up.
    stages : sequence of Stage
        All of the model, if the study has a stopping rule: they are run instead of `shards`, until it stops.

    Raises
    ------
    InputError
        If the model's chat template drops the system message that the study needs, a shard cannot be written, or
        some calls of an API kept failing. Whatever else the model raises passes.
    """
    asker = _Asker(study, model, began, tell)
    write = partial(_write_shared if is_shared else _write_all, asker)
    if study.stopping is None:
        write(shards)
    else:
        run_in_stages(StudyFolder(study.out), stages, began, study.stopping, write, tell)


def _write_shared(asker: "_Asker", shards: Sequence[Shard]) -> None:
    """Write shards together with other processes, until all are there."""
    try:
        while left := [shard for shard in shards if not asker.write(shard, is_shared=True)]:
            shards = left
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    except FailedCallError as error:
        raise _unanswered(error) from error


def _write_all(asker: "_Asker", shards: Sequence[Shard]) -> None:
    """Write shards; if a prompt of one gets no response, the others are still run."""
    failed: list[FailedCallError] = []
    n_in_a_row = 0
    for shard in shards:
        try:
            asker.write(shard, is_shared=False)
            n_in_a_row = 0
        except FailedCallError as error:
            failed.append(error)
            n_in_a_row += 1
        if n_in_a_row == _PATIENCE:
            break
    if failed:
        raise _unanswered(failed[0]) from failed[0]


def _unanswered(error: FailedCallError) -> InputError:
    return InputError(
        f"some prompts got no answer ({error}); re-run the same command; finished prompts are not sent again"
    )


class _Asker:
    """Runs a model shard by shard; loads it only if a shard is left."""

    def __init__(self, study: Study, model: StudyModel, began: str, tell: Tell) -> None:
        self._study, self._model, self._began, self._tell = study, model, began, tell
        self._folder = StudyFolder(study.out)
        self._lm: OncePerPrompt | None = None
        self._tasks: dict[str, Any] = {}
        self._described: dict[str, Any] = {}

    def write(self, shard: Shard, *, is_shared: bool) -> bool:
        """Run a shard and write it; return False if another run is working on it."""
        with self._folder.claim(shard) as mine:
            if not mine:
                if not is_shared:
                    self._tell("busy", {"shard": shard})
                return False
            if self._folder.has(shard, self._began):
                if not is_shared:
                    self._tell("others", {"shard": shard})
                return True
            if self._folder.is_damaged(shard, self._began):
                self._tell("damaged", {"shard": shard})
            self._folder.tidy(shard, self._began)
            lm = self._lm or self._load()
            with self._folder.journal(shard, self._began, self._identity()) as journal:
                if journal.n_found or journal.n_foreign or journal.n_damaged:
                    found = {name: getattr(journal, name) for name in ("n_found", "n_foreign", "n_damaged")}
                    self._tell("journal", {"shard": shard, **found})
                lm.journal = journal
                answered_by: Counter[str] = Counter() if lm.calls is None else lm.calls.answered_by
                answered_by.clear()
                start, n_before = time.monotonic() - journal.seconds, lm.n_asked
                samples, results = _ask(self._study, self._model, lm, self._tasks[shard.task], shard)
                counted = self._count(samples, time.monotonic() - start, lm.n_asked - n_before)
                results |= {ANSWERED_BY: dict(answered_by)} if answered_by else {}
                results |= {"chat_template_sha": self._described["chat_template_sha256"], COUNTED: counted}
                results["versions"] = {**results.get("versions", {}), **shard_versions(self._described)}
                self._folder.put(shard, self._began, samples, results)
                journal.remove()
            self._folder.note(self._model.name, {}, answered_by)
            self._tell("shard", {"shard": shard, **counted})
        return True

    def _identity(self) -> str:
        """Return an identity of all that a model's responses depend on, so that no other responses are reused."""
        asked = self._study.asked()["models"][self._model.name]
        return json.dumps([asked, answers_depend_on(self._described)], sort_keys=True, default=str)

    def _count(self, samples: Sequence[Mapping[str, Any]], seconds: float, n_asked: int) -> dict[str, float]:
        answers = [sample["resps"][0][0] for sample in samples]
        return {
            # Never 0, for speeds are told from it.
            "seconds": max(round(seconds, 3), 0.001),
            "n_prompts": len(samples),
            "n_asked": n_asked,
            "n_tokens": self._lm.count_tokens([str(answer) for answer in answers]) if self._lm else 0,
            "n_provider": sum(getattr(answer, "provider_reason", None) is not None for answer in answers),
            "n_failed": sum(map(is_failed, answers)),
        }

    def _load(self) -> OncePerPrompt:
        start = time.monotonic()
        lm = load_model(self._model)
        self._tasks = load_tasks(self._study, self._model.generation)
        template = check_template(self._study, self._model, lm)
        described = describe_run(lm, template, self._model.args)
        self._described = dict(described)
        self._folder.join(self._model.name, partial(join_runs, self._study, self._model, described))
        self._tell("loaded", {"seconds": time.monotonic() - start})
        self._lm = lm
        return lm


def _ask(
    study: Study,
    model: StudyModel,
    lm: OncePerPrompt,
    task: Any,  # noqa: ANN401 - of the harness
    shard: Shard,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run a shard; return the harness's samples and the content of the results file."""
    from lm_eval.evaluator import evaluate  # noqa: PLC0415

    every = task.dataset["test"]
    task.dataset["test"] = every.select(range(shard.start, shard.stop))
    task._instances = None  # noqa: SLF001 - what was asked before; the harness has no other way to forget it
    how = dict(task.config.generation_kwargs)
    task.set_config(key="generation_kwargs", value=_seed(shard, model), update=True)
    try:
        with quiet():
            results = evaluate(
                lm,
                {"tasks": {shard.task: task}, "groups": {}, "group_map": {}},
                bootstrap_iters=0,
                system_instruction=study.system_prompt,
                apply_chat_template=model.chat_template,
            )
    finally:
        task.dataset["test"] = every
        task.set_config(key="generation_kwargs", value=how)
    samples = results.pop("samples")[shard.task]
    own = {
        "config": {
            "model": model.backend,
            "model_args": harmless(model.args),
            "model_args_left_out": left_out(model.args),
            "gen_kwargs": dict(model.generation),
            "batch_size": model.batch_size,
        },
        "model_name": model.name,
        "model_source": model.backend,
        "system_instruction": study.system_prompt,
        "repeat": shard.repeat if study.repeats > 1 else None,
        "placement": study.placement if study.placement != PLACEMENTS[0] else None,
    }
    return samples, {**results, **own}


def _seed(shard: Shard, model: StudyModel) -> dict[str, int]:
    """Return the random seed of a shard: the same whenever it is run, different in each repeat.

    Gives arguments of generation for engines that draw in processes of their own.
    """
    seed = int.from_bytes(hashlib.blake2b(repr(shard).encode(), digest_size=4).digest()) >> 1
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    is_apart = model.backend.endswith(CHAT_APIS) or model.backend.startswith("vllm")
    return {"seed": seed} if is_apart and model.generation.get("do_sample") else {}
