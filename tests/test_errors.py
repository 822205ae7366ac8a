from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.errors import InputError, has_control, quoted, unknown_name


def test_an_input_error_can_be_caught_as_a_value_error():
    with pytest.raises(ValueError, match=r"^unknown design 'x': allowed are balanced, iid$"):
        raise unknown_name("design", "x", ["balanced", "iid"])


def test_the_allowed_names_are_shown_in_the_order_given_also_from_an_iterator():
    error = unknown_name("persona", "zebra", iter(["woman", "man"]))
    assert type(error) is InputError
    assert str(error) == "unknown persona 'zebra': allowed are woman, man"


@pytest.mark.parametrize(
    ("found", "nearest"),
    [("ballanced", "balanced"), ("blanced", "balanced"), ("black", "Black"), ("able-bodied", "able_bodied")],
)
def test_the_nearest_name_is_suggested_in_its_own_spelling(found, nearest):
    names = ["iid", "balanced", "Black", "able_bodied"]
    assert str(unknown_name("name", found, names)).endswith(f"able_bodied; did you mean {nearest!r}?")


@pytest.mark.parametrize("found", [7, None, ["balanced", "iid"], ""])
def test_what_is_near_to_nothing_is_shown_as_it_was_given_without_a_suggestion(found):
    assert str(unknown_name("design", found, ["paired"])) == f"unknown design {found!r}: allowed are paired"


words = st.text(ascii_letters, min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=6, unique_by=str.lower), st.data())
def test_a_name_in_other_case_is_its_own_nearest(names, data):
    name = data.draw(st.sampled_from(names))
    assert str(unknown_name("name", name.swapcase(), names)).endswith(f"; did you mean {name!r}?")


@given(st.lists(words, max_size=6), words)
def test_only_allowed_names_are_suggested(names, found):
    _, _, hint = str(unknown_name("name", found, names)).partition("; did you mean ")
    assert hint in {"", *(f"{name!r}?" for name in names)}


class Odd:
    def __repr__(self):
        return "<odd\n\x1b[31m>"


@pytest.mark.parametrize(
    "found",
    [
        *(
            "x" * 10**6,
            ["x" * 100] * 10**4,
            {"a": {"b": {"c": {"d": {"e": [1] * 1000}}}}},
            10**300,
            b"\x00" * 500,
            Odd(),
        ),
        *("a\x1b[31mb", "a\nb", "\ud800", "\u202ea", None, 5, "", {1: {2: Odd()}}),
    ],
)
def test_what_is_quoted_is_a_short_line_that_commands_no_terminal(found):
    shown = quoted(found)
    assert shown.isprintable()
    assert len(shown) <= 80
    assert len(quoted(found, 200)) <= 200


@pytest.mark.parametrize("found", ["plain", "it's", "déjà vu", "模型", ["a", 1], {"a": 1}, 7, True])
def test_what_is_short_is_quoted_as_python_writes_it(found):
    assert quoted(found) == repr(found)


@pytest.mark.parametrize("text", ["\x1b", "a\nb", "\x7f", "\x9b", "\ud800", "\u202e", "\u2066", "\u2028", "a\0"])
def test_control_characters_are_found(text):
    assert has_control(text)


@pytest.mark.parametrize(
    "text", ["", "a b", "a Black person", "\u0645\u06cc\u200c\u062e", "é", "a\u00a0b", "\U0001f468\u200d\U0001f469"]
)
def test_letters_of_any_script_are_no_control_characters(text):
    assert not has_control(text)
