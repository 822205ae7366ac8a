"""Texts that no file in UTF-8 can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.reading.surrogates import whole
from refusal_metrics.studies.replies import read_reply


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("plain", "plain"),
        ("É 漢 😀", "É 漢 😀"),
        ("offensive. \ud83d", "offensive. \ufffd"),
        ("\ude00 first", "\ufffd first"),
        ("a\ud83db", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("\x00\ud800\n", "\x00\ufffd\n"),
        ("\ufeffa\udc00", "\ufeffa\ufffd"),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_a_pair_is_joined(text, wanted):
    assert whole(text) == wanted
    assert read_reply({"choices": [{"message": {"content": text}}]}) == wanted


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_whole_text_can_be_written_and_is_what_it_was_where_it_could_be(text):
    result = whole(text)
    result.encode()
    assert whole(result) == result
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert result == text
