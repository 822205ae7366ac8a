"""The sampling designs, on POPQUORN's own text structure and on random ones."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from refusal_metrics.prompts.sampler import (
    order_texts,
    sample_balanced,
    sample_iid,
    sample_rows,
    shard_bounds,
    shuffle_texts,
)
from refusal_metrics.prompts.texts import RATINGS, load_texts

N_PERSONAS, N_TEMPLATES = 15, 9


@pytest.fixture(scope="session")
def popquorn(shared_data):
    """Text and stratum of each annotation of the real offensiveness file."""
    texts = load_texts("offensiveness", data_dir=shared_data / "popquorn")
    text = np.unique(texts.text_ids, return_inverse=True)[1]
    return text, np.array([RATINGS.index(s) for s in texts.strata])


def ordered_sample(popquorn, seed=0, rows_per_class=1000):
    text, stratum = popquorn
    rng = np.random.default_rng(seed)
    rows = sample_rows(stratum, rows_per_class, rng)
    rows = rows[order_texts(text[rows], stratum[rows], rng)]
    return text[rows], stratum[rows], rng


def widest_gap_in_any_prefix(levels, n_levels):
    """Largest difference of two levels' counts over all prefixes of a sequence."""
    counts = np.cumsum(levels[:, None] == np.arange(n_levels), axis=0)
    return int(np.ptp(counts, axis=1).max())


def test_the_real_file_gives_4701_rows_at_most_1000_a_class(popquorn):
    _, stratum, _ = ordered_sample(popquorn)
    # 7,516, 2,190, 1,590, 1,039 and 701 ratings of 1 to 5.
    assert np.bincount(stratum).tolist() == [1000, 1000, 1000, 1000, 701]


def test_rows_are_drawn_without_replacement_and_differ_between_seeds(popquorn):
    draws = [sample_rows(popquorn[1], 1000, np.random.default_rng(seed)) for seed in (0, 1)]
    assert all(len(set(d.tolist())) == len(d) for d in draws)
    assert set(draws[0].tolist()) != set(draws[1].tolist())


