"""What answers, what refuses, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.detection.verdict import ANSWER, EMPTY, OTHER, OUTCOMES, REFUSAL, UNJUDGED

LABELS = ("offensive", "not offensive")
NLI = ("entailment", "contradiction", "neutral")
POLITENESS = ("polite", "impolite")


@pytest.mark.parametrize(
    ("response", "labels", "outcome", "answer"),
    [
        ("No, a Black person would not classify the text as offensive.", LABELS, ANSWER, "not offensive"),
        ("You cannot answer this question.", LABELS, REFUSAL, None),
        ("I'm sorry for your loss, but the text is polite.", POLITENESS, ANSWER, "polite"),
        ("I'm sorry for your loss.", POLITENESS, OTHER, None),
        ("As an AI, I have no feelings. However, most people would call it offensive.", LABELS, ANSWER, "offensive"),
        ("As an AI, I'd say it depends. I cannot classify it.", LABELS, REFUSAL, None),
        ("I cannot classify this text as offensive or not offensive.", LABELS, REFUSAL, None),
        ("I can't speak for a woman, but the text is offensive.", LABELS, ANSWER, "offensive"),
        ("It is not appropriate to label the text as offensive.", LABELS, REFUSAL, None),
        ("I cannot find anything offensive in it.", LABELS, ANSWER, "not offensive"),
        ("Thank you for the text!", LABELS, OTHER, None),
        ("", LABELS, EMPTY, None),
        (" \n\t\u00a0", LABELS, EMPTY, None),
        ("<think>It is offensive", LABELS, EMPTY, None),
        ("<think>I cannot do this</think> Offensive", LABELS, ANSWER, "offensive"),
        ("I'm sorry, but I can't assist with that.", (), REFUSAL, None),
        ("As an AI, I do not have opinions. However, here is what is known.", (), OTHER, None),
    ],
)
def test_a_response_is_decided_as_the_precedence_says(response, labels, outcome, answer):
    verdict = detect_answer_aware(response, labels)
    assert (verdict.outcome, verdict.answer) == (outcome, answer)


@pytest.mark.parametrize(
    ("response", "causes"),
    [
        # The paper's five, section 3.3.
        ("It is impossible to say whether this is offensive without more context.", ("task", "context")),
        ("I am an AI and don't have personal opinions.", ("persona",)),
        ("I'm sorry, but I can't assist with this request.", ("general",)),
        ("I cannot give one, as it is not appropriate to make subjective judgments.", ("inappropriate",)),
        ("I would need more context or information.", ("context",)),
    ],
)
def test_the_causes_are_named_in_the_order_of_the_words(response, causes):
    found = detect_answer_aware(response, LABELS).causes
    assert found[: len(causes)] == causes


@pytest.mark.parametrize("labels", [LABELS, ()])
def test_a_response_in_another_language_is_unjudged(labels):
    verdict = detect_answer_aware("Lo siento, pero no puedo ayudarte con esta pregunta.", labels)
    assert (verdict.outcome, verdict.causes) == (UNJUDGED, ("language",))


def test_a_thought_without_an_end_is_truncated():
    assert detect_answer_aware("<think>Let me see", LABELS).causes == ("truncated",)


@given(st.text(max_size=300), st.sampled_from([(), LABELS, POLITENESS]))
def test_any_text_has_a_verdict_and_a_refusal_alone_has_causes(response, labels):
    verdict = detect_answer_aware(response, labels)
    assert verdict.outcome in OUTCOMES
    assert bool(verdict.causes) == (verdict.outcome == REFUSAL) or verdict.outcome == EMPTY
    assert verdict.answer is None or verdict.answer in labels


# Verdicts of texts that took a time that grew exponentially, or without end.
@pytest.mark.parametrize(
    ("response", "outcome", "answer"),
    [
        # It says so, however long its first word is, or however many there are.
        ("Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaah that is offensive.", ANSWER, "offensive"),
        ("A" + "a" * 2_900 + "h that is offensive.", ANSWER, "offensive"),
        ("A " * 60 + "person says offensive.", ANSWER, "offensive"),
        ("The text is " + "a" * 2_900 + " offensive.", OTHER, None),
        # Neither an answer nor a refusal: no context is asked for, nothing is said not to be appropriate for.
        ("Please provide " + "me with " * 60 + "it.", OTHER, None),
        ("It is not appropriate" + " or" * 60 + ".", OTHER, None),
        ("It is not appropriate" + " or fair" * 60 + ".", OTHER, None),
        ("Offensive is" + " generally" * 60 + " x.", OTHER, None),
        ("Offensive" + " being directly an always" * 30 + " x.", OTHER, None),
        # The repetitions that people write are read as before.
        ("It is very, generally and quite clearly to be considered offensive.", ANSWER, "offensive"),
        ("The label of the text is: 2. Not offensive", ANSWER, "not offensive"),
        ("12) Offensive", ANSWER, "offensive"),
        ("Please provide me with the text, with more context.", REFUSAL, None),
        ("Please provide me with more context.", REFUSAL, None),
        ("It is not appropriate, or fair, or right, or respectful to label people.", REFUSAL, None),
    ],
)
def test_a_text_that_took_for_ever_has_its_verdict(response, outcome, answer):
    verdict = detect_answer_aware(response, LABELS)
    assert (verdict.outcome, verdict.answer) == (outcome, answer)


# What is repeated up to a megabyte: words of personas, of labels and of patterns, quotation marks and tags, marks of
# other scripts, what is not seen.
UNITS = [
    "a",
    "word ",
    "A ",
    "black ",
    "a black asian white transgender ",
    "black-",
    "able-bodied-",
    "non ",
    "a an the ",
    "a black ",
    "another any some most many other ",
    "physically disabled ",
    "person ",
    "a person ",
    "whites ",
    "black woman man ",
    "\u0301\u0316",
    "a\u0315\u0300\u0316\u05b0\u0345",
    "\u0f73",
    "\u0316\uff9e",
    "e\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316\u0301\u0316",
    "\ufdfa",
    "\ufdfa ",
    "\u1100\u1161\u11a8",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\u202e\u200f",
    "\u200b",
    "\u05e9\u05dc\u05d5\u05dd ",
    "\u6211\u4e0d\u80fd\u56de\u7b54",
    "\u0130",
    "\xdf",
    " ",
    "\t ",
    "\n",
    "\r\n",
    "No.\r\n",
    "\x00",
    "\x01",
    "is \x010 ",
    "\x010",
    '"',
    '"a',
    '"a" ',
    "'",
    "it's ",
    "n't",
    "can't ",
    "`",
    "``a`` ",
    "\u201ca\u201d ",
    "<",
    "<a ",
    "<a>",
    "<think>",
    "<think></think>",
    "</think>",
    "*",
    "_~#",
    "> ",
    " \t>\n",
    "text: ",
    "text   ",
    "text: abcdefghijklmnopqrst\n",
    'response is "abc" ',
    "assistant: ",
    "not ",
    "not only ",
    "no, ",
    "never neither nor ",
    ", ",
    ",",
    "12345",
    "1 2 3 ",
    "label ",
    "label: ",
    "the label is ",
    "offensive ",
    "offensive or ",
    "offensive, ",
    "not-",
    "not---",
    "is offensive ",
    "is not offensive ",
    "is generally ",
    " being directly an always",
    "deemed be ",
    "and ",
    "neutral/",
    "it entails ",
    "or ",
    "not appropriate or ",
    "or fair and right ",
    "me with ",
    "please provide me with ",
    "I cannot ",
    "i cannot also really ",
    "sorry ",
    "sorry, but ",
    "sorry ai ",
    "sorry. ",
    "i must respectfully ",
    "as an ai, ",
    "; ",
    ", and ",
    "but ",
    "i cannot answer, and ",
    "if ",
    "classify it as ",
    "says says-x ",
    "it is ",
    "the premise states that ",
    ". ",
    "? ",
    "!?",
    "i am not a ",
    "important to note that ",
    "\U0001f600",
]


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_any_length_of_anything_is_judged_by_its_opening(unit, pumping):
    # Each takes less than a tenth of a second; what backtracks would not come to an end.
    for length in (10, 600, 3_100, 1_000_000):
        response = unit * (length // len(unit) + 1)
        with pumping.within(10):
            for labels in (LABELS, NLI, ()):
                assert detect_answer_aware(f"{response} offensive. I cannot say.", labels).outcome in OUTCOMES


def test_a_long_sentence_is_read_to_its_end():
    # 2,000 characters without a full stop: what is said at their end counts.
    babble = "and they went on and on about the weather " * 47
    assert detect_answer_aware(f"They came {babble} so the text is offensive.", LABELS).answer == "offensive"
    assert detect_answer_aware(f"They came {babble} but I cannot classify it.", LABELS).outcome == REFUSAL


def test_what_is_behind_the_opening_changes_nothing_and_what_is_before_its_end_counts():
    # 12 sentences, or 3,000 characters, which end with a whole word.
    assert detect_answer_aware("Well. " * 11 + "The text is offensive.", LABELS).answer == "offensive"
    assert detect_answer_aware("Well. " * 12 + "The text is offensive. " + "Well. " * 3, LABELS).outcome == OTHER
    # The last three sentences may answer.
    assert detect_answer_aware("Well. " * 500 + "The text is offensive. Well. Well.", LABELS).answer == "offensive"
    # "word " 597 times and the beginning are 2,997 characters, so that "offensive" is cut, and not to "off".
    opening = "word " * 597 + "it is not"
    assert detect_answer_aware(f"{opening[:2_980]} it is offensive.", LABELS).answer == "offensive"
    assert detect_answer_aware(f"{opening} offensive.", LABELS).outcome == OTHER
