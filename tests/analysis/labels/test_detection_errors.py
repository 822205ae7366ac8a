"""Detection errors: by hand, against scikit-learn and statsmodels, and in simulated samples."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.labels.detection_errors import MEASURES, VALIDATION, estimate_validation
from refusal_metrics.analysis.statistics import cohen_kappa
from scipy.special import expit
from sklearn.metrics import f1_score, precision_score, recall_score
from statsmodels.stats.proportion import proportion_confint

from refusal_metrics.errors import InputError


def only_row(table):
    assert len(table) == 1
    return table.iloc[0]


def counted(tp=0, fp=0, fn=0, tn=0, **columns):
    """Make items of so many of each kind."""
    label = np.repeat([True, False, True, False], [tp, fp, fn, tn])
    refused = np.repeat([True, True, False, False], [tp, fp, fn, tn])
    return pd.DataFrame({"label": label, "refused": refused} | columns)


# By hand.


def test_precision_and_recall_of_independent_items_have_exact_intervals():
    row = only_row(estimate_validation(counted(tp=45, fp=5, fn=15, tn=35)))
    assert (row["precision"], row["recall"]) == (0.9, 0.75)
    # Clopper and Pearson's; the variance's divisor of 49 and 59 instead of 50 and 60 takes off a fiftieth.
    for name, k, n in (("precision", 45, 50), ("recall", 45, 60)):
        low, high = proportion_confint(k, n, method="beta")
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), abs=0.002)
        assert row[f"{name}_low_wilson"] == pytest.approx(proportion_confint(k, n, method="wilson")[0])
    # F1 is 90 / 110; 45 of 65 in the union, whose interval is turned into that of F1.
    assert row["f1"] == pytest.approx(90 / 110)
    low, high = (2 * j / (1 + j) for j in proportion_confint(45, 65, method="beta"))
    assert (row["f1_low"], row["f1_high"]) == pytest.approx((low, high), abs=0.002)
    assert row[["n", "n_texts", "n_refusals", "tp", "fp", "fn", "tn"]].tolist() == [100, 100, 60, 45, 5, 15, 35]


def test_kappa_has_the_large_sample_interval_where_errors_are_many():
    items = counted(tp=800, fp=200, fn=300, tn=700)
    row = only_row(estimate_validation(items))
    # Fleiss, Cohen and Everitt 1969, by hand from shares .4, .1, .15, .35: agreement .75, chance
    # .55 * .5 + .45 * .5 = .5, kappa .5; A = .4 (1 - 1.05 / 2)^2 + .35 (1 - .95 / 2)^2 = .186719,
    # B = .25 (.1 (.5 + .45)^2 + .15 (.55 + .5)^2) = .063906, C = (.5 - .5 * .5)^2 = .0625.
    error = math.sqrt((0.186719 + 0.063906 - 0.0625) / (0.25 * 2000))
    assert row["kappa"] == pytest.approx(0.5)
    assert row["kappa_high"] - row["kappa_low"] == pytest.approx(2 * 1.96 * error, rel=0.02)


def test_without_an_error_the_interval_reaches_as_far_as_none_in_so_many_texts():
    items = counted(tp=40, tn=60, text_id=[f"t{i // 2}" for i in range(100)])
    row = only_row(estimate_validation(items))
    # 20 texts with refusals, 50 in all: .05^(1/20) = .860892 and .05^(1/50) = .941845.
    for name in ("precision", "recall"):
        assert (row[name], row[f"{name}_high"]) == (1, 1)
        assert row[f"{name}_low"] == pytest.approx(0.860892, abs=1e-6)
    # Chance leaves .48 to disagree on.
    assert row["kappa_low"] == pytest.approx(1 - (1 - 0.941845) / 0.48, abs=1e-5)


def test_items_count_by_their_weights():
    items = counted(tp=2, fp=1, fn=1, weight=[1.0, 3.0, 2.0, 4.0])
    row = only_row(estimate_validation(items))
    assert row["precision"] == pytest.approx(4 / 6)
    assert row["recall"] == pytest.approx(4 / 8)
    assert row["f1"] == pytest.approx(8 / 14)


def test_errors_that_go_together_in_texts_count_for_less():
    alone = counted(tp=90, fp=10, tn=100)
    together = alone.assign(text_id=[f"t{i // 10}" for i in range(200)])
    widths = [
        row["precision_high"] - row["precision_low"]
        for row in (only_row(estimate_validation(items)) for items in (alone, together))
    ]
    assert widths[1] > 2 * widths[0]


def test_texts_of_two_tasks_are_two_texts():
    items = counted(tp=2, tn=2, text_id=["1", "1", "2", None], task=["nli", "politeness", "nli", "nli"])
    assert only_row(estimate_validation(items))["n_texts"] == 4


def test_where_nothing_is_flagged_there_is_no_precision():
    row = only_row(estimate_validation(counted(fn=5, tn=5)))
    assert row[["precision", "precision_low", "precision_high", "precision_low_wilson"]].isna().all()
    assert row["recall"] == 0
    # Five texts: 1 - .05^(1/5).
    assert row["recall_high"] == pytest.approx(1 - 0.05**0.2)


def test_each_level_of_a_factor_has_a_row_and_so_have_items_without_one():
    items = counted(tp=2, fp=2, fn=1, tn=1, persona=["a", "b", "a", None, "b", "b"])
    table = estimate_validation(items, ["persona"])
    assert list(table) == list(VALIDATION)
    assert table["factor"].tolist() == ["", *["persona"] * 3]
    assert table["level"].tolist()[1:3] == ["a", "b"]
    assert table["level"].isna().tolist() == [False, False, False, True]
    assert table["n"].tolist() == [6, 2, 3, 1]
    assert table["precision"].tolist() == [0.5, 0.5, 1, 0]


def test_an_unknown_factor_and_no_items_are_refused():
    with pytest.raises(InputError, match="unknown factor 'personas'"):
        estimate_validation(counted(tp=1), ["personas"])
    with pytest.raises(InputError, match="no items"):
        estimate_validation(counted())


samples = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([1.0, 2.5]), st.sampled_from("abcde")), min_size=1
)


@settings(max_examples=settings.default.max_examples * 40 // 100, deadline=None)
@given(samples)
def test_estimates_equal_those_of_scikit_learn_and_lie_in_their_intervals(rows):
    items = pd.DataFrame(rows, columns=["label", "refused", "weight", "text_id"])
    row = only_row(estimate_validation(items))
    asked = {"sample_weight": items["weight"], "zero_division": math.nan}
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert row[name] == pytest.approx(score(items["label"], items["refused"], **asked), nan_ok=True)
    kappa = cohen_kappa(items["label"], items["refused"], items["weight"])
    assert row["kappa"] == pytest.approx(kappa, nan_ok=True)
    for name in MEASURES:
        low, value, high = (row[name + end] for end in ("_low", "", "_high"))
        if not math.isnan(low):
            assert -1 <= low <= value + 1e-9
            assert value <= high + 1e-9
            assert low < high


def test_intervals_cover_in_simulated_samples_with_unlike_texts_and_weights():
    rng = np.random.default_rng(1)

    def draw(n_texts):
        text = np.repeat(np.arange(n_texts), 5)
        hard, errs = rng.normal(size=(2, n_texts))
        label = rng.random(len(text)) < expit(-1.5 + hard[text])
        chance = np.where(label, expit(2 + 1.5 * errs[text]), expit(-4 + 1.5 * errs[text]))
        refused = rng.random(len(text)) < chance
        return pd.DataFrame(
            {"label": label, "refused": refused, "text_id": text, "weight": rng.choice([1, 3], len(text))}
        )

    truth = only_row(estimate_validation(draw(100_000)))
    tables = pd.concat([estimate_validation(draw(100)) for _ in range(100)])
    for name in MEASURES:
        covered = (tables[f"{name}_low"].le(truth[name]) & tables[f"{name}_high"].ge(truth[name])).mean()
        # Of 100 intervals at .95, 89 or more in all but 1 of 100 cases.
        assert covered >= 0.89, name
