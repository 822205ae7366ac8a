"""Responses that are in several tables, or twice in one, count once, and that is said."""

import pandas as pd
import pytest
from refusal_metrics.analysis.counts import count_cells
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.logs.load import load_responses

from refusal_metrics.errors import InputError

MONDAY, FRIDAY = "parrot/2026-01-02T03-04-05", "parrot/2026-01-09T03-04-05"


def rows(*span, **levels):
    """Make responses to the prompts of a span of indices, of which every third is a refusal; two prompts a text."""
    return pd.DataFrame(
        [
            {
                "model": "m",
                "task": "nli",
                "setting": "persona",
                "persona": "woman" if i % 2 else "man",
                "template": f"p{i % 9 + 1}",
                "text_id": f"t{i // 2}",
                "row_id": f"t{i // 2}/0",
                "design_id": "d0-nli",
                "index": i,
                "refused": i % 3 == 0,
            }
            | levels
            for i in range(*span)
        ]
    )


def without_id(*span, **levels):
    return rows(*span, **levels).drop(columns=["design_id", "index"])


def turned(frame, place=0):
    """Turn one verdict round."""
    frame = frame.copy()
    frame.loc[place, "refused"] = not frame.loc[place, "refused"]
    return frame


@pytest.fixture
def write(tmp_path):
    def write(**frames):
        paths = []
        for name, frame in frames.items():
            suffix = ".csv" if name.endswith("_csv") else ".parquet"
            paths.append(tmp_path / f"{name.removesuffix('_csv')}{suffix}")
            (frame.to_csv if suffix == ".csv" else frame.to_parquet)(paths[-1], index=False)
        return paths

    return write


def counted(responses, rule=None):
    counts = count_responses(responses)[responses.rule(rule)]
    ((n, n_refused),) = count_cells(counts, []).to_numpy().tolist()
    return n, n_refused


def said(responses):
    return [note for note in responses.notes if "No column" not in note]


# One file given twice.


@pytest.mark.parametrize(
    ("way", "note"),
    [
        ("path", "was given twice and read once"),
        ("dots", "is the same file as"),
        ("link", "is the same file as"),
        ("hard link", "is the same file as"),
        ("copy", "is the same file as"),
        ("pattern", "was given twice and read once"),
    ],
)
def test_a_file_is_read_once_however_often_it_is_given(write, tmp_path, way, note):
    (path,) = write(one=rows(10))
    again = tmp_path / "two.parquet"
    if way == "link":
        again.symlink_to(path)
    elif way == "hard link":
        again.hardlink_to(path)
    elif way == "copy":
        again.write_bytes(path.read_bytes())
    given = {"path": path, "dots": f"{tmp_path}/./../{tmp_path.name}/one.parquet", "pattern": f"{tmp_path}/*.parquet"}
    responses = load_responses([path, given.get(way, again)])
    # 0, 3, 6 and 9 are refusals.
    assert counted(responses) == (10, 4)
    (found,) = said(responses)
    assert note in found


# Tables that overlap.

OVERLAPS = {
    "the same as CSV": ({"a": rows(10), "b_csv": rows(10)}, 10, 4, "10 rows .* repeated a doc; each was counted once"),
    "half of each": ({"a": rows(10), "b": rows(5, 15)}, 15, 5, "5 rows .*a.parquet, .*b.parquet repeated a doc"),
    "three tables": ({"a": rows(10), "b": rows(5, 15), "c": rows(9, 20)}, 20, 7, "11 rows"),
    "a part of the whole": ({"a": rows(4), "b": rows(10)}, 10, 4, "4 rows"),
    "other columns": ({"a": rows(10, stratum="1"), "b": rows(10)}, 10, 4, "10 rows"),
    "indices as floats": ({"a": rows(10), "b": rows(10).astype({"index": float})}, 10, 4, "10 rows"),
    "indices as texts": (
        {"a": rows(10), "b_csv": rows(10).assign(index=[f"00{i}" for i in range(10)])},
        *(10, 4, "10 rows"),
    ),
    "indices with a gap": (
        {"a": rows(10), "b_csv": rows(10).assign(index=[*map(float, range(9)), None])},
        *(11, 5, "9 rows"),
    ),
    "verdicts as numbers": ({"a": rows(10), "b": rows(10).astype({"refused": int})}, 10, 4, "10 rows"),
    "one run": ({"a": rows(10, run=MONDAY), "b": rows(5, 15, run=MONDAY)}, 15, 5, "5 rows"),
    "one temperature": ({"a": rows(10, temperature="0"), "b": rows(8, temperature="0")}, 10, 4, "8 rows"),
    "no ids": ({"a": without_id(10), "b": without_id(5, 15)}, 15, 5, "5 rows .* repeated a doc"),
    "ids in one": ({"a": rows(10), "b": without_id(5, 15)}, 15, 5, "5 rows .* repeated a doc"),
}


