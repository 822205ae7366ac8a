"""The command ``validate``: by pattern, and the controls of a detector, with a model that answers by a script."""

import json
import re
import sys

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.cli import controls as cli_controls
from refusal_metrics.analysis.responses import read_responses
from typer.testing import CliRunner

from refusal_metrics.studies import Ended, StudyFolder

LABELS = ["response,refusal,persona", "I cannot.,yes,woman", "I cannot say it is rude.,no,woman", "Rude.,no,black"]
DECLINES = "I'm sorry, but I cannot do that."
ARGS = ("--model", "hf", "--model_args", "pretrained=acme/parrot-7b")


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def invoke(*arguments, code=0):
    """Run a command in this process; gives what it printed, and what it said."""
    result = CliRunner().invoke(cli.app, ["validate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def fail(monkeypatch, capsys, *arguments):
    """Run a command that a user's mistake ends; gives what it said."""
    monkeypatch.setattr(sys, "argv", ["persona-refusal", "validate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("persona-refusal: ").rstrip()


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    return path


# By pattern.


def test_each_pattern_is_printed_with_its_errors(labels):
    printed, said = invoke("--labels", labels, "--by", "rule", "--detector", "prefix", "--format", "json")
    rows = [row for row in json.loads(printed) if row["n_found"]]
    assert [(row["detector"], row["rule"], row["n_found"], row["n_right"], row["n_wrong"]) for row in rows] == [
        ("prefix", "i cannot", 2, 1, 1)
    ]
    assert rows[0]["precision"] == 0.5
    assert rows[0]["recall"] == 1
    n_patterns = len(json.loads(printed))
    assert f"prefix: {n_patterns - 1} of its {n_patterns} patterns decided no response" in said
    shown = invoke("--labels", labels, "--by", "rule", "--detector", "prefix")[0].splitlines()
    assert shown[0].strip() == "prefix"
    assert shown[3].split()[:6] == ["i", "cannot", "2", "1", "1", "0.500"]


def test_by_default_results_are_not_by_pattern(labels):
    assert json.loads(invoke("--labels", labels, "--format", "json")[0])[0]["factor"] == ""


# Controls.


@pytest.fixture
def told(monkeypatch, logs):
    """Let a model say what is given for each condition, one response for each letter of a text."""

    def say(**said):
        def ask(studies):
            for condition, study in studies.items():
                if StudyFolder(study.out).record():
                    continue
                StudyFolder(study.out).open(study.asked() | {"designs": {}})
                logs.write_run(study.out, said[condition], model=study.models[0].name)

        monkeypatch.setattr(cli_controls, "_ask", ask)

    return say


def label(table, path, of_response):
    """Label the responses of a table by their text."""
    frame = pd.read_parquet(table)
    frame["refusal"] = frame["response"].map(of_response)
    frame[["model", "design_id", "index", "response", "refusal", "text_id"]].to_csv(path, index=False)
    return path


def test_the_controls_print_what_is_called_a_refusal_and_write_a_table_to_label(told, tmp_path):
    # Told to decline: 3 of 4 refusals; told to answer: 4 of 4 answers; about two texts each.
    told(decline="RR RA", answer="AA AA")
    out = tmp_path / "controls"
    printed, said = invoke("--controls", "--out", out, *ARGS, "--format", "json")
    rows = {(row["condition"], row["level"]): row for row in json.loads(printed)}
    assert list(rows) == [(c, p) for c in ("decline", "answer") for p in ("", "black", "woman")]
    assert [rows["decline", p]["estimate"] for p in ("", "black", "woman")] == [0.75, 0.5, 1]
    assert [rows["answer", p]["estimate"] for p in ("", "black", "woman")] == [0, 0, 0]
    assert [rows[c, ""]["answered"] for c in ("decline", "answer")] == [0.25, 1]
    assert "Told to decline: answer_aware calls 3 of 4 responses refusals (75.00% [" in said
    assert "add --labels to measure the detector alone" in said
    table = out / "responses.parquet"
    assert said.splitlines()[-1] == f"Now: persona-refusal annotate export {table} --out {out}/to_label --n 8"
    assert read_responses([table]).n == 8
    assert set(pd.read_parquet(table)["model"]) == {"parrot-7b-decline", "parrot-7b-answer"}


def test_the_table_can_be_exported_for_annotators(told, tmp_path):
    told(decline="RR RA", answer="AA AA")
    said = invoke("--controls", "--out", tmp_path / "controls", *ARGS)[1]
    arguments = said.splitlines()[-1].split()[2:]
    assert CliRunner().invoke(cli.app, arguments, catch_exceptions=False).exit_code == 0
    assert len(pd.read_csv(tmp_path / "controls" / "to_label" / "key.csv")) == 8


def test_with_labels_the_detector_is_read_where_the_model_did_as_told(told, tmp_path):
    told(decline="RN RA", answer="AN AR")
    out = tmp_path / "controls"
    invoke("--controls", "--out", out, *ARGS)
    # Of four told to decline, people find two refusals: the "No, ..." is an answer to them. Told to answer, one of four
    # declines.
    file = label(out / "responses.parquet", tmp_path / "l.csv", lambda text: "yes" if text == DECLINES else "no")
    arguments = ("--controls", "--out", out, *ARGS, "--labels", file)
    printed, said = invoke(*arguments, "--detector", "prefix", "--by", "template", "--format", "json")
    rows = {(row["condition"], row["level"]): row for row in json.loads(printed)}
    decline, answer = rows["decline", ""], rows["answer", ""]
    assert [decline[name] for name in ("n_labelled", "n_obeyed", "n_obeyed_refused", "reading")] == [4, 2, 2, 1]
    # The prefix rule calls the "No, ..." a refusal: 1 of the 3 that do not decline.
    assert [answer[name] for name in ("n_labelled", "n_obeyed", "n_obeyed_refused")] == [4, 3, 1]
    assert answer["reading"] == pytest.approx(1 / 3)
    assert {level for _, level in rows} == {"", "p1", "p4"}
    assert "Told to decline, the model declined in 2 of 4 labelled responses" in said
    assert "Now:" not in said
    shown = invoke(*arguments)[0]
    # Of each condition a table of rates, then one of readings.
    titles = [line.strip() for line in shown.splitlines() if line.strip() in {"decline", "answer"}]
    assert titles == ["decline", "answer", "decline", "answer"]
    assert "reading" in shown
    # People see names.
    assert re.search(r"^Black +2 ", shown, re.MULTILINE)


def test_labels_of_other_responses_are_refused(told, tmp_path, labels, monkeypatch, capsys):
    told(decline="R", answer="A")
    arguments = ("--controls", "--out", tmp_path / "controls", *ARGS)
    invoke(*arguments)
    monkeypatch.setattr(cli_controls, "say", lambda _: None)
    said = fail(monkeypatch, capsys, *arguments, "--labels", labels)
    assert said == (f"{labels}: none of its 3 labelled items is among the responses of the controls; label these")


def test_another_model_needs_a_folder_of_its_own(told, tmp_path, monkeypatch, capsys):
    told(decline="R", answer="A")
    out = tmp_path / "controls"
    invoke("--controls", "--out", out, *ARGS)
    other = ("--model", "hf", "--model_args", "pretrained=acme/crow")
    said = fail(monkeypatch, capsys, "--controls", "--out", out, *other)
    assert said == f"{out}/decline: already has the responses of parrot-7b-decline; name another folder with --out"


def test_a_model_that_fails_ends_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(cli_controls, "run_missing", lambda *_: (Ended(failed={"parrot-7b-decline": "no weights"}), 1))
    said = invoke("--controls", "--out", tmp_path / "controls", *ARGS, code=1)[1]
    assert "parrot-7b-decline failed: no weights" in said
    assert not (tmp_path / "controls" / "responses.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "validate: neither --labels nor --controls is given; give a file of labels, or --controls"),
        ("--labels l --limit 3 --out o", "--out, --limit: is for --controls only; add --controls, or leave it out"),
        (
            "--labels l --by rule,persona",
            "--by rule,persona: patterns are not broken down further; give --by rule alone",
        ),
        ("--controls", "--controls: needs a folder for the responses; add --out FOLDER"),
        ("--controls --out o --model_args a=b", "--model_args: needs --model, the backend; add e.g. --model hf"),
        (
            "--controls --out o --model hf",
            "--model_args: names no model; give pretrained=NAME, or model=NAME for a server",
        ),
        (
            "--controls --out o --by rule",
            "--controls: tests one detector, by personas or templates; give one --detector, no --by rule",
        ),
        (
            "--controls --out o --model hf --model_args pretrained=m --labels l",
            (
                "--labels l: o/decline has no responses yet that could be labelled; first run the same command without "
                "--labels"
            ),
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, says, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert fail(monkeypatch, capsys, *arguments.split()) == says
