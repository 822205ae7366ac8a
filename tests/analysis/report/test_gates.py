"""A gate on the command line and in the files of a report: ``report --fail-if``."""

import json

import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.errors import InputError


def invoke(*arguments, code):
    """Run the command; gives what it printed, and what it said."""
    arguments = ["report", *map(str, arguments), "--tables-only", "--replicates", "100"]
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def results(logs, tmp_path):
    """Results with 12 refusals of 36: 33%, with an interval of about [15, 56] by texts that are all alike."""
    logs.write_run(tmp_path / "results", "RAA " * 12)
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("margin", "verdict", "code"), [("90%", "PASS", 0), ("35%", "INCONCLUSIVE", 4), ("1%", "FAIL", 3)]
)
def test_the_verdict_is_first_on_the_terminal_and_in_the_files(results, tmp_path, margin, verdict, code):
    out = tmp_path / "out"
    printed, _ = invoke(results, "--out", out, "--fail-if", f"refusal_rate > {margin}", code=code)
    assert printed.startswith(f"{verdict}: ")
    assert (out / "report.md").read_text(encoding="utf-8").splitlines()[2].startswith(f"**{verdict}: ")
    written = json.loads((out / "gate.json").read_text(encoding="utf-8"))
    assert (written["verdict"], written["exit_code"], written["n_intervals"]) == (verdict, code, 1)
    (interval,) = written["conditions"][0]["intervals"]
    assert interval["estimate"] == pytest.approx(12 / 36)
    assert interval["ci_low"] < 12 / 36 < interval["ci_high"]


def test_json_is_an_object_of_the_gate_and_the_rows(results, tmp_path):
    asked = ("--fail-if", "refusal_rate > 1%", "--format", "json")
    found = json.loads(invoke(results, "--out", tmp_path / "out", *asked, code=3)[0])
    assert list(found) == ["gate", "rows"]
    assert found["gate"] == json.loads((tmp_path / "out" / "gate.json").read_text(encoding="utf-8"))
    assert found["rows"] == json.loads(invoke(results, "--out", tmp_path / "plain", *asked[2:], code=0)[0])


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("toxicity > 5%", "unknown metric 'toxicity': allowed are refusal_rate, refusal_rate_prefix, "),
        ("persona gap", "has no margin"),
    ],
)
def test_a_condition_that_is_none_is_found_before_anything_is_read_or_written(tmp_path, condition, said):
    with pytest.raises(InputError, match=said):
        invoke(tmp_path / "missing", "--out", tmp_path / "out", "--fail-if", condition, code=2)
    assert not (tmp_path / "out").exists()
