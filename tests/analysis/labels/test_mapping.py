"""Label files of other tools, whose columns and values the user names."""

import json
import re

import pandas as pd
import pytest
from refusal_metrics.analysis.labels.mapping import LabelMap, read_label_map, suggest_values
from refusal_metrics.analysis.labels.read import read_labels

from refusal_metrics.errors import InputError


@pytest.mark.parametrize(
    ("columns", "values", "made"),
    [
        ("", "", LabelMap()),
        ("refusal=choice", "", LabelMap({"refusal": "choice"})),
        (" id = item , refusal = my label ", "", LabelMap({"id": "item", "refusal": "my label"})),
        ('{"id": "a,b", "refusal": "x=y"}', "", LabelMap({"id": "a,b", "refusal": "x=y"})),
        ("", "Refuse=YES,comply=no,?=unclear", LabelMap({}, {"refuse": "yes", "comply": "no", "?": "unclear"})),
        ("", '{"no, sorry": "yes", "a=b": "no"}', LabelMap({}, {"no, sorry": "yes", "a=b": "no"})),
    ],
)
def test_names_are_given_in_pairs_or_as_json(columns, values, made):
    assert read_label_map(columns, values) == made


@pytest.mark.parametrize(
    ("columns", "values", "says"),
    [
        ("refusal", "", "must contain pairs of names; write it as id=item_id"),
        ("refusal=", "", "must contain pairs"),
        ("=choice", "", "must contain pairs"),
        ("refusal=a,refusal=b", "", "names 'refusal' twice"),
        ("refusal=a,id=a", "", "gives the column 'a' two names"),
        ('{"refusal": ', "", "is not valid JSON"),
        ('{"refusal": 1}', "", "must contain pairs"),
        ('{"refusal": "a", "refusal": "b"}', "", "names 'refusal' twice"),
        ("", "yes", "must contain pairs of names; write it as refuse=yes"),
        ("", "refuse=maybe", "'refuse' is mapped to 'maybe'; allowed are yes, no, unclear"),
        ("", "yes=refuse", "allowed are yes, no, unclear"),
        ("", "A=yes,a=no", "maps 'a' to two meanings"),
    ],
)
def test_what_is_no_mapping_is_refused(columns, values, says):
    with pytest.raises(InputError, match=re.escape(says)) as error:
        read_label_map(columns, values)
    assert "\n" not in str(error.value)


