"""How rows are drawn."""

import json
import re

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.figure import theme
from refusal_metrics.analysis.figures.marks import (
    WIDTH,
    draw_cells,
    draw_curves,
    draw_points,
    draw_strips,
    facet,
    make_data,
    panels_of,
    width_of,
    wrap,
)

ROWS = pd.DataFrame(
    {
        "y": ["a", "b"],
        "x": [1.0, 2.0],
        "low": [0.5, 1.5],
        "high": [1.5, 2.5],
        "series": ["s", "t"],
        "column": ["c", "d"],
        "column_at": [1, 0],
        "panel": ["c", "d"],
        "panel_at": [1, 0],
        "whole": [0, 1],
        "value": [10.0, 20.0],
        "series_at": [0, 1],
    }
)
TIPS = {"model": ["m", "n"]}


def points(**options):
    return draw_points(ROWS, TIPS, y=["b", "a"], title="rate", series=["s", "t"], **options)


CHARTS = {
    "points": points(zero=True),
    "points with a null band": draw_points(ROWS.assign(null=1.0, null_low=-1.0), TIPS, y=["a", "b"], title="x"),
    "strips": draw_strips(ROWS, TIPS, y=["a", "b"], title="x", series=["s", "t"]),
    "curves": draw_curves(ROWS, TIPS, x=["1", "2"], series=["s", "t"], titles=("x", "y"), width=100),
    "cells": draw_cells(ROWS.assign(x=["p", "q"]), TIPS, x=["p", "q"], y=["a", "b"], highest=20, title="x"),
}


def layers(chart):
    return chart.to_dict()["layer"]


def test_data_have_seven_digits_and_the_texts_of_hovering():
    data = make_data(pd.DataFrame({"x": [1 / 3, float("nan")], "y": ["a", "b"]}), TIPS)
    assert data["x"].iloc[0] == 0.3333333
    assert pd.isna(data["x"].iloc[1])
    assert data["tip0"].tolist() == ["m", "n"]


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_no_chart_has_a_colour_of_its_own(chart):
    text = json.dumps(chart.to_dict()["layer"])
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", text)
    assert not re.search(r'"(fill|stroke|color)": "', text)


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_every_style_is_in_the_theme(chart):
    styles = {layer["mark"].get("style") for layer in layers(chart)} - {None}
    assert styles <= set(theme()["style"])


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_every_mark_of_an_estimate_has_a_tooltip(chart):
    estimates = [layer for layer in layers(chart) if layer["mark"].get("style") not in {"zero", "null", "null-mean"}]
    assert estimates
    for layer in estimates:
        assert layer["encoding"]["tooltip"] == [{"field": "tip0", "title": "model", "type": "nominal"}]


def test_series_are_distinguished_by_shape_as_well_as_colour():
    encoded = layers(points())[-1]["encoding"]
    assert encoded["shape"]["scale"]["range"] == ["circle", "diamond"]
    assert encoded["shape"]["scale"]["domain"] == encoded["color"]["scale"]["domain"] == ["s", "t"]


def test_rows_are_in_the_order_given():
    assert layers(points())[0]["encoding"]["y"]["scale"]["domain"] == ["b", "a"]


def test_series_stand_below_each_other_unless_one_row_has_one_of_them():
    assert "yOffset" in layers(points())[-1]["encoding"]
    assert "yOffset" not in layers(points(dodge=False))[-1]["encoding"]


def test_the_line_at_0_is_drawn_once():
    spec = points(zero=True).to_dict()
    (line,) = [layer for layer in spec["layer"] if layer["mark"].get("style") == "zero"]
    assert spec["datasets"][line["data"]["name"]] == [{"zero": 0}]
    assert not [layer for layer in layers(points()) if layer["mark"].get("style") == "zero"]


@pytest.mark.parametrize("n_columns", [1, 2, 3, 5])
def test_columns_fit_the_width_of_the_figure(n_columns):
    assert n_columns * width_of(n_columns) + 18 * (n_columns - 1) <= WIDTH


def test_long_labels_leave_fewer_panels_in_a_row():
    assert panels_of(["a"] * 5) == 3
    assert panels_of(["a" * 30] * 5) == 2
    assert panels_of(["a"]) == 1


@pytest.mark.parametrize(("repeat", "channel"), [(facet, "column"), (wrap, "facet")])
def test_panels_are_in_the_order_of_their_numbers(repeat, channel):
    spec = repeat(points()).to_dict()["facet"]
    sort = spec["column"]["sort"] if channel == "column" else spec["sort"]
    assert (sort["op"], sort["order"]) == ("min", "ascending")
    assert sort["field"] == {"column": "column_at", "facet": "panel_at"}[channel]


def test_no_intervals_are_drawn_where_none_is_known():
    unknown = ROWS.assign(low=float("nan"))
    styles = [layer["mark"].get("style") for layer in layers(draw_points(unknown, TIPS, y=["a", "b"], title="x"))]
    # Hollow, because nothing says how certain it is.
    assert styles == ["without-interval"]
    curves = draw_curves(unknown, TIPS, x=["1", "2"], series=["s", "t"], titles=("x", "y"), width=100)
    assert [layer["mark"]["type"] for layer in layers(curves)] == ["line", "point"]
