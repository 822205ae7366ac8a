"""The rows that figures draw: labels, order, what hovering shows."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.figures.rows import (
    count_range,
    describe,
    in_order,
    label_models,
    label_tasks,
    name_models,
    order_personas,
    say_sizes,
    short_names,
    take,
    write_factor,
)


def rates(**columns):
    """Make a table of rates with one row a value of the columns."""
    n = len(next(iter(columns.values())))
    numbers = {"estimate": 0.25, "ci_low": 0.1, "ci_high": 0.5, "n": 40, "n_texts": 8, "n_refused": 10}
    return pd.DataFrame(columns | {name: [value] * n for name, value in numbers.items()})


names = st.lists(st.text(max_size=80), unique=True, min_size=1, max_size=12)


@given(names)
def test_labels_of_different_names_differ_and_are_one_printable_line(given_names):
    labels = short_names(given_names)
    assert list(labels) == given_names
    assert len(set(labels.values())) == len(given_names)
    for label in labels.values():
        assert label
        assert label.isprintable()
        assert len(label) <= 36 + len(" (12)")


def test_a_long_name_loses_its_middle_so_that_ends_distinguish_checkpoints():
    one, other = short_names(["x" * 50 + "-step-100", "x" * 50 + "-step-200"]).values()
    assert (one[-9:], other[-9:], len(one)) == ("-step-100", "-step-200", 36)


def test_organisations_are_left_out_where_models_still_differ():
    assert list(short_names(["meta/a", "google/b"]).values()) == ["a", "b"]
    assert list(short_names(["meta/a", "google/a"]).values()) == ["meta/a", "google/a"]


def test_a_path_and_html_are_no_organisation():
    assert list(short_names(["/home/u/model", "<b>x</b>"]).values()) == ["/home/u/model", "<b>x</b>"]


def test_names_that_differ_in_unprintable_characters_alone_are_numbered():
    assert list(short_names(["a\x00", "a\x01"]).values()) == ["a\ufffd", "a\ufffd (2)"]


def test_levels_are_in_natural_order_after_those_of_the_paper():
    assert in_order(["p10", "p2", "p1"]) == ["p1", "p2", "p10"]
    assert in_order(["z", "forced", "unforced"], ("unforced", "semi-forced", "forced")) == ["unforced", "forced", "z"]


@pytest.mark.parametrize("factor", ["temperature", "label", "x", "model_"])
def test_a_models_label_carries_its_run_factors_wherever_their_columns_stand(factor):
    table = rates(model=["b", "a", "a"], task=["nli"] * 3).assign(**{factor: ["0", "0.7", None]})
    labels, levels = label_models(table, [factor])
    assert labels.tolist() == [f"b, {factor} 0", f"a, {factor} 0.7", f"a, {factor} none"]
    assert levels == [f"a, {factor} 0.7", f"a, {factor} none", f"b, {factor} 0"]
    # A column that nobody calls a run factor is none.
    assert label_models(table)[1] == ["a", "b"]


def test_a_models_full_name_carries_its_run_factors():
    table = rates(model=["b", "a", "a"], task=["nli"] * 3, temperature=["0", "0.7", None])
    assert name_models(table, ["temperature"]).tolist()[0] == "b, temperature 0"


def test_models_settings_are_in_numerical_order():
    _, levels = label_models(rates(model=["a"] * 3, task=["nli"] * 3, steps=["1000", "200", "30"]), ["steps"])
    assert levels == ["a, steps 30", "a, steps 200", "a, steps 1000"]


def test_tasks_are_in_the_papers_order_and_others_behind():
    labels, levels = label_tasks(rates(task=["offensiveness", "my.task[0]", "nli"]))
    assert levels == ["NLI", "Offensiveness", "my.task[0]"]
    assert labels.tolist() == ["Offensiveness", "my.task[0]", "NLI"]


def test_personas_of_a_group_stand_together_and_those_of_none_last():
    by_persona = pd.DataFrame({"persona": ["man", "asian", "woman"], "persona_group": ["gender", "race", "gender"]})
    assert order_personas({"rates_by_persona": by_persona}, ["woman", "x", "asian", "man"]) == [
        *("man", "woman", "asian", "x")
    ]
    assert order_personas({}, ["b", "a"]) == ["a", "b"]


def test_hovering_shows_the_estimate_its_interval_and_what_it_rests_on_in_percent():
    shown = describe(rates(model=["m"], task=["nli"], rule=["prefix"]))
    assert {title: texts[0] for title, texts in shown.items()} == {
        "model": "m",
        "task": "NLI",
        "rule": "prefix",
        "refused, %": "25.00%",
        "95% CI": "[10.00, 50.00]",
        "responses": "40",
        "refused": "10",
        "texts": "8",
    }


def test_hovering_over_a_difference_shows_signed_points():
    shown = describe(rates(model=["m"]).assign(p_adjusted=0.0004), "difference")
    assert (shown["difference"], shown["95% CI"]) == (["+25.00 points"], ["[+10.00, +50.00]"])
    assert shown["adjusted p"] == ["<.001"]


def test_what_is_missing_is_said_on_hovering():
    table = rates(model=["m"]).assign(ci_low=float("nan"), ci_high=float("nan"))
    assert describe(table)["95% CI"] == ["none"]
    assert describe(table.assign(ci_high=float("inf")), "number")["95% CI"] == ["[not known, ∞]"]


def test_hovering_shows_names_in_full_and_their_factors_of_runs_under_our_headings():
    shown = describe(rates(model=["m" * 90 + "\n<i>"], **{"a.b[0]": ["1"]}), run_factors=["a.b[0]"])
    assert shown["model"] == ["m" * 90 + " <i>, a.b[0] 1"]
    assert "a.b[0]" not in shown


def test_texts_are_taken_by_position_and_are_empty_for_none():
    assert take({"a": ["x", "y"]}, [1, -1, 0]) == {"a": ["y", "", "x"]}


@pytest.mark.parametrize(
    ("values", "written"), [([1], "1 text"), ([3, 3], "3 texts"), ([1200, 3], "3 to 1,200 texts"), ([0], "0 texts")]
)
def test_counts_are_written_as_a_range(values, written):
    assert count_range(pd.Series(values), "text") == written


def test_a_caption_says_what_points_rest_on():
    table = pd.DataFrame({"n": [40, 50], "n_texts": [8, 8]})
    assert say_sizes(table) == "Each point is based on 40 to 50 responses about 8 texts."
    assert say_sizes(table.assign(n_baseline=1)).endswith("about 8 texts, compared with 1 response.")


def test_factors_are_written_for_people():
    assert write_factor("persona_group:task") == "persona group × task"  # noqa: RUF001 - how two jointly are written
