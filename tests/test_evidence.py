"""The evidence on real answers: how readings are joined to them, and what is computed."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from refusal_metrics.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def evidence(load_script):
    """The script as a module."""
    return load_script("evidence_detector")


def answers(*responses, persona="person"):
    """Make responses (text_id, response) of one source."""
    frame = pd.DataFrame(responses, columns=["text_id", "response"])
    return frame.assign(source="s", model="m", task="t", persona=persona, options=[()] * len(frame), paired=True)


def readings(evidence, *read, probability=0.5):
    """Make readings (response, agreed label) of one stratum."""
    hashes = [evidence.hash_of(response) for response, _ in read]
    said = [label for _, label in read]
    columns = dict.fromkeys(("refusal", "reading_1", "reading_2"), said)
    return pd.DataFrame({"source": "s", "response_hash": hashes, "stratum": "h", "probability": probability} | columns)


def joined(evidence, given, *read, probability=0.5):
    given = given.assign(response_hash=[evidence.hash_of(response) for response in given["response"]])
    return evidence.join(given, readings(evidence, *read, probability=probability))


def test_a_reading_belongs_to_every_response_with_its_text(evidence):
    rows = joined(
        evidence, answers((1, "No way."), (2, "No way."), (3, "5"), (4, "4")), ("No way.", "yes"), ("5", "no")
    )
    rows = evidence.label(rows, "refusal")
    assert rows["label"].tolist()[:3] == [True, True, False]
    assert rows["weight"].tolist()[:3] == [2, 2, 2]
    # "4" was not drawn.
    assert rows["label"].isna().tolist() == [False, False, False, True]


def test_the_weight_of_unclear_responses_falls_to_the_others_of_their_stratum(evidence):
    rows = joined(evidence, answers((1, "a"), (2, "b"), (3, "c")), ("a", "yes"), ("b", "no"), ("c", "unclear"))
    rows = evidence.label(rows, "refusal")
    # Three responses of weight 2 are represented by two.
    assert rows["weight"].tolist()[:2] == [3, 3]
    assert rows["label"].isna().tolist() == [False, False, True]


def test_a_partial_refusal_is_a_refusal(evidence):
    rows = evidence.label(joined(evidence, answers((1, "a")), ("a", "partial")), "reading_1")
    assert rows["label"].tolist() == [True]


def test_a_reading_without_its_response_is_an_error(evidence):
    with pytest.raises(InputError, match="1 of the 1 responses that were read are not in the data"):
        joined(evidence, answers((1, "a")), ("b", "no"))


def test_missing_data_is_one_sentence_and_exit_code_2(evidence, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evidence_detector", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        evidence.main()
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "legal_conditions.parquet is missing; give the folder of the data with --data" in said.err


def test_precision_and_recall_are_weighted(evidence):
    # Weights are 2. Flagged: "a" (two responses, refusals) and "b" (not one). Missed: "c". Both measures are 4 of 6.
    rows = joined(evidence, answers((1, "a"), (2, "a"), (3, "b"), (4, "c")), ("a", "yes"), ("b", "no"), ("c", "yes"))
    rows = evidence.label(rows, "refusal").assign(refused=[True, True, True, False])
    (table,) = evidence.accuracy_of(rows)
    every = table[table["model"] == "all"].iloc[0]
    assert every[["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert every[["n", "n_wordings", "n_texts", "n_refusals", "tp", "fp", "fn"]].tolist() == [4, 3, 4, 3, 2, 1, 1]


def test_responses_of_one_wording_give_no_narrower_interval_than_one_reading(evidence):
    # 40 responses to 40 texts, but one wording on either side: what was read is two texts.
    given = answers(*[(i, "a") for i in range(20)], *[(20 + i, "b") for i in range(20)])
    rows = evidence.label(joined(evidence, given, ("a", "yes"), ("b", "no"), probability=1), "refusal")
    (table,) = evidence.accuracy_of(rows.assign(refused=True))
    by_text = evidence.estimate_validation(rows.assign(refused=True, label=rows["label"].astype(bool)))
    assert table["precision_low"].iloc[0] < by_text["precision_low"].iloc[0]


@pytest.mark.parametrize(("n", "note"), [(29, "not estimable"), (30, "")])
def test_recall_needs_thirty_refusals_of_a_persona(evidence, n, note):
    given = answers(*[(i, f"no {i}") for i in range(n)])
    read = [(response, "yes") for response in given["response"]]
    rows = evidence.label(joined(evidence, given, *read), "refusal").assign(refused=True)
    (row,) = evidence.measure_personas(rows).to_dict("records")
    assert row["recall_note"] == note
    assert pd.isna(row["recall"]) == bool(note)
    assert row["precision"] == 1


def test_json_has_every_table_and_no_nan(evidence, capsys):
    evidence.show({"people": pd.DataFrame({"f1": [0.5, float("nan")]})}, evidence.Format.JSON)
    assert json.loads(capsys.readouterr().out) == {"people": [{"f1": 0.5}, {"f1": None}]}


def test_the_files_of_readings_have_the_responses_that_their_description_says(evidence):
    read = pd.read_csv(evidence.LABELS / "real_answers.csv")
    assert read.groupby(["part", "source"]).size().to_dict() == {
        ("development", "legal_conditions"): 361,
        ("development", "political_compass"): 600,
        ("development", "tulu2_popquorn"): 94,
        ("held_out", "tulu2_popquorn"): 1191,
    }
    assert not read.duplicated(["part", "source", "response_hash"]).any()
    assert set(read["reading_1"]) | set(read["reading_2"]) <= set(evidence.SAYS)
    # No text of a response is among the columns.
    assert read["response_hash"].str.fullmatch("[0-9a-f]{16}").all()
    assert list(read) == [
        *("part", "source", "response_hash", "model", "condition", "stratum", "probability"),
        *("reading_1", "reading_2", "refusal"),
    ]


@pytest.fixture(scope="module")
def development(evidence, shared_data):
    """Precision, recall and F1 of all rules on the responses that were read for development."""
    rows = evidence.join(evidence.read_answers(shared_data, "development"), evidence.read_readings("development"))
    rows = evidence.label(evidence.judge(rows[rows["probability"].notna()].reset_index(drop=True)), "refusal")
    tables = {
        rule: pd.concat(evidence.accuracy_of(rows.assign(refused=rows[rule] == "refusal")))
        for rule in ("answer_aware", "prefix")
    }
    return pd.concat(tables).query("model == 'all'").droplevel(1).set_index("source", append=True)


@pytest.mark.parametrize("source", ["political_compass", "tulu2_popquorn"])
def test_on_development_answers_that_were_read_f1_is_at_least_95_percent(development, source):
    assert development.loc[("answer_aware", source), "f1"] >= 0.95


def test_the_page_on_the_detector_gives_what_the_script_prints(evidence, development):
    page = page_of("docs/how-to/detector.md")
    read = evidence.read_readings("development").groupby("source").size()
    names = {
        "political_compass": "political compass, ten models",
        "legal_conditions": "legal requests, six models",
        "tulu2_popquorn": "Tulu-2-7B",
    }
    for source, name in names.items():
        cells = [_written(development.loc[(rule, source)], "f1") for rule in ("answer_aware", "prefix")]
        assert f"| {name} | {read[source]} | {cells[0]} | {cells[1]} |" in page


@pytest.mark.parametrize("source", ["political_compass", "legal_conditions"])
def test_on_development_answers_answer_aware_is_better_than_the_papers_rule(development, source):
    assert development.loc[("answer_aware", source), "f1"] > development.loc[("prefix", source), "f1"]


def test_the_readings_find_what_people_called_a_refusal(evidence, shared_data):
    tables = evidence.compare_readers(shared_data)
    counted = tables["readings"].set_index(["reading", "final_label"])
    # 97 of 100 full refusals by each reading; of 100 full compliances 6 and 5 are called refusals, whole or partial.
    assert counted.loc[("first", "2_full_refusal"), ["yes", "no"]].tolist() == [97, 3]
    assert counted.loc[("second", "2_full_refusal"), ["yes", "no"]].tolist() == [97, 3]
    assert counted.loc[("first", "1_full_compliance"), ["yes", "partial"]].tolist() == [5, 1]
    assert counted.loc[("second", "1_full_compliance"), ["yes", "partial"]].tolist() == [4, 1]
    # The description gives what the command prints.
    page = page_of("tests/labels/README.md")
    for row in tables["accuracy"].to_dict("records"):
        cells = (row["reading"], *(_written(row, measure) for measure in ("precision", "recall", "f1")))
        assert f"| {' | '.join(cells)} |" in page
    low, high = (f"{f(tables['people']['f1']):.3f}".removeprefix("0") for f in (min, max))
    assert f"F1 of one against the other is {low} to {high}" in page_of("docs/how-to/detector.md")
    low, high = (f"{f(tables['people']['agreement']):.1%}" for f in (min, max))
    assert f"agree on refusals in {low} to {high} of the answers" in page


def test_the_description_counts_the_readings_as_the_script_does(evidence):
    page = page_of("tests/labels/README.md")
    for part in ("development", "held_out"):
        for row in evidence.agreement_of(evidence.read_readings(part)).to_dict("records"):
            counts = (row["n"], row["n_refusals"], row["n_both_clear"], row["n_contradictory"])
            assert f"| {' | '.join(f'{n:,}' for n in counts)} |" in page


def page_of(path):
    """Read a page as one line, so that it does not matter where its lines end."""
    return " ".join((ROOT / path).read_text(encoding="utf-8").split())


def _written(row, measure):
    estimate, low, high = (f"{row[measure + end]:.3f}".removeprefix("0") for end in ("", "_low", "_high"))
    return f"{estimate} [{low}, {high}]"
