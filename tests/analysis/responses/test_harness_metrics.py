"""Other metrics from the harness's results files."""

import json
import math

import pytest
from refusal_metrics.analysis.responses.harness_metrics import METRICS, read_metrics

from refusal_metrics.errors import InputError

MODEL = "acme/parrot-7b"
DATE, LATER = "2026-01-02T03-04-05.678901", "2026-01-03T03-04-05.678901"


def write(folder, results, *, model=MODEL, date=DATE, **run):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps({"results": results, "model_name": model} | run), encoding="utf-8")
    return path


def values(table):
    return {(row["model"], row["metric"]): (row["value"], row["stderr"]) for _, row in table.iterrows()}


def test_a_metric_is_named_by_its_task_and_by_its_filter_where_it_has_one(tmp_path):
    write(
        tmp_path / "acme",
        {
            "mmlu": {"alias": "mmlu", "sample_len": 10, "acc,none": 0.5, "acc_stderr,none": 0.01},
            "gsm8k": {"exact_match,strict-match": 0.25, "exact_match_stderr,strict-match": "N/A"},
        },
        higher_is_better={"mmlu": {"acc": True}},
    )
    table, notes = read_metrics([tmp_path], [MODEL])
    assert list(table.columns) == list(METRICS)
    found = values(table)
    assert found[MODEL, "mmlu/acc"] == (0.5, 0.01)
    assert found[MODEL, "gsm8k/exact_match,strict-match"][0] == 0.25
    assert math.isnan(found[MODEL, "gsm8k/exact_match,strict-match"][1])
    assert dict(zip(table["metric"], table["higher_is_better"], strict=True))["mmlu/acc"] is True
    assert len(found) == 2
    assert notes == ()


def test_of_several_runs_the_newest_counts(tmp_path):
    write(tmp_path / "z", {"mmlu": {"acc,none": 0.1}}, date=DATE)
    write(tmp_path / "a", {"mmlu": {"acc,none": 0.9}}, date=LATER)
    assert values(read_metrics([tmp_path], [MODEL])[0])[MODEL, "mmlu/acc"][0] == 0.9


def test_a_group_with_a_number_stands_for_its_subtasks_and_one_without_does_not(tmp_path):
    results = {"mmlu": {"acc,none": 0.5}, "mmlu_stem": {"acc,none": 0.4}, "tag": {"alias": "tag"}}
    groups = {"mmlu": ["mmlu_stem"], "tag": ["ifeval"]}
    write(tmp_path, results | {"ifeval": {"acc,none": 0.3}}, group_subtasks=groups)
    assert set(read_metrics([tmp_path], [MODEL])[0]["metric"]) == {"mmlu/acc", "ifeval/acc"}


def test_refusal_rates_are_no_other_metrics(tmp_path):
    write(tmp_path, {"persona_refusal_nli": {"refusal_rate_prefix,none": 0.5, "answer_rate,none": 0.5}})
    assert read_metrics([tmp_path], [MODEL])[0].empty


def test_metrics_of_a_model_that_is_not_on_the_board_are_left_out_and_said(tmp_path):
    write(tmp_path, {"mmlu": {"acc,none": 0.5}}, model="acme/crow")
    table, notes = read_metrics([tmp_path], [MODEL])
    assert table.empty
    assert notes == ("Left out, metrics of models that have no refusal rate here: acme/crow.",)


def test_a_model_given_by_its_path_goes_by_the_folders_name_as_in_the_logs(logs, tmp_path):
    logs.write_run(tmp_path / "logs", "RA", model="/models/parrot-7b")
    write(tmp_path / "more", {"mmlu": {"acc,none": 0.5}}, model="/models/parrot-7b/")
    found = values(read_metrics([tmp_path / "logs", tmp_path / "more"], ["parrot-7b"])[0])
    assert list(found) == [("parrot-7b", "mmlu/acc")]


def test_metrics_are_found_beside_a_file_of_samples_and_by_a_pattern(logs, tmp_path):
    samples = logs.write_run(tmp_path, "RA")
    write(samples.parent, {"mmlu": {"acc,none": 0.5}}, date=LATER)
    assert len(read_metrics([samples], [MODEL])[0]) == 1
    assert len(read_metrics([f"{tmp_path}/*"], [MODEL])[0]) == 1


