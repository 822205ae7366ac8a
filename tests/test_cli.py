"""The command: what goes to which stream, and how it ends."""

import io
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest
import typer
from refusal_metrics.analysis import cli
from refusal_metrics.analysis.rates import ESTIMATES
from typer.testing import CliRunner

from refusal_metrics import register as registry

COMMANDS = sorted(typer.main.get_command(cli.app).commands)


@pytest.fixture(scope="module")
def results(logs, tmp_path_factory):
    """A model of two settings; one text was asked again, so that there is something to say of the logs."""
    out = tmp_path_factory.mktemp("cli") / "results"
    logs.write_run(out, "RNA RAA")
    logs.write_run(out, "RNA", date=logs.LATER)
    logs.write_run(out, "AAA", setting="persona-free")
    return out


REPEATED = "3 lines repeated a doc; the newest of each was taken."


def invoke(*arguments):
    """Run a command that goes well, in this process."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def run(*arguments):
    """Run the installed command."""
    command = Path(sysconfig.get_path("scripts")) / "persona-refusal"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def fail(monkeypatch, capsys, *arguments):
    """Run a command that a user's mistake ends, in this process; gives what it printed."""
    monkeypatch.setattr(sys, "argv", ["persona-refusal", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr()


# Results to the standard output, talk to the standard error.


def test_csv_on_the_standard_output_is_the_table_and_nothing_else(results):
    ended = run("rates", results, "--format", "csv")
    assert ended.returncode == 0
    table = pd.read_csv(io.StringIO(ended.stdout))
    assert list(table) == ["model", "task", "setting", *ESTIMATES]
    # Persona: RNA RAA, 3 of 6 by prefix; persona-free: 0 of 3.
    assert table["setting"].tolist() == ["persona", "persona-free"]
    assert table["estimate"].tolist() == [0.5, 0.0]
    assert table["n"].tolist() == [6, 3]
    assert ended.stderr == f"{REPEATED}\nRefusals by the rule prefix.\n"


def test_json_on_the_standard_output_is_the_table_and_nothing_else(results):
    ended = invoke("rates", results, "--format", "json", "--by", "persona", "--detector", "prefix_strict")
    rows = json.loads(ended.stdout)
    assert set(rows[0]) == {"model", "task", "setting", "persona", *ESTIMATES}
    # The woman is answered R and R, the black person N and A, the muslim A and A; then there is nobody.
    of_persona = {row["persona"]: row["estimate"] for row in rows if row["setting"] == "persona"}
    assert of_persona == {"woman": 1.0, "black": 0.0, "muslim": 0.0}
    assert [row["persona"] for row in rows if row["setting"] == "persona-free"] == [None]
    assert ended.stderr == f"{REPEATED}\nRefusals by the rule prefix_strict.\n"


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_for_people_are_percentages(results, form):
    printed = invoke("rates", results, "--format", form).stdout
    assert "50.00" in printed
    assert "[0.00, 100.00]" in printed
    assert REPEATED not in printed


@pytest.mark.parametrize("by", ["persona", " persona , ", "persona,persona", "model,persona,task"])
def test_factors_may_be_spaced_or_repeated(results, by):
    plain = invoke("rates", results, "--format", "csv", "--by", "persona").stdout
    assert invoke("rates", results, "--format", "csv", "--by", by).stdout == plain


def test_several_factors_are_columns_in_the_order_given(results):
    printed = invoke("rates", results, "--format", "csv", "--by", "template,persona").stdout
    assert list(pd.read_csv(io.StringIO(printed)))[:5] == ["model", "task", "setting", "template", "persona"]


def test_several_results_are_one_study(results, logs, tmp_path):
    logs.write_run(tmp_path, "RR", model="b/two")
    printed = invoke("rates", results, tmp_path, "--format", "csv").stdout
    assert pd.read_csv(io.StringIO(printed))["model"].unique().tolist() == ["acme/parrot-7b", "b/two"]


def test_the_screen_shows_a_table_for_each_study_when_factors_are_told_apart(results):
    printed = invoke("rates", results, "--by", "persona_group").stdout
    titles = [line.strip() for line in printed.splitlines() if line.startswith("acme")]
    assert titles == ["acme/parrot-7b, offensiveness, persona", "acme/parrot-7b, offensiveness, persona-free"]


def test_the_report_prints_its_main_table_and_says_where_it_is(results, tmp_path):
    out = tmp_path / "report"
    ended = invoke("report", results, "--out", out)
    assert "acme/parrot-7b" in ended.stdout
    assert "50.00" in ended.stdout
    assert ended.stderr == f"{REPEATED}\nThe report is {out / 'report.md'}, its tables are in {out / 'tables'}.\n"
    assert (out / "report.md").is_file()
    assert (out / "tables" / "rates.csv").is_file()


def test_the_report_is_renewed_with_force(results, tmp_path):
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    invoke("report", results, "--out", tmp_path, "--force")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") != "old"


def test_tasks_path_prints_the_folder_for_include_path():
    ended = run("tasks-path")
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder,) = ended.stdout.splitlines()
    assert (Path(folder) / "persona_refusal.yaml").is_file()


def test_register_and_unregister_talk_to_the_standard_error(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "harness_folder", lambda: tmp_path)
    registered, unregistered = invoke("register"), invoke("unregister")
    assert registered.stdout == unregistered.stdout == ""
    assert registered.stderr.startswith("Linked ")
    assert unregistered.stderr.startswith("Removed ")
    assert list(tmp_path.iterdir()) == []


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rates", "{tmp}/gone"], "{tmp}/gone: no such file or folder"),
        (["rates", "{results}", "--by", "personna"], "did you mean 'persona'?"),
        (["rates", "{results}", "--detector", "prefixed"], "did you mean 'prefix'?"),
        (["report", "{results}", "--out", "{results}"], "{results}: is there already"),
    ],
    ids=["missing results", "unknown factor", "unknown detector", "a report in the way"],
)
def test_a_mistake_ends_with_2_and_one_line_on_the_standard_error(results, tmp_path, arguments, says):
    places = {"tmp": tmp_path, "results": results}
    ended = run(*(argument.format(**places) for argument in arguments))
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("persona-refusal: ")
    assert says.format(**places) in line


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "a:on:b", ":smile:", "long " * 40, "🦜"])
def test_what_a_mistake_names_is_shown_literally(tmp_path, monkeypatch, capsys, name):
    printed = fail(monkeypatch, capsys, "rates", tmp_path / name)
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"persona-refusal: {tmp_path / name}: no such file or folder")


