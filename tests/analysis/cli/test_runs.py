"""The option ``trend --by date``."""

import csv
import io
import json

import pytest
from refusal_metrics.analysis.cli import app as cli
from rich.cells import cell_len
from typer.testing import CliRunner

from refusal_metrics.errors import InputError


def invoke(*arguments):
    """Run the command; gives what it printed, and what it said."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, ["trend", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


@pytest.fixture
def nightly(logs, tmp_path):
    """Three nights, in folders of their own: 0, 1 and 2 of 4 prompts are refused."""
    for night, answers in enumerate(("AA AA", "RA AA", "RA RA")):
        logs.write_run(tmp_path / "nightly" / str(night), answers, date=f"2026-01-0{night + 1}T03-04-05.678901")
    return tmp_path / "nightly"


def test_each_run_has_a_rate_and_the_model_a_slope(nightly):
    printed, said = invoke(nightly, "--by", "date")
    assert max(map(cell_len, printed.splitlines())) <= 80
    for shown in ("2026-01-01", "25.00", "50.00"):
        assert shown in printed
    # 25 points a day.
    assert "+750.00" in printed
    # Each run is a level of its own: no prompt was left out as repeated.
    assert "repeated a doc" not in said
    assert "were pooled" not in said


def test_json_has_the_slopes_or_each_rate(nightly):
    (slope,) = json.loads(invoke(nightly, "--by", "date", "--format", "json")[0])
    assert slope["slope"] == pytest.approx(30 * 0.25)
    assert slope["n_runs"] == 3
    rates = list(csv.DictReader(io.StringIO(invoke(nightly, "--by", "date", "--each", "--format", "csv")[0])))
    assert [(row["date"], float(row["estimate"])) for row in rates] == [
        ("2026-01-01", 0),
        ("2026-01-02", 0.25),
        ("2026-01-03", 0.5),
    ]


def test_the_figure_and_its_data_are_written_and_not_overwritten(nightly, tmp_path):
    out = tmp_path / "trend"
    _, said = invoke(nightly, "--by", "date", "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["runs.csv", "runs.png", "runs.svg"]
    assert f"Wrote {out / 'runs.csv'}" in said
    svg = (out / "runs.svg").read_text(encoding="utf-8")
    assert "2026-01-0" in svg
    assert "refusal rate (%)" in svg
    rows = list(csv.DictReader((out / "runs.csv").open(encoding="utf-8")))
    assert [float(row["fitted"]) for row in rows] == pytest.approx([0, 0.25, 0.5], abs=1e-9)
    with pytest.raises(InputError, match=r"runs.csv: already exists"):
        invoke("not read", "--by", "date", "--out", out)
    invoke(nightly, "--by", "date", "--out", out, "--force")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--by", "date,temperature"), "--by date,temperature: date cannot be combined with other factors"),
        (("--by", "date", "--all-runs"), "--all-runs: cannot be combined with --by date"),
        (("--out", "trend"), "--out trend: is the folder of the figure of --by date; add --by date"),
    ],
)
def test_options_that_do_not_go_together_are_a_mistake(options, said):
    with pytest.raises(InputError, match=said):
        invoke("not read", *options)


def test_two_runs_have_no_slope(nightly):
    with pytest.raises(InputError, match="a slope over dates needs at least 3 runs on different days"):
        invoke(nightly / "0", nightly / "1", "--by", "date")
