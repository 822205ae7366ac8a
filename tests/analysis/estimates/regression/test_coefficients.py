"""Which coefficients have no finite estimate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusal_metrics.analysis.estimates.regression.design_matrix import DesignMatrix
from refusal_metrics.analysis.statistics import find_separation
from refusal_metrics.analysis.statistics.separation import undetermined
from scipy import sparse

A, B, AB = ("a",), ("b",), ("a", "b")


def separate(terms, refused, n=10):
    """Find the separation of a table: rows are levels of a, columns levels of b, entries refusals of n."""
    k = np.array(refused, dtype=float)
    levels = {name: tuple(f"{name}{i}" for i in range(size)) for name, size in zip("ab", k.shape, strict=True)}
    design = DesignMatrix(tuple(terms), levels)
    a, b = (code.ravel() for code in np.indices(k.shape))
    x = design.matrix({"a": a, "b": b})
    found = find_separation(x, np.full(k.size, float(n)), k.ravel())
    names = [":".join(level) or "intercept" for _, level in design.columns]
    return {name: int(s) for name, is_so, s in zip(names, found.coefficients, found.sign, strict=True) if is_so}, found


def test_mixed_counts_are_not_separated():
    signs, found = separate([A, B], [[3, 4], [5, 1], [9, 2]])
    assert signs == {}
    assert not found.cells.any()


def test_a_cell_without_refusals_does_not_separate_where_rows_and_columns_have_some():
    # Additive: the empty cell is one of a row and a column that both have refusals.
    assert separate([A, B], [[3, 4], [5, 0], [9, 2]])[0] == {}


@pytest.mark.parametrize(("count", "sign"), [(0, -1), (10, 1)])
def test_a_level_without_refusals_or_with_nothing_else_is_separated(count, sign):
    signs, found = separate([A, B], [[3, 4], [count, count], [9, 2]])
    assert signs == {"a1": sign}
    assert found.cells.tolist() == [False, False, True, True, False, False]


def test_a_reference_level_without_refusals_moves_the_intercept_and_all_other_levels():
    assert separate([A, B], [[0, 0], [3, 4], [9, 2]])[0] == {"intercept": -1, "a1": 1, "a2": 1}


def test_two_levels_of_different_factors_are_separated_at_once():
    signs, _ = separate([A, B], [[3, 4, 0], [5, 6, 0], [0, 0, 0]])
    assert signs == {"a2": -1, "b2": -1}


def test_a_cell_of_an_interaction_is_separated_alone():
    signs, found = separate([A, B, AB], [[3, 4], [5, 0], [9, 2]])
    assert signs == {"a1:b1": -1}
    assert found.cells.tolist() == [False, False, False, True, False, False]


def test_the_interactions_of_a_level_without_refusals_can_go_either_way():
    # a1 + a1:b1 must fall, a1 must fall; a1:b1 may rise more slowly than a1 falls.
    assert separate([A, B, AB], [[3, 4], [0, 0], [9, 2]])[0] == {"a1": -1, "a1:b1": 0}


def test_rows_and_columns_that_split_the_table_are_separated_without_an_empty_level():
    # The mixed cells keep the intercept + a1 and + b1; so if the intercept rises, a1 + b1 falls twice as fast,
    # and the cell of only refusals and the one of none are both fitted better.
    signs, found = separate([A, B], [[10, 4], [3, 0]])
    assert signs == {"intercept": 1, "a1": -1, "b1": -1}
    assert found.cells.tolist() == [True, False, False, True]


def test_a_table_separated_completely_leaves_nothing():
    signs, found = separate([A], [[10], [0]])
    assert signs == {"intercept": 1, "a1": -1}
    assert found.cells.all()


def test_a_coefficient_is_undetermined_if_rows_leave_it_open():
    x = sparse.csr_array(np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]]))
    assert undetermined(x).tolist() == [True, True, True, False]


@settings(deadline=None, max_examples=settings.default.max_examples * 60 // 100)
@given(arrays(int, (3, 4), elements=st.integers(0, 2)))
def test_separated_is_what_grows_without_end(k):
    _, found = separate([A, B], k, n=2)
    sides = np.where(k == 0, -1, np.where(k == 2, 1, 0)).ravel()
    design = DesignMatrix((A, B), {"a": ("0", "1", "2"), "b": ("0", "1", "2", "3")})
    a, b = (code.ravel() for code in np.indices(k.shape))
    x = design.matrix({"a": a, "b": b})
    moved = x @ found.direction
    # Separated cells move to their side by 1 or more, the others stay: the likelihood never falls.
    assert (moved[found.cells] * sides[found.cells] >= 1 - 1e-6).all()
    np.testing.assert_allclose(moved[~found.cells], 0, atol=1e-6)
    # What is left has a finite estimate.
    left = ~found.cells
    if left.any():
        again = find_separation(x[left], np.full(left.sum(), 2.0), k.ravel()[left].astype(float))
        assert not again.cells.any()
