"""The command ``plan``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, say, show_progress
from .options import names, optional

if TYPE_CHECKING:
    from ..planning import StudyPlan, Truth

app = typer.Typer()

_FILES = ("study.yaml", "plan.csv", "power.csv", "power.svg")


@app.command()
def plan(
    results: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PILOT]...",
            help="Results of a pilot, from which the rate, its uncertainty and the speed are taken: folders that "
            "lm_eval or `run` wrote, or responses tables.",
            show_default=False,
        ),
    ] = None,
    difference: Annotated[
        float | None,
        optional(
            "SHARE",
            "Difference of a persona's refusal rate from the neutral rate that the study shall detect, e.g. 0.05 for 5 "
            "points.  [default: the smallest that the budget detects]",
        ),
    ] = None,
    direction: Annotated[str, typer.Option(metavar="NAME", help="increase or decrease.")] = "increase",
    rate: Annotated[
        float | None, optional("SHARE", "Refusal rate of neutral prompts, e.g. 0.02; or give a pilot.")
    ] = None,
    study: Annotated[
        Path | None,
        optional("STUDY.yaml", "Take tasks, models and settings from this study file; the plan replaces its size."),
    ] = None,
    models: Annotated[
        str, optional("NAMES", "Instead of a study file: models on the Hugging Face Hub, or folders (comma-separated).")
    ] = "",
    tasks: Annotated[
        str,
        optional(
            "TASKS",
            "Tasks, each with its neutral baseline, or contrast tasks.  [default: persona_refusal]",
        ),
    ] = "",
    design: Annotated[
        str,
        optional(
            "NAME",
            "Of contrast tasks: anchored, paired or factorial.  [default: anchored; balanced for other tasks]",
        ),
    ] = "",
    personas: Annotated[str, optional("NAMES", "Personas or groups, or a YAML file.  [default: all]")] = "",
    source: Annotated[str, optional("SOURCE", "Texts: public, sample or a file.  [default: public]")] = "",
    data_dir: Annotated[str, optional("DIR", "Local copies of the public texts (`fetch-data`).")] = "",
    backend: Annotated[str, optional("NAME", "Engine of the models: vllm or hf.  [default: vllm]")] = "",
    power: Annotated[float, typer.Option(metavar="SHARE", help="Probability that the difference is detected.")] = 0.8,
    alpha: Annotated[
        float, typer.Option(metavar="SHARE", help="Level of the tests, corrected for personas, models and tasks.")
    ] = 0.05,
    max_prompts: Annotated[int | None, optional("N", "Budget: the most prompts, over all models and tasks.")] = None,
    max_hours: Annotated[float | None, optional("HOURS", "Budget: the most hours, over all models.")] = None,
    prompts_per_second: Annotated[
        float | None,
        optional("N", "Speed of the models, if it is not in the pilot: prompts per second of each."),
    ] = None,
    out: Annotated[
        Path | None, optional("DIR", "Write study.yaml, plan.csv and the power curve (power.csv, power.svg) here.")
    ] = None,
    force: shared.Force = False,
    seed: shared.Seed = 0,
    detector: shared.Detector = None,
    form: shared.Form = Format.TABLE,
) -> None:
    """Plan a study: find how many prompts detect a difference, and print its study file for `run`.

    A formula proposes a size; 400 simulated studies of the size, tested like real ones, confirm it.

    Example: `persona-refusal plan --difference 0.05 --rate 0.02 --models Qwen/Qwen2.5-7B-Instruct`

    Example: `persona-refusal plan pilot --difference 0.03 --study study.yaml --out planned`

    Example: `persona-refusal plan --rate 0.02 --max-prompts 20000 --study study.yaml`
    """
    from ..planning import Goal, assume_rate, make_plan

    if out:
        _check_out(out, force=force)
    if (rate is None) == (not results):
        raise InputError("give either --rate, the refusal rate of neutral prompts, or the results of a pilot")
    given = {"--models": models, "--tasks": tasks, "--personas": personas, "--source": source}
    given |= {"--data-dir": data_dir, "--backend": backend, "--design": design}
    asked = _read_study(study, given)
    goal = Goal(difference, direction, power, alpha, max_prompts, max_hours, prompts_per_second, seed)
    goal.check()
    truths, speeds = _read_pilot(results, detector) if rate is None else (assume_rate(rate), {})
    with show_progress("Simulating studies") as shown:
        made = make_plan(goal, asked, truths, speeds=speeds, progress=shown)
    say(made.notes)
    _print(made, form)
    if out:
        _write(made, out, goal.power, goal.n_studies)
        say([f"Now: persona-refusal run {out / _FILES[0]}"])


def _check_out(out: Path, *, force: bool) -> None:
    """Check, before studies are simulated, that the files can be written."""
    from ..files import check_new

    for name in _FILES:
        check_new(out / name, force=force)
    there = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise InputError(f"{there}: is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{out}: cannot be written ({there} allows no new files); name another folder")


def _read_study(study: Path | None, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys and values of the study to plan."""
    from refusal_metrics.studies import load_study

    from ..planning import TASKS, name_models, name_tasks, read_study

    if study:
        if named := [name for name, value in given.items() if value]:
            raise InputError(f"{', '.join(named)}: {study} says this already; give one of them")
        load_study(study)
        return read_study(study)
    if not given["--models"]:
        raise InputError("no models: give --study FILE, or --models, e.g. --models Qwen/Qwen2.5-7B-Instruct")
    settings: dict[str, Any] = {}
    if people := given["--personas"]:
        settings["personas"] = people if people.endswith((".yaml", ".yml")) else names(people)
    for name in ("source", "data_dir", "design"):
        if value := given[f"--{name.replace('_', '-')}"]:
            settings[name] = value
    return {
        "out": "results/planned",
        "tasks": name_tasks(names(given["--tasks"]) or TASKS[:1]),
        "settings": settings,
        "models": name_models(names(given["--models"]), given["--backend"] or "vllm"),
    }


