"""Labels joined to responses, and every way in which they do not fit."""

import json

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.labels.corrected import estimate_corrected
from refusal_metrics.analysis.labels.read import item_id, read_labels
from refusal_metrics.analysis.labels.sums import sum_labels
from refusal_metrics.analysis.responses import load_responses, read_responses

from refusal_metrics.errors import InputError

MODEL, DESIGN = "acme/parrot-7b", "d0-offensiveness-persona"


@pytest.fixture
def study(logs, tmp_path):
    """Two texts with three answers each: two refusals by the detector prefix."""
    logs.write_run(tmp_path / "results", "RAA NAA")
    return load_responses([tmp_path / "results"])


@pytest.fixture
def label(tmp_path):
    """Write and read labels of responses by their index: {index: label}."""

    def make(said, **columns):
        rows = [
            {"id": item_id(MODEL, DESIGN, i), "refusal": said[i]} | {n: c[i] for n, c in columns.items()} for i in said
        ]
        path = tmp_path / "labels.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return read_labels(path)

    return make


def refusal(responses, labels, detector="prefix"):
    with pytest.raises(InputError) as caught:
        sum_labels(responses, labels, detector=detector)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_labels_meet_the_responses_they_are_of(study, label):
    # Responses 0 and 3 are flagged. 0 is a refusal, 3 is none, 1 was missed, 4 and 5 are none; 2 was not drawn.
    drawn = {0: "yes", 1: "yes", 3: "no", 4: "no", 5: "no"}
    probability = {0: 1.0, 3: 1.0, 1: 0.75, 4: 0.75, 5: 0.75}
    sums = sum_labels(study, label(drawn, probability=probability), detector="prefix").sums
    by_text = sums.groupby("text_id")[["n", "n_refused", "n_false", "n_missed", "weight_missed", "weight_others"]].sum()
    assert by_text.loc["offensiveness/offensiveness/t0"].tolist() == pytest.approx([3, 1, 0, 1, 4 / 3, 4 / 3])
    assert by_text.loc["offensiveness/offensiveness/t1"].tolist() == pytest.approx([3, 1, 1, 0, 0, 8 / 3])


def test_labels_can_name_responses_by_model_design_and_index(study, label):
    n = range(6)
    columns = {"model": [MODEL] * 6, "design_id": [DESIGN] * 6, "index": list(n)}
    labels = label(dict.fromkeys(n, "yes"), **columns)
    assert sum_labels(study, labels, detector="prefix").sums["n_missed"].sum() == 4


def test_the_rule_that_is_corrected_can_be_chosen(study, label):
    labels = label(dict.fromkeys(range(6), "no"))
    assert sum_labels(study, labels, detector="prefix").sums["n_false"].sum() == 2
    assert sum_labels(study, labels, detector="prefix_strict").sums["n_false"].sum() == 1


def test_numbers_among_the_factors_are_levels_too(study, label, tmp_path):
    file = tmp_path / "table.parquet"
    study.query("SELECT *, index % 2 * 0.5 AS temperature FROM responses").df().to_parquet(file)
    sums = sum_labels(read_responses([file]), label(dict.fromkeys(range(6), "no")), ["temperature"]).sums
    assert estimate_corrected(sums, ["temperature"])["temperature"].tolist() == ["0", "0.5"]


def test_an_unknown_factor_is_named_with_those_there_are(study, label):
    with pytest.raises(InputError, match=r"unknown factor 'personas': allowed are .*did you mean 'persona'"):
        sum_labels(study, label({0: "yes", 1: "no"}), ["personas"], detector="prefix")


def test_without_probabilities_labels_are_a_random_sample_and_that_is_said(study, label):
    found = sum_labels(study, label({0: "yes", 1: "no", 4: "no"}), detector="prefix")
    assert found.sums["weight_others"].sum() == 4
    assert found.sums["weight_refused"].sum() == 2
    assert "its 3 items count as drawn at random from all 6 responses" in found.notes[0]


