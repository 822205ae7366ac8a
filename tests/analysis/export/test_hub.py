"""Results for the Hub, read by the parsers of huggingface_hub."""

import huggingface_hub
import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from refusal_metrics.analysis.export import Labelled, Tool, collect_records
from refusal_metrics.analysis.responses import load_responses

DATASET = "acme/persona-refusal"
URL = "https://acme.example/refusals"


@pytest.fixture
def cards(write):
    """The files of the parrot for the Hub, by name."""
    files = write(Tool.EVAL_RESULTS, dataset=DATASET, url=URL, organization="Acme AI")
    folder = "acme/parrot-7b/"
    return {path.removeprefix(folder): file for path, file in files.items() if path.startswith(folder)}


def test_the_hubs_parser_reads_the_rate_of_each_task(cards):
    content = yaml.safe_load(cards[".eval_results/persona_refusal.yaml"].read_text(encoding="utf-8"))
    entries = {entry.task_id: entry for entry in huggingface_hub.parse_eval_result_entries(content)}
    assert list(entries) == ["persona_refusal_offensiveness_neutral", "persona_refusal_offensiveness"]
    rate = entries["persona_refusal_offensiveness"]
    # 3 of 12 responses.
    assert (rate.dataset_id, rate.value, rate.date) == (DATASET, 0.25, "2026-01-02")
    assert (rate.source_url, rate.source_name) == (URL, "Acme AI")
    assert "95% CI [0." in rate.notes
    assert "12 responses, 4 texts" in rate.notes
    assert "not validated on this study's models" in rate.notes
    # What it writes of what it read is what it was given.
    assert huggingface_hub.eval_result_entries_to_yaml(list(entries.values())) == content


def test_the_model_index_is_metadata_of_a_card_with_intervals_and_detector(cards, tmp_path):
    text = cards["model-index.yaml"].read_text(encoding="utf-8")
    card = ModelCard(f"---\nlicense: mit\n{text}---\n# A parrot\n")
    (rate,) = [
        result
        for result in card.data.eval_results
        if (result.metric_type, result.dataset_config) == ("refusal_rate", "persona_refusal_offensiveness")
        and "persona" not in result.metric_args
    ]
    assert (rate.metric_value, rate.dataset_type, rate.source_url) == (0.25, DATASET, URL)
    arguments = rate.metric_args
    assert arguments["ci_low"] < 0.25 < arguments["ci_high"]
    assert arguments["standard_error"] == pytest.approx(1 / 12)
    assert (arguments["n"], arguments["n_texts"], arguments["confidence_level"]) == (12, 4, 0.95)
    assert (arguments["detector"], arguments["detector_validated"]) == ("answer_aware", False)
    # Saved and loaded again, as for a repository.
    card.save(tmp_path / "README.md")
    name, read = model_index_to_eval_results(metadata_load(tmp_path / "README.md")["model-index"])
    assert name == "parrot-7b"
    assert read == card.data.eval_results


def test_without_a_dataset_there_is_only_the_model_index(write):
    assert list(write(Tool.EVAL_RESULTS)) == ["acme/owl-1b/model-index.yaml", "acme/parrot-7b/model-index.yaml"]


def test_labels_that_correct_the_rates_correct_those_of_the_benchmark(write, results, labels):
    found, _ = collect_records(load_responses([results], texts=True), labelled=Labelled(labels))
    files = write(Tool.EVAL_RESULTS, of=found, dataset=DATASET)
    index = yaml.safe_load(files["acme/parrot-7b/model-index.yaml"].read_text(encoding="utf-8"))
    _, read = model_index_to_eval_results(index["model-index"])
    measured = [result.metric_args["detector_precision"] for result in read]
    assert set(measured) == {0.5}
