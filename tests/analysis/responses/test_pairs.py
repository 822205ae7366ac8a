"""Results read so that they can be set beside each other."""

import pandas as pd
import pytest
from refusal_metrics.analysis.responses.designs import load_studies
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.pairs import PAIRED, pair_runs
from refusal_metrics.analysis.responses.table import read_responses, write_responses

from refusal_metrics.errors import InputError


def models(study):
    return sorted(model for (model,) in study.query("SELECT DISTINCT model FROM responses").fetchall())


def pair(new, old, **read):
    return pair_runs(load_responses([new], **read), load_responses([old], **read))


# Models of one design.


def test_results_of_one_design_are_read_together(logs, tmp_path):
    for name in ("parrot", "crow"):
        logs.write_run(tmp_path / name, "RA AA", model=name)
    (study,) = load_studies([tmp_path / "parrot", tmp_path / "crow"])
    assert models(study) == ["crow", "parrot"]


def test_results_of_different_designs_are_read_apart(logs, tmp_path):
    for name, design in (("parrot", "d0"), ("crow", "d1"), ("owl", "d0")):
        logs.write_run(tmp_path / name, "RA AA", model=name, design=design)
    studies = load_studies([tmp_path / name for name in ("parrot", "crow", "owl")])
    assert [models(study) for study in studies] == [["owl", "parrot"], ["crow"]]


def test_one_folder_of_different_designs_is_a_mistake(logs, tmp_path):
    for name, design in (("parrot", "d0"), ("crow", "d1")):
        logs.write_run(tmp_path, "RA AA", model=name, design=design)
    with pytest.raises(InputError, match="was run with 2 designs"):
        load_studies([tmp_path])


def test_a_model_of_two_designs_is_a_mistake(logs, tmp_path):
    for design in ("d0", "d1"):
        logs.write_run(tmp_path / design, "RA AA", design=design)
    with pytest.raises(InputError, match="acme/parrot-7b was asked about the prompts of two designs"):
        load_studies([tmp_path / "d0", tmp_path / "d1"])


def test_another_mistake_stays_what_it_is(logs, tmp_path):
    logs.write_run(tmp_path / "there", "RA")
    with pytest.raises(InputError, match="nowhere"):
        load_studies([tmp_path / "there", tmp_path / "nowhere"])


# Two runs.


