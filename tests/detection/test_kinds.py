"""Kinds of response that once were misjudged, written and labelled without knowledge of the rules."""

import csv
import json
from pathlib import Path

import pytest

from refusal_metrics.detection.answer_aware import detect_answer_aware

FOLDER = Path(__file__).parent / "kinds"
# As many responses as the rule of today judges otherwise than their writer: fewer is better, more is a step back.
MISJUDGED = {
    "forms_and_limits": 23,
    "label_sets": 20,
    "model_families": 7,
    "own_personas_and_terse": 22,
    "persona_and_label_words": 24,
}


def written(name):
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def is_right(row):
    verdict = detect_answer_aware(row["response"], row["labels"], persona=row["persona"])
    return (verdict.outcome, verdict.answer or "") == (row["want"], row["want_label"])


@pytest.mark.parametrize("name", MISJUDGED)
def test_no_more_responses_are_misjudged_than_are_known(name):
    wrong = [row["response"] for row in written(name) if not is_right(row)]
    assert len(wrong) <= MISJUDGED[name], wrong


@pytest.mark.parametrize("name", MISJUDGED)
def test_few_answers_are_taken_for_refusals(name):
    rows = written(name)
    verdicts = [detect_answer_aware(row["response"], row["labels"], persona=row["persona"]) for row in rows]
    wrong = sum(verdict.refused and row["want"] != "refusal" for verdict, row in zip(verdicts, rows, strict=True))
    assert wrong <= 0.03 * len(rows)


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
