"""The exact test of exchangeability: against scipy for one text, and against convolution for several."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.exact import SMALLEST_P, Strata, exchangeability_p, null_variance
from scipy import stats

few = settings(max_examples=settings.default.max_examples * 40 // 100, deadline=None)

arm = st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
texts = st.lists(st.tuples(arm, arm), min_size=1, max_size=8)


def strata(*contrasts):
    """Make strata from contrasts, each a list of texts ((k, n), (k, n) of the baseline)."""
    rows = [(i, n, k, n0, k0) for i, contrast in enumerate(contrasts) for (k, n), (k0, n0) in contrast]
    contrast, *arms = np.array(rows).T
    return Strata(contrast, *(values.astype(float) for values in arms), len(contrasts))


def distribution(text):
    """Tabulate the arm's refusals given the text's, from none to all of its responses."""
    (k, n), (k0, n0) = text
    return stats.hypergeom(n + n0, k + k0, n).pmf(np.arange(n + 1))


def by_convolution(contrast):
    pmf = np.ones(1)
    for text in contrast:
        pmf = np.convolve(pmf, distribution(text))
    observed = sum(k for (k, _), _ in contrast)
    return np.clip(2 * min(pmf[: observed + 1].sum(), pmf[observed:].sum()), SMALLEST_P, 1)


def test_one_text_equals_the_hand_worked_example():
    # 3 of 3 against 0 of 3: one way of choose(6, 3) = 20 to place three refusals; twice that is .1.
    assert exchangeability_p(strata([((3, 3), (0, 3))])).tolist() == pytest.approx([0.1])
    # n n0 s (n_g - s) / (n_g^2 (n_g - 1)) = 3 * 3 * 3 * 3 / (36 * 5) = .45.
    assert null_variance(strata([((3, 3), (0, 3))])).tolist() == pytest.approx([0.45])


def test_two_texts_equal_the_hand_worked_example():
    # Each text puts its one refusal into either arm of one response by a toss: 2, 1, 0 have 1/4, 1/2, 1/4.
    both = [((1, 1), (0, 1))] * 2
    one = [((1, 1), (0, 1)), ((0, 1), (1, 1))]
    assert exchangeability_p(strata(both, one)).tolist() == pytest.approx([0.5, 1.0])
    assert null_variance(strata(both)).tolist() == pytest.approx([0.5])


@few
@given(arm, arm)
def test_one_text_equals_scipy(one, other):
    (k, n), (k0, n0) = one, other
    reference = stats.hypergeom(n + n0, k + k0, n)
    p = np.clip(2 * min(reference.cdf(k), reference.sf(k - 1)), SMALLEST_P, 1)
    assert exchangeability_p(strata([(one, other)]))[0] == pytest.approx(p, rel=1e-6, abs=1e-11)
    assert null_variance(strata([(one, other)]))[0] == pytest.approx(reference.var(), abs=1e-12)


@few
@given(st.lists(texts, min_size=1, max_size=4))
def test_several_texts_equal_the_convolution_of_their_distributions(contrasts):
    expected = [by_convolution(contrast) for contrast in contrasts]
    np.testing.assert_allclose(exchangeability_p(strata(*contrasts)), expected, rtol=1e-6, atol=1e-11)


@few
@given(texts)
def test_swapping_the_arms_or_the_verdicts_changes_nothing(contrast):
    swapped = [(other, one) for one, other in contrast]
    mirrored = [((n - k, n), (n0 - k0, n0)) for (k, n), (k0, n0) in contrast]
    p = exchangeability_p(strata(contrast, swapped, mirrored))
    np.testing.assert_allclose(p, p[0], rtol=1e-6, atol=1e-11)


def test_texts_with_one_kind_of_verdict_say_nothing():
    silent = [((0, 7), (0, 9)), ((5, 5), (2, 2))]
    telling = [((3, 3), (0, 3))]
    assert exchangeability_p(strata(silent, telling + silent)).tolist() == pytest.approx([1, 0.1])


def test_thousands_of_texts_equal_the_binomial_distribution():
    # 1,000 texts with a refusal in one of two responses: a binomial number of 1,000 fair coins, variance 250.
    contrast = [((1, 1), (0, 1))] * 550 + [((0, 1), (1, 1))] * 450
    expected = 2 * stats.binom.sf(549, 1000, 0.5)
    assert exchangeability_p(strata(contrast))[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_texts", [6400, 6500, 26_000])
@pytest.mark.parametrize("z", [-4, -2, 2, 4, 6])
def test_the_approximation_of_large_numbers_joins_the_exact_distribution(n_texts, z):
    # Each text's refusal falls to the arm with probability 1/15: variance 14/225 of n_texts, from 398 on.
    n_in_arm = round(n_texts / 15 + z * math.sqrt(n_texts * 14 / 225))
    contrast = [((1, 1), (0, 14))] * n_in_arm + [((0, 1), (1, 14))] * (n_texts - n_in_arm)
    reference = stats.binom(n_texts, 1 / 15)
    expected = 2 * min(reference.cdf(n_in_arm), reference.sf(n_in_arm - 1))
    # Never smaller, and at six standard deviations hardly larger.
    assert expected * (1 - 1e-6) <= exchangeability_p(strata(contrast))[0] <= expected * 1.06


def test_a_text_with_thousands_of_responses_equals_scipy():
    contrast = [((30, 5000), (5, 4000))]
    expected = 2 * stats.hypergeom(9000, 35, 5000).sf(29)
    assert exchangeability_p(strata(contrast))[0] == pytest.approx(expected, rel=1e-6)
    # 1,500 of 1,600 refused in an arm whose share may go from 0 to 1,600, three times round the grid.
    wide = [((1500, 1600), (79_800, 80_000))]
    expected = 2 * stats.hypergeom(81_600, 81_300, 1600).cdf(1500)
    assert exchangeability_p(strata(wide))[0] == pytest.approx(max(expected, SMALLEST_P), rel=1e-6)


def test_no_p_value_is_below_the_accuracy_of_the_transform():
    assert exchangeability_p(strata([((50, 50), (0, 50))])).tolist() == [SMALLEST_P]


def test_no_level_is_exceeded():
    # All 2^12 ways in which 12 texts toss their refusal to an arm, by how many go to the first.
    ways = stats.binom(12, 0.5).pmf(np.arange(13))
    contrasts = [[((1, 1), (0, 1))] * k + [((0, 1), (1, 1))] * (12 - k) for k in range(13)]
    p = exchangeability_p(strata(*contrasts))
    for level in np.unique(p):
        assert ways[p <= level].sum() <= level + 1e-12


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


def test_values_of_0_and_1_give_the_exact_test():
    texts = [((1, 1, 0), (0, 0)), ((1,), (0, 1, 0))]
    whole = strata([((2, 3), (0, 2)), ((1, 1), (1, 3))])
    assert exchangeability_p(valued(*texts)).tolist() == exchangeability_p(whole).tolist()


def test_values_that_do_not_differ_within_texts_say_nothing():
    assert exchangeability_p(valued(((0.5, 0.5), (0.5,)), ((0.1,), (0.1, 0.1)))).tolist() == [1]


def test_values_in_many_texts_equal_the_normal_distribution():
    # In each of 500 texts a quarter against a half, or the reverse, as a coin falls: 270 of them one way. The total
    # deviates by 500 * .125 - ... = (270 - 230) * .125 = 5 with a variance of 500 * .125^2 = 7.8125.
    texts = [((0.5,), (0.25,))] * 270 + [((0.25,), (0.5,))] * 230
    expected = 2 * stats.norm.sf(5 / math.sqrt(7.8125))
    # Arms of one response each are symmetric: the skewness is 0.
    assert exchangeability_p(valued(*texts))[0] == pytest.approx(expected, rel=1e-6)
