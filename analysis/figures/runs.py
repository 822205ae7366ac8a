"""The figure of refusal rates of runs over time."""

import altair as alt
import pandas as pd

from ..display import interval, percent
from .figure import Figure
from .marks import facet, legend_of, make_data, tooltips, width_of
from .rows import count_range, label_models, label_tasks

_MOST_PANELS = 3


def draw_runs(rates: pd.DataFrame, slopes: pd.DataFrame, rule: str) -> Figure:
    """Draw the refusal rate of each run with its interval, and a line for each slope.

    Parameters
    ----------
    rates, slopes : pandas.DataFrame
        Of `refusal_metrics.analysis.estimates.run_trend.RunTrend`.
    rule : str
        The detector.

    Returns
    -------
    Figure
        Its table contains the rates drawn, with the column ``fitted``, the rate on the line.
    """
    table = rates.merge(slopes[["model", "task", "slope"]], on=["model", "task"], how="left")
    table["fitted"] = _fit(table)
    (tasks, in_order), (names, series) = label_tasks(table), label_models(table)
    rows = pd.DataFrame(
        {
            "x": table["date"],
            "y": 100 * table["estimate"],
            "low": 100 * table["ci_low"],
            "high": 100 * table["ci_high"],
            "fitted": 100 * table["fitted"],
            "series": names,
            "column": tasks,
        }
    )
    rows["column_at"] = rows["column"].map(in_order.index)
    ends = zip(table["ci_low"], table["ci_high"], strict=True)
    tips = {
        "model": list(names),
        "task": list(tasks),
        "date": list(table["date"]),
        "rate (%)": [percent(value) for value in table["estimate"]],
        "95% CI": [interval(low, high) for low, high in ends],
        "responses": [f"{n:,}" for n in table["n"]],
    }
    looks = legend_of(series)
    axis = alt.Axis(format="%Y-%m-%d", tickCount=2)
    base = alt.Chart().encode(x=alt.X("x:T", title="date of the run", scale=alt.Scale(type="utc"), axis=axis))
    title = "refusal rate (%)"
    line = base.mark_line(strokeWidth=1, strokeDash=[4, 3])
    layers = [line.encode(y=alt.Y("fitted:Q", title=title), color=looks["color"])]
    if rows[["low", "high"]].notna().all(axis=1).any():
        drawn = base.mark_rule(style="interval").encode(
            y=alt.Y("low:Q", title=title), y2="high", color=looks["color"], tooltip=tooltips(tips)
        )
        layers.append(drawn)
    points = base.mark_point(style="estimate").encode(y=alt.Y("y:Q", title=title), tooltip=tooltips(tips), **looks)
    layers.append(points)
    chart = alt.LayerChart(layer=layers, data=make_data(rows, tips)).properties(
        width=width_of(min(len(in_order), _MOST_PANELS)), height=240
    )
    caption = (
        f"Refusal rate of each run ({rule}). Bars: 95% confidence intervals, clustered by text; dashed: least-squares "
        "line. "
        f"Each run has {count_range(table['n'], 'response')} about {count_range(table['n_texts'], 'text')}."
    )
    shown: alt.TopLevelMixin = facet(chart) if len(in_order) > 1 else chart
    return Figure("runs", "Refusal rates over time", caption, shown, table)


def _fit(table: pd.DataFrame) -> "pd.Series[float]":
    """Compute the rate of each run on the line of its model and task; missing without a slope."""
    day = pd.to_datetime(table["date"]).map(pd.Timestamp.toordinal).astype(float)
    groups = table.groupby(["model", "task"])["estimate"].transform("mean")
    centre = day.groupby([table["model"], table["task"]]).transform("mean")
    return groups + table["slope"] * (day - centre) / 30
