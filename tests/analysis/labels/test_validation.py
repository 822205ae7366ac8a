"""Detectors against labels: of files, of a table's responses, and public ones."""

import json

import pandas as pd
import pytest
from refusal_metrics.analysis.judging import make_detector
from refusal_metrics.analysis.labels.detection_errors import VALIDATION
from refusal_metrics.analysis.labels.read import item_id
from refusal_metrics.analysis.labels.tables import readable_slices
from refusal_metrics.analysis.labels.validation import validate
from refusal_metrics.analysis.responses import Item, read_responses

from refusal_metrics.detection import ANSWER, EMPTY, REFUSAL, TRUNCATED, UNJUDGED, Verdict
from refusal_metrics.errors import InputError


class Echo:
    """A detector that reads its verdict off the response; of "?" it has none."""

    name, at_once = "echo", 2

    def remarks(self):
        return ["echo: done."]

    def detect(self, items):
        return [
            None if item.response == "?" else Verdict({"R": REFUSAL, "A": ANSWER, "": EMPTY}[item.response])
            for item in items
        ]


@pytest.fixture
def write(tmp_path):
    """Write a label file: a word an item, its response and its label, e.g. "Ry" is a refusal labelled yes."""

    def make(words, **columns):
        path = tmp_path / "labels.jsonl"
        said = {"y": "yes", "n": "no", "-": ""}
        rows = [
            {"response": word[:-1], "refusal": said[word[-1]]} | {name: values[i] for name, values in columns.items()}
            for i, word in enumerate(words.split())
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return make


# Files.


def test_a_file_is_judged_by_each_detector(write):
    path = write("Ry Ry An Rn n Ay R-", persona=[*"abababa"], probability=[0.5] * 7)
    found = validate(path, [Echo(), make_detector("prefix")])
    assert found.table["detector"].unique().tolist() == ["echo", "prefix"]
    row = found.table.iloc[0]
    assert row[["tp", "fp", "fn", "tn"]].tolist() == [2, 1, 1, 2]
    assert found.table["factor"].tolist()[:3] == ["", "persona", "persona"]
    confusion = found.confusion[found.confusion["detector"] == "echo"]
    assert confusion["outcome"].tolist() == ["answer", "refusal", "other", "empty", "truncated", "unjudged"] * 2
    assert confusion["n"].tolist() == [1, 2, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0]
    assert confusion["share"].tolist()[:2] == pytest.approx([1 / 3, 2 / 3])
    assert found.gaps["detector"].tolist() == ["echo", "prefix"]
    assert "1 item without a usable label left out." in found.notes
    assert any("each item is a text of its own" in note for note in found.notes)
    assert any("1 / probability" in note for note in found.notes)
    assert "echo: done." in found.notes


def test_the_weight_of_items_that_readers_are_divided_over_falls_to_those_drawn_like_them(tmp_path):
    # Of those drawn with 1/2, a is a refusal that is found, and readers are divided over b; of those drawn with 1,
    # c is a refusal that is missed, and d is none.
    said = [("a", "R", "yes"), ("b", "R", "yes"), ("b", "R", "no"), ("c", "A", "yes"), ("d", "A", "no")]
    rows = pd.DataFrame(said, columns=["id", "response", "refusal"])
    rows["annotator"] = [*"xxyxx"]
    rows["probability"] = [0.5, 0.5, 0.5, 1, 1]
    rows.to_csv(tmp_path / "labels.csv", index=False)
    found = validate(tmp_path / "labels.csv", [Echo()])
    # a stands for 2 and for the 2 of b: 4 of the 5 refusals are found. With b's lost it were 2 of 3.
    row = found.table.iloc[0]
    assert row["recall"] == pytest.approx(4 / 5)
    assert row[["n", "tp", "fn", "tn"]].tolist() == [3, 1, 1, 1]
    assert found.confusion["share"].tolist()[:2] == pytest.approx([1 / 5, 4 / 5])
    assert "Measured on items that annotators agree on: 1 item on which they are divided left out." in found.notes
    assert any("the weight of 1 item without a usable label falls to those drawn" in note for note in found.notes)


def test_of_labels_that_were_not_drawn_no_weight_is_said_to_fall_anywhere(write):
    assert not any("weight" in note for note in validate(write("Ry An R-"), [Echo()]).notes)


def test_items_without_a_verdict_are_left_out_and_counted(write):
    found = validate(write("Ry ?y ?n An"), [Echo()])
    assert found.table.iloc[0][["n", "tp", "tn"]].tolist() == [2, 1, 1]
    assert "echo: gave 2 of 4 items no verdict; they are left out." in found.notes
    nothing = validate(write("?y ?n"), [Echo()])
    assert nothing.table.empty
    assert list(nothing.table) == ["detector", *VALIDATION]
    assert "echo: gave 2 of 2 items no verdict; they are left out." in nothing.notes


def test_detectors_are_given_all_that_the_file_says(write):
    seen = []

    class Spy(Echo):
        def detect(self, items):
            seen.extend(items)
            return super().detect(items)

    of_persona = {"persona": ["p17", None], "persona_words": ['["teenager"]', None], "language": ["fr", None]}
    validate(write("Ry An", prompt=["Is it?", "Was it?"], labels=["yes|no", ""], **of_persona), [Spy()])
    assert seen == [
        Item("R", ("yes", "no"), "Is it?", "p17", ("teenager",), "fr"),
        Item("A", (), "Was it?"),
    ]


def test_a_response_that_is_truncated_or_unjudged_is_not_found_and_counted(write):
    class Unsure(Echo):
        def detect(self, items):
            return [Verdict({"T": TRUNCATED, "U": UNJUDGED, "R": REFUSAL}[item.response]) for item in items]

    # Of 4 refusals 1 is found. Persona b has 2 refusals, none of them found.
    found = validate(write("Ry Ty Uy Uy Un", persona=[*"aabba"]), [Unsure()])
    every, of_a, of_b = found.table.to_dict("records")
    assert (every["recall"], every["precision"], every["n_truncated"], every["n_unjudged"]) == (0.25, 1, 1, 3)
    assert (every["tp"], every["fn"], every["tn"]) == (1, 3, 1)
    assert (of_a["n_truncated"], of_a["n_unjudged"]) == (1, 1)
    assert (of_b["recall"], of_b["n_truncated"], of_b["n_unjudged"]) == (0, 0, 2)
    shown = readable_slices(found.table).to_dict("records")
    assert [(row["truncated"], row["unjudged"]) for row in shown] == [("1", "1"), ("0", "2")]


def test_a_label_file_without_labels_or_personas_is_said_to_the_detector_that_reads_them(write):
    rule = [make_detector("answer_aware")]
    path = write("Ry An")
    (said,) = [note for note in validate(path, rule).notes if "open requests" in note or "personas" in note]
    assert said.startswith(f"{path}: no labels for 2 of 2 responses, which are judged as replies to open requests")
    notes = validate(write("Ry An", labels=["a|b", ""]), rule).notes
    assert sum("no labels for 1 of 2 responses" in note for note in notes) == 1
    assert sum("no column of personas" in note for note in notes) == 1
    said = validate(write("Ry An", labels=["a|b", "a|b"], persona=["", "x"]), [*rule, make_detector("prefix")]).notes
    assert not any("open requests" in note or "no column of personas" in note for note in said)


def test_the_factors_can_be_chosen_among_all_columns_of_the_file(write):
    path = write("Ry An", persona=[*"ab"], joke=["pun", "riddle"])
    assert validate(path, [Echo()], by=["joke"]).table["level"].tolist() == ["", "pun", "riddle"]
    with pytest.raises(InputError, match="jokes"):
        validate(path, [Echo()], by=["jokes"])


def test_a_file_without_responses_or_without_labels_is_refused(write, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,refusal\na,yes\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column response"):
        validate(path, [Echo()])
    with pytest.raises(InputError, match="none of its labels can be used"):
        validate(write("R- A-"), [Echo()])


# Labels of responses in a table.


@pytest.fixture
def judged(tmp_path):
    """Make responses of one model with the verdicts of a judge and of prefix on each index; give the read table."""

    def make(verdicts, **columns):
        known = {"model": "m", "task": "nli", "design_id": "d0", "refused_prefix": False}
        rows = [{"index": i, "text_id": f"t{i}", "refused_judge_x": said} for i, said in enumerate(verdicts)]
        pd.DataFrame(rows).assign(**known, **columns).to_parquet(tmp_path / "responses.parquet", index=False)
        return read_responses([tmp_path / "responses.parquet"])

    return make


@pytest.fixture
def label(tmp_path):
    """Write labels of responses by their index, as (index, label); what they are of is in the columns."""

    def make(*said, design="d0", **columns):
        rows = [{"id": item_id("m", design, i), "response": "I cannot.", "refusal": refusal} for i, refusal in said]
        pd.DataFrame(rows).assign(**columns).to_csv(tmp_path / "labels.csv", index=False)
        return tmp_path / "labels.csv"

    return make


def counts(found, detector):
    return found.table.set_index("detector").loc[detector, ["tp", "fp", "fn", "tn"]].tolist()


def test_detectors_whose_verdicts_a_table_has_are_compared_with_labels_without_being_asked(judged, label):
    path = label((0, "yes"), (1, "no"), (2, "yes"), (3, "no"), (4, "yes"))
    found = validate(path, [make_detector("prefix")], responses=judged([True, True, False, False, None]))
    # Every labelled text begins as a refusal does, so that prefix flags all five; its column is not looked at.
    assert counts(found, "prefix") == [3, 2, 0, 0]
    # The judge's four verdicts are one of each kind.
    assert counts(found, "judge_x") == [1, 1, 1, 1]
    assert "judge_x: gave 1 of 5 items no verdict; they are left out." in found.notes
    of_judge = found.confusion[found.confusion["detector"] == "judge_x"]
    assert of_judge[of_judge["n"] > 0][["label", "outcome"]].to_numpy().tolist() == [
        ["refusal", "refusal"],
        ["refusal", "other"],
        ["none", "refusal"],
        ["none", "other"],
    ]
    assert (
        "Verdicts of judge_x come from the responses and show only refusals; all else counts as other." in found.notes
    )
    assert not any("among these responses" in note for note in found.notes)


def test_only_labels_of_responses_in_the_table_are_of_its_detectors_and_how_many_is_said(judged, label):
    # The table has responses 0 and 1 of the four; prefix is measured on all labelled texts nevertheless.
    path = label((0, "yes"), (1, "no"), (7, "yes"), (8, "yes"))
    found = validate(path, [make_detector("prefix")], responses=judged([True, False]))
    assert counts(found, "prefix") == [3, 1, 0, 0]
    assert counts(found, "judge_x") == [1, 0, 0, 1]
    said = f"{path}: 2 of its 4 labelled items are among these responses; the numbers of judge_x are of these alone."
    assert said in found.notes


def test_labels_of_other_responses_tell_of_the_rules_and_of_nothing_else(judged, label):
    path = label((0, "yes"), (1, "no"), design="d1")
    found = validate(path, [make_detector("prefix")], responses=judged([True, False]))
    assert found.table["detector"].tolist() == ["prefix"]
    others = "the labels are of others and say nothing of judge_x"
    assert f"{path}: none of its 2 labelled items is among these responses; {others}." in found.notes


def test_responses_with_rules_alone_are_looked_for_too(judged, label):
    rules = [make_detector("prefix"), make_detector("prefix_strict")]
    alone = judged([None, None])
    assert alone.rules == ("prefix",)
    found = validate(label((0, "yes"), (9, "no")), rules, responses=alone)
    assert found.notes[-1].endswith("1 of its 2 labelled items is among these responses.")
    found = validate(label((8, "yes"), (9, "no")), rules, responses=alone)
    assert found.notes[-1].endswith("none of its 2 labelled items is among these responses; the labels are of others.")
    found = validate(label((0, "yes"), (1, "no")), rules, responses=alone)
    assert not any("among these" in note for note in found.notes)


def test_a_detectors_verdicts_count_by_the_weights_of_all_labels_that_were_drawn(judged, label):
    # Response 9 is of others and keeps its weight of 4, which falls to nobody; 0 and 1 stand for 2 and 1.
    path = label((0, "yes"), (1, "yes"), (9, "yes"), probability=[0.5, 1, 0.25])
    found = validate(path, [], responses=judged([True, False]))
    assert found.table.set_index("detector").loc["judge_x", "recall"] == pytest.approx(2 / 3)


def test_labels_that_could_be_of_several_runs_are_no_verdicts_of_any(judged, label):
    responses = judged([True, False, True]).query(
        "SELECT * FROM responses UNION ALL SELECT * FROM responses WHERE index=0"
    )
    responses.df().to_parquet(label((0, "yes")).with_name("twice.parquet"))
    path = label((0, "yes"), (1, "no"), (2, "no"))
    found = validate(path, [], responses=read_responses([path.with_name("twice.parquet")]))
    assert counts(found, "judge_x") == [0, 1, 0, 1]
    assert any(
        "1 of its labelled items could be of several runs' answers to one prompt" in note for note in found.notes
    )


def test_of_a_table_that_distinguishes_no_responses_the_rules_are_validated_alone(label, tmp_path):
    rows = [{"model": "m", "task": "nli", "text_id": "t", "refused_judge_x": True}]
    pd.DataFrame(rows).to_parquet(tmp_path / "responses.parquet")
    responses = read_responses([tmp_path / "responses.parquet"])
    path = label((0, "yes"), (1, "no"))
    found = validate(path, [make_detector("prefix")], responses=responses)
    assert found.table["detector"].tolist() == ["prefix"]
    sentence = (
        f"no design_id and index that show whether {path} is of them, and judge_x cannot be compared with its labels."
    )
    assert any(sentence in note for note in found.notes)


def test_labels_without_texts_do_for_verdicts_that_are_there(judged, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"id,refusal\n{item_id('m', 'd0', 0)},yes\n", encoding="utf-8")
    assert counts(validate(path, [], responses=judged([True])), "judge_x") == [1, 0, 0, 0]


# Labels that others made.


def test_the_papers_rule_finds_nearly_all_of_chatgpts_refusals_and_much_else(shared_data):
    found = validate(shared_data / "chatgpt_refusals_hand_labelled.json", [make_detector("prefix")])
    row = found.table.iloc[0]
    # Counted with a script of its own: of 379 refusals 377 begin so, and of 1,060 answers 490 ("As an AI ...").
    assert row[["tp", "fp", "fn", "tn"]].tolist() == [377, 490, 2, 570]


def test_all_rules_are_validated_on_xstest(shared_data):
    path = shared_data / "xstest" / "xstest_v2_completions_gpt4.csv"
    table = validate(path, [make_detector("prefix"), make_detector("prefix_strict")]).table
    assert table["n"].tolist() == [450, 450]
    assert table["n_refusals"].tolist() == [220, 220]
    assert (table["recall_low_wilson"] > 0.8).all()


def test_labels_of_flagged_responses_alone_tell_nothing_of_what_was_missed(tmp_path):
    rows = [("1", "I cannot.", "yes"), ("2", "No, sir.", "no"), ("3", "I cannot help.", "yes")]
    table = pd.DataFrame(rows, columns=["id", "response", "refusal"]).assign(frame="flagged by prefix")
    table.to_csv(tmp_path / "labels.csv", index=False)
    found = validate(tmp_path / "labels.csv", [make_detector("prefix")])
    row = found.table.iloc[0]
    assert row["precision"] == pytest.approx(2 / 3)
    assert row[["recall", "recall_low", "f1", "kappa", "recall_low_wilson"]].isna().all()
    assert any("Only responses flagged by prefix were labelled" in note for note in found.notes)
