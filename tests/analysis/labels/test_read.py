"""Label files in every form, and every mistake in them."""

import csv
import hashlib
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.labels.read import item_id, read_labels, weigh_labels

from refusal_metrics.errors import InputError

ITEM = {"id": "i1", "response": "I'm sorry.", "refusal": "yes"}


@pytest.fixture
def write(tmp_path):
    """Write rows (dicts, all of the same columns) to a file of any form."""

    def make(rows, name="labels.csv"):
        path = tmp_path / name
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        elif path.suffix == ".json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        elif path.suffix == ".parquet":
            pd.DataFrame(rows).to_parquet(path, index=False)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return path

    return make


def refusal(path, **asked):
    """Give the sentence with which a file is refused."""
    with pytest.raises(InputError) as caught:
        read_labels(path, **asked)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(path) in sentence or "preset" in sentence
    return sentence


# What is read.


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.json", "labels.parquet"])
def test_every_form_of_file_gives_the_same_items(write, name):
    rows = [
        ITEM | {"probability": 0.25, "persona": "woman", "labels": '["offensive", "not offensive"]'},
        {"id": "i2", "response": "", "refusal": "no", "probability": 1, "persona": "man", "labels": "yes|no"},
    ]
    items = read_labels(write(rows, name)).items
    assert items["id"].tolist() == items["item_id"].tolist() == ["i1", "i2"]
    assert items["label"].tolist() == [True, False]
    assert items["response"].tolist() == ["I'm sorry.", ""]
    assert items["probability"].tolist() == [0.25, 1]
    assert items["persona"].tolist() == ["woman", "man"]
    assert items["labels"].tolist() == [("offensive", "not offensive"), ("yes", "no")]


def test_lists_of_labels_can_be_lists_in_files_that_know_them(write):
    items = read_labels(write([ITEM | {"labels": ["a|b", "c"]}], "labels.jsonl")).items
    assert items["labels"].tolist() == [("a|b", "c")]


@pytest.mark.parametrize(
    ("value", "label"),
    [("yes", True), (" YES ", True), ("True", True), ("1", True), ("no", False), ("false", False), ("0.0", False)],
)
def test_yes_and_no_can_be_written_in_three_ways(write, value, label):
    assert read_labels(write([ITEM | {"refusal": value}])).items["label"].tolist() == [label]


@pytest.mark.parametrize(("value", "label"), [(True, True), (0, False), (1.0, True)])
def test_typed_files_have_typed_labels(write, value, label):
    assert read_labels(write([ITEM | {"refusal": value}], "labels.jsonl")).items["label"].tolist() == [label]


def test_a_response_of_a_megabyte_is_read_and_the_csv_module_left_as_it_was(write):
    before = csv.field_size_limit()
    assert len(read_labels(write([ITEM | {"response": "x" * 1_000_000}])).items["response"][0]) == 1_000_000
    assert csv.field_size_limit() == before


def test_without_ids_each_row_is_an_item_and_that_is_said(write):
    labels = read_labels(write([{"response": "a", "refusal": "no"}, {"response": "a", "refusal": "yes"}]))
    assert labels.items["id"].tolist() == ["line 2", "line 3"]
    assert any("no column id" in note for note in labels.notes)


def test_an_item_is_known_by_a_hash_of_its_model_and_prompt(write):
    known = hashlib.sha256(b"acme/parrot-7b\x00d0\x0017").hexdigest()[:16]
    assert item_id("acme/parrot-7b", "d0", 17) == known
    items = read_labels(write([ITEM | {"model": "acme/parrot-7b", "design_id": "d0", "index": "17"}])).items
    assert items["item_id"].tolist() == [known]
    assert items["id"].tolist() == ["i1"]


def test_columns_beyond_the_known_ones_are_kept_where_they_are_asked_for(write):
    path = write([ITEM | {"kind_of_joke": "pun"}])
    assert "kind_of_joke" not in read_labels(path).items
    assert read_labels(path, fields=["kind_of_joke"]).items["kind_of_joke"].tolist() == ["pun"]
    with pytest.raises(InputError, match="kind_of_jokes"):
        read_labels(path, fields=["kind_of_jokes"])


# Several annotators.


def annotated(**said):
    """Make the rows of items: {item: {annotator: label}}."""
    return [
        {"id": item, "response": f"response {item}", "refusal": label, "annotator": who}
        for item, answers in said.items()
        for who, label in answers.items()
    ]


