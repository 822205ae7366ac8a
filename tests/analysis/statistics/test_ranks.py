"""Ranks, and how far chance may have moved them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.ranks import RANKS, estimate_ranks


def rank(refused, asked=1, seed=0, n_draws=400):
    """Rank models by (n_texts, n_models) refusals, each text asked equally often."""
    refused = np.asarray(refused, dtype=float)
    n_texts, n_models = refused.shape
    rates = refused.sum(axis=0) / (n_texts * asked)
    scores = (refused - rates * asked) / (n_texts * asked) * np.sqrt(n_texts / (n_texts - 1))
    texts = np.full(n_models, n_texts)
    return estimate_ranks(rates, scores, texts, np.random.default_rng(seed), n_draws=n_draws)


def listed(table):
    assert list(table.columns) == list(RANKS)
    return list(table.itertuples(index=False, name=None))


def test_models_that_differ_by_as_much_in_every_text_have_one_rank_each():
    # No text says otherwise, and of 8 texts all signs agree by chance 2 times in 256, less than 5 %.
    assert listed(rank([[1, 0]] * 8)) == [(2, 2, 2), (1, 1, 1)]


def test_signs_of_five_texts_cannot_distinguish_two_models():
    # They agree 2 times in 32, more than 5 %.
    assert listed(rank([[1, 0]] * 5)) == [(2, 1, 2), (1, 1, 2)]


def test_more_models_need_more_texts():
    # Of 4 models there are 6 pairs: 2^-7 of 8 texts is above .05 / 6 = .0083? It is .0078; of 7 texts .0156.
    four = [[3, 2, 1, 0]]
    assert listed(rank(four * 8, 3)) == [(4, 4, 4), (3, 3, 3), (2, 2, 2), (1, 1, 1)]
    assert listed(rank(four * 7, 3)) == [(4, 1, 4), (3, 1, 4), (2, 1, 4), (1, 1, 4)]


def test_models_with_the_same_verdicts_share_the_lowest_of_their_ranks():
    # Two that never refuse, and one that always does.
    assert listed(rank([[0, 1, 0]] * 10)) == [(1, 1, 2), (3, 3, 3), (1, 1, 2)]


def test_a_single_model_has_the_first_rank():
    assert listed(rank([[1], [0], [1]])) == [(1, 1, 1)]


def test_models_are_compared_within_the_texts_they_share():
    # Texts differ much in how often they are refused, models by one refusal in most texts: paired it is plain.
    rng = np.random.default_rng(1)
    hard = rng.binomial(20, rng.choice([0.1, 0.9], 60))
    easier = np.maximum(hard - rng.integers(0, 3, 60), 0)
    assert listed(rank(np.stack([hard, easier], axis=1), 20)) == [(2, 2, 2), (1, 1, 1)]
    # The same rates of texts that are not shared: each model's texts are chance too.
    rates = np.array([hard.mean(), easier.mean()]) / 20
    scores = np.zeros((120, 2))
    scores[:60, 0] = (hard - 20 * rates[0]) / 1200
    scores[60:, 1] = (easier - 20 * rates[1]) / 1200
    apart = estimate_ranks(rates, scores, np.array([60, 60]), np.random.default_rng(0))
    assert listed(apart) == [(2, 1, 2), (1, 1, 2)]


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=12),
    st.permutations(range(3)),
)
def test_an_interval_holds_its_rank_and_the_order_of_models_does_not_matter(refused, order):
    refused = np.array(refused)
    table = rank(refused, 4, n_draws=50)
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()
    assert (table["rank_low"] >= 1).all()
    assert (table["rank_high"] <= 3).all()
    moved = rank(refused[:, list(order)], 4, n_draws=50)
    assert listed(moved) == [listed(table)[i] for i in order]


@pytest.mark.parametrize("n_texts", [40, 150])
def test_intervals_of_equal_models_hold_all_ranks_nineteen_times_in_twenty(n_texts):
    # 5 models of one rate, in texts that differ: every rank is right for each. 120 boards; fewer than 106 of them
    # would happen once in 1,000 if the share were .95.
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(120):
        of_text = rng.normal(-1.5, 1.5, (n_texts, 1))
        refused = rng.binomial(5, 1 / (1 + np.exp(-of_text - rng.normal(0, 0.7, (n_texts, 5)))))
        table = rank(refused, 5, seed=int(rng.integers(1 << 30)), n_draws=300)
        held += bool((table["rank_low"] == 1).all() and (table["rank_high"] == 5).all())
    assert held >= 106
