"""A responses table is read in any usual form, told by what it holds."""

import gzip
import json

import pandas as pd
import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.tables.files import is_table

from refusal_metrics.errors import InputError

ROWS = [
    {"model": "m", "task": "nli", "setting": "persona", "persona": "man", "text_id": f"t{i}", "refused": int(i < 3)}
    for i in range(5)
]
TABLE = pd.DataFrame(ROWS)


def delimited(separator=",", encoding="utf-8", table=TABLE):
    return table.to_csv(sep=separator, index=False).encode(encoding)


def records(table=TABLE, *, lines=True):
    return table.to_json(orient="records", lines=lines).encode()


@pytest.fixture
def load(tmp_path):
    def load(name, content):
        if isinstance(content, pd.DataFrame):
            content.to_parquet(tmp_path / name, index=False)
        else:
            (tmp_path / name).write_bytes(content)
        return load_responses([tmp_path / name])

    return load


def counted(responses):
    return responses.query(
        "SELECT count(*), count_if(refused_given), count(DISTINCT text_id) FROM responses"
    ).fetchall()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", delimited()),
        ("A.CSV", delimited(";")),
        ("a.tsv", delimited("\t")),
        ("a.txt", delimited("|")),
        ("a.csv.gz", gzip.compress(delimited(), mtime=0)),
        ("a.tsv.gz", gzip.compress(delimited("\t"), mtime=0)),
        # Compressed, and not named so.
        ("a.csv", gzip.compress(delimited(), mtime=0)),
        ("a.tsv", delimited("\t", "utf-16")),
        ("a.csv", b"sep=;\n" + delimited(";")),
        ("a.parquet", TABLE),
        ("A.PARQUET", TABLE),
        ("a.pq", TABLE),
        ("a", TABLE),
        ("a.csv", TABLE),
        ("a.json", TABLE),
        ("a.json", records(lines=False)),
        ("a.json", json.dumps(ROWS, indent=2).encode()),
        ("a.jsonl", records()),
        ("a.ndjson", records()),
        ("a.jsonl.gz", gzip.compress(records(), mtime=0)),
        ("a.csv", records()),
        ("a.json", delimited()),
        ("a.jsonl", records(TABLE.assign(refused=[True] * 3 + [False] * 2))),
        # Whole numbers, and as fractions beside others.
        ("a.jsonl", records(TABLE.assign(refused=TABLE["refused"].astype(float)))),
    ],
)
def test_a_table_is_read_by_what_it_holds(load, name, content):
    assert counted(load(name, content)) == [(5, 3, 5)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"PK\x03\x04", "is no folder and no samples_TASK_DATE.jsonl file; .* or a responses table"),
        ("a.csv", b"PK\x03\x04", "is an Excel workbook or a zip archive"),
        ("a.csv.bz2", b"BZh9", "is no folder .* or a responses table"),
        ("a", delimited(), "is no folder .* or a responses table"),
        ("a.parquet", delimited(), "is not a Parquet file, though its name says so"),
        ("a.csv.gz", gzip.compress(delimited(), mtime=0)[:60], "cannot be read"),
        ("a.csv", b"", "contains no records"),
        ("a.jsonl", b"", "contains no records"),
        ("a.json", b"{}", "contains no records"),
        ("a.jsonl", b'{"model": "m"\n', "line 1: is not valid JSON"),
        ("a.jsonl", b'{"doc": {}, "arguments": {}, "filtered_resps": []}', "is a sample log of lm_eval under another"),
        ("a.jsonl", records(TABLE.assign(persona=[["man"]] * 5)), "persona contains lists or records"),
        ("a.json", TABLE.to_json().encode(), "model contains lists or records"),
        ("a.jsonl", records(TABLE.rename(columns={"refused": "Refused"})), "lacks the column refused .*Refused"),
        ("a.jsonl", records(TABLE.assign(refused="yes")), "refused contains 'yes' in 5 rows"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(load, name, content, said):
    with pytest.raises(InputError, match=said):
        load(name, content)


def test_numbers_of_json_keep_their_form(load):
    frame = pd.DataFrame(ROWS).assign(stratum=[1.0, 2.5, 3.0, None, 5.0], text_id=[1, 2, 3, 4, 5])
    rows = load("a.jsonl", records(frame)).query("SELECT stratum, text_id FROM responses ORDER BY text_id").fetchall()
    assert rows == [("1", "1"), ("2.5", "2"), ("3", "3"), (None, "4"), ("5", "5")]


def test_results_of_the_harness_are_no_tables(tmp_path):
    for name in ("samples_t_2026-01-01T00-00-00.0.jsonl", "results_2026-01-01T00-00-00.0.json", "study.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
        assert not is_table(str(tmp_path / name))
    # A pattern is of tables if all that it finds is; --output_path x.json is a name and no file.
    assert not is_table(str(tmp_path / "*.json"))
    assert not is_table(str(tmp_path / "x.json"))
    (tmp_path / "t.jsonl").write_bytes(records())
    assert is_table(str(tmp_path / "t*.jsonl"))
    assert not is_table(str(tmp_path / "*.jsonl"))


def test_tables_of_several_forms_are_one_study(tmp_path):
    TABLE.head(2).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    (tmp_path / "b.jsonl").write_bytes(records(TABLE.tail(3)))
    assert counted(load_responses([tmp_path / "a.tsv", tmp_path / "b.jsonl"])) == [(5, 3, 5)]
