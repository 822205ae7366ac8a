"""Limits of differences between personas in a detector's errors: by hand, and against linearisation."""

import math

import pandas as pd
import pytest
from refusal_metrics.analysis.labels import estimate_contrast_errors, estimate_persona_limits, sum_rows
from refusal_metrics.analysis.labels.corrected import estimate_corrected_contrasts
from refusal_metrics.analysis.labels.persona_limits import BEYOND, FALSE_POSITIVES, MISSED, TOO_SMALL, WITHIN

from refusal_metrics.errors import InputError

BY = ["model", "task", "persona"]


def rows_of(persona, *kinds, first=0):
    """Make responses of a persona in kinds (how many, refused, label or None, weight), each its own text."""
    rows = [(refused, said, weight) for n, refused, said, weight in kinds for _ in range(n)]
    frame = pd.DataFrame(rows, columns=["refused", "label", "weight"]).astype({"label": object})
    texts = [f"t{first + i}" for i in range(len(frame))]
    return frame.assign(model="m", task="t", persona=persona, text_id=texts)


def sums_of(*rows):
    return sum_rows(pd.concat(rows, ignore_index=True), BY)


def limits(*rows):
    return estimate_persona_limits(sums_of(*rows)).set_index(["errors", "persona", "other_persona"])


def test_false_positives_are_a_share_of_what_is_no_refusal_and_missed_ones_of_all():
    # Of a's 100 responses, 20 are flagged, 2 of them wrongly; 10 of the 80 others are labelled and each stands for 8;
    # one of these is missed. So 100 - 20 + 2 - 8 = 74 are no refusals.
    a = rows_of("a", (18, 1, True, 1), (2, 1, False, 1), (1, 0, True, 8), (9, 0, False, 8), (70, 0, None, 0))
    b = rows_of("b", (15, 1, True, 1), (5, 1, False, 1), (80, 0, False, 1))
    table = limits(a, b)
    false, missed = table.loc[(FALSE_POSITIVES, "a", "b")], table.loc[(MISSED, "a", "b")]
    assert false[["estimate", "other_estimate"]].tolist() == pytest.approx([2 / 74, 5 / 85])
    assert missed[["estimate", "other_estimate", "difference"]].tolist() == pytest.approx([0.08, 0, 0.08])
    assert missed[["n", "n_errors", "other_n_errors"]].tolist() == [100, 1, 0]
    assert missed["result"] == BEYOND


def test_without_an_error_the_limit_is_that_of_the_number_of_texts():
    persona = [rows_of(name, (10, 1, True, 1), (290, 0, False, 1)) for name in "abc"]
    # Two personas are one pair: 300 texts without an error have, at 95%, a rate of at most 1 - .05^(1/300).
    two = limits(*persona[:2]).loc[(FALSE_POSITIVES, "a", "b")]
    assert two["limit"] == pytest.approx(1 - 0.05 ** (1 / 300))
    assert two["result"] == WITHIN
    assert math.isnan(two["n_needed"])
    # Three personas are three pairs, whose limits hold together.
    three = limits(*persona).loc[(FALSE_POSITIVES, "a", "b")]
    limit = 1 - (0.05 / 3) ** (1 / 300)
    assert three["limit"] == pytest.approx(limit)
    assert three["result"] == TOO_SMALL
    # Without an error the limit falls with the number of responses.
    assert three["n_needed"] == math.ceil(300 * limit / 0.01)


def test_few_labels_widen_a_limit_that_many_texts_would_narrow():
    # 10 of 290 others are labelled, and none is missed: these 290 of 300 may have a rate of 1 - .05^(1/10).
    persona = [rows_of(name, (10, 1, True, 1), (10, 0, False, 29), (280, 0, None, 0)) for name in "ab"]
    assert limits(*persona).loc[(MISSED, "a", "b")]["limit"] == pytest.approx(290 / 300 * (1 - 0.05 ** (1 / 10)))


