"""Random-effects models of estimates with known errors, against numbers worked out by hand and by others."""

import numpy as np
import pytest
from refusal_metrics.analysis.statistics import fit_random_effects, shrink


def test_effects_with_equal_errors_shrink_by_the_share_of_error_in_their_variance():
    # Sample variance (9 + 0 + 9) / 2 = 9 = error 1 + spread 8, so each is 8/9 of its distance from the mean 0.
    # Variance (Prasad and Rao): 8/9 for a known mean and spread; (1/9)^2 9/3 for the mean; for the spread twice
    # (1/9)^3 (2/3) W with W = 1 / (1/2 * 2/81) = 81.
    estimates, variances = shrink(np.array([3.0, 0.0, -3.0]), np.eye(3))
    assert estimates == pytest.approx([8 / 3, 0, -8 / 3], abs=1e-5)
    assert variances == pytest.approx(np.full(3, 8 / 9 + 1 / 27 + 2 * 81 / 729 * 2 / 3), abs=1e-5)


def test_an_error_that_all_effects_share_moves_none_towards_the_others():
    # A common error c adds c J to the covariance: differences, so shrinkage too, stay; each variance grows by c.
    effects = np.array([3.0, 0.0, -3.0])
    alone, shared = shrink(effects, np.eye(3)), shrink(effects, np.eye(3) + 2.0)
    assert shared[0] == pytest.approx(alone[0], abs=1e-5)
    assert shared[1] == pytest.approx(alone[1] + 2, abs=1e-4)


def test_effects_that_differ_by_less_than_their_errors_are_all_the_mean():
    # Sample variance .01 is below the error variance 1: the spread is 0, the mean weighs by 1 / error.
    estimates, variances = shrink(np.array([0.1, 0.0, -0.1, 0.4]), np.diag([1.0, 1.0, 1.0, 4.0]))
    assert estimates == pytest.approx(np.full(4, 0.1 / 3.25), abs=1e-6)
    # The mean's own variance is 1 / 3.25; what the spread may be comes on top.
    assert np.all(variances > 1 / 3.25)


def test_contrasts_whose_errors_cancel_can_be_shrunken():
    # Effects that sum to 0 by construction (personas against the others): a singular covariance.
    effects, centre = np.array([2.0, 1.0, -1.0, -2.0]), np.eye(4) - 1 / 4
    estimates, variances = shrink(effects, 0.25 * centre)
    # Within the contrasts the sample variance is 10/3, of which 1/4 is error; their sum, 0, has no error.
    assert estimates == pytest.approx(effects * (1 - 0.25 / (10 / 3)), abs=1e-4)
    assert np.all(np.isfinite(variances))


def test_two_effects_are_not_shrunken():
    estimates, variances = shrink(np.array([1.0, 2.0]), np.eye(2))
    assert np.isnan(estimates).all()
    assert np.isnan(variances).all()


# Vaccine against tuberculosis: log relative risks and their variances of 13 trials, as in metafor's `dat.bcg`.
VACCINE = np.array(
    [-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173]
)
VARIANCES = np.array(
    [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714]
)


def test_a_meta_analysis_agrees_with_metafor():
    # Viechtbauer 2010, Journal of Statistical Software 36(3), section 5: REML estimates of the mean -0.7145
    # (se 0.1798) and of the variance 0.3132.
    fitted = fit_random_effects(VACCINE, np.ones((13, 1)), np.diag(VARIANCES), [np.arange(13)])
    assert fitted.components[0] == pytest.approx(0.3132, abs=2e-4)
    assert fitted.coef[0] == pytest.approx(-0.7145, abs=2e-4)
    assert fitted.covariance[0, 0] ** 0.5 == pytest.approx(0.1798, abs=2e-4)


def deviance(variance):
    """Compute minus twice the restricted log-likelihood of the trials, up to a constant, from its textbook form."""
    weights = 1 / (VARIANCES + variance)
    mean = np.sum(weights * VACCINE) / weights.sum()
    return -np.sum(np.log(weights)) + np.log(weights.sum()) + np.sum(weights * (VACCINE - mean) ** 2)


def test_at_the_ends_of_a_profile_interval_the_deviance_is_a_chi_squared_quantile_above_its_minimum():
    fitted = fit_random_effects(VACCINE, np.ones((13, 1)), np.diag(VARIANCES), [np.arange(13)])
    low, high = fitted.profile(0)
    assert low < fitted.components[0] < high
    # 3.8415 = 1.96^2.
    lowest = deviance(fitted.components[0])
    assert [deviance(low) - lowest, deviance(high) - lowest] == pytest.approx([3.8415, 3.8415], abs=1e-3)


def test_components_of_two_crossed_effects_are_those_of_the_analysis_of_variance():
    # A balanced table without error (of 3 rows and 4 columns): REML is the analysis of variance, if no component is 0.
    rng = np.random.default_rng(3)
    table = rng.normal(0, 2, (3, 1)) + rng.normal(0, 3, (1, 4)) + rng.normal(0, 1, (3, 4))
    rows, columns = table.mean(1), table.mean(0)
    residual = np.sum((table - rows[:, None] - columns + table.mean()) ** 2) / 6
    expected = [np.var(rows, ddof=1) - residual / 4, np.var(columns, ddof=1) - residual / 3, residual - 1e-4]
    row, column = np.divmod(np.arange(12), 4)
    fitted = fit_random_effects(table.ravel(), np.ones((12, 1)), np.eye(12) * 1e-4, [row, column, np.arange(12)])
    assert min(expected) > 0
    assert fitted.components == pytest.approx(expected, rel=1e-3)
