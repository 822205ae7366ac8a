"""Where responses come from, as far as the files say."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.origin import RUNS, SOFTWARE_OF_RUNS, read_origin, read_population
from refusal_metrics.analysis.responses.run_results import ResultsFiles
from refusal_metrics.analysis.responses.table import read_responses

from refusal_metrics.studies import RECORD


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


def test_each_results_file_is_read_once(logs, tmp_path, monkeypatch):
    read = []
    of = ResultsFiles.of
    monkeypatch.setattr(ResultsFiles, "of", lambda self, *place: read.append(place) or of(self, *place))
    opened = []
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: opened.append(self.name) or read_text(self, *a, **k))
    logs.write_run(tmp_path, "RA")
    logs.write_run(tmp_path, "RA", setting="neutral")
    responses = load_responses([tmp_path])
    assert len(read_origin(responses).runs) == len(read) == 2
    assert opened.count(f"results_{logs.DATE}.json") == 1


# Studies.

RUN = {
    "versions": {"lm_eval": "0.4.13", "vllm": "0.32.0", "transformers": "5.19.0"},
    "model_revision": "abc",
    "model_dtype": "torch.bfloat16",
    "hardware": {"accelerators": ["A GPU", "A GPU"], "n_cores": 8, "machine": "x86_64"},
    "seconds": 50.0,
    "n_prompts": 200,
    "n_asked": 180,
    "n_tokens": 1000,
    "repeat_check": {"n": 40, "n_texts_changed": 4, "n_outcomes_changed": 2, "n_refusals_changed": 1},
}
TASK = "persona_refusal_nli"


@pytest.fixture
def study(logs, tmp_path):
    """Write a study with a log of each model; `record` is what its record says besides."""

    def write(runs, shards=({},), **record):
        for model in runs:
            for number, told in enumerate(shards, 1):
                date = f"2026-01-01T00-00-00.{number:06}"
                place = tmp_path / model / TASK
                lines = logs.samples("A", kind="nli", first=number)
                logs.write_log(place, lines, task=TASK, date=date)
                if told is not None:
                    logs.write_results(place, model, date=date, **told)
        asked = {"models": {}, "designs": {}}
        whole = {"began": "2026-01-01T00-00-00", "asked": asked, "tasks": {}, "runs": runs, **record}
        (tmp_path / RECORD).write_text(json.dumps(whole), encoding="utf-8")
        return read_origin(load_responses([tmp_path]))

    return write


def test_a_models_versions_hardware_and_rates_are_those_of_the_record(study):
    row = study({"m": RUN}).studies.iloc[0]
    assert row[["model", "revision", "lm_eval", "engine", "hardware"]].tolist() == [
        *("m", "abc", "0.4.13", "vllm 0.32.0", "2 x A GPU")
    ]
    # 200 prompts and 1,000 tokens in 50 seconds.
    assert row[["n_asked", "tokens_per_second"]].tolist() == [180, 20]
    # Of 40 answers 4 had other words the second time, and one was no longer, or newly, a refusal.
    assert row[["n_checked", "texts_changed", "refusals_changed"]].tolist() == [40, 0.1, 0.025]


def test_without_an_accelerator_the_cores_are_named_and_without_a_check_nothing_is_said_of_one(study):
    run = {**RUN, "hardware": {"n_cores": 2, "machine": "x86_64"}, "repeat_check": None, "seconds": 0}
    table = study({"m": run}).studies
    assert table.iloc[0]["hardware"] == "2 cores, x86_64"
    assert np.isnan(table.iloc[0]["prompts_per_second"])
    assert "n_checked" not in table


def test_a_study_is_told_once_however_many_logs_it_has(study):
    assert study({"a": RUN, "b": RUN}, [{}, {}]).studies["model"].tolist() == ["a", "b"]


def test_all_versions_of_a_models_shards_are_listed_the_records_last(study):
    told = {"persona_refusal_nli": 2.0, "lm_eval": "0.4.12", "vllm": "0.31.0", "rules": 2}
    other = {**told, "lm_eval": "0.4.13", "vllm": "0.32.0", "rules": 3}
    shards = [{"versions": versions, "model_revision": "abc"} for versions in (told, other, told)]
    row = study({"m": RUN}, [*shards, None]).studies.iloc[0]
    assert row[["lm_eval", "engine", "rules"]].tolist() == ["0.4.12, 0.4.13", "vllm 0.31.0, 0.32.0", "2, 3"]
    assert row["revision"] == "abc"


@pytest.mark.parametrize("text", ["{", "[]", '{"began": "x"}'])
def test_a_record_that_cannot_be_read_and_logs_of_no_study_tell_nothing(study, tmp_path, text):
    study({"m": RUN})
    (tmp_path / RECORD).write_text(text, encoding="utf-8")
    of_broken = read_origin(load_responses([tmp_path]))
    (tmp_path / RECORD).unlink()
    for origin in (of_broken, read_origin(load_responses([tmp_path]))):
        assert origin.studies.empty
        assert origin.asked.empty


def test_the_tasks_of_a_study_have_version_design_and_the_checksum_of_their_texts(study):
    told = {"version": 1.0, "n_docs": 90, "source": "sample", "checksum": "c0"}
    asked = study({"m": RUN, "other": RUN}, asked={"designs": {TASK: "0a-0b"}}, tasks={TASK: told}).asked
    assert asked.to_dict("records") == [{"task": TASK, "design_id": "0a-0b", **told}]


@pytest.mark.parametrize("odd", [None, [], "x", 3])
def test_what_a_record_says_in_another_form_is_passed_over(study, odd):
    origin = study({"m": {"hardware": odd, "versions": odd, "repeat_check": odd}}, asked=odd, tasks=odd)
    assert origin.studies["model"].tolist() == ["m"]
    assert origin.asked.empty
    assert study({"m": RUN}, asked={"designs": odd}, tasks={TASK: odd}).asked["task"].tolist() == [TASK]


def population(tmp_path):
    return read_population(load_responses([tmp_path]))


def test_the_number_of_texts_of_a_source_is_that_of_the_record_of_its_design(study, tmp_path):
    (design,) = study({"m": RUN}).designs["design_id"]
    assert population(tmp_path) == {}
    for told, known in (({"n_texts": 1500}, {"nli": 1500}), ({"n_texts": "1500"}, {}), ({"n_texts": 0}, {})):
        study({"m": RUN}, asked={"designs": {TASK: design}}, tasks={TASK: told})
        assert population(tmp_path) == known
    study({"m": RUN}, asked={"designs": {TASK: "another"}}, tasks={TASK: {"n_texts": 1500}})
    assert population(tmp_path) == {}


@pytest.mark.parametrize("odd", [None, [], "x", 3])
def test_an_odd_record_names_no_number_of_texts(study, tmp_path, odd):
    study({"m": RUN}, asked={"designs": odd}, tasks={TASK: odd})
    assert population(tmp_path) == {}
