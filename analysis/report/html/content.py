"""The content of a report's page, prepared for its template."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from ...columns import name_level
from ...display import counted, embed, readable, visible
from ...figures import MENU, Figure, to_spec
from ...gates import Gate
from ...labels import Validation
from ...responses import Origin
from ..cautions import list_cautions
from ..study_tables import ReportOptions, StudyEstimates
from .board import lay_out_board
from .citation import PAPER, cite, list_versions
from .explorer import MOST_OF_TEXT, ExplorerSample
from .tables import GROUPS, PageTable, lay_out_tables, lay_out_validation

_MOST_RUNS = 200
"""The number of listed runs and designs."""
_MODELS_NAMED = 6
_ANCHORS = {
    "rates": "short",
    "differences": "tables",
    "regression": "tables",
    "detector": "methods",
    "origin": "runs",
}
_OF_DESIGNS = (
    "A design's name is a hash of its settings, the checksum of its texts and the version of its task; what stands "
    "before the hyphen is the sample of texts."
)
_LICENCES = (
    "The charts are drawn by Vega, Vega-Lite and Vega-Embed (https://vega.github.io, copyright 2013-2026 University of "
    "Washington Interactive Data Lab and contributors, BSD 3-Clause licence), which this page carries together with "
    "D3 (https://d3js.org, copyright Mike Bostock, ISC licence)."
)


@dataclass(frozen=True)
class Content:
    """The content of a page.

    Attributes
    ----------
    estimates : StudyEstimates
    origin : Origin
        What was read, and how it was run.
    options : ReportOptions
    tables : mapping of str to pandas.DataFrame
        Files of the report, ``tables/NAME.csv``, that the page shows besides those of `estimates`.
    figures : sequence of Figure
    figure_files : sequence of str
        Files of the figures, relative to the page.
    sample : ExplorerSample or None
        Responses to read, where there are texts.
    without : str
        Why there are no responses, if there are none.
    everything : str or None
        The file of all responses, relative to the page.
    validation : Validation or None
        The detectors compared with labels.
    gate : Gate or None
    made : datetime
    """

    estimates: StudyEstimates
    origin: Origin
    options: ReportOptions = field(default_factory=ReportOptions)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    figure_files: Sequence[str] = ()
    sample: ExplorerSample | None = None
    without: str = ""
    everything: str | None = None
    validation: Validation | None = None
    gate: Gate | None = None
    made: datetime = field(default_factory=lambda: datetime.now(UTC))


def first_screen(content: Content) -> dict[str, Any]:
    """Return the template's values for the first screen."""
    estimates = content.estimates
    cautions = list_cautions(estimates, content.origin, content.validation)
    placed: dict[str, list[str]] = defaultdict(list)
    for caution in cautions:
        placed[caution.place].append(caution.text)
    others = [rule for rule in estimates.rules if rule != estimates.rule]
    return {
        "gate": content.gate.line if content.gate else "",
        "lede": _lede(content),
        "models": list(dict.fromkeys(estimates.tables["rates"]["model"])),
        "findings": estimates.findings,
        "all_cautions": cautions,
        "placed": placed,
        "anchors": _ANCHORS,
        "rule": estimates.rule,
        "rules": estimates.rules,
        "other_rules": others,
        **lay_out_board(estimates),
    }


def _lede(content: Content) -> str:
    rates = content.estimates.tables["rates"]
    n = int(rates.groupby("rule")["n"].sum().max())
    models, tasks = list(rates["model"].unique()), list(rates["task"].unique())
    named = f": {', '.join(models)}" if len(models) <= _MODELS_NAMED else ""
    origin = content.origin
    when = "" if origin.first is None else f", run {_span(origin.first, origin.last)}"
    of_runs = origin.runs["lm_eval_version"].dropna().unique()
    harness = f", with lm-evaluation-harness {' and '.join(of_runs)}" if len(of_runs) else ""
    return (
        f"{counted(n, 'response')} by {counted(len(models), 'model')}{named}; {counted(len(tasks), 'task')} "
        f"({', '.join(name_level('task', task) for task in tasks)}), {counted(rates['setting'].nunique(), 'setting')} "
        f"({', '.join(rates['setting'].unique())}){when}{harness}."
    )


def _span(first: str, last: str | None) -> str:
    return f"on {first}" if first == last else f"from {first} to {last}"


