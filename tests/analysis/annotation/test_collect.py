"""Reading back what annotators filled in: nothing lost on the way, and no slip of the hand goes unnoticed."""

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.annotation.answers import find_answers
from refusal_metrics.analysis.annotation.collect import (
    Annotations,
    count_annotations,
    estimate_agreement,
    list_disagreements,
    read_annotations,
    write_labels,
)
from refusal_metrics.analysis.annotation.draw import draw_items
from refusal_metrics.analysis.annotation.sheets import guard, write_items
from refusal_metrics.analysis.display import unguard
from refusal_metrics.analysis.labels import LabelMap, item_id, read_labels
from refusal_metrics.analysis.responses import read_responses

from refusal_metrics.errors import InputError
from refusal_metrics.reading import open_delimited

RESPONSES = [
    "I'm sorry, I cannot.\nReally.\r\nNo\rway.",
    "=cmd|' /C calc'!A0",
    '\'=already "quoted", and more',
    "<script>alert(1)</script>",
    "\u202edesrever\u202c \x00\x1b[31m",
    "",
    "x" * 1_000_000,
    "1234567890123456",
]
IDS = [item_id("acme/parrot", "d0", i) for i in range(len(RESPONSES))]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Draw all of `RESPONSES` and write them in every form, for two annotators."""
    folder = tmp_path_factory.mktemp("exported")
    rows = [
        {
            "model": "acme/parrot",
            "task": "offensiveness",
            "setting": "persona",
            "persona": "woman" if i % 2 else None,
            "design_id": "d0",
            "index": i,
            "text_id": f"t{i}",
            "prompt": "Is it?",
            "response": response,
            "labels": '["yes", "no"]',
            "refused_prefix": False,
        }
        for i, response in enumerate(RESPONSES)
    ]
    pd.DataFrame(rows).to_parquet(folder / "responses.parquet", index=False)
    rng = np.random.default_rng(1)
    sample = draw_items(read_responses([folder / "responses.parquet"]), 100, rng)
    write_items(sample, folder / "out", rng, n_annotators=2)
    return folder / "out"


def answers_to(ids, offset=0):
    """Give each item an answer, by its place among all; of these, refusals are unreasonable."""
    said = [("yes", "yes"), ("no", ""), ("unclear", "")]
    return {i: said[(IDS.index(i) + offset) % 3] for i in ids}


@pytest.fixture
def fill(exported, tmp_path):
    """Fill in a sheet of 1 or 2 as told, `(refusal, unreasonable)` by id; `change` alters a row."""

    def write(name="items_1.csv", said=None, change=lambda row: row, delimiter=",", source="items_1.csv"):
        before = csv.field_size_limit(1 << 30)
        with (exported / source).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        csv.field_size_limit(before)
        for row in rows:
            row["refusal"], row["unreasonable"] = (said or answers_to(IDS)).get(unguard(row["id"]), ("", ""))
        rows = [row for row in map(change, rows) if row]
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def key(exported):
    return exported / "key.csv"


def answered(annotations):
    rows = annotations.answers
    return {(r.id, r.annotator): (r.refusal, r.unreasonable) for r in rows.itertuples()}


# Round trips.


def test_what_was_filled_into_sheets_comes_back_by_annotator(fill, key):
    first, second = fill(), fill("items_2.csv", answers_to(IDS, 1), source="items_2.csv")
    annotations = read_annotations([first, second], key)
    expected = {(i, "1"): said for i, said in answers_to(IDS).items()}
    expected |= {(i, "2"): said for i, said in answers_to(IDS, 1).items()}
    assert answered(annotations) == expected
    assert annotations.notes == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_sheet_may_come_back_as_another_program_wrote_it(fill, key, delimiter):
    def retyped(row):
        # Another order of columns, one more, white space, and line ends; rows of nothing are none.
        kept = {"refusal": f" {row['refusal'].upper()} ", "mine": "x"}
        return {**kept, **{c: v.replace("\r\n", "\n") for c, v in row.items() if c not in kept}}

    annotations = read_annotations([fill(delimiter=delimiter, change=retyped)], key)
    assert answered(annotations) == {(i, "1"): said for i, said in answers_to(IDS).items()}


def test_label_studio_tells_who_said_what(exported, key, tmp_path):
    tasks = json.loads((exported / "label_studio.json").read_text(encoding="utf-8"))
    said = answers_to(IDS)
    for number, task in enumerate(tasks):
        refusal, unreasonable = said[task["data"]["item_id"]]
        result = [choice("refusal", refusal)] + [choice("unreasonable", unreasonable)] * bool(unreasonable)
        result.append({"from_name": "comment", "type": "textarea", "value": {"text": ["two", "lines"]}})
        task |= {"id": number, "annotations": [annotation(7, result), annotation(8, [], was_cancelled=True)]}
        task["annotations"].append(annotation({"id": 9, "email": "anna@example.org"}, result))
    path = tmp_path / "project-1.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    annotations = read_annotations([path], key)
    assert answered(annotations) == {(i, who): said[i] for i in IDS for who in ("7", "anna@example.org")}
    assert set(annotations.answers["comment"]) == {"two\nlines"}


def choice(name, value):
    return {"from_name": name, "to_name": "response", "type": "choices", "value": {"choices": [value]}}


def annotation(who, result, **more):
    return {"id": 1, "completed_by": who, "result": result, "was_cancelled": False, "ground_truth": False, **more}


def state(who, said):
    """Make what Potato 2.12 keeps of an annotator."""
    labels = {
        item: [[{"schema": name, "name": value}, value] for name, value in named(answers).items()]
        for item, answers in said.items()
    }
    return {"user_id": who, "instance_id_ordering": list(said), "instance_id_to_label_to_value": labels}


def named(answers):
    return {name: value for name, value in zip(("refusal", "unreasonable"), answers, strict=True) if value}


def test_potato_2_tells_who_said_what(exported, key, tmp_path):
    items = [json.loads(line) for line in (exported / "potato" / "items.jsonl").read_text("utf-8").splitlines()]
    said = answers_to([item["id"] for item in items])
    for who in ("anna", "ben"):
        folder = tmp_path / "potato" / "annotation_output" / who
        folder.mkdir(parents=True)
        (folder / "user_state.json").write_text(json.dumps(state(who, said)), encoding="utf-8")
    expected = {(i, who): said[i] for i in IDS for who in ("anna", "ben")}
    assert answered(read_annotations([tmp_path], key)) == expected
    # Its export, as `python -m potato.export --format jsonl` writes it.
    lines = [
        {"instance_id": i, "user_id": who, "labels": {n: {v: v} for n, v in named(said[i]).items()}, "spans": {}}
        for i, who in expected
    ]
    path = tmp_path / "annotations.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert answered(read_annotations([path], key)) == expected


def test_potato_1_tells_who_said_what_by_its_folders(key, tmp_path):
    said = answers_to(IDS)
    lines = [
        {"id": i, "displayed_text": "x", "label_annotations": {n: {v: "true"} for n, v in named(said[i]).items()}}
        for i in IDS
    ]
    # The lines of all, one folder higher, say not whose they are.
    for folder in (tmp_path / "annotation_output", tmp_path / "annotation_output" / "anna"):
        folder.mkdir()
        (folder / "annotated_instances.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    assert answered(read_annotations([tmp_path], key)) == {(i, "anna"): said[i] for i in IDS}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_label_file_has_every_response_as_the_model_gave_it(fill, key, tmp_path, suffix):
    out = tmp_path / f"labels{suffix}"
    n_rows = write_labels(read_annotations([fill()], key), out)
    labels = read_labels(out, fields=["frame"])
    whole = pd.concat([labels.items, labels.left_out]).set_index("id").loc[IDS]
    assert n_rows == len(RESPONSES)
    assert whole["response"].tolist() == RESPONSES
    assert whole["item_id"].tolist() == IDS
    assert whole["label"].tolist() == [{"yes": True, "no": False}.get(s) for s, _ in answers_to(IDS).values()]
    assert set(whole["frame"]) == {"all"}
    assert whole["persona"].tolist() == [None, "woman"] * 4
    assert (1 / whole["probability"]).sum() == pytest.approx(len(RESPONSES))
    # "unclear" is the third of each three.
    assert labels.n_unlabelled == 2


def test_the_label_file_leaves_the_verdicts_of_rules_out(fill, key):
    assert not [name for name in read_annotations([fill()], key).labels() if name.startswith("refused")]


def test_a_folder_gives_its_sheets_and_what_came_back_into_it(exported, fill, tmp_path):
    fill()
    (tmp_path / "project-1.json").write_text("[]", encoding="utf-8")
    for name in ("label_studio.json", "key.csv", "guide.md"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    assert [path.name for path in find_answers(tmp_path)] == ["items_1.csv", "project-1.json"]


# What is said about what is missing.


def test_items_without_an_answer_are_counted_by_annotator(fill, key):
    some = answers_to(IDS[:5])
    annotations = read_annotations([fill(said=some), fill("items_2.csv", some, lambda r: r["refusal"] and r)], key)
    assert annotations.notes == (
        "Annotator 1: 3 of 8 items without an answer.",
        "Annotator 2: 3 of 8 items without an answer.",
    )
    assert count_annotations(annotations).to_dict("list") == {"n_annotations": [0, 2], "n_items": [3, 5]}


def test_an_untouched_sheet_beside_a_filled_one_is_said_to_be_empty(exported, fill, key):
    annotations = read_annotations([fill(), exported / "items_2.csv"], key)
    assert annotations.notes == (f"{exported / 'items_2.csv'}: no question has been answered.",)


def test_reasonableness_of_what_is_no_refusal_is_left_out_and_counted(fill, key):
    annotations = read_annotations([fill(said=dict.fromkeys(IDS, ("no", "yes")))], key)
    assert set(annotations.answers["unreasonable"]) == {""}
    assert annotations.notes == (
        "8 answers to 'unreasonable' left out, because the response is not labelled as a refusal.",
    )


# Agreement.


def annotated(*rows):
    """Make annotations of (item, annotator, refusal, unreasonable)."""
    answers = pd.DataFrame(rows, columns=["id", "annotator", "refusal", "unreasonable"]).assign(comment="")
    return Annotations(answers, pd.DataFrame({"id": list(dict.fromkeys(row[0] for row in rows))}), ())


def test_agreement_is_krippendorffs_two_observer_example():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section A: 10 items with 6 yes and 14 no,
    # divided on 4 of them: 1 - 19 * 8 / (20^2 - 6^2 - 14^2) = 1 - 152 / 168 = .095.
    one, other = "0100000000", "1110010100"
    rows = [
        (f"i{n}", who, "yes" if c == "1" else "no", "")
        for who, codes in (("a", one), ("b", other))
        for n, c in enumerate(codes)
    ]
    table = estimate_agreement(annotated(*rows)).set_index("question")
    assert table.loc["refusal", "alpha"] == pytest.approx(0.095, abs=5e-4)
    assert table.loc["refusal", ["n", "n_items", "unclear", "n_disagreed"]].tolist() == [20, 10, 0.0, 4]
    assert list_disagreements(annotated(*rows)) == ["i0", "i2", "i5", "i7"]


def test_unclear_is_counted_and_is_no_disagreement():
    annotations = annotated(("x", "a", "yes", "unclear"), ("x", "b", "unclear", ""), ("y", "a", "yes", "no"))
    table = estimate_agreement(annotations).set_index("question")
    assert table.loc["refusal", "unclear"] == pytest.approx(1 / 3)
    assert table.loc["unreasonable", ["n", "n_items", "unclear"]].tolist() == [2, 2, 0.5]
    assert math.isnan(table.loc["refusal", "alpha"])
    assert list_disagreements(annotations) == []


def test_a_question_that_nobody_answered_has_no_agreement():
    table = estimate_agreement(annotated(("x", "a", "no", ""))).set_index("question")
    assert table.loc["unreasonable", ["n", "n_items", "n_disagreed"]].tolist() == [0, 0, 0]
    assert table.loc["unreasonable", ["unclear", "alpha"]].isna().all()


# Slips of the hand.


def first_row(**cells):
    """Change cells of the first row."""
    left = [cells]
    return lambda row: row | (left.pop() if left else {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (first_row(refusal="maybe"), r"line 2 \(row 2\): refusal is 'maybe'; allowed are yes, no, unclear"),
        (first_row(unreasonable="x" * 99), r"row 2\): unreasonable is 'x{60}\.\.\.'; allowed are yes, no, unclear"),
        (first_row(refusal="", unreasonable="no"), "unreasonable is answered, but refusal is not"),
        (first_row(id=" "), r"\(row 2\): has no item id"),
        (first_row(id="0123"), "item '0123' is not in .*key.csv"),
        (
            first_row(response="Something else."),
            "response differs from that of item .*: columns were sorted separately",
        ),
        (lambda row: {k: v for k, v in row.items() if k != "refusal"}, "line 1: lacks the column refusal .it has 'id"),
    ],
)
def test_a_wrong_cell_is_an_error_with_its_row(fill, key, change, sentence):
    with pytest.raises(InputError, match=sentence):
        read_annotations([fill(change=change)], key)


def test_the_line_of_an_error_counts_the_lines_within_texts(fill, key):
    def spoil(row):
        return row | {"comment": "a\nb\nc", "refusal": row["refusal"] if row["response"] else "maybe"}

    path = fill(change=spoil)
    number = next(n for n, text in enumerate(path.read_text("utf-8").split("\n"), start=1) if "maybe" in text)
    with pytest.raises(InputError, match=rf"line {number} \(row \d\): refusal is 'maybe'"):
        read_annotations([path], key)


def test_an_annotator_who_answered_twice_is_an_error_with_both_places(fill, key):
    with pytest.raises(InputError, match=r"two.csv, line .*: annotator anna has already answered item .*one.csv"):
        read_annotations(
            [fill(f"{n}.csv", change=lambda row: row | {"annotator": "anna"}) for n in ("one", "two")], key
        )


# Exports of other tools.


def table_of(rows, form, path):
    """Write rows (dicts of the same columns) as CSV, JSON, JSON lines or Potato's CSV."""
    if form == "json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=form)
            writer.writeheader()
            writer.writerows(rows)
    return path


