"""Figures of factors' levels: deviations from the overall rate, and regression estimates."""

import math
from collections.abc import Iterator, Mapping

import altair as alt
import numpy as np
import pandas as pd

from ..arrays import ALPHA
from ..columns import RESPONSE_TYPES, TASKS
from ..display import plain
from .figure import Figure
from .marks import VERDICTS, draw_points, stack
from .rates import asked_as_persona, say_study
from .rows import count_range, describe, in_order, label_names, order_models, order_personas, take, write_factor

Tables = Mapping[str, pd.DataFrame]

_WIDTH = 420
_BESIDE = 0.04
_FIRST = {"task": tuple(TASKS), "response_type": RESPONSE_TYPES}
_TABLE_OF = {
    "persona": "rates_by_persona",
    "template": "rates_by_template",
    "response_type": "rates_by_response_type",
    "stratum": "rates_by_stratum",
}


def draw_deviations(tables: Tables, rule: str) -> Iterator[Figure]:
    """Draw the deviation of each level from the overall rate, with its mean under the null hypothesis."""
    deviations = tables.get("deviations")
    if deviations is None:
        return
    whole = deviations[(deviations["model"] == "") & deviations["estimate"].notna()]
    table = whole.drop(columns=["model", "task"]).reset_index(drop=True)
    if table.empty:
        return
    rows = pd.DataFrame({"x": 100 * table["estimate"], "low": 100 * table["ci_low"], "high": 100 * table["ci_high"]})
    rows = rows.assign(null=100 * table["null_mean"], null_low=-100 * table["null_mean"])
    rows["series"] = _verdicts(table)
    tips = describe(table, "difference")
    tips["under the null"] = [
        f"{100 * value:.2f} points" if not math.isnan(value) else "" for value in table["null_mean"]
    ]
    chart = _by_factor(table, rows, tips, tables, rule, "deviation from overall rate, percentage points")
    caption = (
        f"Deviation of each level from the overall refusal rate ({rule}), with 95% CIs; diamonds are significant after "
        "correction. Grey band: average deviation under the null hypothesis. Each level has "
        f"{count_range(table['n'], 'response')}. {say_study(tables, rule)}"
    )
    yield Figure("deviations", "Deviation from overall rate", caption, chart, table)


def draw_regression(tables: Tables, rule: str) -> Iterator[Figure]:
    """Draw the paper's Figure 6, the coefficients of the regression."""
    regression = tables.get("regression")
    if regression is None:
        return
    table = regression[(regression["level"] != "") & regression["level"].notna() & regression["coef"].notna()]
    table = table.rename(columns={"coef": "estimate"}).reset_index(drop=True)
    if table.empty:
        return
    low, high = table["ci_low"], table["ci_high"]
    rows = pd.DataFrame({"x": table["estimate"], "low": low, "high": high})
    rows["open_low"], rows["open_high"] = np.isneginf(low).astype(int), np.isposinf(high).astype(int)
    # An interval with one open side and no other end begins at its estimate.
    rows["low"] = rows["low"].where(low.notna() | (rows["open_high"] == 0), rows["x"])
    rows["high"] = rows["high"].where(high.notna() | (rows["open_low"] == 0), rows["x"])
    rows["series"] = _verdicts(table)
    tips = describe(table, "number")
    tips["estimator"] = [plain(name) for name in table["estimator"]]
    chart = _by_factor(table, rows, tips, tables, rule, "log-odds ratio", compared=True)
    n_open = int(table["separated"].astype(bool).sum())
    without = (
        f" {n_open} level{'s' * (n_open > 1)} with complete separation {'have' if n_open > 1 else 'has'} an arrow "
        "or no "
        "interval."
    )
    caption = (
        f"Log-odds ratios of refusal ({rule}), compared with the level named above each panel. Bars: 95% CIs, "
        "clustered by "
        f"text; diamonds: significant after correction.{without * (n_open > 0)} {say_study(tables, rule)}"
    )
    yield Figure("figure6_regression", "Coefficients of the regression", caption, chart, table)


