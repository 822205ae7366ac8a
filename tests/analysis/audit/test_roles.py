"""What columns are taken for, and when a guess is refused."""

import pandas as pd
import pytest
from refusal_metrics.analysis.audit.baseline import find_baseline
from refusal_metrics.analysis.audit.roles import Roles, find_roles, pairs
from refusal_metrics.analysis.audit.rows import read_rows

from refusal_metrics.errors import InputError


@pytest.fixture
def rows_of(write_table):
    return lambda table: read_rows(write_table(table))


def test_columns_are_guessed_by_their_names_and_said(rows_of, make_table):
    table = make_table({"a pilot": 10}).rename(columns={"text_id": "Item ID", "persona": "cond", "response": "output"})
    roles, said = find_roles(rows_of(table.assign(Model="m")), Roles())
    assert roles == Roles(response="output", persona="cond", text="Item ID", model="Model")
    assert "response = output, condition = cond, text = Item ID, model = Model" in said[0]


def test_a_named_column_is_used_and_not_said(rows_of, make_table):
    table = make_table({"a pilot": 10}).assign(who=lambda t: t["persona"])
    roles, (said,) = find_roles(rows_of(table), Roles(persona="who"))
    assert roles.persona == "who"
    assert "condition" not in said


def test_two_columns_that_differ_are_ambiguous_and_two_that_agree_are_not(rows_of, make_table):
    table = make_table({"a pilot": 10})
    agree = table.assign(question_id=lambda t: "q" + t["text_id"].astype(str))
    assert find_roles(rows_of(agree), Roles())[0].text == "text_id"
    differ = table.assign(question_id=lambda t: t["text_id"] // 2)
    with pytest.raises(
        InputError, match="text_id and question_id could be the column of the text; name it with --text"
    ):
        find_roles(rows_of(differ), Roles())


def test_a_column_of_texts_has_to_pair_conditions(rows_of, make_table):
    table = make_table({"a pilot": 10}).drop(columns="text_id").assign(id=range(200), prompt=lambda t: t["persona"])
    with pytest.raises(InputError, match=r"no column names the text .*\(id, prompt: .*cannot be paired.*--text"):
        find_roles(rows_of(table), Roles())
    # The share of values under both conditions: of 100 texts, the first and the last lack one.
    table = make_table({"a pilot": 10}).iloc[1:-1]
    assert pairs(rows_of(table), "persona", "text_id") == pytest.approx(98 / 100)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("response", "no column of responses.*one row per response.*melt"),
        ("persona", "no column of conditions.*melt"),
        ("text_id", "no column names the text that a response is about, so responses .*100 of 'a p"),
    ],
)
def test_what_is_missing_is_said_with_the_option(rows_of, make_table, lacking, said):
    role = lacking.removesuffix("_id")
    with pytest.raises(InputError, match=f"{said}.*" if role != "text" else said) as caught:
        find_roles(rows_of(make_table({"a pilot": 10}).drop(columns=lacking)), Roles())
    assert f"--{role}" in str(caught.value)


def test_an_unknown_column_is_refused_with_the_columns(rows_of, make_table):
    with pytest.raises(InputError, match=r"unknown column .*'respons'.*did you mean 'response'"):
        find_roles(rows_of(make_table({"a pilot": 10})), Roles(response="respons"))


def test_labels_are_the_answers_themselves_or_a_column(rows_of, make_table):
    table = make_table({"a pilot": 10}).assign(options="yes|no", choices="whatever")
    assert find_roles(rows_of(table), Roles())[0].labels_column == "options"
    assert find_roles(rows_of(table), Roles(labels="1|2"))[0].labels_column is None
    # A column without lists is not one.
    assert find_roles(rows_of(table.drop(columns="options")), Roles())[0].labels is None


def test_verdicts_are_guessed_only_without_responses(rows_of, make_table):
    table = make_table({"a pilot": 10}).assign(refused=0)
    assert find_roles(rows_of(table), Roles())[0].verdict is None
    assert find_roles(rows_of(table.drop(columns="response")), Roles())[0].verdict == "refused"


@pytest.mark.parametrize(
    ("conditions", "n_missing", "given", "found"),
    [
        (["a person", "a pilot"], 0, None, "a person"),
        (["Neutral", "a pilot"], 0, None, "Neutral"),
        # A name that says nobody counts more than one that says anybody.
        (["a person", "none"], 0, None, "none"),
        (["a pilot", "a nurse"], 0, " a nurse ", "a nurse"),
        (["a pilot"], 3, "(none)", "(none)"),
    ],
)
def test_the_baseline_is_named_or_the_only_one_known(conditions, n_missing, given, found):
    name, said = find_baseline("t", conditions, n_missing, given)
    assert name == found
    assert bool(said) == (given is None)


@pytest.mark.parametrize(
    ("conditions", "given", "said"),
    [
        (["a pilot", "a nurse"], None, "none of the conditions 'a pilot', 'a nurse' is known as a baseline"),
        (["none", "neutral"], None, "'none', 'neutral' could be the baseline"),
        (["none", "a nurse"], "nurse", r"unknown --baseline in t: 'nurse'.*did you mean 'a nurse'"),
        (["none", "a nurse"], "(none)", "unknown --baseline"),
    ],
)
def test_a_baseline_that_is_not_clear_is_refused(conditions, given, said):
    with pytest.raises(InputError, match=said):
        find_baseline("t", conditions, 0, given)


def test_ids_are_the_same_texts_in_every_format(tmp_path):
    table = pd.DataFrame({"id": [1.0, 2.0, None], "flag": [True, False, True], "said": ["a", " ", "é"]})
    table.to_parquet(tmp_path / "t.parquet")
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.parquet", "t.jsonl"):
        rows = read_rows(tmp_path / name)
        assert rows.column("id").tolist() == ["1", "2", None]
        assert rows.column("flag").tolist() == ["true", "false", "true"]
        assert rows.column("said").tolist() == ["a", None, "é"]
