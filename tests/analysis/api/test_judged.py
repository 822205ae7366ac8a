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


def test_prompts_are_one_for_each_text():
    with pytest.raises(InputError, match="prompts: are 1 for 2 texts"):
        rm.detect(["a", "b"], None, prompts="a")
