"""Patterns find what they must and spare what they must, as the file of a language says itself."""

import re

import pytest

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.detection.normalise import normalise
from refusal_metrics.detection.patterns import load_patterns
from refusal_metrics.detection.verdict import CAUSES

RULES = load_patterns()
ALL = [*RULES.refusals, *RULES.causes, *RULES.answers]
every = pytest.mark.parametrize("pattern", ALL, ids=lambda p: p.name)


@every
def test_a_pattern_finds_its_example(pattern):
    assert not pattern.needs or any(need.rstrip("*") in pattern.matches for need in pattern.needs)
    assert pattern.regex.search(pattern.matches)


@every
def test_a_pattern_spares_its_counterexample(pattern):
    assert not pattern.regex.search(pattern.spares)


@every
def test_examples_are_sentences_as_patterns_see_them(pattern):
    # The marks of labels are put in afterwards: a response holds none.
    for example in (pattern.matches, pattern.spares):
        assert normalise(example) == example.replace("\x01", "")


@pytest.mark.parametrize("pattern", [*ALL, *RULES.reported], ids=lambda p: p.name)
def test_a_pattern_takes_linear_time_on_texts_made_of_its_own_words(pattern, pumping):
    triples = pumping.pumps(pattern.regex.pattern, (pattern.matches, pattern.spares))
    assert len(triples) >= 20
    worst, seconds = pumping.worst_growth(lambda text: sum(1 for _ in pattern.regex.finditer(text)), triples)
    assert pumping.is_linear(seconds), f"{seconds} s at 1,000 and 48,000 characters of {worst}"


# What earlier versions of patterns did, and other ways to backtrack: each takes more than linear time on some text.
@pytest.mark.parametrize(
    "regex",
    [
        r"^(?:(?:the|a|as|is|label|[abc])[ ,.]*)*offensive",
        r"\bis(?: (?:very|generally|quite|generally))* x",
        r"\bnot(?: (?:me|us|with|a|the|me with))* context",
        r"\bappropriate(?:,? (?:or|and|nor)(?: \w+)? \w+)* to",
        r"\b(?:wrong|unfair)(?:,? (?:or|and) \w+)* to",
        r"(?:a|a)*b",
        r"(?:\w+ )*x",
        r"\w+\d",
        r"(?: x)*(?: x)*y",
        r"\bit(?: is| is not| not)*$",
        r"(?:(?:ab)?)*c",
        r"\s*\s*x",
        r"(?:a{1,9}){1,9}b",
    ],
)
def test_a_pattern_that_backtracks_over_its_own_words_is_found_out(regex, pumping):
    compiled = re.compile(regex)
    _, seconds = pumping.worst_growth(
        lambda text: sum(1 for _ in compiled.finditer(text)), pumping.pumps(regex), limit=0.3
    )
    assert not pumping.is_linear(seconds)


@pytest.mark.parametrize("pattern", RULES.refusals, ids=lambda p: p.name)
def test_a_refusal_alone_is_found_and_its_cause_is_known(pattern):
    assert pattern.cause in CAUSES
    labels = () if pattern.open_only else ("good", "bad")
    verdict = detect_answer_aware(pattern.matches, labels)
    assert verdict.refused
    assert set(verdict.causes) <= set(CAUSES)


@pytest.mark.parametrize("pattern", RULES.refusals, ids=lambda p: p.name)
def test_what_a_pattern_needs_is_in_everything_that_it_finds(pattern):
    # What one pattern finds in the examples of all others, it finds with its needs too.
    for example in (text for other in ALL for text in (other.matches, other.spares)):
        if pattern.regex.search(example):
            found = RULES.refusals_in(example, 1 << RULES.refusals.index(pattern))
            assert found is not None
            assert found[0] is pattern


def test_names_are_distinguished():
    for kind in (RULES.refusals, RULES.causes, RULES.answers):
        assert len({p.name for p in kind}) == len(kind)


@pytest.mark.parametrize("response", ["I'm sorry, but I cannot say.", "I can't say.", "I cannot say whether it is."])
def test_not_to_be_able_to_say_is_to_refuse(response):
    assert detect_answer_aware(response, ("good", "bad")).refused
    assert detect_answer_aware(response).refused
