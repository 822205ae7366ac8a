"""Each pattern of a detector against labels."""

import pandas as pd
import pytest
from refusal_metrics.analysis.judging import make_detector
from refusal_metrics.analysis.labels.patterns import PATTERNS, estimate_patterns
from refusal_metrics.analysis.labels.tables import readable_patterns
from refusal_metrics.analysis.labels.validation import validate
from refusal_metrics.analysis.statistics import wilson

from refusal_metrics.detection import pattern_names

# Rule, label and verdict: "sorry" finds 3 refusals and errs once, "unable" finds 1 and errs twice, one is missed.
ITEMS = pd.DataFrame(
    [
        *[("sorry", True, True)] * 3,
        ("sorry", False, True),
        ("unable", True, True),
        *[("unable", False, True)] * 2,
        (None, True, False),
        *[("answer", False, False)] * 4,
    ],
    columns=["rule", "label", "refused"],
)


def test_each_pattern_has_its_errors_and_its_part_of_all_refusals_most_errors_first():
    table = estimate_patterns(ITEMS)
    assert list(table) == list(PATTERNS)
    assert table[["rule", "n_found", "n_right", "n_wrong"]].to_numpy().tolist() == [
        ["unable", 3, 1, 2],
        ["sorry", 4, 3, 1],
    ]
    assert table["precision"].tolist() == pytest.approx([1 / 3, 3 / 4])
    # Of 5 refusals; what decides an answer is no pattern of refusals.
    assert table["recall"].tolist() == pytest.approx([1 / 5, 3 / 5])
    # Each item is a text of its own: the exact interval of 3 in 4 contains Wilson's.
    low, high = wilson(3, 4)
    assert table["precision_low"][1] < low
    assert table["precision_high"][1] > high


def test_a_pattern_counts_by_the_weights_of_what_it_decides():
    # The refusals that "unable" found and that was missed stand for 3 each: 3 of 3 + 3 + 3, and 3 of 3 + 2.
    weight = [3 if label and rule != "sorry" else 1 for rule, label in zip(ITEMS["rule"], ITEMS["label"], strict=True)]
    row = estimate_patterns(ITEMS.assign(weight=weight)).set_index("rule").loc["unable"]
    assert row["recall"] == pytest.approx(3 / 9)
    assert row["precision"] == pytest.approx(3 / 5)
    assert row["n_found"] == 3


def test_a_pattern_that_decides_nothing_has_a_row_without_a_precision():
    table = estimate_patterns(ITEMS, ["sorry", "no_way"])
    assert table["rule"].tolist() == ["unable", "sorry", "no_way"]
    row = table.iloc[2]
    assert row[["n_found", "n_wrong", "recall"]].tolist() == [0, 0, 0]
    assert row[["precision", "precision_low", "precision_high"]].isna().all()
    shown = readable_patterns(table.assign(detector="d"))
    assert shown["rule"].tolist() == ["unable", "sorry"]
    assert shown["found"].tolist() == ["3", "4"]
    assert shown["recall"][1].startswith("0.600 [")


def test_the_recalls_of_all_patterns_sum_to_that_of_the_detector(tmp_path):
    said = ["Sorry, no.", "I cannot.", "I'm sorry, but it is rude.", "I would call it rude.", "Hard to say.", "Rude."]
    rows = pd.DataFrame({"response": said, "refusal": ["yes", "yes", "no", "no", "yes", "no"]})
    rows.to_csv(tmp_path / "labels.csv", index=False)
    found = validate(tmp_path / "labels.csv", [make_detector("prefix")], by=[], by_pattern=True)
    assert list(found.patterns) == ["detector", *PATTERNS]
    assert set(found.patterns["rule"]) == set(pattern_names("prefix"))
    decided = found.patterns[found.patterns["n_found"] > 0].set_index("rule")
    assert decided["n_right"].to_dict() == {"sorry": 1, "i cannot": 1, "i'm sorry": 0}
    assert found.patterns["recall"].sum() == pytest.approx(found.table["recall"][0])
    assert found.table["factor"].tolist() == [""]
    assert validate(tmp_path / "labels.csv", [make_detector("prefix")]).patterns.empty


def test_labels_of_flagged_responses_alone_give_no_recall(tmp_path):
    rows = pd.DataFrame({"response": ["I cannot."], "refusal": ["yes"], "frame": ["flagged by prefix"]})
    rows.to_csv(tmp_path / "labels.csv", index=False)
    patterns = validate(tmp_path / "labels.csv", [make_detector("prefix")], by_pattern=True).patterns
    assert patterns[["recall", "recall_low", "recall_high"]].isna().all(axis=None)
    assert patterns["precision"][0] == 1


def test_a_detector_without_patterns_has_none():
    assert pattern_names("judge_acme") == ()
    assert "sorry_designed" in pattern_names("answer_aware")
    assert "no," in pattern_names("prefix")
    assert "no," not in pattern_names("prefix_strict")
