"""Intervals of proportions with a known variance, and of sums."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.intervals import (
    effective_units,
    mid_p_interval,
    proportion_interval,
    sum_interval,
    wilson,
    zero_count_bound,
)
from scipy import stats

some = settings(max_examples=settings.default.max_examples // 2, deadline=None)


def exact(k, n):
    """Compute Clopper and Pearson's interval by its beta quantiles."""
    return stats.beta.ppf(0.025, k, n - k + 1), stats.beta.ppf(0.975, k + 1, n - k)


def test_a_proportion_with_a_variance_has_the_exact_interval_of_so_many_trials():
    # p (1 - p) / v = .09 / .0009 = 100 trials, 10 of them.
    low, high = proportion_interval(0.1, 0.0009, 1000, 0.5)
    # Clopper and Pearson: P(X >= 10 | low) = P(X <= 10 | high) = .025.
    assert stats.binom.sf(9, 100, low) == pytest.approx(0.025)
    assert stats.binom.cdf(10, 100, high) == pytest.approx(0.025)


def test_a_proportion_knows_no_more_than_its_trials():
    low, high = proportion_interval(0.1, 0, 50, 0.5)
    assert (low, high) == pytest.approx(exact(5, 50))


def test_few_degrees_of_freedom_take_away_trials():
    # Points of Student's t: 1.984217 with 99, 2.776445 with 4; 100 * (1.984217 / 2.776445)^2 = 51.0743.
    low, high = proportion_interval(0.1, 0.0009, 100, 0.5, freedom=4)
    assert (low, high) == pytest.approx(exact(5.10743, 51.0743), abs=1e-5)


def test_at_0_and_1_an_interval_reaches_as_far_as_it_is_told():
    low, high = proportion_interval([0.0, 1.0], [0.0, 0.0], 20, [0.2, 0.3])
    assert low.tolist() == [0, 0.7]
    assert high.tolist() == [0.2, 1]


def test_without_a_variance_there_is_no_interval():
    assert np.isnan(proportion_interval(0.5, math.nan, 10, 0.2)).all()


@some
@given(
    st.sampled_from([0.0, 1.0]) | st.floats(1e-6, 1 - 1e-6),
    st.floats(1e-6, 0.25),
    st.integers(2, 1000),
    st.sampled_from([0.8, 0.95]),
)
def test_an_interval_holds_its_proportion(rate, variance, n, level):
    low, high = proportion_interval(rate, variance, n, 0.5, level=level)
    assert 0 <= low <= rate <= high <= 1


def test_equal_weights_are_as_many_units_and_unequal_ones_fewer():
    assert effective_units(np.full(8, 2.5)) == pytest.approx(8)
    # (1 + 3)^2 / (1 + 9).
    assert effective_units(np.array([1.0, 3.0])) == pytest.approx(1.6)
    assert effective_units(np.zeros(3)) == 0


def test_none_in_59_leaves_five_in_a_hundred_open():
    # .95^59 = .0485.
    assert zero_count_bound(59, 0.05) == pytest.approx(0.0495, abs=1e-4)


def test_symmetric_intervals_of_a_difference_give_the_usual_one():
    # Errors .3 and .4 with correlation .5: .09 + .16 - 2 * .5 * .12 = .13.
    correlation = np.array([[1, 0.5], [0.5, 1]])
    ends = sum_interval(
        np.array([2.0, 1.0]), np.array([1.7, 0.6]), np.array([2.3, 1.4]), np.array([1, -1]), correlation
    )
    assert ends == pytest.approx((1 - math.sqrt(0.13), 1 + math.sqrt(0.13)))


def test_a_difference_takes_the_far_ends_of_its_parts():
    # Down: .1 below the first and .4 above the second; up: .3 and .2.
    parts = (np.array([0.5, 0.3]), np.array([0.4, 0.1]), np.array([0.8, 0.7]), np.array([1.0, -1.0]))
    low, high = sum_interval(*parts, np.eye(2))
    assert low == pytest.approx(0.2 - math.hypot(0.1, 0.4))
    assert high == pytest.approx(0.2 + math.hypot(0.3, 0.2))


def test_a_sum_with_a_part_without_an_interval_has_none():
    low, high = sum_interval(np.ones(2), np.array([0, np.nan]), np.array([2, np.nan]), np.ones(2), np.eye(2))
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, page 861, table I, method 6.
        (81, 263, 0.2544, 0.3658),
        (15, 148, 0.0601, 0.1581),
        (0, 20, 0.0, 0.1391),
        (1, 29, 0.0017, 0.1585),
        # The mirror image of 1 of 29.
        (28, 29, 0.8415, 0.9983),
    ],
)
def test_mid_p_intervals_are_those_published(x, n, low, high):
    ends = mid_p_interval(x / n, n)
    assert [float(end) for end in ends] == pytest.approx([low, high], abs=5e-5)


def test_without_a_case_the_mid_p_interval_leaves_a_one_sided_bound_open():
    # (1 - p)^n / 2 = .025.
    low, high = mid_p_interval([0.0, 1.0], 50)
    assert low == pytest.approx([0, 0.05 ** (1 / 50)])
    assert high == pytest.approx([1 - 0.05 ** (1 / 50), 1])


@some
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_ends_are_where_the_score_test_just_rejects(case):
    k, n = case
    low, high = wilson(k, n)
    assert low < high
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)
    # Wilson 1927: |k/n - p| = z sqrt(p (1 - p) / n) at each end inside (0, 1).
    for end in (low, high):
        if 0 < end < 1:
            assert abs(k / n - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / n), rel=1e-9)


def test_wilson_takes_arrays_and_gives_nothing_for_no_trials():
    low, high = wilson([5, 0], [10, 0])
    # By hand, z = 1.959964: centre .5, half .5 * z / sqrt(10 + z^2) = .263407.
    assert (low[0], high[0]) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert math.isnan(low[1])
    assert math.isnan(high[1])
