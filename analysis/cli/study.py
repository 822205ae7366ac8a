"""The commands ``run`` and ``fetch-data``."""

# Imported inside the commands, so that help does not wait for the harness.
# ruff: noqa: PLC0415
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refusal_metrics.errors import InputError, quoted, unknown_name

from ..display import Format
from .console import busy, say
from .options import Form, names, optional
from .stopping import UntilDecided, UntilWidth, describe_stages, list_stopped, read_rule
from .study_progress import ProgressBars

if TYPE_CHECKING:
    from refusal_metrics.studies import Ended, Plan, Shard, StoppingRule, Study, StudyModel

app = typer.Typer()

_FAILED = 1
_MOST_NAMES = 3
_BY_SIGNAL = 128
_MOST_PARTS = 1_000_000
_SECONDS_AN_HOUR = 3600


@app.command()
def run(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.yaml", help="The study: models, tasks, settings, output folder.")
    ],
    out: Annotated[Path | None, optional("DIR", "Output folder, instead of the one in the file.")] = None,
    only: Annotated[str, optional("MODELS", "Run only these models of the study.")] = "",
    array_task: Annotated[str, optional("I/N", "Run the I-th of N parts, e.g. as one job of a Slurm array.")] = "",
    repeat_check: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Instead, send N prompts to each model twice and print how often responses change."
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the number of prompts and tokens, and run nothing.")
    ] = False,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed",
            help="Resume even if software, weights or hardware have changed since the start of the study.",
        ),
    ] = False,
    until_width: UntilWidth = None,
    until_decided: UntilDecided = False,
    form: Form = Format.TABLE,
) -> None:
    """Run a study, resuming if interrupted.

    Each shard is saved before the next one starts. Re-run the same command to resume. --until-width and --until-decided
    are rules to stop early, which look at the results after whole shards. Exit code 1: a model failed or
    prompts are missing; the other models were run. 130: interrupted (Ctrl-C). 143: terminated.

    Example: `persona-refusal run scripts/studies/quick.yaml`
    """
    with raising_interrupts():
        others = {"--array-task": array_task, "--repeat-check": repeat_check}
        rule = read_rule(until_width, others, until_decided=until_decided)
        _begin(study, out, names(only), _read_part(array_task), repeat_check, form, dry_run, allow_mixed, rule)


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """End the program at a signal, with the signal's exit code and a sentence on how to resume."""
    from refusal_metrics.studies import Interruptions, name_of, raise_interrupt

    with Interruptions(raise_interrupt) as interruptions:
        try:
            yield
        except KeyboardInterrupt:
            number = interruptions.first or signal.SIGINT
            _say_last([f"Interrupted ({name_of(number)}). Re-run the same command to resume."])
            sys.exit(_BY_SIGNAL + number)


def _begin(
    study: Path,
    out: Path | None,
    chosen: Sequence[str],
    part: tuple[int, int] | None,
    repeat_check: int,
    form: Format,
    dry_run: bool,
    allow_mixed: bool,
    rule: "StoppingRule | None",
) -> None:
    from refusal_metrics.studies import load_study

    given = replace(load_study(study, out), allow_mixed=allow_mixed, stopping=rule)
    for name in chosen:
        if name not in (known := [model.name for model in given.models]):
            raise unknown_name("model", name, known)
    with busy("Building the prompts"):
        from refusal_metrics.studies import plan_study

        plan = plan_study(given)
    shards = [shard for shard in plan.shards if not chosen or shard.model in chosen]
    if part:
        from refusal_metrics.studies import deal_shards

        shards = list(deal_shards(shards, *part))
    if dry_run:
        _say_plan(given, plan, shards)
    elif repeat_check:
        asked = tuple(model for model in given.models if not chosen or model.name in chosen)
        _check_repeats(replace(given, models=asked), plan, repeat_check, form)
    else:
        _run(given, plan, shards)


