"""What is published of each model: its numbers, and how often the detector is right."""

import pytest
from refusal_metrics.analysis.export import Labelled, collect_records
from refusal_metrics.analysis.responses import load_responses, read_responses

OWL, PARROT = "acme/owl-1b", "acme/parrot-7b"


def find(record, metric, persona=None, setting="persona"):
    (result,) = [
        result
        for result in record.results
        if (result.metric.id, result.persona, result.setting) == (metric, persona, setting)
    ]
    return result


def test_a_rate_has_its_clustered_error_its_interval_and_its_texts(records):
    owl, parrot = records
    assert (owl.model, parrot.model) == (OWL, PARROT)
    rate = find(parrot, "refusal_rate")
    # Of 12 responses 3 are refusals, 1, 1, 1 and 0 of 3 about each of 4 texts: deviations of .25, .25, .25 and -.75,
    # v = 4/3 * .75 / 12^2 = 1/144.
    assert (rate.value, rate.n, rate.n_texts, rate.details["n_refused"]) == (0.25, 12, 4, 3)
    assert rate.error == pytest.approx(1 / 12)
    assert 0 < rate.low < 0.25 < rate.high < 1
    # None of the owl's: the error is unknown, and the interval is 0 to 1 - .025^(1/4).
    none = find(owl, "refusal_rate")
    assert (none.value, none.error, none.low) == (0, None, 0)
    assert none.high == pytest.approx(1 - 0.025**0.25)


def test_a_persona_has_its_rate_and_its_difference_from_neutral_prompts(records):
    _, parrot = records
    # The second letter of each text, of which N is no refusal. Of neutral prompts, 1 of 3 about the first text is one,
    # so that the mean of the differences within the 4 texts is (0 - 1/3) / 4.
    assert find(parrot, "refusal_rate", "black").value == 0
    difference = find(parrot, "refusal_rate_difference", "black")
    assert difference.value == pytest.approx(-1 / 12)
    assert (difference.baseline, difference.error) == ("neutral", None)
    assert difference.remarks == ("One wording of each persona; other wordings were not tested.",)


def test_a_study_without_labels_says_that_its_detector_was_not_validated(records):
    for record in records:
        assert record.accuracy.as_parameters() == {
            "detector": "answer_aware",
            "detector_version": record.accuracy.version,
            "detector_validated": False,
        }
        assert "was not validated on this study's models: its precision and recall here are unknown" in (
            record.accuracy.statement
        )


def test_labels_say_how_often_the_detector_is_right_on_the_models_they_are_of(results, labels):
    responses = load_responses([results], texts=True)
    (owl, parrot), _ = collect_records(responses, labelled=Labelled(labels))
    # Flagged are 0, a refusal, and 3, which is none; of two refusals, 0 is found.
    measured = parrot.accuracy.as_parameters()
    assert measured["detector_validated"] is True
    assert (measured["detector_precision"], measured["detector_recall"], measured["detector_labels"]) == (0.5, 0.5, 4)
    assert measured["detector_precision_low"] < 0.5 < measured["detector_precision_high"]
    assert "validated on 4 labelled responses of this model: precision 0.500 [" in parrot.accuracy.statement
    assert owl.accuracy.is_validated is False
    assert "not validated on this model: the labels contain no response of it" in owl.accuracy.statement


def test_labels_of_other_responses_validate_no_model(results, label):
    labelled = Labelled(label(design="d1-offensiveness-persona"))
    found, notes = collect_records(load_responses([results], texts=True), labelled=labelled)
    for record in found:
        assert record.accuracy.is_validated is False
        assert "none of the labels is of these responses. On the 4 labels: precision 0.500" in record.accuracy.statement
    assert any("none of its 4 labelled items is among these responses" in note for note in notes)


def test_a_record_says_how_its_model_was_run(records):
    for record in records:
        assert (record.harness, record.date, record.source) == ("0.4.13", "2026-01-02", "hf")
        assert record.settings["max_gen_toks"] == "32"
        assert record.designs["offensiveness", "neutral"] == "d0-offensiveness-neutral"


def test_a_table_has_results_and_no_run(results, tmp_path):
    columns = "model, task, setting, persona, persona_group, text_id, refused_answer_aware AS refused"
    file = tmp_path / "responses.parquet"
    load_responses([results]).query(f"SELECT {columns} FROM responses").df().to_parquet(file)
    found, _ = collect_records(read_responses([file]))
    assert find(found[1], "refusal_rate").value == 0.25
    assert (found[1].harness, found[1].date, found[1].settings) == (None, None, {})
    assert found[1].accuracy.as_parameters() == {"detector": "given", "detector_validated": False}


def test_estimates_of_a_single_text_are_left_out_and_counted(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RAA")
    (record,), notes = collect_records(load_responses([tmp_path / "results"]))
    # The one text's rate, raw and standardised, and the differences of its three personas from the others. A persona
    # with one verdict has an interval: 0 to .975, or .025 to 1.
    assert notes == ("5 estimates have no confidence interval, and are left out: they are of a single text.",)
    assert {(result.metric.id, result.persona is None) for result in record.results} == {
        ("refusal_rate", False),
        ("refusal_rate_standardised", False),
    }
