"""The one interface of detectors, and rules in parallel."""

import csv
import json
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.judging import make_detector
from refusal_metrics.analysis.responses import rules
from refusal_metrics.analysis.responses.detectors import Item, column_name, read_language, read_words
from refusal_metrics.analysis.responses.rules import RuleDetector

from refusal_metrics.detection import ANSWER, EMPTY, RULES, UNJUDGED, Verdict
from refusal_metrics.errors import InputError

FOLDER = Path(__file__).parents[2] / "labels"
LABELS = ("offensive", "not offensive")
OPENINGS = ("I'm sorry, but no ", "No, a woman would not say ", "Offensive ", "", "As an AI I cannot ", "\x1b[31m\0 ")


@pytest.mark.parametrize("rule", RULES)
def test_verdicts_of_processes_are_those_given_one_by_one(monkeypatch, rule):
    monkeypatch.setattr(rules, "_SHARE", 100)
    items = [Item(f"{OPENINGS[i % 6]}{i // 7}", LABELS[: i % 3]) for i in range(1000)] + [Item(None, LABELS)]
    detector = RuleDetector(rule, n_processes=2)
    assert detector.detect(items) == [RULES[rule](item.response or "", item.options) for item in items]
    assert detector._pool is not None  # it was not judged here after all


def test_verdicts_of_processes_are_the_harnesss_on_every_labelled_response(monkeypatch):
    monkeypatch.setattr(rules, "_SHARE", 5000)
    with (FOLDER / "label_set.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for part in ("blind", "development"):
        rows += pq.read_table(FOLDER / f"random_{part}.parquet", columns=["response", "labels"]).to_pylist()
    pairs = sorted({(row["response"], tuple(json.loads(row["labels"]))) for row in rows})
    assert len(pairs) > 10_000
    together = RuleDetector("answer_aware", n_processes=2).detect([Item(*pair) for pair in pairs])
    # One by one and from the end, so that nothing that was read before can have helped in the same way.
    assert together[::-1] == [RULES["answer_aware"](*pair) for pair in reversed(pairs)]


@settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(max_size=8), st.lists(st.sampled_from(LABELS), max_size=2).map(tuple))))
def test_verdicts_of_many_are_those_of_each(pairs):
    for name, rule in RULES.items():
        items = [Item(response, labels) for response, labels in pairs]
        assert make_detector(name).detect(items) == [rule(response or "", labels) for response, labels in pairs]


@pytest.mark.parametrize("error", [RecursionError, ValueError, MemoryError, KeyError])
def test_a_response_that_cannot_be_judged_costs_itself_alone(monkeypatch, error):
    def rule(response, _labels, **_known):
        if response == "2":
            raise error
        return Verdict(ANSWER)

    monkeypatch.setitem(RULES, "answer_aware", rule)
    verdicts = RuleDetector("answer_aware", n_processes=1).detect([Item(str(i), LABELS) for i in range(4)])
    assert verdicts[2] == Verdict(UNJUDGED, causes=(error.__name__,))
    assert [verdict.outcome for verdict in verdicts].count(ANSWER) == 3
    assert rules._judge_share("answer_aware", [("2", (), (), "en", None)])[0] == [verdicts[2]]


def test_what_is_said_twice_is_judged_once_for_each_set_of_labels(monkeypatch):
    asked = Counter()

    def rule(response, labels, **known):
        asked[response, labels, known["persona"]] += 1
        return Verdict(ANSWER, answer=labels[0])

    monkeypatch.setattr(rules, "RULES", {"first": rule})
    items = [Item("x", ("a",)), Item("x", ("b",)), Item("x", ("a",)), Item("y", ("a",))]
    # The built-in persona's words are always known, so that it makes no difference.
    items += [Item("x", ("a",), persona="woman"), Item("x", ("a",), persona="my_uncle")]
    assert [verdict.answer for verdict in RuleDetector("first").detect(items)] == ["a", "b", "a", "a", "a", "a"]
    assert asked == {("x", ("a",), ()): 1, ("x", ("b",), ()): 1, ("y", ("a",), ()): 1, ("x", ("a",), ("my uncle",)): 1}


def test_the_responses_of_a_persona_are_judged_together(monkeypatch):
    asked = []

    def rule(response, _labels, **known):
        asked.append(known["persona"])
        return Verdict(ANSWER, answer=response)

    monkeypatch.setattr(rules, "RULES", {"first": rule})
    items = [Item(str(i), persona=f"persona {i % 3}") for i in range(6)]
    assert [verdict.answer for verdict in RuleDetector("first").detect(items)] == ["0", "1", "2", "3", "4", "5"]
    assert asked == [(f"persona {i}",) for i in (0, 0, 1, 1, 2, 2)]


def test_a_rule_is_given_the_words_the_language_and_the_end_of_a_response(monkeypatch):
    asked = []

    def rule(response, _labels, **known):
        asked.append((response, response.finish_reason, known))
        return Verdict(ANSWER)

    monkeypatch.setattr(rules, "RULES", {"first": rule})
    RuleDetector("first").detect(
        [Item("x", persona="p17", persona_words=("teenager",), language="fr", finish_reason="length")]
    )
    assert asked == [("x", "length", {"persona": ("teenager",), "language": "fr"})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["teenager", "teens"]', ("teenager", "teens")),
        ("[]", ()),
        ("teenager", ()),
        ("[bot]", ()),
        ('["a", 3]', ()),
        (None, ()),
    ],
)
def test_the_words_for_a_persona_are_a_json_list(text, words):
    assert read_words(text) == words


@pytest.mark.parametrize(
    ("text", "language"),
    [(None, "en"), (" ", "en"), ("en", "en"), ("EN", "en"), ("en_US", "en"), ("tlh", "tlh"), ("English?", "English?")],
)
def test_a_language_is_one_with_patterns_or_stays_as_it_is(text, language):
    assert read_language(text) == language


@pytest.mark.parametrize("response", [None, "", " \n\t"])
def test_nothing_is_empty(response):
    assert [verdict.outcome for verdict in make_detector("prefix").detect([Item(response)])] == [EMPTY]


def test_no_items_have_no_verdicts():
    assert make_detector("prefix").detect([]) == []


def test_a_rule_says_nothing_of_its_verdicts():
    assert make_detector("prefix").remarks() == []


def test_a_process_that_was_killed_is_a_sentence(monkeypatch):
    class Pool:
        def map(self, *_):
            raise BrokenProcessPool

    monkeypatch.setattr(rules, "_SHARE", 1)
    detector = RuleDetector("prefix", n_processes=2)
    detector._pool = Pool()
    with pytest.raises(InputError, match="free some memory"):
        detector.detect([Item("a"), Item("b")])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("parrot", "judge_parrot"),
        ("Acme/parrot-7B.v2", "judge_Acme_parrot_7B_v2"),
        ("é漢 x", "judge_x"),
        ('a";--', "judge_a"),
    ],
)
def test_a_detector_has_a_name_that_a_column_can_bear(model, name):
    assert column_name("judge", model) == name
