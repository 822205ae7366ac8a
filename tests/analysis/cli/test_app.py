"""The command: what goes to which stream, and how it ends."""

import io
import json
import subprocess
import sysconfig
from pathlib import Path

import pandas as pd
import pytest
import typer
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.cli import app as cli
from rich.cells import cell_len

from refusal_metrics import register as registry

COMMANDS = sorted(typer.main.get_command(cli.app).commands)


REPEATED = "3 lines repeated a doc; the newest of each was used."


def run(*arguments):
    """Run the installed command."""
    command = Path(sysconfig.get_path("scripts")) / "persona-refusal"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


# Results to the standard output, talk to the standard error.


def test_csv_on_the_standard_output_is_the_table_and_nothing_else(results):
    ended = run("rates", results, "--format", "csv")
    assert ended.returncode == 0
    table = pd.read_csv(io.StringIO(ended.stdout))
    assert list(table) == ["model", "task", "setting", *contracts.RATES.estimates]
    # Persona: RNA RAA, 2 of 6 (to answer_aware, N is no refusal); persona-free: 0 of 3.
    assert table["setting"].tolist() == ["persona", "persona-free"]
    assert table["estimate"].tolist() == pytest.approx([1 / 3, 0.0])
    assert table["n"].tolist() == [6, 3]
    assert ended.stderr == f"{REPEATED}\nRefusals by the detector answer_aware.\n"


def test_json_on_the_standard_output_is_the_table_and_nothing_else(invoke, results):
    ended = invoke("rates", results, "--format", "json", "--by", "persona", "--detector", "prefix_strict")
    rows = json.loads(ended.stdout)
    assert set(rows[0]) == {"model", "task", "setting", "persona", *contracts.RATES.estimates}
    # The woman is answered R and R, the black person N and A, the muslim A and A; then there is nobody.
    of_persona = {row["persona"]: row["estimate"] for row in rows if row["setting"] == "persona"}
    assert of_persona == {"woman": 1.0, "black": 0.0, "muslim": 0.0}
    assert [row["persona"] for row in rows if row["setting"] == "persona-free"] == [None]
    assert ended.stderr == f"{REPEATED}\nRefusals by the detector prefix_strict.\n"


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_for_people_are_percentages(invoke, results, form):
    printed = invoke("rates", results, "--format", form, "--detector", "prefix").stdout
    # R and N are 3 of the 6.
    assert "50.00" in printed
    # Persona-free: none of 3 responses to one text.
    assert "[0.00, 97.50]" in printed
    assert REPEATED not in printed


def test_factors_may_be_spaced_or_repeated(invoke, results):
    forms = ["persona", " persona , ", "persona,persona", "model,persona,task"]
    printed = {invoke("rates", results, "--format", "csv", "--by", by).stdout for by in forms}
    assert len(printed) == 1


def test_several_factors_are_columns_in_the_order_given(invoke, results):
    printed = invoke("rates", results, "--format", "csv", "--by", "template,persona").stdout
    assert list(pd.read_csv(io.StringIO(printed)))[:5] == ["model", "task", "setting", "template", "persona"]


def test_several_results_are_one_study(invoke, results, logs, tmp_path):
    logs.write_run(tmp_path, "RR", model="b/two")
    printed = invoke("rates", results, tmp_path, "--format", "csv").stdout
    assert pd.read_csv(io.StringIO(printed))["model"].unique().tolist() == ["acme/parrot-7b", "b/two"]


def test_the_screen_shows_a_table_for_each_study_when_factors_are_distinguished(invoke, results):
    printed = invoke("rates", results, "--by", "persona_group").stdout
    titles = [line.strip() for line in printed.splitlines() if line.startswith("acme")]
    assert titles == ["acme/parrot-7b, Offensiveness, persona", "acme/parrot-7b, Offensiveness, persona-free"]


@pytest.mark.usefixtures("two_figures")
def test_the_report_prints_its_main_table_and_says_where_it_is(invoke, results, tmp_path):
    out = tmp_path / "report"
    ended = invoke("report", results, "--out", out, "--replicates", 100)
    # The findings come first: here there is one text.
    first, _, table = ended.stdout.partition("\n\n")
    assert first.startswith("- This study is too small to show who is refused more often: ")
    assert first.removeprefix("- ") in (out / "report.md").read_text(encoding="utf-8")
    assert "acme/parrot-7b" in table
    assert "50.00" in table
    parts = f"tables in {out / 'tables'}, figures in {out / 'figures'}"
    where = f"Report written to {out / 'report.html'} ({parts})."
    kind = (
        "Rates are raw: every response has the same weight. Class-standardised rates need the class of every text, and "
        "two texts of each class."
    )
    assert ended.stderr == f"{REPEATED}\n{kind}\n{where}\n"
    assert (out / "report.html").is_file()
    assert (out / "report.md").is_file()
    assert (out / "tables" / "rates.csv").is_file()


def test_the_report_is_renewed_with_force(invoke, results, tmp_path):
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    invoke("report", results, "--out", tmp_path, "--force", "--tables-only", "--replicates", 100)
    assert (tmp_path / "report.md").read_text(encoding="utf-8") != "old"


def test_tasks_path_prints_the_folder_for_include_path():
    ended = run("tasks-path")
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder,) = ended.stdout.splitlines()
    assert (Path(folder) / "persona_refusal.yaml").is_file()


def test_register_and_unregister_talk_to_the_standard_error(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "harness_folder", lambda: tmp_path)
    registered, unregistered = invoke("register"), invoke("unregister")
    assert registered.stdout == unregistered.stdout == ""
    assert registered.stderr.startswith("Linked ")
    assert unregistered.stderr.startswith("Removed ")
    assert list(tmp_path.iterdir()) == []


# Mistakes.


def test_a_mistake_ends_with_2_and_one_line_on_the_standard_error(tmp_path):
    ended = run("rates", tmp_path / "gone")
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"persona-refusal: {tmp_path / 'gone'}: no such file or folder")


# Help.


def test_the_help_lists_every_command(invoke):
    printed = invoke("--help").stdout
    assert all(command in printed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_80_columns_and_gives_an_example(invoke, command):
    lines = invoke(command, "--help").stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    examples = [line for line in lines if line.strip().startswith("Example: ")]
    assert examples
    assert all("persona-refusal " in example for example in examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command):
    parameters = typer.main.get_command(cli.app).commands[command].params
    assert [p.name for p in parameters if not p.help] == []