@pytest.mark.parametrize(("frames", "n", "n_refused", "note"), OVERLAPS.values(), ids=OVERLAPS)
def test_what_several_tables_have_counts_once(write, frames, n, n_refused, note):
    responses = load_responses(write(**frames))
    assert counted(responses) == (n, n_refused)
    assert pd.Series(said(responses)).str.contains(note).any()


APART = {
    "other prompts": ({"a": rows(10), "b": rows(10, 20)}, 20, 7),
    "other models": ({"a": rows(10), "b": rows(10, model="n")}, 20, 8),
    "temperatures": ({"a": rows(10, temperature="0"), "b": rows(10, temperature="1")}, 20, 8),
    "repeats": ({"a": rows(10, repeat="1"), "b": turned(rows(10, repeat="2"))}, 20, 7),
    "settings": ({"a": rows(10), "b": rows(10, setting="neutral", design_id="d0-nli-neutral")}, 20, 8),
    "personas without ids": ({"a": without_id(10), "b": without_id(10, persona="black")}, 20, 8),
    "repeats without ids": ({"a": without_id(10, repeat="1"), "b": without_id(10, repeat="2")}, 20, 8),
}


@pytest.mark.parametrize(("frames", "n", "n_refused"), APART.values(), ids=APART)
def test_what_only_looks_alike_counts_each_time(write, frames, n, n_refused):
    responses = load_responses(write(**frames))
    assert counted(responses) == (n, n_refused)
    assert said(responses) == []


def test_of_two_runs_the_newest_counts_as_with_logs(write):
    # The newer run refused the first prompt no more; the order of the files does not matter.
    paths = write(a=turned(rows(10, run=FRIDAY)), b=rows(8, 12, run=MONDAY))
    for given in (paths, paths[::-1]):
        responses = load_responses(given)
        # 3, 6 and 9 of the newer one; none of 10 and 11.
        assert counted(responses) == (12, 3)
        assert any("2 rows" in note and "the newest of each was used" in note for note in said(responses))


def test_all_runs_count_when_asked_for_but_each_once(write):
    paths = write(a=turned(rows(10, run=FRIDAY)), b=rows(10, run=MONDAY), c=rows(5, run=MONDAY))
    responses = load_responses(paths, all_runs=True)
    assert counted(responses) == (20, 7)
    assert any("5 rows" in note for note in said(responses))


@pytest.mark.parametrize(
    "frames",
    [
        {"a": rows(10), "b": turned(rows(10))},
        {"a": rows(10, run=MONDAY), "b": turned(rows(10, run=MONDAY))},
        {"a": without_id(10), "b": turned(without_id(10))},
        {"a": rows(10), "b": rows(10, 20), "c": turned(rows(5))},
    ],
)
def test_copies_that_contradict_each_other_are_refused(write, frames):
    with pytest.raises(InputError, match=r"give different verdicts \(refused\) for 1 of \d+ responses that they share"):
        load_responses(write(**frames))


def test_verdicts_of_different_rules_come_together(write):
    base = rows(10).rename(columns={"refused": "refused_prefix"})
    judged = base.assign(refused_judge_x=base["index"] > 7)
    responses = load_responses(write(a=base, b=judged))
    assert counted(responses, "prefix") == (10, 4)
    # 8 and 9.
    assert counted(responses, "judge_x") == (10, 2)


# One table.


def test_a_table_glued_to_itself_counts_once_if_its_run_is_known(write):
    (path,) = write(a=pd.concat([rows(10, run=MONDAY)] * 2))
    responses = load_responses([path])
    assert counted(responses) == (10, 4)
    (note,) = said(responses)
    assert "10 rows" in note
    assert "repeated a doc of the same run" in note


def test_rows_that_may_be_repeats_count_and_that_is_said(write):
    (path,) = write(a=pd.concat([rows(10), turned(rows(10))]))
    responses = load_responses([path])
    assert counted(responses) == (20, 7)
    (note,) = said(responses)
    assert "10 rows" in note
    assert "remove them if they are copies" in note


def test_one_run_with_two_verdicts_of_a_prompt_is_refused(write):
    (path,) = write(a=pd.concat([rows(10, run=MONDAY), turned(rows(10, run=MONDAY))]))
    with pytest.raises(InputError, match="give different verdicts"):
        load_responses([path])


def test_rows_of_a_table_without_ids_may_repeat(write):
    (path,) = write(a=pd.concat([without_id(10)] * 3))
    responses = load_responses([path])
    assert counted(responses) == (30, 12)
    assert said(responses) == []


def test_tables_whose_rows_cannot_be_distinguished_are_said_to_overlap(write):
    few = ["model", "task", "setting", "text_id", "refused"]
    responses = load_responses(write(a=rows(10)[few], b=rows(5, 15)[few]))
    assert counted(responses) == (20, 7)
    assert any("cannot be distinguished" in note for note in said(responses))
