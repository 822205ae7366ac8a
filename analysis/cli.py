"""The command ``persona-refusal``."""

# The analysis is imported inside the commands, so that help and registration do not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics import register as registry
from refusal_metrics.errors import InputError

from . import cli_estimates, cli_labels, cli_leaderboard, cli_study
from .console import busy, say
from .options import AllRuns, Detector, Force, Results, names

app = typer.Typer(
    name="persona-refusal",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Measure false refusals of language models under persona prompts.\n\n"
    "`lm_eval` runs the evaluations; these commands do the rest.",
)


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
    say(registry.register())


@app.command()
def unregister() -> None:
    """Remove the links that `register` made, and nothing else.

    Example: `persona-refusal unregister`
    """
    say(registry.unregister())


@app.command()
def ingest(
    results: Results,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table to write, .parquet or .csv.")],
    factors: Annotated[
        str,
        typer.Option(
            metavar="FACTORS",
            help="Settings of runs (temperature, ...) that tell answers to one prompt apart; else the newest is kept.",
            show_default=False,
        ),
    ] = "",
    detector: Detector = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Keep prompts and responses too, for report, detect and annotate.")
    ] = False,
    all_runs: AllRuns = False,
    force: Force = False,
) -> None:
    """Write all responses as one table, a row a response, that every other command reads faster than the logs.

    Example: `persona-refusal ingest results --out responses.parquet`

    Example: `persona-refusal ingest results --texts --out responses.parquet`
    """
    from .logs import load_responses
    from .responses import write_responses

    with busy("Reading the responses"):
        responses = load_responses(results, all_runs=all_runs, run_factors=names(factors), texts=texts)
        n_rows = write_responses(responses, out, detector=detector, force=force)
    say([*responses.notes, f"Wrote {n_rows:,} responses to {out}."])


app.add_typer(cli_study.app)
app.add_typer(cli_estimates.app)
app.add_typer(cli_leaderboard.app)
app.add_typer(cli_labels.app)


def main() -> None:
    """Run the command and end with its exit code.

    0: done. 1: a model of a study failed, or the output cannot be written, or there is a bug, with its
    traceback. 2: a mistake in the command line or in what it names, one sentence. 130: interrupted.
    """
    try:
        app()
    except InputError as error:
        say([f"persona-refusal: {error}"])
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        say(["persona-refusal: the output cannot be written, for there is no space left; make some"])
        sys.exit(1)
    except RuntimeError as error:
        # What DuckDB makes of Ctrl-C; elsewhere Typer ends with the same code.
        if str(error) != "Query interrupted":
            raise
        sys.exit(130)


if __name__ == "__main__":
    main()