def test_an_item_has_the_label_of_most_of_its_annotators(write):
    rows = annotated(
        a={"x": "yes", "y": "yes", "z": "no"}, b={"x": "no", "y": "no"}, c={"x": "yes", "y": ""}, d={"y": ""}
    )
    labels = read_labels(write(rows))
    assert dict(zip(labels.items["id"], labels.items["label"], strict=True)) == {"a": True, "b": False, "c": True}
    assert labels.items["n_annotators"].tolist() == [3, 2, 1]
    assert labels.left_out["id"].tolist() == ["d"]
    assert (labels.n_unlabelled, labels.n_tied) == (1, 0)


def test_ties_and_items_without_a_label_are_left_out_and_counted(write):
    labels = read_labels(write(annotated(a={"x": "yes", "y": "no"}, b={"x": ""}, c={"x": "no"}, d={"x": ""})))
    assert labels.items["id"].tolist() == ["c"]
    assert labels.left_out["id"].tolist() == ["a", "b", "d"]
    assert (labels.n_unlabelled, labels.n_tied) == (2, 1)
    assert labels.notes == (
        "2 items without a usable label left out.",
        "Measured on items that annotators agree on: 1 item on which they are divided left out.",
    )


def test_the_second_question_is_decided_by_itself(write):
    rows = [ITEM | {"annotator": who, "unreasonable": said} for who, said in (("x", "yes"), ("y", ""), ("z", "yes"))]
    assert read_labels(write(rows)).items["unreasonable"].tolist() == [True]


@settings(max_examples=settings.default.max_examples * 40 // 100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["yes", "no", ""]), min_size=1, max_size=4), min_size=1, max_size=6))
def test_every_item_has_a_label_or_is_counted_as_left_out(tmp_path_factory, said):
    rows = annotated(**{f"i{i}": {f"a{j}": v for j, v in enumerate(votes)} for i, votes in enumerate(said)})
    path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    labels = read_labels(path)
    assert len(labels.items) + labels.n_unlabelled + labels.n_tied == len(said)
    assert len(labels.left_out) == labels.n_unlabelled + labels.n_tied


# Other sources.


@pytest.mark.parametrize(
    ("model", "n_refusals"), [("gpt4", 211 + 9), ("llama2orig", 294 + 55), ("mistralinstruct", 49 + 27)]
)
def test_xstest_is_read_by_its_columns(shared_data, model, n_refusals):
    # Its final labels, counted with grep: full refusals and partial ones.
    labels = read_labels(shared_data / "xstest" / f"xstest_v2_completions_{model}.csv")
    assert len(labels.items) == 450
    assert labels.items["label"].sum() == n_refusals
    assert labels.items["id"][0] == "v2-1"
    assert "XSTest" in labels.notes[0]


def test_hand_labelled_chatgpt_answers_are_read_by_their_columns(shared_data):
    labels = read_labels(shared_data / "chatgpt_refusals_hand_labelled.json")
    # Tones: complied 1060, rejected 346, disclaimed 21, dontknow 12; redirected 215, contradicted 61,
    # incoherent 3, counseling 3.
    assert len(labels.items) == 1060 + 346 + 21 + 12
    assert labels.items["label"].sum() == 346 + 21 + 12
    assert labels.n_unlabelled == 215 + 61 + 3 + 3


def test_a_preset_that_is_named_must_fit(write):
    path = write([ITEM | {"tone": "complied"}])
    assert read_labels(path).items["label"].tolist() == [True]
    assert read_labels(path, preset="chatgpt").items["label"].tolist() == [False]
    assert "completion" in refusal(path, preset="xstest")
    assert "did you mean 'xstest'" in refusal(path, preset="xtest")


# Mistakes.


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.json", "labels.parquet"])
def test_an_unknown_label_is_named_with_its_place_and_what_is_allowed(write, name):
    path = write([ITEM, ITEM | {"id": "i2", "refusal": "maybe"}], name)
    place = {"csv": "line 3", "jsonl": "line 2", "json": "record 2", "parquet": "row 2"}[name.removeprefix("labels.")]
    sentence = refusal(path)
    assert (
        f"{place}: column 'refusal' is 'maybe'; allowed are yes, no, unclear, true, false, 1, 0, or nothing" in sentence
    )


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "often", "", "nan"])
def test_a_probability_that_is_none_is_named(write, value):
    assert "line 2: column 'probability' is" in refusal(write([ITEM | {"probability": value}]))


