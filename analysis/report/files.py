"""The files of a report, so that a new report replaces an earlier one and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

MARKDOWN, PAGE, RESPONSES, GATE = "report.md", "report.html", "responses.parquet", "gate.json"
"""Files of a report; the others are in ``tables`` and ``figures``."""

_TABLES = frozenset(
    {
        *("rates", "rates_by_persona", "rates_by_response_type", "rates_by_template", "rates_by_stratum"),
        *("contrasts", "contrasts_by_persona", "persona_spread", "interactions", "sensitivity", "deviations"),
        "separations",  # the earlier name of deviations
        *("regression", "regression_wald", "regression_effects", "trend", "trend_models"),
        *("counts_by_persona", "counts_by_template", "outcomes", "published", "validation"),
    }
)
_PAPER = re.compile(r"(table|figure)s?\d\w*\.csv")
_FIGURES = frozenset(
    {
        *("rates_models_by_tasks", "figure1_persona_against_persona_free", "figure2_personas"),
        *("figures3_7_8_9_models_by_personas", "detectable_differences", "figure5_sensitivity"),
        *("sensitivity_by_model", "deviations", "separations", "figure6_regression", "marginal_effects"),
        *("figures4_10_11_models_by_response_types", "rules_by_template", "rates_by_class", "dose_response", "trend"),
        *("personas_against_neutral", "personas_against_others"),
    }
)
_BY_TASK = ("personas_against_neutral_", "personas_against_others_")
_FORMATS = (".csv", ".svg", ".png", ".pdf")


def find_report(folder: Path) -> list[str] | None:
    """List the files of a report without a manifest, as earlier versions wrote it, by their names.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str or None
        Relative to the folder; None if there is no report.
    """
    return sorted(_find(folder)) if (folder / MARKDOWN).is_file() else None


def _find(folder: Path) -> Iterator[str]:
    for name in (MARKDOWN, PAGE, RESPONSES):
        if (folder / name).is_file():
            yield name
    yield from (f"tables/{path.name}" for path in folder.glob("tables/*.csv") if path.stem in _TABLES)
    yield from (f"tables/paper/{path.name}" for path in folder.glob("tables/paper/*.csv") if _PAPER.match(path.name))
    for path in folder.glob("figures/*"):
        # A figure has a file of its data next to it, so that users' own figures are not mistaken for one.
        of_task = path.stem.startswith(_BY_TASK) and path.with_suffix(".csv").is_file()
        if path.suffix in _FORMATS and (path.stem in _FIGURES or of_task):
            yield f"figures/{path.name}"
