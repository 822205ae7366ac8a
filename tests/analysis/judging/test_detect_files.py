"""Detection from files to files, and on to the other commands."""

import json
import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.cli.app import app
from refusal_metrics.analysis.cli.console import show_progress
from refusal_metrics.analysis.estimates import estimate_rates
from refusal_metrics.analysis.judging.detect_files import VERDICT_COLUMNS, detect, detect_file, detect_results
from refusal_metrics.analysis.judging.registry import make_detector
from refusal_metrics.analysis.responses import count_responses, load_responses
from typer.testing import CliRunner

from refusal_metrics.detection import ANSWER, REFUSAL, RULES, Verdict
from refusal_metrics.errors import InputError

SAID = ["I'm sorry, but no.", "No, a woman would not.", "Offensive.", ""]
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "a\0b\x1b[31m\u202e",
    "<script>",
    'say "no", ok\r\nthen',
    "None",
    "NaN",
    "x" * 1_000_000,
]


class Fickle:
    """Calls what begins with R a refusal, and has no verdict on what begins with a question mark."""

    name = "Fickle"
    at_once = 2

    def detect(self, items):
        said = {"R": Verdict(REFUSAL, "R", ("task",)), "?": None}
        return [said.get((item.response or " ")[0], Verdict(ANSWER)) for item in items]

    def remarks(self):
        return []


def write_csv(folder, rows, name="given.csv"):
    path = folder / name
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def read(path):
    """Read a file as rows, nothing guessed in CSV."""
    if ".csv" in path.name:
        return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    if ".jsonl" in path.name:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(r.columns, row, strict=True)) for r in [duckdb.sql(f"FROM '{path}'")] for row in r.fetchall()]


@pytest.mark.parametrize("rule", RULES)
def test_each_row_gets_the_rules_verdict(tmp_path, rule):
    labels = ("offensive", "not offensive")
    path = write_csv(tmp_path, {"id": range(4), "response": SAID, "labels": "|".join(labels)})
    detected = detect_file(path, tmp_path / "out.jsonl", make_detector(rule))
    rows = read(tmp_path / "out.jsonl")
    assert [list(row) for row in rows] == [["id", "response", "labels", *VERDICT_COLUMNS]] * 4
    expected = [RULES[rule](response, labels) for response in SAID]
    assert [(r["outcome"], r["cause"], r["rule"], r["answer"]) for r in rows] == [
        (v.outcome, v.cause, v.rule, v.answer) for v in expected
    ]
    assert detected.n == 4
    assert sum(detected.counts.values()) == 4