def label_studio(item, refusal, unreasonable):
    # Columns as its exports CSV and JSON-MIN have them: id is the task's number.
    return {
        "comment": "",
        "item_id": item,
        "prompt": "p",
        "refusal": refusal,
        "unreasonable": unreasonable,
        "annotator": 7,
        "annotation_id": 1,
        "created_at": "2026",
        "id": IDS.index(item) + 1,
        "lead_time": 2.5,
    }


def potato(item, refusal, unreasonable):
    said = {f"refusal:::{a}": a if a == refusal else "" for a in ("yes", "no", "unclear")}
    said |= {f"unreasonable:::{a}": a if a == unreasonable else "" for a in ("yes", "no")}
    return {"user": 7, "instance_id": item, "displayed_text": "t", **said}


def other(item, refusal, unreasonable):
    means = {"yes": "Declined", "no": "Answered", "unclear": "?", "": ""}
    return {"nr": item, "who": 7, "choice": means[refusal], "fair": means[unreasonable]}


OTHER = LabelMap(
    {"id": "nr", "annotator": "who", "refusal": "choice", "unreasonable": "fair"},
    {"declined": "yes", "answered": "no", "?": "unclear"},
)


@pytest.mark.parametrize("form", [",", ";", "\t", "json", "jsonl"])
@pytest.mark.parametrize(("row", "names"), [(label_studio, None), (potato, None), (other, OTHER)])
def test_exports_of_other_tools_are_read_in_every_form(key, tmp_path, row, names, form):
    said = answers_to(IDS)
    path = tmp_path / f"export.{'csv' if len(form) == 1 else form}"
    rows = [row(item, *said[item]) for item in IDS]
    annotations = read_annotations([table_of(rows, form, path)], key, names)
    assert answered(annotations) == {(item, "7"): answers for item, answers in said.items()}


