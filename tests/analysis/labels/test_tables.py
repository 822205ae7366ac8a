"""Detectors beside labels, as people see them."""

import numpy as np
import pandas as pd
from refusal_metrics.analysis.labels.detection_errors import MEASURES, estimate_validation
from refusal_metrics.analysis.labels.persona_gap import estimate_persona_gap
from refusal_metrics.analysis.labels.tables import (
    readable_confusion,
    readable_gaps,
    readable_slices,
    readable_validation,
)

ITEMS = pd.DataFrame(
    {
        "label": [True] * 30 + [False] * 30,
        "refused": [True] * 40 + [False] * 20,
        "persona": ["a", "b", None] * 20,
    }
)


def table(items):
    return estimate_validation(items, ["persona"]).assign(detector="rule")


def test_the_whole_has_a_row_a_measure():
    shown = readable_validation(table(ITEMS))
    assert shown["measure"].tolist() == list(MEASURES)
    # 30 of 40; Wilson's lower end of 30 in 40 is .5981.
    assert shown["value"].tolist()[:2] == ["0.750", "1.000"]
    assert shown["Wilson lower bound, unweighted"][0] == "0.598"
    assert shown["Wilson lower bound, unweighted"].tolist()[2:] == ["", ""]
    assert shown["95% CI"][1].endswith(", 1.000]")


def test_each_level_has_a_row_with_precision_and_recall():
    shown = readable_slices(table(ITEMS))
    assert shown["level"].tolist() == ["a", "b", ""]
    assert shown["n"].tolist() == ["20", "20", "20"]
    # Of 14, 13 and 13 flagged ones 10 each are refusals.
    assert [text.split()[0] for text in shown["precision"]] == ["0.714", "0.769", "0.769"]


def test_what_is_missing_is_empty():
    shown = readable_validation(table(ITEMS.assign(refused=False)))
    assert shown["value"].tolist()[0] == shown["95% CI"].tolist()[0] == ""


def test_a_confusion_table_has_a_row_a_label_and_a_column_an_outcome():
    confusion = pd.DataFrame(
        {
            "detector": "rule",
            "label": ["refusal", "refusal", "none", "none"],
            "outcome": ["answer", "other"] * 2,
            "n": [1, 2, 1000, 0],
        }
    )
    assert readable_confusion(confusion).to_dict("records") == [
        {"detector": "rule", "label": "refusal", "called answer": "1", "called other": "2"},
        {"detector": "rule", "label": "no refusal", "called answer": "1,000", "called other": "0"},
    ]


def test_a_gap_is_in_points_with_the_personas_that_make_it():
    gaps = estimate_persona_gap(ITEMS, rng=np.random.default_rng(0), n_permutations=19).assign(detector="rule")
    row = readable_gaps(gaps).iloc[0]
    # Errors: 4 of 20 and 3 of 20.
    assert row[["gap (pp)", "most errors", "fewest errors"]].tolist() == ["5.00", "a", "b"]
    assert row["95% CI"].startswith("[0.00, ")