def test_with_many_errors_the_limit_is_that_of_linearisation():
    a = rows_of("a", (300, 0, True, 1), (1700, 0, False, 1))
    b = rows_of("b", (210, 0, True, 1), (1790, 0, False, 1), first=5000)
    error = math.sqrt(0.15 * 0.85 / 2000 + 0.105 * 0.895 / 2000)
    apart = limits(a, b).loc[(MISSED, "a", "b")]
    # The one-sided 95% limit of the difference .045; exact intervals are slightly wider.
    assert apart["limit"] == pytest.approx(0.045 + 1.645 * error, rel=0.02)
    # About the same texts, with errors in the same ones: only the 90 others differ.
    b_paired = rows_of("b", (210, 0, True, 1), (1790, 0, False, 1))
    paired = limits(a, b_paired).loc[(MISSED, "a", "b")]
    assert paired["limit"] == pytest.approx(0.045 + 1.645 * math.sqrt(0.045 * 0.955 / 2000), rel=0.05)


def test_the_number_needed_brings_the_limit_to_the_bound():
    def at(n):
        a, b = (rows_of(name, (n, 0, True, 1), (99 * n, 0, False, 1), first=50_000 * (name == "b")) for name in "ab")
        return limits(a, b).loc[(MISSED, "a", "b")]

    # Both personas miss 1%. Intervals of few errors are wider than in proportion to the root, so fewer may do.
    needed = at(1)["n_needed"]
    assert at(1)["result"] == at(math.ceil(needed / 800))["result"] == TOO_SMALL
    assert at(math.ceil(needed / 100))["result"] == WITHIN


def test_a_limit_needs_labels_of_both_verdicts():
    a = rows_of("a", (4, 1, True, 10), (36, 1, None, 0), (60, 0, False, 1))
    b = rows_of("b", (40, 1, True, 1), (60, 0, False, 1))
    row = limits(a, b).loc[(FALSE_POSITIVES, "a", "b")]
    assert row["result"] is None
    assert math.isnan(row["limit"])


def test_the_error_of_a_contrast_is_the_contrast_minus_the_corrected_one():
    # b: .30 - 6 / 100 + 1 * 5 / 100 = .29; a: .20 - 1 / 100 = .19. The contrasts are .10 and .10, so errors cancel.
    a = rows_of("a", (19, 1, True, 1), (1, 1, False, 1), (16, 0, False, 5), (64, 0, None, 0))
    b = rows_of("b", (24, 1, True, 1), (6, 1, False, 1), (1, 0, True, 5), (13, 0, False, 5), (56, 0, None, 0))
    (row,) = estimate_contrast_errors(sums_of(a, b), "a").to_dict("records")
    assert (row["persona"], row["baseline"]) == ("b", "a")
    assert [row["uncorrected"], row["corrected"], row["estimate"]] == pytest.approx([0.1, 0.1, 0], abs=1e-12)
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["result"] == TOO_SMALL
    # The corrected contrast is that of the tables of rates.
    (same,) = estimate_corrected_contrasts(sums_of(a, b).assign(setting="persona"), "a").to_dict("records")
    assert [same["uncorrected"], same["estimate"]] == pytest.approx([row["uncorrected"], row["corrected"]])


def test_an_error_of_a_contrast_has_the_sign_of_what_the_detector_adds():
    # Of b's 300 flagged responses 100 are none: the detector adds 10 points to the contrast, and no label of it is
    # missing. The half-width is about 1.96 * sqrt(.1 * .9 / 1000).
    a = rows_of("a", (200, 1, True, 1), (800, 0, False, 1))
    b = rows_of("b", (200, 1, True, 1), (100, 1, False, 1), (700, 0, False, 1), first=5000)
    (row,) = estimate_contrast_errors(sums_of(a, b), "a").to_dict("records")
    assert [row["uncorrected"], row["corrected"], row["estimate"]] == pytest.approx([0.1, 0, 0.1], abs=1e-12)
    assert row["ci_high"] - 0.1 == pytest.approx(1.96 * math.sqrt(0.1 * 0.9 / 1000), rel=0.12)
    assert row["result"] == BEYOND


def test_a_baseline_that_nobody_has_is_an_error():
    with pytest.raises(InputError, match="baseline"):
        estimate_contrast_errors(sums_of(rows_of("a", (9, 1, True, 1))), "nobody")
