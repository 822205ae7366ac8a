"""The moments of an arm's refusals if verdicts are assigned to arms at random: against scipy, text by text."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.strata import Strata, null_third_moment, null_variance
from scipy import stats

few = settings(max_examples=settings.default.max_examples * 40 // 100, deadline=None)

arm = st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def strata(contrast):
    """Make strata of one contrast from its texts ((k, n), (k, n) of the baseline)."""
    n, k, n0, k0 = np.array([(n, k, n0, k0) for (k, n), (k0, n0) in contrast], dtype=float).T
    return Strata(np.zeros(len(n), dtype=np.int64), n, k, n0, k0, 1)


def test_the_variance_of_one_text_equals_the_hand_worked_example():
    # n n0 s (n_g - s) / (n_g^2 (n_g - 1)) = 3 * 3 * 3 * 3 / (36 * 5) = .45.
    assert null_variance(strata([((3, 3), (0, 3))])).tolist() == pytest.approx([0.45])


@few
@given(st.lists(st.tuples(arm, arm), min_size=1, max_size=4))
def test_the_moments_of_texts_are_the_sums_of_hypergeometric_ones(contrast):
    variance, third = 0.0, 0.0
    for (k, n), (k0, n0) in contrast:
        number = np.arange(n + 1)
        chance = stats.hypergeom(n + n0, k + k0, n).pmf(number)
        deviation = number - chance @ number
        variance, third = variance + chance @ deviation**2, third + chance @ deviation**3
    assert null_variance(strata(contrast))[0] == pytest.approx(variance, abs=1e-9)
    assert null_third_moment(strata(contrast))[0] == pytest.approx(third, abs=1e-8)


# Values between 0 and 1: means of verdicts on copies of a prompt.


def valued(*texts):
    """Make strata of one contrast from texts, each the values of both arms."""
    arms = [(len(x), sum(x), len(y), sum(y), sum(v * v for v in (*x, *y))) for x, y in texts]
    *counted, squares = np.array(arms, dtype=float).T
    return Strata(np.zeros(len(texts), dtype=int), *counted, 1, squares)


@few
@given(st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=2, max_size=7), st.integers(1, 6))
def test_the_variance_of_values_equals_that_of_all_their_assignments(values, n):
    n = min(n, len(values) - 1)
    totals = [sum(chosen) for chosen in itertools.combinations(values, n)]
    assert null_variance(valued((values[:n], values[n:])))[0] == pytest.approx(np.var(totals), abs=1e-9)


def test_values_of_0_and_1_give_the_hypergeometric_variance():
    whole = strata([((2, 3), (0, 2)), ((1, 1), (1, 3))])
    assert null_variance(valued(((1, 1, 0), (0, 0)), ((1,), (0, 1, 0)))).tolist() == null_variance(whole).tolist()


def test_values_that_do_not_differ_within_texts_have_no_variance():
    assert null_variance(valued(((0.5, 0.5), (0.5,)), ((0.1,), (0.1, 0.1)))).tolist() == [0]


def test_differences_are_mantel_and_haenszels_and_entries_of_one_arm_add_nothing():
    # Of the texts with both arms, 1 of 2 against 0 of 2 has weight 1, and 3 of 3 against 1 of 1 has 3 / 4: .5 / 1.75.
    strata = Strata(
        np.zeros(3, dtype=int), *map(np.array, ([2.0, 3.0, 5.0], [1.0, 3.0, 4.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0])), 1
    )
    np.testing.assert_allclose(strata.weights, [1, 0.75, 0])
    np.testing.assert_allclose(strata.mean_differences(), [2 / 7], rtol=1e-14)
    # .5 - 2 / 7 and 0 - 2 / 7 * 3 / 4; they cancel.
    np.testing.assert_allclose(strata.residuals(strata.mean_differences()), [3 / 14, -3 / 14, 0], atol=1e-15)
