"""Where responses come from, as far as the files say."""

import hashlib

import pandas as pd
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.origin import RUNS, SOFTWARE_OF_RUNS, read_origin
from refusal_metrics.analysis.responses.table import read_responses


def test_a_run_is_told_by_the_results_beside_its_samples(logs, tmp_path):
    asked = {
        "lm_eval_version": "0.4.13",
        "git_hash": "abc",
        "versions": {"persona_refusal_offensiveness": 1.0},
        "chat_template_sha": "0123456789abcdef",
    }
    logs.write_run(tmp_path, "RA", asked=asked)
    origin = read_origin(load_responses([tmp_path]))
    assert list(origin.runs) == list(RUNS)
    assert origin.runs.to_dict("records") == [
        {
            "model": "acme/parrot-7b",
            "task": "persona_refusal_offensiveness",
            "date": "2026-01-02",
            "lm_eval_version": "0.4.13",
            "transformers_version": None,
            "git_hash": "abc",
            "task_version": "1.0",
            **dict.fromkeys(SOFTWARE_OF_RUNS.values()),
            "chat_template": "0123456789ab",
            "samples": None,
        }
    ]
    assert (origin.first, origin.last) == ("2026-01-02", "2026-01-02")
    assert origin.designs.to_dict("records") == [
        {
            "task": "offensiveness",
            "setting": "persona",
            "design_id": "d0-offensiveness-persona",
            "models": 1,
            "n": 2,
            "texts": 1,
        }
    ]
    assert origin.tables.empty


def test_a_model_that_was_given_by_its_path_goes_by_the_folders_name(logs, tmp_path):
    logs.write_run(tmp_path, "RA", model="/home/me/secret/parrot")
    assert read_origin(load_responses([tmp_path])).runs["model"].tolist() == ["parrot"]


def test_a_results_file_that_cannot_be_read_says_nothing(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA")
    for results in log.parent.glob("results_*.json"):
        results.write_text("{", encoding="utf-8")
    assert read_origin(load_responses([tmp_path])).runs["lm_eval_version"].tolist() == [None]


def test_a_table_is_told_by_its_checksum_and_runs_by_its_column(tmp_path):
    file = tmp_path / "responses.parquet"
    rows = {"model": ["m"], "task": ["nli"], "text_id": ["t"], "refused": [0], "run": ["m/2026-03-04T05-06-07.8"]}
    pd.DataFrame(rows).to_parquet(file, index=False)
    origin = read_origin(read_responses([file]))
    assert origin.tables.to_dict("records") == [
        {
            "file": "responses.parquet",
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
    ]
    assert origin.first == "2026-03-04"
    assert "design_id" not in origin.designs


def test_a_shard_names_its_software_and_weights_beside_its_tasks_version(logs, tmp_path):
    versions = {"persona_refusal_offensiveness": 2.0, "persona-refusal": "0.1.0", "lm_eval": "0.4.13", "rules": 3}
    logs.write_run(
        tmp_path, "RA", asked={"versions": versions, "model_dtype": "bfloat16", "config": {"model_sha": "ab"}}
    )
    row = read_origin(load_responses([tmp_path])).runs.iloc[0]
    assert row[
        ["persona_refusal", "lm_eval_version", "rules", "model_dtype", "model_sha", "task_version"]
    ].tolist() == [*("0.1.0", "0.4.13", "3", "bfloat16", "ab", "2.0")]
