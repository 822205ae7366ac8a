"""Tables with labels, and with a judge who gave no verdict for some responses."""

import json

import pytest
from refusal_metrics.analysis.responses import load_responses


@pytest.fixture(scope="module")
def judged(logs, tmp_path_factory):
    """A table of six responses with a judge's verdicts of four, and labels of all six."""
    folder = tmp_path_factory.mktemp("judged")
    logs.write_run(folder / "results", "RAA NAA")
    judge = """CASE WHEN "index" IN (1, 4) THEN NULL ELSE "index" IN (0, 5) END"""
    table = load_responses([folder / "results"]).query(f"SELECT *, {judge} AS refused_judge_x FROM responses").df()
    table.to_parquet(folder / "judged.parquet", index=False)
    labels = table[["model", "design_id", "index"]].assign(response="Offensive.", id=table["index"])
    labels.assign(refusal=(table["index"] < 2).map({True: "yes", False: "no"})).to_csv(
        folder / "labels.csv", index=False
    )
    return folder


@pytest.mark.parametrize(
    ("detector", "n", "n_refused", "corrected"),
    [
        # 0 and 1 are refusals, of all six; to the judge, of whom only 0, 2, 3 and 5 are known, one of four.
        ("answer_aware", 6, 1, 2 / 6),
        ("prefix", 6, 2, 2 / 6),
        ("prefix_strict", 6, 1, 2 / 6),
        ("judge_x", 4, 2, 1 / 4),
    ],
)
def test_rates_are_corrected_of_every_detector_of_a_table(invoke, judged, detector, n, n_refused, corrected):
    options = ["--labels", judged / "labels.csv", "--detector", detector, "--format", "json"]
    printed = invoke("rates", judged / "judged.parquet", *options)
    (row,) = json.loads(printed.stdout)
    assert (row["n"], row["n_refused"], row["estimate"]) == (n, n_refused, pytest.approx(corrected))
    said = " ".join(printed.stderr.split())
    assert "judge_x gave no verdict for 2 of 6 responses: left out of its numbers." in said
    assert ("judge_x gave 2 of 6 labelled items no verdict; they are left out." in said) == (detector == "judge_x")


def test_rates_of_a_detector_are_of_what_it_judged(invoke, judged):
    printed = {
        rule: json.loads(invoke("rates", judged / "judged.parquet", "--detector", rule, "--format", "json").stdout)
        for rule in ("prefix", "judge_x")
    }
    assert {rule: (row["n"], row["n_refused"]) for rule, (row,) in printed.items()} == {
        "prefix": (6, 2),
        "judge_x": (4, 2),
    }
