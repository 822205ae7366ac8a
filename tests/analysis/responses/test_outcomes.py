"""What responses are, counted."""

import pandas as pd
import pytest
from refusal_metrics.analysis.responses.outcomes import OUTCOMES, count_others, count_outcomes
from refusal_metrics.analysis.responses.table import read_responses

ROW = {"model": "m", "task": "nli", "setting": "persona", "text_id": "t", "refused_answer_aware": False}


@pytest.fixture
def read(tmp_path):
    def make(*rows):
        file = tmp_path / "table.parquet"
        pd.DataFrame([ROW | row for row in rows]).to_parquet(file, index=False)
        return read_responses([file])

    return make


def test_each_response_is_counted_under_one_outcome(read):
    responses = read(
        *[{"outcome": "answer"}] * 3,
        *[{"outcome": "refusal", "refused_answer_aware": True}] * 2,
        {"outcome": "empty"},
        # A thought without an end: empty, because of the limit.
        {"outcome": "empty", "cause": "truncated"},
        {"outcome": "other"},
        *[{"outcome": "truncated"}] * 2,
        {"outcome": "unjudged"},
        {"outcome": "other", "setting": "neutral"},
    )
    # Answers, refusals, others, empty, truncated, unjudged, and all.
    assert count_outcomes(responses, "answer_aware").to_numpy().tolist() == [
        ["m", "nli", "neutral", 0, 0, 1, 0, 0, 0, 1],
        ["m", "nli", "persona", 3, 2, 1, 2, 2, 1, 11],
    ]
    assert list(count_outcomes(responses, "answer_aware")) == list(OUTCOMES)
    # Of the 11 responses to persona prompts 3 are answers and 2 refusals.
    assert count_others(responses, "answer_aware").to_numpy().tolist() == [["m", "nli", 6]]


def test_outcomes_are_of_responses_of_which_somebody_said_one(read):
    # The judge, whose outcomes they are, gave none to the first three of them: what they are to others nobody says.
    judged = {"outcome": "answer", "refused_judge_x": False}
    responses = read(*[{"outcome": None, "refused_judge_x": None}] * 3, *[judged] * 5)
    for rule, name in {"answer_aware": "n_answer", "judge_x": "n_other"}.items():
        outcomes = count_outcomes(responses, rule)
        assert outcomes["n"].sum() == outcomes[name].sum() == 5
    assert count_others(responses, "answer_aware").empty
    assert count_others(responses, "judge_x") is None


def test_nothing_is_counted_where_nobody_says_what_responses_are(read):
    responses = read({})
    assert count_outcomes(responses, "answer_aware") is None
    assert count_others(responses, "answer_aware") is None
