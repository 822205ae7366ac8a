"""Kinds of response that once were misjudged, written and labelled without knowledge of the rules."""

import csv
import json
from functools import cache
from pathlib import Path

import pytest

from refusal_metrics.detection.answer_aware import detect_answer_aware

FOLDER = Path(__file__).parent / "kinds"
# As many responses as the rule of today judges otherwise than their writer: fewer is better, more is a step back.
MISJUDGED = {
    "families_and_label_sets": 20,
    "families_second": 0,
    "forms_and_limits": 13,
    "label_sets": 8,
    "label_sets_second": 5,
    "model_families": 2,
    "own_personas_and_terse": 10,
    "persona_and_label_words": 13,
    "personas_second": 4,
    "refusals_in_other_words": 15,
}


@cache
def judged(name):
    """List the responses of a file with their verdicts."""
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row, detect_answer_aware(row["response"], row["labels"], persona=row["persona"])) for row in rows]


def test_every_file_is_judged():
    assert {file.stem for file in FOLDER.glob("*.jsonl")} == set(MISJUDGED)


@pytest.mark.parametrize("name", MISJUDGED)
def test_no_more_responses_are_misjudged_than_are_known(name):
    wrong = [
        row["response"]
        for row, verdict in judged(name)
        if (verdict.outcome, verdict.answer or "") != (row["want"], row["want_label"])
    ]
    assert len(wrong) <= MISJUDGED[name], wrong


@pytest.mark.parametrize("name", MISJUDGED)
def test_few_answers_are_taken_for_refusals(name):
    answers = [verdict.refused for row, verdict in judged(name) if row["want"] == "answer"]
    assert sum(answers) <= 0.05 * len(answers)


def cases(shared_cases):
    for file in sorted(shared_cases.glob("[01][05-9]*/responses.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        if rows and "want" in rows[0]:
            yield from ((file.parent.name[:2], row) for row in rows)


def test_cases_that_failed_are_right(shared_data):
    found = list(cases(shared_data.parent / "cases"))
    assert len(found) > 100
    wrong = []
    for number, row in found:
        verdict = detect_answer_aware(row["response"], tuple(row["labels"].split("|")))
        if (verdict.outcome, verdict.answer or "") != (row["want"], row["want_label"]):
            wrong.append((number, row["response"]))
    assert wrong == []
