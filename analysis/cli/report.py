"""The command ``report``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, print_findings, say
from .gates import end_gate, print_gate, print_gated
from .load import noted
from .options import RUN_FACTORS, names, optional

if TYPE_CHECKING:
    from ..gates import Gate
    from ..report import StudyEstimates

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
    fail_if: Annotated[
        list[str],
        optional(
            "CONDITION",
            "A gate: 'refusal_rate > 5%' (also refusal_rate_prefix, refusal_rate_prefix_strict) or 'persona gap > 3pp' "
            "(can be repeated). PASS (exit code 0): all simultaneous 95% intervals are within the margins. FAIL (3): "
            "one is outside. INCONCLUSIVE (4): neither, or RESULTS cannot be judged.",
        ),
    ] = [],  # noqa: B006 - typer copies it
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

    Example: `persona-refusal report results --out report --fail-if 'refusal_rate > 5%' --fail-if 'persona gap > 3pp'`

    Example: `persona-refusal report results --out report --paper --compare-published`
    """
    from ..columns import check_run_factors_only
    from ..figures import check_formats
    from ..gates import check_responses, parse_conditions
    from ..labels import read_label_map
    from ..report import ReportOptions, check_out, write_report
    from ..responses import load_responses

    conditions = parse_conditions(fail_if)
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
    with busy("Checking the gate"):
        gate = check_responses(responses, conditions, detector) if conditions else None
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
            gate=gate,
        )
    _print_main_table(estimates, gate, form)
    if tables_only:
        say([f"Report written to {out / 'report.md'} (tables in {out / 'tables'})."])
    else:
        parts = f"tables in {out / 'tables'}, figures in {out / 'figures'}"
        say([f"Report written to {out / 'report.html'} ({parts})."])
    end_gate(gate)


def _print_main_table(estimates: "StudyEstimates", gate: "Gate | None", form: Format) -> None:
    """Print the verdict of the gate, the findings and the main table; for a program, its numbers."""
    from ..columns import STUDY_COLUMNS
    from ..contracts import RATES
    from ..display import print_readable, to_markdown
    from ..report import describe_main_table, main_table

    tables = estimates.tables
    table = main_table(tables, estimates.run_factors)
    if form in {Format.TABLE, Format.MARKDOWN}:
        print_gate(gate, form)
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
        print_gated(rates[rates["setting"] == "persona"], form, gate, contract=RATES)
