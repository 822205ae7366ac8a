"""Figures of the sensitivity indices: of the whole study, and within each model and task."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from ..arrays import ALPHA
from ..display import number
from .figure import Figure
from .marks import draw_points, draw_strips, facet, stack, width_of
from .rates import say_study
from .rows import describe, label_tasks, short_names, take, write_factor

Tables = Mapping[str, pd.DataFrame]

_WIDTH = 420
_BEYOND = ("not significant", f"significant (p at most {ALPHA})")
_SIDES = ("two-sided interval", "upper bound only")


def draw_sensitivity(tables: Tables, rule: str) -> Iterator[Figure]:
    """Draw the paper's Figure 5, the sensitivity index of each factor; then those of each model and task."""
    indices = tables.get("sensitivity")
    if indices is None:
        return
    indices = indices[indices["iota"].notna()].rename(columns={"iota": "estimate"})
    whole = indices[indices["model"] == ""].drop(columns=["model", "task"]).reset_index(drop=True)
    if len(whole):
        yield _whole_study(whole, tables, rule)
    single = ~indices["factor"].str.contains(":", regex=False)
    own = indices[(indices["model"] != "") & single & indices["iota_corrected"].notna()].reset_index(drop=True)
    if own[["model", "task"]].drop_duplicates().shape[0] > 1:
        yield _each_model(own, rule)


def _whole_study(table: pd.DataFrame, tables: Tables, rule: str) -> Figure:
    single = ~table["factor"].str.contains(":", regex=False)
    written = table["factor"].map(write_factor)
    rows = pd.DataFrame({"y": written, "x": table["estimate"], "low": table["ci_low"], "high": table["ci_high"]})
    upper_bound_only = table["upper_bound_only"].astype(bool)
    rows["series"] = np.where(upper_bound_only, *_SIDES[::-1])
    rows["null_mean"] = table["null_mean"]
    tips = describe(table, "number")
    tips["null mean"] = [number(value) for value in table["null_mean"]]
    charts = {}
    for title, keep in {"Single factors": single, "Two factors jointly": ~single}.items():
        if keep.any():
            order = rows[keep].sort_values("x", ascending=False, kind="stable")["y"].tolist()
            charts[title] = draw_points(
                rows[keep],
                take(tips, np.flatnonzero(keep)),
                y=order,
                title="sensitivity index iota (grey tick: mean under the null)",
                series=_SIDES,
                dodge=False,
                width=_WIDTH,
                step=20,
            )
    caption = (
        f"Dependence of refusals on each factor: 0 is none, 1 is complete ({rule}). Bars: 95% CIs from a "
        "bootstrap of texts; "
        "grey tick: mean index under permutation; diamonds: index not clearly above it, read the interval as an upper "
        f"bound. {say_study(tables, rule)}"
    )
    return Figure("figure5_sensitivity", "Importance of factors", caption, stack(charts, shared=True), table)


def _each_model(table: pd.DataFrame, rule: str) -> Figure:
    written = table["factor"].map(write_factor)
    factors = short_names(list(dict.fromkeys(written)))
    tasks, kinds = label_tasks(table)
    rows = pd.DataFrame({"y": written.map(factors), "x": table["iota_corrected"], "whole": 0})
    rows = rows.assign(column=tasks, column_at=tasks.map(kinds.index))
    rows["series"] = np.where(table["p_value"] <= ALPHA, *_BEYOND[::-1])
    tips = describe(table, "number")
    tips["null mean"] = [number(value) for value in table["null_mean"]]
    tips["iota, corrected"] = [number(value) for value in table["iota_corrected"]]
    chart = draw_strips(
        rows,
        tips,
        y=list(factors.values()),
        title="iota, corrected",
        series=_BEYOND,
        dodge=False,
        width=width_of(len(kinds)),
        step=20,
    )
    n_beyond = int((table["p_value"] <= ALPHA).sum())
    caption = (
        f"Sensitivity index of each factor within each model and task, corrected for noise ({rule}); each symbol "
        "is one of "
        f"{table['model'].nunique():,} models. {n_beyond:,} of {len(table):,} indices are significant (unadjusted p at "
        f"most {ALPHA})."
    )
    return Figure("sensitivity_by_model", "Sensitivity within each model and task", caption, facet(chart), table)