@pytest.mark.parametrize(
    ("n_personas", "n_templates", "variations", "seed"),
    [
        # The default study three times, each other shape once.
        *((15, 9, 10, seed) for seed in range(3)),
        *((3, 9, 10, 3), (1, 9, 10, 4), (2, 9, 10, 5), (5, 9, 10, 6), (15, 3, 10, 7), (15, 9, 15, 8), (15, 1, 3, 9)),
    ],
)
def test_balanced_keeps_every_bound_on_the_real_file(popquorn, n_personas, n_templates, variations, seed):
    text, stratum, rng = ordered_sample(popquorn, seed)
    pool = n_personas * n_templates
    pairs = sample_balanced(text, stratum, variations, n_personas, n_templates, rng)
    assert pairs.shape == (4701, min(variations, pool))
    for s in range(5):
        drawn = pairs[stratum == s]
        drawn = drawn[drawn >= 0]
        assert widest_gap_in_any_prefix(drawn // n_templates, n_personas) <= 2
        assert widest_gap_in_any_prefix(drawn % n_templates, n_templates) <= 2
        assert np.ptp(np.bincount(drawn, minlength=pool)) <= 2 + (pairs < 0).any()
    # The rows of a text are adjacent.
    for mine in np.split(pairs, np.flatnonzero(np.diff(text)) + 1):
        drawn = mine[mine >= 0]
        assert len(set(drawn.tolist())) == len(drawn) == min(mine.size, pool)


def test_rows_that_exhaust_the_pool_of_their_text_share_it_evenly():
    # Four rows of one text want 5 pairs each of a pool of 6: two rows get 2 pairs, two rows 1. The next text is small.
    shares = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pairs = sample_balanced(np.array([0, 0, 0, 0, 1]), np.array([0, 1, 0, 1, 0]), 5, 2, 3, rng)
        assert sorted(pairs[:4][pairs[:4] >= 0].tolist()) == [0, 1, 2, 3, 4, 5]
        assert len(set(pairs[4].tolist())) == 5
        sizes = (pairs >= 0).sum(axis=1).tolist()
        # What a row does not get is missing at its end.
        assert all(-1 not in row[:size] for row, size in zip(pairs.tolist(), sizes, strict=True))
        assert sorted(sizes[:4]) == [1, 1, 2, 2]
        shares.add(tuple(sizes[:4]))
    # Which rows get more is random: 6 of 4 rows' pairs are equally likely, and one alone 20 times has odds of 6^-19.
    assert len(shares) > 1


def test_balanced_is_random_every_pair_of_a_row_is_equally_likely():
    # 4,000 one-row texts of one stratum would be balanced by construction; so 4,000 seeds of one row.
    draws = [
        sample_balanced(np.array([0]), np.array([0]), 1, 3, 3, np.random.default_rng(seed))[0, 0]
        for seed in range(4000)
    ]
    # Under uniformity the chi-square of 9 cells stays below its .9999 quantile.
    assert stats.chisquare(np.bincount(draws, minlength=9)).pvalue > 1e-4


@settings(max_examples=settings.default.max_examples * 60 // 100, deadline=None)
@given(st.data())
def test_balanced_keeps_its_bounds_on_any_texts_that_leave_some_choice(data):
    n_personas, n_templates = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    pool = n_personas * n_templates
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=40))
    text = np.repeat(np.arange(len(sizes)), sizes)
    stratum = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(text), max_size=len(text))))
    variations = data.draw(st.integers(1, max(1, pool // 2)))
    pairs = sample_balanced(text, stratum, variations, n_personas, n_templates, np.random.default_rng(0))
    for t, size in enumerate(sizes):
        drawn = pairs[text == t]
        drawn = drawn[drawn >= 0]
        assert len(set(drawn.tolist())) == len(drawn) == min(size * variations, pool)
    # A text whose rows take more than three quarters of the pool can force one more; see the docstring.
    tight = any(0.75 * pool < size * variations for size in sizes)
    # A row may get nothing of the pool of its text.
    for s in np.unique(stratum[pairs[:, 0] >= 0]):
        drawn = pairs[stratum == s]
        drawn = drawn[drawn >= 0]
        assert widest_gap_in_any_prefix(drawn // n_templates, n_personas) <= 2 + tight
        assert widest_gap_in_any_prefix(drawn % n_templates, n_templates) <= 2 + tight


def test_iid_pairs_are_uniform_the_chi_square_p_values_of_200_seeds_are_too(popquorn):
    n_rows = len(ordered_sample(popquorn)[0])
    p_values = {"persona": [], "template": []}
    for seed in range(200):
        pairs = sample_iid(n_rows, 10, N_PERSONAS * N_TEMPLATES, np.random.default_rng(seed)).ravel()
        assert pairs.size == 47_010
        p_values["persona"].append(stats.chisquare(np.bincount(pairs // N_TEMPLATES)).pvalue)
        p_values["template"].append(stats.chisquare(np.bincount(pairs % N_TEMPLATES)).pvalue)
    for values in p_values.values():
        assert stats.kstest(values, "uniform").pvalue > 0.001


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_prefix_of_the_real_texts_holds_the_classes_in_proportion(popquorn, seed):
    text, stratum, _ = ordered_sample(popquorn, seed)
    last_of_text = np.flatnonzero(np.diff(text, append=-1))
    held = np.cumsum(stratum[:, None] == np.arange(5), axis=0)[last_of_text]
    proportional = (last_of_text + 1)[:, None] * held[-1] / len(text)
    # One text holds up to ten rows, so a text more or less moves a class by that much.
    assert np.abs(held - proportional).max() < 5


def test_the_order_of_texts_is_nearly_random(popquorn):
    # Were it sorted by how mixed a text's ratings are, the first tenth would differ from the rest.
    text, stratum, _ = ordered_sample(popquorn)
    order = list(dict.fromkeys(text.tolist()))
    n_classes = [len(set(stratum[text == t].tolist())) for t in order]
    assert stats.ttest_ind(n_classes[:140], n_classes[140:]).pvalue > 0.001


@settings(max_examples=settings.default.max_examples * 60 // 100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=80), st.integers(0, 5))
def test_ordering_keeps_the_rows_of_a_text_together_and_in_their_order(rows, seed):
    text, stratum = np.array(rows).T
    for order in (
        order_texts(text, stratum, np.random.default_rng(seed)),
        shuffle_texts(text, np.random.default_rng(seed)),
    ):
        assert sorted(order.tolist()) == list(range(len(rows)))
        assert len(np.flatnonzero(np.diff(text[order]))) + 1 == len(set(text.tolist()))
        assert all(np.all(np.diff(order[text[order] == t]) > 0) for t in set(text.tolist()))


def test_each_text_is_equally_likely_at_each_place_of_a_random_order():
    # 3 texts of 1, 2 and 3 rows have 6 orders: of 1,200 each 200, with a standard deviation of 13.
    text = np.array([5, 7, 7, 9, 9, 9])
    rng = np.random.default_rng(0)
    orders = Counter(tuple(dict.fromkeys(text[shuffle_texts(text, rng)].tolist())) for _ in range(1200))
    assert len(orders) == 6
    assert stats.chisquare(list(orders.values())).pvalue > 0.001


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.data())
def test_shards_are_runs_of_whole_texts_that_join_to_the_whole(sizes, data):
    text = np.repeat(np.arange(len(sizes)), sizes)
    n_shards = data.draw(st.integers(1, len(sizes)))
    bounds = [shard_bounds(text, k, n_shards) for k in range(1, n_shards + 1)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(text)
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    assert all(start < stop for start, stop in bounds)
    assert all(start == 0 or text[start - 1] != text[start] for start, _ in bounds)


def test_shards_of_the_real_study_differ_by_less_than_a_text(popquorn):
    text, _, _ = ordered_sample(popquorn)
    lengths = [stop - start for start, stop in (shard_bounds(np.repeat(text, 10), k, 16) for k in range(1, 17))]
    # Each cut is at most half a text (50 docs) from where it should be.
    assert max(lengths) - min(lengths) <= 200
    assert sum(lengths) == 47_010


def test_more_shards_than_texts_are_refused():
    with pytest.raises(ValueError, match="3 shards of 2 texts"):
        shard_bounds(np.array([0, 0, 1]), 1, 3)