def _run(study: "Study", plan: "Plan", shards: "list[Shard]") -> None:
    ended, n_todo = run_missing(study, plan, shards)
    _say_end(study, ended, n_todo, is_whole=len(shards) == len(plan.shards))


def run_missing(study: "Study", plan: "Plan", shards: "Sequence[Shard]") -> "tuple[Ended, int]":
    """Run the shards of a study that are missing.

    Parameters
    ----------
    study : Study
    plan : Plan
    shards : sequence of Shard
        Of the plan.

    Returns
    -------
    ended : Ended
    n_todo : int
        How many shards were missing.
    """
    from refusal_metrics.studies import (
        StudyFolder,
        check_resumed,
        check_same_rule,
        installed_versions,
        missing_shards,
        run_study,
        take_pending,
        wanted_shards,
    )

    folder = StudyFolder(study.out)
    if before := folder.record():
        # Before this run writes anything.
        check_same_rule(study.out, before, study.stopping)
        left = {shard.model for shard in missing_shards(study, shards, before["began"])}
        models = [model for model in study.models if model.name in left]
        say(check_resumed(study, models, plan.describe_tasks(), before, installed_versions()))
    began = folder.open(study.asked() | {"designs": plan.designs}, plan.describe_tasks())["began"]
    asked = {shard.model for shard in shards}
    stages = [stage for stage in plan.stages if stage.model in asked]
    with busy("Checking completed shards"):
        if study.stopping:
            take_pending(folder, stages, began, study.stopping)
        wanted = wanted_shards(study, shards)
        todo = missing_shards(study, wanted, began)
    if len(todo) < len(wanted):
        say([f"{len(wanted) - len(todo):,} of {len(wanted):,} shards are already complete."])
    with ProgressBars() as bars:
        ended = run_study(study, todo, began, bars.show, stages)
    return ended, len(wanted_shards(study, todo))


def _say_end(study: "Study", ended: "Ended", n_todo: int, *, is_whole: bool) -> None:
    from refusal_metrics.studies import name_of

    lines = [f"{model} failed: {why}" for model, why in ended.failed.items()]
    lines += [f"{server} failed; the other servers took over its shards: {why}" for server, why in ended.lost.items()]
    lines += [*_count_refusals(study), *_list_other_models(study), *list_stopped(study)]
    if ended.stopped:
        lines.append(f"Interrupted ({name_of(ended.signal)}).")
    if ended.others:
        lines.append(f"{ended.others:,} shards were written by another run of this study.")
    if ended.busy:
        lines.append(f"{ended.busy:,} shards are still being written by another run of this study.")
    n_left = n_todo - ended.written - ended.others
    lines.append(f"Wrote {ended.written:,} shards to {study.out}" + (f"; {n_left:,} are missing." if n_left else "."))
    if n_left:
        is_other = ended.busy == n_left and not ended.stopped
        lines.append(f"Re-run the same command {'after the other run ' if is_other else ''}to resume.")
    elif is_whole:
        lines.append(f"Now: persona-refusal report {study.out} --out {study.out}/report")
    _say_last(lines)
    exit_unless_complete(ended, n_left)


def _say_last(lines: Iterable[str]) -> None:
    """Print how a run ended, if the terminal is still open."""
    with suppress(OSError):
        say(lines)


def exit_unless_complete(ended: "Ended", n_left: int) -> None:
    """End the program with the exit code of a run that was interrupted, failed or left shards missing."""
    if ended.stopped:
        sys.exit(_BY_SIGNAL + ended.signal)
    if ended.failed or n_left:
        sys.exit(_FAILED)


def _count_refusals(study: "Study") -> list[str]:
    """Report how many prompts a provider refused or a server rejected, of all that has been written."""
    from refusal_metrics.studies import StudyFolder

    lines = []
    runs = StudyFolder(study.out).record().get("runs", {})
    for model in study.models:
        known = runs.get(model.name, {})
        n = known.get("n_prompts", 0)
        if refused := known.get("n_provider"):
            lines.append(f"{model.name}: the provider refused {refused:,} of {n:,} prompts.")
        if failed := known.get("n_failed"):
            lines.append(
                f"{model.name}: the server rejected {failed:,} of {n:,} prompts for a reason other than a filter; each "
                "is an empty response in the log, with the HTTP status in reply.finish_reason."
            )
    return lines


