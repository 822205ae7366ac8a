"""The three estimators and the clustered covariance, against closed forms and statsmodels."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusal_metrics.analysis.statistics.logit import clustered_covariance, find_shift, independent_columns, maximise
from scipy import optimize, sparse, special

TWO_BY_TWO = sparse.csr_array(np.array([[1.0, 0.0], [1.0, 1.0]]))


def simulate(seed, *, n_texts=40, per_text=12):
    """Draw rows: (texts, columns of zeros and ones, outcomes) with an effect of the text."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(n_texts), per_text)
    x = np.column_stack([np.ones(len(text)), rng.random((len(text), 4)) < [0.5, 0.3, 0.5, 0.2]]).astype(float)
    eta = x @ [-1.0, 0.8, -0.5, 0.0, 1.2] + rng.normal(size=n_texts)[text]
    return text, x, (rng.random(len(text)) < special.expit(eta)).astype(float)


def count(text, x, y):
    """Count rows by cell, and by text and cell."""
    cells, cell = np.unique(x, axis=0, return_inverse=True)
    shape = (text.max() + 1, len(cells))
    text_n, text_k = (sparse.coo_array((v, (text, cell.ravel())), shape=shape).tocsr() for v in (np.ones_like(y), y))
    return sparse.csr_array(cells), text_n, text_k


@pytest.mark.parametrize("seed", range(3))
def test_counts_give_what_rows_give_in_statsmodels(seed):
    text, x, y = simulate(seed)
    rows = sm.Logit(y, x).fit(disp=False, method="newton", tol=1e-12)
    cells, text_n, text_k = count(text, x, y)
    optimum = maximise(cells, text_n.sum(axis=0), text_k.sum(axis=0))
    np.testing.assert_allclose(optimum.coef, rows.params, atol=1e-7)
    np.testing.assert_allclose(optimum.log_likelihood, rows.llf, rtol=1e-10)
    np.testing.assert_allclose(np.linalg.inv(optimum.curvature), rows.cov_params(), rtol=1e-6)
    assert optimum.converged
    # statsmodels' factor is G/(G-1) (n-1)/(n-p), ours G/(G-1).
    robust = sm.Logit(y, x).fit(disp=False, cov_type="cluster", cov_kwds={"groups": text}, tol=1e-12).cov_params()
    ours, n_texts = clustered_covariance(cells, cells @ optimum.coef, text_n, text_k, optimum.curvature)
    n, p = x.shape
    np.testing.assert_allclose(ours * (n - 1) / (n - p), robust, rtol=1e-5, atol=1e-10)
    assert n_texts == 40


def test_one_text_has_no_covariance():
    one = sparse.csr_array(np.array([[4.0, 4.0], [0.0, 0.0]]))
    covariance, n_texts = clustered_covariance(TWO_BY_TWO, np.zeros(2), one, one / 2, np.eye(2))
    assert n_texts == 1
    assert np.isnan(covariance).all()


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 400)] * 2), st.data())
def test_firth_adds_half_a_response_to_each_cell_of_a_two_by_two_table(n, data):
    k = tuple(data.draw(st.integers(0, size)) for size in n)
    if not 0 < sum(k) < sum(n):
        return
    # A saturated model: Jeffreys' prior adds 1/2 to refusals and to the rest (Firth 1993, section 3.3).
    a, b = (special.logit((k_ + 0.5) / (n_ + 1)) for k_, n_ in zip(k, n, strict=True))
    optimum = maximise(TWO_BY_TWO, np.array(n, float), np.array(k, float), estimator="firth")
    np.testing.assert_allclose(optimum.coef, [a, b - a], atol=1e-6)
    assert optimum.converged


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_ridge_is_the_minimum_that_a_general_optimiser_finds(penalty):
    text, x, y = simulate(7)

    def loss(b):
        return np.logaddexp(0, (1 - 2 * y) * (x @ b)).sum() + penalty / 2 * (b[1:] ** 2).sum()

    cells, text_n, text_k = count(text, x, y)
    optimum = maximise(cells, text_n.sum(axis=0), text_k.sum(axis=0), estimator="ridge", penalty=penalty)
    np.testing.assert_allclose(optimum.coef, optimize.minimize(loss, np.zeros(5), tol=1e-9).x, atol=1e-4)
    assert -optimum.objective == pytest.approx(loss(optimum.coef))


@settings(deadline=None, max_examples=settings.default.max_examples // 2)
@given(st.sampled_from(["mle", "firth", "ridge"]), st.data())
def test_at_the_optimum_no_direction_leads_up(estimator, data):
    x = np.column_stack([np.ones(8), [[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]]).astype(float)
    n = data.draw(arrays(float, 8, elements=st.integers(2, 10**6)))
    # At least one refusal and one other response everywhere, so that all is finite.
    k = np.clip(np.round(n * data.draw(arrays(float, 8, elements=st.floats(0, 1)))), 1, n - 1)
    optimum = maximise(sparse.csr_array(x), n, k, estimator=estimator)
    assert optimum.converged
    assert np.abs(optimum.score).max() / n.sum() < 1e-8


def test_the_search_comes_back_from_steps_that_lead_too_far():
    # 3 of 10^6 against 10^6 - 2 of 10^6: Newton from the mean leaves the region where it converges.
    n, k = np.full(2, 1e6), np.array([3.0, 1e6 - 2])
    low, high = special.logit(k / n)
    np.testing.assert_allclose(maximise(TWO_BY_TWO, n, k).coef, [low, high - low], rtol=1e-8)


def test_columns_made_of_earlier_ones_are_found_with_how():
    x = np.array([[1, 1, 0, 0, 1], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 1]], dtype=float)
    independent, combination = independent_columns(sparse.csr_array(x))
    assert independent.tolist() == [True, True, False, False, True]
    # The third column is the first minus the second; the fourth is nothing.
    np.testing.assert_allclose(combination, [[1, 0], [-1, 0], [0, 0]], atol=1e-12)


def test_a_shift_gives_a_weighted_mean_rate():
    # (3 / (1 + e^-1) + 1 / (1 + e^2)) / 4 is the mean of log odds 0 and -3 after a shift of 1.
    rate = (3 / (1 + math.exp(-1)) + 1 / (1 + math.exp(2))) / 4
    assert find_shift([0.0, -3.0], [3, 1], rate) == pytest.approx(1, abs=1e-10)
    # Far out, too.
    assert find_shift([0.0], [1], 1e-6) == pytest.approx(math.log(1e-6 / (1 - 1e-6)), abs=1e-9)
