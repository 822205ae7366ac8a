"""Asking the models of a study: shard by shard through the harness, each written before the next is asked."""

import hashlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from refusal_metrics.docs import SYSTEM, describe_texts
from refusal_metrics.errors import InputError
from refusal_metrics.model_args import harmless, left_out
from refusal_metrics.register import tasks_folder
from refusal_metrics.sampler import number_labels, shard_bounds
from refusal_metrics.settings import PLACEMENT_OF_STUDY, PLACEMENTS
from refusal_metrics.studies.resumed import join_runs
from refusal_metrics.study_answers import OncePerPrompt, check_replies
from refusal_metrics.study_file import Study, StudyModel
from refusal_metrics.study_folder import Shard, StudyFolder
from refusal_metrics.study_record import describe_run

Tell: TypeAlias = Callable[[str, Mapping[str, Any]], object]
"""Told what happens, with the numbers of it: ``loaded``, ``shard``, ``busy``, ``others``, ``damaged``."""

_SECONDS_BETWEEN_LOOKS = 1.0
_CHAT_APIS = ("completions",)
_OPENAI_CHATS = ("local-chat-completions", "openai-chat-completions")
_API_DEFAULTS = {"num_concurrent": 8, "max_retries": 8, "tokenized_requests": False}


@dataclass(frozen=True)
class Plan:
    """What a study asks.

    Attributes
    ----------
    designs : dict of str to str
        The design of each task.
    n_docs : dict of str to int
        Of each task.
    tasks : dict of str to lm_eval.api.task.Task
        With all of their docs.
    shards : tuple of Shard
        Of all models, in the order in which they are asked.
    """

    designs: dict[str, str]
    n_docs: dict[str, int]
    tasks: dict[str, Any]
    shards: tuple[Shard, ...]

    def describe_tasks(self) -> dict[str, dict[str, Any]]:
        """Give each task's version, number of prompts and texts, for the record of the study."""
        return {
            name: {"version": task.VERSION, "n_docs": self.n_docs[name], **describe_texts(self.designs[name])}
            for name, task in self.tasks.items()
        }

    def count_characters(self) -> int:
        """Count those of all prompts, asked once; each is written for it."""
        return sum(len(task.doc_to_text(doc)) for task in self.tasks.values() for doc in task.dataset["test"])


