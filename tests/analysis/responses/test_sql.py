"""What is asked of DuckDB everywhere."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.responses.sql import as_text, as_verdict, connect, count_rows, identifier, literal, quoted


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_text_is_a_value_and_any_name_a_column(text):
    rows = connect().execute(f"SELECT {quoted(text)} AS {identifier(text)}")
    assert rows.description[0][0] == text
    assert rows.fetchall() == [(text,)]


@pytest.mark.parametrize("name", ["a*b.csv", "t[1].csv", "what?.csv"])
def test_a_path_matches_itself_alone(tmp_path, name):
    for file in (name, "axb.csv", "t1.csv", "whats.csv"):
        (tmp_path / file).write_text(f"file\n{file}\n", encoding="utf-8")
    assert connect().execute("SELECT file FROM read_csv($1)", [literal(tmp_path / name)]).fetchall() == [(name,)]


def test_nothing_counts_as_none():
    assert count_rows(connect(), "SELECT sum(1) WHERE false") == 0
    connection = connect()
    assert count_rows(connection, "SELECT count(*) FROM range($1)", [3]) == 3
    connection.register("x", pd.DataFrame({"a": [1]}))  # which a busy connection refuses


@pytest.mark.parametrize(
    ("value", "kind", "text"), [("3.0", "DOUBLE", "3"), ("2.5", "DOUBLE", "2.5"), ("'nan'", "FLOAT", None)]
)
def test_whole_numbers_stay_whole_as_texts(value, kind, text):
    found = connect().execute(f"SELECT {as_text('x', kind)} FROM (SELECT {value}::{kind} AS x)").fetchall()
    assert found == [(text,)]


@pytest.mark.parametrize(
    ("value", "kind", "verdict"),
    [("1", "BIGINT", True), ("0.0", "DOUBLE", False), ("'True'", "VARCHAR", True), ("2", "BIGINT", None)],
)
def test_verdicts_are_true_false_or_none_at_all(value, kind, verdict):
    found = connect().execute(f"SELECT {as_verdict('x', kind)} FROM (SELECT {value}::{kind} AS x)").fetchall()
    assert found == [(verdict,)]