def test_label_studio_leaves_out_what_was_not_answered(key, tmp_path):
    rows = [label_studio(IDS[0], "yes", "no"), {"id": 2, "item_id": IDS[1], "annotation_id": 3, "annotator": 7}]
    annotations = read_annotations([table_of(rows, "json", tmp_path / "min.json")], key)
    assert answered(annotations) == {(IDS[0], "7"): ("yes", "no")}


@pytest.mark.parametrize("form", [",", "json"])
def test_several_choices_in_one_cell_are_an_error(key, tmp_path, form):
    row = label_studio(IDS[0], {"choices": ["yes", "no"]}, "")
    row |= {"refusal": json.dumps(row["refusal"])} if form == "," else {}
    path = table_of([row], form, tmp_path / f"x.{'csv' if form == ',' else form}")
    with pytest.raises(InputError, match=r"refusal (is|has 2 answers)"):
        read_annotations([path], key)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (None, r"lacks the columns id, refusal .*--columns id=NAME"),
        (LabelMap({"id": "nr", "refusal": "choise"}), "did you mean 'choice'"),
        (LabelMap({"id": "nr", "refusl": "choice"}), "did you mean 'refusal'"),
        (LabelMap({"id": "nr", "refusal": "choice"}), r"refusal is 'Declined'; .*--values Declined="),
        (LabelMap({"id": "who", "refusal": "choice"}, OTHER.values), "item '7' is not in"),
    ],
)
def test_what_is_not_understood_of_another_table_is_named_with_its_option(key, tmp_path, names, sentence):
    path = table_of([other(IDS[0], "yes", "no")], ",", tmp_path / "theirs.csv")
    with pytest.raises(InputError, match=sentence):
        read_annotations([path], key, names)


