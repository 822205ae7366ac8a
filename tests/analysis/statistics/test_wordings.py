"""Differences beyond the spread of wordings: by hand, and against least squares of statsmodels."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.wordings import compare_wordings

# The 97.5% point of Student's t with 2 degrees of freedom, from a printed table.
T2 = 4.302653


def alike(refused, *, asked=10, n_texts=4):
    """Make counts in which all texts have the same refusals of each wording, so that texts add no noise."""
    k = np.tile(np.asarray(refused, dtype=float), (n_texts, 1))
    return np.full_like(k, asked), k


def codes(*values):
    return np.array(values)


def test_a_difference_is_compared_with_the_spread_of_wordings_as_worked_by_hand():
    # Rates .1 and .3 of the neutral arm, .4 and .6 of the other.
    found = compare_wordings(*alike([1, 3, 4, 6]), codes(0, 0, 1, 1), codes(0, 0, 0, 0))
    assert found.estimate == pytest.approx([0.3])
    # Residuals are .1 each: s^2 = 4 * .01 / 2, times 1/2 + 1/2.
    assert found.freedom == 2
    assert found.sd_wordings == pytest.approx(math.sqrt(0.02))
    assert found.error == pytest.approx([math.sqrt(0.02)])
    t = 0.3 / math.sqrt(0.02)
    # With 2 degrees of freedom, P(|T| > t) = 1 - t / sqrt(t^2 + 2).
    assert found.p_value == pytest.approx([1 - t / math.sqrt(t**2 + 2)])
    low, high = found.interval()
    assert (low[0], high[0]) == pytest.approx((0.3 - T2 * math.sqrt(0.02), 0.3 + T2 * math.sqrt(0.02)), rel=1e-6)
    # Of one persona, the band is at a level of .05.
    assert found.band() == pytest.approx([T2 * math.sqrt(0.02)], rel=1e-6)


def test_the_error_is_that_of_a_least_squares_fit_of_rates_to_arms_and_forms():
    arm, form = np.array([0] * 6 + [1] * 3 + [2] * 3), np.array([0, 0, 1, 1, 2, 2] + [0, 1, 2] * 2)
    k = np.array([1, 2, 4, 3, 7, 5, 8, 6, 11, 2, 6, 5])
    found = compare_wordings(*alike(k, asked=20), arm, form)
    dummies = np.column_stack([np.ones(12), arm == 1, arm == 2, form == 1, form == 2]).astype(float)
    fitted = sm.OLS(k / 20, dummies).fit()
    assert found.freedom == fitted.df_resid == 12 - 5
    assert found.estimate == pytest.approx(fitted.params[1:3])
    assert found.error == pytest.approx(fitted.bse[1:3])
    assert found.p_value == pytest.approx(fitted.pvalues[1:3])
    # The band is at a level of .05 / 2 for two personas, as Bonferroni's correction is.
    assert found.band() == pytest.approx(-fitted.t_test(np.eye(5)[1:3]).conf_int(0.025)[:, 0] + fitted.params[1:3])


@given(st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_effects_of_forms_change_nothing_if_all_arms_have_the_same_forms(effects):
    arm, form = np.array([0] * 6 + [1] * 3), np.array([0, 0, 1, 1, 2, 2, 0, 1, 2])
    k = np.array([1, 2, 0, 3, 2, 5, 6, 3, 9])
    # Large numbers of responses, so that independent responses would add less than wordings.
    plain, shifted = (
        compare_wordings(*alike(1000 * refused, asked=20_000), arm, form)
        for refused in (k, k + np.array(effects)[form])
    )
    for name in ("estimate", "error", "p_value", "sd_wordings"):
        assert getattr(shifted, name) == pytest.approx(getattr(plain, name))


def test_noise_of_texts_that_all_wordings_of_an_arm_share_is_added():
    n = np.full((4, 4), 10.0)
    k = np.zeros((4, 4))
    k[0, 2:] = 10
    found = compare_wordings(n, k, codes(0, 0, 1, 1), codes(0, 0, 0, 0))
    # Both wordings of the arm are refused for one text of four and no other, so wordings do not differ at all. The rate
    # of the arm is .25; a text adds (10 - 2.5) / 40 to it, the others -2.5 / 40: 4/3 (.1875^2 + 3 * .0625^2) = 1/16.
    assert found.sd_wordings == 0
    assert found.error == pytest.approx([0.25])


def test_noise_of_texts_within_an_arm_is_not_taken_for_a_spread_of_wordings():
    n = np.full((4, 4), 10.0)
    k = np.zeros((4, 4))
    k[0, 2], k[1, 3] = 10, 6
    found = compare_wordings(n, k, codes(0, 0, 1, 1), codes(0, 0, 0, 0))
    # Rates .25 and .15 of the arm: s^2 = 2 * .05^2 / 2. Noise: half of the variance of the difference of the two rates
    # is in the residuals of 2 degrees of freedom, 4/3 [(7.5 + 1.5)^2 + (-2.5 - 4.5)^2 + 2 * 1^2] / 40^2 / 2 / 2.
    noise = 4 / 3 * (9**2 + 7**2 + 2) / 40**2 / 2 / 2
    assert noise > 0.0025
    assert found.sd_wordings == 0


def test_a_few_refusals_that_happen_to_be_as_many_in_each_wording_are_no_certainty():
    # Of 11 personas, each phrase has one refusal in 100 responses, each about another text; neutral phrases have none.
    arm = np.concatenate([np.zeros(6, dtype=int), np.repeat(np.arange(1, 12), 3)])
    n, k = np.ones((100, 39)), np.zeros((100, 39))
    k[np.arange(33), 6 + np.arange(33)] = 1
    found = compare_wordings(n, k, arm, np.zeros(39, dtype=int))
    assert found.estimate == pytest.approx([0.01] * 11)
    # Independent responses with the rate of both arms, 3 / 900, in 300 and 600.
    assert found.error == pytest.approx([math.sqrt(3 / 900 * (1 - 3 / 900) * (1 / 300 + 1 / 600))] * 11)


def test_without_refusals_there_is_an_estimate_alone():
    found = compare_wordings(*alike([0, 0, 0, 0]), codes(0, 0, 1, 1), codes(0, 0, 0, 0))
    assert found.estimate == [0]
    assert np.isnan([found.error, found.p_value, found.band(), *found.interval()]).all()


def test_one_wording_an_arm_leaves_no_degrees_of_freedom():
    found = compare_wordings(*alike([1, 3]), codes(0, 1), codes(0, 0))
    assert found.estimate == pytest.approx([0.2])
    assert found.freedom == 0
    assert np.isnan([found.error, found.p_value, found.band(), *found.interval()]).all()
    assert math.isnan(found.sd_wordings)


def test_arms_without_a_common_form_cannot_be_compared():
    with pytest.raises(ValueError, match="forms"):
        compare_wordings(*alike([1, 3, 4, 6]), codes(0, 0, 1, 1), codes(0, 0, 1, 1))