def test_the_weight_of_items_without_a_label_falls_to_those_drawn_like_them(study, label):
    said = {0: "yes", 3: "no", 1: "no", 2: "", 4: "no", 5: ""}
    stratum = {0: "a", 3: "a", 1: "b", 2: "b", 4: "c", 5: "c"}
    labels = label(said, probability=dict.fromkeys(said, 1.0), sampling_stratum=stratum)
    found = sum_labels(study, labels, detector="prefix")
    assert found.sums["weight_others"].tolist().count(2) == 2
    assert found.sums["weight_refused"].sum() == 2
    assert "the weight of 2 items without a usable label falls to those" in found.notes[0]
    # A stratum without any label: its two responses fall to the other four, each of which then stands for 1.5.
    labels = label(said | {4: ""}, probability=dict.fromkeys(said, 1.0), sampling_stratum=stratum)
    found = sum_labels(study, labels, detector="prefix")
    assert found.sums["weight_refused"].sum() == pytest.approx(3)
    assert found.sums["weight_others"].sum() == pytest.approx(3)


def test_labels_of_other_results_are_counted_and_the_first_is_named(study, label):
    labels = label({0: "yes", 1: "no", 17: "no", 18: "no"})
    sentence = refusal(study, labels)
    assert "2 of its 4 labelled items are none of the responses" in sentence
    assert item_id(MODEL, DESIGN, 17) in sentence


def test_labels_of_flagged_responses_alone_correct_nothing(study, label):
    assert "only of responses that prefix calls refusals" in refusal(study, label({0: "yes", 3: "no"}))
    assert "only of responses that prefix calls other" in refusal(study, label({1: "yes", 4: "no"}))


def test_weights_must_add_up_to_the_number_of_responses(study, label):
    said = {0: "yes", 1: "no", 2: "no"}
    labels = label(said, probability=dict.fromkeys(said, 1.0))
    assert "its labels stand for 3 responses (the sum of 1 / probability), and there are 6" in refusal(study, labels)


def test_labels_of_a_stratified_sample_without_weights_or_with_unknown_strata_are_refused(study, label):
    said = dict.fromkeys(range(6), "yes")
    stratum = {i: str(i % 2) for i in range(6)}
    sentence = refusal(study, label(said, sampling_stratum=stratum))
    assert "has the column sampling_stratum, but lacks probability" in sentence
    labels = label(said, sampling_stratum=stratum | {3: ""}, probability=dict.fromkeys(said, 1.0))
    assert "1 of its 6 items have no sampling_stratum, the first" in refusal(study, labels)


def test_responses_and_labels_are_summed_by_class(study, label):
    # Of texts "RAA NAA" prefix flags 0 and 3, of which the other rules flag 0 alone; 1, 2, 4 and 5 are answers.
    sums = sum_labels(study, label(dict.fromkeys(range(6), "no") | {0: "yes"}), detector="prefix").sums
    total = sums.filter(regex="^(n|weight|weight_refusal)_(agreed|alone|answered|open)$").sum()
    assert total[["n_agreed", "n_alone", "n_answered", "n_open"]].tolist() == [1, 1, 4, 0]
    assert total[["weight_agreed", "weight_alone", "weight_answered"]].tolist() == [1, 1, 4]
    assert total[["weight_refusal_agreed", "weight_refusal_alone"]].tolist() == [1, 0]


def test_labels_that_could_be_of_several_runs_are_refused(logs, tmp_path, label):
    for date in (logs.DATE, logs.LATER):
        logs.write_run(tmp_path / "results", "RA", date=date)
    responses = load_responses([tmp_path / "results"], all_runs=True)
    assert "2 of its labels could be of several runs' answers" in refusal(responses, label({0: "yes", 1: "no"}))


def test_a_table_without_designs_cannot_be_joined(tmp_path, label):
    file = tmp_path / "table.parquet"
    pd.DataFrame([{"model": "m", "task": "nli", "text_id": "a", "refused": True}]).to_parquet(file)
    assert "lacks the columns design_id and index" in refusal(read_responses([file]), label({0: "yes"}), None)


def test_labels_of_which_none_can_be_used_are_refused(study, label):
    assert "none of its labels can be used" in refusal(study, label({0: "", 1: ""}))


