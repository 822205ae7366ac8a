"""A figure, and the theme of all figures: colours for print, screens and colour-blind readers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from refusal_metrics.errors import unknown_name

if TYPE_CHECKING:
    import altair as alt

FORMATS = ("svg", "png", "pdf")
"""The file formats of a figure."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FONT = "system-ui, 'Liberation Sans', Arial, Helvetica, sans-serif"

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), ordered so that the first colours differ most; colours
# with a contrast below 3 to the background are replaced.
_CATEGORIES = {
    False: ["#0072B2", "#D55E00", "#009E73", "#AA4499", "#7A6A00", "#333333", "#7F858C"],
    True: ["#56B4E9", "#E69F00", "#1FB58A", "#CC79A7", "#F0E442", "#DDDDDD", "#8B949E"],
}
# From low to high along a straight line in CIELAB, so that equal steps look equal. The lowest colour differs from the
# background, so that 0 is visible.
_RAMPS = {False: ["#DEEAF4", "#06204C"], True: ["#24384D", "#B5DCFA"]}
# From fewer refusals over no difference to more, equally far from the background at both ends.
_DIVERGING = {
    False: ["#0A4A8F", "#8FB8DE", "#F2F2F0", "#F0A672", "#A63A00"],
    True: ["#8CC7FF", "#2F6DA6", "#262C33", "#A85A22", "#FFB380"],
}
_INK = {False: "#1B1F24", True: "#E6EDF3"}
_MUTED = {False: "#57606A", True: "#A5B0BC"}
_GRID = {False: "#E1E5EA", True: "#333B45"}
_GROUND = {False: "#FFFFFF", True: "#10151B"}


@dataclass(frozen=True)
class Figure:
    """A figure of a report.

    Attributes
    ----------
    name : str
        Its file stem: letters, digits, ``_`` and ``-``.
    title : str
        Plain text.
    caption : str
        Plain text: what is drawn, how to read it, which interval, how many responses and texts.
    chart : altair.TopLevelMixin
        Without its own colours, which come from the theme.
    table : pandas.DataFrame
        The rows drawn, tidy; rates are proportions.
    is_main : bool
        Whether every reader of the page sees it; the others are for statisticians.
    on_page : altair.TopLevelMixin, optional
        The version of the chart for a page, with a menu or without what is in the note.
    note : str
        What a page says below the figure; the chart of the files contains it. Plain text.
    """

    name: str
    title: str
    caption: str
    chart: "alt.TopLevelMixin"
    table: pd.DataFrame
    is_main: bool = False
    on_page: "alt.TopLevelMixin | None" = None
    note: str = ""

    def __post_init__(self) -> None:
        """Check the name, which is also the name of files."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"the figure's name is {self.name!r}: letters, digits, _ and - are allowed")

    @cached_property
    def vega_lite(self) -> dict[str, Any]:
        """The chart's specification without colours."""
        return _specify(self.chart)

    @cached_property
    def vega_lite_on_page(self) -> dict[str, Any]:
        """The same of the version for a page."""
        return self.vega_lite if self.on_page is None else _specify(self.on_page)


def _specify(chart: "alt.TopLevelMixin") -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - takes a second, and checking formats draws nothing

    # The tests validate specifications against Vega-Lite's schema; names in a study cannot change their structure.
    # Altair's own limit of 5000 rows is about notebooks.
    with alt.data_transformers.enable("default", max_rows=None):
        spec: dict[str, Any] = chart.to_dict(validate=False)
    del spec["$schema"]
    return spec


def check_formats(formats: Sequence[str]) -> None:
    """Check, before anything is read, that figures can be written in these formats."""
    for form in formats:
        if form not in FORMATS:
            raise unknown_name("figure format", form, FORMATS)


def theme(*, dark: bool = False) -> dict[str, Any]:
    """Return Vega-Lite's ``config`` of all figures, with all colours.

    Parameters
    ----------
    dark : bool
        For a dark background instead of a white one. The background itself is transparent.

    Returns
    -------
    dict
        A new dictionary. A page that switches between light and dark can replace ``config`` alone.
    """
    ink, muted, grid, ground = _INK[dark], _MUTED[dark], _GRID[dark], _GROUND[dark]
    first = _CATEGORIES[dark][0]
    return {
        "background": None,
        "font": _FONT,
        "mark": {"color": first, "tooltip": None, "aria": False},  # the figure has a description, and its table
        "range": {
            "category": _CATEGORIES[dark],
            "heatmap": _RAMPS[dark],
            "ramp": _RAMPS[dark],
            "diverging": _DIVERGING[dark],
        },
        "view": {"stroke": None, "continuousWidth": 480, "continuousHeight": 240},
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": True,
            "gridColor": grid,
            "labelColor": ink,
            "labelFontSize": 11,
            "labelPadding": 5,
            "titleColor": muted,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        },
        "axisBand": {"grid": False},
        "facet": {"spacing": 18},
        "header": {"labelColor": ink, "labelFontSize": 11, "labelFontWeight": "bold", "title": None},
        "title": {"anchor": "start", "frame": "group", "color": ink, "fontSize": 12, "fontWeight": "bold", "offset": 6},
        "legend": {
            "orient": "top",
            "labelColor": ink,
            "labelFontSize": 11,
            "titleColor": muted,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "symbolSize": 70,
            "symbolOpacity": 1,
            "columnPadding": 16,
        },
        "style": {
            "interval": {"color": first, "strokeWidth": 1.5},
            "estimate": {"filled": True, "opacity": 1, "size": 42},
            "without-interval": {"filled": False, "opacity": 1, "size": 42, "strokeWidth": 1.5},
            "hatch": {"color": muted, "strokeWidth": 1, "opacity": 0.55, "filled": False},
            "dot": {"filled": True, "opacity": 1, "size": 22, "color": ink},
            "fold": {"fill": muted, "fontSize": 11, "fontWeight": "normal"},
            "printed": {"color": ink, "fontSize": 11, "align": "left"},
            "member": {"color": muted, "filled": True, "opacity": 0.4, "size": 26},
            "summary": {"filled": False, "opacity": 1, "size": 60, "strokeWidth": 1.5},
            "zero": {"color": muted, "strokeWidth": 1, "strokeDash": [3, 3]},
            "null": {"color": muted, "opacity": 0.22},
            "null-mean": {"color": muted, "thickness": 2, "opacity": 1},
            "number-low": {"color": ink, "fontSize": 10},
            "number-high": {"color": ground, "fontSize": 10},
            "absent": {"color": muted, "fontSize": 10},
            "name": {"color": muted, "fontSize": 10},
        },
    }
