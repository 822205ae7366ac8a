"""Untrusted text in a page is text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.display.html import clip, embed, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 3 %", "plain text, 3 %"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("right\u202eto left", "right\\u202eto left"),
        ("isolate\u2066d\u2069", "isolate\\u2066d\\u2069"),
        ("null\0", "null\\u0000"),
        ("bell\x07 and escape\x1b[2J", "bell\\u0007 and escape\\u001b[2J"),
        ("line\u2028separator", "line\\u2028separator"),
        ("half a pair \ud800", "half a pair \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("Ärger, 한국어, العربية", "Ärger, 한국어, العربية"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
    ],
)
def test_what_cannot_be_seen_or_turns_the_direction_is_written_as_what_it_is(text, shown):
    assert visible(text) == shown


def test_a_long_text_is_cut_and_its_length_said():
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "abc [... cut here: 4 characters in all]"
    # Of one whose beginning alone was read.
    assert clip("abcd", 3, 1_000_000) == "abc [... cut here: 1,000,000 characters in all]"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_embedded_json_is_the_same_value_and_can_end_no_element(value):
    text = embed(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
    assert text.encode("utf-8")


def test_no_end_of_a_script_stands_in_embedded_json():
    assert embed("</script><!--") == '"\\u003c/script\\u003e\\u003c!--"'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        embed([value])
