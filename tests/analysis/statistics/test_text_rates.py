"""Intervals of rates clustered by text: by hand, in every small study, and in simulated studies of known truth."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics import clustered_interval
from scipy import special, stats

some = settings(max_examples=settings.default.max_examples // 2, deadline=None)


def interval(n_cases, n):
    """Compute the intervals of studies: (n_studies, n_texts) cases of n responses a text, a number or (n_texts,)."""
    cases = np.asarray(n_cases, dtype=np.float64)
    asked = np.broadcast_to(np.asarray(n, dtype=np.float64), cases.shape)
    study = np.repeat(np.arange(len(cases)), cases.shape[1])
    return clustered_interval(cases.ravel(), asked.ravel(), study, len(cases))


def exact(k, n):
    """Compute the upper end of Clopper and Pearson's interval by its beta quantile."""
    return stats.beta.ppf(0.975, k + 1, n - k)


def spread(n_texts, n_cases):
    """Make studies with 0 to n_cases cases, each about another text."""
    return np.tri(n_cases + 1, n_texts, -1)


# By hand.


def test_seeing_refusals_does_not_make_the_bound_smaller():
    # Of 200 texts x 10, and of 1,400 x 33, with 0, 1 and 2 cases: 1 - .025^(1/200) and 1 - .025^(1/1400). Korn and
    # Graubard's interval by itself ends at .96 and .55%, and at .043 and .024%, with 1 and 2 of them.
    assert 100 * interval(spread(200, 2), 10)[1] == pytest.approx(1.8275, abs=1e-4)
    assert 100 * interval(spread(1400, 2), 33)[1] == pytest.approx(0.2631, abs=1e-4)


def test_a_few_cases_have_a_design_effect_between_one_and_the_worst():
    # 40 cases in 40 of 100 texts x 10: p = .04, squares 40 - 40^2 / 100 = 24, v = 100/99 * 24 / 1000^2, a design effect
    # of 1000 v / (.04 * .96) = .6313, counted as 1; 1 + (10 - 1) * 5 / (5 + 40) = 2.
    low, high = interval([[1] * 40 + [0] * 60], 10)
    assert high[0] == pytest.approx(exact(20, 500))
    assert low[0] == pytest.approx(1 - exact(480, 500))


def test_an_estimate_beyond_the_worst_case_counts():
    # All 20 responses of one text and none of the single ones of 19 others: 39/20 responses a text. p = 20/39,
    # k - p n = 9.744 once and -.5128 19 times: squares 99.93, v = 20/19 * 99.93 / 39^2 = .06916, a design effect of
    # 39 v / .24984 = 10.796.
    _, high = interval([[20] + [0] * 19], [20] + [1] * 19)
    n = 39 / 10.796
    assert high[0] == pytest.approx(exact(20 / 39 * n, n), abs=1e-4)


def test_a_single_text_with_both_has_no_interval():
    low, high = interval([[3]], 10)
    assert math.isnan(low[0])
    assert math.isnan(high[0])


# In all studies.


@pytest.mark.parametrize(("n_texts", "n"), [(2, 12), (3, 8), (4, 5), (6, 3), (10, 2)])
def test_in_every_small_study_the_upper_end_is_the_largest_of_all_with_fewer_cases(n_texts, n):
    # The order of texts does not matter.
    studies = list(itertools.combinations_with_replacement(range(n + 1), n_texts))
    low, high = interval(studies, n)
    ends = dict(zip(studies, zip(low, high, strict=True), strict=True))
    for study, (low_end, high_end) in ends.items():
        for g in range(n_texts):
            if study[g] < n:
                more = tuple(sorted((*study[:g], study[g] + 1, *study[g + 1 :])))
                assert ends[more][1] >= high_end - 1e-12
                assert ends[more][0] >= low_end - 1e-12


@some
@given(st.integers(2, 60), st.integers(1, 40), st.data())
def test_one_more_case_never_lowers_the_upper_end(n_texts, n, data):
    few = st.lists(st.tuples(st.integers(0, n_texts - 1), st.integers(1, n)), max_size=12)
    study = np.zeros((2, n_texts))
    for text, k in data.draw(few):
        study[:, text] = k
    free = np.flatnonzero(study[0] < n)
    if len(free):
        study[1, data.draw(st.sampled_from(free.tolist()))] += 1
    low, high = interval(study, n)
    assert high[1] >= high[0] - 1e-12
    assert low[1] >= low[0] - 1e-12


@some
@given(st.lists(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2))
def test_no_cases_have_the_smallest_upper_end_also_with_unequal_texts(texts):
    cases, n = np.array(texts).T
    low, high = interval([cases, np.zeros(len(n)), n], n)
    assert high[0] >= high[1]
    assert low[0] <= low[2]
    # P(no case | high) = .025 if each text is refused always or never.
    assert (1 - high[1]) ** len(n) == pytest.approx(0.025)


# Simulated studies.

UNEQUAL = np.repeat([10, 20, 30, 40, 60, 100], [40, 50, 50, 30, 20, 10])


@pytest.mark.parametrize(
    ("n_texts", "n", "triggers", "refused", "background"),
    [
        (200, 10, 0.01, 1, 0.0005),
        (200, 10, 0.01, 1, 0.001),
        (200, 10, 0.01, 0.8, 0.002),
        (1400, 33, 0.0015, 0.9, 0.00005),
        (200, 10, 0.03, 0.9, 0.002),
        (200, UNEQUAL, 0.01, 0.8, 0.002),
        (200, 10, 0.03, 1, 0),
        (200, UNEQUAL, 0.03, 0.9, 0),
    ],
)
def test_intervals_cover_if_few_texts_have_most_refusals(n_texts, n, triggers, refused, background):
    # With these triggers and backgrounds the interval without shrinking covers in 84 to 92 of 100 studies.
    n_studies, rng = 400, np.random.default_rng(17)
    rates = np.where(rng.random((n_studies, n_texts)) < triggers, refused, background)
    low, high = interval(rng.binomial(n, rates), n)
    truth = triggers * refused + (1 - triggers) * background
    # A true share of .94 has a standard deviation of 1.2% in 400 studies.
    assert ((low <= truth) & (truth <= high)).mean() >= 0.94 - 2 * 0.012


@pytest.mark.parametrize("n", [10, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("rate", [0.002, 0.02, 0.2])
def test_intervals_cover_if_rates_of_texts_are_logit_normal(rate, n):
    x, weight = np.polynomial.hermite_e.hermegauss(61)
    # The intercepts at which the mean of the logistic function over a standard deviation of 1.5 is the rate.
    intercept = {0.002: -7.322273, 0.02: -4.905002, 0.2: -1.916310}[rate]
    truth = np.average(special.expit(intercept + 1.5 * x), weights=weight)
    assert truth == pytest.approx(rate, rel=1e-4)
    n_studies, rng = 400, np.random.default_rng(18)
    low, high = interval(rng.binomial(n, special.expit(intercept + 1.5 * rng.normal(size=(n_studies, 200)))), n)
    assert ((low <= truth) & (truth <= high)).mean() >= 0.94 - 2 * 0.012