@pytest.mark.parametrize("command", ["rates", "report"])
def test_two_designs_are_one_line_too(logs, tmp_path, monkeypatch, capsys, command):
    logs.write_run(tmp_path / "results", "RA", design="d1")
    logs.write_run(tmp_path / "results", "RA", design="d2", date=logs.LATER)
    options = ["--out", tmp_path / "out"] if command == "report" else []
    printed = fail(monkeypatch, capsys, command, tmp_path / "results", *options)
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "cannot be pooled" in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rates"], "RESULTS"),
        (["rates", ".", "--format", "xml"], "xml"),
        (["rates", ".", "--bye", "persona"], "--bye"),
        (["report", "."], "--out"),
        (["rate", "."], "'rate'"),
    ],
)
def test_a_misspelt_command_line_ends_with_2_and_says_what_is_wrong_with_it(monkeypatch, capsys, arguments, says):
    printed = fail(monkeypatch, capsys, *arguments)
    assert printed.out == ""
    assert says in printed.err
    assert "Traceback" not in printed.err


# Help.


def test_the_help_lists_every_command():
    printed = invoke("--help").stdout
    assert all(command in printed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_gives_an_example_or_says_what_it_prints(command):
    printed = invoke(command, "--help").stdout
    assert "Example: " in printed or " Print " in printed or "prints" in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command):
    parameters = typer.main.get_command(cli.app).commands[command].params
    assert [p.name for p in parameters if not p.help] == []
