"""Estimators whose report tables need only the counts of the persona tasks, one entry for each."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ..contracts import INTERACTIONS
from ..counts import Counts, share
from ..estimates import estimate_interactions

_PAIRS = (("model", "response_type"), ("persona", "response_type"), ("persona", "task"))


@dataclass(frozen=True)
class Estimator:
    """An estimator, and how the report shows its table.

    Attributes
    ----------
    name : str
        The name of the table: ``tables/NAME.csv``.
    estimate : callable
        Takes the counts of the persona tasks by the report's detector and returns a tidy table; a table without rows is
        not shown.
    group : str
        Its group on the page: one of `refusal_metrics.analysis.report.html.tables.GROUPS`.
    title, caption : str
    """

    name: str
    estimate: Callable[[Counts], pd.DataFrame]
    group: str
    title: str
    caption: str = ""


def estimate_pairs(counts: Counts) -> pd.DataFrame:
    """Estimate the interactions of the pairs of factors that a study has."""
    pairs = [pair for pair in _PAIRS if set(pair) <= set(counts.levels)]
    (counts,) = share({"": counts}).values()
    parts = [estimate_interactions(counts, *pair) for pair in pairs]
    filled = [part for part in parts if len(part)]
    columns = [*INTERACTIONS.keys, *INTERACTIONS.estimates]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


ESTIMATORS = (
    Estimator(
        "interactions",
        estimate_pairs,
        "Factors",
        "Two-way interactions",
        "In percentage points.",
    ),
)
"""All estimators; add an entry for a new one."""
