"""The commands that ask models: ``run``, and ``fetch-data`` for machines without a network."""

# Imported inside the commands, so that help does not wait for the harness.
# ruff: noqa: PLC0415

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refusal_metrics.errors import InputError, unknown_name

from .console import busy, say
from .options import Form, names
from .values import Format

if TYPE_CHECKING:
    from refusal_metrics.study import Plan
    from refusal_metrics.study_file import Study, StudyModel
    from refusal_metrics.study_folder import Shard
    from refusal_metrics.study_run import Ended

app = typer.Typer()

_STOPPED, _FAILED = 130, 1
_SECONDS_AN_HOUR = 3600


@app.command()
def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study: models, tasks, settings, folder.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of its results, instead of the file's.", show_default=False),
    ] = None,
    only: Annotated[
        str, typer.Option(metavar="MODELS", help="These models of the study alone.", show_default=False)
    ] = "",
    array_task: Annotated[
        str,
        typer.Option(metavar="I/N", help="The I-th of N parts: one job of a Slurm array.", show_default=False),
    ] = "",
    repeat_check: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Ask N prompts of each model twice instead, and say how often answers change."
        ),
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and ask nothing.")] = False,
    form: Form = Format.TABLE,
) -> None:
    """Ask the models of a study, and go on where an earlier run of it stopped.

    Every shard is written, whole, before the next one is asked; what is killed loses one shard at most. The same
    command goes on. Exit code 1: a model failed; the others were asked. 130: interrupted.

    Example: `persona-refusal run scripts/studies/quick.yaml`
    """
    from refusal_metrics.study_file import load_study

    given = load_study(study, out)
    chosen = names(only)
    for name in chosen:
        if name not in (known := [model.name for model in given.models]):
            raise unknown_name("model", name, known)
    part = _read_part(array_task)
    with busy("Building the prompts"):
        from refusal_metrics.study import plan_study

        plan = plan_study(given)
    shards = [shard for shard in plan.shards if not chosen or shard.model in chosen]
    if part:
        from refusal_metrics.study_run import deal_shards

        shards = list(deal_shards(shards, *part))
    if dry_run:
        _say_plan(given, plan, shards)
    elif repeat_check:
        asked = tuple(model for model in given.models if not chosen or model.name in chosen)
        _check_repeats(replace(given, models=asked), plan, repeat_check, form)
    else:
        _run(given, plan, shards)


def _run(study: "Study", plan: "Plan", shards: "list[Shard]") -> None:
    from refusal_metrics.study_folder import StudyFolder
    from refusal_metrics.study_run import missing_shards, run_study

    asked = study.asked() | {"designs": plan.designs}
    began = StudyFolder(study.out).open(asked, plan.describe_tasks())["began"]
    with busy("Looking for what has been written"):
        todo = missing_shards(study, shards, began)
    if len(todo) < len(shards):
        say([f"{len(shards) - len(todo):,} of {len(shards):,} shards have been written before."])
    with _Bars() as bars:
        ended = run_study(study, todo, began, bars.show)
    _say_end(study, ended, len(todo), is_whole=len(shards) == len(plan.shards))


def _say_end(study: "Study", ended: "Ended", n_todo: int, *, is_whole: bool) -> None:
    if ended.busy:
        say([f"{ended.busy:,} shards are being written by another run of this study: left to it."])
    say([f"{model} failed: {why}" for model, why in ended.failed.items()])
    say([f"{server} failed, and the rest was asked of the others: {why}" for server, why in ended.lost.items()])
    say(_count_refusals(study))
    if ended.others:
        say([f"{ended.others:,} shards were written by another run of this study."])
    n_left = n_todo - ended.written - ended.busy - ended.others
    say([f"Wrote {ended.written:,} shards to {study.out}" + (f"; {n_left:,} are missing." if n_left else ".")])
    if n_left:
        say(["The same command goes on from there."])
    elif is_whole and not ended.busy:
        say([f"Now: persona-refusal report {study.out} --out {study.out}/report"])
    if ended.stopped:
        sys.exit(_STOPPED)
    if ended.failed:
        sys.exit(_FAILED)


def _count_refusals(study: "Study") -> list[str]:
    """Say how many prompts a provider refused or a server rejected, of all that has been written."""
    from refusal_metrics.study_folder import StudyFolder

    lines = []
    runs = StudyFolder(study.out).record().get("runs", {})
    for model in study.models:
        known = runs.get(model.name, {})
        n = known.get("n_prompts", 0)
        if refused := known.get("n_provider"):
            lines.append(f"{model.name}: the provider refused {refused:,} of {n:,} prompts.")
        if failed := known.get("n_failed"):
            lines.append(
                f"{model.name}: the server rejected {failed:,} of {n:,} prompts for another reason than a filter; each "
                "is an empty response in the log, with the HTTP status in reply.finish_reason."
            )
    return lines


