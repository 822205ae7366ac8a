"""The sensitivity index against published software, closed forms and its own limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.iota import (
    compute_iota,
    explain_variance,
    index_of,
    remove_noise,
    split_shares,
)

REFERENCE = Path(__file__).parents[2] / "reference"

COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6).map(
    lambda pairs: ([max(pair) for pair in pairs], [min(pair) for pair in pairs])
)


def test_the_index_is_its_formula():
    # p = 4/10; sum w |p_x - p| = .5 |.6 - .4| + .5 |.2 - .4| = .2; 2 p (1 - p) = .48.
    assert compute_iota([5, 5], [3, 1]) == pytest.approx(0.2 / 0.48, abs=1e-15)


def test_the_index_equals_the_exact_one_of_a_whole_study(shared_data):
    study = pd.read_parquet(shared_data / "reference" / "simulated_study.parquet")
    for row in pd.read_csv(REFERENCE / "iota_exact.csv").itertuples():
        counts = study.groupby(row.factor, observed=True)["refused"].agg(["size", "sum"])
        assert compute_iota(counts["size"], counts["sum"]) == pytest.approx(row.iota_exact, abs=1e-12)


def test_the_index_equals_the_one_of_r_as_far_as_it_is_exact():
    sample = pd.read_csv(REFERENCE / "gsaot_input_20000.csv.gz")
    for row in pd.read_csv(REFERENCE / "gsaot_1d.csv").itertuples():
        counts = sample.groupby(row.factor)["refused"].agg(["size", "sum"])
        iota = float(compute_iota(counts["size"], counts["sum"]))
        # gsaot rounds quantiles.
        assert iota == pytest.approx(row.gsaot_1d, abs=2e-3)


@given(COUNTS)
def test_the_index_lies_between_0_and_1_and_is_missing_without_variance(counts):
    n, n_refused = counts
    iota = compute_iota(n, n_refused)
    assert np.isnan(iota) if sum(n_refused) in {0, sum(n)} else 0 <= iota <= 1


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_levels_and_empty_levels_change_nothing(counts, random):
    n, n_refused = counts
    order = random.sample(range(len(n) + 1), len(n) + 1)
    other = compute_iota(np.append(n, 0)[order], np.append(n_refused, 0)[order])
    assert other == pytest.approx(compute_iota(n, n_refused), abs=1e-12, nan_ok=True)


def test_the_index_is_0_where_levels_are_alike_and_1_where_they_decide():
    assert compute_iota([3, 6, 9], [1, 2, 3]) == pytest.approx(0, abs=1e-15)
    assert compute_iota([3, 7, 9], [3, 0, 9]) == pytest.approx(1, abs=1e-15)


def test_indices_of_many_counts_are_those_of_each():
    n, n_refused = np.array([[5, 5], [4, 2]]), np.array([[3, 1], [1, 2]])
    assert compute_iota(n, n_refused).tolist() == [
        float(compute_iota(*pair)) for pair in zip(n, n_refused, strict=True)
    ]


def test_noise_is_taken_out_of_a_magnitude():
    # The mean magnitude of a normal variable with mean 1 and standard deviation 1 is
    # sqrt(2/pi) e^(-1/2) + 1 - 2 Phi(-1) = 1.166630.
    magnitude = np.array([1.16663, 11.6663, 0.5, 0.7, 100.0])
    noise = np.array([1.0, 10.0, 0.0, 1.0, 1.0])
    # Noise alone explains .7 of 1: its mean is .798. Far from 0 there is nothing to take out.
    assert remove_noise(magnitude, noise).tolist() == pytest.approx([1, 10, 0.5, 0, 100], abs=1e-4)


def test_noise_that_is_not_known_leaves_nothing_known():
    assert np.isnan(remove_noise(np.array([0.3]), np.array([np.nan]))).all()


@pytest.mark.parametrize("n", [2, 5, 50])
def test_explained_variance_is_right_on_average_however_few_responses_a_cell_has(n):
    rng = np.random.default_rng(0)
    rates = np.array([0.1, 0.4, 0.7])
    drawn = rng.binomial(n, rates, size=(40_000, 3)).astype(float)
    found = explain_variance(np.full((40_000, 3), float(n)), drawn)
    # The variance of .1, .4 and .7 is .06; its standard error is below .001.
    assert found.mean() == pytest.approx(0.06, abs=4 * found.std() / 200)


def test_explained_variance_of_cells_with_one_response_is_not_known():
    assert np.isnan(explain_variance(np.ones((1, 4)), np.array([[0.0, 1, 0, 1]])))


def test_the_parts_put_together_are_the_index():
    n, n_refused = np.array([5.0, 0, 5]), np.array([3.0, 0, 1])
    assert index_of(*split_shares(n, n_refused)) == compute_iota(n, n_refused)