def test_a_task_measured_in_two_ways_is_said(tmp_path):
    for name, shots in (("parrot", 0), ("crow", 5)):
        write(tmp_path / name, {"mmlu": {"acc,none": 0.5}}, model=name, **{"n-shot": {"mmlu": shots}})
    _, (note,) = read_metrics([tmp_path], ["parrot", "crow"])
    assert note == "mmlu was measured in different ways (shots 0; shots 5): its numbers do not compare models."


@pytest.mark.parametrize("text", ["{", "[]", '{"results": 3}', '{"results": {"a": 1, "b": {"acc,none": true}}}'])
def test_a_damaged_results_file_says_nothing(tmp_path, text):
    (tmp_path / f"results_{DATE}.json").write_text(text, encoding="utf-8")
    assert read_metrics([tmp_path], [MODEL])[0].empty


def test_tables_and_addresses_have_no_other_metrics(tmp_path):
    table = tmp_path / "responses.parquet"
    assert read_metrics([table], [MODEL])[1] == ()
    _, (note,) = read_metrics(["s3://bucket/results"], [MODEL])
    assert note == "s3://bucket/results: other metrics are read from folders on this machine alone."


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file or folder; give the folder"):
        read_metrics([tmp_path / "nowhere"], [MODEL])


# Names of the harness from 0.5 on, and of our own metrics.


def test_a_task_named_by_its_groups_is_the_task_of_the_older_harness(tmp_path):
    old = {"mmlu_anatomy": {"acc,none": 0.25}, "gsm8k": {"exact_match,none": 0.5}}
    new = {"mmlu::stem::mmlu_anatomy": {"acc,none": 0.75}, "gsm8k": {"exact_match,none": 0.5}}
    write(tmp_path / "old", old, model="a", higher_is_better={"mmlu_anatomy": {"acc": True}})
    write(tmp_path / "new", new, model="b", higher_is_better={"mmlu::stem::mmlu_anatomy": {"acc": True}})
    table, notes = read_metrics([tmp_path], ["a", "b"])
    assert {key: value for key, (value, _) in values(table).items()} == {
        ("a", "mmlu_anatomy/acc"): 0.25,
        ("b", "mmlu_anatomy/acc"): 0.75,
        ("a", "gsm8k/exact_match"): 0.5,
        ("b", "gsm8k/exact_match"): 0.5,
    }
    assert table["higher_is_better"].dropna().tolist() == [True, True]
    assert notes == ()


@pytest.mark.parametrize("subtasks", [{}, {"mmlu": ["mmlu_anatomy"]}, {"mmlu": ["mmlu::mmlu_anatomy"]}])
def test_a_task_inside_a_group_with_a_number_is_left_out_by_either_name(tmp_path, subtasks):
    results = {"mmlu": {"acc,none": 0.5}, "mmlu::mmlu_anatomy": {"acc,none": 0.25}}
    write(tmp_path, results, group_subtasks=subtasks)
    table, _ = read_metrics([tmp_path], [MODEL])
    assert table["metric"].tolist() == ["mmlu/acc"]


def test_our_own_tasks_are_left_out_by_either_name(tmp_path):
    rates = {"refusal_rate,none": 0.1, "refusal_rate_stderr,none": 0.01}
    write(tmp_path, {"persona_refusal::persona_refusal_nli": rates, "persona_refusal_nli": rates})
    assert read_metrics([tmp_path], [MODEL])[0].empty


@pytest.mark.parametrize(
    ("name", "today"),
    [
        ("refusal_rate_answer_aware", "called refusal_rate now"),
        ("refusal_rate_answer_aware_clustered_se", "called refusal_rate_stderr now"),
        ("refusal_rate_prefix_clustered_se", "called refusal_rate_prefix_stderr now"),
        ("persona_spread_prefix_strict", "called persona_spread now"),
        ("persona_spread_answer_aware", "called persona_spread now"),
        ("refusal_rate_prefix_semi_forced", "rates RESULTS --by response_type"),
        ("refusal_rate_answer_aware_forced", "rates RESULTS --by response_type"),
        ("refusal_rate", "is a metric and no folder; the leaderboard has it"),
    ],
)
def test_a_metric_where_a_folder_is_asked_for_is_refused_with_its_name_today(name, today):
    with pytest.raises(InputError) as caught:
        read_metrics([name], [MODEL])
    assert today in str(caught.value)
