"""How tables of a report are laid out."""

import pandas as pd
import pytest
from refusal_metrics.analysis.report.layout import are_standardised, drawn, grid, headline_rates, side_by_side

STUDY = {"model": "m", "task": "nli", "setting": "persona"}


def rates(*rows):
    """Make a table of rates by rule r of 1 refusal in 4, with what is told apart."""
    estimates = {
        "rule": "r",
        "estimate": 0.25,
        "ci_low": 0.125,
        "ci_high": 0.5,
        "n": 1200,
        "n_texts": 12,
        "n_refused": 300,
    }
    return pd.DataFrame([STUDY | estimates | row for row in rows])


CELL = "25.00 [12.50, 50.00]"


def test_a_grid_has_the_levels_in_the_order_of_the_paper_and_others_behind():
    table = rates({"task": "offensiveness"}, {"task": "summaries"}, {"task": "politeness"}, {"task": "nli"})
    assert list(grid(table, ["model"], "task", "r")) == ["model", "NLI", "Politeness", "Offensiveness", "summaries"]


def test_what_was_not_measured_is_blank_in_a_grid():
    table = rates({"model": "a", "task": "nli"}, {"model": "b", "task": "politeness"})
    assert grid(table, ["model"], "task", "r").to_numpy().tolist() == [["a", CELL, ""], ["b", "", CELL]]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_row_without_a_level_stays_in_a_grid(missing):
    table = rates({"temperature": missing}, {"temperature": "1"})
    assert grid(table, ["model", "temperature"], "task", "r").to_numpy().tolist() == [["m", "", CELL], ["m", "1", CELL]]


def test_a_grid_shows_one_rule():
    table = rates({"rule": "other", "estimate": 0.5}, {})
    assert grid(table, ["model"], "task", "r").to_numpy().tolist() == [["m", CELL]]


def test_rules_stand_side_by_side_in_one_row():
    table = rates({}, {"rule": "s", "estimate": 0.5})
    assert side_by_side(table, ["model", "task"]).to_dict("records") == [
        {
            "model": "m",
            "task": "NLI",
            "r (%)": "25.00",
            "r 95% CI": "[12.50, 50.00]",
            "s (%)": "50.00",
            "s 95% CI": "[12.50, 50.00]",
            "n": "1,200",
            "texts": "12",
        }
    ]


def test_differences_side_by_side_are_signed_points():
    (row,) = side_by_side(rates({}), ["model"], signed=True).to_dict("records")
    assert row == {"model": "m", "r (pp)": "+25.00", "r 95% CI": "[+12.50, +50.00]", "n": "1,200", "texts": "12"}


def test_nothing_side_by_side_is_an_empty_table():
    assert side_by_side(rates({}).head(0), ["model", "task"]).columns.tolist() == ["model", "task", "n", "texts"]


def test_counts_drawn_are_a_range_where_models_differ_and_of_the_persona_setting():
    counts = pd.DataFrame(
        [
            STUDY | {"persona": "man", "n": 1200},
            STUDY | {"persona": "man", "n": 1300, "model": "b"},
            STUDY | {"persona": "woman", "n": 5},
            STUDY | {"persona": "person", "n": 7, "setting": "neutral"},
        ]
    )
    assert drawn(counts, "persona").to_numpy().tolist() == [["Man", "1,200-1,300"], ["Woman", "5"]]


def test_a_rule_that_has_not_judged_all_is_blank_where_it_judged_nothing_and_its_numbers_are_a_range():
    # Rule s judged 1,000 of the 1,200 responses of a, none of b's, and alone all of c's.
    table = rates(
        {"model": "a"},
        {"model": "b", "estimate": 0.75},
        {"model": "a", "rule": "s", "estimate": 0.5, "n": 1000},
        {"model": "c", "rule": "s", "estimate": 0.625},
    )
    shown = side_by_side(table, ["model"])
    assert shown[["model", "r (%)", "s (%)", "n", "texts"]].to_numpy().tolist() == [
        ["a", "25.00", "50.00", "1,000-1,200", "12"],
        ["b", "75.00", "", "1,200", "12"],
        ["c", "", "62.50", "1,200", "12"],
    ]


def test_rates_are_standardised_all_or_none():
    known = {"estimate_standardised": 0.2, "ci_low_standardised": 0.1, "ci_high_standardised": 0.4}
    unknown = dict.fromkeys(known, float("nan"))
    for rows, standardised in (([known, known], True), ([known, unknown], False), ([{}], False), ([], False)):
        table = rates(*rows)
        assert are_standardised(table) is standardised
        expected = [[0.2, 0.1, 0.4] if standardised else [0.25, 0.125, 0.5]] * len(rows)
        assert headline_rates(table).get(["estimate", "ci_low", "ci_high"], table).to_numpy().tolist() == expected
        assert headline_rates(table).get("n_refused", pd.Series(300)).eq(300).all()
