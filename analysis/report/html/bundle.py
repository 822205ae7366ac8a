"""A report's page and its companion files: figures, and all responses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ...figures import draw_figures, write_figures
from ...gates import Gate
from ...labels import Validation
from ...responses import Origin, Responses, has_texts, write_responses
from ..files import PAGE, RESPONSES
from ..study_tables import ReportOptions, StudyEstimates
from .content import Content
from .explorer import draw_sample
from .page import write_html

_NO_TEXTS = (
    "What was read holds no prompts and responses: to read them here, give the folder that lm_eval wrote, or a table "
    "that ingest --texts makes of it. All rates are as they would be with them."
)
_LEFT_OUT = "Prompts and responses were left out, as was asked for with --no-texts."


def write_html_files(
    folder: Path,
    responses: Responses,
    estimates: StudyEstimates,
    origin: Origin,
    options: ReportOptions,
    *,
    tables: Mapping[str, pd.DataFrame],
    validation: Validation | None,
    formats: Sequence[str],
    texts: bool,
    gate: Gate | None = None,
) -> None:
    """Write ``report.html`` and ``figures/*``, and ``responses.parquet`` with texts.

    Parameters
    ----------
    folder : Path
    responses : Responses
    estimates : StudyEstimates
    origin : Origin
    options : ReportOptions
        That they were made with.
    tables : mapping of str to pandas.DataFrame
        Files of the report that the page shows besides those of `estimates`.
    validation : Validation or None
    formats : sequence of {"svg", "png", "pdf"}
    texts : bool
        Whether prompts and responses are shown, where there are any.
    gate : Gate, optional
        Its verdict is the first line of the page.
    """
    figures = draw_figures(estimates.tables, estimates.rules, estimates.rule, estimates.run_factors)
    drawn = write_figures(figures, folder / "figures", formats) if figures else []
    there = has_texts(responses)
    shown = there and texts
    if shown:
        write_responses(responses, folder / RESPONSES, detector=estimates.rule, ordered=False)
    content = Content(
        estimates=estimates,
        origin=origin,
        options=options,
        tables=tables,
        figures=figures,
        figure_files=[path.relative_to(folder).as_posix() for path in drawn],
        sample=draw_sample(responses, estimates.rule, seed=options.seed) if shown else None,
        without=_LEFT_OUT if there else _NO_TEXTS,
        everything=RESPONSES if shown else None,
        validation=validation,
        gate=gate,
    )
    (folder / PAGE).write_text(write_html(content), encoding="utf-8")
