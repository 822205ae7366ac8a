"""Figures of factors' levels: deviations, coefficients and effects."""

import math

import pandas as pd
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.factors import draw_deviations, draw_effects, draw_regression
from refusal_metrics.analysis.figures.marks import ALIKE, DIFFERS


def panels(figure):
    """Give title and rows of each panel."""
    spec = to_spec(figure)
    # A panel alone has its data from the whole.
    return {chart["title"]: spec["datasets"][(spec | chart)["data"]["name"]] for chart in spec["vconcat"]}


def coefficient(factor, level, coef, low, high, *, p_adjusted=1.0, separated=False):
    return {
        "factor": factor,
        "level": level,
        "coef": coef,
        "se": 0.1,
        "ci_low": low,
        "ci_high": high,
        "p_value": p_adjusted,
        "p_adjusted": p_adjusted,
        "estimator": "firth",
        "separated": separated,
    }


def rates(**columns):
    numbers = {"estimate": 0.5, "ci_low": 0.4, "ci_high": 0.6, "n": 10, "n_texts": 5, "n_refused": 5}
    return pd.DataFrame(
        columns | {"setting": "persona", "rule": "prefix"} | numbers, index=range(len(next(iter(columns.values()))))
    )


def test_deviations_are_drawn_in_points_beside_their_mean_under_the_null_hypothesis():
    row = {
        "model": "",
        "task": "",
        "factor": "template",
        "level": "p2",
        "estimate": -0.1,
        "ci_low": -0.12,
        "ci_high": -0.08,
        "deviation": 0.1,
        "null_mean": 0.03,
        "p_value": 0.001,
        "n": 20,
        "n_refused": 4,
        "p_adjusted": 0.002,
    }
    others = [row | {"level": "p10", "p_adjusted": 0.2}, row | {"model": "m", "task": "nli"}]
    (figure,) = draw_deviations({"deviations": pd.DataFrame([row, *others])}, "prefix")
    ((title, drawn),) = panels(figure).items()
    assert title == "template"
    shown = [[r[name] for name in ("y", "series", "x", "low", "high", "null_low", "null")] for r in drawn]
    assert shown == [["p2", DIFFERS, -10, -12, -8, -3, 3], ["p10", ALIKE, -10, -12, -8, -3, 3]]
    (layers,) = [chart["layer"] for chart in to_spec(figure)["vconcat"]]
    assert layers[0]["encoding"]["y"]["scale"]["domain"] == ["p2", "p10"]
    # That of one model is not the whole study's.
    assert len(figure.table) == 2


def test_each_factor_has_a_panel_with_its_own_scale_and_names_its_reference():
    regression = pd.DataFrame(
        [
            coefficient("(Intercept)", "", -2, -3, -1),
            coefficient("persona", "man", 0.5, 0.1, 0.9, p_adjusted=0.01),
            coefficient("task", "politeness", 1, -1, 3),
        ]
    )
    tables = {
        "regression": regression,
        "rates_by_persona": rates(model=["m", "m"], task=["nli", "nli"], persona=["man", "atheist"]),
        "rates": rates(model=["m", "m"], task=["nli", "politeness"]),
    }
    (figure,) = draw_regression(tables, "prefix")
    shown = panels(figure)
    assert list(shown) == ["persona, compared with Atheist", "task, compared with NLI"]
    (man,) = shown["persona, compared with Atheist"]
    assert (man["x"], man["low"], man["high"], man["series"]) == (0.5, 0.1, 0.9, DIFFERS)
    assert shown["task, compared with NLI"][0]["y"] == "Politeness"
    assert "resolve" not in to_spec(figure)
    # 10 responses about 5 texts in each of two tasks.
    assert "The study has 20 responses about 10 texts or more." in figure.caption


def test_a_reference_that_is_not_known_is_not_named():
    tables = {"regression": pd.DataFrame([coefficient("persona", "man", 0.5, 0.1, 0.9)])}
    (figure,) = draw_regression(tables, "prefix")
    assert list(panels(figure)) == ["persona"]


def test_an_interval_that_is_open_to_one_side_ends_in_an_arrow_at_the_edge():
    rows = [
        coefficient("model", "a", -3, -math.inf, -1, separated=True),
        coefficient("model", "b", 4, math.nan, math.inf, separated=True),
        coefficient("model", "c", 1, 0, 2),
    ]
    (figure,) = draw_regression({"regression": pd.DataFrame(rows)}, "prefix")
    (chart,) = to_spec(figure)["vconcat"]
    a, b, c = panels(figure)["model"]
    # The numbers known are -3 to 4; 4 % of 7 is less than the least margin, 0.5.
    assert (a["low"], a["high"], a["open_low"]) == (-3.5, -1, 1)
    # Known on neither side: from the estimate to the edge.
    assert (b["low"], b["high"], b["open_high"]) == (4, 4.5, 1)
    assert (c["low"], c["high"], c["open_low"], c["open_high"]) == (0, 2, 0, 0)
    arrows = {layer["mark"]["shape"] for layer in chart["layer"] if "shape" in layer["mark"]}
    assert arrows == {"triangle-left", "triangle-right"}
    assert chart["layer"][-1]["encoding"]["x"]["scale"]["domain"] == [-3.5, 4.5]
    assert "2 levels with complete separation have" in figure.caption


def test_arrows_are_drawn_for_open_intervals_alone():
    (figure,) = draw_regression({"regression": pd.DataFrame([coefficient("model", "c", 1, 0, 2)])}, "prefix")
    (chart,) = to_spec(figure)["vconcat"]
    assert not [layer for layer in chart["layer"] if "shape" in layer["mark"]]


def test_effects_are_drawn_in_points():
    effects = pd.DataFrame(
        {"factor": ["persona"] * 2, "level": ["a", "b"], "estimate": [0.1, math.nan], "ci_low": 0.05, "ci_high": 0.2}
    )
    (figure,) = draw_effects({"regression_effects": effects}, "prefix")
    (row,) = panels(figure)["persona"]
    assert (row["y"], row["x"], row["low"], row["high"]) == ("a", 10, 5, 20)
    assert len(figure.table) == 1


def test_effects_without_an_interval_are_counted():
    effects = pd.DataFrame({"factor": ["model"], "level": ["a"], "estimate": [0.1], "ci_low": [math.nan]})
    (figure,) = draw_effects({"regression_effects": effects.assign(ci_high=math.nan)}, "prefix")
    assert "1 level with complete separation has no interval." in figure.caption
