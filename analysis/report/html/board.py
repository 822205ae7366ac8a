"""The board of a page: the refusal rates of models, the one that refuses most first."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from ...columns import STUDY_COLUMNS, name_level
from ...display import interval, percent
from ...figures import natural
from ..findings import of_rule
from ..study_tables import StudyEstimates
from .first_screen import headline

_STRIP = 120
"""The width of a drawn interval."""


def lay_out_board(estimates: StudyEstimates) -> dict[str, Any]:
    """Return the template's values for the board.

    Parameters
    ----------
    estimates : StudyEstimates

    Returns
    -------
    dict
        ``models`` has one row a model, with the mean over tasks and the rate of each of the ``tasks``, if there are
        several models and tasks; else it is empty and ``headline`` has one row a model, task and setting.
    """
    rates = sort_by_rate(headline(estimates), estimates)
    asked = set(rates["setting"]) == {"persona"}
    keys = [key for key in (*STUDY_COLUMNS, *estimates.run_factors) if not (key == "setting" and asked)]
    others = [rule for rule in estimates.rules if rule != estimates.rule]
    models = _models(rates, estimates) if asked and not estimates.run_factors else []
    end = _scale_end(pd.concat([rates, _means(estimates)]) if models else rates)
    return {
        "models_of_board": [_drawn(model, end) for model in models],
        "tasks_of_board": [name_level("task", task) for task in dict.fromkeys(rates["task"])],
        # With another detector, "other" would also include answers.
        "has_outcomes": "outcomes" in estimates.tables and estimates.rule == ANSWERS_BY,
        "has_bounds": bool((rates["refusal_rate_low"] < rates["refusal_rate_high"]).any()),
        "headline_title": f"Refusal rates of {'persona prompts' if asked else 'all settings'}",
        "standardised": bool(rates["standardised"].all()),
        "keys": [key.replace("_", " ") for key in keys],
        "scale_end": f"{100 * end:.0f}",
        "headline": [_row(row, keys, others, end) for _, row in rates.iterrows()],
    }


def sort_by_rate(rates: pd.DataFrame, estimates: StudyEstimates) -> pd.DataFrame:
    """Sort the rows of models by the mean rate over tasks, the highest first; tasks keep their order."""
    means = _means(estimates).set_index("model")["estimate"]
    means = means[~means.index.duplicated()]
    models = sorted(map(str, rates["model"].unique()), key=lambda model: (-means.get(model, -1.0), natural(model)))
    order = rates["model"].map({model: place for place, model in enumerate(models)})
    return rates.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _means(estimates: StudyEstimates) -> pd.DataFrame:
    """Return the mean rates of models on persona prompts."""
    table = estimates.tables.get("rates_by_model", pd.DataFrame(columns=["model", "setting", "rule", "estimate"]))
    own = of_rule(table, estimates.rule)
    return own[own["setting"] == "persona"]


def _models(rates: pd.DataFrame, estimates: StudyEstimates) -> list[dict[str, Any]]:
    """Return one row a model, if there are several models and tasks."""
    tasks, means = list(dict.fromkeys(rates["task"])), _means(estimates)
    if len(tasks) < 2 or len(means) < 2:
        return []
    rows = []
    for model in dict.fromkeys(rates["model"]):
        own = rates[rates["model"] == model].drop_duplicates("task").set_index("task")
        mean = means[means["model"] == model]
        if mean.empty:
            return []
        first = mean.iloc[0]
        shown = {
            task: f"{percent(row['estimate'])} {interval(row['ci_low'], row['ci_high'])}"
            for task, row in own.iterrows()
        }
        n = own["n"].sum()
        share = {name: (own[name] * own["n"]).sum(skipna=False) / n for name in ("other", "empty")}
        rows.append(
            {
                "model": model,
                "estimate": float(first["estimate"]),
                "ci_low": float(first["ci_low"]),
                "ci_high": float(first["ci_high"]),
                "tasks": [shown.get(task, "") for task in tasks],
                "n": f"{n:,}",
                **{name: percent(value) for name, value in share.items()},
            }
        )
    return rows


def _drawn(row: Mapping[str, Any], end: float) -> dict[str, Any]:
    """Add the texts and places of a row's rate and interval."""
    ends = {"at": row["estimate"], "low": row["ci_low"], "high": row["ci_high"]}
    return {
        **row,
        "model": name_level("model", row["model"]),
        "rate": percent(row["estimate"]),
        "interval": interval(row["ci_low"], row["ci_high"]),
        **{name: _place(value, end) for name, value in ends.items()},
    }


def _scale_end(rates: pd.DataFrame) -> float:
    """Return a round upper limit for the axis of rates that keeps small rates visible."""
    most = float(rates[["estimate", "ci_high"]].max().max()) if len(rates) else 1.0
    return next((end for end in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if most <= end), 1.0)


def _place(value: float, end: float) -> str | None:
    return None if math.isnan(value) else f"{_STRIP * value / end:.1f}"


def _row(row: "pd.Series[Any]", keys: Sequence[str], others: Sequence[str], end: float) -> dict[str, Any]:
    return {
        "levels": ["" if pd.isna(row[key]) else name_level(key, str(row[key])) for key in keys],
        "rate": percent(row["estimate"]),
        "interval": interval(row["ci_low"], row["ci_high"]),
        "at": _place(row["estimate"], end),
        "low": _place(row["ci_low"], end),
        "high": _place(row["ci_high"], end),
        "others": [row["others"].get(rule, "") for rule in others],
        "other": percent(row["other"]),
        "empty": percent(row["empty"]),
        "bounds": interval(row["refusal_rate_low"], row["refusal_rate_high"]),
        "n": f"{row['n']:,}",
        "n_texts": f"{row['n_texts']:,}",
    }
