"""Delimited text of every program, read by one reader; and copied to Parquet."""

import csv
import gzip
import io
import re

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.responses import copy_delimited

from refusal_metrics.errors import InputError
from refusal_metrics.reading.delimited import find_encoding, open_delimited


@pytest.fixture
def read(tmp_path):
    def make(content, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = open_delimited(path)
        return [found.columns, *(tuple(fields) for _, fields in found.records())]

    return make


AB = [("id", "text"), ("1", "a"), ("2", "b")]
HARD = 'a; "b", c\nd|e\tf'


@pytest.mark.parametrize(
    ("content", "records"),
    [
        # Line ends.
        ("id,text\n1,a\n2,b\n", AB),
        ("id,text\r\n1,a\r\n2,b\r\n", AB),
        ("id,text\r1,a\r2,b\r", AB),
        ("id,text\r\n1,a\n2,b", AB),
        ("id,text\n1,a\r\n2,b\n", AB),
        ("id,text\r\n1,a\r2,b\n", AB),
        ("id,text\r\n1,a\r\n2,b\n\n\r\n\n", AB),
        ("id,text\n\n1,a\n\r\n2,b", AB),
        ('id,text\r\n1,"a\nb"\n2,"c\r\nd"\r\n', [("id", "text"), ("1", "a\nb"), ("2", "c\r\nd")]),
        # Separators.
        ("id;text\n1;a\n2;b\n", AB),
        ("id\ttext\n1\ta\n2\tb\n", AB),
        ("id|text\n1|a\n2|b\n", AB),
        ('"id";"text"\r\n"1";"a"\r\n"2";"b"\r\n', AB),
        ("id;text\n1;a, b\n", [("id", "text"), ("1", "a, b")]),
        ("id;text;p\n1;a;0,5\n2;b;0,25\n", [("id", "text", "p"), ("1", "a", "0,5"), ("2", "b", "0,25")]),
        ('id;text\n1;"a; ""b"", c\nd|e\tf"\n', [("id", "text"), ("1", HARD)]),
        ('id\ttext\n1\t"a; ""b"", c\nd|e\tf"\n', [("id", "text"), ("1", HARD)]),
        ('id,text\n1,"a; ""b"", c\nd|e\tf"\n', [("id", "text"), ("1", HARD)]),
        # A header with several candidates: the records decide.
        ("id;text, all;n\n1;a;3\n", [("id", "text, all", "n"), ("1", "a", "3")]),
        ("id,a|b\n1,x\n2,y\n", [("id", "a|b"), ("1", "x"), ("2", "y")]),
        ("id,labels\n1,yes|no\n", [("id", "labels"), ("1", "yes|no")]),
        # A single column has no separator, whatever its texts hold.
        ("text\na; b\n", [("text",), ("a; b",)]),
        ('text\n""\na\n', [("text",), ("",), ("a",)]),
        ("text\na\tb\n\nc|d\n", [("text",), ("a\tb",), ("c|d",)]),
        # Excel's first line.
        ("sep=;\nid;text\n1;a\n2;b\n", AB),
        ("sep=,\r\nid,text\r\n1,a\r\n2,b\r\n", AB),
        ("\ufeffsep=\t\nid\ttext\n1\ta\n2\tb\n", AB),
        ('"sep=;"\nid;text\n1;a\n2;b\n', AB),
        # Encodings.
        (b"\xef\xbb\xbfid,text\n1,a\n2,b\n", AB),
        ("id,text\n1,a\n2,b\n".encode("utf-16"), AB),
        ("id;text\r\n1;a\r\n2;b\r\n".encode("utf-16-le"), AB),
        ("id\ttext\n1\ta\n2\tb\n".encode("utf-16-be"), AB),
        (gzip.compress(b"id,text\n1,a\n2,b\n", mtime=0), AB),
        ("id,text\n1,é\u2028\x85\n".encode(), [("id", "text"), ("1", "é\u2028\x85")]),
        # Spreadsheets: blank rows at the end, names with spaces around them or none.
        ("id;text\n1;a\n2;b\n;\n;\n", AB),
        (" id , text\n1,a\n2,b\n", AB),
        (",text\n1,a\n", [("column0", "text"), ("1", "a")]),
        ("id,text,\n1,a,\n", [("id", "text", "column2"), ("1", "a", "")]),
        ("id,text\n,\n2,b\n", [("id", "text"), ("", ""), ("2", "b")]),
        ("id,text\n  \n1,a\n2,b\n", AB),
        # What means nothing.
        ("id,text\n#1,# a\n", [("id", "text"), ("#1", "# a")]),
        ("id,text\n1,NA\n2,null\n", [("id", "text"), ("1", "NA"), ("2", "null")]),
        ("id,text\n1,a\0b\n", [("id", "text"), ("1", "a\0b")]),
        ("id,text\n1,C:\\temp\\\n2,'a'\n", [("id", "text"), ("1", "C:\\temp\\"), ("2", "'a'")]),
        ('id,text\n1,5" pipe\n', [("id", "text"), ("1", '5" pipe')]),
        ("id,text\n1," + "x" * 300_000 + "\n", [("id", "text"), ("1", "x" * 300_000)]),
    ],
)
def test_a_table_is_read_whatever_program_wrote_it(read, content, records):
    assert read(content) == records


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,text\n1,a\n2,b,c\n", "line 3: found 3 fields where the header has 2; fields are separated by commas"),
        ("id;text\n1;a;b\n", "put texts that contain semicolons in quotes"),
        ("id\ttext\n1\n", "line 2: found 1 field where the header has 2; fields are separated by tabs"),
        ('id,text\r\n1,"a\nb"\n2\n', "line 4: found 1 field"),
        ('id,text\n1,"a\n2,b\n', "line 2: is not valid CSV"),
        ('id,text\n1,"a" b\n', "line 2: is not valid CSV"),
        ('id,text\n1,"say \\"hi\\" now"\n', "line 2: quotes inside a text are escaped with backslashes"),
        (b"id,text\n1,caf\xe9\n", "line 2: is not UTF-8 at byte 13 of the file (0xE9)"),
        (b"\x93id\x94,text\n1,a\n", "line 1: is not UTF-8 at byte 0 of the file (0x93)"),
        ("id,text\n1,é\n".encode("utf-16")[:-1], "is not valid UTF-16"),
        ("id,text\n1,a\n".encode("utf-32"), "is UTF-32"),
        ("id,id\n1,a\n", "line 1: two columns have the same name, 'id'"),
        ("id, id \n1,a\n", "line 1: two columns have the same name, 'id'"),
        ("column1,\n1,a\n", "line 1: two columns have the same name, 'column1'"),
        ("", "contains no records"),
        ("\nid,text\n1,a\n", "line 1: is blank"),
        (",\n1,a\n", "line 1: is blank"),
        ("sep=;\n", "contains no records"),
        (b"PK\x03\x04" + b"x" * 40, "is an Excel workbook or a zip archive"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 40, "is an Excel workbook"),
        (b"PAR1" + b"x" * 40, "is a Parquet file"),
        (gzip.compress(b"id,text\n" + b"1,a\n" * 9999, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(read, content, says):
    with pytest.raises(InputError, match=re.escape(says)) as error:
        read(content)
    assert "\n" not in str(error.value)
    assert "x.csv" in str(error.value)


@settings(max_examples=settings.default.max_examples, deadline=None)
@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), min_size=1, max_size=4),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_a_program_writes_comes_back(tmp_path_factory, rows, separator, end):
    rows = [[one, two, "x"] for one, two in rows]
    out = io.StringIO(newline="")
    # All is quoted, for lone carriage returns else are not.
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(out.getvalue().encode())
    assert [fields for _, fields in open_delimited(path).records()] == rows


def test_a_record_stands_on_the_line_where_it_begins(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'id,text\r\n1,"a\nb"\n\r\n2,c\r3,d')
    # The header is on line 1, a text on 2 and 3, nothing on 4.
    assert [line for line, _ in open_delimited(path).records()] == [2, 5, 6]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        find_encoding(tmp_path / "absent.csv")


def test_a_copy_has_the_rows_in_their_order_and_nothing_as_null(tmp_path):
    path, table = tmp_path / "x.csv", tmp_path / "x.parquet"
    path.write_text("id;;text\r\n" + "".join(f"{i};;{'t' * (i % 3)}\n" for i in range(25_000)), encoding="utf-8")
    assert copy_delimited(path, table) == ("Column 2 of x.csv has no name; it is called column1.",)
    rows = pq.read_table(table).to_pylist()
    assert rows == [{"id": str(i), "column1": None, "text": "t" * (i % 3) or None} for i in range(25_000)]


def test_two_columns_of_one_name_case_aside_are_not_copied(tmp_path):
    (tmp_path / "x.csv").write_text("id,Text,TEXT\n1,a,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: two columns have the same name, case aside \(TEXT\)"):
        copy_delimited(tmp_path / "x.csv", tmp_path / "x.parquet")
