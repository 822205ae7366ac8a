"""The command ``persona-refusal``."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from refusal_metrics import register as registry
from refusal_metrics.errors import InputError

from .tables import Format, plain

app = typer.Typer(
    name="persona-refusal",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Measure false refusals of language models under persona prompts.\n\n"
    "`lm_eval` runs the evaluations; these commands do the rest.",
)

Results = Annotated[
    list[Path],
    typer.Argument(metavar="RESULTS...", help="Folders that lm_eval wrote with --output_path and --log_samples."),
]


@app.command("tasks-path")
def tasks_path() -> None:
    """Print the folder of the tasks, for `lm_eval --include_path`.

    Example: `lm_eval --include_path $(persona-refusal tasks-path) --tasks persona_refusal ...`
    """
    print(registry.tasks_folder())  # noqa: T201 - the command's result


@app.command()
def register() -> None:
    """Link the tasks into the installed harness, so that plain `lm_eval --tasks persona_refusal` finds them.

    Example: `persona-refusal register`
    """
    _say(registry.register())


@app.command()
def unregister() -> None:
    """Remove the links that `register` made, and nothing else.

    Example: `persona-refusal unregister`
    """
    _say(registry.unregister())


@app.command()
def rates(
    results: Results,
    by: Annotated[
        str, typer.Option(help="Factors to tell apart besides model, task and setting, e.g. persona,template.")
    ] = "",
    detector: Annotated[str, typer.Option(help="The rule: prefix or prefix_strict.")] = "prefix",
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Print refusal rates with text-clustered 95 % intervals.

    Percentages on screen and in Markdown, proportions in CSV and JSON.

    Example: `persona-refusal rates results --by persona`
    """
    # Imported here so that help and registration do not wait for pandas and DuckDB.
    from .cells import STUDY_COLUMNS, check_detector, check_factors, count_by_text  # noqa: PLC0415
    from .logs import load_responses  # noqa: PLC0415
    from .rates import estimate_rates  # noqa: PLC0415
    from .tables import print_table  # noqa: PLC0415

    factors = [name.strip() for name in by.split(",") if name.strip()]
    check_factors(factors)
    check_detector(detector)
    responses = load_responses(results)
    columns = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
    table = estimate_rates(count_by_text(responses, columns, detector), columns)
    _say([*responses.notes, f"Refusals by the rule {detector}."])
    print_table(table, form, STUDY_COLUMNS if len(columns) > len(STUDY_COLUMNS) else STUDY_COLUMNS[:1])


@app.command()
def report(
    results: Results,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is there already.")] = False,
) -> None:
    """Write `report.md` and `tables/*.csv`, and print the main table.

    Example: `persona-refusal report results --out report`
    """
    from .cells import STUDY_COLUMNS  # noqa: PLC0415
    from .logs import load_responses  # noqa: PLC0415
    from .report import main_table, write_report  # noqa: PLC0415
    from .tables import print_readable  # noqa: PLC0415

    responses = load_responses(results)
    tables = write_report(responses, out, force=force)
    _say(responses.notes)
    print_readable(main_table(tables).drop(columns="texts"), STUDY_COLUMNS[:1])  # fits 80 columns
    _say([f"The report is {out / 'report.md'}, its tables are in {out / 'tables'}."])


def _say(sentences: tuple[str, ...] | list[str]) -> None:
    """Talk to the user on the standard error, which leaves the standard output to results."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for sentence in sentences:
        console.print(plain(sentence))


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        _say([f"persona-refusal: {error}"])
        sys.exit(2)


if __name__ == "__main__":
    main()
