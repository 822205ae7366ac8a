"""The board of a page: models with their mean rate, in the order of all figures."""

import pandas as pd
from refusal_metrics.analysis.report.html.board import lay_out_board
from refusal_metrics.analysis.report.study_tables import StudyEstimates


def rate(model, task, estimate, **levels):
    return {
        "model": model,
        "task": task,
        "setting": "persona",
        "rule": "prefix",
        "estimate": estimate,
        "ci_low": estimate - 0.05,
        "ci_high": estimate + 0.05,
        "n": 100,
        "n_texts": 10,
        "n_refused": int(100 * estimate),
        "refusal_rate_low": estimate,
        "refusal_rate_high": estimate,
        **levels,
    }


def board(rates, means, run_factors=()):
    means = [{"model": model, "setting": "persona", "rule": "prefix", **row} for model, row in means.items()]
    tables = {"rates": pd.DataFrame(rates), "rates_by_model": pd.DataFrame(means)}
    return lay_out_board(StudyEstimates(tables, "prefix", ("prefix",), {}, None, run_factors))


def mean(estimate):
    return {"estimate": estimate, "ci_low": estimate - 0.04, "ci_high": estimate + 0.04}


RATES = [
    rate("a", "nli", 0.1),
    rate("a", "politeness", 0.3),
    rate("b", "nli", 0.3),
    rate("b", "politeness", 0.5),
]
MEANS = {"a": mean(0.2), "b": mean(0.4)}


def test_models_have_a_row_each_the_one_that_refuses_most_first_and_a_cell_for_each_task():
    shown = board(RATES, MEANS)
    assert shown["tasks_of_board"] == ["NLI", "Politeness"]
    first, second = shown["models_of_board"]
    assert (first["model"], second["model"]) == ("b", "a")
    assert (first["rate"], first["interval"]) == ("40.00", "[36.00, 44.00]")
    assert first["tasks"] == ["30.00 [25.00, 35.00]", "50.00 [45.00, 55.00]"]
    assert first["n"] == "200"
    # The highest end is .55, so the scale ends at 1: .4 of 120.
    assert (shown["scale_end"], first["at"], first["low"]) == ("100", "48.0", "43.2")


def test_a_task_that_a_model_lacks_is_an_empty_cell():
    shown = board(RATES[:3], MEANS)
    assert shown["models_of_board"][0]["tasks"] == ["30.00 [25.00, 35.00]", ""]


def test_one_model_or_one_task_has_a_row_for_each_model_and_task_in_the_same_order():
    for rates in (RATES[:2], RATES[::2]):
        assert board(rates, {row["model"]: MEANS[row["model"]] for row in rates})["models_of_board"] == []
    assert [row["levels"] for row in board(RATES[::2], MEANS)["headline"]] == [["b", "NLI"], ["a", "NLI"]]


def test_settings_of_runs_keep_a_row_each():
    rates = [row | {"temperature": "0"} for row in RATES]
    shown = board(rates, {name: row | {"temperature": "0"} for name, row in MEANS.items()}, ("temperature",))
    assert shown["models_of_board"] == []
    assert shown["keys"] == ["model", "task", "temperature"]