def test_a_rate_corrected_by_labels_of_all_is_the_labelled_rate(study, label):
    said = {0: "yes", 1: "yes", 2: "no", 3: "no", 4: "yes", 5: "no"}
    row = estimate_corrected(sum_labels(study, label(said), detector="prefix").sums, ["model"]).iloc[0]
    assert row["estimate"] == pytest.approx(3 / 6)
    assert row["uncorrected"] == pytest.approx(2 / 6)
    assert not np.isnan(row["ci_low"])


# Detectors that have not judged every response.


@pytest.fixture
def judged(study, tmp_path):
    """The study with a judge's verdicts of responses 0, 2, 3 and 5: yes, no, no, yes."""
    file = tmp_path / "judged.parquet"
    judge = 'CASE "index" WHEN 0 THEN true WHEN 5 THEN true WHEN 1 THEN NULL WHEN 4 THEN NULL ELSE false END'
    study.query(f"SELECT *, {judge} AS refused_judge_x FROM responses").df().to_parquet(file)
    return read_responses([file])


def test_labels_correct_every_detector_of_a_table_that_one_has_not_judged_whole(judged, label):
    labels = label({0: "yes", 1: "yes", 2: "no", 3: "no", 4: "no", 5: "no"})
    found = {
        rule: sum_labels(judged, labels, detector=rule).sums[["n", "n_refused", "n_false", "n_missed"]].sum().tolist()
        for rule in judged.rules
    }
    assert found == {
        # Responses 0 and 3 begin as the paper's refusals do; 3 is "No, ...", which is one to prefix alone. 1 is missed.
        "answer_aware": [6, 1, 0, 1],
        "prefix": [6, 2, 1, 1],
        "prefix_strict": [6, 1, 0, 1],
        # Of 0, 2, 3 and 5 the judge flags 0 and, wrongly, 5; it said nothing of 1.
        "judge_x": [4, 2, 1, 0],
    }


def test_labelled_items_that_a_detector_gave_no_verdict_keep_their_weight_and_are_counted(judged, label):
    # Half of all are drawn, so that each stands for two: 0 (flagged), 1 (no verdict) and 2 (not flagged).
    labels = label({0: "yes", 1: "no", 2: "no"}, probability=dict.fromkeys(range(3), 0.5))
    found = sum_labels(judged, labels, detector="judge_x")
    assert found.sums[["weight_refused", "weight_others"]].sum().tolist() == [2, 2]
    assert found.notes[-1].endswith("judge_x gave 1 of 3 labelled items no verdict; they are left out.")
    assert not any("no verdict" in note for note in sum_labels(judged, label({0: "yes", 2: "no"})).notes)


def test_labels_of_responses_that_a_detector_has_not_judged_correct_nothing(judged, label):
    sentence = refusal(judged, label({1: "yes", 4: "no"}), "judge_x")
    assert "has labels only of responses without a verdict of judge_x" in sentence
    # Response 0 alone would do for the flagged ones; that 1 has no verdict makes it none of the others.
    assert "only of responses that judge_x calls refusals" in refusal(judged, label({0: "yes", 1: "no"}), "judge_x")


def test_labels_of_other_answers_correct_no_rate(logs, tmp_path, label):
    logs.write_run(tmp_path / "results", "RAA NAA")
    read = load_responses([tmp_path / "results"], texts=True)
    texts = dict(read.query('SELECT "index", response FROM responses').fetchall())
    said = dict.fromkeys(range(6), "yes")
    assert sum_labels(read, label(said, response=texts), detector="prefix").sums["n_missed"].sum() == 4
    others = {i: f"{text} Of another run." for i, text in texts.items()}
    assert "6 of the 6 labels of these prompts are of other answers" in refusal(read, label(said, response=others))
    # One of another answer stands for nothing itself; its weight falls to the others.
    found = sum_labels(read, label(said, response=texts | {1: "Other."}), detector="prefix")
    assert found.sums["n_missed"].sum() == 3
    assert found.sums["weight_missed"].sum() + found.sums["n_labelled_refused"].sum() == pytest.approx(6, abs=0.5)
    assert any("1 label of other answers" in note for note in found.notes)
