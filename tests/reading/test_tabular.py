import csv
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refusal_metrics.errors import InputError
from refusal_metrics.reading.tabular import load_table

RECORDS = [{"text": "one, two", "label": "1"}, {"text": 'say "é"\nagain', "label": "2"}]


def save_csv(path, records):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def save_jsonl(path, records):
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), encoding="utf-8", newline="")


def save_parquet(path, records):
    pq.write_table(pa.Table.from_pylist(records), path)


SAVERS = {".csv": save_csv, ".jsonl": save_jsonl, ".parquet": save_parquet}


def table(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_table(path)


@pytest.mark.parametrize(
    ("suffix", "places"),
    [(".csv", ["line 2", "line 3"]), (".jsonl", ["line 1", "line 2"]), (".parquet", ["row 1", "row 2"])],
)
def test_the_three_forms_give_the_same_columns_and_say_where_records_stand(tmp_path, suffix, places):
    path = tmp_path / f"data{suffix}"
    SAVERS[suffix](path, RECORDS)
    loaded = load_table(path)
    assert loaded.columns == {"text": ["one, two", 'say "é"\nagain'], "label": ["1", "2"]}
    assert list(loaded.places) == places
    assert (loaded.path, len(loaded)) == (path, 2)


@pytest.mark.parametrize("suffix", SAVERS)
@settings(deadline=None)
@given(texts=st.lists(st.text(), min_size=1, max_size=5))
def test_any_texts_come_back_as_they_were_saved(tmp_path_factory, suffix, texts):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    SAVERS[suffix](path, [{"text": text, "n": str(i)} for i, text in enumerate(texts)])
    assert load_table(path).columns == {"text": texts, "n": [str(i) for i in range(len(texts))]}


def test_csv_values_are_text_as_written(tmp_path):
    assert table(tmp_path, "a.csv", "a,b,c,d,e\n007,1.0,NA,true, x\n").columns == {
        "a": ["007"], "b": ["1.0"], "c": ["NA"], "d": ["true"], "e": [" x"],
    }  # fmt: skip


def test_jsonl_and_parquet_values_keep_their_types(tmp_path):
    records = [{"n": 3, "x": 0.5, "t": "3"}]
    for suffix in (".jsonl", ".parquet"):
        SAVERS[suffix](tmp_path / f"a{suffix}", records)
        assert load_table(tmp_path / f"a{suffix}").columns == {"n": [3], "x": [0.5], "t": ["3"]}


def test_a_csv_record_stands_on_the_line_where_it_begins(tmp_path):
    # Line 1 the header, 2 and 3 one quoted text, 4 blank, 5 the next record.
    loaded = table(tmp_path, "a.csv", 'text,n\r\n"two\r\nlines",1\r\n\r\nlast,2\r\n')
    assert list(loaded.places) == ["line 2", "line 5"]
    assert loaded.column("text") == ["two\r\nlines", "last"]


def test_blank_jsonl_lines_count_and_absent_values_are_none(tmp_path):
    loaded = table(tmp_path, "a.jsonl", '\n{"a": 1}\n\n{"b": 2}\n')
    assert list(loaded.places) == ["line 2", "line 4"]
    assert loaded.columns == {"a": [1, None], "b": [None, 2]}


@pytest.mark.parametrize(("name", "content"), [("a.csv", "text\nhi\n"), ("a.jsonl", '{"text": "hi"}\n')])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, name, content):
    assert table(tmp_path, name, b"\xef\xbb\xbf" + content.encode()).columns == {"text": ["hi"]}


def test_records_that_are_kept_keep_their_places(tmp_path):
    kept = table(tmp_path, "a.csv", "n\n0\n1\n2\n3\n").where(lambda i: i % 2 == 1)
    assert kept.columns == {"n": ["1", "3"]}
    assert list(kept.places) == ["line 3", "line 5"]
    assert len(kept) == 2