def draw_effects(tables: Tables, rule: str) -> Iterator[Figure]:
    """Draw the average marginal effects of the regression, in percentage points."""
    effects = tables.get("regression_effects")
    if effects is None or effects["estimate"].isna().all():
        return
    table = effects[effects["estimate"].notna()].reset_index(drop=True)
    numbers = {"x": "estimate", "low": "ci_low", "high": "ci_high"}
    rows = pd.DataFrame({name: 100 * table[own] for name, own in numbers.items()})
    tips = describe(table, "difference")
    chart = _by_factor(table, rows, tips, tables, rule, "average marginal effect, percentage points", compared=True)
    n_without = int(table["ci_low"].isna().sum())
    levels = f"{n_without} level{'s' * (n_without > 1)}"
    without = f" {levels} with complete separation {'have' if n_without > 1 else 'has'} no interval."
    caption = (
        f"Average marginal effects on the refusal rate ({rule}), compared with the level named above each panel. "
        "Bars: 95% "
        f"CIs (delta method, clustered by text).{without * (n_without > 0)} {say_study(tables, rule)}"
    )
    yield Figure("marginal_effects", "Average marginal effects", caption, chart, table)


# Shared by several figures.


def _verdicts(table: pd.DataFrame) -> "pd.Series[str]":
    return pd.Series(VERDICTS)[(table["p_adjusted"] <= ALPHA).astype(int)].reset_index(drop=True)


def _by_factor(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    tips: Mapping[str, list[str]],
    tables: Tables,
    rule: str,
    title: str,
    *,
    compared: bool = False,
) -> alt.VConcatChart:
    """Draw a panel for each factor, all levels of it below each other."""
    charts = {}
    *_, last = table["factor"]
    for factor in table["factor"].unique():
        at = np.flatnonzero(table["factor"] == factor)
        levels = table["level"].iloc[at].astype(str)
        by_rate = {"persona": order_personas, "model": order_models}.get(str(factor))
        order = by_rate(tables, levels) if by_rate else in_order(levels, _FIRST.get(str(factor), ()))
        labels = label_names(str(factor), order)
        own = rows.iloc[at].assign(y=levels.map(labels).to_numpy())
        heading = write_factor(str(factor))
        if compared and (reference := _reference(tables, str(factor), set(levels), rule)):
            heading += f", compared with {label_names(str(factor), [reference])[reference]}"
        domain = None
        if "open_low" in own:
            own, domain = _close(own)
        charts[heading] = draw_points(
            own,
            take(tips, at),
            y=list(labels.values()),
            title=title if factor == last else None,
            series=VERDICTS if "series" in own else (),
            dodge=False,
            zero=True,
            width=_WIDTH,
            domain=domain,
            step=14,
        )
    return stack(charts)


def _reference(tables: Tables, factor: str, levels: set[str], rule: str) -> str | None:
    """Find the reference level: the one in the study that the regression lacks."""
    rates = asked_as_persona(tables.get(_TABLE_OF.get(factor, "rates")), [rule])
    if rates is None or factor not in rates:
        return None
    left = {str(level) for level in rates[factor].dropna().unique()} - levels
    return left.pop() if len(left) == 1 else None


def _close(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, float] | None]:
    """End intervals that are open to one side at the edge of the plot."""
    if not (rows[["open_low", "open_high"]] == 1).any(axis=None):
        return rows, None
    numbers = rows[["x", "low", "high"]].to_numpy(dtype=np.float64).ravel()
    known = np.append(numbers[np.isfinite(numbers)], 0.0)
    margin = max(_BESIDE * (known.max() - known.min()), 0.5)
    domain = float(known.min() - margin), float(known.max() + margin)
    return rows.assign(low=rows["low"].clip(lower=domain[0]), high=rows["high"].clip(upper=domain[1])), domain
