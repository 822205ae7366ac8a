"""Adjusted p-values: by hand, against statsmodels, and against the procedure itself level by level."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.multiplicity import adjust, count_selected, holm, selection_levels
from statsmodels.stats.multitest import multipletests

NAN = math.nan

few = settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
p_values = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.001, 0.01, 0.02, 1.0])), min_size=1, max_size=12)
families = p_values.flatmap(
    lambda p: st.tuples(st.just(p), st.lists(st.sampled_from("abcd"), min_size=len(p), max_size=len(p)))
)


def test_holm_equals_the_hand_worked_example():
    # Sorted .01, .02, .04 times 3, 2, 1 is .03, .04, .04.
    assert holm([0.04, 0.01, 0.02]).tolist() == pytest.approx([0.04, 0.03, 0.04])


def test_a_test_that_was_not_made_is_not_counted():
    np.testing.assert_allclose(holm([0.02, NAN, 0.01]), [0.02, NAN, 0.02])
    np.testing.assert_allclose(adjust([0.02, NAN, 0.01, NAN], ["a", "a", "a", "b"]), [0.02, NAN, 0.02, NAN])
    assert count_selected([0.02, NAN, 0.01, NAN], ["a", "a", "a", "b"]) == (1, 1)


def test_nothing_adjusts_to_nothing():
    assert holm([]).tolist() == adjust([], []).tolist() == []
    assert count_selected([], []) == (0, 0)
    assert np.isnan(adjust([NAN], ["a"])).all()


@few
@given(p_values)
def test_holm_equals_statsmodels(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_adjusted_p_values_of_two_families_equal_the_hand_worked_example():
    # Holm: a .01, .04 -> .02, .04; b .5, .9 -> 1, 1; so h = .02, 1 and m = 2. Q_1 = min(2 * .02, 1) = .04, Q_2 = 1.
    # First: min(max(.04, 2 * .02), max(1, .02)) = .04. Second: max(.04, 2 * .04) = .08. Family b: 1.
    adjusted = adjust([0.01, 0.04, 0.5, 0.9], ["a", "a", "b", "b"])
    assert adjusted.tolist() == pytest.approx([0.04, 0.08, 1, 1])
    assert count_selected([0.01, 0.04, 0.5, 0.9], ["a", "a", "b", "b"]) == (1, 2)


def test_where_all_families_are_selected_each_is_adjusted_for_itself_alone():
    p, family = [0.0001, 0.02, 0.0002, 0.03], [("m", "nli"), ("m", "nli"), ("m", "politeness"), ("m", "politeness")]
    # Q_2 = .0004, so that r = 2 gives max(.0004, Holm): .0004, .02, .0004, .03.
    assert adjust(p, family).tolist() == pytest.approx([0.0004, 0.02, 0.0004, 0.03])


@few
@given(p_values)
def test_one_family_is_adjusted_by_holm(p):
    np.testing.assert_allclose(adjust(p, ["a"] * len(p)), holm(p))


@few
@given(p_values)
def test_families_of_one_are_adjusted_by_benjamini_and_hochberg(p):
    np.testing.assert_allclose(adjust(p, range(len(p))), multipletests(p, method="fdr_bh")[1], atol=1e-15)


def holm_rejects(p, level):
    """Go through the sorted p-values until one is too large."""
    result = np.zeros(len(p), dtype=bool)
    for left, i in zip(range(len(p), 0, -1), np.argsort(p, kind="stable"), strict=True):
        if p[i] > level / left:
            break
        result[i] = True
    return result


def rejected(p, family, q):
    """Do what the procedure says at one level: select R of m families, then Holm in each at R q / m."""
    p, family = np.array(p), np.array(family)
    names = sorted(set(family))
    # A family's smallest Holm-adjusted p-value is its smallest p-value times its size.
    smallest = sorted(min(1, p[family == name].min() * np.count_nonzero(family == name)) for name in names)
    n_selected = max((j for j, h in enumerate(smallest, start=1) if h <= j * q / len(names)), default=0)
    result = np.zeros(len(p), dtype=bool)
    for name in names:
        result[family == name] = holm_rejects(p[family == name], n_selected * q / len(names))
    return result, n_selected


@few
@given(families, st.floats(0.001, 0.999))
def test_an_adjusted_p_value_is_the_smallest_level_at_which_the_procedure_rejects(drawn, q):
    p, family = drawn
    adjusted = adjust(p, family)
    far = ~np.isclose(adjusted, q, rtol=1e-9)
    is_rejected, _ = rejected(p, family, q)
    np.testing.assert_array_equal(is_rejected[far], (adjusted <= q)[far])
    for value in adjusted[(adjusted > 1e-6) & (adjusted < 1)]:
        assert rejected(p, family, value * (1 + 1e-9))[0][adjusted == value].all()
        assert not rejected(p, family, value * (1 - 1e-9))[0][adjusted == value].any()


@few
@given(families, st.floats(0.001, 0.999))
def test_families_are_selected_as_the_procedure_selects_them(drawn, q):
    p, family = drawn
    assert count_selected(p, family, q) == (rejected(p, family, q)[1], len(set(family)))


@few
@given(families, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_names_of_families_matter(drawn, random):
    p, family = drawn
    adjusted = adjust(p, family)
    order = random.sample(range(len(p)), len(p))
    np.testing.assert_array_equal(adjust([p[i] for i in order], [family[i] * 2 for i in order]), adjusted[order])


@few
@given(families)
def test_adjusting_only_raises_and_never_beyond_1(drawn):
    p, family = drawn
    adjusted = adjust(p, family)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


# Levels of intervals.


def test_in_one_family_the_level_of_an_interval_is_that_of_benjamini_and_yekutieli():
    # Two of four tests that were made are rejected: .05 * 2 / 4.
    levels = selection_levels([0.01, NAN, 0.05, 0.06, 1.0], ["a"] * 5)
    np.testing.assert_allclose(levels, [0.025, NAN, 0.025, NAN, NAN])


def test_families_without_a_rejected_test_make_the_level_smaller():
    # A name in two of three families with a test: .05 * 2/3 * 1/2 and .05 * 2/3 * 2/2.
    levels = selection_levels([0.01, 0.2, 0.02, 0.03, 0.3, NAN], ["a", "a", "b", "b", "c", "d"])
    np.testing.assert_allclose(levels, [0.05 / 3, NAN, 0.1 / 3, 0.1 / 3, NAN, NAN])


def test_without_tests_there_are_no_levels():
    assert np.isnan(selection_levels([NAN], ["a"])).all()
    assert selection_levels([], []).tolist() == []


@few
@given(families)
def test_an_interval_at_its_level_excludes_what_its_test_rejects(given_families):
    p, family = given_families
    levels = selection_levels(adjust(p, family), family)
    rejected = ~np.isnan(levels)
    assert (np.array(p)[rejected] <= levels[rejected] * (1 + 1e-9)).all()
    assert (levels[rejected] <= 0.05).all()