def _list_other_models(study: "Study") -> list[str]:
    """Report servers that name another model than requested."""
    from refusal_metrics.studies import ANSWERED_BY, StudyFolder

    lines = []
    runs = StudyFolder(study.out).record().get("runs", {})
    for model in study.models:
        named = runs.get(model.name, {}).get(ANSWERED_BY)
        asked = str(model.args.get("model") or model.args.get("pretrained") or "")
        names = [str(name) for name in named] if isinstance(named, list) else []
        others = [name for name in names if name != asked]
        if others and asked:
            shown = ", ".join(map(quoted, others[:_MOST_NAMES])) + (" and others" if len(others) > _MOST_NAMES else "")
            lines.append(f"{model.name}: the study requests {quoted(asked)}, but the server reports {shown}.")
    return lines


def _read_part(given: str) -> tuple[int, int] | None:
    if not given:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", given)
    number, n_parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= n_parts <= _MOST_PARTS:
        raise InputError(f"--array-task {quoted(given)}: give I/N, the I-th of N parts, with I from 1 to N")
    return number, n_parts


def _say_plan(study: "Study", plan: "Plan", shards: "list[Shard]") -> None:
    """Print the number of prompts, and the time if it is known from earlier shards."""
    from refusal_metrics.studies import CHARACTERS_A_TOKEN, StudyFolder

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
            # Counted separately by each server.
            rate = known["n_prompts"] / known["seconds"] * len(model.by_server())
            time = f"{_duration(n / rate)} at the {rate:.1f} prompts per second so far"
        else:
            time = f"{_duration(n / 10)} at 10 prompts per second"
        n_shards = sum(shard.model == model.name for shard in shards)
        size = f"{n:,} prompts in {n_shards:,} shards, about {n * tokens:,.0f} tokens"
        say([f"{model.name}: {size}, and responses of at most {longest} tokens; {time}"])
    say(describe_stages(plan, {shard.model for shard in shards}))


def _duration(seconds: float) -> str:
    """Format an approximate duration."""
    if seconds < 2 * _SECONDS_AN_HOUR:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / _SECONDS_AN_HOUR:.1f} hours"


def _check_repeats(study: "Study", plan: "Plan", n_prompts: int, form: Format) -> None:
    import pandas as pd

    from refusal_metrics.studies import StudyFolder, run_checks

    from ..contracts import REPEAT_CHECK
    from ..display import print_table

    folder = StudyFolder(study.out)
    folder.open(study.asked() | {"designs": plan.designs}, plan.describe_tasks())
    checks: list[dict[str, Any]] = []

    def show(model: "StudyModel", kind: str, what: Mapping[str, Any]) -> None:
        if kind == "checked":
            checks.append(dict(what))
            folder.note(model.name, {"repeat_check": dict(what)})

    with busy("Sending prompts twice"):
        ended = run_checks(study, n_prompts, show)
    say([f"{model} failed: {why}" for model, why in ended.failed.items()])
    if checks:
        print_table(pd.DataFrame(checks), form, contract=REPEAT_CHECK)
    exit_unless_complete(ended, 0)


@app.command("fetch-data")
def fetch_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")],
) -> None:
    """Download and verify the public texts, for machines without a network.

    There, name the folder: `data_dir` among the settings of a study, or of `lm_eval --metadata`.

    Example: `persona-refusal fetch-data data`
    """
    from refusal_metrics.prompts import fetch_texts

    with busy("Downloading"):
        paths = fetch_texts(folder)
    say([*(f"{path}: verified." for path in paths), f'Now: lm_eval ... --metadata \'{{"data_dir": "{folder}"}}\''])