def test_a_missing_column_is_refused_with_the_file_and_the_nearest_column(tmp_path):
    loaded = table(tmp_path, "a.csv", "comment,rating\nhi,1\n")
    message = r"a\.csv: 'coment': allowed are comment, rating; did you mean 'comment'\?"
    for get in (loaded.column, loaded.text_column):
        with pytest.raises(InputError, match=message):
            get("coment")


@pytest.mark.parametrize("value", ["", "  ", None, 7, 0.5, ["a"]])
def test_a_record_without_a_text_is_refused_with_its_line(tmp_path, value):
    path = tmp_path / "a.jsonl"
    save_jsonl(path, [{"text": "hi"}, {"text": value}, {"text": None}])
    message = f"{path}, line 2: column 'text' must contain text, found {value!r}; fill it in or remove the record"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load_table(path).text_column("text")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.xlsx", "a\tb\n", ": .* give a file that ends in .csv, .tsv, .json, .jsonl", id="another form"),
        pytest.param("a.csv", "", ": contains no records; give a file with at least one", id="empty csv"),
        pytest.param("a.csv", "text,label\n\n", ": contains no records", id="only a header"),
        pytest.param("a.jsonl", "\n \n", ": contains no records", id="empty jsonl"),
        pytest.param("a.parquet", "", r": is not a valid Parquet file \(.* 0 bytes", id="empty parquet"),
        pytest.param("a.parquet", "text,label\n", ": is not a valid Parquet file", id="not parquet"),
        pytest.param(
            "a.csv",
            'text,n\n"two\nlines",1\na,b,c\n',
            ", line 4: found 3 fields where the header has 2; .* put texts that contain commas in quotes",
            id="too many fields",
        ),
        pytest.param("a.csv", "text,n\na\n", ", line 2: found 1 field where the header has 2", id="too few fields"),
        pytest.param("a.csv", 'text\n"a" b\n', r", line 2: is not valid CSV \(", id="text after a quote"),
        pytest.param("a.csv", 'text\na\n"b\n', r", line 3: is not valid CSV \(unexpected end", id="open quote"),
        pytest.param(
            "a.csv", "a,a\n1,2\n", ", line 1: two columns have the same name, 'a'; rename one", id="same column"
        ),
        pytest.param(
            "a.jsonl", '{"a": 1}\n{"a": \n', r", line 2: is not valid JSON \(Expecting value\)", id="not JSON"
        ),
        pytest.param(
            "a.jsonl", '{"a": 1}\n[1]\n', ", line 2: must be a JSON object with named columns", id="no object"
        ),
        pytest.param(
            "a.csv",
            b"text\n\xff\n",
            r", line 2: is not UTF-8 at byte 5 of the file \(0xFF\); save it as UTF-8",
            id="not UTF-8",
        ),
        # 5 bytes of header and 5,000 lines of 2 bytes stand before it.
        pytest.param(
            "a.csv",
            b"text\n" + b"a\n" * 5000 + b"\xff\n",
            ", line 5002: is not UTF-8 at byte 10005 ",
            id="far on not UTF-8",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, name, content, message):
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path / name))}{message}") as error:
        table(tmp_path, name, content)
    assert "\n" not in str(error.value)


def test_a_damaged_parquet_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.parquet"
    save_parquet(path, RECORDS)
    content = path.read_bytes()
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: ") as error:
        table(tmp_path, "a.parquet", content[:10] + b"\xff\xff\xff" + content[13:])
    assert "\n" not in str(error.value)


def test_two_parquet_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"]), path)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*n"):
        load_table(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    path = tmp_path / "nowhere.csv"
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: no such file; check the path$"):
        load_table(path)


def test_half_a_surrogate_pair_in_a_text_or_a_name_is_replaced(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "offensive \\ud83d", "a\\ude00": 1}\n{"text": "\\ud83d\\ude00"}\n', encoding="utf-8")
    table = load_table(path)
    assert table.column("text") == ["offensive \ufffd", "😀"]
    assert table.column("a\ufffd") == [1, None]
