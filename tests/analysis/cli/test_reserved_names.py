"""Factors that bear the name of a column of results: refused at the door, or renamed where they are the log's."""

import io
import sys

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.contracts import RESERVED
from typer.testing import CliRunner

ANSWERS = {"persona": "RNA RAA ANR", "neutral": "AN AA RA"}


def invoke(*arguments):
    """Run a command in this process; gives its table."""
    result = CliRunner().invoke(cli.app, [*map(str, arguments), "--format", "csv"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout))


@pytest.fixture(scope="module")
def table(logs, tmp_path_factory):
    """A table of responses without a column of a reserved name that is not the table's own."""
    folder = tmp_path_factory.mktemp("reserved")
    for setting, answers in ANSWERS.items():
        logs.write_run(folder / "results", answers, setting=setting)
    out = folder / "responses.csv"
    result = CliRunner().invoke(cli.app, ["ingest", str(folder / "results"), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out


COMMANDS = [
    *(f"rates --by {name}" for name in ("n", "estimate", "n_refused", "N", "persona,ci_low", "outcome", "index")),
    *(f"rates --against neutral --by {name}" for name in ("mde", "baseline")),
    *("rates --spread --by sd_observed", "rates --spread --by n_levels"),
    *(f"report --out OUT --factors {name}" for name in ("rule", "baseline", "n", "estimate", "family", "value")),
    *("sensitivity --factors iota", "sensitivity --interactions persona,level", "regression --factors persona,coef"),
    *("regression --formula persona*n", "trend --by outcome", "trend --by slope", "ingest --out OUT --factors n"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reserved_name_ends_a_command_in_one_sentence(monkeypatch, capsys, table, tmp_path, command):
    name, *options = command.replace("OUT", str(tmp_path / "out.csv")).split()
    monkeypatch.setattr(sys, "argv", ["persona-refusal", name, str(table), *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert (
        "cannot be used, for tables of results have a column of that name; rename the column, e.g. to run_"
        in " ".join(said.err.split())
    )
    assert not (tmp_path / "out.csv").exists()


_WITH_A_MEANING = {"empty", "answered", "item_id", "looks"}


def test_a_table_may_have_columns_of_reserved_names_that_are_no_factors(table, tmp_path):
    frame = pd.read_csv(table)
    more = frame.assign(**dict.fromkeys(RESERVED - set(frame.columns) - _WITH_A_MEANING, "x"))
    more.to_csv(tmp_path / "more.csv", index=False)
    for options in (["--by", "persona"], ["--against", "neutral"], ["--spread"]):
        pd.testing.assert_frame_equal(
            invoke("rates", tmp_path / "more.csv", *options), invoke("rates", table, *options)
        )


@pytest.mark.parametrize(
    "name", ["run_n", "text", "row", "prompt", "x", "label_", "file_row_number", "columns", "series"]
)
def test_a_factor_of_another_name_keeps_its_levels(table, tmp_path, name):
    frame = pd.read_csv(table)
    frame[name] = [("low", "high")[place % 2] for place in range(len(frame))]
    frame.to_csv(tmp_path / "more.csv", index=False)
    found = invoke("rates", tmp_path / "more.csv", "--by", name)
    persona = found[found["setting"] == "persona"]
    assert set(persona[name]) == {"low", "high"}
    assert persona["n"].sum() == (frame["setting"] == "persona").sum()


@pytest.mark.parametrize(
    ("argument", "column"), [("n", "run_n"), ("family", "run_family"), ("temperature", "temperature")]
)
def test_models_whose_logged_arguments_differ_in_one_of_a_reserved_name_are_read(logs, tmp_path, argument, column):
    # Two models, one asked with n=1 and the other with n=4: nobody can rename what a log says.
    for model, value in (("a/one", 1), ("b/two", 4)):
        asked = {"configs": logs.generation(logs.task_name(), **{argument: value})}
        logs.write_run(tmp_path, ANSWERS["persona"], model=model, asked=asked)
    assert len(invoke("rates", tmp_path)) == 2
    by = invoke("rates", tmp_path, "--by", column)
    assert by[["model", column]].to_numpy().tolist() == [["a/one", 1], ["b/two", 4]]
    written = tmp_path / "responses.csv"
    result = CliRunner().invoke(cli.app, ["ingest", str(tmp_path), "--out", str(written)], catch_exceptions=False)
    assert result.exit_code == 0
    pd.testing.assert_frame_equal(invoke("rates", written, "--by", column), by)


def test_a_factor_that_every_report_has_is_no_setting_of_runs(monkeypatch, capsys, table, tmp_path):
    monkeypatch.setattr(
        sys, "argv", ["persona-refusal", "report", str(table), "--out", str(tmp_path), "--factors", "task"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "--factors task: the report is broken down by every factor" in " ".join(capsys.readouterr().err.split())
