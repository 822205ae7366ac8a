"""What a study will ask: its tasks built, its prompts counted."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from refusal_metrics.docs import SYSTEM, describe_texts
from refusal_metrics.errors import InputError
from refusal_metrics.prompts import ORDERS, PLACEMENT_OF_STUDY, PLACEMENTS, number_labels, shard_bounds
from refusal_metrics.register import tasks_folder
from refusal_metrics.studies.folder import Shard
from refusal_metrics.studies.spec import Study
from refusal_metrics.studies.stages import Stage, check_stoppable, cut_texts, make_stages


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
    stages : tuple of Stage
        What is asked between the looks of a stopping rule; empty without one.
    """

    designs: dict[str, str]
    n_docs: dict[str, int]
    tasks: dict[str, Any]
    shards: tuple[Shard, ...]
    stages: tuple[Stage, ...] = ()

    def describe_tasks(self) -> dict[str, dict[str, Any]]:
        """Return each task's version, number of prompts and texts, for the record of the study."""
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
    kinds = {name: task.dataset["test"][0]["kind"] for name, task in tasks.items()}
    n_texts: dict[str, int] = {}
    if study.settings.get("order") == ORDERS[1]:
        for kind in dict.fromkeys(kinds.values()):
            own = [name for name in tasks if kinds[name] == kind]
            ids = {name: list(tasks[name].dataset["test"]["text_id"]) for name in own}
            if study.stopping and len({tuple(dict.fromkeys(texts)) for texts in ids.values()}) > 1:
                raise InputError(
                    f"{study.path}: tasks: {', '.join(own)} have different texts, so {study.stopping.option} cannot "
                    "look at them together; give only tasks with the same texts"
                )
            places = {name: _find_texts(texts) for name, texts in ids.items()}
            n_texts[kind] = min(len(found) - 1 for found in places.values())
            n_cuts = min(max(len(cuts[name]) for name in own), n_texts[kind])
            cuts |= {name: cut_texts(places[name], n_cuts) for name in own}
    shards = tuple(
        Shard(model.name, name, repeat, (repeat - 1) * len(bounds) + k, *bound)
        for model in study.models
        for name, bounds in cuts.items()
        for repeat in range(1, study.repeats + 1)
        for k, bound in enumerate(bounds, start=1)
    )
    if study.stopping is None:
        return Plan(designs, n_docs, tasks, shards)
    asked: dict[str, set[str]] = {kind: set() for kind in kinds.values()}
    for name, task in tasks.items():
        asked[kinds[name]] |= {*task.dataset["test"]["setting"]}
    n_cuts_of = {kinds[name]: len(bounds) for name, bounds in cuts.items()}
    stages = make_stages(shards, kinds, n_cuts_of, n_texts) if n_texts else ()
    check_stoppable(study.path, study.settings, study.stopping, asked, stages)
    return Plan(designs, n_docs, tasks, shards, stages)


def _find_texts(text_ids: Sequence[str]) -> list[int]:
    """Find where the docs of each text begin, and the number of docs; docs of one text are adjacent."""
    text = number_labels(text_ids)
    return [0, *(np.flatnonzero(np.diff(text)) + 1).tolist(), len(text)]


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
    with quiet():
        tasks: dict[str, Any] = manager.load(list(study.tasks))["tasks"]
    for task in tasks.values():
        if is_apart:
            # The doc's field; the harness asks a task's description as a system message.
            task.set_config(key="description", value=SYSTEM)
        if generation:
            task.set_config(key="generation_kwargs", value=dict(generation), update=True)
    return tasks


@contextmanager
def quiet() -> Iterator[None]:
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
