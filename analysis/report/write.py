"""The report's files: page, Markdown, tidy tables, figures, and all responses.

Responses are counted, tables are computed from the counts, figures and pages from the tables, and files from these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError

from ..display import to_csv
from ..figures import check_formats
from ..files import check_folder, replace_folder
from ..gates import Gate
from ..labels import LabelMap, Validation, validate
from ..paper import compare_published as set_beside_published
from ..paper import paper_figures, paper_tables
from ..responses import Origin, Responses, RuleDetector, count_outcomes, count_responses, note_unusable, read_origin
from .files import GATE, MARKDOWN, RESPONSES, find_report
from .gates import add_gate, write_gate
from .in_short import Labelled, find_in_short, read_labelled
from .markdown import main_table, write_markdown
from .study_tables import ReportOptions, StudyEstimates, estimate_study

__all__ = ["check_out", "estimate_responses", "main_table", "write_report"]


def write_report(
    responses: Responses,
    out: Path,
    options: ReportOptions | None = None,
    *,
    force: bool = False,
    paper: bool = False,
    compare_published: bool = False,
    labels: Path | None = None,
    formats: Sequence[str] = (),
    names: LabelMap | None = None,
    texts: bool = True,
    page: bool = True,
    gate: Gate | None = None,
) -> StudyEstimates:
    """Write ``report.html``, ``report.md``, ``tables/*.csv`` and ``figures/*``, and ``responses.parquet`` with texts.

    Parameters
    ----------
    responses : Responses
    out : Path
        The folder. All files are written to a temporary folder and moved when they are complete; if that fails, it is
        unchanged.
    options : ReportOptions, optional
    force : bool
        Whether to replace a report in the folder. All of its files are removed; other files stay.
    paper : bool
        Whether to add the paper's tables in its layout and the numbers of its figures, ``tables/paper/*.csv``.
    compare_published : bool
        Whether to add ``tables/published.csv``, the paper's numbers compared with the measured ones.
    labels : Path, optional
        People's labels of responses, see `refusal_metrics.analysis.labels.read.read_labels`: the
        rules, and other detectors with verdicts in `responses`, are compared with them in ``tables/validation.csv``.
    names : LabelMap, optional
        Names of the label file's columns and values.
    formats : sequence of {"svg", "png", "pdf"}
        Formats of the figures; their data, ``figures/NAME.csv``, are always written.
    texts : bool
        Whether prompts and responses are shown if available: a sample on the page, all in ``responses.parquet``.
    page : bool
        Whether ``report.html``, its figures and responses are written; else the tables and
        ``report.md`` alone.
    gate : Gate, optional
        Of these responses: its verdict is the first line of ``report.md`` and of the page, and ``gate.json`` has all of
        it.

    Returns
    -------
    StudyEstimates
        The tables and the findings.

    Raises
    ------
    InputError
        If the folder contains something and `force` is not set, or no report, is being written by another
        command, or cannot be written; for an unknown format of figures; or if the paper's tables are requested with run
        factors, for which they have no place.
    """
    options = options or ReportOptions()
    if (paper or compare_published) and options.run_factors:
        raise InputError(
            f"the paper's tables have no place for {', '.join(options.run_factors)}; leave out --factors, or leave out "
            "--paper and --compare-published"
        )
    check_formats(formats)
    _check_not_read(responses, out)
    with replace_folder(out, force=force, find_ours=find_report) as folder:
        # First, because it is fast and reports wrong labels early.
        validation = _validate(responses, labels, names) if labels else None
        responses = note_unusable(responses, options.detector)
        origin = read_origin(responses)
        labelled = read_labelled(responses, labels, names, validation, options.detector)
        estimates = estimate_responses(responses, options, origin, labelled)
        of_paper = _paper_layout(estimates, paper=paper, published=compare_published)
        tables = _name_files(estimates, of_paper, validation, paper=paper)
        try:
            for file, table in tables.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(to_csv(table), encoding="utf-8")
            markdown = write_markdown(origin, estimates, of_paper, validation)
            if gate is not None:
                markdown = add_gate(markdown, gate)
                write_gate(folder / GATE, gate)
            (folder / MARKDOWN).write_text(markdown, encoding="utf-8")
            if page:
                # The import takes half a second, and tables do not need it.
                from .html.bundle import write_html_files  # noqa: PLC0415 - see above

                write_html_files(
                    folder,
                    responses,
                    estimates,
                    origin,
                    options,
                    tables={_file_of(name): table for name, table in of_paper.items()},
                    validation=validation,
                    formats=formats,
                    texts=texts,
                    gate=gate,
                )
        except InputError as error:
            raise InputError(str(error).replace(str(folder), str(out))) from error
    return estimates


def estimate_responses(
    responses: Responses,
    options: ReportOptions | None = None,
    origin: Origin | None = None,
    labelled: Labelled | None = None,
) -> StudyEstimates:
    """Count responses, and compute every table of the report and the findings.

    Parameters
    ----------
    responses : Responses
    options : ReportOptions, optional
    origin : Origin, optional
        What was read, if it is known.
    labelled : Labelled, optional
        Labels of the responses.

    Returns
    -------
    StudyEstimates

    Raises
    ------
    InputError
        For an unknown detector or property of models. Tables that cannot be estimated are reported in notes.
    """
    options = options or ReportOptions()
    rule = responses.rule(options.detector)
    counts = count_responses(responses, options.run_factors)
    outcomes = count_outcomes(responses, rule)
    estimates = estimate_study(counts, outcomes, replace(options, detector=rule))
    findings = find_in_short(estimates, counts[rule], origin or read_origin(responses), labelled or Labelled())
    return replace(estimates, findings=findings)


def check_out(out: Path, *, force: bool) -> None:
    """Check, before anything is read, that a report may be written there; see `write_report`."""
    check_folder(out, force=force, find_ours=find_report)


def _check_not_read(responses: Responses, out: Path) -> None:
    """Check that the report to be replaced is not the source of the responses."""
    place = (out / RESPONSES).resolve()
    if any(isinstance(file, Path) and file.resolve() == place for file in responses.files):
        raise InputError(f"{out / RESPONSES}: is read, and would be removed with its report; name another folder")


def _validate(responses: Responses, labels: Path, names: LabelMap | None) -> Validation:
    rules = [RuleDetector(rule) for rule in responses.rules if rule in RULES]
    return validate(labels, rules, responses=responses, names=names)


def _paper_layout(estimates: StudyEstimates, *, paper: bool, published: bool) -> dict[str, pd.DataFrame]:
    """Compute the paper's tables from measured numbers, and compare its numbers with these, as requested."""
    tables = _with_rule(estimates)
    made = paper_tables(estimates.tables, estimates.tables, tables.get("regression")) if paper else {}
    if published:
        made["published"] = set_beside_published(tables, estimates.fit.references if estimates.fit else None)
    return made


def _with_rule(estimates: StudyEstimates) -> dict[str, pd.DataFrame]:
    """Add the detector to the table of the regression, because the paper's numbers are by one detector."""
    regression = estimates.tables.get("regression")
    told = {} if regression is None else {"regression": regression.assign(rule=estimates.rule)}
    return {**estimates.tables, **told}


def _name_files(
    estimates: StudyEstimates, of_paper: Mapping[str, pd.DataFrame], validation: Validation | None, *, paper: bool
) -> dict[str, pd.DataFrame]:
    """Return the file of each table, relative to the report's folder."""
    files = {f"tables/{name}.csv": table for name, table in estimates.tables.items()}
    files |= {_file_of(name): table for name, table in of_paper.items()}
    if validation:
        files["tables/validation.csv"] = validation.table
    if paper:
        files |= {_file_of(name): table for name, table in paper_figures(estimates.tables).items()}
    return files


def _file_of(name: str) -> str:
    """Return the file of one of the paper's tables."""
    return f"tables/{name}.csv" if name == "published" else f"tables/paper/{name}.csv"
