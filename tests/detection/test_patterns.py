"""Patterns find what they must and spare what they must, as the file of a language says itself."""

import re

import pytest

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.detection.normalise import normalise
from refusal_metrics.detection.patterns import known_languages, load_patterns
from refusal_metrics.detection.verdict import CAUSES

RULES = load_patterns("en")
ALL = [*RULES.refusals, *RULES.causes, *RULES.answers]
KNOWN = {language: load_patterns(language) for language in known_languages()}


def every(*kinds):
    """Parametrize a test with the patterns of all languages, and their languages."""
    patterns = [(name, p) for name, known in KNOWN.items() for kind in kinds for p in getattr(known, kind)]
    return pytest.mark.parametrize(("language", "pattern"), patterns, ids=[f"{name}-{p.name}" for name, p in patterns])


# That a pattern finds its example and spares its counterexample is checked when its file is loaded.


@every("refusals", "causes", "answers")
def test_examples_are_sentences_as_patterns_see_them(language, pattern):
    # The marks of labels are put in afterwards: a response holds none.
    for example in (pattern.matches, pattern.spares):
        assert normalise(example, (), language) == example.replace("\x01", "")


@every("refusals", "causes", "answers", "reported", "asides")
def test_a_pattern_takes_linear_time_on_texts_made_of_its_own_words(language, pattern, pumping):  # noqa: ARG001 - as all
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


@every("refusals")
def test_a_refusal_alone_is_found_and_its_cause_is_known(language, pattern):
    labels = () if pattern.open_only else ("good", "bad")
    verdict = detect_answer_aware(pattern.matches, labels, language=language)
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


@pytest.mark.parametrize("response", ["I'm sorry, but I cannot say.", "I can't say.", "I cannot say whether it is."])
def test_not_to_be_able_to_say_is_to_refuse(response):
    assert detect_answer_aware(response, ("good", "bad")).refused
    assert detect_answer_aware(response).refused
