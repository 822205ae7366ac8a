"""Group sequential tests, against published bounds and another integration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.sequential import Looks, find_bounds, spend
from scipy import stats

FIVE = (0.2, 0.4, 0.6, 0.8, 1.0)


def test_five_equal_looks_have_the_published_bounds():
    # Lan and DeMets' approximation of O'Brien and Fleming's test, two-sided .05 (Biometrika 1983).
    assert find_bounds(FIVE, FIVE, 0.05) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=5e-4)


def test_all_of_the_level_is_spent_at_the_planned_size_and_next_to_nothing_at_first():
    assert spend(1.0, 0.05) == pytest.approx(0.05)
    # z at .0125 is 2.2414; divided by sqrt(.2) 5.012, beyond which are 2.69e-7: twice that on each of two sides.
    assert spend(0.2, 0.05) == pytest.approx(4 * 2.69e-7, rel=2e-3)


def test_a_single_look_is_the_usual_test():
    looks = Looks((1.0,), (7.5,))
    assert find_bounds([1.0], [7.5], 0.05) == pytest.approx([1.959964], abs=1e-6)
    assert looks.level([0.05, 0.1]) == pytest.approx([0.05, 0.1], rel=1e-6)
    assert looks.repeated_p([1e-6, 0.0123, 0.05]) == pytest.approx([1e-6, 0.0123, 0.05], rel=1e-6)


def test_bounds_spend_the_level_by_another_integration():
    # Shares and information need not agree; the information of the second look is next to that of the first.
    shares, information = (0.3, 0.5, 1.0), np.array([2.0, 2.4, 9.0])
    bounds = find_bounds(shares, information, 0.1)
    correlation = np.sqrt(np.minimum.outer(information, information) / np.maximum.outer(information, information))
    for n in (1, 2, 3):
        normal = stats.multivariate_normal(cov=correlation[:n, :n])
        within = normal.cdf(bounds[:n], lower_limit=-bounds[:n], rng=np.random.default_rng(0))
        assert 1 - within == pytest.approx(spend(shares[n - 1], 0.1), abs=2e-5)


def test_a_look_that_adds_nothing_has_its_share_and_none_of_them_is_exceeded_too_often():
    information = np.array([0, 0, 1.0, 1.0, 4.0, 4.01, 7.0, 10.0])
    bounds = find_bounds(np.arange(1, 9) / 8, information, 0.05)
    assert np.isinf(bounds[:2]).all()
    steps = np.sqrt(np.diff(information, prepend=0))
    scores = np.cumsum(np.random.default_rng(0).normal(size=(200_000, 8)) * steps, axis=1)
    with np.errstate(invalid="ignore"):
        rejected = (np.abs(scores) >= bounds * np.sqrt(information)).any(axis=1)
    # The standard error of a share of .05 in 200,000 is .0005.
    assert rejected.mean() == pytest.approx(0.05, abs=0.002)


def test_looks_without_information_have_the_levels_of_their_shares():
    assert Looks(FIVE, (0.0,) * 5).level([0.05, 0.1]).tolist() == Looks(FIVE, FIVE).level([0.05, 0.1]).tolist()


@settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
@given(st.integers(1, 5), st.floats(0.2, 4), st.floats(1e-9, 0.6))
def test_a_repeated_p_value_is_the_level_whose_bound_is_reached(n_looks, growth, p):
    shares = FIVE[:n_looks]
    looks = Looks(shares, tuple(np.array(shares) ** growth))
    found = float(looks.repeated_p(p))
    assert found >= p * (1 - 1e-6)
    assert (found <= 0.05) == (p <= looks.level(0.05))
    # Above .7, all are 1.
    if 1e-11 < found < 0.65:
        bound, z = find_bounds(looks.shares, looks.information, found)[-1], stats.norm.isf(p / 2)
        # Between the levels that are computed, bounds are interpolated; what the first looks can hardly reject, and
        # extreme p-values are overstated.
        assert bound <= z + 0.01
        assert bound >= z - (0.01 if n_looks > 2 and p > 1e-6 else 0.5)


def test_no_repeated_p_value_is_smaller_than_what_a_look_can_reject():
    # At a twentieth of the study, .05 spends 4 x 1.3e-16, which is nothing.
    early = Looks((0.05,), (0.05,))
    assert early.level(0.05) == 0
    assert early.repeated_p(1e-12) > 0.05


def test_repeated_p_values_pass_on_what_is_unknown():
    assert np.isnan(Looks(FIVE, FIVE).repeated_p([np.nan])).all()
