"""A list of responses is judged as the detector judges files of them, and never by rules that nobody chose."""

import pandas as pd
import pytest

import refusal_metrics as rm
from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError

TEXTS = ["I'm sorry, but I can't.", "Not offensive.", "It is a cat.", "", None]
OFFERED = ("offensive", "not offensive")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("labels", [list(OFFERED), None])
def test_verdicts_are_those_of_the_rule(rule, labels):
    table = rm.detect(TEXTS, labels, detector=rule)
    for (_, row), text in zip(table.iterrows(), TEXTS, strict=True):
        verdict = RULES[rule](text or "", tuple(labels or ()))
        assert (row["outcome"], row["refused"]) == (verdict.outcome, verdict.refused)
        assert (row["cause"], row["rule"], row["answer"]) == (verdict.cause, verdict.rule, verdict.answer)


def test_each_text_may_have_labels_of_its_own():
    table = rm.detect(["positive", "spam", "fine"], [("positive", "negative"), "spam|ham", None])
    assert table["answer"].tolist() == ["positive", "spam", None]


def test_one_text_and_one_string_of_labels_are_lists_of_one():
    assert rm.detect("Spam.", "spam|ham").equals(rm.detect(["Spam."], ["spam", "ham"]))


def test_a_series_keeps_its_index():
    texts = pd.Series(["Not offensive.", float("nan")], index=["x", "y"])
    table = rm.detect(texts, OFFERED)
    assert table.index.tolist() == ["x", "y"]
    assert table["outcome"].tolist() == ["answer", "empty"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((TEXTS,), "labels: are missing"),
        ((TEXTS, []), "an empty list"),
        ((TEXTS, 3), "is of type int"),
        ((TEXTS, [["a"]]), "are 1 lists for 5 texts"),
        ((["x"], ["a", 3]), "item 2 is 3"),
        ((["x"], [["a", 3]]), "item 1: contains 3"),
        ((["x"], '["a"'), "separated by |"),
        (([b"x"], None), "texts: item 1 is b'x'"),
        ((3, None), "texts: is of type int"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, said):
    with pytest.raises(InputError) as error:
        rm.detect(*arguments)
    assert said in str(error.value)


TEENAGER = "A teenager cannot answer this question."


@pytest.mark.parametrize(
    ("personas", "outcomes"),
    [
        (None, ["other", "other"]),
        ("teenager", ["refusal", "refusal"]),
        (["teenager", None], ["refusal", "other"]),
        (pd.Series(["black", "teenager"]), ["other", "refusal"]),
        ([["nurse", "teenager"], float("nan")], ["refusal", "other"]),
        (["", "my_uncle"], ["other", "other"]),
    ],
)
def test_a_persona_is_known_where_it_is_given(personas, outcomes):
    assert rm.detect([TEENAGER] * 2, OFFERED, personas=personas)["outcome"].tolist() == outcomes


def test_a_persona_is_no_pattern():
    said = "A C++ (senior) dev* cannot answer this question."
    assert rm.detect(said, OFFERED, personas="C++ (senior) dev*")["outcome"].tolist() == ["refusal"]


@pytest.mark.parametrize(
    ("personas", "said"),
    [
        (["a"], "personas: are 1 for 2 texts; give one for all as a text, or one for each"),
        ([], "personas: are 0 for 2 texts"),
        (3, "personas: is of type int"),
        (["a", 3], "personas: item 2: is 3"),
        (["a", ["b", 3]], "personas: item 2: is ['b', 3]"),
        (["a", "x" * 1_000_000], "personas: item 2: has 1,000,000 characters"),
    ],
)
def test_a_mistake_in_personas_is_one_sentence(personas, said):
    with pytest.raises(InputError) as error:
        rm.detect([TEENAGER] * 2, OFFERED, personas=personas)
    assert said in str(error.value)


def test_labels_that_are_too_many_or_alike_are_not_guessed():
    labels = [f"label {i}" for i in range(101)]
    with pytest.raises(InputError, match="labels: are 101, and the detector distinguishes at most 100"):
        rm.detect("Label 3.", labels)
    assert rm.detect("Label 3.", labels, detector="prefix")["outcome"].tolist() == ["other"]
    assert rm.detect("Yes.", ["Yes", "yes"])["cause"].tolist() == ["labels"]


def test_prompts_are_one_for_each_text():
    with pytest.raises(InputError, match="prompts: are 1 for 2 texts"):
        rm.detect(["a", "b"], None, prompts="a")
