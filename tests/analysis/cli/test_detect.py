"""The command ``detect`` on files: personas, labels, languages, and what it says where it cannot know."""

import csv
import json
import sys

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

LABELS = "offensive|not offensive"
# The same sentence declines whoever "a ..." is; about anything else it says nothing of the kind.
REFUSES = "A {} cannot answer this question."
OWN = ["teenager", "C++ (senior) dev*", "[bot]", "O'Connor", "a|b", "$^.\\d+", "José Álvarez", "王伟", "person over 65"]


@pytest.fixture
def write(tmp_path):
    """Write a CSV file of columns."""

    def make(name="given.csv", **columns):
        path = tmp_path / name
        pd.DataFrame(columns).to_csv(path, index=False)
        return path

    return make


def judge(path, *options):
    """Run the command: the judged rows, the counted outcomes and causes, and what it said on one line."""
    out = path.with_name("judged.csv")
    arguments = ["detect", path, "--out", out, "--force", *options]
    result = CliRunner(env={"COLUMNS": "400"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), result.stdout, " ".join(result.stderr.split())


def fail(monkeypatch, capsys, path, *options):
    """Run the command where a mistake ends it; gives its one sentence."""
    arguments = ["persona-refusal", "detect", path, "--out", path.with_name("judged.csv"), *options]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert not path.with_name("judged.csv").exists()
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.split())


# Personas.


@pytest.mark.parametrize("column", ["persona", "who"])
def test_a_persona_is_recognised_by_the_words_of_its_row(write, column):
    responses = [REFUSES.format(name) for name in OWN]
    path = write(response=responses, labels=LABELS, **{column: OWN})
    rows, _, said = judge(path, *([] if column == "persona" else ["--persona-column", "who"]))
    assert [row["outcome"] for row in rows] == ["refusal"] * len(OWN)
    assert "no column of personas" not in said


def test_an_id_stands_for_its_words_and_an_empty_persona_for_none(write):
    responses = [REFUSES.format(name) for name in ("woman", "Black person", "teenager", "Nigerian woman", "teenager")]
    # Built-in personas are known in every row. "Nigerian woman" is none, although its noun is.
    path = write(response=responses, labels=LABELS, persona=["black", "", "", "nigerian_woman", "woman"])
    assert [row["outcome"] for row in judge(path)[0]] == ["refusal", "refusal", "other", "refusal", "other"]


def test_a_named_column_counts_alone(write):
    path = write(
        response=[REFUSES.format("teenager")] * 2,
        labels=LABELS,
        persona=["teenager"] * 2,
        who=["teenager", "nurse"],
        persona_words=['["teenager"]'] * 2,
    )
    assert [row["outcome"] for row in judge(path, "--persona-column", "who")[0]] == ["refusal", "other"]
    assert [row["outcome"] for row in judge(path)[0]] == ["refusal", "refusal"]


def test_a_persona_that_json_lines_lack_is_none(tmp_path):
    path = tmp_path / "given.jsonl"
    lines = [{"persona": None}, {"persona": float("nan")}, {}, {"persona": "teenager"}]
    made = [line | {"response": REFUSES.format("teenager"), "labels": LABELS.split("|")} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in made), encoding="utf-8")
    assert [row["outcome"] for row in judge(path)[0]] == ["other", "other", "other", "refusal"]


def test_a_column_of_personas_that_is_missing_is_named(write, monkeypatch, capsys):
    path = write(response=["a"], who=["teenager"])
    said = fail(monkeypatch, capsys, path, "--persona-column", "whom")
    assert "unknown column in" in said
    assert "'whom'" in said
    assert "who" in said


def test_results_take_no_column_of_personas(logs, tmp_path, monkeypatch, capsys):
    logs.write_run(tmp_path / "results", "RA")
    assert "leave it out" in fail(monkeypatch, capsys, tmp_path / "results", "--persona-column", "persona")


def test_a_persona_of_a_megabyte_is_a_sentence(write, monkeypatch, capsys):
    path = write(response=["a", "b"], labels=LABELS, persona=["x" * 1000, "x" * 1_000_000])
    said = fail(monkeypatch, capsys, path)
    assert "record 2: column 'persona' has 1,000,000 characters; name a persona in at most 1,000" in said


# What the file does not say.


def test_a_file_without_labels_is_judged_as_open_requests_and_says_so_once(write):
    path = write(response=["I can't help with that.", "Offensive.", ""])
    rows, printed, said = judge(path)
    assert [row["outcome"] for row in rows] == ["refusal", "other", "empty"]
    assert said.count("open requests") == 1
    assert "no labels for 3 of 3 responses, which are judged as replies to open requests" in said
    # Without labels no persona changes what is judged: only one thing is to be done.
    assert "no column of personas" not in said
    counted = [line.split() for line in printed.splitlines()]
    for row in (
        ["answer", "0.000", "0"],
        ["refusal", "0.333", "1"],
        ["truncated", "0.000", "0"],
        ["unjudged", "0.000", "0"],
    ):
        assert row in counted