def _describe_journal(model: "StudyModel", what: Mapping[str, Any]) -> str:
    shard = what["shard"]
    parts = [f"{what['n_found']:,} answers of an earlier run are used"]
    if what["n_foreign"]:
        parts.append(f"{what['n_foreign']:,} belong to another model, software or study and are not")
    if what["n_damaged"]:
        parts.append(f"{what['n_damaged']:,} lines are damaged and their prompts asked again")
    return f"{model.name}, {shard.task}, shard {shard.number}: {'; '.join(parts)}."


def _read_part(given: str) -> tuple[int, int] | None:
    if not given:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", given)
    number, n_parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= n_parts:
        raise InputError(f"--array-task {given}: give I/N, the I-th of N parts, I from 1")
    return number, n_parts


def _say_plan(study: "Study", plan: "Plan", shards: "list[Shard]") -> None:
    """Print what would be asked, and how long it takes where that is known from earlier shards."""
    from refusal_metrics.study_answers import CHARACTERS_A_TOKEN
    from refusal_metrics.study_folder import StudyFolder

    runs = StudyFolder(study.out).record().get("runs", {})
    n_docs = sum(plan.n_docs.values())
    tokens = plan.count_characters() / CHARACTERS_A_TOKEN / max(n_docs, 1)
    for task, n in plan.n_docs.items():
        say([f"{task}: {n:,} prompts, design {plan.designs[task]}"])
    for model in study.models:
        n = sum(shard.stop - shard.start for shard in shards if shard.model == model.name)
        if not n:
            continue
        longest = model.generation.get("max_gen_toks", 256)
        known = runs.get(model.name, {})
        if known.get("n_prompts"):
            # Counted by each server for itself.
            rate = known["n_prompts"] / known["seconds"] * len(model.by_server())
            time = f"{_duration(n / rate)} at the {rate:.1f} prompts a second so far"
        else:
            time = f"{_duration(n / 10)} if it answers 10 prompts a second"
        n_shards = sum(shard.model == model.name for shard in shards)
        size = f"{n:,} prompts in {n_shards:,} shards, about {n * tokens:,.0f} tokens"
        say([f"{model.name}: {size}, and answers of at most {longest} tokens each; {time}"])


def _duration(seconds: float) -> str:
    """Write about how long something takes."""
    if seconds < 2 * _SECONDS_AN_HOUR:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / _SECONDS_AN_HOUR:.1f} hours"


def _check_repeats(study: "Study", plan: "Plan", n_prompts: int, form: Format) -> None:
    import pandas as pd

    from refusal_metrics.study_folder import StudyFolder
    from refusal_metrics.study_run import run_checks

    from .tables import print_table

    folder = StudyFolder(study.out)
    folder.open(study.asked() | {"designs": plan.designs}, plan.describe_tasks())
    checks: list[dict[str, Any]] = []

    def show(model: "StudyModel", kind: str, what: Mapping[str, Any]) -> None:
        if kind == "checked":
            checks.append(dict(what))
            folder.note(model.name, {"repeat_check": dict(what)})

    with busy("Asking twice"):
        ended = run_checks(study, n_prompts, show)
    say([f"{model} failed: {why}" for model, why in ended.failed.items()])
    if checks:
        print_table(pd.DataFrame(checks), form)
    if ended.stopped or ended.failed:
        sys.exit(_STOPPED if ended.stopped else _FAILED)


@app.command("fetch-data")
def fetch_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")],
) -> None:
    """Download the public texts once, checked, for machines without a network.

    There, name the folder: `data_dir` among the settings of a study, or of `lm_eval --metadata`.

    Example: `persona-refusal fetch-data data`
    """
    from refusal_metrics.texts import fetch_texts

    with busy("Downloading"):
        paths = fetch_texts(folder)
    say([*(f"{path}: checked." for path in paths), f'Now: lm_eval ... --metadata \'{{"data_dir": "{folder}"}}\''])


class _Bars:
    """The progress of each model, with rates and the time that remains."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, model: "StudyModel", kind: str, what: Mapping[str, Any]) -> None:
        """Show what happened."""
        if kind == "begins":
            self._bars[model.name] = self._progress.add_task(model.name, total=what["n_shards"], rate="loading")
        elif kind == "loaded":
            self._progress.update(self._bars[model.name], rate=f"loaded in {what['seconds']:.0f} s")
        elif kind in ("shard", "busy", "others"):
            rate = f"{what['n_prompts'] / what['seconds']:.1f} prompts/s" if kind == "shard" else "another run's"
            self._progress.update(self._bars[model.name], advance=1, rate=rate)
            if kind == "shard" and not self._console.is_terminal:
                shard = what["shard"]
                say([f"{model.name}, {shard.task}, shard {shard.number}: {rate}"])
        elif kind == "journal":
            say([_describe_journal(model, what)])
        elif kind == "damaged":
            say([f"{model.name}, {what['shard'].task}, shard {what['shard'].number}: damaged since, asked again."])
