"""The tables of a page: a limited number of rows, as texts; the linked file has all rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ...contracts import TABLES, Contract
from ...display import clip, readable, visible
from ...labels import Validation, readable_confusion, readable_gaps, readable_slices, readable_validation
from ..estimators import ESTIMATORS

MOST_ROWS = 2500
"""The largest number of rows of a table on the page; the linked file has all."""

_LONGEST = 200
"""The largest number of characters in a cell."""
_NUMBER = r"^\s*(?:[-+<>]?[.\d∞\[].*)?$"

_TITLES = {
    "rates": ("Rates", "Refusal rates", "One row per model, task, setting and detector."),
    "rates_by_persona": ("Rates", "Rates by persona", ""),
    "rates_by_response_type": ("Rates", "Rates by response type", ""),
    "rates_by_template": ("Rates", "Rates by template", ""),
    "rates_by_stratum": ("Rates", "Rates by rating or class of the text", ""),
    "rates_by_model": ("Rates", "Mean rates of models", "Each task has the same weight."),
    "contrasts": (
        "Differences",
        "Difference from baselines",
        "Persona prompts minus neutral or persona-free prompts, in percentage points.",
    ),
    "contrasts_by_persona": (
        "Differences",
        "Difference by persona",
        "Each persona minus a baseline, in percentage points.",
    ),
    "persona_differences": (
        "Differences",
        "Difference by persona, averaged over tasks and in each task",
        "Each persona minus the baseline, in percentage points, with simultaneous 95% confidence intervals.",
    ),
    "wordings": (
        "Differences",
        "Difference by persona beyond wording",
        "Mean over the phrases of each persona minus that of the neutral phrases, in percentage points.",
    ),
    "undetermined_contrasts": (
        "Differences",
        "Difference in truncated and unjudged responses",
        "Their share under each persona minus a baseline, in percentage points.",
    ),
    "persona_spread": ("Differences", "Between-persona variation", "Standard deviations, in percentage points."),
    "sensitivity": ("Factors", "Sensitivity indices", "Rows without a model or task are for the whole study."),
    "deviations": ("Factors", "Deviation from overall rate", ""),
    "variance_components": (
        "Factors",
        "Components of variance",
        "Shares of the variance of refusals; below 0: less than noise, see the methods.",
    ),
    **{table.name: (table.group, table.title, table.caption) for table in ESTIMATORS},
    "regression": ("Regression", "Coefficients", "Log odds ratios."),
    "regression_wald": ("Regression", "Joint tests of the factors", ""),
    "regression_effects": ("Regression", "Average marginal effects", "In percentage points."),
    "trend": ("Across models", "Trends", ""),
    "trend_models": ("Across models", "Models in the trends", ""),
    "outcomes": ("Responses", "Types of responses", ""),
    "undetermined_by_persona": ("Responses", "Truncated and unjudged responses by persona", ""),
    "counts_by_persona": ("Responses", "Prompts per persona", ""),
    "counts_by_template": ("Responses", "Prompts per template", ""),
    "validation": ("Detector", "Accuracy of detectors", ""),
    "published": ("The paper", "Comparison with the paper", ""),
}
GROUPS = ("Rates", "Differences", "Factors", "Regression", "Across models", "Responses", "Detector", "The paper")
"""Groups of tables, in the order of the page."""
_LATER = ("odds_ratio", "or_low", "or_high", "p_value", "equiv_low", "equiv_high")
"""Columns of differences that are shown last."""


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Attributes
    ----------
    name : str
        Of its file, without the ending.
    group, title, caption : str
    file : str
        The file of all rows, as the page links to it.
    n : int
        The number of rows in the file.
    columns : list of dict
        ``name``, and ``numeric``: whether its cells are numbers, which are sorted as such.
    rows : list of list of str
        At most `MOST_ROWS`.
    """

    name: str
    group: str
    title: str
    caption: str
    file: str
    n: int
    columns: list[dict[str, object]]
    rows: list[list[str]]

    def payload(self) -> dict[str, object]:
        """Return what the page's script reads."""
        return {"columns": self.columns, "rows": self.rows}


def lay_out_tables(files: Mapping[str, pd.DataFrame], rule: str) -> list[PageTable]:
    """Format the tables of a report for its page.

    Parameters
    ----------
    files : mapping of str to pandas.DataFrame
        ``tables/NAME.csv`` to tidy table.
    rule : str
        The detector whose rows come first.

    Returns
    -------
    list of PageTable
        In groups. Tables without rows are left out.
    """
    made = [lay_out(file, table, rule) for file, table in files.items() if len(table)]
    order = list(_TITLES)
    known = {name: place for place, name in enumerate(order)}
    return sorted(made, key=lambda table: (GROUPS.index(table.group), known.get(table.name, len(order))))


def lay_out(file: str, table: pd.DataFrame, rule: str) -> PageTable:
    """Format one table, with rows of the report's detector and the most significant differences first."""
    name = file.rpartition("/")[2].removesuffix(".csv")
    group, title, caption = _TITLES.get(name, ("The paper", name.replace("_", " "), ""))
    first = _ordered(table, rule).head(MOST_ROWS)
    first = first[sorted(first, key=lambda column: column in _LATER)] if "contrasts" in name else first
    tidy = name in _TITLES and name != "published"
    shown = (
        readable(first, TABLES.get(name, Contract()))
        if tidy
        else first.astype(object).where(first.notna(), "").astype(str)
    )
    return PageTable(name, group, title, caption, file, len(table), *_texts(shown))


def lay_out_validation(validation: Validation) -> list[PageTable]:
    """Format the comparison of detectors with labels; all numbers are in one file."""
    made = {
        "Agreement with the labels": readable_validation(validation.table),
        "Verdicts by label": readable_confusion(validation.confusion),
        "By level of a factor": readable_slices(validation.table),
        "Differences of error rates between personas": readable_gaps(validation.gaps),
    }
    file = "tables/validation.csv"
    return [
        PageTable("validation", "Detector", title, "", file, len(table), *_texts(table.head(MOST_ROWS)))
        for title, table in made.items()
        if len(table)
    ]


def _texts(shown: pd.DataFrame) -> tuple[list[dict[str, object]], list[list[str]]]:
    """Return columns and rows as the page's script reads them."""
    texts = shown.astype(str)
    columns: list[dict[str, object]] = [
        {"name": visible(str(column)), "numeric": bool(texts[column].str.match(_NUMBER).all())} for column in texts
    ]
    return columns, [[clip(visible(value), _LONGEST) for value in row] for row in texts.itertuples(index=False)]


def _ordered(table: pd.DataFrame, rule: str) -> pd.DataFrame:
    if len(table) <= MOST_ROWS:
        return table
    keys = {}
    if "rule" in table:
        keys["other_rule"] = table["rule"] != rule
    if "p_adjusted" in table:
        keys["p"] = table["p_adjusted"]
    by = pd.DataFrame(keys, index=table.index)
    return table.loc[by.sort_values(list(keys), kind="stable").index] if keys else table