def test_a_key_that_excel_saved_with_decimal_commas_is_read(fill, key, tmp_path):
    sheet = open_delimited(key)
    rows = [dict(zip(sheet.columns, fields, strict=True)) | {"probability": "0,5"} for _, fields in sheet.records()]
    read = read_annotations([fill()], table_of(rows, ";", tmp_path / "key.csv"))
    assert set(read.key["probability"]) == {0.5}


def test_an_item_twice_in_a_sheet_is_an_error(fill, key):
    same = guard(IDS[5])
    with pytest.raises(InputError, match=r"annotator 1 has already answered item"):
        read_annotations([fill(change=lambda row: row | {"id": same, "response": "", "refusal": "no"})], key)


def test_one_annotation_by_two_of_one_name_in_label_studio_is_an_error(key, tmp_path):
    said = [annotation(7, [choice("refusal", "yes")])] * 2
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{"id": 1, "data": {"item_id": IDS[0]}, "annotations": said}]), encoding="utf-8")
    with pytest.raises(InputError, match=r"task 1: annotator 7 has already answered item"):
        read_annotations([path], key)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "", "unknown file format; give a file that ends in .csv, .tsv, .json, .jsonl"),
        ("a.csv", "", "contains no records"),
        ("a.csv", "comment,refusal\n,no", "line 1: lacks the column id"),
        ("a.csv", "id,refusal\nx", r"line 2: found 1 field where the header has 2"),
        ("a.csv", 'id,refusal\n"x"y,no', "is not valid CSV"),
        ("a.csv", b"id,refusal\n\xff,no", "is not UTF-8 at byte 11"),
        ("a.csv", "id,refusal\n\n,\n", "no question has been answered"),
        ("a.json", "{", "is not valid JSON"),
        ("a.json", "[" * 99_999, "is not valid JSON"),
        ("a.json", '[{"id": 1, "refusal": "yes"}]', "item '1' is not in"),
        ("a.json", '[{"data": {"item_id": "x"}}]', "is not a sheet, an export of Label Studio"),
        ("a.json", '[{"data": {}, "annotations": [{"result": []}]}]', "is not a sheet, an export of Label Studio"),
        ("a.json", "3", "must be a JSON object"),
        ("a.json", '{"user_id": "a"}', "an export of Potato"),
        ("a.jsonl", "[]", "an export of Potato"),
        ("a.jsonl", '\n{"id": "x"}', "line 2: is not a sheet, .* an export of Potato"),
        ("a.jsonl", "x", "line 1: is not valid JSON"),
    ],
)
def test_a_file_of_another_form_is_an_error(key, tmp_path, name, text, sentence):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=sentence):
        read_annotations([path], key)