@pytest.mark.parametrize(
    ("column", "value"), [("index", "first"), ("index", "-1"), ("labels", "[yes"), ("labels", "[1]"), ("id", "")]
)
def test_other_values_that_are_not_allowed_are_named(write, column, value):
    assert f"line 2: column '{column}' is {value!r}; allowed are" in refusal(write([ITEM | {column: value}]))


def test_a_response_that_is_no_text_is_named(write):
    assert "line 1: column 'response' is 5" in refusal(write([ITEM | {"response": 5}], "labels.jsonl"))


def test_an_annotator_labels_an_item_once(write):
    rows = [ITEM | {"annotator": "x"}, ITEM | {"annotator": "y"}, ITEM | {"annotator": "x"}]
    assert "line 4: the item 'i1' by the annotator 'x' was in line 2 already" in refusal(write(rows))
    assert "'i1' without an annotator was in line 2 already" in refusal(write([ITEM, ITEM]))


@pytest.mark.parametrize("column", ["response", "probability", "persona"])
def test_the_rows_of_an_item_may_not_contradict_each_other(write, column):
    one = ITEM | {"probability": "0.5", "persona": "woman"}
    other = {"response": "No.", "probability": "1", "persona": "man"}[column]
    rows = [one | {"annotator": "x"}, one | {"annotator": "y", column: other}]
    assert f"line 3: the item 'i1' has another {column}" in refusal(write(rows))


def test_two_items_may_not_be_one_response(write):
    at = {"model": "m", "design_id": "d", "index": "0"}
    assert "line 3: the item 'i2'" in refusal(write([ITEM | at, ITEM | at | {"id": "i2"}]))


def test_a_file_without_labels_is_refused_with_the_columns_it_has(write):
    assert "has no column of labels (it has response, verdict)" in refusal(write([{"response": "a", "verdict": "b"}]))


@pytest.mark.parametrize("content", ["[1]", "[{", '"x"'])
def test_json_that_is_no_list_of_objects_is_refused(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    assert "JSON" in refusal(path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "labels.csv")
    assert "no such file" in refusal(tmp_path / "labels.json")
    assert "unknown file format" in refusal(tmp_path / "labels.xlsx")
    path = tmp_path / "latin.json"
    path.write_bytes('[{"refusal": "é"}]'.encode("latin-1"))
    assert "is not UTF-8 at byte 14" in refusal(path)


# What items stand for.


def test_the_weight_of_items_without_a_label_falls_to_those_drawn_like_them(write):
    # Drawn with 1/2: a, and b, over which its annotators are divided; with 1: c, and d without a label; with 1/4: e.
    rows = annotated(a={"x": "yes"}, b={"x": "yes", "y": "no"}, c={"x": "no"}, d={"x": ""}, e={"x": "no"})
    probability = dict(zip("abcde", (0.5, 0.5, 1, 1, 0.25), strict=True))
    labels = read_labels(write([row | {"probability": probability[row["id"]]} for row in rows]))
    items, notes = weigh_labels(labels)
    # 2 + 2, 1 + 1 and 4; in all 10, as of all that were drawn.
    assert dict(zip(items["id"], items["weight"], strict=True)) == {"a": 4, "c": 2, "e": 4}
    (note,) = notes
    assert "the weight of 2 items without a usable label falls to those drawn with the same probability." in note


def test_what_a_stratum_without_a_label_stands_for_falls_to_all_others(write):
    rows = annotated(a={"x": "yes"}, b={"x": "no"}, c={"x": ""})
    strata = {"a": "1", "b": "2", "c": "3"}
    labels = read_labels(write([row | {"probability": 0.5, "sampling_stratum": strata[row["id"]]} for row in rows]))
    assert weigh_labels(labels)[0]["weight"].tolist() == [3, 3]


def test_without_probabilities_items_count_alike_and_stand_for_as_many_as_there_are(write):
    labels = read_labels(write(annotated(a={"x": "yes"}, b={"x": "no"}, c={"x": ""})))
    alike, notes = weigh_labels(labels)
    assert len(set(alike["weight"])) == 1
    assert notes == ()
    items, (first, _) = weigh_labels(labels, 12)
    assert items["weight"].tolist() == [6, 6]
    assert "its 3 items count as drawn at random from all 12 responses" in first
