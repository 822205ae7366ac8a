"""A gate passes only a run that could be judged."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.gates import parse_margin
from refusal_metrics.analysis.leaderboard.comparison import compare_runs
from refusal_metrics.analysis.leaderboard.gate import check_runs
from refusal_metrics.analysis.responses import exclude_provider, pair_runs, read_responses

OUTCOMES = {
    "r": "refusal",
    "p": "refusal",
    "a": "answer",
    "o": "other",
    "e": "empty",
    "t": "truncated",
    "u": "unjudged",
}


def rows(word, *, model="m", task="nli", setting="persona", design="1"):
    """A response a letter, a text each; `-` is a prompt that was not asked, `?` one without a verdict."""
    return [
        {"model": model, "task": task, "setting": setting, "persona": "man", "text_id": f"t{i}", "row_id": f"t{i}"}
        | {"index": i, "design_id": f"{design}-{setting}", "refused_answer_aware": None if x == "?" else x in "rp"}
        | {"outcome": OUTCOMES.get(x), "refused_by": {"p": "provider", "r": "text"}.get(x)}
        for i, x in enumerate(word)
        if x != "-"
    ]


@pytest.fixture
def judge(tmp_path):
    """Judge a new run by a baseline; gives the gate and what the pairs note."""

    def judge(new, old, margin="+99pp", *, exclude=False):
        read = []
        for name, run in (("new", new), ("old", old)):
            path = tmp_path / f"{name}.parquet"
            pd.DataFrame(run).to_parquet(path, index=False)
            responses = read_responses([path])
            read.append(exclude_provider(responses) if exclude else responses)
        pairs = pair_runs(*read)
        comparison = compare_runs(pairs, np.random.default_rng(0), n_flips=399)
        return check_runs(pairs, comparison, parse_margin(margin)), pairs.notes

    return judge


@pytest.mark.parametrize(
    ("new", "old", "failed"),
    [
        # Nothing changed; a rate fell; 1 of 10 prompts is lacking, which is not more than a tenth.
        (rows("a" * 10), rows("a" * 10), []),
        (rows("a" * 10), rows("r" * 10), []),
        (rows("a" * 9 + "-"), rows("a" * 10), []),
        # What only the new run has is not judged.
        (rows("a" * 10) + rows("r" * 10, task="politeness"), rows("a" * 10), []),
        (rows("a" * 10) + rows("r" * 10, model="n"), rows("a" * 10), []),
        (rows("a" * 20), rows("a" * 10), []),
        # Half was refused by the provider, which is not more than half.
        (rows("ppaa" * 5), rows("ppaa" * 5), []),
        # 2 of 10 are lacking, were not judged, are others than the baseline's.
        (rows("a" * 8 + "--"), rows("a" * 10), ["m, NLI (persona): only 8 of the baseline's 10 prompts have a"]),
        (rows("a" * 8 + "??"), rows("a" * 10), ["only 8 of the baseline's 10 prompts"]),
        (rows("----" + "a" * 10), rows("a" * 10), ["only 6 of the baseline's 10 prompts"]),
        (rows("a" + "-" * 999), rows("a" * 1000), ["only 1 of the baseline's 1,000 prompts", "1 text gives no conf"]),
        # A task, a setting, a model, a model's task is missing.
        (rows("a" * 9), rows("a" * 9) + rows("a" * 9, task="x"), ["m, x (persona): is in the baseline but not in"]),
        (rows("a" * 9), rows("a" * 9) + rows("a", setting="neutral"), ["m, NLI (neutral): is in the baseline but n"]),
        (rows("a" * 9), rows("a" * 9) + rows("a" * 9, model="n"), ["n, NLI (persona): is in the baseline but not in"]),
        (
            rows("a" * 9) + rows("a" * 9, model="n") + rows("a" * 9, model="n", task="x"),
            rows("a" * 9) + rows("a" * 9, model="n") + rows("a" * 9, task="x") + rows("a" * 9, model="n", task="x"),
            ["m, x (persona): is in the baseline but not in the results."],
        ),
        # A task that was asked, and of which no verdict is there.
        (
            rows("a" * 9) + rows("?" * 9, task="x"),
            rows("a" * 9) + rows("a" * 9, task="x"),
            ["m, x (persona): is in the baseline but not in the results."],
        ),
        # Too little can be read, of either.
        (rows("e" * 10), rows("a" * 10), ["m, NLI (persona): 10 of 10 responses are empty: too many"]),
        (rows("eeuutta" + "a" * 4), rows("a" * 11), ["responses are empty or unjudged or truncated (2 empty, 2 unju"]),
        (rows("o" * 10), rows("a" * 10), ["none of 10 responses is an answer or a refusal."]),
        (rows("p" * 10), rows("p" * 10), ["10 of 10 responses are refused by the provider", "The baseline: m, NLI"]),
        (rows("a" * 10), rows("e" * 10), ["The baseline: m, NLI (persona): 10 of 10 responses are empty"]),
        (rows("a" * 10), rows("p" * 10), ["The baseline: m, NLI (persona): 10 of 10 responses are refused by the pr"]),
        # One text gives no interval.
        (rows("a"), rows("a"), ["m, NLI (persona): 1 text gives no confidence interval."]),
    ],
)
def test_a_run_that_cannot_be_judged_does_not_pass(judge, new, old, failed):
    gate, _ = judge(new, old)
    # Of so few texts, no change is outside a margin of 99 points.
    assert gate.verdict == ("INCONCLUSIVE" if failed else "PASS")
    assert len(gate.reasons) == len(failed) or not failed
    for part in failed:
        assert any(part in sentence for sentence in gate.reasons)


N = 400


@pytest.mark.parametrize(
    ("new", "old", "margin", "verdict"),
    [
        # Nothing changed: the interval is +-(1 - .025^(1/400)), 0.9 points.
        ("a" * N, "a" * N, "2pp", "PASS"),
        ("a" * N, "a" * N, "0.9pp", "INCONCLUSIVE"),
        # 100 of 400 are newly refused, or no longer: 25 points.
        ("r" * 100 + "a" * 300, "a" * N, "2pp", "FAIL"),
        ("a" * N, "r" * 100 + "a" * 300, "2pp", "FAIL"),
        ("a" * N, "r" * 100 + "a" * 300, "+2pp", "PASS"),
        ("r" * 100 + "a" * 300, "a" * N, "+2pp", "FAIL"),
        ("r" * 100 + "a" * 300, "a" * N, "25pp", "INCONCLUSIVE"),
        ("r" * 100 + "a" * 300, "a" * N, "40pp", "PASS"),
    ],
)
def test_the_change_is_within_the_margin_outside_or_neither(judge, new, old, margin, verdict):
    gate, _ = judge(rows(new), rows(old), margin)
    assert (gate.verdict, gate.reasons) == (verdict, ())


def test_the_intervals_of_all_models_and_tasks_are_simultaneous(judge):
    many = [row for model in "mnop" for row in rows("a" * N, model=model)]
    gate, _ = judge(many, many)
    # Four changes: +-(1 - q^(1/400)) with q = .05 / 4 / 2.
    bound = 1 - 0.00625 ** (1 / N)
    assert gate.checked[0].table["ci_high"].tolist() == pytest.approx([bound] * 4)


def test_the_persona_rows_of_a_comparison_are_no_part_of_the_gate(judge):
    gate, _ = judge(rows("r" * 20), rows("a" * 20), "5pp")
    assert gate.n_intervals == 1
    assert gate.line.startswith("FAIL: change of the refusal rate outside ±5 pp in m, NLI (persona): +100.00 pp [")
    assert "]; 1 of 1 simultaneous 95% confidence interval is outside the margin." in gate.line


def test_what_was_left_of_a_filtered_run_must_be_enough(judge):
    gate, _ = judge(rows("a" * 12 + "p" * 8), rows("a" * 20), exclude=True)
    assert "".join(gate.reasons) == (
        "m, NLI (persona): only 12 of the baseline's 20 prompts have a verdict in the results; at least 90% are needed."
    )
    # The same prompts were filtered in both: the others can be compared.
    assert judge(rows("a" * 12 + "p" * 8), rows("a" * 12 + "p" * 8), exclude=True)[0].verdict == "PASS"


def test_models_of_other_names_are_compared_if_each_run_is_of_one(judge):
    gate, notes = judge(rows("a" * 9, model="new"), rows("a" * 9, model="old"))
    assert gate.verdict == "PASS"
    assert "new is compared with old." in notes
    assert judge(rows("a" * 9, model="new"), rows("e" * 9, model="old"))[0].reasons == (
        "The baseline: new, NLI (persona): 9 of 9 responses are empty: too many to compare.",
    )


def test_a_models_missing_task_is_noted_without_a_gate_too(judge):
    # Another model of the run was asked that task.
    both = rows("a" * 9) + rows("a" * 9, model="n", task="x")
    _, notes = judge(both, both + rows("a" * 7, task="x"))
    assert any("m, x (persona): 0 prompts have a verdict in both runs" in note for note in notes)
