"""The numbers of the paper's figures."""

import pandas as pd
from refusal_metrics.analysis.paper.figures import paper_figures

RATE = {"rule": "prefix", "ci_low": 0.0, "ci_high": 1.0, "n": 10, "n_texts": 5, "n_refused": 5}


def rates(rows, columns):
    table = pd.DataFrame(rows, columns=[*columns, "estimate"])
    return table.assign(**RATE)


def tables(**extra):
    columns = ["model", "task", "persona", "baseline", "estimate", *RATE, "n_baseline", "n_refused_baseline"]
    return {"contrasts": pd.DataFrame(columns=columns)} | extra


def test_figure_2_averages_a_persona_over_tasks_and_then_describes_the_models():
    by_persona = rates(
        [
            # Model a: mean over tasks .3; b: .5. A neutral persona is not of the figure.
            ("a", "nli", "persona", "race", "black", 0.1),
            ("a", "politeness", "persona", "race", "black", 0.5),
            ("b", "nli", "persona", "race", "black", 0.5),
            ("b", "politeness", "neutral", "neutral", "person", 0.9),
        ],
        ["model", "task", "setting", "persona_group", "persona"],
    )
    (row,) = paper_figures(tables(rates_by_persona=by_persona))["figure2"].to_dict("records")
    assert row == {
        "persona": "black",
        "rule": "prefix",
        "mean": 0.4,
        "min": 0.3,
        "median": 0.4,
        "max": 0.5,
        "n_models": 2,
    }


def test_figure_1_compares_the_persona_rate_with_the_persona_free_one():
    row = {"model": "a", "task": "nli", "baseline": "persona-free", "estimate": 0.3} | RATE
    contrasts = pd.DataFrame([row | {"n_baseline": 20, "n_refused_baseline": 4}, row | {"baseline": "neutral"}])
    (figure,) = paper_figures({"contrasts": contrasts})["figure1"].to_dict("records")
    # 5 of 10 against 4 of 20.
    assert (figure["rate_persona"], figure["rate_persona_free"]) == (0.5, 0.2)


def test_figure_5_is_of_the_whole_study():
    indices = pd.DataFrame({"model": ["", "a"], "task": ["", "nli"], "factor": ["persona"] * 2, "iota": [0.1, 0.2]})
    figure = paper_figures(tables(sensitivity=indices))["figure5"]
    assert figure.to_dict("records") == [{"factor": "persona", "iota": 0.1}]


def test_a_figure_of_which_nothing_was_measured_is_left_out():
    assert paper_figures(tables()) == {}
