"""Rows in, rows with verdicts out: blocks, labels, counts."""

import pyarrow.parquet as pq
import pytest
from refusal_metrics.analysis.judging.detect_files import put
from refusal_metrics.analysis.responses import verdicts
from refusal_metrics.analysis.responses.detectors import Item
from refusal_metrics.analysis.responses.sql import connect
from refusal_metrics.analysis.responses.verdicts import Source, judge_rows

from refusal_metrics.detection import ANSWER, EMPTY, OTHER, REFUSAL, Verdict
from refusal_metrics.errors import InputError


class Echo:
    """Says of a response what its first letter stands for; nothing of one that begins otherwise."""

    name = "echo"
    at_once = 3

    def __init__(self):
        self.given = []

    def detect(self, items):
        self.given.append(list(items))
        known = {
            "A": Verdict(ANSWER, "said so", answer="polite"),
            "R": Verdict(REFUSAL, "sorry", ("task", "persona")),
            "O": Verdict(OTHER),
            "E": Verdict(EMPTY, causes=("truncated",)),
        }
        return [known.get((item.response or "E")[0]) for item in items]

    def remarks(self):
        return ["It was so."]


def source(*rows):
    """Make rows of a response, labels, prompt and persona."""
    connection = connect()
    connection.execute(
        "CREATE TABLE rows (n INTEGER, response VARCHAR, labels VARCHAR, prompt VARCHAR, persona VARCHAR)"
    )
    for n, row in enumerate(rows):
        connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", [n, *row, *[None] * (4 - len(row))])
    return Source(
        connection, "file, record", "rows", {"n": "n"}, ["response", "labels", "prompt", "persona"], len(rows)
    )


def judge(folder, *rows, added=("outcome", "cause", "rule", "answer", "refused_echo")):
    detector, told = Echo(), []
    detected = judge_rows(source(*rows), added, folder / "x.parquet", detector, lambda *done: told.append(done))
    return detected, pq.read_table(folder / "x.parquet").to_pylist(), detector, told


def test_a_row_gets_the_verdict_on_its_response_and_nulls_where_there_is_none(tmp_path):
    _, rows, *_ = judge(tmp_path, ("A",), ("R",), ("O",), (None,), ("?",))
    names = ("n", "outcome", "cause", "rule", "answer", "refused_echo")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (0, "answer", None, "said so", "polite", False),
        (1, "refusal", "task", "sorry", None, True),
        (2, "other", None, None, None, False),
        (3, "empty", "truncated", None, None, False),
        (4, None, None, None, None, None),
    ]


def test_outcomes_and_causes_are_counted_and_the_unscored_among_them(tmp_path):
    detected, *_ = judge(tmp_path, ("A",), ("R",), ("R",), (None,), ("?",))
    assert (detected.n, detected.unscored, detected.notes) == (5, 1, ("It was so.",))
    assert detected.counts == {"answer": 1, "refusal": 2, "other": 0, "empty": 1, "truncated": 0, "unjudged": 0}
    assert detected.causes == {"task": 2, "truncated": 1}
    table = detected.outcomes()
    assert list(table.columns) == ["outcome", "estimate", "n"]
    assert list(table["estimate"]) == [0.2, 0.4, 0, 0.2, 0, 0, 0.2]
    assert list(table["outcome"])[-1] == "unscored"
    assert list(detected.reasons()["estimate"]) == pytest.approx([2 / 3, 1 / 3])


def test_blocks_of_any_size_keep_the_order_and_say_how_far_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "_BLOCK", 4)
    monkeypatch.setattr(verdicts, "_SLICE", 2)
    _, rows, detector, told = judge(tmp_path, *([(letter,) for letter in "AROAROARO"]))
    assert [row["outcome"] for row in rows] == ["answer", "refusal", "other"] * 3
    # Blocks of 4, 4 and 1 rows, given to the detector 3 at a time.
    assert [len(given) for given in detector.given] == [3, 1, 3, 1, 1]
    assert told == [(3, 9), (4, 9), (7, 9), (8, 9), (9, 9)]


def test_long_responses_fill_a_block_before_its_rows_do(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "_BLOCK_BYTES", 1_000_000)
    monkeypatch.setattr(verdicts, "_SLICE", 1)
    _, rows, detector, _ = judge(tmp_path, *[("A" * 1_000_000,)] * 3)
    assert [len(given) for given in detector.given] == [1, 1, 1]
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('["a", "b|c"]', ("a", "b|c")),
        ("[]", ()),
        ("not offensive | offensive", ("not offensive", "offensive")),
        (None, ()),
        (" ", ()),
    ],
)
def test_labels_are_a_json_list_or_stand_between_bars(tmp_path, text, labels):
    *_, detector, _ = judge(tmp_path, ("A", text, "p", "woman"))
    assert detector.given == [[Item("A", labels, "p", "woman")]]


@pytest.mark.parametrize("text", ["offensive", '{"a": 1}', "[1, 2]", '["a"', "3", "null"])
def test_labels_that_are_no_list_are_refused_with_their_record(tmp_path, text):
    with pytest.raises(InputError, match=r"file, record 2: labels contains .*JSON list"):
        judge(tmp_path, ("A", '["a"]'), ("A", text))


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet", "x.csv.gz", "x.jsonl.gz"])
def test_a_file_has_the_form_of_its_ending(tmp_path, name):
    judge(tmp_path, ("A",), ("?",))
    (tmp_path / "out").mkdir()
    put(tmp_path / "x.parquet", tmp_path / "out" / name)
    read = {"c": "read_csv", "j": "read_json", "p": "read_parquet"}[name[2]]
    rows = connect().execute(f"SELECT n, outcome FROM {read}('{tmp_path / 'out' / name}')").fetchall()
    assert rows == [(0, "answer"), (1, None)]
