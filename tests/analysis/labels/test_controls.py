"""The controls of a detector: what it reads where a model was told to decline, and to answer."""

import pandas as pd
import pytest
from refusal_metrics.analysis.labels.controls import (
    CONTROLS,
    LABELLED_CONTROLS,
    add_labels,
    describe_controls,
    estimate_controls,
)
from refusal_metrics.analysis.labels.read import item_id

from refusal_metrics.errors import InputError


def rows(condition, outcomes, labels="", persona="woman"):
    """Make responses: a letter each, r(efusal), a(nswer) or o(ther); labelled y(es), n(o), or - without a label."""
    said = {"r": "refusal", "a": "answer", "o": "other"}
    label = {"y": True, "n": False, "-": None}
    made = pd.DataFrame({"outcome": [said[letter] for letter in outcomes], "condition": condition, "persona": persona})
    made["text_id"] = [f"{condition}{persona}{i}" for i in range(len(made))]
    if labels:
        made["label"] = pd.Series([label[letter] for letter in labels], dtype=object)
        made["weight"] = 1.0
    return made


def whole(table):
    return table[table["factor"] == ""].set_index("condition")


def test_a_condition_has_its_refusals_and_answers_of_all_responses_and_by_persona():
    parts = [rows("decline", "rrrao"), rows("decline", "ra", persona="black"), rows("answer", "aaar")]
    table = estimate_controls(pd.concat(parts, ignore_index=True))
    assert list(table) == [*CONTROLS.keys, *CONTROLS.estimates]
    assert table[["condition", "level", "n", "n_refused", "n_answer"]].to_numpy().tolist() == [
        ["decline", "", 7, 4, 2],
        ["decline", "black", 2, 1, 1],
        ["decline", "woman", 5, 3, 1],
        ["answer", "", 4, 1, 3],
        ["answer", "woman", 4, 1, 3],
    ]
    assert table["estimate"].tolist() == pytest.approx([4 / 7, 1 / 2, 3 / 5, 1 / 4, 1 / 4])
    assert table["answered"].tolist() == pytest.approx([2 / 7, 1 / 2, 1 / 5, 3 / 4, 3 / 4])
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["ci_high"] > table["estimate"]).all()


def test_responses_about_one_text_are_not_independent():
    apart = pd.concat([rows("decline", "ra" * 10), rows("answer", "a")], ignore_index=True)
    # Ten texts, each twice with one outcome: half as many independent responses.
    together = apart.assign(text_id=[f"t{i % 10}" for i in range(20)] + ["t"])
    together["outcome"] = ["refusal" if i % 10 < 5 else "answer" for i in range(20)] + ["answer"]
    widths = [
        (whole(table)["ci_high"] - whole(table)["ci_low"])["decline"]
        for table in (estimate_controls(apart, []), estimate_controls(together, []))
    ]
    assert widths[1] > 1.2 * widths[0]


def test_with_labels_only_responses_that_did_as_told_are_read():
    # Told to decline, five of six labelled responses do, of which four are found; the sixth is a false alarm. Told to
    # answer, three of four do not decline, one of which is called a refusal.
    parts = [rows("decline", "rrrrarr", "yyyyyn-"), rows("answer", "aarr", "nnny")]
    table = estimate_controls(pd.concat(parts, ignore_index=True), [])
    assert list(table) == [*LABELLED_CONTROLS.keys, *LABELLED_CONTROLS.estimates]
    decline, answer = whole(table).loc["decline"], whole(table).loc["answer"]
    assert decline[["n", "n_labelled", "n_obeyed", "n_obeyed_refused"]].tolist() == [7, 6, 5, 4]
    assert decline[["obeyed", "reading"]].tolist() == pytest.approx([5 / 6, 4 / 5])
    assert answer[["n", "n_labelled", "n_obeyed", "n_obeyed_refused"]].tolist() == [4, 4, 3, 1]
    assert answer[["obeyed", "reading"]].tolist() == pytest.approx([3 / 4, 1 / 3])


def test_labelled_responses_count_by_their_weights():
    responses = pd.concat([rows("decline", "ra", "yy"), rows("answer", "a", "n")], ignore_index=True)
    responses["weight"] = [3.0, 1.0, 1.0]
    assert whole(estimate_controls(responses, []))["reading"]["decline"] == pytest.approx(3 / 4)


def test_labels_are_joined_by_model_design_and_index():
    responses = pd.DataFrame({"model": ["m-decline", "m-answer"], "design_id": "d", "index": 4})
    items = pd.DataFrame({"item_id": [item_id("m-answer", "d", 4)], "label": [False], "weight": [2.0]})
    joined = add_labels(responses, items, "labels.csv")
    assert joined["label"].tolist() == [None, False]
    assert joined["weight"].tolist()[1] == 2
    with pytest.raises(InputError, match=r"labels.csv: none of its 1 labelled items is among the responses"):
        add_labels(responses.assign(design_id="e"), items, "labels.csv")


def test_an_unknown_factor_is_named():
    responses = pd.concat([rows("decline", "r"), rows("answer", "a")])
    with pytest.raises(InputError, match="person"):
        estimate_controls(responses, ["person"])


def described(decline, answer):
    table = estimate_controls(pd.concat([rows("decline", *decline), rows("answer", *answer)], ignore_index=True), [])
    return list(describe_controls(table, "answer_aware"))


def test_without_labels_the_rates_are_said_to_depend_on_the_model():
    decline, answer, last = described(["a" * 95 + "r" * 5], ["a" * 100])
    # 5 of 100, far from 1; 0 of 100, of which the one-sided bound is 1 - .05 ** (1 / 100) = 2.95%.
    assert decline.startswith("Told to decline: answer_aware calls 5 of 100 responses refusals (5.00% [")
    assert decline.endswith("]): not about 1.")
    assert answer == "Told to answer: answer_aware calls 0 of 100 responses refusals (0.00% [0.00, 2.95]): about 0."
    assert last.startswith("These rates depend on how often the model obeys, not only on the detector.")


def test_with_labels_the_reading_is_of_those_that_did_as_told():
    # 10 of 100 decline, and all are found: 1, but the bound .05 ** (1 / 10) = 74% is below 95%.
    obeyed, reading, few, answered, zero, last = described(
        ["r" * 10 + "a" * 90, "y" * 10 + "n" * 90], ["a" * 100, "n" * 100]
    )
    assert obeyed.startswith("Told to decline, the model declined in 10 of 100 labelled responses (10.00% [")
    assert reading == (
        "answer_aware calls 10 of these 10 refusals (100.00% [74.11, 100.00]): near 1, but too few texts to be certain."
    )
    assert few.startswith("Fewer than 30 responses are too few for a control")
    assert answered.startswith("Told to answer, the model did not decline in 100 of 100 labelled responses (100.00% [")
    assert zero == "answer_aware calls 0 of these 100 refusals (0.00% [0.00, 2.95]): about 0."
    assert last.startswith("The model did not obey in most responses of a condition")


def test_a_model_that_never_obeys_shows_nothing():
    said = described(["a" * 40, "n" * 40], ["a" * 40, "n" * 40])
    assert said[1] == "So it is unknown whether answer_aware reads 1; use a model that obeys."


def test_a_detector_that_misses_many_does_not_read_1():
    said = described(["r" * 60 + "o" * 40, "y" * 100], ["r" * 4 + "a" * 96, "n" * 100])
    assert said[1].endswith("not about 1.")
    # 4 of 100: within 5 points, but the interval is not.
    assert said[3].endswith("near 0, but too few texts to be certain.")
    assert len(said) == 4
