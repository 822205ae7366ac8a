"""No regular expression of detection takes more than linear time, on texts made of its own words."""

import re

import pytest

from refusal_metrics.detection import answers, characters, foreign, normalise, personas, thoughts, wrapping
from refusal_metrics.detection.patterns import load_patterns

ENGLISH = load_patterns("en")
OFFENSIVENESS = ("offensive", "not offensive")
EXPRESSIONS = {
    **{
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in (answers, characters, foreign, normalise, personas, thoughts, wrapping)
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    },
    **{f"grammar.{name}": regex for name, regex in ENGLISH.grammar.items()},
    **{f"contraction.{i}": found.regex for i, found in enumerate(ENGLISH.contractions)},
    **{f"rewrite.{i}": found.regex for i, found in enumerate(ENGLISH.rewrites)},
    **{f"thought.{i}": regex for i, regex in enumerate(thoughts._marks("en")[1:])},
    "too many marks": characters._too_many_marks(),
    "personas": personas._named((), "en").regex,
    "personas and an own one": personas._named(("a Nigerian woman", "someone from Kenya", "Mr. O'Connor"), "en").regex,
    "two labels": answers._mentions(OFFENSIVENESS, "en"),
    "three labels": answers._mentions(("entailment", "contradiction", "neutral"), "en"),
    "labels in labels": answers._mentions(("not_a a", "a a a", "a"), "en"),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_takes_linear_time_on_texts_made_of_its_own_words(name, pumping):
    triples = pumping.pumps(EXPRESSIONS[name].pattern)
    _, seconds = pumping.worst_growth(lambda text: sum(1 for _ in EXPRESSIONS[name].finditer(text)), triples)
    assert pumping.is_linear(seconds), f"{seconds} s at 1,000 and 48,000 characters"
