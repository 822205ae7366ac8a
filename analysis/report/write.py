"""The report's files: a page to open, the same in Markdown, tidy tables, figures, and all responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from refusal_metrics.detection.rules import RULES
from refusal_metrics.errors import InputError

from ..display.spreadsheets import to_csv
from ..figures.figure import check_formats
from ..files import check_folder, replace_folder
from ..labels.mapping import LabelMap
from ..labels.validate import Validation, validate
from ..paper.compare import compare_published as set_beside_published
from ..paper.figures import paper_figures
from ..paper.tables import paper_tables
from ..responses.rules import RuleDetector
from ..responses.table import Responses
from ..responses.usable import note_unusable
from .files import MARKDOWN, RESPONSES, find_report
from .markdown import Source, main_table, write_page
from .study_tables import Estimates, Options, estimate_study

__all__ = ["check_out", "main_table", "write_report"]


@dataclass(frozen=True)
class _Made:
    """What is written, besides the page and what it draws."""

    responses: Responses
    estimates: Estimates
    options: Options
    extra: Mapping[str, pd.DataFrame]
    files: Mapping[str, pd.DataFrame]
    validation: Validation | None


def write_report(
    responses: Responses,
    out: Path,
    options: Options | None = None,
    *,
    force: bool = False,
    paper: bool = False,
    compare_published: bool = False,
    labels: Path | None = None,
    formats: Sequence[str] = (),
    names: LabelMap | None = None,
    texts: bool = True,
    page: bool = True,
) -> dict[str, pd.DataFrame]:
    """Write ``report.html``, ``report.md``, ``tables/*.csv`` and ``figures/*``, and ``responses.parquet`` with texts.

    Parameters
    ----------
    responses : Responses
    out : Path
        The folder. All files are made elsewhere and moved here when they are complete; if that fails, it
        is left as it was.
    options : Options, optional
    force : bool
        Whether to replace the report that the folder contains. All that it consists of is removed; other
        files stay.
    paper : bool
        Whether to add the paper's tables in its layout and the numbers of its figures, ``tables/paper/*.csv``.
    compare_published : bool
        Whether to add ``tables/published.csv``, the paper's numbers beside the measured ones.
    labels : Path, optional
        Labels that readers gave to responses, see `refusal_metrics.analysis.labels.read.read_labels`: the
        rules, and other detectors whose verdicts `responses` carries, are set beside them,
        ``tables/validation.csv``.
    names : LabelMap, optional
        What the label file calls its columns and values.
    formats : sequence of {"svg", "png", "pdf"}
        Forms of the figures beside the page; their rows, ``figures/NAME.csv``, are always written.
    texts : bool
        Whether prompts and responses are shown, where there are any: a sample in the page, all in
        ``responses.parquet``.
    page : bool
        Whether ``report.html``, its figures and responses are written; else the tables and
        ``report.md`` alone.

    Returns
    -------
    dict of str to pandas.DataFrame
        The tables, see `refusal_metrics.analysis.report.study_tables.Estimates`.

    Raises
    ------
    InputError
        If the folder contains something and `force` is not set, or no report, is being written by another
        command, or cannot be written; for an unknown form of figures; or if factors of runs shall be told
        apart in the paper's tables, which have no place for them.
    """
    if (paper or compare_published) and options and options.run_factors:
        raise InputError(
            f"the paper's tables have no place for {', '.join(options.run_factors)}; leave out --factors, or leave out "
            "--paper and --compare-published"
        )
    check_formats(formats)
    _check_not_read(responses, out)
    with replace_folder(out, force=force, find_ours=find_report) as folder:
        made = _estimate(
            responses, options or Options(), labels, names, paper=paper, compare_published=compare_published
        )
        try:
            _write_into(folder, made, formats, texts=texts, page=page)
        except InputError as error:
            raise InputError(str(error).replace(str(folder), str(out))) from error
    return made.estimates.tables


def check_out(out: Path, *, force: bool) -> None:
    """Check, before anything is read, that a report may be written there; see `write_report`."""
    check_folder(out, force=force, find_ours=find_report)


def _check_not_read(responses: Responses, out: Path) -> None:
    """Refuse to replace the report whose own responses are read."""
    place = (out / RESPONSES).resolve()
    if any(isinstance(file, Path) and file.resolve() == place for file in responses.files):
        raise InputError(
            f"{out / RESPONSES}: is read, and would be removed with the report that it belongs to; name another folder"
        )


def _estimate(
    responses: Responses,
    options: Options,
    labels: Path | None,
    names: LabelMap | None,
    *,
    paper: bool,
    compare_published: bool,
) -> _Made:
    # First, because it is soon done, and wrong labels are soon said.
    rules = [RuleDetector(rule) for rule in responses.rules if rule in RULES]
    validation = validate(labels, rules, responses=responses, names=names) if labels else None
    responses = note_unusable(responses, options.detector)
    estimates = estimate_study(responses, options)
    extra = _paper_layout(estimates) if paper else {}
    if compare_published:
        references = estimates.fit.references if estimates.fit else None
        extra["published"] = set_beside_published(_with_rule(estimates), references)
    files = {f"tables/{stem}.csv": table for stem, table in estimates.tables.items()}
    files |= {f"tables/{'' if stem == 'published' else 'paper/'}{stem}.csv": table for stem, table in extra.items()}
    if validation:
        files["tables/validation.csv"] = validation.table
    if paper:
        files |= {f"tables/paper/{stem}.csv": table for stem, table in paper_figures(estimates.tables).items()}
    return _Made(responses, estimates, options, extra, files, validation)


def _paper_layout(estimates: Estimates) -> dict[str, pd.DataFrame]:
    tables = _with_rule(estimates)
    return paper_tables(estimates.tables, estimates.tables, tables.get("regression"))


def _with_rule(estimates: Estimates) -> dict[str, pd.DataFrame]:
    """Say of the regression, too, of whose verdicts it is: the paper's own numbers are those of one rule."""
    regression = estimates.tables.get("regression")
    told = {} if regression is None else {"regression": regression.assign(rule=estimates.rule)}
    return {**estimates.tables, **told}


def _write_into(folder: Path, made: _Made, formats: Sequence[str], *, texts: bool, page: bool) -> None:
    responses, estimates = made.responses, made.estimates
    for file, table in made.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(to_csv(table), encoding="utf-8")
    markdown = write_page(Source(responses.files, responses.notes), estimates, made.extra, made.validation)
    (folder / MARKDOWN).write_text(markdown, encoding="utf-8")
    if page:
        from .html.bundle import write_html_files  # noqa: PLC0415 - what draws takes half a second, and tables need none

        of_paper = {file: table for file, table in made.files.items() if _is_of_paper(file)}
        write_html_files(
            folder,
            responses,
            estimates,
            made.options,
            tables=of_paper,
            validation=made.validation,
            formats=formats,
            texts=texts,
        )


def _is_of_paper(file: str) -> bool:
    return file == "tables/published.csv" or (file.startswith("tables/paper/") and "/figure" not in file)
