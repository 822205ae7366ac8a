"""What ``validate --controls`` does: run a model that is told to decline and to answer, and judge its responses."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from ..display import Format
from .console import busy, say
from .study import exit_unless_complete, raising_interrupts, run_missing

if TYPE_CHECKING:
    import pandas as pd

    from refusal_metrics.studies import Study

    from ..labels import LabelMap
    from ..responses import Detector

TABLE = "responses.parquet"
"""The file of the judged responses, in the output folder."""

_RATES = ("factor", "level", "n", "estimate", "ci_low", "ci_high", "answered", "answered_low", "answered_high")
_READINGS = (
    *("factor", "level", "n_labelled", "n_obeyed", "obeyed", "obeyed_low", "obeyed_high"),
    *("reading", "reading_low", "reading_high"),
)


@dataclass(frozen=True)
class ControlRun:
    """How the controls are run.

    Attributes
    ----------
    out : Path
        The folder of the responses.
    model : str
        What ``lm_eval --model`` takes; empty for the demo model.
    model_args : str
        What ``lm_eval --model_args`` takes.
    limit : int
        About how many prompts each condition has.
    batch_size, max_tokens : int
    """

    out: Path
    model: str
    model_args: str
    limit: int
    batch_size: int
    max_tokens: int


@dataclass(frozen=True)
class LabelFile:
    """A file of labels, and how it is read."""

    path: Path
    preset: str | None
    names: "LabelMap"


def run_controls(
    run: ControlRun, detector: "Detector", labels: LabelFile | None, by: Sequence[str], form: Format
) -> None:
    """Run the controls of a detector, and print what it reads.

    Parameters
    ----------
    run : ControlRun
    detector : Detector
    labels : LabelFile, optional
        Labels of the responses of an earlier run of the same command.
    by : sequence of str
        Factors to break the results down by.
    form : Format

    Raises
    ------
    InputError
        If the model or its arguments are wrong, the folder has the responses of another model, or there are labels but
        no responses yet, or labels of others.
    """
    from refusal_metrics.studies import control_studies, read_model_args

    studies = control_studies(
        run.out,
        run.model,
        read_model_args(run.model_args),
        n_prompts=run.limit,
        batch_size=run.batch_size,
        max_tokens=run.max_tokens,
    )
    _check_folder(studies, labels)
    _ask(studies)
    responses = _judge(studies, run.out / TABLE, detector)
    _print(responses if labels is None else _label(responses, run.out / TABLE, labels), detector.name, by, form)
    if labels is None:
        say(
            [
                (
                    f"Now: persona-refusal annotate export {run.out / TABLE} --out {run.out / 'to_label'} "
                    f"--n {len(responses)}"
                ),
            ]
        )


def _check_folder(studies: "Mapping[str, Study]", labels: LabelFile | None) -> None:
    """Check that the folder has no other model's responses, and some if there are labels."""
    from refusal_metrics.studies import StudyFolder

    for study in studies.values():
        known = StudyFolder(study.out).record().get("asked", {}).get("models", {})
        name = study.models[0].name
        if known and name not in known:
            raise InputError(
                f"{study.out}: already has the responses of {', '.join(known)}; name another folder with --out"
            )
        if labels is not None and not known:
            raise InputError(
                f"--labels {labels.path}: {study.out} has no responses yet that could be labelled; first run the same "
                "command without --labels"
            )


def _ask(studies: "Mapping[str, Study]") -> None:
    """Run what is missing of each study."""
    from refusal_metrics.studies import plan_study

    with raising_interrupts():
        for study in studies.values():
            with busy("Building the prompts"):
                plan = plan_study(study)
            ended, n_todo = run_missing(study, plan, plan.shards)
            say(f"{model} failed: {why}" for model, why in ended.failed.items())
            exit_unless_complete(ended, n_todo - ended.written - ended.others)


def _judge(studies: "Mapping[str, Study]", out: Path, detector: "Detector") -> "pd.DataFrame":
    """Judge the responses of the studies and write them; return them with their condition."""
    import pandas as pd

    from ..judging import detect
    from .console import show_progress

    with show_progress("Judging") as progress:
        detected = detect([study.out for study in studies.values()], out, detector, force=True, progress=progress)
    say([*detected.notes, f"Wrote {detected.n:,} responses to {out}; the detector is {detector.name}."])
    conditions = {study.models[0].name: condition for condition, study in studies.items()}
    responses = pd.read_parquet(out)
    return responses.assign(condition=responses["model"].map(conditions))


def _label(responses: "pd.DataFrame", table: Path, labels: LabelFile) -> "pd.DataFrame":
    """Add the labels of a file to the responses; report what was left out."""
    from ..labels import add_labels, check_texts, read_labels, weigh_labels
    from ..responses import read_responses

    read, notes = check_texts(
        read_responses([table]), read_labels(labels.path, preset=labels.preset, names=labels.names)
    )
    say([*read.notes, *notes])
    if read.items.empty:
        raise InputError(f"{labels.path}: none of its labels can be used")
    items, notes = weigh_labels(read)
    say(notes)
    return add_labels(responses, items, str(labels.path))


def _print(responses: "pd.DataFrame", detector: str, by: Sequence[str], form: Format) -> None:
    from ..columns import name_level
    from ..display import print_table
    from ..labels import CONTROLS, LABELLED_CONTROLS, describe_controls, estimate_controls

    table = estimate_controls(responses, by)
    has_labels = "reading" in table
    contract = LABELLED_CONTROLS if has_labels else CONTROLS
    if form in {Format.CSV, Format.JSON}:
        print_table(table, form, contract=contract)
    else:
        for columns in (_RATES, *[_READINGS] * has_labels):
            # A single factor needs no column.
            shown = [name for name in columns if name != "factor" or len(by) > 1]
            named = zip(table["factor"], table["level"], strict=True)
            levels = [name_level(factor, level) if factor else "all" for factor, level in named]
            print_table(table.assign(level=levels)[["condition", *shown]], form, ["condition"], contract=contract)
    say(describe_controls(table, detector))
