"""Responses tables: what is read from them, what is said about what they lack, and how they are written."""

import gc
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.columns import FACTORS, PHRASE
from refusal_metrics.analysis.counts import count_cells
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.table import read_responses, write_responses

from refusal_metrics.errors import InputError

ROW = {
    "model": "m",
    "task": "nli",
    "setting": "persona",
    "persona": "woman",
    "persona_group": "gender",
    "template": "p1",
    "response_type": "unforced",
    "language": "en",
    "text_id": "t0",
    "row_id": "t0/0",
    "stratum": "1",
    "refused": 1,
}


@pytest.fixture
def table(tmp_path):
    """Write rows, which differ from `ROW` as given, as a table of either form."""

    def write(*rows, suffix=".parquet", without=()):
        path = tmp_path / f"table{suffix}"
        frame = pd.DataFrame([ROW | row for row in rows]).drop(columns=list(without))
        (frame.to_csv if suffix == ".csv" else frame.to_parquet)(path, index=False)
        return path

    return write


def verdicts(responses, rule="given"):
    return [bool(v) for (v,) in responses.query(f"SELECT refused_{rule} FROM responses ORDER BY text_id").fetchall()]


ALWAYS = tuple(name for name in FACTORS if name not in PHRASE)
"""The factors of a study whose personas have one wording each."""


def cells(responses, factors=("model", "task", "setting", *ALWAYS)):
    return {rule: count_cells(counts, factors).to_dict() for rule, counts in count_responses(responses).items()}


# What is read.


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_with_one_verdict_has_the_rule_given(table, suffix):
    responses = read_responses([table({}, {"text_id": "t1", "refused": 0}, suffix=suffix)])
    assert responses.rules == ("given",)
    assert responses.rule(None) == "given"
    assert verdicts(responses) == [True, False]
    assert responses.notes == ()


def test_rules_with_names_come_before_the_one_verdict(table):
    responses = read_responses([table({"refused_prefix": False, "refused_prefix_strict": False})])
    assert responses.rules == ("prefix", "prefix_strict")
    assert verdicts(responses, "prefix") == [False]


def test_an_unknown_rule_is_refused_with_the_nearest_one(table):
    with pytest.raises(InputError, match="unknown detector 'prefixes': allowed are prefix; did you mean 'prefix'"):
        read_responses([table({"refused_prefix": 1})]).rule("prefixes")


@pytest.mark.parametrize("values", [[1, 0], [True, False], ["true", "false"], ["1", "0"], [1.0, 0.0], ["True", "0.0"]])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_verdict_may_be_written_in_any_usual_way(table, values, suffix):
    rows = [{"text_id": f"t{i}", "refused": value} for i, value in enumerate(values)]
    assert verdicts(read_responses([table(*rows, suffix=suffix)])) == [True, False]


