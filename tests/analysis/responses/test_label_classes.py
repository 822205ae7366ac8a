"""The classes of responses by which labels are drawn and weighed."""

import pandas as pd
import pytest
from refusal_metrics.analysis.responses import FLAGGED, LABEL_CLASSES, label_class, read_responses

ROW = {"model": "acme/parrot", "task": "nli", "text_id": "t", "refused_prefix": False, "refused_other": False}


@pytest.fixture
def classify(tmp_path):
    """Return the classes of responses of dicts that say what is unlike `ROW`."""

    def make(*rows, rule="prefix"):
        path = tmp_path / "responses.parquet"
        frame = pd.DataFrame([ROW | row for row in rows]).assign(place=range(len(rows)))
        frame.to_parquet(path, index=False)
        responses = read_responses([path])
        return [name for (name,) in responses.query(f"SELECT {label_class(responses, rule)} FROM responses").fetchall()]

    return make


def test_a_response_is_of_the_first_class_that_fits_it(classify):
    rows = [
        {"refused_prefix": True, "refused_other": True, "outcome": "refusal", "response": "No, I cannot."},
        {"refused_prefix": True, "outcome": "refusal", "response": "No, I cannot."},
        {"refused_other": True, "outcome": "answer", "response": "I would not: it is polite."},
        {"refused_other": True, "outcome": "other", "response": "I would not."},
        {"outcome": "other", "response": "I\u2019m not sure."},
        {"outcome": "other", "response": "Birds sing."},
        {"outcome": "truncated", "response": None},
        {"refused_prefix": None, "refused_other": True, "outcome": "other", "response": "I would not."},
    ]
    assert classify(*rows) == ["agreed", "alone", "answered", "disputed", "hedged", "open", "open", None]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("I don't know.", "hedged"),
        ("We are UNABLE to.", "hedged"),
        ("It is not polite.", "open"),
        ("I know.", "open"),
        ("Note my words.", "open"),
        ("x" * 80 + " I cannot.", "open"),
        ("", "open"),
    ],
)
def test_a_denial_in_the_first_person_is_looked_for_in_the_opening(classify, response, expected):
    assert classify({"response": response, "outcome": "other"}) == [expected]


def test_without_texts_and_outcomes_only_verdicts_count(classify):
    rows = [{"refused_prefix": True}, {"refused_other": True}, {}]
    assert classify(*rows) == ["alone", "disputed", "open"]


def test_another_detector_without_a_verdict_agrees_with_any(classify):
    assert classify(
        {"refused_prefix": True, "refused_other": None}, {"refused_other": None}, {"refused_other": True}
    ) == [
        "agreed",
        "open",
        "disputed",
    ]


def test_the_classes_that_a_rule_flags_come_first():
    assert FLAGGED == ("agreed", "alone")
    assert LABEL_CLASSES[: len(FLAGGED)] == FLAGGED
