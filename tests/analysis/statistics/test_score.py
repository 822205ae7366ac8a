"""The score test of a difference: by hand, against scipy and statsmodels, and its interval against the test."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.differences import compare_between, compare_within
from refusal_metrics.analysis.statistics.score import (
    detectable,
    overdispersion,
    quantile,
    score_interval,
    score_p,
    upper_tail,
)
from refusal_metrics.analysis.statistics.strata import Strata
from scipy import stats
from statsmodels.stats.proportion import power_proportions_2indep

few = settings(max_examples=settings.default.max_examples * 50 // 100, deadline=None)

arm = st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
texts = st.lists(st.tuples(arm, arm), min_size=1, max_size=8)
ONE = np.ones(1)


def strata(*contrasts):
    """Make strata from contrasts, each a list of texts ((k, n), (k, n) of the baseline)."""
    rows = [(i, n, k, n0, k0) for i, contrast in enumerate(contrasts) for (k, n), (k0, n0) in contrast]
    contrast, *arms = np.array(rows).T
    return Strata(contrast, *(values.astype(float) for values in arms), len(contrasts))


def score_of(*contrasts):
    return compare_within(strata(*contrasts)).score


# Pearson's type III distribution.


@pytest.mark.parametrize("skewness", [-6, -0.5, -1e-3, 0, 1e-5, 1e-3, 0.5, 6])
def test_the_distribution_equals_scipys(skewness):
    z, tail = np.linspace(-3, 5, 17), np.array([0.9, 0.5, 0.1, 1e-3, 1e-6])
    np.testing.assert_allclose(upper_tail(z, skewness), stats.pearson3.sf(z, skewness), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(quantile(tail, skewness), stats.pearson3.isf(tail, skewness), rtol=1e-4, atol=1e-5)


# The p-value.


def test_values_between_0_and_1_in_many_texts_equal_the_normal_distribution():
    # In each of 500 texts a quarter against a half, or the reverse: 270 of them one way. T deviates by
    # (270 - 230) * .125 = 5 with a variance of 500 * .125^2 = 7.8125. Arms of one prompt each have no skewness.
    k = np.where(np.arange(500) < 270, 0.5, 0.25)
    one = np.ones(500)
    both = Strata(np.zeros(500, dtype=int), one, k, one, 0.75 - k, 1, k**2 + (0.75 - k) ** 2)
    score = compare_within(both).score
    assert score.n_informative.tolist() == [500]
    assert score_p(score, ONE)[0] == pytest.approx(math.erfc(5 / math.sqrt(7.8125) / math.sqrt(2)), rel=1e-6)


def test_one_refusal_in_each_text_equals_the_hand_worked_example():
    # In six texts with a response in each arm, the one refusal is in the arm: T = 6/2, V = 6/4, no skewness.
    score = score_of([((1, 1), (0, 1))] * 6)
    assert score_p(score, ONE)[0] == pytest.approx(math.erfc(3 / math.sqrt(6 / 4) / math.sqrt(2)))
    # Overdispersion of 2 halves the square of the deviate.
    assert score_p(score, 2 * ONE)[0] == pytest.approx(math.erfc(3 / math.sqrt(2 * 6 / 4) / math.sqrt(2)))


def test_a_skewed_statistic_has_the_tail_of_its_own_side():
    # A refusal falls to the arm with probability 1/10: k - .1 in 40 texts with T = 9 - 4, V = 40 * .09, third moment
    # 40 * .1 * .9 * .8; then T = 0 - 4.
    for k, tail in ((9, stats.pearson3.sf), (0, stats.pearson3.cdf)):
        score = score_of([((1, 1), (0, 9))] * k + [((0, 1), (1, 9))] * (40 - k))
        p = 2 * tail((k - 4) / math.sqrt(3.6), 2.88 / 3.6**1.5)
        assert score_p(score, ONE)[0] == pytest.approx(p)


def test_no_difference_has_a_p_value_of_1_however_skewed():
    # One refusal among 1,000 responses of the baseline is slightly less than expected of one response of the arm.
    assert score_p(score_of([((0, 1), (1, 1000))]), ONE)[0] == pytest.approx(1)
    assert score_p(score_of([((0, 3), (0, 9)), ((2, 2), (4, 4))]), ONE)[0] == 1


def test_arms_without_common_texts_have_a_t_test():
    # Rates 1/2 and 1/4 of 8 responses in two texts each. W = 4, V = 8 * 8 * 6 * 10 / (256 * 15) = 1. Clustered variance
    # 1/8, see test_differences: scatter 16/8 = 2. At the difference, V changes to (1/4 + 3/16) / (2 * 15/64) = 14/15:
    # overdispersion 30/14; z = 1 / sqrt(30/14), and t with 1 degree of freedom is Cauchy's.
    contrast = [((1, 4), (0, 0)), ((3, 4), (0, 0)), ((0, 0), (0, 4)), ((0, 0), (2, 4))]
    score = compare_between(strata(contrast)).score
    phi = overdispersion(score, np.zeros(1, dtype=int))
    assert phi[0] == pytest.approx(30 / 14)
    assert score_p(score, phi)[0] == pytest.approx(1 - 2 / math.pi * math.atan(math.sqrt(14 / 30)))


# Overdispersion.


def test_the_overdispersion_of_a_family_is_pooled_and_exceeded_by_that_of_its_own():
    # At an estimate of 0, the variance is that under no difference.
    score = replace(
        score_of(*[[((1, 2), (1, 2))]] * 5),
        estimate=np.zeros(5),
        variance=np.array([10.0, 10, 10, 10, 10]),
        scatter=np.array([30.0, 12, 8, 5, np.nan]),
        n_informative=np.array([100.0, 100, 100, 100, 1]),
    )
    # Family 0: (30 + 12) / 20 = 2.1; the first contrast's own is 3, with a third of the weight: 1.4 + 1. The second's
    # own is less than all. Family 1: 13 / 20 is below 1; one text adds nothing.
    phi = overdispersion(score, np.array([0, 0, 1, 1, 1]))
    assert phi.tolist() == pytest.approx([2.4, 2.1, 1, 1, 1])


def test_the_scatter_is_taken_around_the_estimate():
    # In each of 50 texts all of 3 against none of 3: the effect is the same everywhere, and no text is its own.
    score = score_of([((3, 3), (0, 3))] * 50)
    assert score.scatter[0] == pytest.approx(0)
    assert overdispersion(score, np.zeros(1, dtype=int))[0] == 1


# The interval.


@few
@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from([0.8, 0.9, 0.95]), st.floats(1, 3))
def test_an_interval_contains_0_exactly_if_0_is_not_rejected(contrasts, level, phi):
    score = score_of(*contrasts)
    phi = np.full(len(contrasts), phi)
    low, high = score_interval(score, phi, level)
    known = score.variance > 0
    kept = score_p(score, phi) > 1 - level
    assert (((low <= 0) & (high >= 0)) == kept)[known].all()
    assert ((low >= -1) & (low <= score.estimate) & (score.estimate <= high) & (high <= 1))[known].all()
    assert np.isnan(low[~known]).all()


@few
@given(st.lists(texts, min_size=1, max_size=4))
def test_the_ends_of_an_interval_are_where_the_p_value_falls_below_the_level(contrasts):
    score = score_of(*contrasts)
    phi = np.ones(len(contrasts))
    for end in score_interval(score, phi, 0.95):
        inner = (end > -1) & (end < 1) & (end != score.estimate)
        p = np.stack([score_p(score, phi, end + shift) for shift in (-1e-6, 1e-6)])
        assert (p.min(axis=0) <= 0.0501)[inner].all()
        assert (p.max(axis=0) >= 0.0499)[inner].all()


def test_an_interval_of_many_responses_is_walds():
    # 3,000 of 10,000 against 2,000 of 10,000 in 1,000 texts: .1 with a variance of (.21 + .16) / 10,000, by the factor
    # 10 / 9 of the variance without replacement less the between-arms part, which is of the order of d^2.
    low, high = score_interval(score_of([((3, 10), (2, 10))] * 1000), ONE, 0.95)
    half = 1.959964 * math.sqrt(0.37 / 10_000)
    assert (low[0], high[0]) == pytest.approx((0.1 - half, 0.1 + half), abs=5e-4)


@pytest.mark.parametrize(("n", "n_baseline"), [(3, 3), (2, 20)])
def test_first_refusals_do_not_make_an_interval_shorter(n, n_baseline):
    # Without a refusal in 200 texts, the ends are 1 - .025^(1/200) = .018275.
    highs = [0.018275]
    for n_refused in range(1, 6):
        contrast = [((int(i < n_refused), n), (0, n_baseline)) for i in range(200)]
        highs.append(score_interval(score_of(contrast), ONE, 0.95)[1][0])
    assert highs == sorted(highs)


# Detectable differences.


@pytest.mark.parametrize("n_baseline", [8000, 24_000])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 15])
def test_detectable_differences_have_the_power_of_the_test_in_statsmodels(n_baseline, alpha):
    # One text, a rate of .1 in both arms; statsmodels also pools the rate under the null hypothesis.
    score = score_of([((800, 8000), (n_baseline // 10, n_baseline))])
    up, down = detectable(score, ONE, np.full(1, alpha), 0.8)
    for difference in (up[0], -down[0]):
        ratio = n_baseline / 8000
        power = power_proportions_2indep(difference, 0.1, 8000, ratio=ratio, alpha=alpha).power
        # It knows no skewness, which is .03 here.
        assert power == pytest.approx(0.8, abs=0.01)


def test_overdispersion_makes_detectable_differences_larger():
    score = score_of([((800, 8000), (800, 8000))])
    alpha = np.full(1, 0.05)
    # A variance of 2 is that of half as many responses.
    half = detectable(score_of([((400, 4000), (400, 4000))]), ONE, alpha, 0.8)
    np.testing.assert_allclose(detectable(score, 2 * ONE, alpha, 0.8), half, rtol=0.005)


def test_what_cannot_be_detected_is_said():
    # In one of 20 texts one of two responses was refused, so a fall to 0 is not detected, nor a rise in two such texts.
    alpha = np.full(1, 0.05)
    up, down = detectable(score_of([((0, 1), (0, 1))] * 18 + [((1, 1), (0, 1)), ((0, 1), (1, 1))]), ONE, alpha, 0.8)
    assert 0 < up[0] < 1
    assert math.isnan(down[0])
    up, _ = detectable(score_of([((1, 1), (0, 1)), ((0, 1), (1, 1))]), ONE, alpha, 0.8)
    assert up[0] == 1
    up, down = detectable(score_of([((0, 5), (0, 5))]), ONE, alpha, 0.8)
    assert math.isnan(up[0])
    assert math.isnan(down[0])