@pytest.mark.parametrize("value", [2, -1, 0.5, "refusal", "maybe"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_verdict_that_is_none_is_refused_with_its_value(table, value, suffix):
    with pytest.raises(InputError) as caught:
        read_responses([table({"refused": value}, suffix=suffix)])
    assert re.search(f"refused (holds|contains) '{value}'.*; a verdict is 0 or 1, true or false", str(caught.value))


@pytest.mark.parametrize("name", ["model", "task", "setting", "text_id", "refused"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_that_lack_what_is_needed_are_left_out_and_counted(table, name, suffix):
    # pandas writes a gap among whole numbers as one among floats.
    responses = read_responses([table({name: None}, {"text_id": "t1", "refused": 0}, suffix=suffix)])
    assert verdicts(responses) == [False]
    assert responses.notes == ("1 row without a model, task, setting, text_id or verdict left out.",)


def test_a_table_of_which_nothing_is_left_is_refused(table):
    with pytest.raises(InputError, match="contains no responses; 2 rows without"):
        read_responses([table({"refused": None}, {"model": None})])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_response_without_a_verdict_of_one_rule_stays_with_the_others(table, suffix):
    # Of the judge: yes, nothing, no, nothing; of prefix: no, yes, no, nothing. The last row has no verdict at all.
    rows = [
        {"text_id": f"t{i}", "persona": persona, "refused_prefix": prefix, "refused_judge_x": judge}
        for i, (persona, prefix, judge) in enumerate(
            [("woman", False, True), ("man", True, None), ("man", False, False), ("man", None, None)]
        )
    ]
    responses = read_responses([table(*rows, suffix=suffix, without=["refused"])])
    counts = {rule: count_cells(of_rule, ["persona"]) for rule, of_rule in count_responses(responses).items()}
    assert counts["prefix"].to_numpy().tolist() == [["man", 2, 1], ["woman", 1, 0]]
    assert counts["judge_x"].to_numpy().tolist() == [["man", 1, 0], ["woman", 1, 1]]
    assert responses.notes == (
        "1 row without a model, task, setting, text_id or verdict left out.",
        "judge_x gave no verdict for 1 of 3 responses: left out of its numbers.",
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_rule_without_any_verdict_is_left_out_and_that_is_said(table, suffix):
    rows = [{"text_id": text, "refused_prefix": 1, "refused_judge_x": None} for text in ("t0", "t1")]
    responses = read_responses([table(*rows, suffix=suffix, without=["refused"])])
    assert responses.rules == ("prefix",)
    assert responses.notes == ("judge_x gave no verdict for any of the 2 responses: left out.",)


def test_a_detector_that_judged_one_of_two_tables_is_left_out_of_the_other(table):
    one = table({"refused_prefix": True})
    two = table({"model": "n", "refused_prefix": True, "refused_judge_x": False}, suffix=".csv")
    responses = read_responses([one, two])
    assert responses.notes == ("judge_x gave no verdict for 1 of 2 responses: left out of its numbers.",)
    counts = count_responses(responses)
    assert count_cells(counts["prefix"], ["model"])["model"].tolist() == ["m", "n"]
    assert count_cells(counts["judge_x"], ["model"])["model"].tolist() == ["n"]


@pytest.mark.parametrize("name", ALWAYS)
def test_a_missing_level_is_kept_as_no_level(table, name):
    responses = read_responses([table({name: None}, {"text_id": "t1"})])
    counts = count_responses(responses)["given"]
    assert counts.codes[name].tolist() in ([-1, 0], [0, -1])
    unnamed = "1 row of the persona setting name no persona: no comparison of personas includes them."
    assert responses.notes == ((unnamed,) if name == "persona" else ())


@pytest.mark.parametrize("strata", [[1, 2], ["1", "2"], [1.0, 2.0]])
def test_strata_may_be_whole_numbers(table, strata):
    rows = [{"text_id": f"t{i}", "stratum": stratum} for i, stratum in enumerate(strata)]
    assert count_responses(read_responses([table(*rows)]))["given"].levels["stratum"] == ("1", "2")


def test_a_gap_among_whole_strata_makes_no_fractions_of_them(table):
    responses = read_responses([table({"stratum": 1}, {"text_id": "t1", "stratum": None})])
    assert count_responses(responses)["given"].levels["stratum"] == ("1",)


# What is missing.


@pytest.mark.parametrize("name", ["model", "task", "text_id", "refused"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_without_a_column_that_is_needed_is_refused_in_one_sentence(table, name, suffix):
    with pytest.raises(InputError) as caught:
        read_responses([table({}, suffix=suffix, without=[name])])
    assert f"table{suffix}: lacks the column {name} (it has " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in ALWAYS if name != "language"])
def test_without_another_column_the_rest_works_and_it_is_said(table, name):
    responses = read_responses([table({}, without=[name])])
    assert responses.notes == (f"No column {name}, so there are no results by it.",)
    assert name not in count_responses(responses)["given"].levels


@pytest.mark.parametrize(
    ("without", "note"),
    [
        (["language"], None),
        (["setting"], "No column setting: all responses count as persona prompts."),
        (["row_id"], "No column row_id: the strata of a text count as its rows."),
        (["row_id", "stratum"], "No column row_id: each text counts as one row."),
    ],
)
def test_what_stands_for_a_missing_column_is_said(table, without, note):
    responses = read_responses([table({}, without=without)])
    counts = count_responses(responses)["given"]
    assert counts.levels["setting"] == ("persona",)
    assert [n for n in responses.notes if "column stratum" not in n] == ([note] if note else [])


def test_the_smallest_table_is_one_of_four_columns(tmp_path):
    (tmp_path / "t.csv").write_text("model,task,text_id,refused\nm,nli,t0,1\nm,nli,t1,0\n", encoding="utf-8")
    (counts,) = count_responses(read_responses([tmp_path / "t.csv"])).values()
    assert count_cells(counts, ["model"]).to_dict("records") == [{"model": "m", "n": 2, "n_refused": 1}]


# What cannot be read.


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + b"\0" * 100])
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as a responses table|is not a Parquet file") as caught:
        read_responses([tmp_path / "t.parquet"])
    assert "\n" not in str(caught.value)


def test_an_empty_csv_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        read_responses([tmp_path / "t.csv"])


@pytest.mark.parametrize("name", ["it's.parquet", "t[1].parquet", "a*b.csv", "t?.csv"])
def test_the_name_of_a_table_means_nothing(table, tmp_path, name):
    path = table({}, suffix=f".{name.rpartition('.')[2]}").rename(tmp_path / name)
    assert verdicts(read_responses([path])) == [True]


HOSTILE = ["a\nb\r\nc", "\"'`;,", "'; DROP VIEW responses; --", "\u202eאבג 🏳️‍🌈", " led and trailed ", "NULL", "nan"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_text_can_break_a_table(table, tmp_path, suffix, name):
    hostile = {"persona": name, "template": name, f"by {name}": name}
    responses = read_responses([table(hostile, *({"text_id": f"t{i}"} for i in range(1, 4)), suffix=suffix)])
    out = tmp_path / f"out{suffix}"
    write_responses(responses, out)
    for read in (responses, read_responses([out])):
        counts = count_responses(read)["given"]
        assert counts.levels["persona"] == tuple(sorted([name, "woman"]))
        assert len(counts.n) == 4


def test_an_address_of_a_table_is_read(table):
    assert verdicts(read_responses([f"file://{table({})}"])) == [True]


def test_tables_of_both_forms_and_of_different_columns_are_one_study(table):
    one = table({"stratum": 1}, without=["language"])
    two = table({"model": "n", "refused": False, "temperature": 0.7}, suffix=".csv")
    responses = read_responses([one, two])
    (counts,) = count_responses(responses, ["temperature"]).values()
    assert counts.levels["model"] == ("m", "n")
    assert counts.levels["stratum"] == ("1",)
    assert counts.levels["temperature"] == ("0.7",)
    assert counts.prompt.tolist() == [0, 1]  # one has a language and the other has none


@pytest.mark.parametrize(
    ("designs", "settings_", "said"),
    [
        (
            ("a-1", "b-1"),
            ("persona", "persona"),
            r"nli task \(persona\) was run with 2 designs, .* a-1 \(1 docs\); b-1",
        ),
        (("a-1", "b-2"), ("persona", "neutral"), r"nli task was run with 2 samples, .* a \(1 docs\); b \(1 docs\)"),
    ],
)
def test_tables_of_two_designs_are_refused(table, designs, settings_, said):
    rows = [{"design_id": design, "setting": setting} for design, setting in zip(designs, settings_, strict=True)]
    with pytest.raises(InputError, match=said):
        read_responses([table(*rows)])


# What is written.


@pytest.fixture
def study(logs, tmp_path):
    """The responses of two models, two kinds and two settings, read from logs."""
    for model, answers in (("a/one", "RNA NEN RA"), ("b/two", "AAA NRA AE")):
        for kind in ("nli", "offensiveness"):
            for setting in ("persona", "persona-free"):
                logs.write_run(tmp_path / "logs", answers, model=model, kind=kind, setting=setting)
    return load_responses([tmp_path / "logs"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_written_from_logs_counts_as_the_logs_do(study, tmp_path, suffix):
    out = tmp_path / "new" / f"table{suffix}"
    # Persona: 8 letters of each kind and model; persona-free: the same 8.
    assert write_responses(study, out) == 2 * 2 * 2 * 8
    again = read_responses([out])
    assert again.notes == ()
    assert sorted(again.columns) == sorted(study.columns)
    assert again.rules == study.rules == ("answer_aware", "prefix", "prefix_strict")
    assert cells(again) == cells(study)
    for rule, counts in count_responses(again).items():
        before = count_responses(study)[rule]
        assert sorted(zip(counts.text, counts.row, counts.prompt, counts.n_refused, strict=True)) == sorted(
            zip(before.text, before.row, before.prompt, before.n_refused, strict=True)
        )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("detector", [None, "answer_aware", "prefix", "prefix_strict"])
def test_the_columns_refused_and_outcome_are_those_of_the_detector_asked_for(study, tmp_path, suffix, detector):
    out = tmp_path / f"table{suffix}"
    write_responses(study, out, detector=detector)
    frame = (pd.read_csv if suffix == ".csv" else pd.read_parquet)(out)
    assert (frame["refused"] == frame[f"refused_{detector or 'answer_aware'}"]).all()
    # Each of the four logs of a model: RNA NEN RA has 2 R, 3 N and 1 E, AAA NRA AE has 1 R, 1 N and 1 E.
    # The rest are 3 and 4 A, which only answer_aware knows for answers; to it, N is neither.
    n_refused, n_answers = 4 * (7 if detector == "prefix" else 3), 0 if (detector or "").startswith("prefix") else 28
    outcomes = {"refusal": n_refused, "empty": 8, "answer": n_answers, "other": 56 - n_refused - n_answers}
    assert frame["outcome"].value_counts().to_dict() == {name: n for name, n in outcomes.items() if n}
    assert not {"empty", "answered"} & set(frame.columns)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_nobody_said_of_a_response_is_not_written_either(table, tmp_path, suffix):
    # The judge, whose the outcomes are, said nothing of the last three; a refusal by prefix is one nevertheless.
    rows = [
        {"text_id": f"t{i}", "outcome": outcome, "refused_prefix": prefix, "refused_judge_x": judge}
        for i, (outcome, prefix, judge) in enumerate(
            [("other", False, False), ("empty", False, False), (None, True, None), (None, False, None)]
        )
    ]
    responses = read_responses([table(*rows, suffix=suffix)])
    for rule, outcomes in {
        "prefix": ["other", "empty", "refusal", None],
        "judge_x": ["other", "empty", None, None],
    }.items():
        out = tmp_path / f"{rule}{suffix}"
        write_responses(responses, out, detector=rule)
        frame = (pd.read_csv if suffix == ".csv" else pd.read_parquet)(out).sort_values("text_id")
        assert frame["outcome"].astype(object).where(frame["outcome"].notna(), None).tolist() == outcomes
        assert frame["refused"].isna().tolist() == frame[f"refused_{rule}"].isna().tolist()
        assert cells(read_responses([out])) == cells(responses)


def test_a_table_that_is_read_and_written_again_stays_as_it_is(study, tmp_path):
    write_responses(study, tmp_path / "one.csv")
    write_responses(read_responses([tmp_path / "one.csv"]), tmp_path / "two.parquet")
    assert cells(read_responses([tmp_path / "two.parquet"])) == cells(study)
    write_responses(read_responses([tmp_path / "two.parquet"]), tmp_path / "two.parquet", force=True)
    assert cells(read_responses([tmp_path / "two.parquet"])) == cells(study)


def test_a_file_that_is_there_stays_unless_forced(study, tmp_path):
    out = tmp_path / "table.csv"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already exists; name another file, or add --force"):
        write_responses(study, out)
    assert out.read_text(encoding="utf-8") == "mine"
    write_responses(study, out, force=True)
    assert len(pd.read_csv(out)) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "table.csv"]


def test_a_failure_leaves_what_was_there_and_nothing_half_written(study, tmp_path, monkeypatch):
    out = tmp_path / "table.parquet"
    out.write_text("mine", encoding="utf-8")

    def full(_source, to):
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("refusal_metrics.analysis.responses.table.shutil.copyfile", full)
    with pytest.raises(InputError, match=r"table.parquet: cannot be written \(No space left on device\)"):
        write_responses(study, out, force=True)
    assert out.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "table.parquet"]


def test_a_place_that_cannot_be_written_is_refused(study, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write_responses(study, tmp_path / "file" / "table.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_responses(study, tmp_path / "folder.csv", force=True)


@pytest.mark.parametrize("name", ["table", "table.json", "table.csv.gz"])
def test_another_ending_is_refused(study, tmp_path, name):
    with pytest.raises(InputError, match=r"ends in \.parquet or \.csv"):
        write_responses(study, tmp_path / name)


def test_a_csvs_temporary_copy_goes_with_its_responses(table):
    responses = read_responses([table({}, suffix=".csv")])
    folder = responses.keep.path
    assert folder.is_dir()
    del responses
    gc.collect()
    assert not folder.exists()


@settings(max_examples=settings.default.max_examples * 8 // 100, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "model": st.sampled_from(["a", "b"]),
                "persona": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)),
                "text_id": st.sampled_from(["t0", "t1"]),
                "refused": st.booleans(),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_table_survives_being_written_in_either_form(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    pd.DataFrame([ROW | row for row in rows]).to_parquet(folder / "given.parquet", index=False)
    responses = read_responses([folder / "given.parquet"])
    for suffix in (".csv", ".parquet"):
        write_responses(responses, folder / f"out{suffix}")
        assert cells(read_responses([folder / f"out{suffix}"])) == cells(responses)