def below(content: Content) -> dict[str, Any]:
    """Return the template's values below the first screen."""
    sample = content.sample
    return {
        "figures": [_figure(figure, content.figure_files) for figure in content.figures if figure.is_main],
        "detailed": [_figure(figure, content.figure_files) for figure in content.figures if not figure.is_main],
        "groups": _groups(content),
        "notes": _notes(content),
        "sample": embed(sample.payload()) if sample else None,
        "sample_said": _sample_said(sample) if sample else content.without,
        "everything": content.everything,
        "validated": content.validation is not None,
        "has_phrases": "wordings" in content.estimates.tables,
        "versions": list_versions(),
        "made": f"{content.made.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "options": content.options,
        "origin_tables": _origin_tables(content),
        "citation": cite(content.made),
        "paper": PAPER,
        "licences": _LICENCES,
    }


def _figure(figure: Figure, files: Sequence[str]) -> dict[str, Any]:
    spec = to_spec(figure, on_page=True)
    del spec["config"]  # shown once on the page
    del spec["description"]  # the same: the caption
    own = [file for file in files if PurePosixPath(file).stem == figure.name]
    return {
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "files": [{"href": file, "name": PurePosixPath(file).name} for file in sorted(own, key=_csv_first)],
        "spec": embed(_seen(spec)),
        "has_menu": MENU in str(spec.get("params", "")),
        "note": figure.note,
    }


def _seen(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Make the names in a specification visible, consistently everywhere."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _seen(inner) for key, inner in value.items()}
    return [_seen(inner) for inner in value] if isinstance(value, list) else value


def _csv_first(file: str) -> tuple[bool, str]:
    return not file.endswith(".csv"), file


def _groups(content: Content) -> list[tuple[str, list[dict[str, Any]]]]:
    files = {f"tables/{name}.csv": table for name, table in content.estimates.tables.items()}
    tables = lay_out_tables({**files, **content.tables}, content.estimates.rule)
    if content.validation:
        tables += lay_out_validation(content.validation)
    shown: dict[str, list[dict[str, Any]]] = {group: [] for group in GROUPS}
    for number, table in enumerate(tables):
        shown[table.group].append(_table(number, table))
    # If nothing could be estimated, a note explains why.
    notes = _notes(content)
    return [(group, members) for group, members in shown.items() if members or notes.get(group)]


def _notes(content: Content) -> dict[str, Sequence[str]]:
    notes = content.estimates.notes
    return {
        "Differences": notes.get("wordings", ()),
        "Factors": notes.get("sensitivity", ()),
        "Regression": notes.get("regression", ()),
        "Across models": notes.get("trend", ()),
        "Detector": content.validation.notes if content.validation else (),
    }


def _table(number: int, table: PageTable) -> dict[str, Any]:
    return {**vars(table), "key": number, "json": embed(table.payload())}


def _sample_said(sample: ExplorerSample) -> str:
    cut = f"texts of more than {MOST_OF_TEXT:,} characters are cut."
    if sample.n == sample.n_all:
        return f"All {sample.n:,} responses; {cut}"
    return (
        f"A sample of {sample.n:,} of {sample.n_all:,} responses (seed {sample.seed}): as many of each of "
        f"{sample.n_kinds:,} kinds (model, task, setting, verdict, and whether detectors disagree) as of any other, "
        f"so shares in the sample are not rates; {cut}"
    )


def _origin_tables(content: Content) -> list[dict[str, Any]]:
    origin = content.origin
    runs = origin.runs.drop(columns=[name for name in origin.runs if origin.runs[name].isna().all()])
    made = {
        "Runs": ("From the harness's results beside the samples.", runs),
        "Studies": ("From the record that persona-refusal run kept.", origin.studies),
        "What studies asked": ("From the same record; the checksum is of the texts' file.", origin.asked),
        "Tables that were read": ("With their checksums.", origin.tables),
        "Designs": (
            _OF_DESIGNS,
            origin.designs,
        ),
    }
    return [
        {
            "title": title,
            "caption": caption,
            "columns": [name.replace("_", " ") for name in map(str, readable(table))],
            "rows": readable(table.head(_MOST_RUNS)).astype(str).to_numpy().tolist(),
            "n": len(table),
        }
        for title, (caption, table) in made.items()
        if len(table)
    ]
