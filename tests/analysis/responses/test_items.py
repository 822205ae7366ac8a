"""Responses found by what labels call them."""

import pandas as pd
import pytest
from refusal_metrics.analysis.labels import item_id
from refusal_metrics.analysis.responses.items import (
    find_ambiguous,
    find_answers,
    has_item_ids,
    list_verdicts,
    match_items,
    sum_items,
)
from refusal_metrics.analysis.responses.table import read_responses

ROW = {"model": "acme/parrot", "task": "nli", "text_id": "t", "design_id": "d0", "refused_prefix": False}


@pytest.fixture
def study(tmp_path):
    """Make responses of dicts that say what is unlike `ROW`; a column of a label file's name is nothing to them."""

    def make(*rows):
        path = tmp_path / "responses.parquet"
        pd.DataFrame([ROW | {"item_id": "mine", "found": "x"} | row for row in rows]).to_parquet(path, index=False)
        return read_responses([path])

    return make


def test_an_item_is_found_by_its_model_design_and_index_with_all_verdicts(study):
    responses = study(
        {"index": 0, "refused_prefix": True, "refused_judge_x": False},
        {"index": 17, "refused_judge_x": None},
        {"index": 17, "model": "acme/macaw", "refused_prefix": True, "refused_judge_x": True},
    )
    asked = [item_id("acme/macaw", "d0", 17), item_id("acme/parrot", "d1", 17), item_id("acme/parrot", "d0", 17)]
    found = match_items(responses, asked)
    assert found["n"].tolist() == [1, 0, 1]
    assert found["refused_prefix"].tolist() == [True, None, False]
    assert found["refused_judge_x"].tolist() == [True, None, None]


def test_an_item_that_several_runs_answered_is_counted_for_each(study):
    responses = study({"index": 3}, {"index": 3}, {"index": None})
    assert match_items(responses, [item_id("acme/parrot", "d0", 3)])["n"].tolist() == [2]


def test_only_responses_of_a_design_can_be_distinguished(study, tmp_path):
    assert has_item_ids(study({"index": 0}))
    pd.DataFrame([{"model": "m", "task": "nli", "text_id": "t", "refused": 1}]).to_csv(tmp_path / "t.csv", index=False)
    assert not has_item_ids(read_responses([tmp_path / "t.csv"]))


def test_a_response_that_no_label_can_name_is_found(study):
    assert find_ambiguous(study({"index": 0}, {"index": 1})) is None
    assert find_ambiguous(study({"index": 0}, {"index": 1}, {"index": 1})) == ("acme/parrot", "d0", 1)
    assert find_ambiguous(study({"index": 0}, {"index": None})) == ("acme/parrot", "d0", None)


def test_answers_are_listed_by_item_all_of_one_prompt_together(study):
    responses = study({"index": 0, "response": "Yes."}, {"index": 0, "response": None}, {"index": 1, "response": "No."})
    ids = [item_id("acme/parrot", "d0", index) for index in (0, 7)]
    assert {item: sorted(texts) for item, texts in find_answers(responses, ids, texts=True).items()} == {
        ids[0]: ["", "Yes."]
    }
    assert find_answers(responses, ids, texts=False) == {ids[0]: ["", ""]}


def test_labels_and_responses_are_summed_by_text_without_those_that_have_no_verdict(study):
    # Text t: a refusal labelled as none, and two others, one of them labelled as a refusal; text u has no verdict.
    responses = study(
        {"index": 0, "refused_prefix": True},
        {"index": 1},
        {"index": 2},
        {"index": 3, "text_id": "u", "refused_prefix": None},
    )
    assert list_verdicts(responses, "prefix") == {True, False}
    ids = [item_id("acme/parrot", "d0", index) for index in (0, 1, 3)]
    labelled = pd.DataFrame({"item_id": ids, "label": [False, True, True], "weight": [1.0, 2.0, 3.0]})
    sums = {
        "n": "count(*)",
        "n_false": "count_if(refused AND NOT label)",
        "weight_missed": "coalesce(sum(weight) FILTER (NOT refused AND label), 0)",
    }
    assert sum_items(responses, "prefix", labelled, sums, ["design_id"]).to_dict("records") == [
        {
            "model": "acme/parrot",
            "task": "nli",
            "setting": "persona",
            "design_id": "d0",
            "text_id": "nli/t",
            "n": 3,
            "n_false": 1,
            "weight_missed": 2.0,
        }
    ]
