"""Figures of the sensitivity indices."""

import pandas as pd
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.sensitivity import draw_sensitivity


def index(factor, iota, *, model="", task="", p_value=0.001, upper_bound_only=False):
    """Make a row of the table of indices; the null mean is 0.01."""
    return {
        "model": model,
        "task": task,
        "factor": factor,
        "iota": iota,
        "ci_low": iota - 0.005,
        "ci_high": iota + 0.01,
        "null_mean": 0.01,
        "p_value": p_value,
        "n_levels": 3,
        "iota_corrected": iota - 0.004,
        "upper_bound_only": upper_bound_only,
    }


def draw(*rows):
    return list(draw_sensitivity({"sensitivity": pd.DataFrame(rows)}, "prefix"))


def drawn(chart_spec, figure):
    return to_spec(figure)["datasets"][chart_spec["data"]["name"]]


def test_factors_are_drawn_from_the_largest_index_down_with_their_intervals_and_the_null_mean():
    (figure,) = draw(index("task", 0.1), index("persona_group", 0.3, upper_bound_only=True), index("model:task", 0.4))
    single, joint = to_spec(figure)["vconcat"]
    assert (single["title"], joint["title"]) == ("Single factors", "Two factors jointly")
    assert single["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["persona group", "task"]
    rows = {row["y"]: row for row in drawn(single, figure)}
    assert (rows["task"]["x"], rows["task"]["low"], rows["task"]["high"]) == (0.1, 0.095, 0.11)
    assert rows["task"]["null_mean"] == 0.01
    assert rows["task"]["series"] != rows["persona group"]["series"]
    assert [row["y"] for row in drawn(joint, figure)] == ["model × task"]  # noqa: RUF001 - as it is shown
    assert figure.table["factor"].tolist() == ["task", "persona_group", "model:task"]


def test_models_are_drawn_one_by_one_where_there_are_several():
    one = [index("task", 0.1), index("task", 0.2, model="a", task="nli", p_value=0.2)]
    assert [figure.name for figure in draw(*one)] == ["figure5_sensitivity"]
    _, each = draw(*one, index("task", 0.3, model="b", task="nli"))
    (rows,) = to_spec(each)["datasets"].values()
    # The indices less 0.004.
    assert [row["x"] for row in rows] == [0.196, 0.296]
    assert [row["series"].startswith("not") for row in rows] == [True, False]
    assert "1 of 2 indices are significant" in each.caption


def test_an_index_that_could_not_be_estimated_is_left_out():
    assert draw(index("task", float("nan"))) == []
