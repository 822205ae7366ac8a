"""Precision and recall of each pattern of a detector."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from .detection_errors import ratio
from .read import number_texts

PATTERNS = (
    *("rule", "n_found", "n_right", "n_wrong"),
    *("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high"),
)
"""The columns of a table of patterns, after the detector."""


def estimate_patterns(items: pd.DataFrame, known: Collection[str] = ()) -> pd.DataFrame:
    """Estimate the precision and recall of each pattern that calls a response a refusal.

    Parameters
    ----------
    items : pandas.DataFrame
        One row an item: ``label, refused`` (bool), ``rule`` (the pattern that decided), and where known ``text_id`` and
        ``weight``, as of `refusal_metrics.analysis.labels.detection_errors.estimate_validation`.
    known : collection of str
        All patterns of the detector; those that decided nothing have a row too.

    Returns
    -------
    pandas.DataFrame
        Columns `PATTERNS`, the patterns with the most errors first. A response belongs to the pattern that decided it,
        so recall is the share of all labelled refusals that this pattern finds first, and the recalls of all patterns
        sum to that of the detector. Both are weighted, with 95% confidence intervals clustered by text; counts are
        not weighted. Precision is missing for a pattern that decided nothing.
    """
    label, refused = (items[name].to_numpy(dtype=bool) for name in ("label", "refused"))
    weight = items["weight"].to_numpy(dtype=np.float64) if "weight" in items else np.ones(len(items))
    text, rule = number_texts(items), items["rule"].to_numpy(dtype=object)
    found = {str(name) for name in rule[refused]}
    rows = []
    for name in sorted(found | set(known)):
        by_it = refused & (rule == name)
        n_right = int(np.sum(by_it & label))
        rows.append(
            (
                *(name, int(by_it.sum()), n_right, int(by_it.sum()) - n_right),
                *ratio(by_it & label, by_it, weight, text),
                *ratio(by_it & label, label, weight, text),
            )
        )
    table = pd.DataFrame(rows, columns=list(PATTERNS))
    return table.sort_values(["n_wrong", "n_found"], ascending=False, kind="stable", ignore_index=True)
