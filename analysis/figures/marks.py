"""Marks: points with intervals, strips of models, heat maps, curves. Colours come from the theme."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

WIDTH = 640
"""The width of a figure without labels, in pixels."""

MENU = "chosen_panel"
"""The parameter that a menu sets."""

DIFFERS, ALIKE = "differs", "no difference found"
VERDICTS = (ALIKE, DIFFERS)

_SHAPES = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down"]
_GAP, _WIDEST = 18, 460
_PANELS, _LONGEST_OF_PANEL = 3, 29
_DIGITS = 7
_STRONG = 0.52  # above this share of the colour scale, numbers have the background's colour
_LEAST_CELL, _LARGEST_CELL = 17, 44
_CELL_OF_NUMBER, _CELL_OF_DECIMAL = 24, 32
_ROW = 18

Tips = Mapping[str, Sequence[str]]


def make_data(rows: pd.DataFrame, tips: Tips) -> pd.DataFrame:
    """Convert rows and tooltips to data of a specification, numbers with seven digits."""
    drawn = rows.reset_index(drop=True)
    for name in drawn.columns[[kind.kind == "f" for kind in drawn.dtypes]]:
        drawn[name] = [float(f"{value:.{_DIGITS}g}") for value in drawn[name]]
    return drawn.assign(**{f"tip{i}": list(texts) for i, texts in enumerate(tips.values())})


def tooltips(tips: Tips) -> list[alt.Tooltip]:
    """Encode the tooltips of `make_data`."""
    return [alt.Tooltip(f"tip{i}:N", title=title) for i, title in enumerate(tips)]


def _rows_of(step: int) -> alt.Step:
    # Of the whole row, also if series share it.
    return alt.Step(step, **{"for": "position"})


def legend_of(series: Sequence[str]) -> dict[str, Any]:
    """Encode the series by colour and shape."""
    legend = alt.Legend(title=None, labelLimit=260)
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(series))]
    return {
        "color": alt.Color("series:N", scale=alt.Scale(domain=list(series)), legend=legend),
        "shape": alt.Shape("series:N", scale=alt.Scale(domain=list(series), range=shapes), legend=legend),
    }


def band(levels: Sequence[str], *, apart: bool = False, grid: bool | None = None) -> alt.Y:
    """Encode ``y`` as a name, in the given order; rows of several series are separated by lines."""
    lines: dict[str, Any] = {"grid": True, "tickBand": "extent"} if apart else {} if grid is None else {"grid": grid}
    axis = alt.Axis(title=None, labelLimit=260, labelOverlap=False, **lines)
    return alt.Y("y:N", scale=alt.Scale(domain=list(levels)), axis=axis)


def draw_points(
    rows: pd.DataFrame,
    tips: Tips,
    *,
    y: Sequence[str],
    title: str | None,
    series: Sequence[str] = (),
    dodge: bool = True,
    zero: bool = False,
    width: float = _WIDEST,
    domain: tuple[float, float] | None = None,
    step: int = 16,
) -> alt.LayerChart:
    """Draw points with confidence intervals.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns ``y, x, low, high``; ``series`` if there are any; ``null, null_low`` or ``null_mean``, the mean of an
        estimate under the null hypothesis, drawn as a band around 0 or as a tick; ``open_low, open_high``, 1 if that
        side of an interval is unbounded. Other columns are for `facet`.
    tips : mapping of str to sequence of str
        See `make_data`.
    y, series : sequence of str
        The levels, in order.
    title : str, optional
        Of the horizontal axis.
    dodge : bool
        Whether series of one ``y`` are drawn below each other.
    zero : bool
        Whether 0 is marked, as for differences.
    width : float
        In pixels.
    domain : tuple of float, optional
        Of the horizontal axis.
    step : int
        The least height of a row, in pixels.
    """
    scale = alt.Scale(domain=list(domain), nice=False) if domain else alt.Scale(zero=True)
    dodge = dodge and len(series) > 1
    encoded: dict[str, Any] = {"y": band(y, apart=dodge)}
    if dodge:
        encoded["yOffset"] = alt.YOffset("series:N", scale=alt.Scale(domain=list(series), paddingOuter=0.25))
        step = max(step, 7 * len(series) + 5)
    looks = legend_of(series) if series else {}
    x = alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(tickCount=max(4, int(width // 50))))
    base = alt.Chart().encode(**encoded)
    layers = _null_layers(base, rows, title)
    if zero:
        # Its own data: one line in each panel, not one for each row.
        origin = alt.Chart(alt.InlineData(values=[{"zero": 0}]))
        layers.append(origin.mark_rule(style="zero").encode(x=alt.X("zero:Q", title=title)))
    colour = {name: look for name, look in looks.items() if name == "color"}
    pointed = base.encode(tooltip=tooltips(tips))
    # Without data, Vega would warn about an empty scale.
    if rows[["low", "high"]].notna().all(axis=1).any():
        layers.append(pointed.mark_rule(style="interval").encode(x=alt.X("low:Q", title=title), x2="high", **colour))
    for side, shape in {"low": "triangle-left", "high": "triangle-right"}.items():
        if f"open_{side}" in rows and (rows[f"open_{side}"] == 1).any():
            ends = alt.FieldEqualPredicate(field=f"open_{side}", equal=1)
            arrow = pointed.transform_filter(ends).mark_point(style="estimate", shape=shape)
            layers.append(arrow.encode(x=alt.X(f"{side}:Q", title=title), **colour))
    drawn = make_data(rows, tips)
    is_sure = rows[["low", "high"]].notna().all(axis=1).to_numpy()
    # What has no interval is not drawn as certain.
    if not is_sure.all():
        drawn = drawn.assign(sure=is_sure.astype(int))
        hollow = pointed.transform_filter(alt.FieldEqualPredicate(field="sure", equal=0))
        layers.append(hollow.mark_point(style="without-interval").encode(x=x, **looks))
        pointed = pointed.transform_filter(alt.FieldEqualPredicate(field="sure", equal=1))
    if is_sure.any():
        layers.append(pointed.mark_point(style="estimate").encode(x=x, **looks))
    return alt.LayerChart(layer=layers, data=drawn).properties(width=width, height=_rows_of(step))


def _null_layers(base: alt.Chart, rows: pd.DataFrame, title: str | None) -> list[alt.Chart]:
    if "null" in rows:
        ends = {"x": alt.X("null_low:Q", title=title), "x2": "null"}
        return [base.mark_bar(style="null", height={"band": 0.8}).encode(**ends)]
    if "null_mean" in rows:
        return [base.mark_tick(style="null-mean", height=12).encode(x=alt.X("null_mean:Q", title=title))]
    return []


def draw_strips(
    rows: pd.DataFrame,
    tips: Tips,
    *,
    y: Sequence[str],
    title: str,
    series: Sequence[str] = (),
    dodge: bool = True,
    width: float = _WIDEST,
    log: bool = False,
    step: int = 16,
) -> alt.LayerChart:
    """Draw a faint dot for each member (a model, a persona) and a diamond for their summary.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns ``y, x`` and ``whole``, 1 for the diamonds; ``series`` where there are some.
    tips, y, title, series, dodge, width, step
        See `draw_points`.
    log : bool
        Whether the horizontal scale is logarithmic.
    """
    scale, axis = _log_scale(rows["x"]) if log else (alt.Scale(zero=True), alt.Axis())
    dodge = dodge and len(series) > 1
    encoded: dict[str, Any] = {"y": band(y, apart=dodge), "x": alt.X("x:Q", title=title, scale=scale, axis=axis)}
    if dodge:
        encoded["yOffset"] = alt.YOffset("series:N", scale=alt.Scale(domain=list(series), paddingOuter=0.25))
        step = max(step, 9 * len(series) + 6)
    looks = legend_of(series) if series else {}
    base = alt.Chart().encode(**encoded, tooltip=tooltips(tips))
    members = base.transform_filter(alt.FieldEqualPredicate(field="whole", equal=0)).mark_point(style="member")
    whole = base.transform_filter(alt.FieldEqualPredicate(field="whole", equal=1)).mark_point(style="summary")
    drawn = [members.encode(**(looks or {"shape": alt.value("circle")}))]
    if (rows["whole"] == 1).any():
        drawn.append(whole.encode(**(looks or {"shape": alt.value("diamond")})))
    return alt.LayerChart(layer=drawn, data=make_data(rows, tips)).properties(width=width, height=_rows_of(step))


def _log_scale(values: "pd.Series[float]") -> tuple[alt.Scale, alt.Axis]:
    """Return a logarithmic scale from one of 1, 2, 5, 10, 20, ... to another, with labels only there."""
    ticks = np.array([float(f"{m}e{e}") for e in range(-4, 3) for m in (1, 2, 5)])
    last = max(int(np.searchsorted(ticks, values.max())), 1)
    first = min(max(int(np.searchsorted(ticks, values.min(), side="right")) - 1, 0), last - 1)
    shown = ticks[first : last + 1].tolist()
    return alt.Scale(type="log", domain=[shown[0], shown[-1]], nice=False), alt.Axis(values=shown, format="~g")


def width_of(n_columns: int) -> float:
    """Share the width of a figure among columns, in pixels."""
    return min(_WIDEST, (WIDTH - _GAP * (n_columns - 1)) // n_columns)


def facet(chart: alt.LayerChart, *, scale: Literal["shared", "independent"] = "shared") -> alt.FacetChart:
    """Repeat a chart for each ``column``, in the order of ``column_at``, with or without a common horizontal scale."""
    sort = alt.EncodingSortField(field="column_at", op="min", order="ascending")
    header = alt.Header(labelLimit=width_of(_PANELS))
    panels: alt.FacetChart = chart.facet(column=alt.Column("column:N", sort=sort, header=header))
    return panels if scale == "shared" else panels.resolve_scale(x=scale)


def panels_of(labels: Sequence[str]) -> int:
    """Return how many panels fit in a row: three, or fewer if labels need the room."""
    fitting = _PANELS if max(map(len, labels)) <= _LONGEST_OF_PANEL else _PANELS - 1
    return min(fitting, len(labels))


def wrap(chart: alt.LayerChart, columns: int = _PANELS) -> alt.FacetChart:
    """Repeat a chart for each ``panel``, in the order of ``panel_at``, with this many in a row."""
    sort = alt.EncodingSortField(field="panel_at", op="min", order="ascending")
    header = alt.Header(labelLimit=width_of(columns))
    return chart.facet(facet=alt.Facet("panel:N", sort=sort, header=header), columns=columns)


def with_menu(chart: alt.FacetChart, name: str, options: Sequence[str]) -> alt.FacetChart:
    """Show one ``panel`` of a chart, chosen from a menu; the first one at the start."""
    choice = alt.param(name=MENU, value=options[0], bind=alt.binding_select(options=list(options), name=name))
    return chart.add_params(choice).transform_filter(f"datum.panel === {MENU}")


def stack(charts: Mapping[str, alt.LayerChart | alt.FacetChart], *, shared: bool = False) -> alt.VConcatChart:
    """Stack charts vertically, each with its title."""
    titled = [chart.properties(title=title) for title, chart in charts.items()]
    stacked: alt.VConcatChart = alt.vconcat(*titled, spacing=16)
    return stacked.resolve_scale(x="shared") if shared else stacked


def draw_cells(
    rows: pd.DataFrame, tips: Tips, *, x: Sequence[str], y: Sequence[str], highest: float, title: str
) -> alt.LayerChart:
    """Draw a heat map with its numbers, if there is room.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns ``x, y, value``, a percentage; nan if there is no estimate.
    tips : mapping of str to sequence of str
    x, y : sequence of str
        The levels, in order.
    highest : float
        The upper end of the colour scale, which starts at 0.
    title : str
        Of its legend.
    """
    size = max(_LEAST_CELL, min(_LARGEST_CELL, WIDTH // len(x)))
    decimals = size >= _CELL_OF_DECIMAL
    shade = (rows["value"] > _STRONG * highest).astype(int).where(rows["value"].notna(), -1)
    drawn = rows.assign(shade=shade, number=[_cell_text(value, decimals=decimals) for value in rows["value"]])
    axis = alt.Axis(title=None, labelAngle=-40, labelLimit=200, labelOverlap=False, grid=False)
    base = alt.Chart().encode(x=alt.X("x:N", scale=alt.Scale(domain=list(x)), axis=axis), y=band(y))
    scale = alt.Scale(domain=[0, highest], interpolate="lab")
    legend = alt.Legend(title=title, gradientLength=160, tickCount=4)
    there = alt.FieldGTEPredicate(field="shade", gte=0)
    layers = [
        base.transform_filter(there)
        .mark_rect()
        .encode(color=alt.Color("value:Q", scale=scale, legend=legend), tooltip=tooltips(tips))
    ]
    for shade_of, style in {0: "number-low", 1: "number-high", -1: "absent"}.items():
        if (drawn["shade"] == shade_of).any() and (size >= _CELL_OF_NUMBER or shade_of < 0):
            texts = base.transform_filter(alt.FieldEqualPredicate(field="shade", equal=shade_of))
            layers.append(texts.mark_text(style=style).encode(text="number:N", tooltip=tooltips(tips)))
    step = {"width": alt.Step(size), "height": alt.Step(_ROW)}
    return alt.LayerChart(layer=layers, data=make_data(drawn, tips)).properties(**step)


def _cell_text(value: float, *, decimals: bool) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:.1f}" if decimals and 0 < value < 99.95 else f"{value:.0f}"


def draw_curves(
    rows: pd.DataFrame, tips: Tips, *, x: Sequence[str], series: Sequence[str], titles: tuple[str, str], width: float
) -> alt.LayerChart:
    """Draw points with intervals over the ordered levels of ``x``, connected within each series.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns ``x, y, low, high, series`` and ``series_at``, the number of the series, because Vega-Lite would sort
        names in an expression.
    tips : mapping of str to sequence of str
    x, series : sequence of str
        The levels, in order.
    titles : tuple of str
        Of the horizontal and the vertical axis.
    width : float
        In pixels.
    """
    axis = alt.Axis(labelAngle=0, title=titles[0], labelOverlap=False)
    scale = alt.Scale(domain=list(x), padding=0.4)
    encoded: dict[str, Any] = {
        "x": alt.X("x:N", scale=scale, axis=axis),
        "xOffset": alt.XOffset("series_at:O", sort="ascending", scale=alt.Scale(padding=1)),
        "tooltip": tooltips(tips),
    }
    looks = legend_of(series)
    colour = {"color": looks["color"]}
    base = alt.Chart().encode(**encoded)
    y = alt.Y("y:Q", title=titles[1], scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    layers = [base.mark_line(strokeWidth=1, opacity=0.5).encode(y=y, **colour)]
    if rows[["low", "high"]].notna().all(axis=1).any():
        ends = alt.Y("low:Q", title=titles[1])
        layers.append(base.mark_rule(style="interval").encode(y=ends, y2="high", **colour))
    layers.append(base.mark_point(style="estimate").encode(y=y, **looks))
    return alt.LayerChart(layer=layers, data=make_data(rows, tips)).properties(width=width, height=110)