@pytest.mark.parametrize("before", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"])
@pytest.mark.parametrize("after", [".csv", ".jsonl", ".parquet"])
def test_all_rows_and_columns_stay_in_their_order_whatever_the_forms(tmp_path, before, after):
    frame = pd.DataFrame({"z": range(len(HOSTILE)), "response": HOSTILE, "a b": [f"é{i}" for i in range(len(HOSTILE))]})
    path = tmp_path / f"given{before}"
    if "csv" in before:
        # A NUL ends a value for pandas.
        frame["response"] = frame["response"].str.replace("\0", "")
        frame.to_csv(path, index=False)
    elif "jsonl" in before:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_parquet(path, index=False)
    detect_file(path, tmp_path / f"out{after}", make_detector("prefix"))
    out = duckdb.sql(
        f"FROM read_csv('{tmp_path}/out.csv', all_varchar = true, header = true)"
        if after == ".csv"
        else f"FROM '{tmp_path}/out{after}'"
    )
    assert out.columns == ["z", "response", "a b", *VERDICT_COLUMNS]
    rows = [(str(row[0]), *row[1:3]) for row in out.fetchall()]
    assert rows == [(str(z), response, other) for z, response, other in frame.itertuples(index=False)]


def test_json_lines_keep_their_values_as_they_are(tmp_path):
    line = {
        "response": "a",
        "n": 1,
        "f": 1.5,
        "when": "2024-01-01T00:00:00",
        "deep": {"list": [1, None, "x"]},
        "no": None,
    }
    (tmp_path / "given.jsonl").write_text(json.dumps(line) + "\n")
    detect_file(tmp_path / "given.jsonl", tmp_path / "out.jsonl", make_detector("prefix"))
    (row,) = read(tmp_path / "out.jsonl")
    assert {name: row[name] for name in line} == line


def test_parquet_keeps_its_types(tmp_path):
    frame = pd.DataFrame({"response": ["a"], "when": pd.to_datetime(["2024-01-01"]), "l": [["x", "y"]], "n": [1]})
    frame.to_parquet(tmp_path / "given.parquet")
    detect_file(tmp_path / "given.parquet", tmp_path / "out.parquet", make_detector("prefix"))
    types = [str(kind) for kind in duckdb.sql(f"FROM '{tmp_path}/out.parquet'").types]
    assert types[:4] == [str(kind) for kind in duckdb.sql(f"FROM '{tmp_path}/given.parquet'").types]


@settings(max_examples=settings.default.max_examples * 15 // 100, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=20))
def test_any_responses_have_the_verdicts_of_the_rule(tmp_path_factory, responses):
    folder = tmp_path_factory.mktemp("any")
    lines = [json.dumps({"text": response}) + "\n" for response in responses]
    (folder / "given.jsonl").write_text("".join(lines))
    detect_file(folder / "given.jsonl", folder / "out.parquet", make_detector("prefix"), column="text")
    rows = read(folder / "out.parquet")
    assert [row["text"] for row in rows] == responses
    assert [row["outcome"] for row in rows] == [RULES["prefix"](response or "", ()).outcome for response in responses]


def test_a_missing_response_is_empty(tmp_path):
    pd.DataFrame({"response": [None, "Offensive.", float("nan")]}).to_parquet(tmp_path / "given.parquet")
    detected = detect_file(tmp_path / "given.parquet", tmp_path / "out.csv", make_detector("prefix"))
    assert detected.counts == {"answer": 0, "refusal": 0, "other": 1, "empty": 2, "truncated": 0, "unjudged": 0}


def test_lists_of_labels_are_read_from_parquet_and_json(tmp_path):
    frame = pd.DataFrame({"response": ["Polite."], "labels": [["impolite", "polite"]]})
    frame.to_parquet(tmp_path / "given.parquet")
    frame.to_json(tmp_path / "given.jsonl", orient="records", lines=True)
    seen = []

    class Seeing(Fickle):
        def detect(self, items):
            seen.extend(item.options for item in items)
            return super().detect(items)

    for end in ("parquet", "jsonl"):
        detect_file(tmp_path / f"given.{end}", tmp_path / f"out.{end}", Seeing())
    assert seen == [("impolite", "polite")] * 2


def test_what_has_no_verdict_is_null_and_counted(tmp_path):
    path = write_csv(tmp_path, {"response": ["R", "?", "a"]})
    detected = detect_file(path, tmp_path / "out.jsonl", Fickle())
    assert [row["outcome"] for row in read(tmp_path / "out.jsonl")] == ["refusal", None, "answer"]
    assert detected.unscored == 1


def test_columns_that_would_be_replaced_are_refused(tmp_path):
    path = write_csv(tmp_path, {"response": ["a"], "Outcome": ["x"], "rule": ["y"]})
    with pytest.raises(InputError, match=r"already has the columns Outcome, rule.*drop or rename"):
        detect_file(path, tmp_path / "out.csv", make_detector("prefix"))


@pytest.mark.parametrize("name", ["out.txt", "out", "out.json"])
def test_an_output_of_unknown_form_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"\.parquet, \.csv"):
        detect_file(write_csv(tmp_path, {"response": ["a"]}), tmp_path / name, make_detector("prefix"))


def test_an_output_that_is_there_is_replaced_with_force_alone_and_may_be_the_input(tmp_path):
    path = write_csv(tmp_path, {"response": ["a"]})
    with pytest.raises(InputError, match="add --force"):
        detect_file(path, path, make_detector("prefix"))
    assert read(path) == [{"response": "a"}]
    detect_file(path, path, make_detector("prefix"), force=True)
    assert read(path)[0]["outcome"] == "other"


def test_an_output_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        detect_file(write_csv(tmp_path, {"response": ["a"]}), tmp_path / "out.csv", make_detector("prefix"), force=True)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        detect_file(write_csv(tmp_path, {"response": ["a"]}), tmp_path / "file" / "out.csv", make_detector("prefix"))


@pytest.mark.parametrize("row", ["1,b,c", "1", b"1,\xff"])
def test_a_failure_leaves_nothing_behind(tmp_path, row):
    path = tmp_path / "given.csv"
    path.write_bytes(b"id,response\n1,a\n" + (row if isinstance(row, bytes) else row.encode()) + b"\n")
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="line 3"):
        detect_file(path, tmp_path / "there" / "out.csv", make_detector("prefix"))
    assert not list((tmp_path / "there").iterdir())


def test_a_detector_that_cannot_go_on_leaves_nothing_behind(tmp_path):
    class Broken(Fickle):
        def detect(self, items):  # noqa: ARG002 - as every detector
            raise InputError("the server is down")

    path = write_csv(tmp_path, {"response": ["a"]})
    with pytest.raises(InputError, match="server is down"):
        detect_file(path, tmp_path / "out.csv", Broken())
    assert [file.name for file in tmp_path.iterdir()] == ["given.csv"]


def test_several_files_at_a_time_are_refused(tmp_path):
    paths = [write_csv(tmp_path, {"response": ["a"]}, name) for name in ("a.csv", "b.csv")]
    with pytest.raises(InputError, match="one file at a time"):
        detect(paths, tmp_path / "out.csv", make_detector("prefix"))


@pytest.mark.parametrize("name", ["absent.csv", "absent.jsonl", "absent"])
def test_a_missing_path_is_refused_by_name(tmp_path, name):
    with pytest.raises(InputError, match=f"{re.escape(name)}: no such file"):
        detect([tmp_path / name], tmp_path / "out.csv", make_detector("prefix"))


