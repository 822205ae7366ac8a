"""CSV for people: nothing in it is run, and what is read back is what was written."""

import csv
import io

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.display.spreadsheets import (
    guard,
    guard_in_sql,
    seen,
    to_csv,
    unguard,
    unguard_in_sql,
)
from refusal_metrics.analysis.responses import read_responses, write_responses

# Each is text that a spreadsheet program runs, or may run once it has dropped what comes before the sign.
FORMULAS = [
    *("=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", '=HYPERLINK("http://e")', "=", "- Yes", "+ no", "@"),
    *("\t=1", "\r=1", "\n=1", "\ttext", "\rtext", "\ntext", " =1", "   -x", '"=1', "'=1", "''=1", "`=1", '" =1'),
    *(
        "\uff1d1",
        "\uff0b1+1",
        "\uff0dx",
        "\uff20x",
        "\ufe661",
        "\ufe62x",
        "\u2212x",
        "\ufeff=1",
        "\u200b=1",
        "\u00a0=1",
    ),
    *("\u00a0=1", "\u201c=1\u201d", "\u2018=1", "\u00ab=1\u00bb", "\x00=1", "\x1b=1", "\u202e=1", "\u3000=1"),
    *("1234567890123456", "12e4567890123456", "1e5", "'1e5"),
]
TEXTS = [
    *(
        "",
        "a",
        "a=1",
        "I'm",
        "'tis so",
        "''Hello''",
        '"No," she said',
        "(=1)",
        "1 - 2",
        "x@y.z",
        "#1",
        "1.5",
        "15e",
        "e5",
    ),
    *("*", "| a |", "\u00e9=1", "[-1, 1]", "<=1", "123456789012345", "12345678901234567", "\u3010=1", ";=1"),
]
NUMBERS = ["-0.05", "+5", "-1", "-1e-05", "+.5", "-3.", "-0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_guarded_and_read_back(text):
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", [*TEXTS, *NUMBERS])
def test_any_other_text_is_left_alone(text):
    assert guard(text) == text
    assert unguard(text) == text


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_can_be_guarded_too(text):
    assert guard(text, numbers=True) == f"'{text}"
    assert unguard(guard(text, numbers=True)) == text


@given(st.text(alphabet="'\"=+-@\t\r\n 15e.\uff1d\ufeffa\x00"))
def test_what_is_read_back_is_what_was_written(text):
    for numbers in (False, True):
        assert unguard(guard(text, numbers=numbers)) == text


def test_the_same_is_guarded_in_sql():
    texts = [*FORMULAS, *TEXTS, *NUMBERS, *map(guard, FORMULAS)]
    rows = duckdb.execute(
        f"SELECT {guard_in_sql('t')}, {unguard_in_sql('t')} FROM (SELECT unnest($1) AS t)", [texts]
    ).fetchall()
    assert rows == [(guard(text), unguard(text)) for text in texts]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\ufffd[31mred"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("\x9b31m", "\ufffd31m"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("a\u200bb\u2060c\ufeff", "a\ufffdb\ufffdc\ufffd"),
        ("a\rb\r\nc\nd\te", "a\nb\nc\nd\te"),
        ("\ud800", "\ufffd"),
        ("\U000e0041", "\ufffd"),
        # Persian and emoji are spelt with joiners, Hebrew and Arabic with marks of direction.
        ("\u200c\u200d\u200f", "\u200c\u200d\u200f"),
    ],
)
def test_what_cannot_be_seen_is_replaced(text, shown):
    assert seen(text) == shown


def test_a_table_keeps_its_numbers_and_has_no_formula():
    table = pd.DataFrame(
        {
            "=name": ["=1", "a\x1b[31m"],
            "estimate": [-0.05, np.nan],
            "n": [-1, 2],
            "flag": [True, False],
            "mixed": ["-x", None],
            "category": pd.Categorical(["@a", "b"]),
        }
    )
    header, first, second = csv.reader(io.StringIO(to_csv(table)))
    assert header == ["'=name", "estimate", "n", "flag", "mixed", "category"]
    assert first == ["'=1", "-0.05", "-1", "True", "'-x", "'@a"]
    assert second == ["a\ufffd[31m", "", "2", "False", "", "b"]
    assert next(iter(table.columns)) == "=name"


@pytest.mark.parametrize("columns", [["a", "a"], []])
def test_columns_of_one_name_and_none_are_written(columns):
    table = pd.DataFrame([["=1"] * len(columns)], columns=columns)
    assert to_csv(table).splitlines()[0] == ",".join(columns)


def test_a_responses_table_in_csv_has_no_formula_and_is_read_as_it_was(tmp_path):
    n = len(FORMULAS)
    table = pd.DataFrame(
        {
            **dict.fromkeys(["task", "setting", "text_id"], "t"),
            "model": FORMULAS,
            "persona": [f"{text}b" for text in FORMULAS],
            "=factor": FORMULAS,
            "refused": [0, 1] * (n // 2) + [1] * (n % 2),
        }
    )
    table.to_parquet(tmp_path / "given.parquet")
    write_responses(read_responses([tmp_path / "given.parquet"]), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.lstrip(" \"'`\t\r\n")[:1] in set("=+-@") and not cell.startswith("'")]
    read = read_responses([tmp_path / "out.csv"])
    rows = read.query('SELECT model, persona, "=factor" FROM responses').fetchall()
    assert sorted(rows) == sorted(zip(FORMULAS, table["persona"], FORMULAS, strict=True))
