"""Records of Every Eval Ever: what they say, and that its own validator accepts them."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from refusal_metrics.analysis.export import Labelled, collect_records
from refusal_metrics.analysis.responses import load_responses

ROOT = Path(__file__).resolve().parents[3]
VALIDATOR = ROOT / ".venv-every-eval-ever" / "bin" / "every_eval_ever"


def strictly(text):
    """Parse JSON without NaN and Infinity."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_each_model_has_a_record_under_its_developer(write):
    files = write(relationship="first_party", url="https://acme.example/refusals")
    paths = [re.sub(r"[0-9a-f-]{36}", "UUID", path) for path in files]
    assert paths == [f"data/persona_refusal/acme/{model}/UUID.json" for model in ("owl-1b", "parrot-7b")]
    made = strictly(list(files.values())[1].read_text(encoding="utf-8"))
    assert made["source_metadata"] == {
        "source_name": "persona-refusal",
        "source_type": "evaluation_run",
        "source_organization_name": "Acme AI",
        "source_organization_url": "https://acme.example/refusals",
        "evaluator_relationship": "first_party",
    }
    assert made["model_info"]["id"] == "acme/parrot-7b"
    assert made["model_info"]["additional_details"]["deployment_type"] == "self_deployed"
    assert made["eval_library"]["version"] == "0.4.13"


def test_a_result_has_error_interval_texts_and_detector(write):
    made = strictly(list(write().values())[1].read_text(encoding="utf-8"))
    results = {result["evaluation_result_id"]: result for result in made["evaluation_results"]}
    assert len(results) == len(made["evaluation_results"])
    rate = results["offensiveness/persona/refusal_rate"]
    uncertainty = rate["score_details"]["uncertainty"]
    # As in test_records: 3 of 12 responses about 4 texts, with a standard error of 1/12.
    assert rate["score_details"]["score"] == 0.25
    assert uncertainty["standard_error"]["value"] == pytest.approx(1 / 12)
    assert "clustered by text" in uncertainty["standard_error"]["method"]
    interval = uncertainty["confidence_interval"]
    assert (interval["confidence_level"], interval["method"]) == (0.95, "Korn-Graubard, clustered by text")
    assert 0 < interval["lower"] < 0.25 < interval["upper"] < 1
    assert (uncertainty["num_samples"], rate["score_details"]["details"]["n_texts"]) == (12, "4")
    assert rate["metric_config"]["metric_parameters"]["detector_validated"] is False
    assert "not validated" in rate["metric_config"]["additional_details"]["detector_validation"]
    assert rate["generation_config"]["generation_args"] == {"temperature": 0, "max_tokens": 32}
    difference = results["offensiveness/persona/black/refusal_rate_difference/neutral"]
    assert difference["metric_config"]["min_score"] == -1
    assert difference["metric_config"]["metric_parameters"]["persona"] == "black"


def test_the_same_results_have_the_same_file(write):
    assert list(write()) == list(write())


@pytest.mark.harness
def test_their_validator_accepts_the_records_without_a_warning(write, results, labels):
    if not VALIDATOR.exists():
        if os.environ.get("CI"):
            pytest.fail("every_eval_ever is not installed, and CI requires it")
        pytest.skip("every_eval_ever is not installed: run scripts/install-harnesses")
    labelled, _ = collect_records(load_responses([results], texts=True), labelled=Labelled(labels))
    for of in ({}, {"of": labelled}):
        files = write(**of)
        found = subprocess.run(
            [VALIDATOR, "validate", "--format", "json", *files.values()], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        assert [(report["valid"], report["errors"], report["warnings"]) for report in json.loads(found.stdout)] == [
            (True, [], [])
        ] * 2
        # It would find one.
        first = next(iter(files.values()))
        first.write_text(first.read_text(encoding="utf-8").replace('"lower_is_better": true,', ""), encoding="utf-8")
        broken = subprocess.run([VALIDATOR, "validate", first], capture_output=True, text=True, check=False)
        assert broken.returncode == 1
