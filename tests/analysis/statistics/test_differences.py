"""Differences of rates: against statsmodels within texts, and by hand between texts."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.differences import compare_between, compare_within
from refusal_metrics.analysis.statistics.strata import Strata
from statsmodels.stats.contingency_tables import StratifiedTable

few = settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)

arm = st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
texts = st.lists(st.tuples(arm, arm), min_size=2, max_size=8)


def strata(contrast):
    """Make strata of one contrast from its texts ((k, n), (k, n) of the baseline)."""
    n, k, n0, k0 = np.array([(n, k, n0, k0) for (k, n), (k0, n0) in contrast], dtype=float).T
    return Strata(np.zeros(len(n), dtype=np.int64), n, k, n0, k0, 1)


@few
@given(texts)
def test_the_odds_ratio_within_texts_equals_statsmodels(contrast):
    tables = [np.array([[k, n - k], [k0, n0 - k0]]) for (k, n), (k0, n0) in contrast]
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = StratifiedTable(tables).oddsratio_pooled
    assert math.exp(compare_within(strata(contrast)).log_odds[0]) == pytest.approx(expected, nan_ok=True)


@few
@given(texts)
def test_the_statistic_without_overdispersion_is_the_one_of_the_test_in_statsmodels(contrast):
    # Its statistic is the square of sum(k - E k) over the variance.
    tables = [np.array([[k, n - k], [k0, n0 - k0]]) for (k, n), (k0, n0) in contrast]
    score = compare_within(strata(contrast)).score
    assume(score.variance[0] > 0)
    statistic = StratifiedTable(tables).test_null_odds(correction=False).statistic
    assert (score.weight * score.estimate)[0] ** 2 / score.variance[0] == pytest.approx(statistic, abs=1e-9)


@few
@given(texts)
def test_the_difference_within_texts_and_its_error_equal_a_regression_with_an_intercept_for_each_text(contrast):
    # Least squares weighs texts by n n0 / (n + n0); its clustered error has the same scores.
    text = np.repeat(np.arange(len(contrast)), [n + n0 for (_, n), (_, n0) in contrast])
    in_arm = np.concatenate([np.repeat([1.0, 0.0], [n, n0]) for (_, n), (_, n0) in contrast])
    refused = np.concatenate([np.repeat([1.0, 0, 1, 0], [k, n - k, k0, n0 - k0]) for (k, n), (k0, n0) in contrast])
    design = np.column_stack([text[:, None] == np.arange(len(contrast)), in_arm]).astype(float)
    options = {"groups": text, "use_correction": False}
    fit = sm.OLS(refused, design).fit(cov_type="cluster", cov_kwds=options)
    difference = compare_within(strata(contrast))
    n_texts = len(contrast)
    assert difference.score.estimate[0] == pytest.approx(fit.params[-1], abs=1e-12)
    # A variance of 0 may come out below it by rounding.
    error = math.sqrt(max(0.0, fit.cov_params()[-1, -1]) * n_texts / (n_texts - 1))
    clustered = math.sqrt(difference.score.scatter[0]) / difference.score.weight[0]
    assert clustered == pytest.approx(error, rel=1e-6, abs=1e-7)
    assert difference.freedom[0] == n_texts - 1


def test_the_error_of_an_odds_ratio_equals_the_hand_worked_example():
    # Per text r = k (n0 - k0) / (n + n0), s = k0 (n - k) / (n + n0): 2 * 3 / 8, 1 * 2 / 8 and 1 * 3 / 8, 1 * 3 / 8.
    # R = 9/8, S = 5/8; influences 6/9 - 2/5 = 4/15 and 3/9 - 3/5 = -4/15; variance 2 * 2 * (4/15)^2.
    difference = compare_within(strata([((2, 4), (1, 4)), ((1, 4), (1, 4))]))
    assert difference.log_odds[0] == pytest.approx(math.log(9 / 5))
    assert difference.log_odds_error[0] == pytest.approx(8 / 15)


def test_different_texts_equal_the_hand_worked_example():
    # Arm: 1/4, 3/4 -> p = 1/2, v = 2 * (1 + 1) / 64 = 1/16. Baseline: 0/4, 2/4 -> p = 1/4, v = 2 * (1 + 1) / 64 = 1/16.
    # Under no difference p (1 - p) = 15/64; squared scores .25, 2.25, 2.25, .25 exceed 16 * 15/64 by 1.25, a
    # correlation of 1.25 / (15/64 * 48) = 1/9; v = 15/64 * 8 * (1 + 3/9) / 64 = 5/128 each, which is less.
    contrast = [((1, 4), (0, 0)), ((3, 4), (0, 0)), ((0, 0), (0, 4)), ((0, 0), (2, 4))]
    difference = compare_between(strata(contrast))
    assert difference.score.estimate[0] == 0.25
    # W = 8 * 8 / 16 = 4, and the clustered variance 1/8 is 16/8 on the scale of the statistic.
    assert difference.score.weight[0] == 4
    assert difference.score.scatter[0] == pytest.approx(2)
    assert difference.freedom[0] == difference.score.freedom[0] == 1
    # 4 to 4 against 2 to 6; each variance over (p (1 - p))^2: (1/16) / (1/16) + (1/16) / (9/256) = 25/9.
    assert difference.log_odds[0] == pytest.approx(math.log(3))
    assert difference.log_odds_error[0] == pytest.approx(5 / 3)
    # 8 * 8 * 6 * 10 / (256 * 15).
    assert difference.score.variance[0] == pytest.approx(1)
    assert (difference.n[0], difference.n_texts[0], difference.n_refused[0]) == (8, 2, 4)
    assert (difference.n_baseline[0], difference.n_refused_baseline[0]) == (8, 2)


def test_an_arm_that_never_refuses_has_the_scatter_of_no_difference():
    never = [((0, 5), (0, 0)) for _ in range(20)]
    sometimes = [((0, 0), (i < 4, 5)) for i in range(20)]
    difference = compare_between(strata(never + sometimes))
    # p = 4/200; texts with one refusal are no more alike than chance has it: 4 * .9^2 + 36 * .1^2 < 200 * .02 * .98.
    # v = .02 * .98 / 100 for either arm, more than the other arm alone varies by text. At the difference, the variance
    # is .04 * .96 for one arm and 0 for the other, and W = 50.
    at_difference = 0.04 * 0.96 / (2 * 0.02 * 0.98)
    assert difference.score.scatter[0] == pytest.approx(2 * 0.02 * 0.98 / 100 * 50**2 * at_difference)
    assert math.isnan(difference.log_odds_error[0])
