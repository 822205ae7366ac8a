"""What the scripts `calibrate_...` share."""

import pytest


@pytest.fixture(scope="module")
def mark(load_script):
    """The function that marks shares out of bounds."""
    return load_script("simulated.py").mark


# Three standard errors of 100 studies: 3 * sqrt(.94 * .06 / 100) = .0712 at .94, 3 * sqrt(.06 * .94 / 100) at .06.
@pytest.mark.parametrize(("n_in", "expected"), [(100, ""), (87, ""), (86, "!"), (0, "!")])
def test_a_coverage_is_marked_if_it_is_below_its_bound_by_three_errors_at_the_bound(mark, n_in, expected):
    assert mark([True] * n_in + [False] * (100 - n_in), (0.94, 1.0)) == expected


@pytest.mark.parametrize(("n_in", "expected"), [(0, ""), (13, ""), (14, "!"), (100, "!")])
def test_a_share_of_false_alarms_is_marked_if_it_is_above_its_bound(mark, n_in, expected):
    assert mark([1.0] * n_in + [0.0] * (100 - n_in), (0.0, 0.06)) == expected


def test_studies_that_are_all_alike_have_a_monte_carlo_error_too(mark):
    # By their own scatter, none; at the bound .8, 3 * sqrt(.8 * .2 / 10) = .38.
    assert not mark([1.0] * 10, (0.0, 0.8))
