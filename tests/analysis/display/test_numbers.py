"""How single values are written, also where names are hostile."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from refusal_metrics.analysis.display.numbers import escape, interval, number, p_text, percent

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (0.25, False, "25.00"),
        (0.0, False, "0.00"),
        (1.0, False, "100.00"),
        (0.00004, False, "0.00"),
        (0.12346, False, "12.35"),
        (NAN, False, ""),
        (0.025, True, "+2.50"),
        (-0.025, True, "-2.50"),
        (0.0, True, "+0.00"),
        (-1.0, True, "-100.00"),
        (NAN, True, ""),
    ],
)
def test_a_proportion_is_shown_as_a_percentage_with_two_decimals(value, signed, shown):
    assert percent(value, signed=signed) == shown


@pytest.mark.parametrize(
    ("low", "high", "signed", "shown"),
    [
        (0.125, 0.375, False, "[12.50, 37.50]"),
        (0.0, 1.0, False, "[0.00, 100.00]"),
        (-0.025, 0.5, True, "[-2.50, +50.00]"),
        (NAN, NAN, False, ""),
        (0.1, NAN, False, ""),
        (NAN, 0.1, True, ""),
    ],
)
def test_an_interval_stands_in_brackets_and_a_missing_one_is_blank(low, high, signed, shown):
    assert interval(low, high, signed=signed) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.23456, "1.235"), (-0.0001, "0.000"), (123.45, "123.5"), (math.inf, "∞"), (-math.inf, "-∞"), (NAN, "")],
)
def test_a_number_that_is_no_proportion_has_three_decimals_below_100(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.05, ".050"), (1.0, "1.000"), (0.0009, "<.001"), (0.001, ".001"), (NAN, "")]
)
def test_a_p_value_has_three_decimals(value, shown):
    assert p_text(value) == shown


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("|`\\<>\n*[]()!&#_~"), max_size=12))
def test_an_escaped_name_inside_a_sentence_is_text_and_nothing_else(name):
    tokens = MarkdownIt("commonmark").parse(f"The model {escape(name)} refused.")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children} <= {"text", "text_special"}
