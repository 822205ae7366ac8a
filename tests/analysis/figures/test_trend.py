"""The figure of models in the order of a property of theirs."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.trend import draw_trend


def model(name, value, *, family="A", spread=0.4, log_odds=-1.0):
    return {
        "model": name,
        "family": family,
        "value": value,
        "variance": spread**2,
        "se": 0.05,
        "spread": spread,
        "ci_low": 0.1,
        "ci_high": 0.6,
        "log_odds": log_odds,
        "log_odds_se": 0.5,
        "n": 100,
        "n_texts": 10,
        "n_refused": 30,
    }


def draw(*models, column="released"):
    slopes = {"column": column, "slope": 0.25, "ci_low": -0.5, "ci_high": 1.0, "n_models": 3}
    trend = [
        {"outcome": outcome, "family": family} | slopes for outcome in ("variance", "log_odds") for family in ("", "A")
    ]
    return list(draw_trend({"trend_models": pd.DataFrame(models), "trend": pd.DataFrame(trend)}, "prefix"))


def test_models_are_in_the_order_of_the_property_with_both_outcomes_and_their_intervals():
    (figure,) = draw(model("late", 2024.5), model("early", 2023.25, family="B"))
    (rows,) = to_spec(figure)["datasets"].values()
    layer = to_spec(figure)["spec"]["layer"][-1]
    assert layer["encoding"]["y"]["scale"]["domain"] == ["early, 2023.25", "late, 2024.50"]
    shown = [(row["y"][:5], row["column"], row["x"], row["low"], row["high"]) for row in rows]
    # -1 less and plus 1.96 times 0.5.
    expected = [(name, "spread of persona effects", 0.4, 0.1, 0.6) for name in ("early", "late,")]
    expected += [(name, "log-odds of refusal", -1, -1.98, -0.02) for name in ("early", "late,")]
    for got, wanted in zip(shown, expected, strict=True):
        assert got[:2] == wanted[:2]
        assert got[2:] == pytest.approx(wanted[2:])
    assert {row["series"] for row in rows} == {"A", "B"}


def test_the_caption_says_the_slopes_over_all_models():
    (figure,) = draw(model("a", 2024.5))
    assert figure.caption.count("changes by 0.250 [-0.500, 1.000]") == 2
    assert "date of release" in figure.title


def test_whole_numbers_are_written_as_such():
    (figure,) = draw(model("a", 7.0), model("b", 13.0), column="my size")
    (rows,) = to_spec(figure)["datasets"].values()
    assert [row["y"] for row in rows[:2]] == ["a, 7", "b, 13"]
    assert figure.title == "Models by my size"
