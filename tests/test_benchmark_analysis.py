"""The programs that `scripts/benchmark_analysis` times run, each on a tiny study."""

import itertools
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "benchmark_analysis"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a program of the script in this process and return what it prints."""

    def run(name, *words):
        program = tmp_path / "program.py"
        program.write_text(SCRIPT[name], encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [str(program), *map(str, words)])
        runpy.run_path(str(program), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def log(logs, tmp_path):
    """Write a log of four responses."""
    return logs.write_log(tmp_path / "logs", logs.samples("RA NE"))


@pytest.fixture
def table(tmp_path):
    """Write the responses of two models about 12 texts, half of them refusals."""
    asked = itertools.product(["m", "o"], ["nli", "politeness"], ["woman", "black"], ["p1", "p4"], range(12))
    rows = pd.DataFrame(asked, columns=["model", "task", "persona", "template", "text"])
    rows["text_id"] = rows["task"] + "/t" + rows.pop("text").astype(str)
    rows["refused"] = np.random.default_rng(0).permutation(len(rows)) % 2 == 0
    path = tmp_path / "responses.parquet"
    rows.assign(setting="persona").to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("fields", ["few", "all"])
def test_the_bare_scan_counts_the_responses_of_a_log(run, log, fields):
    assert run("SCAN", fields, log).startswith("[(4, ")


def test_pandas_counts_the_responses_of_a_log(run, log):
    assert run("PANDAS", log) == "4\n"


def test_the_row_level_regression_has_all_factors(run, table):
    printed = run("LOGIT", table)
    for term in ("C(persona)[T.woman]", "C(template)[T.p4]", "C(task)[T.politeness]", "C(model)[T.o]"):
        assert term in printed


@pytest.mark.parametrize("name", ["COUNT", "ESTIMATES"])
def test_a_table_is_counted_and_estimated(run, table, name):
    assert run(name, table) == ""


def test_the_stopwatch_measures_a_program_and_reports_a_failure():
    cost = SCRIPT["_run"]([sys.executable, "-c", "pass"])
    assert cost.seconds > 0
    assert cost.memory > 0
    assert SCRIPT["_run"]([sys.executable, "-c", "raise SystemExit(3)"]) is None
