"""JSON records in every layout."""

import gzip
import re

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.reading.json_records import looks_like_json, read_json_records
from refusal_metrics.reading.tabular import load_table


@pytest.fixture
def write(tmp_path):
    def make(content, name="x.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


TWO = [{"a": 1}, {"a": "b"}]


@pytest.mark.parametrize(
    ("content", "places"),
    [
        ('{"a": 1}\n{"a": "b"}\n', ["line 1", "line 2"]),
        ('\n{"a": 1}\r\n\r\n{"a": "b"}', ["line 2", "line 4"]),
        ('[{"a": 1}, {"a": "b"}]', ["record 1", "record 2"]),
        ('[\n  {\n    "a": 1\n  },\n  {\n    "a": "b"\n  }\n]\n', ["record 1", "record 2"]),
        ('{\n  "a": 1\n}\n{\n  "a": "b"\n}\n', ["line 1", "line 4"]),
        ('\ufeff{"a": 1}\n{"a": "b"}', ["line 1", "line 2"]),
        ('{"a": 1}\n{"a": "b"}\n'.encode("utf-16"), ["line 1", "line 2"]),
        ('[{"a": 1}, {"a": "b"}]'.encode("utf-16-le"), ["record 1", "record 2"]),
        (gzip.compress(b'{"a": 1}\n{"a": "b"}\n', mtime=0), ["line 1", "line 2"]),
        (gzip.compress(b'[{"a": 1}, {"a": "b"}]', mtime=0), ["record 1", "record 2"]),
    ],
)
def test_records_come_in_their_order_with_their_places(write, content, places):
    path = write(content)
    assert list(read_json_records(path)) == list(zip(places, TWO, strict=True))
    assert looks_like_json(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: is not valid JSON (Expecting value)"),
        ('{"a": 1}\n["b"]\n', "line 2: must be a JSON object"),
        ('{"a": 1}\n3\n', "line 2: must be a JSON object"),
        ('[{"a": 1}, 3]', "record 2: must be a JSON object"),
        ('[{"a": 1},\n {"a": }]', "line 2: is not valid JSON"),
        ('[{"a": 1}]\n[{"a": 2}]', "more follows after the list"),
        ('{"a": 1, "a": 2}\n', "line 1: is not valid JSON (it has two values of 'a')"),
        ('{\n"a": 1,\n"a": 2}\n', "it has two values of 'a'"),
        ("x\n", "line 1: is not valid JSON"),
        ('"x"', "line 1: must be a JSON object"),
        ("[" * 99_999, "is not valid JSON"),
        ('{"a":' * 99_999, "is not valid JSON"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2: is not UTF-8"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(write, content, says):
    with pytest.raises(InputError, match=re.escape(says)) as error:
        list(read_json_records(write(content)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["id,text\n1,a\n", "text\n[a]\n", '"id";"text"\n', "a{b}\n", ""])
def test_tables_do_not_look_like_json(write, content):
    assert not looks_like_json(write(content, "x.csv"))


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.jsonl", "x.tsv", "x.csv.gz"])
@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2\n", "a;b\r\n1;2\r\n", '[{"a": "1", "b": "2"}]', '{"a": "1", "b": "2"}\n', '{\n"a": "1", "b": "2"}'],
)
def test_what_a_file_holds_decides_how_it_is_read_and_not_its_name(write, name, content):
    assert load_table(write(content, name)).columns == {"a": ["1"], "b": ["2"]}