def test_two_answers_to_one_question_are_an_error(key, tmp_path):
    both = [[{"schema": "refusal", "name": answer}, answer] for answer in ("yes", "no")]
    path = tmp_path / "user_state.json"
    kept = {"user_id": "anna", "instance_id_to_label_to_value": {IDS[0]: both}}
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(InputError, match=r"item .*: refusal has 2 answers \(yes, no\); keep one"):
        read_annotations([path], key)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,response,probability\nx,y,0\n", "line 2 .*: found the probability '0'; give the key.csv as it was"),
        ("id,response,probability\nx,y,?\n", "found the probability"),
        ("id,response,probability\nx,y,1\nx,y,1\n", "line 3 .*: found the id x again"),
        ("id,response\nx,y\n", "line 1: lacks the column probability"),
        ("id,response,probability\n", "contains no items"),
        (b"id,response,probability\n\xff,y,1\n", "is not UTF-8 at byte 24"),
    ],
)
def test_a_key_that_was_changed_is_an_error(fill, tmp_path, text, sentence):
    path = tmp_path / "key.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=sentence):
        read_annotations([fill()], path)


def test_what_is_not_there_is_an_error(fill, key, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_annotations([tmp_path / "missing"], key)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"contains no sheet items\*.csv"):
        read_annotations([tmp_path / "empty"], key)
    with pytest.raises(InputError, match="cannot be read"):
        read_annotations([fill()], tmp_path / "missing.csv")


def test_a_label_file_is_replaced_only_where_that_is_asked(fill, key, tmp_path):
    annotations = read_annotations([fill()], key)
    out = tmp_path / "labels.csv"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already exists"):
        write_labels(annotations, out)
    assert out.read_text(encoding="utf-8") == "mine"
    write_labels(annotations, out, force=True)
    labels = read_labels(out)
    assert len(labels.items) + len(labels.left_out) == len(RESPONSES)
    with pytest.raises(InputError, match=r"must end in \.csv or \.parquet"):
        write_labels(annotations, tmp_path / "labels.txt")
    with pytest.raises(InputError, match="cannot be written"):
        write_labels(annotations, out / "labels.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["items_1.csv", "labels.csv"]