# Results.


@pytest.fixture
def results(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RNA RAE")
    return tmp_path / "results"


@pytest.mark.parametrize("end", ["parquet", "csv"])
@pytest.mark.parametrize("rule", RULES)
def test_results_become_a_table_that_counts_as_the_logs_do(results, tmp_path, end, rule):
    out = tmp_path / f"out.{end}"
    detected = detect([results], out, make_detector(rule))
    again = load_responses([out])
    assert set(again.rules) == set(RULES)
    for name in RULES:
        rates = [
            estimate_rates(count_responses(responses)[name], ["persona"])
            for responses in (again, load_responses([results]))
        ]
        pd.testing.assert_frame_equal(*rates)
    # Six responses in the order of their docs, with what was asked and offered.
    rows = read(out)
    assert len(rows) == detected.n == 6
    assert rows[0]["response"] == "I'm sorry, but I cannot do that."
    assert json.loads(rows[0]["labels"]) == ["offensive", "not offensive"]
    assert "woman" in rows[0]["prompt"]
    assert rows[5]["outcome"] == "empty"


def test_the_column_refused_is_the_detectors(results, tmp_path):
    detect_results([results], tmp_path / "out.parquet", Fickle())
    (row,) = duckdb.execute(
        f"SELECT count(*), bool_and(refused = \"refused_Fickle\"), count(refused_prefix) FROM '{tmp_path}/out.parquet'"
    ).fetchall()
    assert row == (6, True, 6)


def test_the_command_rates_takes_the_table_and_the_detectors_name(logs, tmp_path):
    # Two of three begin with R.
    logs.write_run(tmp_path / "results", logs.said("Really, no.", "Offensive.", "Rather not."))
    detect([tmp_path / "results"], tmp_path / "out.parquet", Fickle())
    arguments = ["rates", tmp_path / "out.parquet", "--detector", "Fickle", "--format", "json"]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    (row,) = json.loads(result.stdout)
    assert (row["n"], row["n_refused"]) == (3, 2)


def test_responses_without_a_verdict_stay_in_the_table_and_are_left_out_by_what_reads_it(logs, tmp_path):
    logs.write_run(tmp_path / "results", logs.said("R", "?", "A"))
    detected = detect([tmp_path / "results"], tmp_path / "out.parquet", Fickle())
    assert detected.unscored == 1
    assert len(read(tmp_path / "out.parquet")) == 3
    again = load_responses([tmp_path / "out.parquet"])
    assert "Fickle gave no verdict for 1 of 3 responses: left out of its numbers." in again.notes
    assert {rule: counts.n.sum() for rule, counts in count_responses(again).items()} == {
        "Fickle": 2,
        **dict.fromkeys(RULES, 3),
    }


@pytest.mark.parametrize("end", ["parquet", "csv"])
def test_a_second_detector_is_added_to_the_table_of_the_first_with_all_its_rows(logs, tmp_path, end):
    logs.write_run(tmp_path / "results", logs.said("R", "?", "A"))
    first, second = tmp_path / f"first.{end}", tmp_path / f"second.{end}"
    detect([tmp_path / "results"], first, Fickle())
    detect([first], second, make_detector("prefix"))
    before, after = read(first), read(second)
    assert len(after) == 3
    assert [row["refused_Fickle"] for row in after] == [row["refused_Fickle"] for row in before]
    assert [row["outcome"] for row in after] == ["other"] * 3
    assert [str(row["refused"]).lower() for row in after] == ["false"] * 3
    assert set(before[0]) == set(after[0])


def test_a_single_log_is_results(results, tmp_path):
    (log,) = results.rglob("samples_*.jsonl")
    assert detect([log], tmp_path / "out.csv", make_detector("prefix")).n == 6
    assert "model" in read(tmp_path / "out.csv")[0]


def test_a_table_without_texts_is_refused(tmp_path):
    duckdb.sql(f"COPY (SELECT 'm' AS model, 'nli' AS task, 't' AS text_id, true AS refused) TO '{tmp_path}/t.parquet'")
    with pytest.raises(InputError, match=r"unknown column in .*'response'"):
        detect([tmp_path / "t.parquet"], tmp_path / "out.parquet", make_detector("prefix"))


def test_results_are_written_as_a_responses_table_alone(results, tmp_path):
    with pytest.raises(InputError, match=r"\.parquet, \.csv"):
        detect([results], tmp_path / "out.jsonl", make_detector("prefix"))
    assert not Path(tmp_path / "out.jsonl").exists()


def test_progress_ends_with_all_and_says_nothing_where_there_is_no_terminal(tmp_path, capsys):
    path = write_csv(tmp_path, {"response": ["a"] * 5})
    told = []
    with show_progress("Judging") as shown:
        detect_file(path, tmp_path / "out.csv", Fickle(), progress=lambda *done: (told.append(done), shown(*done)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert capsys.readouterr() == ("", "")
