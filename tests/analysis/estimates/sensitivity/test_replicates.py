"""What replicates of an index add up to."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from refusal_metrics.analysis.estimates.sensitivity.grid import Cells, Grid
from refusal_metrics.analysis.estimates.sensitivity.replicates import Index, Null, Tally, gather
from refusal_metrics.analysis.statistics.iota import compute_iota

RNG = np.random.default_rng(0)
N = RNG.integers(1, 9, size=(40, 2, 3)).astype(float)
N_REFUSED = np.floor(N * RNG.random(N.shape))


@pytest.fixture
def tally():
    tally = Tally()
    tally.add(N, N_REFUSED, np.full((2, 3), 0.2))
    return tally


def distances():
    return N_REFUSED / N - (N_REFUSED.sum(axis=-1) / N.sum(axis=-1))[..., None]


def test_indices_are_those_of_each_replicate(tally):
    np.testing.assert_array_equal(tally.indices, compute_iota(N, N_REFUSED))


def test_levels_have_their_spread_and_mean_magnitude(tally):
    np.testing.assert_allclose(tally.spread, distances().std(axis=0, ddof=1), atol=1e-12)
    np.testing.assert_allclose(tally.magnitude, np.abs(distances()).mean(axis=0), atol=1e-12)


def test_p_values_count_what_was_observed(tally):
    np.testing.assert_allclose(tally.level_p_values, (1 + (np.abs(distances()) >= 0.2 - 1e-12).sum(axis=0)) / 41)
    iota = np.array([0.3, np.nan])
    assert tally.p_value(iota)[0] == (1 + (compute_iota(N, N_REFUSED)[:, 0] >= 0.3).sum()) / 41
    assert np.isnan(tally.p_value(iota)[1])


def test_a_replicate_that_is_the_observed_one_but_for_rounding_counts():
    tally = Tally()
    n, n_refused = np.array([[3.0, 6.0, 7.0]]), np.array([[1.0, 2.0, 5.0]])
    tally.add(n, n_refused, np.array([0.0, 0.0, 5 / 7 - 1 / 2]) + 1e-15)
    assert tally.level_p_values[2] == 1
    assert tally.p_value(compute_iota(n, n_refused)[0] + 1e-15) == 1


def test_tallies_of_parts_joined_are_the_tally_of_all(tally):
    parts = Tally()
    for part in (slice(0, 7), slice(7, 40)):
        other = Tally()
        other.add(N[part], N_REFUSED[part], np.full((2, 3), 0.2))
        parts.join(other)
    np.testing.assert_array_equal(parts.indices, tally.indices)
    np.testing.assert_allclose(parts.spread, tally.spread, atol=1e-12)
    np.testing.assert_allclose(parts.level_p_values, tally.level_p_values)


def test_responses_may_be_the_same_in_all_replicates():
    same, each = Tally(), Tally()
    n = np.full((40, 2, 3), 9.0)
    same.add(n[:1], N_REFUSED)
    each.add(n, N_REFUSED)
    np.testing.assert_array_equal(same.indices, each.indices)
    np.testing.assert_array_equal(same.spread, each.spread)


def test_replicates_without_a_level_say_nothing_about_it():
    n = np.array([[4.0, 4.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    tally = Tally()
    tally.add(n, np.array([[2.0, 0.0], [3.0, 0.0], [2.0, 2.0], [0.0, 1.0]]))
    # The first level is 1/4, 0 and 0 above the rate of all, the second -1/4, 0 and 0.
    assert tally.spread == pytest.approx(np.std([0.25, 0, 0], ddof=1))


def test_the_spread_of_a_level_seen_once_is_not_known():
    tally = Tally()
    tally.add(np.array([[4.0, 4.0], [4.0, 0.0]]), np.array([[2.0, 0.0], [3.0, 0.0]]))
    assert np.isnan(tally.spread).tolist() == [False, True]


def test_quantiles_are_of_the_replicates_that_have_an_index():
    tally = Tally()
    n = np.full((5, 2, 2), 4.0)
    n_refused = np.array([[[4.0, 0.0]] * 2] * 4 + [[[0.0, 0.0]] * 2])
    n_refused[:, 1] = 0
    tally.add(n, n_refused)
    quantiles = tally.quantiles([0.1, 0.9])
    assert quantiles[:, 0].tolist() == [1, 1]
    assert np.isnan(quantiles[:, 1]).all()


@pytest.fixture
def index(make_counts):
    rows = [
        {"model": "M", "task": "t", "setting": "persona", "persona": persona, "text_id": str(i), "row_id": str(i),
         "template": "p1", "refused": int(persona == "x" and i < 4)}
        for persona in "xy"
        for i in range(6)
    ]  # fmt: skip
    return Index.of(Grid(make_counts(rows), ["model"], ["persona"]), ("persona",), in_families=False)


def test_an_index_adds_its_own_levels_up(index):
    assert index.is_single
    assert (index.n.tolist(), index.n_refused.tolist()) == ([6, 6], [4, 0])
    tally = index.tally(Cells(np.ones((1, 1, 1, 2)), np.array([[[[1.0, 0.0]]]])))
    assert tally.indices.tolist() == [1]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_what_is_gathered_does_not_depend_on_threads(index, n_threads):
    def draw(rng, n_drawn):
        return {index: index.tally(index.grid.resample(rng, n_drawn))}

    one, other = (gather(draw, np.random.default_rng(0), 120, ThreadPoolExecutor(n))[index] for n in (1, n_threads))
    assert other.n == 120
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.spread, other.spread)


def test_of_two_kinds_of_replicates_the_larger_value_counts(tally):
    other = Tally()
    other.add(N[:10], N_REFUSED[:10], np.full((2, 3), 0.2))
    null = Null([tally, other])
    np.testing.assert_array_equal(null.mean, np.maximum(tally.indices.mean(axis=0), other.indices.mean(axis=0)))
    np.testing.assert_array_equal(null.magnitude, np.maximum(tally.magnitude, other.magnitude))
    np.testing.assert_array_equal(null.level_p_values, np.maximum(tally.level_p_values, other.level_p_values))
    iota = np.array([0.3, np.nan])
    assert null.p_value(iota)[0] == max(tally.p_value(iota)[0], other.p_value(iota)[0])
    assert np.isnan(null.p_value(iota)[1])
