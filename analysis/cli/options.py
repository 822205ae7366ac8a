"""The arguments and options that several commands share."""

import math
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from refusal_metrics.errors import InputError

from ..display import Format


def optional(metavar: str, text: str, *flags: str) -> Any:  # noqa: ANN401 - the type is Typer's own
    """Return an option whose default is not shown in the help.

    Parameters
    ----------
    metavar : str
        The name of the value in the help.
    text : str
        The help.
    *flags : str
        The option's names; by default its parameter's.

    Returns
    -------
    typer.models.OptionInfo
    """
    return typer.Option(*flags, metavar=metavar, help=text, show_default=False)


Results = Annotated[
    list[str],
    typer.Argument(
        metavar="RESULTS",
        help="Folders that lm_eval wrote with --output_path and --log_samples, or responses tables "
        "(.parquet, .csv, .tsv, .json, .jsonl; see `ingest`).",
        show_default=False,
    ),
]
Detector = Annotated[
    str | None,
    optional(
        "NAME",
        "The detector: answer_aware, prefix, prefix_strict, or one that `detect` added.  [default: answer_aware]",
    ),
]
Form = Annotated[Format, typer.Option("--format", help="Output format.")]
AllRuns = Annotated[
    bool,
    typer.Option("--all-runs", help="Count every run of a task instead of only the newest response to each prompt."),
]
ExcludeProvider = Annotated[
    bool,
    typer.Option(
        "--exclude-provider",
        help="Exclude responses that the provider refused (content filter, refusal field), from the refusals and from "
        "the total.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Replicates = Annotated[
    int, typer.Option(min=100, max=1_000_000, metavar="N", help="Number of permutations and of bootstrap samples.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="N", help="Random seed.")]
Models = Annotated[
    Path | None, optional("FILE", "CSV with the columns model, family and the property, for other models.")
]
Property = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A property of models for the trend: a date or a number. Of the paper's models released and parameters_b "
        "are known.",
    ),
]
LabelColumns = Annotated[
    str, optional("MAP", "Column names of another tool's label file, e.g. id=item_id,refusal=choice.", "--columns")
]
LabelValues = Annotated[
    str, optional("MAP", "Meaning of its label values (yes, no or unclear), e.g. refuse=yes,comply=no.", "--values")
]
LabelMap = Annotated[str, optional("MAP", "For hf: the meaning of its labels, e.g. LABEL_1=refusal,LABEL_0=answer.")]
JudgeModel = Annotated[str | None, optional("NAME", "For judge: the model.  [default: the server's only model]")]
RUN_FACTORS = "Settings of runs found in the results are factors too: temperature, revision, system_prompt, ..."


def between(option: str, low: float, high: float) -> Callable[[float | None], float | None]:
    """Return a check for a numeric option; Typer's own accepts nan and infinity.

    Parameters
    ----------
    option : str
        Its name, e.g. ``--timeout``.
    low, high : float
        The smallest and the largest allowed value.

    Returns
    -------
    callable
        Returns its argument, or raises `InputError` if that is not a finite number in this range.

    Examples
    --------
    >>> between("--timeout", 0, 100)(2.0)
    2.0
    """

    def check(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise InputError(f"{option} {value:g}: is not a number from {low:g} to {high:g}; give one")
        return value

    return check


def names(listed: str) -> list[str]:
    """Read comma-separated names, each once."""
    return list(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))


def numbers(option: str, listed: str, example: str) -> dict[str, float]:
    """Read comma-separated names with a number each.

    Parameters
    ----------
    option : str
        Its name, e.g. ``--class-weights``.
    listed : str
    example : str
        What to give, for the error message.

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError
        For a part that is no name, equals sign and finite number, or a name that occurs twice.

    Examples
    --------
    >>> numbers("--class-weights", "1=0.6, 2=0.4", "1=0.6,2=0.4")
    {'1': 0.6, '2': 0.4}
    """
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, listed.split(","))):
        name, _, given = map(str.strip, part.rpartition("="))
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise InputError(f"{option} {listed}: {part} is not NAME=NUMBER; give {example}")
        if name in found:
            raise InputError(f"{option} {listed}: names {name} twice; give one number for each name")
        found[name] = value
    return found


class Tool(StrEnum):
    """Formats of annotation files."""

    CSV = "csv"
    LABEL_STUDIO = "label-studio"
    POTATO = "potato"
    ALL = "all"


class SampleAim(StrEnum):
    """What a sample of labels is drawn for."""

    GROUPS = "groups"
    RATE = "rate"


class Only(StrEnum):
    """The population of items, if not all responses."""

    FLAGGED = "flagged"
