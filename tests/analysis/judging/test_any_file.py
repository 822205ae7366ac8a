"""Any file of responses: what is read of it, and how a broken one is refused."""

import gzip
import json
import re

import duckdb
import pandas as pd
import pytest
from refusal_metrics.analysis.judging.any_file import other_column, read_given, text_column, written_columns
from refusal_metrics.analysis.judging.detect_files import form_of

from refusal_metrics.errors import InputError


def write(folder, name, content):
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def select(given, sql):
    return [value for (value,) in duckdb.execute(f"SELECT {sql} FROM {given.scan} ORDER BY file_row_number").fetchall()]


@pytest.fixture
def read(tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    return lambda name, content: read_given(write(tmp_path, name, content), folder)


@pytest.mark.parametrize(
    "content",
    [
        "id,response\n1,a\n2,b\n",
        "\ufeffid,response\r\n1,a\r\n2,b\r\n",
        'id,response\n1,"a"\n\n2,b',
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_csv_is_read_as_texts(read, content, end):
    given = read(f"x.csv{end}", content)
    assert (given.n, given.columns) == (2, {"id": "VARCHAR", "response": "VARCHAR"})
    assert select(given, text_column(given, "response")) == ["a", "b"]
    assert select(given, other_column(given, "id")) == ["1", "2"]


def test_a_line_of_csv_that_begins_like_a_comment_is_a_row(read):
    given = read("x.csv", 'id,response\n#1,"# a"\n2,b\n')
    assert select(given, "id") == ["#1", "2"]


def test_quoted_texts_keep_commas_quotes_and_line_ends(read):
    given = read("x.csv", 'response,id\n"a, ""b""\nc\r\nd",1\n')
    assert select(given, "response") == ['a, "b"\nc\r\nd']


def test_a_column_of_csv_without_a_name_gets_one_and_that_is_said(read):
    given = read("x.csv", ",response\n0,a\n")
    assert list(given.columns) == ["column0", "response"]
    assert given.notes == ("Column 1 of x.csv has no name; it is called column0.",)


def test_long_responses_are_read(read):
    size = 30_000_000
    assert select(read("x.csv", f'response\n"{"x" * size}"\n'), "len(response)") == [size]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_json_lines_stay_the_json_that_they_are(read, end):
    given = read(
        f"x.jsonl{end}", '{"response":"a\\nb","n":1,"l":["a"]}\n\n{"response":null,"date":"2024-01-01T00:00:00"}\n'
    )
    assert (given.n, set(given.columns.values())) == (2, {"JSON"})
    assert select(given, text_column(given, "response")) == ["a\nb", None]
    assert select(given, other_column(given, "l")) == ['["a"]', None]
    assert select(given, other_column(given, "date")) == [None, "2024-01-01T00:00:00"]
    assert select(given, other_column(given, "absent")) == [None, None]


def test_a_response_that_is_nan_is_missing(read, tmp_path):
    given = read("x.jsonl", '{"response":NaN}\n{"response":"a"}\n')
    assert select(given, text_column(given, "response")) == [None, "a"]
    pd.DataFrame({"response": [float("nan")] * 2}).to_parquet(tmp_path / "x.parquet")
    given = read_given(tmp_path / "x.parquet", tmp_path)
    assert select(given, text_column(given, "response")) == [None, None]


def test_control_characters_stay(read):
    given = read("x.jsonl", json.dumps({"response": "a\0b\x1b[31m\u202e"}) + "\n")
    assert select(given, text_column(given, "response")) == ["a\0b\x1b[31m\u202e"]


def test_a_number_beyond_64_bits_keeps_its_digits(read):
    given = read("x.jsonl", '{"n":1}\n{"n":18446744073709551615}\n')
    assert select(given, written_columns(given, ".parquet")["n"]) == ["1", "18446744073709551615"]


def test_in_parquet_json_takes_the_type_that_all_values_have(read):
    lines = [
        {"t": "a", "b": True, "i": 1, "f": 1, "m": 1, "l": [1], "n": None},
        {"t": None, "b": False, "i": -2, "f": 0.5, "m": "x", "l": {"a": 1}, "n": None},
    ]
    given = read("x.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    columns = written_columns(given, ".parquet")
    types = ", ".join(f"typeof({sql})" for sql in columns.values())
    row = duckdb.execute(f"SELECT {types} FROM {given.scan} LIMIT 1").fetchone()
    assert row == ("VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR")
    assert select(given, columns["i"]) == [1, -2]
    assert select(given, columns["l"]) == ["[1]", '{"a":1}']


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "id,response\n1,a\n2,b,c\n", "line 3: found 3 fields where the header has 2"),
        ("x.csv", "id,response\n1,a\n2\n", "line 3: found 1 field where the header has 2"),
        ("x.csv", 'id,response\n1,"a\nb"\n2,"c\n', "line 4: is not valid CSV"),
        ("x.csv", b"id,response\n1,a\n2,\xff\xfe\n", "line 3: is not UTF-8"),
        ("x.csv", b"id,resp\xff\n1,a\n", "line 1: is not UTF-8"),
        ("x.csv.gz", b"id,response\n1,a\n2,\xff\xfe\n", "line 3: is not UTF-8"),
        ("x.csv", "id,Id\n1,a\n", "line 1: two columns have the same name"),
        ("x.csv", "", "contains no records"),
        ("x.csv", "id,response\n", "contains no records"),
        ("x.jsonl", '{"response":"a"}\n{"response":\n', "line 2: is not valid JSON"),
        ("x.jsonl.gz", '{"response":"a"}\n{"response":\n', "line 2: is not valid JSON"),
        ("x.jsonl", b'{"response":"a"}\n\n{"response":"\xff"}\n', "line 3: is not UTF-8"),
        ("x.jsonl", "", "contains no records"),
        ("x.jsonl", "\n\n", "contains no records"),
        ("x.parquet", "not parquet", "cannot be read"),
        ("x.parquet", "", "cannot be read"),
    ],
)
def test_a_broken_or_empty_file_is_refused_with_its_line(read, name, content, says):
    with pytest.raises(InputError, match=re.escape(says)) as error:
        read(name, content)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_json_lines_that_are_no_objects_are_refused_with_their_line(read):
    given = read("x.jsonl", '{"response":"a"}\n["b"]\n')
    with pytest.raises(InputError, match="line 2: must be a JSON object"):
        text_column(given, "response")


@pytest.mark.parametrize("value", [5, ["a"], {"a": 1}, True])
def test_a_response_that_is_no_text_is_refused_with_its_record(read, value):
    given = read("x.jsonl", "".join(json.dumps({"response": v}) + "\n" for v in ("a", value)))
    with pytest.raises(InputError, match=r"x\.jsonl, record 2: column 'response' must contain text"):
        text_column(given, "response")


def test_numbers_are_no_responses(tmp_path):
    pd.DataFrame({"response": [1, 2]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="record 1: column 'response' must contain text, found 1"):
        text_column(read_given(tmp_path / "x.parquet", tmp_path), "response")


def test_a_missing_column_is_refused_with_those_there_are_and_the_nearest(read):
    with pytest.raises(InputError, match="id, Response; did you mean 'Response'"):
        text_column(read("x.csv", "id,Response\n1,a\n"), "response")


@pytest.mark.parametrize("name", ["x.txt", "x", "x.json", "x.csv.zip"])
def test_an_unknown_ending_is_refused_with_those_there_are(tmp_path, name):
    with pytest.raises(InputError, match=r"\.parquet, \.csv"):
        form_of(tmp_path / name)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv: no such file"):
        read_given(tmp_path / "absent.csv", tmp_path)


def test_a_compressed_file_that_was_cut_off_is_refused(tmp_path):
    path = write(tmp_path, "x.csv.gz", "response\n" + "".join(f"text {i * 7919}\n" for i in range(9999)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cannot be read"):
        read_given(path, tmp_path)


@pytest.mark.parametrize("name", ["a*b.csv", "a[1].csv", "it's.csv", "é x.csv", "k=v.csv"])
def test_the_name_of_a_file_means_nothing(read, name):
    given = read(name, "response\na\n")
    assert (select(given, "response"), list(given.columns)) == (["a"], ["response"])
