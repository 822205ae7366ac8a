"""Which responses labelled items are of."""

import pandas as pd
import pytest
from refusal_metrics.analysis.label_match import has_item_ids, match_labels
from refusal_metrics.analysis.labels import item_id
from refusal_metrics.analysis.responses import read_responses

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
    found = match_labels(responses, asked)
    assert found["n"].tolist() == [1, 0, 1]
    assert found["refused_prefix"].tolist() == [True, None, False]
    assert found["refused_judge_x"].tolist() == [True, None, None]


def test_an_item_that_several_runs_answered_is_counted_for_each(study):
    responses = study({"index": 3}, {"index": 3}, {"index": None})
    assert match_labels(responses, [item_id("acme/parrot", "d0", 3)])["n"].tolist() == [2]


def test_only_responses_of_a_design_can_be_told_apart(study, tmp_path):
    assert has_item_ids(study({"index": 0}))
    pd.DataFrame([{"model": "m", "task": "nli", "text_id": "t", "refused": 1}]).to_csv(tmp_path / "t.csv", index=False)
    assert not has_item_ids(read_responses([tmp_path / "t.csv"]))
