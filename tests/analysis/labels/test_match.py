"""Labels of other answers to the same prompts."""

import pandas as pd
import pytest
from refusal_metrics.analysis.labels.match import check_texts
from refusal_metrics.analysis.labels.read import item_id, read_labels
from refusal_metrics.analysis.responses import read_responses

from refusal_metrics.errors import InputError

ROW = {"model": "acme/parrot", "task": "nli", "text_id": "t", "design_id": "d0", "refused_prefix": False}


@pytest.fixture
def study(tmp_path):
    """Make responses of dicts that say what is unlike `ROW`; a column of a label file's name is nothing to them."""

    def make(*rows):
        path = tmp_path / "responses.parquet"
        pd.DataFrame([ROW | {"item_id": "mine", "found": "x"} | row for row in rows]).to_parquet(path, index=False)
        return read_responses([path])

    return make


ANSWERS = [f"Answer {i}: it is fine." for i in range(10)]


@pytest.fixture
def answered(study):
    """Ten responses with texts."""
    return study(*({"index": i, "response": text} for i, text in enumerate(ANSWERS)))


@pytest.fixture
def label(tmp_path):
    """Make labels of the ten responses with these texts, or without any."""

    def make(texts, suffix=".parquet"):
        path = tmp_path / f"labels{suffix}"
        rows = [{"id": item_id("acme/parrot", "d0", i), "refusal": "no"} for i in range(10)]
        table = pd.DataFrame(
            rows if texts is None else [row | {"response": t} for row, t in zip(rows, texts, strict=True)]
        )
        table.to_parquet(path, index=False) if suffix == ".parquet" else table.to_csv(path, index=False)
        return read_labels(path)

    return make


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: f"  {text}\n",
        lambda text: text.replace(" ", "\n"),
        lambda text: text.replace(" ", "\u00a0\t "),
        lambda text: f"'{text}",
        lambda text: f"\ufeff{text}\u200b",
        lambda text: text.replace(":", ":\ufffd"),
        lambda text: text.replace(" ", "\r\n"),
        lambda text: f"{text}\x07",
        lambda text: f"\u202a{text}\u202c",
    ],
)
def test_what_programs_change_in_a_text_makes_no_other_answer(answered, label, change):
    labels = label([change(text) for text in ANSWERS])
    assert check_texts(answered, labels) == (labels, ())


def test_a_text_that_a_spreadsheet_cut_is_the_same(study, label):
    long = "y " * 40_000
    responses = study(*({"index": i, "response": f"{i} {long}"} for i in range(10)))
    labels = label([f"{i} {long}"[:32_767] for i in range(10)])
    assert check_texts(responses, labels) == (labels, ())


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("fine", "bad"),
        lambda text: text + " And so on.",
        lambda text: text[:-3],
        lambda text: text.replace(".", "!"),
        lambda text: text.upper(),
        lambda _: "",
        lambda _: "I'm sorry.",
        lambda text: text.replace(" ", ""),
        lambda text: text.replace("fine", "fine\u0301"),
        lambda text: text[::-1],
    ],
)
@pytest.mark.parametrize("n_other", [1, 5])
def test_a_few_labels_of_other_answers_are_left_out_and_counted(answered, label, change, n_other, suffix):
    labels = label([change(text) if i < n_other else text for i, text in enumerate(ANSWERS)], suffix)
    checked, notes = check_texts(answered, labels)
    assert checked.items["response"].tolist() == ANSWERS[n_other:]
    assert checked.left_out["item_id"].tolist() == labels.items["item_id"][:n_other].tolist()
    assert checked.left_out["label"].tolist() == [None] * n_other
    assert f"{n_other} label{'s' * (n_other > 1)} of other answers to these prompts left out." in notes[0]


def test_a_file_of_other_answers_is_refused(answered, label):
    with pytest.raises(
        InputError, match=r"6 of the 10 labels of these prompts are of other answers.*'Other 0'.*Answer 0"
    ):
        check_texts(answered, label([f"Other {i}" if i < 6 else text for i, text in enumerate(ANSWERS)]))


@pytest.mark.parametrize("texts", [None, [""] * 10])
def test_labels_without_texts_are_used_and_said_to_be_unverified(answered, label, texts):
    labels = label(texts)
    checked, (note,) = check_texts(answered, labels)
    assert checked is labels
    assert "not verified that its labels are of these answers" in note


def test_responses_without_texts_cannot_verify_labels(study, label):
    labels = label(ANSWERS)
    assert check_texts(study({"index": 0}), labels)[1] == (
        (
            f"{labels.path}: the responses given have no texts, so it is not verified that its labels are of these "
            "answers."
        ),
    )
    assert check_texts(study({"index": 0, "model": "other"}), labels) == (labels, ())


def test_of_several_runs_answers_one_is_enough(study, label):
    responses = study({"index": 0, "response": "x"}, {"index": 0, "response": ANSWERS[0]})
    labels = label(ANSWERS)
    assert check_texts(responses, labels) == (labels, ())
