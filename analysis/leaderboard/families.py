"""The figure of a leaderboard: families of models by release date or another property."""

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ..columns import ALL_TASKS
from ..display import interval, percent, plain
from ..estimates import look_up
from ..figures import Figure, count_range, label_levels, label_tasks, legend_of, make_data, short_names, tooltips
from .board import Board

_WIDTH, _HEIGHT = 480, 300
_PANEL, _PANELS = (170, 130), 3
_PADDING, _LETTER, _LINE = 20, 5.2, 11
"""In pixels: the margin of points, the width of a letter, and the height of a line."""
_FACTOR = 8
"""The ratio of the largest to the smallest value from which the axis is logarithmic."""


def draw_families(board: Board, column: str, file: Path | None = None) -> tuple[Figure | None, tuple[str, ...]]:
    """Draw the refusal rates of families of models over a property.

    Parameters
    ----------
    board : Board
    column : str
        The property: a date or a number.
    file : Path, optional
        See `refusal_metrics.analysis.estimates.model_properties.read_properties`.

    Returns
    -------
    figure : Figure or None
        None if no model has a known property and a mean over all tasks.
    notes : tuple of str
        A sentence about the models that are left out.

    Raises
    ------
    InputError
        If the file or column cannot be read.
    """
    table = board.table[board.table["estimate"].notna()]
    found, notes = look_up(list(dict.fromkeys(board.table["model"])), column, file)
    table = table[table["model"].isin(list(found))].reset_index(drop=True)
    if table.empty:
        return None, tuple(notes)
    if board.tasks[0] not in set(table["task"]):
        return None, (*notes, "No such model has a mean over all tasks, so there is no figure of model families.")
    names = short_names(sorted(found))
    family, families = label_levels(pd.Series([found[model][0] for model in table["model"]]))
    rows = pd.DataFrame(
        {
            "model": table["model"].map(names),
            "series": family,
            "x": [found[model][1] for model in table["model"]],
            **{name: 100 * table[of] for name, of in {"y": "estimate", "low": "ci_low", "high": "ci_high"}.items()},
        }
    )
    tips = {
        "model": [plain(model) for model in table["model"]],
        "refused, %": [percent(value) for value in table["estimate"]],
        "95% CI": [interval(*ends) for ends in zip(table["ci_low"], table["ci_high"], strict=True)],
    }
    first = (table["task"] == board.tasks[0]).to_numpy()
    texts = {name: [v for v, keep in zip(values, first, strict=True) if keep] for name, values in tips.items()}
    many = board.tasks[0] == ALL_TASKS
    unit = " (year)" if rows["x"].between(1990, 2100).all() else ""
    title = plain(column) + unit
    whole = _draw(_place_names(rows[first]), texts, families, title)
    chart: alt.LayerChart | alt.VConcatChart = whole.properties(
        width=_WIDTH, height=_HEIGHT, title="Mean over tasks" if many else plain(board.tasks[0])
    )
    if many:
        labels, levels = label_tasks(table[~first])
        panels = rows[~first].assign(panel=labels, panel_at=labels.map(levels.index))
        texts = {name: [v for v, keep in zip(values, first, strict=True) if not keep] for name, values in tips.items()}
        each = _draw(panels, texts, families, title).properties(width=_PANEL[0], height=_PANEL[1])
        sort = alt.EncodingSortField(field="panel_at", op="min", order="ascending")
        panel = alt.Facet("panel:N", sort=sort, header=alt.Header(labelLimit=_PANEL[0]))
        chart = alt.vconcat(chart, each.facet(facet=panel, columns=_PANELS))
    drawn = table[["model", "task"]].assign(family=[found[m][0] for m in table["model"]], value=rows["x"])
    caption = (
        f"Refusal rate of each model (detector: {board.rule}) by {title}. Bars: 95% confidence intervals, "
        "clustered by text. "
        f"Lines connect models of a family. Lower is better. "
        f"{count_range(table['n'], 'response')} of {count_range(table['n_texts'], 'text')} a point. Models differ "
        "in much else, too."
    )
    # The width of names at the right end depends on the font.
    chart = chart.properties(padding={"left": 5, "top": 5, "right": 45, "bottom": 5})
    numbers = drawn.join(table[["estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused"]])
    return Figure("families", "Families of models", caption, chart, numbers), tuple(notes)


def _place_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Place the names of points next to them, moved up or down if they would overlap."""
    x, y = rows["x"].to_numpy(dtype=float), rows["y"].to_numpy(dtype=float)
    if _is_wide(rows):
        x = np.log(x)
    across = (_WIDTH - 2 * _PADDING) / max(float(np.ptp(x)), 1e-9)
    up = _HEIGHT / max(float(rows["high"].max()), 1e-9)
    placed: list[tuple[float, float, float]] = []
    at = np.empty(len(rows))
    for point in np.argsort(-y, kind="stable"):
        left, height = (x[point] - x.min()) * across, y[point] * up
        right = left + _LETTER * len(rows["model"].iloc[point])
        for low, high, taken in sorted(placed, key=lambda box: -box[2]):
            if left < high and low < right and abs(height - taken) < _LINE:
                height = taken - _LINE
        placed.append((left, right, height))
        at[point] = height / up
    return rows.assign(name_at=at)


def _is_wide(rows: pd.DataFrame) -> bool:
    return bool(rows["x"].min() > 0 and rows["x"].max() >= _FACTOR * rows["x"].min())


def _draw(rows: pd.DataFrame, tips: dict[str, list[str]], families: list[str], title: str) -> alt.LayerChart:
    named = "name_at" in rows
    kind: dict[str, Any] = {"type": "log"} if _is_wide(rows) else {"zero": False}
    # Years without a thousands separator or decimals.
    axis = alt.Axis(format="~f", tickCount=6 if named else 3, tickMinStep=0.5, grid=False)
    x = alt.X("x:Q", title=title, scale=alt.Scale(nice=False, padding=_PADDING, **kind), axis=axis)
    y = alt.Y("y:Q", title="refused, %", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    looks = legend_of(families)
    colour = {"color": looks["color"]}
    base = alt.Chart().encode(x=x, tooltip=tooltips(tips))
    layers = [
        alt.Chart()
        .mark_line(strokeWidth=1, opacity=0.5)
        .encode(x=x, y=alt.Y("mean(y):Q", title="refused, %"), **colour),
        base.mark_rule(style="interval").encode(y=alt.Y("low:Q", title="refused, %"), y2="high", **colour),
        base.mark_point(style="estimate").encode(y=y, **looks),
    ]
    if named:
        text = alt.Text("model:N")
        layers.append(base.mark_text(style="name", align="left", dx=7).encode(y=alt.Y("name_at:Q"), text=text))
    return alt.LayerChart(layer=layers, data=make_data(rows, tips))
