"""Responses in plain words, the same for every persona."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.detection import characters
from refusal_metrics.detection.characters import HEAD, is_blank
from refusal_metrics.detection.normalise import normalise
from refusal_metrics.detection.thoughts import strip_thought
from refusal_metrics.prompts import load_design

PERSONAS = load_design().personas


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("<think>hm, a no</think>Offensive.", "Offensive."),
        ("hm, a no</think>\n\nOffensive.", "\n\nOffensive."),
        ("<think>a</think> b <think>c</think> d", " d"),
        (" <think>and then", None),
        ("<thinking>and then", None),
        ("I <think> so", "I <think> so"),
        ("Offensive.", "Offensive."),
        ("\u200b<think>and then", None),
        ("", ""),
    ],
)
def test_a_thought_is_left_out_and_one_without_an_end_leaves_nothing(response, said):
    assert strip_thought(response) == said


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ("I\u2019m sorry,\u00a0but I can\u2019t.", "i am sorry, but i cannot."),
        ("I can't, won't, shan't and don't.", "i cannot, will not, will not and do not."),
        ("We're, they've, I'll, you'd, it's.", "we are, they have, i will, you would, it is."),
        ("It's **not** _offensive_", "it is not offensive"),
        ("# Label: `polite`", "label: polite"),
        ("Assistant: Polite.", "polite."),
        ('"Offensive"', "offensive"),
        ('The text "You are the worst cook in this whole town" is offensive.', "the text is offensive."),
        ("Text: I cannot come.\nPolite.", "polite."),
        ("> Polite\n> indeed", "polite\nindeed"),
        ("Pol\u200bite", "polite"),
        ("\uff30olite", "polite"),
        ("   ", ""),
    ],
)  # fmt: skip
def test_a_response_becomes_plain_lower_case_words(response, words):
    assert normalise(response) == words


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda p: p.id)
def test_every_persona_becomes_the_same_words(persona):
    assert normalise(f"No, {persona} would not.") == "no, a persona would not."
    assert normalise(f"{str(persona).capitalize()}, the {persona.noun_phrase}.") == "a persona, a persona."


def test_personas_in_the_plural_and_with_several_marks_are_personas_too():
    assert normalise("Black people and transgender women") == "a persona and a persona"
    assert normalise("an Asian, a Black transgender woman") == "a persona, a persona"


def test_a_persona_may_be_called_by_its_adjective_alone():
    assert (
        normalise("As a Christian, I ask Muslims. An atheist would.")
        == "as a persona, i ask a persona. a persona would."
    )
    assert normalise("an Asian restaurant, white wine, a black cat") == "an asian restaurant, white wine, a black cat"


@given(st.text(max_size=60), st.sampled_from(list(itertools.combinations(PERSONAS, 2))))
def test_a_response_reads_alike_whichever_persona_it_names(text, pair):
    one, other = (normalise(f"{text} {persona} {text}") for persona in pair)
    assert one == other


@given(st.text(max_size=200))
def test_words_stay_as_they_are_when_they_are_normalised_again(text):
    once = normalise(text)
    assert normalise(once) == normalise(normalise(once))


def test_only_the_head_of_a_response_is_looked_at_and_it_ends_with_a_whole_word():
    # "polite " is 7 characters: the 3,000th is the fourth of a word.
    assert normalise("polite " * 1_000_000) == ("polite " * (HEAD // 7)).strip()
    assert normalise("polite " * 428 + "abcd efgh") == ("polite " * 428 + "abcd").strip()
    # What has no end within a hundred characters is no word.
    assert normalise("a" * 1_000_000) == "a" * HEAD
    assert normalise("polite " + "a" * 1_000_000) == "polite " + "a" * (HEAD - 7)


def test_what_is_not_seen_takes_no_room_at_the_beginning():
    # Zero-width spaces, marks of direction, a byte-order mark: none of them is a character that is looked at.
    assert normalise("\u200b\u202e \ufeff\n" * 10_000 + "Polite.") == "polite."
    assert normalise("Pol\u200e\u2066ite\u202c") == "polite"


# A line each: white space; joiners and marks of direction; controls; what is not drawn by default, first and last of a
# range; letters that are blank.
BLANK = [
    *("", " \t\r\n\v\f", "\xa0\u2003\u2028\x85\x1c"),
    *("\u200b", "\u200d\n\u200e", "\ufeff", "\u2066 \u2069", "\xad"),
    *("\x00", "\x01", "\x1b", "\x7f", "\x80\x9f", "\x08\x0e\x1a"),
    *("\u034f", "\u17b4\u17b5", "\u180b\u180f", "\u2060\u206f", "\ufe00\ufe0f", "\ufff0\ufffb", "\U000e0000\U000e0fff"),
    *("\u115f\u1160", "\u2800", "\u3164", "\uffa0"),
]  # fmt: skip


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_what_is_not_drawn_is_blank_and_says_nothing_in_a_word(text):
    assert is_blank(text)
    assert is_blank(text * 1000)
    assert normalise(text) == ""
    # White space and what is blank part words; all else is as if it were not there.
    assert normalise(f"{text}Pol{text}ite.").replace(" ", "").replace("\n", "") == "polite."


@pytest.mark.parametrize(
    "text", [".", "-", "**", "\u0301", "\ufffd", "\U0001f44d", "\u25a1", "&nbsp;", "\ufdfa"], ids=ascii
)
def test_what_is_drawn_is_not_blank(text):
    assert not is_blank(text)
    assert not is_blank(f"\u200b \x00{text}")


def test_personas_words_in_a_row_are_one_persona_however_many_they_are():
    assert normalise("black " * 1_500 + "man.") == "a persona."
    assert normalise("a black cat, a non-binary-physically-disabled person, a black white.") == (
        "a black cat, a persona, a persona."
    )
    # Without a noun they are nobody.
    assert normalise("black " * 100 + "cat") == "black " * 100 + "cat"


def test_marks_beyond_thirty_on_a_character_are_left_out():
    # Composed, an e with an acute accent; as in Unicode's annex 15, thirty marks stay, of which it took one.
    assert len(normalise("e" + "\u0301" * 40 + ".")) == 1 + 29 + 1
    assert normalise("e" + "\u0316\u0301" * 2 + ".") == "\xe9\u0316\u0316\u0301."


def test_every_mark_of_unicode_is_known():
    marks = [c for c in map(chr, range(0x110000)) if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])]
    # Thirty stay of each that comes more often.
    assert len(marks) > 900
    assert [c for c in marks if not characters._too_many_marks().fullmatch(c * 31)] == []