def plan_study(study: Study) -> Plan:
    """Build the docs of a study and cut them into shards of whole texts.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        For a task that is not known or not ours, and for any mistake in settings or data.
    """
    designs, n_docs, cuts = {}, {}, {}
    tasks = load_tasks(study)
    for name, task in tasks.items():
        docs = task.dataset["test"]
        designs[name], n_docs[name] = docs[0]["design_id"], len(docs)
        text = number_labels(list(docs["text_id"]))
        n_shards = min(-(-len(docs) // study.shard_docs), int(text.max()) + 1)
        cuts[name] = [shard_bounds(text, k, n_shards) for k in range(1, n_shards + 1)]
    shards = tuple(
        Shard(model.name, name, repeat, (repeat - 1) * len(bounds) + k, *bound)
        for model in study.models
        for name, bounds in cuts.items()
        for repeat in range(1, study.repeats + 1)
        for k, bound in enumerate(bounds, start=1)
    )
    return Plan(designs, n_docs, tasks, shards)


def load_tasks(study: Study, generation: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Load the tasks of a study from the harness, with all of their docs.

    Parameters
    ----------
    study : Study
    generation : mapping, optional
        Arguments of generation, in place of the tasks' own.

    Returns
    -------
    dict of str to lm_eval.api.task.Task
        By name, in the study's order.

    Raises
    ------
    InputError
        As of `plan_study`.
    """
    from lm_eval.tasks import TaskManager  # noqa: PLC0415 - seconds, which a wrong file need not wait for

    is_apart = study.placement != PLACEMENTS[0]
    settings = {**study.settings, **({PLACEMENT_OF_STUDY: study.placement} if is_apart else {})}
    manager = TaskManager(include_path=str(tasks_folder()), include_defaults=False, metadata=settings)
    known = sorted(name for name in manager.all_tasks if name.startswith("persona_refusal"))
    for name in study.tasks:
        if name not in known:
            raise InputError(f"{study.path}: tasks: unknown {name!r}: allowed are {', '.join(known)}")
    with _quiet():
        tasks: dict[str, Any] = manager.load(list(study.tasks))["tasks"]
    for task in tasks.values():
        if is_apart:
            # The doc's field; the harness asks a task's description as a system message.
            task.set_config(key="description", value=SYSTEM)
        if generation:
            task.set_config(key="generation_kwargs", value=dict(generation), update=True)
    return tasks


def run_model(
    study: Study, model: StudyModel, shards: Sequence[Shard], began: str, tell: Tell, *, is_shared: bool = False
) -> None:
    """Ask a model what has not been written yet.

    Parameters
    ----------
    study : Study
    model : StudyModel
    shards : sequence of Shard
        Those that are this run's to write.
    began : str
        The study's date.
    tell : callable
    is_shared : bool
        Whether other processes of this run have the same shards to write, with servers of their own:
        then what another one is writing is waited for, and taken over where that one gives up.

    Raises
    ------
    InputError
        If the model's chat template drops the system message that the study needs, or a shard cannot
        be written. Whatever the model raises passes.
    """
    asker = _Asker(study, model, began, tell)
    while left := [shard for shard in shards if not asker.write(shard, is_shared=is_shared)]:
        if not is_shared:
            break
        shards = left
        time.sleep(_SECONDS_BETWEEN_LOOKS)


class _Asker:
    """Asks a model shard by shard; loads it when there is one to ask."""

    def __init__(self, study: Study, model: StudyModel, began: str, tell: Tell) -> None:
        self._study, self._model, self._began, self._tell = study, model, began, tell
        self._folder = StudyFolder(study.out)
        self._lm: OncePerPrompt | None = None
        self._tasks: dict[str, Any] = {}
        self._template_sha: str | None = None

    def write(self, shard: Shard, *, is_shared: bool) -> bool:
        """Ask a shard and write it; False where somebody else is at it."""
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
            start, n_before = time.monotonic(), lm.n_asked
            samples, results = _ask(self._study, self._model, lm, self._tasks[shard.task], shard)
            asked = time.monotonic()
            results["chat_template_sha"] = self._template_sha
            self._folder.put(shard, self._began, samples, results)
            counted = {
                "seconds": round(asked - start, 3),
                "seconds_writing": round(time.monotonic() - asked, 3),
                "n_prompts": len(samples),
                "n_asked": lm.n_asked - n_before,
                "n_tokens": lm.count_tokens([str(sample["resps"][0][0]) for sample in samples]),
            }
            self._folder.note(self._model.name, {}, counted)
            self._tell("shard", {"shard": shard, **counted})
        return True

    def _load(self) -> OncePerPrompt:
        start = time.monotonic()
        lm = load_model(self._model)
        self._tasks = load_tasks(self._study, self._model.generation)
        template = check_template(self._study, self._model, lm)
        described = describe_run(lm, template, self._model.args)
        self._template_sha = described["chat_template_sha256"]
        self._folder.join(self._model.name, partial(join_runs, self._study, self._model, described))
        self._tell("loaded", {"seconds": time.monotonic() - start})
        self._lm = lm
        return lm


def load_model(model: StudyModel) -> OncePerPrompt:
    """Load a model through the harness.

    Parameters
    ----------
    model : StudyModel

    Returns
    -------
    OncePerPrompt

    Raises
    ------
    InputError
        For an unknown backend, or a chat API asked so that failed calls would count as empty answers.
    """
    from lm_eval.api.registry import get_model  # noqa: PLC0415

    try:
        backend = get_model(model.backend)
    except (ValueError, KeyError) as error:
        raise InputError(f"{model.name}: the harness knows no backend {model.backend!r} ({error})") from error
    args = dict(model.args)
    if model.backend.endswith(_CHAT_APIS):
        args = {**_API_DEFAULTS, **args}
        if int(args["num_concurrent"]) < 2:
            raise InputError(
                f"{model.name}: args: num_concurrent is {args['num_concurrent']}; give 2 or more, for with fewer the "
                "harness takes a call that failed for an empty answer"
            )
    lm = backend.create_from_arg_obj(args, {"batch_size": model.batch_size})
    if model.backend in _OPENAI_CHATS:
        check_replies(lm)
    return OncePerPrompt(lm)


def check_template(study: Study, model: StudyModel, lm: OncePerPrompt) -> str:
    """Check that a chat template keeps the system message, and give the template.

    Parameters
    ----------
    study : Study
    model : StudyModel
    lm : OncePerPrompt

    Returns
    -------
    str
        Empty where there is none to be seen.

    Raises
    ------
    InputError
        If the study needs a system message and the template drops it: the harness would ask without.
    """
    wanted = study.system_prompt or ("a persona" if study.placement == "system" else "")
    if wanted and model.chat_template and not model.backend.endswith(_CHAT_APIS):
        messages = [{"role": "system", "content": wanted}, {"role": "user", "content": "."}]
        try:
            shown = str(lm.apply_chat_template(messages))
        except Exception as error:  # noqa: BLE001 - templates raise what they like
            shown = f"({error})"
        if wanted not in shown:
            raise InputError(
                f"{model.name}: its chat template has no system role, so that what stands there would be lost; "
                "set placement: user and no system_prompt, or leave the model out"
            )
    try:
        return str(lm.chat_template(model.chat_template) or "") if model.chat_template else ""
    except (AttributeError, NotImplementedError):
        return ""


def _ask(
    study: Study,
    model: StudyModel,
    lm: OncePerPrompt,
    task: Any,  # noqa: ANN401 - of the harness
    shard: Shard,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Ask a shard: the harness's samples, and what its results file says."""
    from lm_eval.evaluator import evaluate  # noqa: PLC0415

    every = task.dataset["test"]
    task.dataset["test"] = every.select(range(shard.start, shard.stop))
    task._instances = None  # noqa: SLF001 - what was asked before; the harness has no other way to forget it
    how = dict(task.config.generation_kwargs)
    task.set_config(key="generation_kwargs", value=_seed(shard, model), update=True)
    try:
        with _quiet():
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
    """Let chance in a shard be the same whenever it is asked, and another in each repeat.

    Gives arguments of generation for engines that draw in processes of their own.
    """
    seed = int.from_bytes(hashlib.blake2b(repr(shard).encode(), digest_size=4).digest()) >> 1
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    is_apart = model.backend.endswith(_CHAT_APIS) or model.backend.startswith("vllm")
    return {"seed": seed} if is_apart and model.generation.get("do_sample") else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the harness says of each shard, but for what is wrong, and what we say."""
    logs = {logging.getLogger("lm_eval"): logging.ERROR, logging.getLogger("lm_eval.persona_refusal"): logging.WARNING}
    levels = {log: log.level for log in logs}
    for log, level in logs.items():
        log.setLevel(level)
    try:
        yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)
