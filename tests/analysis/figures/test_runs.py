"""The figure of refusal rates of runs over time."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.runs import draw_runs

DATES = ["2026-01-01", "2026-01-11", "2026-01-31"]


def tables(*tasks):
    """Return rates of three runs, and slopes of 3 points per 30 days: 1 point after 10 days."""
    rates = pd.DataFrame(
        [
            {"model": "m", "task": task, "date": day, "estimate": rate, "ci_low": rate - 0.02, "ci_high": rate + 0.02}
            | {"n": 100, "n_texts": 10, "n_refused": 10}
            for task in tasks
            for day, rate in zip(DATES, (0.10, 0.12, 0.13), strict=True)
        ]
    )
    return rates, pd.DataFrame({"model": "m", "task": list(tasks), "slope": 0.03})


def test_the_line_goes_through_the_mean_with_the_slope():
    figure = draw_runs(*tables("nli"), "answer_aware")
    # Days 0, 10 and 30 have the mean 40/3, the rates the mean .35/3; a day is .1 points.
    expected = [0.35 / 3 + 0.001 * (day - 40 / 3) for day in (0, 10, 30)]
    assert figure.table["fitted"].tolist() == pytest.approx(expected)
    assert "facet" not in figure.vega_lite
    assert "Each run has 100 responses about 10 texts." in figure.caption


def test_each_task_is_a_panel():
    figure = draw_runs(*tables("nli", "politeness"), "answer_aware")
    assert figure.vega_lite["facet"]["column"]["field"] == "column"
    (rows,) = figure.vega_lite["datasets"].values()
    assert [(row["column"], row["x"], row["y"]) for row in rows[:2]] == [
        ("NLI", "2026-01-01", 10.0),
        ("NLI", "2026-01-11", 12.0),
    ]


def test_a_model_without_a_slope_has_no_line():
    rates, slopes = tables("nli")
    figure = draw_runs(rates, slopes.assign(task="politeness"), "answer_aware")
    assert figure.table["fitted"].isna().all()