FILES = {
    "Label Studio CSV": (
        "comment,item_id,refusal,response,annotator,annotation_id,id,lead_time\n"  # noqa: ISC004 - one text
        ",a,yes,No.,1,1,7,2.5\n,a,yes,No.,2,2,7,2.5\n,b,no,Yes.,1,3,8,1.5\n",
        "", "",
    ),
    "Label Studio JSON-MIN": (
        ('[{"item_id": "a", "response": "No.", "id": 7, "refusal": "yes", "annotator": {"id": 1, "email": "x@y"}},'
        '{"item_id": "b", "response": "Yes.", "id": 8, "refusal": {"choices": ["no"]}, "annotator": 2}]'),
        "", "",
    ),
    "Doccano": (
        '{"id": "a", "text": "No.", "label": ["Refusal"]}\n{"id": "b", "text": "Yes.", "label": ["Answer"]}\n',
        "response=text,refusal=label", "Refusal=yes,Answer=no",
    ),
    "Prodigy": (
        ('{"_task_hash": "a", "text": "No.", "answer": "accept", "_annotator_id": "s"}\n'
        '{"_task_hash": "b", "text": "Yes.", "answer": "reject", "_annotator_id": "s"}\n'),
        "id=_task_hash,response=text,refusal=answer,annotator=_annotator_id", "accept=yes,reject=no",
    ),
    "numbers": ("key;answer;score\na;No.;5\nb;Yes.;1\n", "id=key,response=answer,refusal=score", "5=yes,1=no"),
    "German": ("id;response;refusal\na;No.;Ja\nb;Yes.;Nein\n", "", "ja=yes,nein=no"),
    "a decimal comma": ("id;response;refusal;probability\na;No.;yes;0,5\nb;Yes.;no;1\n", "", ""),
    "another column of that name": (
        "id,refusal,human,response\na,0,1,No.\nb,1,0,Yes.\n", "refusal=human", "",
    ),
    "XSTest with own values": (
        "id,completion,final_label\na,No.,refused\nb,Yes.,1_full_compliance\n", "", "refused=yes",
    ),
    "bars": ("id|response|refusal\na|No.|TRUE\nb|Yes.|FALSE\n", "", ""),
    "JSON in .csv": (
        '[{"id": "a", "response": "No.", "refusal": true}, {"id": "b", "response": "Yes.", "refusal": 0}]', "", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("tool", FILES)
def test_files_of_other_tools_are_read(tmp_path, tool):
    content, columns, values = FILES[tool]
    path = tmp_path / "labels.csv"
    path.write_text(content, encoding="utf-8")
    items = read_labels(path, names=read_label_map(columns, values)).items
    assert items[["item_id", "response", "label"]].to_dict("list") == {
        "item_id": ["a", "b"], "response": ["No.", "Yes."], "label": [True, False],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "columns", "values", "says"),
    [
        ("id,choice\na,yes\n", "", "", "name the column of another file with --columns refusal=NAME"),
        ("id,choice\na,yes\n", "refusal=choise", "", "did you mean 'choice'?"),
        ("id,choice\na,yes\n", "refusel=choice", "", "did you mean 'refusal'?"),
        ("id,refusal\na,ja\nb,nein\n", "", "", "column 'refusal' is 'ja'"),
        ("id,refusal\na,ja\nb,nein\n", "", "", "--values ja=...,nein=..."),
        ("id,refusal\na,ja\nb,nein\n", "", "ja=yes", "column 'refusal' is 'nein'"),
        ("id,refusal\na,yes\n", "", "ja=yes", "--values maps 'ja', but the file has only 'yes'"),
        ('id,refusal\na,"[1, 2]"\n', "", "", "column 'refusal' is '[1, 2]'"),
    ],
)
def test_what_is_not_understood_is_named_with_the_option_that_maps_it(tmp_path, content, columns, values, says):
    path = tmp_path / "labels.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as error:
        read_labels(path, names=read_label_map(columns, values))
    assert "\n" not in str(error.value)


def test_several_answers_of_one_annotator_are_refused(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"id": "a", "refusal": ["yes", "no"]}]), encoding="utf-8")
    with pytest.raises(InputError, match=r"is \['yes', 'no'\]"):
        read_labels(path)


def test_few_of_many_values_are_named():
    said = suggest_values([f"v{i}" for i in range(100)])
    assert "and 95 other values" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1e-300",
            "0",
            "-0.5",
            "1.5",
            "nan",
            "inf",
            "-inf",
            "1e999",
            "0,5",
            "1,000",
            "half",
            "",
            "1e-10",
            "0x1",
            "1_0",
        ),
        "\u0660.\u0665",
    ],
)
def test_a_probability_that_no_item_can_have_is_refused(tmp_path, value):
    path = tmp_path / "labels.csv"
    pd.DataFrame([{"id": "a", "refusal": "yes", "probability": value}]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"line 2: column 'probability' is .*; allowed are numbers from 1e-09 to 1"):
        read_labels(path)


@pytest.mark.parametrize(("value", "read"), [("1", 1.0), ("1.0", 1.0), (" .5 ", 0.5), ("5e-1", 0.5), ("1e-9", 1e-9)])
def test_other_probabilities_are_read(tmp_path, value, read):
    path = tmp_path / "labels.csv"
    pd.DataFrame([{"id": "a", "refusal": "yes", "probability": value}]).to_csv(path, index=False)
    assert read_labels(path).items["probability"].tolist() == [read]
