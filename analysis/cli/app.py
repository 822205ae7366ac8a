"""The command ``persona-refusal``."""

# The analysis is imported inside the commands, so that help and registration do not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from refusal_metrics import __version__
from refusal_metrics import register as registry
from refusal_metrics.errors import InputError

from . import audit as cli_audit
from . import estimates as cli_estimates
from . import export as cli_export
from . import labels as cli_labels
from . import leaderboard as cli_leaderboard
from . import plan as cli_plan
from . import pool as cli_pool
from . import rates as cli_rates
from . import report as cli_report
from . import study as cli_study
from . import validate as cli_validate
from .console import busy, say
from .interrupts import Stopped, stopped_by_signals
from .options import AllRuns, Detector, Force, Results, names, optional

_LONGEST = 4000
"""The largest number of characters of an error; quoted input can have any length."""

_MISTAKES = {
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.EROFS),
}
"""System errors about wrong names, rather than about the system."""

app = typer.Typer(
    name="persona-refusal",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure false refusals of language models under persona prompts.\n\n"
    "`lm_eval` runs the evaluations; these commands do the rest.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"persona-refusal {__version__}")  # noqa: T201 - the result
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Read the options that come before a command."""


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
    """Remove the links that `register` made.

    Example: `persona-refusal unregister`
    """
    say(registry.unregister())


@app.command()
def ingest(
    results: Results,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output file, .parquet or .csv.")],
    factors: Annotated[
        str,
        optional(
            "FACTORS", "Settings of runs (temperature, ...) to keep as factors.  [default: keep the newest response]"
        ),
    ] = "",
    detector: Detector = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Also keep prompts and responses, for report, detect and annotate.")
    ] = False,
    all_runs: AllRuns = False,
    force: Force = False,
) -> None:
    """Convert results into one table with one row per response, which all commands read faster than the logs.

    Example: `persona-refusal ingest results --out responses.parquet`

    Example: `persona-refusal ingest results --texts --out responses.parquet`
    """
    from ..responses import load_responses, write_responses

    with busy("Reading the responses"):
        responses = load_responses(results, all_runs=all_runs, run_factors=names(factors), texts=texts)
        n_rows = write_responses(responses, out, detector=detector, force=force)
    say([*responses.notes, f"Wrote {n_rows:,} responses to {out}."])


app.add_typer(cli_study.app)
app.add_typer(cli_plan.app)
app.add_typer(cli_rates.app)
app.add_typer(cli_estimates.app)
app.add_typer(cli_pool.app)
app.add_typer(cli_report.app)
app.add_typer(cli_export.app)
app.add_typer(cli_leaderboard.app)
app.add_typer(cli_audit.app)
app.add_typer(cli_labels.app)
app.add_typer(cli_validate.app)


def main() -> None:
    """Run the command and end with its exit code.

    0: done. 1: a model of a study failed, a gate did not pass, the output cannot be written, memory does not
    suffice, or there is a bug, with its traceback. 2: a mistake in the command line or in what it names, one
    sentence. 129, 130 and 143: terminated by SIGHUP, interrupted, terminated by SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        # Half of a surrogate pair, or a character that the terminal's encoding lacks, is not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with stopped_by_signals() as signals:
        try:
            sys.exit(_run(signals))
        except Stopped as stopped:
            say([f"persona-refusal: terminated by {stopped.signal}; incomplete output was not written"])
            raise


def _run(signals: list[int]) -> int | str | None:
    """Run the command; return the exit code."""
    code: int | str | None = 0
    try:
        code = _exit_code()
    except InputError as error:
        text = str(error)
        say([f"persona-refusal: {text if len(text) <= _LONGEST else f'{text[:_LONGEST]} ...'}"])
        code = 2
    except BrokenPipeError:
        # The reader of a pipe, such as head, has closed it.
        _silence(sys.stdout)
        code = 1
    except OSError as error:
        _silence(sys.stdout)
        say([f"persona-refusal: {_cannot(error)}"])
        code = 2 if error.errno in _MISTAKES else 1
    except (RuntimeError, ImportError, SystemError) as error:
        # How DuckDB and extensions being loaded report a signal.
        if signals:
            raise Stopped(signals[0]) from error
        if str(error) != "Query interrupted":
            raise
        code = 130
    except _short_of_memory() as error:
        said = " ".join(str(error).split())[:200]
        say([f"persona-refusal: out of memory{f' ({said})' if said else ''}; use fewer responses or levels"])
        code = 1
    return code


def _exit_code() -> int | str | None:
    try:
        app()
    except Stopped:
        raise
    except SystemExit as ended:
        sys.stdout.flush()
        return ended.code
    return 0


def _cannot(error: OSError) -> str:
    if error.errno == errno.ENOSPC and error.filename is None:
        return "the output cannot be written because the disk is full; free some space"
    where = "the output" if error.filename is None else os.fsdecode(error.filename)
    return f"{where}: cannot be read or written ({error.strerror or error}); check the path and its permissions"


def _short_of_memory() -> tuple[type[BaseException], ...]:
    """Return the exceptions raised if out of memory, including DuckDB's if it was imported."""
    loaded = sys.modules.get("duckdb")
    return (MemoryError, loaded.OutOfMemoryException) if loaded else (MemoryError,)


def _silence(stream: TextIO) -> None:
    """Prevent Python from writing again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
