"""Tables of a report that an estimator makes from the counts of the persona tasks alone: one entry for each."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ..counts import Counts
from ..estimates.interactions import INTERACTIONS, estimate_interactions

_PAIRS = (("model", "response_type"), ("persona", "response_type"), ("persona", "task"))


@dataclass(frozen=True)
class Estimator:
    """An estimator, and how the report shows its table.

    Attributes
    ----------
    name : str
        Of the table: ``tables/NAME.csv``.
    estimate : callable
        From the counts of the persona tasks by the report's rule to a tidy table; one without rows is not shown.
    group : str
        Where the page shows it: one of `refusal_metrics.analysis.report.html.tables.GROUPS`.
    title, caption : str
    signed : bool
        Whether its estimates are differences, which are shown with a sign.
    """

    name: str
    estimate: Callable[[Counts], pd.DataFrame]
    group: str
    title: str
    caption: str = ""
    signed: bool = False


def estimate_pairs(counts: Counts) -> pd.DataFrame:
    """Estimate the interactions of the pairs of factors that a study has."""
    pairs = [pair for pair in _PAIRS if set(pair) <= set(counts.levels)]
    parts = [estimate_interactions(counts, *pair) for pair in pairs]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(INTERACTIONS))


ESTIMATORS = (
    Estimator(
        "interactions",
        estimate_pairs,
        "Factors",
        "Combinations of two factors less the sum of the two",
        "In points.",
        signed=True,
    ),
)
"""All of them; a new estimator is one more entry."""
