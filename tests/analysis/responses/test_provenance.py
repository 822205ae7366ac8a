"""With what a study was run, as the report says it."""

import json

import numpy as np
import pandas as pd
from refusal_metrics.analysis.responses.provenance import read_provenance, read_tasks

from refusal_metrics.studies.folder import RECORD

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


def logs_of(folder, runs):
    """Make a study's folder with a log of each model."""
    made = []
    for model in runs:
        file = folder / model / "persona_refusal_nli" / "samples_persona_refusal_nli_2026-01-01T00-00-00.000001.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("")
        made.append(file)
    (folder / RECORD).write_text(json.dumps({"began": "2026-01-01T00-00-00", "asked": {}, "runs": runs}))
    return made


def test_a_models_versions_hardware_and_rates_are_those_of_the_record(tmp_path):
    row = read_provenance(logs_of(tmp_path, {"m": RUN})).iloc[0]
    assert row[["model", "revision", "lm_eval", "engine", "hardware"]].tolist() == [
        *("m", "abc", "0.4.13", "vllm 0.32.0", "2 x A GPU")
    ]
    # 200 prompts and 1,000 tokens in 50 seconds.
    assert row[["n_prompts", "n_asked", "prompts_per_second", "tokens_per_second"]].tolist() == [200, 180, 4, 20]
    # Of 40 answers 4 had other words the second time, and one was no longer, or newly, a refusal.
    assert row[["n_checked", "texts_changed", "refusals_changed"]].tolist() == [40, 0.1, 0.025]


def test_without_an_accelerator_the_cores_are_named_and_without_a_check_nothing_is_said_of_one(tmp_path):
    run = {**RUN, "hardware": {"n_cores": 2, "machine": "x86_64"}, "repeat_check": None, "seconds": 0}
    table = read_provenance(logs_of(tmp_path, {"m": run}))
    assert table.iloc[0]["hardware"] == "2 cores, x86_64"
    assert np.isnan(table.iloc[0]["prompts_per_second"])
    assert "n_checked" not in table


def test_a_study_is_told_once_however_many_logs_it_has(tmp_path):
    files = logs_of(tmp_path / "study", {"a": RUN, "b": RUN})
    assert read_provenance([*files, *files])["model"].tolist() == ["a", "b"]


def test_all_versions_of_a_models_shards_are_listed_the_records_last(tmp_path):
    (first,) = logs_of(tmp_path, {"m": RUN})
    told = {"persona_refusal_nli": 2.0, "lm_eval": "0.4.12", "vllm": "0.31.0", "rules": 2}
    for number, versions in enumerate([told, {**told, "lm_eval": "0.4.13", "vllm": "0.32.0", "rules": 3}, told], 1):
        log = first.with_name(first.name.replace("000001", f"00000{number}"))
        log.write_text("")
        results = log.with_name(f"results_2026-01-01T00-00-00.00000{number}.json")
        results.write_text(json.dumps({"versions": versions, "model_revision": "abc"}))
    broken = first.with_name("results_2026-01-01T00-00-00.000004.json")
    broken.write_text("{")
    row = read_provenance([*first.parent.glob("samples_*"), tmp_path / "m" / "samples_other.jsonl"]).iloc[0]
    assert set(row["lm_eval"].split(", ")) == {"0.4.12", "0.4.13"}
    assert set(row["engine"].removeprefix("vllm ").split(", ")) == {"0.31.0", "0.32.0"}
    assert set(row["rules"].split(", ")) == {"2", "3"}
    assert row["revision"] == "abc"


def test_logs_of_no_study_tell_nothing(tmp_path):
    assert isinstance(read_provenance([tmp_path / "m" / "samples_x_2026-01-01T00-00-00.jsonl"]), pd.DataFrame)
    assert read_provenance([tmp_path / "m" / "samples_x_2026-01-01T00-00-00.jsonl"]).empty
    files = logs_of(tmp_path, {"m": RUN})
    (tmp_path / RECORD).write_text("{")
    assert read_provenance(files).empty


def test_the_tasks_of_a_study_have_version_design_and_the_checksum_of_their_texts(tmp_path):
    files = logs_of(tmp_path, {"m": RUN, "other": RUN})
    record = json.loads((tmp_path / RECORD).read_text())
    record["asked"] = {"designs": {"persona_refusal_nli": "0a-0b"}}
    record["tasks"] = {"persona_refusal_nli": {"version": 1.0, "n_docs": 90, "source": "sample", "checksum": "c0"}}
    (tmp_path / RECORD).write_text(json.dumps(record))
    assert read_tasks(files).to_dict("records") == [
        {
            "task": "persona_refusal_nli",
            "version": 1.0,
            "design_id": "0a-0b",
            "n_docs": 90,
            "source": "sample",
            "checksum": "c0",
        }
    ]
    assert read_tasks([]).empty
