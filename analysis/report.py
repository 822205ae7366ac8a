"""The report's files: tidy tables as CSV, and one Markdown page that shows and explains them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from refusal_metrics.detectors import RULES
from refusal_metrics.errors import InputError

from .batch import RuleDetector
from .estimates import Estimates, Options, estimate_study
from .page import Source, main_table, write_page
from .paper import compare_published as set_beside_published
from .paper import paper_tables
from .paper_figures import paper_figures
from .responses import Responses
from .validation import validate

__all__ = ["check_out", "main_table", "write_report"]


def write_report(
    responses: Responses,
    out: Path,
    options: Options | None = None,
    *,
    force: bool = False,
    paper: bool = False,
    compare_published: bool = False,
    labels: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Write ``report.md`` and ``tables/*.csv``.

    Parameters
    ----------
    responses : Responses
    out : Path
        The folder; all files are made elsewhere and moved here when they are complete.
    options : Options, optional
    force : bool
        Whether to write into a folder that holds something already. Other files there stay.
    paper : bool
        Whether to add the paper's tables in its layout and the numbers of its figures, ``tables/paper/*.csv``.
    compare_published : bool
        Whether to add ``tables/published.csv``, the paper's numbers beside the measured ones.
    labels : Path, optional
        Labels that readers gave to responses, see `refusal_metrics.analysis.labels.read_labels`: the
        rules, and other detectors whose verdicts `responses` carries, are set beside them,
        ``tables/validation.csv``.

    Returns
    -------
    dict of str to pandas.DataFrame
        The tables, see `refusal_metrics.analysis.estimates.Estimates`.

    Raises
    ------
    InputError
        If the folder holds something and `force` is not set, or cannot be written; or if factors of
        runs shall be told apart in the paper's tables, which have no place for them.
    """
    if (paper or compare_published) and options and options.run_factors:
        raise InputError(
            f"the paper's tables have no place for {', '.join(options.run_factors)}; leave out --factors, or leave out "
            "--paper and --compare-published"
        )
    check_out(out, force=force)
    # First, because it is soon done, and wrong labels are soon said.
    rules = [RuleDetector(rule) for rule in responses.rules if rule in RULES]
    validation = validate(labels, rules, responses=responses) if labels else None
    estimates = estimate_study(responses, options or Options())
    extra = _paper_layout(estimates) if paper else {}
    if compare_published:
        references = estimates.fit.references if estimates.fit else None
        extra["published"] = set_beside_published(_with_rule(estimates), references)
    page = write_page(Source(responses.files, responses.notes), estimates, extra, validation)
    files = {f"tables/{stem}.csv": table for stem, table in estimates.tables.items()}
    files |= {f"tables/{'' if stem == 'published' else 'paper/'}{stem}.csv": table for stem, table in extra.items()}
    if validation:
        files["tables/validation.csv"] = validation.table
    if paper:
        files |= {f"tables/paper/{stem}.csv": table for stem, table in paper_figures(estimates.tables).items()}
    try:
        _write(out, files, page)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); name a folder that can be") from error
    return estimates.tables


def check_out(out: Path, *, force: bool) -> None:
    """Check, before anything is read, that a report may be written there; see `write_report`."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(f"{out}: is there already; name another folder, or add --force to write into it")


def _paper_layout(estimates: Estimates) -> dict[str, pd.DataFrame]:
    tables = _with_rule(estimates)
    return paper_tables(estimates.tables, estimates.tables, tables.get("regression"))


def _with_rule(estimates: Estimates) -> dict[str, pd.DataFrame]:
    """Say of the regression, too, of whose verdicts it is: the paper's own numbers are those of one rule."""
    regression = estimates.tables.get("regression")
    told = {} if regression is None else {"regression": regression.assign(rule=estimates.rule)}
    return {**estimates.tables, **told}


def _write(out: Path, tables: Mapping[str, pd.DataFrame], page: str) -> None:
    """Write everything beside the folder, then move it in."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        made = Path(name)
        for file, table in tables.items():
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(made / file, index=False)
        (made / "report.md").write_text(page, encoding="utf-8")
        for file in (*tables, "report.md"):
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            (made / file).replace(out / file)
