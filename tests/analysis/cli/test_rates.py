"""The command ``rates``: what it counts besides refusals."""

import csv
import json

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics import load
from refusal_metrics.errors import InputError

KINDS = {
    "r": {"refused": 1, "outcome": "refusal", "refused_by": "text"},
    "p": {"refused": 1, "outcome": "refusal", "refused_by": "provider"},
    "a": {"refused": 0, "outcome": "answer"},
    "u": {"refused": 0, "outcome": "unjudged"},
    "t": {"refused": 0, "outcome": "truncated"},
}


def invoke(*arguments):
    """Run a command; gives what it printed, and what it said on one line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Ten responses about a text each: 1 refusal by its text, 3 by the provider, 3 answers, 2 unjudged, 1 truncated."""
    rows = [
        {"model": "m", "task": "nli", "setting": "persona", "persona": ("man", "woman")[i % 2], "text_id": f"t{i}"}
        | KINDS[letter]
        for i, letter in enumerate("rpppaaauut")
    ]
    path = tmp_path_factory.mktemp("provider") / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


COUNTS = ("n", "n_refused", "n_unjudged", "n_truncated", "n_provider")


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ([], (10, 4, 2, 1, 3)),
        # Out of the numerator and of the denominator.
        (["--exclude-provider"], (7, 1, 2, 1, 0)),
    ],
)
def test_what_was_not_read_and_what_the_provider_refused_is_counted(table, form, options, counts):
    printed, said = invoke("rates", table, "--format", form, *options)
    (row,) = json.loads(printed) if form == "json" else csv.DictReader(printed.splitlines())
    assert tuple(int(row[name]) for name in COUNTS) == counts
    assert float(row["estimate"]) == pytest.approx(counts[1] / counts[0])
    assert ("3 of 10 responses were refused by the provider and left out" in said) is bool(options)
    assert ("Refused by the provider, not by the model's own words: m, NLI (persona): 3 of 10" in said) is not options


def test_the_counts_are_of_each_persona_too(table):
    # In the even places stand r p a a u, in the odd ones p p a u t.
    rows = list(csv.DictReader(invoke("rates", table, "--by", "persona", "--format", "csv")[0].splitlines()))
    assert {row["persona"]: tuple(int(row[name]) for name in COUNTS) for row in rows} == {
        "man": (5, 2, 1, 0, 1),
        "woman": (5, 2, 1, 1, 2),
    }


@pytest.mark.parametrize(
    "command",
    [
        ("rates", "--against", "others"),
        ("rates", "--spread"),
        ("sensitivity", "--replicates", "100"),
        ("regression", "--factors", "persona"),
        ("leaderboard",),
    ],
)
def test_every_estimate_leaves_the_provider_out_where_asked(table, command):
    name, *options = command
    _, said = invoke(name, table, *options, "--format", "csv", "--exclude-provider")
    assert "3 of 10 responses were refused by the provider and left out" in said


def test_corrected_differences_are_not_broken_down(table, tmp_path):
    labels = tmp_path / "labels.csv"
    with pytest.raises(InputError, match=r"--by temperature: .* leave out --by, or --against"):
        invoke("rates", table, "--labels", labels, "--against", "others", "--by", "temperature")
    with pytest.raises(InputError, match="leave out by, or labels"):
        load(table).contrasts("others", by="temperature", labels=labels)


def test_an_ingested_table_keeps_what_was_counted(table, tmp_path):
    for name in ("t.parquet", "t.csv"):
        invoke("ingest", table, "--out", tmp_path / name)
        (row,) = csv.DictReader(invoke("rates", tmp_path / name, "--format", "csv")[0].splitlines())
        assert tuple(int(row[name]) for name in COUNTS) == (10, 4, 2, 1, 3)


def test_nothing_is_left_if_the_provider_refused_all(table, tmp_path):
    frame = pd.read_csv(table)
    frame[frame["refused_by"] == "provider"].to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match="provider"):
        invoke("rates", tmp_path / "p.csv", "--exclude-provider")