def _read_pilot(results: list[str] | None, detector: str | None) -> "tuple[dict[str, Truth], dict[str, float]]":
    """Return the assumptions by task and the speed of models, from the responses of a pilot."""
    from ..planning import read_pilot, read_speeds, truths_of
    from ..responses import count_responses, load_responses, read_origin
    from .load import noted, said_of_rule

    with busy("Reading the pilot"):
        responses = noted(load_responses(results or []), detector, exclude=False)
        rule = responses.rule(detector)
        pilots = read_pilot(count_responses(responses)[rule])
        speeds = read_speeds(read_origin(responses).studies)
    say([*responses.notes, said_of_rule(rule), *(f"{task}: {pilot}." for task, pilot in pilots.items())])
    return truths_of(pilots), speeds


def _print(made: "StudyPlan", form: Format) -> None:
    """Print the plan; for people also its power curve and study file."""
    from ..contracts import PLAN, POWER_CURVE
    from ..display import print_table

    if form not in {Format.TABLE, Format.MARKDOWN}:
        print_table(made.table, form, contract=PLAN)
        return
    sized = ["task", "rate", "n_texts", "n_persona", "n_neutral", "difference", "power", "power_error"]
    limits = ["task", "mde_up", "mde_down", "rate_width", "persona_width"]
    for columns in (sized, limits):
        print_table(made.table[columns], form, contract=PLAN)
        if form is Format.MARKDOWN:
            print()  # noqa: T201 - the result
    print_table(made.curve, form, ["task"] if form is Format.TABLE else (), contract=POWER_CURVE)
    block = made.study_file.rstrip("\n")
    print(f"\n```yaml\n{block}\n```" if form is Format.MARKDOWN else f"# study.yaml\n{block}")  # noqa: T201 - the same


def _write(made: "StudyPlan", out: Path, power: float, n_studies: int) -> None:
    from ..display import to_csv
    from ..figures import draw_power, write_figures
    from ..files import write_file

    written = write_figures([draw_power(made.curve, power, n_studies)], out, ["svg"])
    for name, content in (("study.yaml", made.study_file), ("plan.csv", to_csv(made.table))):
        write_file(out / name, content.encode())
        written.append(out / name)
    say([f"Wrote {', '.join(sorted(path.name for path in written))} to {out}."])
