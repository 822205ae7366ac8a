"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from .values import Format

Results = Annotated[
    list[str],
    typer.Argument(
        metavar="RESULTS",
        help="Folders that lm_eval wrote with --output_path and --log_samples, or responses tables (`ingest`).",
        show_default=False,
    ),
]
Detector = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="The rule: answer_aware, prefix, prefix_strict, or one that `detect` added.  [default: answer_aware]",
        show_default=False,
    ),
]
Form = Annotated[Format, typer.Option("--format", help="How to print.")]
AllRuns = Annotated[
    bool,
    typer.Option("--all-runs", help="Count every run of a task, not the newest answer to each prompt alone."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
Replicates = Annotated[
    int, typer.Option(min=100, max=1_000_000, metavar="N", help="Permutations, and bootstrap samples of whole texts.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of all that is drawn at random.")]
Models = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV with the columns model, family and the property, for other models.",
        show_default=False,
    ),
]
Property = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A property of models for the trend: a date or a number. Of the paper's models released and parameters_b "
        "are known.",
    ),
]
RUN_FACTORS = "Settings of runs found in the results are factors too: temperature, revision, system_prompt, ..."


def names(listed: str) -> list[str]:
    """Read names between commas, each once."""
    return list(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))
