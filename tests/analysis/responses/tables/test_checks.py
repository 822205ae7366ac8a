"""What is in a table is read as it is meant, or refused by its name, or counted and said."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusal_metrics.analysis.counts import count_cells
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.table import read_responses, write_responses

from refusal_metrics.errors import InputError

ROW = {
    "model": "m",
    "task": "nli",
    "setting": "persona",
    "persona": "woman",
    "persona_group": "gender",
    "template": "p1",
    "response_type": "unforced",
    "language": "en",
    "text_id": "t0",
    "row_id": "t0/0",
    "stratum": "1",
    "refused": 1,
}
REST = [{"text_id": f"t{i}", "row_id": f"t{i}/0", "refused": i % 2} for i in range(1, 4)]


@pytest.fixture
def table(tmp_path):
    def write(*rows, suffix=".parquet"):
        path = tmp_path / f"table{suffix}"
        frame = pd.DataFrame([ROW | row for row in [*rows, *REST]])
        (frame.to_csv if suffix == ".csv" else frame.to_parquet)(path, index=False)
        return path

    return write


def said(responses):
    return " ".join(responses.notes)


def counted(responses, rule="given"):
    ((n, n_refused),) = count_cells(count_responses(responses)[rule], []).to_numpy().tolist()
    return n, n_refused


# Verdicts.


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "True", "t", "1.0", "1.00", "T", "1."])
def test_a_verdict_may_be_written_so(table, value):
    suffix = ".parquet"
    path = table({}, suffix=suffix)
    # With the others, refused 1, 0 and 1.
    frame = pd.DataFrame([ROW | {"refused": value}, *(ROW | row | {"refused": str(row["refused"])} for row in REST)])
    (frame.to_csv if suffix == ".csv" else frame.to_parquet)(path, index=False)
    assert counted(read_responses([path])) == (4, 3)


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "no",
        "y",
        "N",
        "on",
        " refused ",
        "refused",
        "2",
        "-1",
        "0.7",
        "1e0",
        "+1",
        "01",
        " 1",
        "true ",
        "nan",
        "x",
        "0x1",
        "1,0",
        "½",
        "TRUE!",
        "None",
    ],
)
def test_what_is_no_verdict_is_refused_by_its_name(tmp_path, value):
    suffix = ".csv"
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame([ROW | {"refused": value}, ROW | {"text_id": "t1", "refused": "0"}])
    (frame.to_csv if suffix == ".csv" else frame.to_parquet)(path, index=False)
    with pytest.raises(InputError, match=r"refused contains .* in 1 row; a verdict is 0 or 1, true or false"):
        read_responses([path])


@pytest.mark.parametrize("value", [2, -1, 0.5, np.inf, 1e9])
def test_a_number_that_is_no_verdict_is_refused(table, value):
    with pytest.raises(InputError, match="a verdict is 0 or 1"):
        read_responses([table({"refused": value})])


# Words.


@pytest.mark.parametrize("word", ["answer", "other", "empty", "unjudged", "truncated", "", None])
def test_an_outcome_may_be_these(table, word):
    suffix = ".csv"
    # The others, which name no outcome, are refused 1, 0 and 1.
    assert counted(read_responses([table({"outcome": word, "refused": 0}, suffix=suffix)])) == (4, 2)


@pytest.mark.parametrize(
    "word", ["REFUSAL", "refuse", "refused", "Answer", "answered", " other", "none", "0", "1", "unsure"]
)
def test_an_unknown_outcome_is_refused(table, word):
    suffix = ".parquet"
    with pytest.raises(InputError, match=r"outcome contains '.*' in 1 row; allowed are answer, refusal, other, empty"):
        read_responses([table({"outcome": word, "refused": 0}, suffix=suffix)])


@pytest.mark.parametrize("word", ["Provider", "model", "filter", "1", "true"])
def test_an_unknown_refuser_is_refused(table, word):
    with pytest.raises(InputError, match=r"refused_by contains .*; allowed are text, provider"):
        read_responses([table({"refused_by": word})])


@pytest.mark.parametrize(
    "row",
    [
        {"refused": 1, "outcome": "answer"},
        {"refused": 0, "outcome": "refusal"},
        {"refused": 1, "outcome": "other"},
        {"refused": 1, "outcome": "unjudged"},
        {"refused": 1, "refused_prefix": 1, "outcome": "answer"},
    ],
)
def test_a_verdict_and_an_outcome_that_contradict_each_other_are_refused(table, row):
    suffix = ".csv"
    with pytest.raises(InputError, match=r"refused and outcome contradict each other in 1 row, e.g. text_id 't0'"):
        read_responses([table(row, suffix=suffix)])


def test_verdicts_that_are_not_read_are_said(table):
    rows = [{"text_id": f"x{i}", "refused_answer_aware": i == 0, "refused": 1} for i in range(3)]
    responses = read_responses([table(*rows)])
    assert responses.rules == ("answer_aware",)
    assert "refused differs from refused_answer_aware in 2 rows and is not read" in said(responses)


@pytest.mark.parametrize(
    "word", ["Persona", "NEUTRAL", "persona_free", "persona free", "personafree", " neutral", "Persona-Free"]
)
def test_a_setting_that_is_nearly_one_is_refused(table, word):
    with pytest.raises(InputError, match=r"setting contains .* write it as one of persona, neutral, persona-free"):
        read_responses([table({"setting": word})])


def test_another_setting_is_kept_and_said(table):
    responses = read_responses([table({"setting": "control"})])
    assert "setting contains 'control', none of persona, neutral, persona-free: no comparison includes it." in said(
        responses
    )


# Names of columns.


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (["model", "task", "text_id", "refused", "refused"], "'refused', 'refused'"),
        (["model", "task", "text_id", "refused", "Refused"], "'refused', 'Refused'"),
        (["model", "task", "text_id", "refused", " model"], "'model', ' model'"),
        (["model", "task", "text_id", "refused", "x", "X"], "'x', 'X'"),
    ],
)
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_columns_of_one_name_are_refused(tmp_path, suffix, columns, named):
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        path.write_text(",".join(columns) + "\n" + ",".join("m" if c == "model" else "0" for c in columns) + "\n")
    else:
        pq.write_table(pa.table([pa.array(["0"])] * len(columns), names=columns), path)
    with pytest.raises(InputError) as caught:
        read_responses([path])
    assert f"has 2 columns of one name ({named}; case and blanks do not count)" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Model", "TASK", " text_id", "Text_ID ", "REFUSED", "Persona", "Refused_prefix", "Outcome", "INDEX"]
)
def test_a_column_that_differs_from_a_known_one_in_case_or_blanks_is_refused(table, name):
    suffix = ".csv"
    known = name.strip().lower()
    path = table({"outcome": None, "index": 1, "refused_prefix": 1}, suffix=suffix)
    read, write = (pd.read_csv, "to_csv") if suffix == ".csv" else (pd.read_parquet, "to_parquet")
    getattr(read(path).rename(columns={known: name}), write)(path, index=False)
    with pytest.raises(InputError, match=f"has the column '{name}'; rename it to '{known}'"):
        read_responses([path])


def test_a_rule_without_a_name_is_refused(table):
    with pytest.raises(InputError, match="has the column 'refused_' without the name of a detector"):
        read_responses([table({"refused_": 1})])


def test_a_column_without_a_name_is_left_out_and_said(table, tmp_path):
    path = tmp_path / "with_index.csv"
    pd.read_csv(table({}, suffix=".csv")).to_csv(path)  # the index of a data frame has no name
    responses = read_responses([path])
    assert counted(responses) == (4, 3)
    assert "column 1 has no name: left out." in said(responses)


@pytest.mark.parametrize(
    "name", ["estimate", "n", "rule", "empty", "answered", "truncated", "unjudged", "place of the row"]
)
def test_a_column_with_a_name_of_ours_does_no_harm(table, name):
    suffix = ".csv"
    assert counted(read_responses([table({name: "x"}, suffix=suffix)])) == (4, 3)


# Lines of CSV files.

HEADER = "model,task,text_id,refused,outcome"
LINES = ["m,nli,t0,1,refusal", "m,nli,t1,0,answer", "m,nli,t2,0,answer"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ufeff" + "\n".join([HEADER, *LINES]), (3, 1)),
        ("\n".join([HEADER, *LINES]), (3, 1)),
        ("\n".join([HEADER, *LINES]) + "\n\n", (3, 1)),
        ("\r\n".join([HEADER, *LINES]) + "\r\n", (3, 1)),
    ],
)
def test_a_file_may_begin_and_end_so(tmp_path, text, found):
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert counted(read_responses([tmp_path / "t.csv"])) == found


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES),
        "\n".join([HEADER, *LINES, "m,nli,t3"]),
        "\n".join([HEADER, *LINES, "m,nli,t3,0,answ"]),
        "\n".join([HEADER, *LINES, 'm,nli,t3,0,"ans']),
        "\n".join([HEADER, *LINES, "m,nli,t3,0,answer,more"]),
        "\n".join([HEADER, HEADER, *LINES]),
        "",
        "\n\n",
        HEADER,
    ],
)
def test_a_file_that_is_cut_or_lacks_its_header_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.csv(: |, line [15]: )"):
        read_responses([tmp_path / "t.csv"])


def test_utf_16_is_refused_or_read(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *LINES]), encoding="utf-16")
    try:
        assert counted(read_responses([tmp_path / "t.csv"])) == (3, 1)
    except InputError as error:
        assert "t.csv" in str(error)  # noqa: PT017 - either will do


# Names of levels.


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_persona_that_is_blank_is_none(table, suffix, blank):
    responses = read_responses([table({"persona": blank}, suffix=suffix)])
    assert count_responses(responses)["given"].levels["persona"] == ("woman",)
    assert "1 row of the persona setting name no persona" in said(responses)


@pytest.mark.parametrize("name", ["model", "task", "text_id"])
def test_a_blank_where_a_name_is_needed_is_counted(table, name):
    suffix = ".parquet"
    responses = read_responses([table({name: " "}, suffix=suffix)])
    assert counted(responses) == (3, 2)
    assert "1 row without a model, task, setting, text_id or verdict left out." in said(responses)


@pytest.mark.parametrize("level", ["nan", "None", "NULL", "N/A", "<NA>"])
def test_a_word_for_nothing_is_said(table, level):
    assert f"persona contains '{level}', which is read as a name" in said(read_responses([table({"persona": level})]))


@pytest.mark.parametrize(("level", "other"), [("M", "m"), ("m ", "m"), ("a  b", "A b")])
def test_names_that_differ_in_case_or_blanks_are_said(table, level, other):
    found = said(read_responses([table({"model": level}, {"model": other, "text_id": "x"})]))
    assert "which differ only in case or blanks: different names here." in found


@pytest.mark.parametrize("level", ["a\x1b[31m", "a\x07", "a\nb", "a\u202eb", "a\x00b"])
def test_names_that_cannot_be_printed_are_said(table, level):
    assert "with characters that cannot be printed" in said(read_responses([table({"model": level})]))


@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_lists_and_records_are_refused(table, value):
    path = table({})
    frame = pd.read_parquet(path)
    frame.assign(persona=[value] * len(frame)).to_parquet(path, index=False)
    with pytest.raises(InputError, match="persona contains lists or records"):
        read_responses([path])


@pytest.mark.parametrize("value", ["x", "1.5", "-1", " 1", "1e3", "0x1", "1" * 30])
def test_an_index_that_is_no_whole_number_is_refused(table, value):
    suffix = ".csv"
    rows = [{"index": value, "design_id": "d"}]
    with pytest.raises(InputError, match=r"index contains .* in 1 row; it is a whole number"):
        read_responses([table(*rows, suffix=suffix)])


def test_a_fraction_is_no_index(table):
    with pytest.raises(InputError, match=r"index contains '1.5' in 1 row"):
        read_responses([table({"index": 1.5, "design_id": "d"})])


def test_what_is_written_is_read_without_a_word(table, tmp_path):
    row = {"outcome": "refusal", "refused_by": "provider", "cause": "content_filter"}
    rest = [{"text_id": f"x{i}", "refused": 0, "outcome": o} for i, o in enumerate(["answer", "unjudged", "truncated"])]
    responses = read_responses([table(row, *rest)])
    for suffix in (".csv", ".parquet"):
        write_responses(responses, tmp_path / f"out{suffix}")
        again = read_responses([tmp_path / f"out{suffix}"])
        assert again.notes == responses.notes
        (states,) = again.query(
            "SELECT count_if(unjudged), count_if(truncated), count_if(refused_by = 'provider') FROM responses"
        ).fetchall()
        assert states == (1, 1, 1)


# The id of a doc.


DOCS = [{"index": i, "design_id": "d-persona"} for i in range(4)]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    ("changes", "note"),
    [
        # One row lacks its index; pandas writes the others as fractions then.
        ({0: {"index": None}}, "1 row has design_id and no index: copies of them are not found."),
        ({0: {"index": None}, 2: {"index": None}}, "2 rows have design_id and no index"),
        ({1: {"design_id": None}}, "1 row has index and no design_id"),
        ({1: {"design_id": ""}}, "1 row has index and no design_id"),
        ({0: {"index": None, "design_id": None}}, ""),
        ({}, ""),
    ],
)
def test_half_of_a_docs_id_is_counted_and_said(tmp_path, suffix, changes, note):
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame([ROW | {"text_id": f"t{i}"} | doc | changes.get(i, {}) for i, doc in enumerate(DOCS)])
    (frame.to_csv if suffix == ".csv" else frame.to_parquet)(path, index=False)
    responses = read_responses([path])
    assert counted(responses) == (4, 4)
    assert (note in said(responses)) if note else ("copies of them" not in said(responses))


def test_a_design_without_an_index_is_said(table):
    assert "2 rows have design_id and no index" in said(read_responses([table({"design_id": "d"}, {"design_id": "d"})]))


def test_an_index_without_a_design_is_somebodys_own(table):
    assert "copies of them" not in said(read_responses([table({"index": 1}, {"index": 2})]))


# Who refused.


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ({"refused": 0, "refused_by": "provider"}, "refused is 0"),
        ({"refused_answer_aware": 0, "refused": 1, "refused_by": "provider"}, "refused_answer_aware is 0"),
    ],
)
def test_a_refusal_by_the_provider_that_is_none_is_refused(table, row, refused):
    with pytest.raises(InputError, match=f"refused_by contains 'provider' in 1 row; where {refused}"):
        read_responses([table(row)])


def test_a_prefix_rule_need_not_see_what_the_provider_refused(table):
    read_responses([table({"refused_answer_aware": 1, "refused_prefix": 0, "refused": 0, "refused_by": "provider"})])
