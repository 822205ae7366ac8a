"""The command ``report``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, print_findings, say
from .load import noted
from .options import RUN_FACTORS, names, optional

app = typer.Typer()


@app.command()
def report(
    results: shared.Results,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the report in an existing folder.")] = False,
    paper: Annotated[bool, typer.Option("--paper", help="Add the paper's tables in its layout.")] = False,
    compare_published: Annotated[
        bool, typer.Option("--compare-published", help="Compare the paper's models with its published numbers.")
    ] = False,
    factors: Annotated[str, optional("FACTORS", f"Settings of runs to add as factors. {RUN_FACTORS}")] = "",
    labels: Annotated[
        Path | None,
        optional("FILE", "Labels of a sample of responses (`annotate import`): report the accuracy of detectors."),
    ] = None,
    columns: shared.LabelColumns = "",
    values: shared.LabelValues = "",
    figures: Annotated[
        str,
        typer.Option(metavar="FORMATS", help="Formats of the figures: svg, png, pdf (comma-separated), or none."),
    ] = "svg",
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Leave prompts and responses out of the report.")
    ] = False,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Write only the tables and report.md, which is faster.")
    ] = False,
    column: shared.Property = "released",
    models: shared.Models = None,
    replicates: shared.Replicates = 1000,
    seed: shared.Seed = 0,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Write `report.html`, a page that opens offline, and its tables, figures and responses; print the main table.

    Writes `report.md`, `tables/*.csv`, `figures/*` and, with texts, `responses.parquet` too.

    Example: `persona-refusal report results --out report`

    Example: `persona-refusal report results --out report --figures svg,pdf`

    Example: `persona-refusal report results --out report --paper --compare-published`
    """
    from ..columns import STUDY_COLUMNS, check_run_factors_only
    from ..contracts import RATES
    from ..display import print_readable, print_table, to_markdown
    from ..figures import check_formats
    from ..labels import read_label_map
    from ..report import ReportOptions, check_out, describe_main_table, main_table, write_report
    from ..responses import load_responses

    check_out(out, force=force)
    formats = [] if figures == "none" else names(figures)
    check_formats(formats)
    if tables_only and formats not in ([], ["svg"]):
        raise InputError(f"--figures {figures}: are not written with --tables-only; leave out one of them")
    texts = not (no_texts or tables_only)
    mapping = read_label_map(columns, values)
    run_factors = tuple(names(factors))
    check_run_factors_only("--factors", run_factors, "the report is broken down by every factor of its prompts")
    with busy("Reading the responses"):
        # With texts, to find labels of other answers.
        with_texts = texts or labels is not None
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors, texts=with_texts)
        responses = noted(responses, detector, exclude=exclude_provider)
    say(responses.notes)
    options = ReportOptions(detector, run_factors, replicates, seed, column, models)
    with busy("Computing tables and figures"):
        estimates = write_report(
            responses,
            out,
            options,
            force=force,
            labels=labels,
            formats=formats,
            page=not tables_only,
            paper=paper,
            compare_published=compare_published,
            texts=texts,
            names=mapping,
        )
    tables = estimates.tables
    table = main_table(tables, run_factors)
    if form in {Format.TABLE, Format.MARKDOWN}:
        print_findings(estimates.findings, markdown=form is Format.MARKDOWN)
    else:
        # A program reads the table.
        say(estimates.findings)
    say(["No persona task was run, so there is no main table."] * table.empty)
    # Intervals of three rules do not fit 80 columns; they are in the report.
    intervals = [name for name in table.columns if name.endswith("95% CI")]
    left_out = ["texts", *intervals[1:]]
    if form in {Format.TABLE, Format.MARKDOWN}:
        shown = table.drop(columns=left_out)
        say(filter(None, [describe_main_table(tables)]))
        print(to_markdown(shown), end="") if form is Format.MARKDOWN else print_readable(shown, STUDY_COLUMNS[:1])  # noqa: T201 - the result
    else:
        rates = tables["rates"]
        print_table(rates[rates["setting"] == "persona"], form, contract=RATES)
    if tables_only:
        say([f"Report written to {out / 'report.md'} (tables in {out / 'tables'})."])
    else:
        parts = f"tables in {out / 'tables'}, figures in {out / 'figures'}"
        say([f"Report written to {out / 'report.html'} ({parts})."])
