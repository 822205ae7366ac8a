"""The command ``validate``."""

# The analysis is imported inside the command, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, say
from .controls import ControlRun, LabelFile, run_controls
from .options import names, optional

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ..labels import Validation

app = typer.Typer()

_RULE = "rule"
"""The column of the patterns that decided."""


def _number(text: str) -> Any:  # noqa: ANN401 - the type is Typer's own
    """Return an option for a number from 1 whose default is not shown as a value."""
    return typer.Option(metavar="N", min=1, max=100_000, help=text, show_default=False)


@app.command("validate")
def validate_command(
    labels: Annotated[
        Path | None,
        optional(
            "FILE",
            "Labels (.csv, .jsonl, .json, .parquet): one row per item and annotator, with the columns response "
            "and refusal (yes or no), and optionally id, annotator, probability, persona, ...",
        ),
    ] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls", help="Instead, run a model that is told to decline, and told to answer, and judge it."
        ),
    ] = False,
    detector: Annotated[
        list[str],
        optional("D", "A rule, hf:MODEL or judge:http://HOST:PORT/v1; can be repeated.  [default: all rules]"),
    ] = [],  # noqa: B006 - typer copies it
    by: Annotated[
        str,
        optional(
            "COLUMNS",
            "Columns to break results down by, or rule for each pattern of the detectors.  [default: the available "
            "ones of model, task, template, response_type, persona]",
        ),
    ] = "",
    preset: Annotated[
        str | None,
        optional("NAME", "Format of the file: labels, xstest or chatgpt.  [default: detected from its columns]"),
    ] = None,
    columns: shared.LabelColumns = "",
    values: shared.LabelValues = "",
    label_map: shared.LabelMap = "",
    judge_model: shared.JudgeModel = None,
    cache: Annotated[Path | None, optional("FILE", "For judge: cache of replies.  [default: none]")] = None,
    seed: shared.Seed = 0,
    out: Annotated[
        Path | None, optional("FOLDER", "For --controls: folder of the responses. The same one resumes a run.")
    ] = None,
    model: Annotated[
        str | None,
        optional(
            "BACKEND",
            "For --controls: the backend, as in lm_eval --model.  [default: hf with SmolLM2-135M-Instruct]",
        ),
    ] = None,
    model_args: Annotated[
        str, optional("ARGS", "For --controls: as in lm_eval --model_args, e.g. pretrained=NAME.", "--model_args")
    ] = "",
    limit: Annotated[
        int | None, _number("For --controls: approximate number of prompts per condition.  [default: 210]")
    ] = None,
    batch_size: Annotated[int | None, _number("For --controls: batch size of the model.  [default: 16]")] = None,
    max_tokens: Annotated[
        int | None, _number("For --controls: maximum number of tokens per response.  [default: 32]")
    ] = None,
    form: shared.Form = Format.TABLE,
) -> None:
    """Validate detectors against labels: print precision, recall, F1 and kappa, overall and by slice.

    CSV and JSON contain the counts and measures of all items and of each slice.

    `--by rule` prints the precision and recall of each pattern, those with the most errors first. A response counts
    for the pattern that decided it; recall is the share of all labelled refusals that this pattern finds first.

    `--controls` tests the detector on a model that is told in the system message to decline in its own words, and on
    one that is told to answer with a given label: the detector should read 1 and 0. With `--labels`, only responses
    that did as told count.

    Example: `persona-refusal validate --labels labels.csv --by model,task,persona`

    Example: `persona-refusal validate --labels labels.csv --by rule --detector answer_aware`

    Example: `persona-refusal validate --controls --out controls`

    Example: `persona-refusal validate --labels xstest_v2_completions_gpt4.csv --detector prefix`

    Example: `persona-refusal validate --labels theirs.csv --columns response=answer,refusal=label --values 1=no,2=yes`
    """
    from refusal_metrics.detection import ANSWERS_BY, RULES

    from ..judging import make_detector
    from ..labels import read_label_map, validate
    from ..responses import DetectorOptions

    of_controls = {
        "--out": out,
        "--model": model,
        "--model_args": model_args,
        "--limit": limit,
        "--batch-size": batch_size,
        "--max-tokens": max_tokens,
    }
    _check_use(controls, labels, [name for name, value in of_controls.items() if value])
    options = DetectorOptions(label_map=label_map, judge_model=judge_model, cache=cache)
    mapping = read_label_map(columns, values)
    factors = names(by)
    if controls:
        run = _read_run(out, model, model_args, limit, batch_size, max_tokens)
        if len(detector) > 1 or _RULE in factors:
            raise InputError(
                "--controls: tests one detector, by personas or templates; give one --detector, no --by rule"
            )
        file = LabelFile(labels, preset, mapping) if labels else None
        run_controls(run, make_detector((detector or [ANSWERS_BY])[0], options), file, factors or ["persona"], form)
    elif labels is not None:
        by_pattern = _RULE in factors
        if by_pattern and len(factors) > 1:
            raise InputError(f"--by {by}: patterns are not broken down further; give --by {_RULE} alone")
        detectors = [make_detector(spec, options) for spec in detector or RULES]
        chosen = [] if by_pattern else factors or None
        with busy("Judging the responses"):
            found = validate(
                labels, detectors, by=chosen, preset=preset, seed=seed, names=mapping, by_pattern=by_pattern
            )
        say([*found.notes, *_count_unused(found.patterns)])
        if found.table.empty:
            raise InputError(f"{labels}: no detector gave any item a verdict; see above")
        _print(found, form, by_pattern=by_pattern)


