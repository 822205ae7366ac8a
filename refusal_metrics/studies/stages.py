"""The stages of a study that stops early: whole shards, after each of which a rule looks at the results.

The texts of a stage are a random sample of the study's, and all settings of a task have the same ones. A rule is handed
in by whoever runs the study, because only the analysis can estimate.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import ORDERS
from refusal_metrics.studies.folder import Shard, StudyFolder

MOST_LOOKS = 10
"""The largest number of looks: more hardly stop earlier."""


class StoppingRule(Protocol):
    """A rule that decides after each stage whether a model needs no more prompts of a kind of task."""

    @property
    def option(self) -> str:
        """How the command line names the rule."""

    @property
    def least_texts(self) -> int:
        """The number of texts before which it never stops."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the record of the study says of the rule."""

    def look(self, files: Sequence[Path], share: float, before: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Look at the logs of all stages so far; `share` is that of the planned texts, `before` the earlier looks.

        Returns ``stops`` and ``found``, a sentence, and what the analysis needs to know of the look.
        """


@dataclass(frozen=True)
class Stage:
    """What a model is asked between two looks.

    Attributes
    ----------
    model, kind : str
    number, n_stages : int
        Of the model and kind, from 1.
    n_texts : int
        Texts up to the end of this stage.
    share : float
        Of the texts of the whole design.
    shards : tuple of Shard
        Of all tasks of the kind and all repeats.
    """

    model: str
    kind: str
    number: int
    n_stages: int
    n_texts: int
    share: float
    shards: tuple[Shard, ...]


def cut_texts(places: Sequence[int], n_shards: int) -> list[tuple[int, int]]:
    """Cut a task into shards of equally many texts.

    Parameters
    ----------
    places : sequence of int
        Where the docs of each text begin, and the number of docs.
    n_shards : int
        At most the number of texts.

    Returns
    -------
    list of (int, int)
        Where each shard begins and ends.

    Examples
    --------
    >>> cut_texts([0, 10, 15, 30, 40], 2)
    [(0, 15), (15, 40)]
    """
    n_texts = len(places) - 1
    ends = [places[round(n_texts * k / n_shards)] for k in range(n_shards + 1)]
    return list(pairwise(ends))


def make_stages(
    shards: Iterable[Shard], kinds: Mapping[str, str], n_cuts: Mapping[str, int], n_texts: Mapping[str, int]
) -> tuple[Stage, ...]:
    """Group shards into stages.

    Parameters
    ----------
    shards : iterable of Shard
        Of all models, those of the tasks of a kind cut at the same texts.
    kinds : mapping of str to str
        The kind of each task.
    n_cuts, n_texts : mapping of str to int
        How many shards each task of a kind has in one repeat, and how many texts.

    Returns
    -------
    tuple of Stage
        In the order in which they are run.
    """
    of: dict[tuple[str, str, int], list[Shard]] = {}
    for shard in shards:
        kind = kinds[shard.task]
        cut = (shard.number - 1) % n_cuts[kind] + 1
        of.setdefault((shard.model, kind, -(-cut * min(MOST_LOOKS, n_cuts[kind]) // n_cuts[kind])), []).append(shard)
    stages = []
    for model, kind, number in sorted(of, key=lambda key: key[2]):
        mine = tuple(of[model, kind, number])
        last = max((shard.number - 1) % n_cuts[kind] + 1 for shard in mine)
        so_far = round(n_texts[kind] * last / n_cuts[kind])
        n_stages = min(MOST_LOOKS, n_cuts[kind])
        stages.append(Stage(model, kind, number, n_stages, so_far, so_far / n_texts[kind], mine))
    return tuple(stages)


def check_stoppable(
    path: Path, settings: Mapping[str, Any], rule: StoppingRule, asked: Mapping[str, set[str]], stages: Sequence[Stage]
) -> None:
    """Check that a rule holds for the design of a study.

    Parameters
    ----------
    path : Path
        The study's file.
    settings : mapping
    rule : StoppingRule
    asked : mapping of str to set of str
        The settings of prompts (persona, neutral, ...) of each kind of task.
    stages : sequence of Stage

    Raises
    ------
    InputError
        For an order that is not random, a kind without personas or neutral prompts, a design with fewer texts than the
        rule needs, or a single stage.
    """
    order = settings.get("order", ORDERS[0])
    if order != ORDERS[1]:
        raise InputError(
            f"{path}: settings: order is {order}, and {rule.option} needs texts in random order; set order: {ORDERS[1]}"
        )
    for kind, found in asked.items():
        for needed in ("persona", "neutral"):
            if needed not in found:
                suffix = "" if needed == "persona" else "_neutral"
                raise InputError(
                    f"{path}: tasks: {rule.option} compares personas with neutral prompts, and there are no {needed} "
                    f"prompts of {kind}; add persona_refusal_{kind}{suffix}"
                )
    for stage in stages:
        n_texts = round(stage.n_texts / stage.share)
        if n_texts < rule.least_texts:
            raise InputError(
                f"{path}: {rule.option} stops after {rule.least_texts} texts at the earliest, and the design has "
                f"{n_texts} of {stage.kind}; raise rows_per_class, or leave the rule out"
            )
        if stage.n_stages == 1:
            raise InputError(
                f"{path}: {rule.option} looks after whole shards, and {stage.kind} has only one; lower shard_docs, or "
                "leave the rule out"
            )


def check_same_rule(out: Path, record: Mapping[str, Any], rule: StoppingRule | None) -> None:
    """Check that a study is resumed with the stopping rule that it was begun with.

    Parameters
    ----------
    out : Path
    record : mapping
        Of the study; empty if it has not begun.
    rule : StoppingRule or None

    Raises
    ------
    InputError
        If there was another one, or none.
    """
    if not record:
        return
    begun = record.get("asked", {}).get("stopping")
    if rule is None:
        if begun is not None:
            raise InputError(
                f"{out}: was begun with {_option(begun)}; pass it again, or name another folder with --out"
            )
        return
    if begun != dict(rule.describe()):
        was = "without a stopping rule" if begun is None else f"with {_option(begun)}"
        same = f"leave out {rule.option}" if begun is None else f"pass {_option(begun)} again"
        raise InputError(
            f"{out}: was begun {was}, and a stopping rule holds only from the start of a study; {same}, or name "
            "another folder with --out"
        )


def _option(described: Mapping[str, Any]) -> str:
    limit = described.get("limit")
    return f"--{described.get('rule')}" + ("" if limit is None else f" {limit:g}")


def list_wanted(shards: Iterable[Shard], record: Mapping[str, Any]) -> list[Shard]:
    """List the shards that are wanted still: all but those after the look at which their model and task stopped.

    Parameters
    ----------
    shards : iterable of Shard
    record : mapping
        Of the study.

    Returns
    -------
    list of Shard
    """
    ends: dict[tuple[str, str], int] = {}
    for model, kinds in record.get("looks", {}).items():
        for looks in kinds.values():
            if looks and looks[-1]["stops"]:
                ends |= {(model, task): stop for task, stop in looks[-1]["n_docs"].items()}
    return [shard for shard in shards if shard.start < ends.get((shard.model, shard.task), shard.stop)]


def take_look(
    folder: StudyFolder, stages: Sequence[Stage], began: str, rule: StoppingRule
) -> tuple[Mapping[str, Any] | None, bool]:
    """Look at the results up to the end of a stage, unless that was done.

    Parameters
    ----------
    folder : StudyFolder
    stages : sequence of Stage
        All stages of a model and kind up to this one.
    began : str
        The study's date.
    rule : StoppingRule

    Returns
    -------
    look : mapping or None
        None if a shard of the stage is not complete.
    is_new : bool
        Whether it was not taken before, by another process of this run.
    """
    stage = stages[-1]
    if not all(folder.has(shard, began) for shard in stage.shards):
        return None, False

    def look(before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        files = [folder.samples(shard, began) for of in stages for shard in of.shards]
        n_docs: dict[str, int] = {}
        for shard in stage.shards:
            n_docs[shard.task] = max(n_docs.get(shard.task, 0), shard.stop)
        made = {"look": stage.number, "n_looks": stage.n_stages, "n_texts": stage.n_texts, "share": stage.share}
        return {**made, "n_docs": n_docs, **rule.look(files, stage.share, before)}

    return folder.look(stage.model, stage.kind, stage.number, look)


Write = Callable[[Sequence[Shard]], object]
"""Writes shards that are missing."""


def run_in_stages(
    folder: StudyFolder,
    stages: Sequence[Stage],
    began: str,
    rule: StoppingRule,
    write: Write,
    tell: Callable[[str, Mapping[str, Any]], object],
) -> None:
    """Run the stages of a model until the rule stops it, kind by kind.

    Parameters
    ----------
    folder : StudyFolder
    stages : sequence of Stage
        All of the model, also those that are complete.
    began : str
        The study's date.
    rule : StoppingRule
    write : callable
        Is given the shards of a stage without a look.
    tell : callable
        Told ``look`` and its numbers.
    """
    for kind in dict.fromkeys(stage.kind for stage in stages):
        mine = [stage for stage in stages if stage.kind == kind]
        known = folder.looks(mine[0].model, kind)
        for stage in mine:
            look: Mapping[str, Any] | None
            if stage.number <= len(known):
                look = known[stage.number - 1]
            else:
                write([shard for shard in stage.shards if not folder.has(shard, began)])
                look, is_new = take_look(folder, mine[: stage.number], began, rule)
                if look is not None and is_new:
                    tell("look", {"kind": kind, **look})
            # Another run is still writing a shard, or the rule has stopped.
            if look is None or look["stops"]:
                break


def take_pending(folder: StudyFolder, stages: Sequence[Stage], began: str, rule: StoppingRule) -> None:
    """Take the looks that an interrupted run did not take though their stages are complete.

    Parameters
    ----------
    folder : StudyFolder
    stages : sequence of Stage
        Of all models.
    began : str
        The study's date.
    rule : StoppingRule
    """
    for model, kind in dict.fromkeys((stage.model, stage.kind) for stage in stages):
        mine = [stage for stage in stages if (stage.model, stage.kind) == (model, kind)]
        known = folder.looks(model, kind)
        if known and known[-1]["stops"]:
            continue
        for stage in mine[len(known) :]:
            look, _ = take_look(folder, mine[: stage.number], began, rule)
            if look is None or look["stops"]:
                break