def test_some_rows_without_labels_are_counted(write):
    said = judge(write(response=["No."] * 3, labels=["yes|no", "", "yes|no"], persona=""))[2]
    assert "no labels for 1 of 3 responses, which are judged as replies to open requests" in said


def test_a_file_with_labels_and_without_personas_says_what_to_do(write):
    columns = {"response": ["Offensive."], "labels": [LABELS]}
    assert judge(write(**columns))[2].count("--persona-column") == 1
    # Who says that there are none, or asks a rule that reads no persona, gets no warning.
    assert "--persona-column" not in judge(write(**columns, persona=[""]))[2]
    assert "--persona-column" not in judge(write(**columns), "--detector", "prefix")[2]


def test_results_name_their_personas_and_labels_themselves(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RA")
    said = judge(tmp_path / "results")[2]
    assert said.startswith("Wrote 2 responses")
    # So does the table that was made of them.
    (tmp_path / "judged.csv").rename(tmp_path / "table.csv")
    assert judge(tmp_path / "table.csv")[2].startswith("Wrote 2 responses")


# Labels and languages.


@pytest.mark.parametrize(
    ("labels", "response", "outcome", "answer"),
    [
        ("offensive|very offensive", "Very offensive.", "answer", "very offensive"),
        ("offensive|very offensive", "It is offensive.", "answer", "offensive"),
        ('["offensive"]', "It is offensive.", "answer", "offensive"),
        ('["offensive"]', "I cannot say.", "refusal", ""),
        ("冒犯|不冒犯", "不冒犯。", "answer", "不冒犯"),
        ("да|нет", "Нет.", "answer", "нет"),
        # A response in two languages: what can be read decides, and only what cannot is unjudged.
        (LABELS, "Lo siento mucho por esta pregunta. Not offensive.", "answer", "not offensive"),
        (LABELS, "Lo siento, pero no puedo. I'm sorry, but I cannot answer that.", "refusal", ""),
        (LABELS, "Lo siento, pero no puedo responder a esta pregunta. Oh well.", "unjudged", ""),
        ("|".join(f"label {i:03}" for i in range(100)), "Label 099.", "answer", "label 099"),
    ],
)
def test_labels_of_any_kind_are_distinguished(write, labels, response, outcome, answer):
    (row,), *_ = judge(write(response=[response], labels=[labels], persona=[""]))
    assert (row["outcome"], row["answer"]) == (outcome, answer)


@pytest.mark.parametrize("labels", ["yes|yes", "Yes|yes", "very_rude|very rude", "yes|!"])
def test_labels_that_cannot_be_distinguished_are_unjudged_and_counted(write, labels):
    rows, printed, _ = judge(write(response=["Yes.", "I cannot say."], labels=[labels] * 2, persona=["", ""]))
    assert [(row["outcome"], row["cause"]) for row in rows] == [("unjudged", "labels")] * 2
    assert ["unjudged", "1.000", "2"] in [line.split() for line in printed.splitlines()]


def test_more_labels_than_can_be_distinguished_are_a_sentence(write, monkeypatch, capsys):
    labels = "|".join(f"label {i}" for i in range(101))
    path = write(response=["a", "b"], labels=[LABELS, labels], persona=["", ""])
    assert "record 2: has 101 labels, and the detector distinguishes at most 100" in fail(monkeypatch, capsys, path)
    assert judge(path, "--detector", "prefix")[0][1]["outcome"] == "other"


def test_a_language_without_patterns_is_unjudged_and_named(write):
    path = write(response=["Offensive."] * 4, labels=LABELS, persona="", language=["tlh", "en-GB", "", "tlh"])
    rows, _, said = judge(path)
    assert [row["outcome"] for row in rows] == ["unjudged", "answer", "answer", "unjudged"]
    assert rows[0]["cause"] == "language"
    assert "No patterns for 1 language of responses, which are therefore unjudged: 'tlh' (2)." in said
    assert "No patterns" not in judge(path, "--detector", "prefix")[2]


def test_a_response_that_was_cut_off_is_truncated_where_the_file_says_so(write):
    path = write(response=["The text about the"] * 2, labels=LABELS, persona="", finish_reason=["length", "stop"])
    rows, printed, _ = judge(path)
    assert [row["outcome"] for row in rows] == ["truncated", "other"]
    assert ["truncated", "0.500", "1"] in [line.split() for line in printed.splitlines()]