def _check_use(controls: bool, labels: Path | None, of_controls: Sequence[str]) -> None:
    """Check that there is something to validate, and that no option of the controls is given without them."""
    if not controls and of_controls:
        raise InputError(f"{', '.join(of_controls)}: is for --controls only; add --controls, or leave it out")
    if not controls and labels is None:
        raise InputError("validate: neither --labels nor --controls is given; give a file of labels, or --controls")


def _print(found: "Validation", form: Format, *, by_pattern: bool) -> None:
    from ..display import print_readable, print_table, to_markdown
    from ..labels import (
        readable_confusion,
        readable_gaps,
        readable_patterns,
        readable_slices,
        readable_validation,
    )

    if form in {Format.CSV, Format.JSON}:
        print_table(found.patterns if by_pattern else found.table, form)
        return
    parts = [(readable_patterns(found.patterns), ["detector"])]
    if not by_pattern:
        parts = [
            (readable_validation(found.table), ["detector"]),
            (readable_confusion(found.confusion), ["detector"]),
            (readable_slices(found.table), ["detector", "factor"]),
            (readable_gaps(found.gaps), ["detector"]),
        ]
    for shown, sections in parts:
        if shown.empty:
            continue
        if form is Format.MARKDOWN:
            print(to_markdown(shown))  # noqa: T201 - the command's result
        else:
            print_readable(shown, sections)


def _read_run(
    out: Path | None,
    model: str | None,
    model_args: str,
    limit: int | None,
    batch_size: int | None,
    max_tokens: int | None,
) -> ControlRun:
    if out is None:
        raise InputError("--controls: needs a folder for the responses; add --out FOLDER")
    if model_args and not model:
        raise InputError("--model_args: needs --model, the backend; add e.g. --model hf")
    return ControlRun(out, model or "", model_args, limit or 210, batch_size or 16, max_tokens or 32)


def _count_unused(patterns: "pd.DataFrame") -> "Iterator[str]":
    """Report how many patterns of each detector decided no response."""
    for detector, of_it in patterns.groupby("detector", sort=False):
        unused = int((of_it["n_found"] == 0).sum())
        if unused:
            yield f"{detector}: {unused:,} of its {len(of_it):,} patterns decided no response; CSV and JSON list them."