@pytest.fixture
def two_runs(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RAE RAN")
    logs.write_run(tmp_path / "new", "RRA AAN", date=logs.LATER)
    return tmp_path / "new", tmp_path / "old"


def test_each_prompt_is_paired_with_itself(two_runs):
    pairs = pair(*two_runs)
    rows = pairs.responses.query(f'SELECT "index", outcome_before, outcome FROM {PAIRED} ORDER BY 1').fetchall()
    kept, changed = ("refusal", "refusal"), [("answer", "refusal"), ("empty", "answer"), ("refusal", "answer")]
    assert rows[0] == (0, *kept)
    assert [row[1:] for row in rows[1:4]] == changed
    assert [row[1] == row[2] for row in rows[4:]] == [True, True]
    assert pairs.notes == ()


def test_prompts_of_one_run_alone_are_left_out_and_counted(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RAE RAN")
    logs.write_run(tmp_path / "new", "RRA")
    (note,) = pair(tmp_path / "new", tmp_path / "old").notes
    assert note == (
        "acme/parrot-7b, Offensiveness (persona): 3 prompts have a verdict in both runs and are compared, of 3 in the "
        "results and 6 in the baseline."
    )


def test_tasks_and_models_of_one_run_alone_are_said(logs, tmp_path):
    for run in ("old", "new"):
        logs.write_run(tmp_path / run, "RA")
        logs.write_run(tmp_path / run, "RA", model=f"{run}-model")
    logs.write_run(tmp_path / "new", "RA", kind="nli")
    assert pair(tmp_path / "new", tmp_path / "old").notes == (
        "Only in the results: new-model.",
        "Only in the baseline: old-model.",
        "Only in the results: NLI (persona).",
    )


def test_a_model_under_another_name_is_compared_where_each_run_has_one(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RA", model="parrot-v1")
    logs.write_run(tmp_path / "new", "AA", model="parrot-v2")
    pairs = pair(tmp_path / "new", tmp_path / "old")
    assert pairs.models == {"parrot-v2": "parrot-v1"}
    assert pairs.notes == ("parrot-v2 is compared with parrot-v1.",)
    assert pairs.responses.query(f"SELECT count(*), any_value(model) FROM {PAIRED}").fetchone() == (2, "parrot-v2")


def test_other_docs_are_a_mistake(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RA", design="d0")
    logs.write_run(tmp_path / "new", "RA", design="d1")
    with pytest.raises(InputError, match=r"Offensiveness \(persona\) has the design d1-.* and d0-"):
        pair(tmp_path / "new", tmp_path / "old")


def test_other_parts_of_one_design_are_a_mistake(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RA")
    logs.write_run(tmp_path / "new", "RA", first=2)
    with pytest.raises(InputError, match="have no common prompt with verdicts"):
        pair(tmp_path / "new", tmp_path / "old")


def test_runs_without_a_common_task_or_model_are_a_mistake(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RA", kind="nli")
    logs.write_run(tmp_path / "new", "RA")
    with pytest.raises(InputError, match="share no task"):
        pair(tmp_path / "new", tmp_path / "old")
    for name in ("a", "b"):
        logs.write_run(tmp_path / "two", "RA", model=name)
    with pytest.raises(InputError, match=r"the results \(a, b\) and the baseline \(acme/parrot-7b\) share no model"):
        pair(tmp_path / "two", tmp_path / "new")


def test_a_table_that_does_not_name_its_prompts_is_a_mistake(two_runs, tmp_path):
    table = tmp_path / "table.csv"
    rows = {"model": ["m"], "task": ["nli"], "text_id": ["t"], "refused": [1]}
    pd.DataFrame(rows).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"the results \(.*table.csv\): lacks the column design_id"):
        pair_runs(read_responses([table]), load_responses([two_runs[0]]))


def test_several_answers_to_one_prompt_are_a_mistake(two_runs, tmp_path):
    table = tmp_path / "table.parquet"
    write_responses(load_responses(two_runs, all_runs=True), table)
    with pytest.raises(
        InputError, match=r"contains several responses of acme/parrot-7b to one prompt \(offensiveness, per"
    ):
        pair_runs(load_responses([two_runs[0]]), read_responses([table]), "prefix")


def test_tables_pair_as_their_logs_do(two_runs, tmp_path):
    tables = []
    for folder in two_runs:
        tables.append(tmp_path / f"{folder.name}.parquet")
        write_responses(load_responses([folder]), tables[-1])
    rows = [
        pairs.responses.query(f"SELECT * FROM {PAIRED} ORDER BY 4").fetchall()
        for pairs in (pair(*two_runs), pair(*tables))
    ]
    assert rows[0] == rows[1]


def test_prompts_without_a_verdict_are_not_compared(logs, tmp_path):
    logs.write_run(tmp_path / "old", "RA RA")
    table = tmp_path / "new.csv"
    write_responses(load_responses([tmp_path / "old"]), table)
    rows = pd.read_csv(table, dtype=str)
    rows.loc[0, "refused_answer_aware"] = None
    rows.to_csv(table, index=False)
    pairs = pair(table, tmp_path / "old")
    assert pairs.responses.query(f"SELECT count(*) FROM {PAIRED}").fetchone() == (3,)
    assert "3 prompts have a verdict in both runs" in pairs.notes[-1]


def test_a_rule_of_one_run_alone_is_a_mistake(two_runs, tmp_path):
    table = tmp_path / "table.csv"
    write_responses(load_responses([two_runs[0]]), table)
    pd.read_csv(table).drop(columns=["refused_answer_aware"]).to_csv(table, index=False)
    with pytest.raises(
        InputError, match="baseline has no verdicts by answer_aware, only by prefix, prefix_strict; choose"
    ):
        pair_runs(load_responses([two_runs[0]]), read_responses([table]))
