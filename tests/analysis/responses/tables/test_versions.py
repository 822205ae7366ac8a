"""Verdicts of different versions of the detection rules are never mixed without a warning."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.gates import parse_margin
from refusal_metrics.analysis.leaderboard import check_runs, compare_runs
from refusal_metrics.analysis.responses import load_responses, pair_runs, read_responses, write_responses

from refusal_metrics.detection import RULES_VERSION

OTHER = str(int(RULES_VERSION) - 1)


@pytest.fixture
def table(tmp_path):
    """Write and read a table of 40 responses; `versions` are those of their verdicts."""

    def table(*versions, name="table", column="refused_answer_aware"):
        rows = [
            {"model": "m", "task": "nli", "setting": "persona", "persona": "man", "text_id": f"t{i}", "row_id": f"t{i}"}
            | {"index": i, "design_id": "1-persona", column: False, "rules": versions[i % len(versions)]}
            for i in range(40)
        ]
        path = tmp_path / f"{name}.parquet"
        pd.DataFrame(rows).to_parquet(path, index=False)
        return read_responses([path])

    return table


def warnings(responses):
    return [note for note in responses.notes if "version" in note]


def test_a_table_of_this_version_or_of_an_unknown_one_needs_no_warning(table):
    assert warnings(table(RULES_VERSION)) == []
    assert warnings(table(None)) == []
    # Somebody else's detector and column.
    assert warnings(table("mine", column="refused_mine")) == []


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ((OTHER,), f"40 responses by version {OTHER}."),
        ((OTHER, RULES_VERSION), f"20 responses by version {OTHER}, 20 responses by version {RULES_VERSION}."),
        (("9\x1b[31m",), "40 responses by version 9\N{REPLACEMENT CHARACTER}[31m."),
    ],
)
def test_a_table_of_another_version_is_reported_with_its_counts(table, versions, said):
    (note,) = warnings(table(*versions))
    assert said in note
    assert "persona-refusal detect judges all of them by one version" in note


def test_two_runs_of_different_versions_pass_no_gate(table):
    def gate(*versions):
        pairs = pair_runs(*(table(version, name=f"{i}") for i, version in enumerate(versions)))
        comparison = compare_runs(pairs, np.random.default_rng(0), n_flips=99)
        return pairs, check_runs(pairs, comparison, parse_margin("50pp"))

    pairs, passed = gate(RULES_VERSION, RULES_VERSION)
    assert (passed.verdict, pairs.mixed) == ("PASS", ())
    pairs, mixed = gate(RULES_VERSION, OTHER)
    assert mixed.verdict == "INCONCLUSIVE"
    (reason,) = mixed.reasons
    assert f"(the results by {RULES_VERSION}, the baseline by {OTHER})" in reason
    assert reason in pairs.notes


def test_a_table_made_from_logs_names_the_version_and_logs_are_judged_again(logs, tmp_path):
    lines = logs.samples("RA AA")
    for line in lines:
        line["answer_rate"]["rules"] = OTHER
        # What another version took for an answer.
        line["answer_rate"]["outcome"] = "answer"
        line["refusal_rate"] = 0.0
    logs.write_run(tmp_path / "results", lines)
    responses = load_responses([tmp_path / "results"])
    assert responses.query(
        "SELECT count_if(refused_answer_aware), min(rules), max(rules) FROM responses"
    ).fetchone() == (
        1,
        RULES_VERSION,
        RULES_VERSION,
    )
    assert any("judged again from their responses" in note for note in responses.notes)
    write_responses(responses, tmp_path / "table.parquet")
    assert warnings(read_responses([tmp_path / "table.parquet"])) == []
