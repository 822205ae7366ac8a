"""What answers, what refuses, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.answer_aware import detect_answer_aware
from refusal_metrics.verdict import ANSWER, EMPTY, OTHER, OUTCOMES, REFUSAL

LABELS = ("offensive", "not offensive")
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
        ("I cannot find anything offensive in it.", LABELS, OTHER, None),
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


def test_a_thought_without_an_end_is_truncated():
    assert detect_answer_aware("<think>Let me see", LABELS).causes == ("truncated",)


@given(st.text(max_size=300), st.sampled_from([(), LABELS, POLITENESS]))
def test_any_text_has_a_verdict_and_a_refusal_alone_has_causes(response, labels):
    verdict = detect_answer_aware(response, labels)
    assert verdict.outcome in OUTCOMES
    assert bool(verdict.causes) == (verdict.outcome == REFUSAL) or verdict.outcome == EMPTY
    assert verdict.answer is None or verdict.answer in labels


@pytest.mark.parametrize(
    "response",
    ["a" * 1_000_000, "I cannot " * 120_000, "<" * 1_000_000, "<think>" * 150_000, '"' * 1_000_000, "I'" * 500_000,
     "not " * 250_000, "sorry, but " * 90_000, "\x00" * 1_000_000, "offensive or " * 80_000, "a person " * 110_000,
     "\n" * 1_000_000, "*_~" * 330_000, "😀" * 500_000, "text:" * 200_000],
    ids=lambda text: ascii(text[:8]),
)  # fmt: skip
def test_a_long_response_is_judged_by_its_opening(response):
    # A pattern that backtracks without bound would not come to an end here.
    assert detect_answer_aware(response, LABELS).outcome in OUTCOMES
