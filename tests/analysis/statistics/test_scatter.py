"""The interval of a scatter: against the noncentral chi-squared distribution, and at its limits."""

import numpy as np
import pytest
from refusal_metrics.analysis.statistics.scatter import scatter_interval
from scipy import stats

N = 8


def centred(covariance):
    """The covariance of the deviations from the mean."""
    centre = np.eye(N) - 1 / N
    return centre @ covariance @ centre


def deviations(sd):
    """Deviations of N estimates with this standard deviation."""
    values = np.arange(N) - (N - 1) / 2
    return sd * values / values.std(ddof=1)


@pytest.mark.parametrize("sd", [1.6, 3.0, 10.0])
def test_equal_independent_errors_give_the_ends_of_a_noncentral_chi_squared_distribution(sd):
    low, high = scatter_interval(deviations(sd), centred(np.eye(N)), 0.95)
    # The sum of squares of N - 1 independent normal numbers with variance 1, whose means have squares that sum to
    # (N - 1) S^2. Its own tails are met but for the three cumulants.
    observed = (N - 1) * sd**2
    ends = [stats.ncx2.sf(observed, N - 1, (N - 1) * end**2) for end in (low, high)]
    assert ends == pytest.approx([0.025, 0.975], abs=0.003)
    assert low < sd < high


def test_a_scatter_that_noise_explains_has_an_interval_from_0():
    # 7 is the mean of a chi-squared number with 7 degrees of freedom; 16.0 its 97.5% point.
    assert scatter_interval(deviations(1.0), centred(np.eye(N)), 0.95)[0] == 0
    assert scatter_interval(deviations(np.sqrt(15.5 / 7)), centred(np.eye(N)), 0.95)[0] == 0
    assert scatter_interval(deviations(np.sqrt(16.5 / 7)), centred(np.eye(N)), 0.95)[0] > 0


def test_less_scatter_than_noise_is_no_evidence_of_none():
    expected = scatter_interval(deviations(1.0), centred(np.eye(N)), 0.95)
    assert scatter_interval(deviations(0.1), centred(np.eye(N)), 0.95) == pytest.approx(expected)
    assert scatter_interval(np.zeros(N), centred(np.eye(N)), 0.95) == pytest.approx(expected)


def test_noise_along_the_deviations_makes_the_interval_wider():
    direction = deviations(1.0) / np.linalg.norm(deviations(1.0))
    along = centred(0.5 * np.eye(N)) + 3.5 * np.outer(direction, direction)
    # Both have the trace 7.
    assert np.trace(along) == pytest.approx(np.trace(centred(np.eye(N))))
    low, high = scatter_interval(deviations(5.0), along, 0.95)
    alike_low, alike_high = scatter_interval(deviations(5.0), centred(np.eye(N)), 0.95)
    assert low < alike_low < alike_high < high


def test_without_noise_or_with_one_estimate_there_is_no_interval():
    assert np.isnan(scatter_interval(np.zeros(N), np.zeros((N, N)), 0.95)).all()
    assert np.isnan(scatter_interval(np.zeros(1), np.ones((1, 1)), 0.95)).all()
