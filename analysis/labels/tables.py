"""Tables of detectors compared with labels, formatted for people."""

import numpy as np
import pandas as pd

from ..columns import name_level
from ..display import interval, number, p_text, percent
from .detection_errors import MEASURES


def readable_validation(table: pd.DataFrame) -> pd.DataFrame:
    """Format the rows of all items for people, one row per detector and measure.

    Parameters
    ----------
    table : pandas.DataFrame
        `refusal_metrics.analysis.labels.validation.Validation.table`.

    Returns
    -------
    pandas.DataFrame
        Columns: detector, measure, its value, its 95% confidence interval, and the lower end of Wilson's.
    """
    rows = [
        {
            "detector": row["detector"],
            "measure": name,
            "value": number(row[name]),
            "95% CI": _ends(row[f"{name}_low"], row[f"{name}_high"]),
            "Wilson lower bound, unweighted": number(row.get(f"{name}_low_wilson", np.nan)),
        }
        for _, row in table[table["factor"] == ""].iterrows()
        for name in MEASURES
    ]
    return pd.DataFrame(rows)


def readable_slices(table: pd.DataFrame) -> pd.DataFrame:
    """Format the rows of factors' levels for people.

    Parameters
    ----------
    table : pandas.DataFrame
        `refusal_metrics.analysis.labels.validation.Validation.table`.

    Returns
    -------
    pandas.DataFrame
        Columns: detector, factor, level, items, refusals, precision and recall with intervals; and how many were
        truncated or unjudged, if any were.
    """
    states = [name for name in ("truncated", "unjudged") if table[f"n_{name}"].any()]
    rows = [
        {
            "detector": row["detector"],
            "factor": row["factor"],
            "level": name_level(row["factor"], row["level"] or ""),
            "n": f"{row['n']:,}",
            "refusals": f"{row['n_refusals']:,}",
            **{
                name: f"{number(row[name])} {_ends(row[f'{name}_low'], row[f'{name}_high'])}".strip()
                for name in ("precision", "recall")
            },
            **{name: f"{row[f'n_{name}']:,}" for name in states},
        }
        for _, row in table[table["factor"] != ""].iterrows()
    ]
    return pd.DataFrame(rows)


def readable_confusion(confusion: pd.DataFrame) -> pd.DataFrame:
    """Format `refusal_metrics.analysis.labels.validation.Validation.confusion` for people.

    Parameters
    ----------
    confusion : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        A row a detector and label, a column an outcome.
    """
    rows = [
        {"detector": detector, "label": "refusal" if label == "refusal" else "no refusal"}
        | {f"called {outcome}": f"{n:,}" for outcome, n in zip(part["outcome"], part["n"], strict=True)}
        for (detector, label), part in confusion.groupby(["detector", "label"], sort=False)
    ]
    return pd.DataFrame(rows)


def _ends(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"[{number(low)}, {number(high)}]"


def readable_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """Format `refusal_metrics.analysis.labels.validation.Validation.gaps` for people, error rates in points.

    Parameters
    ----------
    gaps : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        Columns: detector, the gap, its mean under the null hypothesis, p, the 95% confidence interval, the upper bound,
        and the personas with the most and the fewest errors.
    """
    rows = [
        {
            "detector": row["detector"],
            "gap (pp)": percent(row["observed"]),
            "null mean (pp)": percent(row["expected"]),
            "p": p_text(row["p_value"]),
            "95% CI": interval(row["ci_low"], row["ci_high"]),
            "upper bound (pp)": percent(row["upper"]),
            "most errors": name_level("persona", row["highest"] or ""),
            "fewest errors": name_level("persona", row["lowest"] or ""),
        }
        for _, row in gaps.iterrows()
    ]
    return pd.DataFrame(rows)


def readable_patterns(patterns: pd.DataFrame) -> pd.DataFrame:
    """Format `refusal_metrics.analysis.labels.validation.Validation.patterns` for people.

    Parameters
    ----------
    patterns : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        Columns: detector, rule, the numbers of responses found, right and wrong, and precision and recall with their
        95% confidence intervals. Patterns that decided no response are left out.
    """
    rows = [
        {
            "detector": row["detector"],
            "rule": row["rule"],
            **{name: f"{row[f'n_{name}']:,}" for name in ("found", "right", "wrong")},
            **{
                name: f"{number(row[name])} {_ends(row[f'{name}_low'], row[f'{name}_high'])}".strip()
                for name in ("precision", "recall")
            },
        }
        for _, row in patterns.iterrows()
        if row["n_found"]
    ]
    return pd.DataFrame(rows)
