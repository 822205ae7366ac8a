"""Rates and their intervals: by hand, against scipy, and in simulated studies whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.rates import estimate_rates
from scipy import stats

from refusal_metrics.errors import InputError
from refusal_metrics.metrics import agg_clustered_se
from refusal_metrics.scores import NOT_AVAILABLE

few = settings(max_examples=settings.default.max_examples // 8)


def responses(refused_of, **levels):
    """Make the responses of one cell from {text: (refused, asked)}."""
    return [
        {"model": "m", "task": "nli", "setting": "persona", "text_id": text, "refused": i < k} | levels
        for text, (k, n) in refused_of.items()
        for i in range(n)
    ]


@pytest.fixture
def only_rate(make_counts):
    """Estimate the rate of one cell given as {text: (refused, asked)}."""

    def estimate(refused_of):
        table = estimate_rates(make_counts(responses(refused_of)), ["model"])
        assert len(table) == 1
        return table.iloc[0]

    return estimate


# A cell by hand.


def test_a_rate_and_its_interval_equal_the_hand_worked_example(only_rate):
    row = only_rate({"a": (1, 10), "b": (2, 10), "c": (3, 10), "d": (2, 10)})
    # p = 8/40; k - p n = -1, 0, 1, 0; v = 4/3 * 2 / 1600 = 1/600; .16 / v = 96. From a table of Student's t,
    # t_39 = 2.022691 and t_3 = 3.182446: n* = 96 * (2.022691 / 3.182446)^2 = 38.7801, and p n* = 7.7560.
    assert row["estimate"] == pytest.approx(0.2)
    assert (row["n"], row["n_texts"], row["n_refused"]) == (40, 4, 8)
    # The ends are where 7.7560 of 38.7801 or more, or or fewer, has a probability of .025: incomplete beta functions.
    assert stats.beta.cdf(row["ci_low"], 7.7560, 38.7801 - 7.7560 + 1) == pytest.approx(0.025, rel=1e-3)
    assert stats.beta.sf(row["ci_high"], 7.7560 + 1, 38.7801 - 7.7560) == pytest.approx(0.025, rel=1e-3)


def test_refusals_of_one_text_among_ten_give_its_variance_few_degrees_of_freedom(only_rate):
    row = only_rate({"a": (5, 10)} | dict.fromkeys("bcdefghij", (0, 10)))
    # p = 5/100; k - p n = 4.5 once and -.5 nine times: squares 22.5, fourth powers 410.625, kurtosis
    # 10 * 410.625 / 22.5^2 = 8.1111, d = 20 / (8.1111 - 7/9) = 2.7273. v = 10/9 * 22.5 / 100^2 = .0025;
    # .0475 / .0025 = 19; t_99 = 1.984217 and t_2.7273 = 3.3703 (between t_2 = 4.3027 and t_3 = 3.1824).
    # n* = 19 * (1.984217 / 3.3703)^2 = 6.5857, p n* = .32929.
    assert stats.beta.cdf(row["ci_low"], 0.32929, 6.5857 - 0.32929 + 1) == pytest.approx(0.025, rel=1e-3)
    assert stats.beta.sf(row["ci_high"], 0.32929 + 1, 6.5857 - 0.32929) == pytest.approx(0.025, rel=1e-3)


def test_texts_with_the_same_rate_are_as_good_as_independent_responses(only_rate):
    row = only_rate({"a": (4, 10), "b": (2, 5), "c": (2, 5)})
    exact = stats.binomtest(8, 20).proportion_ci(method="exact")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((exact.low, exact.high))


def test_an_interval_is_never_narrower_than_with_independent_responses(only_rate):
    # Two of ten in every text but one vary less than chance would have it.
    row = only_rate(dict.fromkeys("abcdefghij", (2, 10)) | {"k": (3, 10)})
    exact = stats.binomtest(23, 110).proportion_ci(method="exact")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(
    ("refused_of", "rate", "low", "high"),
    [
        # 1 - sqrt(.05) = .7764; 1 - .05^(1/60) = .0487; the upper ends of the rates of texts.
        ({"a": (0, 10), "b": (0, 3)}, 0, 0, 0.776393),
        ({f"{i}": (0, 2) for i in range(60)}, 0, 0, 0.048703),
        ({"a": (10, 10), "b": (3, 3)}, 1, 0.223607, 1),
        ({"a": (0, 1)}, 0, 0, 0.95),
        ({"a": (9, 9)}, 1, 0.05, 1),
    ],
    ids=["never refused", "never refused in 60 texts", "always refused", "a single prompt", "a single text, always"],
)
def test_without_or_with_nothing_but_refusals_the_interval_is_one_sided_and_counts_texts(
    only_rate, refused_of, rate, low, high
):
    row = only_rate(refused_of)
    assert row["estimate"] == rate
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-6)


def test_a_single_text_refused_sometimes_has_no_interval(only_rate):
    row = only_rate({"a": (3, 10)})
    assert row["estimate"] == 0.3
    assert math.isnan(row["ci_low"])
    assert math.isnan(row["ci_high"])


def test_columns_are_the_factors_and_then_the_estimates(make_counts):
    counts = make_counts(responses({"a": (1, 2)}, persona="x"))
    assert list(estimate_rates(counts, ["persona", "model"])) == ["persona", "model", *contracts.RATES.estimates]
    assert list(estimate_rates(counts, [])) == list(contracts.RATES.estimates)
    interval, counted = ("estimate", "ci_low", "ci_high"), ("n", "n_texts", "n_refused")
    states, bounds = ("n_unjudged", "n_truncated", "n_provider"), ("refusal_rate_low", "refusal_rate_high")
    assert (*interval, *counted, *states, *bounds) == contracts.RATES.estimates


def test_responses_without_a_persona_are_a_cell_of_their_own(make_counts):
    cells = [
        *responses({"a": (1, 10), "b": (3, 10)}, persona="woman", persona_group="gender"),
        *responses({"a": (0, 10), "b": (1, 10)}, setting="persona-free"),
    ]
    table = estimate_rates(make_counts(cells), ["setting", "persona_group", "persona"])
    assert table["setting"].tolist() == ["persona", "persona-free"]
    assert table["persona"].isna().tolist() == [False, True]
    assert table["n_refused"].tolist() == [4, 1]
    assert table["ci_high"].notna().all()


def test_an_unknown_factor_is_named(make_counts):
    with pytest.raises(InputError, match=r"persna.*did you mean 'persona'"):
        estimate_rates(make_counts(responses({"a": (1, 2)}, persona="x")), ["persna"])


# Cells at large.

texts = st.dictionaries(
    st.sampled_from("abcdef"),
    st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
)
cells = st.dictionaries(st.sampled_from(["woman", "black", "muslim"]), texts, min_size=1).map(
    lambda of: [row for name, refused_of in of.items() for row in responses(refused_of, persona=name)]
)


def assert_same(one, other):
    one, other = (table.set_index("persona").sort_index() for table in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=False, check_index_type=False, rtol=1e-9, atol=1e-9)


@few
@given(cells, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(make_counts, rows, random):
    shuffled = random.sample(rows, len(rows))
    assert_same(*(estimate_rates(make_counts(r), ["persona"]) for r in (shuffled, rows)))


@few
@given(cells)
def test_the_names_of_levels_and_texts_do_not_matter(make_counts, rows):
    names = {"woman": "[red]", "black": "ä", "muslim": "persona, with | all; sorts"}
    renamed = [row | {"persona": names[row["persona"]], "text_id": f"offensiveness/{row['text_id']}"} for row in rows]
    table = estimate_rates(make_counts(renamed), ["persona"])
    back = {new: old for old, new in names.items()}
    assert_same(table.assign(persona=table["persona"].map(back)), estimate_rates(make_counts(rows), ["persona"]))


@few
@given(cells)
def test_a_cell_does_not_depend_on_the_others(make_counts, rows):
    table = estimate_rates(make_counts(rows), ["persona"])
    parts = [[row for row in rows if row["persona"] == name] for name in table["persona"]]
    alone = pd.concat([estimate_rates(make_counts(part), ["persona"]) for part in parts])
    assert_same(alone, table)


@few
@given(cells)
def test_an_interval_holds_its_estimate_and_nothing_beyond_0_and_1(make_counts, rows):
    table = estimate_rates(make_counts(rows), ["persona"])
    assert table["estimate"].between(0, 1).all()
    known = table[table["ci_low"].notna()]
    assert (known["ci_low"].between(0, known["estimate"])).all()
    assert (known["ci_high"].between(known["estimate"], 1)).all()
    by_hand = (
        pd.DataFrame(rows)
        .groupby("persona")
        .agg(n=("refused", "size"), n_texts=("text_id", "nunique"), n_refused=("refused", "sum"))
    )
    assert table[["n", "n_texts", "n_refused"]].to_numpy().tolist() == by_hand.to_numpy().tolist()


@few
@given(cells)
def test_refusals_taken_for_answers_mirror_rate_and_interval(make_counts, rows):
    table = estimate_rates(make_counts(rows), ["persona"])
    mirrored = estimate_rates(make_counts([row | {"refused": not row["refused"]} for row in rows]), ["persona"])
    for one, other in (("estimate", "estimate"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        np.testing.assert_allclose(table[one], 1 - mirrored[other], atol=1e-9)


@few
@given(texts)
def test_the_variance_is_that_of_the_harness_table(make_counts, refused_of):
    rows = responses(refused_of)
    error = agg_clustered_se([{"text_id": row["text_id"], "refused": float(row["refused"])} for row in rows])
    assume(error != NOT_AVAILABLE and error > 1e-9)
    n, g, k = len(rows), len(refused_of), sum(row["refused"] for row in rows)
    texts_of = pd.DataFrame(refused_of.values(), columns=["k", "n"])
    kurtosis = stats.kurtosis(texts_of["k"] - k / n * texts_of["n"], fisher=False)
    freedom = min(g - 1, 2 * g / (kurtosis - (g - 3) / (g - 1)))
    student = stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, freedom)
    effective = min(n, k / n * (1 - k / n) / error**2 * student**2)
    row = estimate_rates(make_counts(rows), ["model"]).iloc[0]
    assert row["ci_high"] == pytest.approx(stats.beta.ppf(0.975, k / n * effective + 1, (1 - k / n) * effective))


# Simulated studies.


@pytest.mark.parametrize("intercept", [-7.3, -4.85, -2.0], ids=["rate .002", "rate .02", "rate .2"])
def test_intervals_cover_the_truth_in_92_to_98_of_100_studies(simulate_counts, intercept):
    # The truth: the mean of the logistic function over texts and groups, variance 1.5^2 + .5^2, by quadrature.
    x, weight = np.polynomial.hermite_e.hermegauss(80)
    truth = np.average(1 / (1 + np.exp(-intercept - math.sqrt(2.5) * x)), weights=weight)
    counts = simulate_counts(np.random.default_rng(20250908), intercept, n_studies=400)
    table = estimate_rates(counts, ["model"])
    covered = table["ci_low"].le(truth) & table["ci_high"].ge(truth)
    assert len(table) == 400
    # A true share of .92 or .98 has a standard deviation of 1.4 or .7 % in 400 studies.
    assert 0.92 - 2 * 0.014 <= covered.mean() <= 0.98 + 2 * 0.007
    personas = estimate_rates(counts, ["model", "persona"])
    # Of 1.6 refusals, which a persona has at .002, Clopper and Pearson's interval covers more than it says.
    assert (personas["ci_low"].le(truth) & personas["ci_high"].ge(truth)).mean() >= 0.92


def test_intervals_that_take_responses_for_independent_cover_the_truth_far_less(simulate_counts):
    counts = simulate_counts(np.random.default_rng(20250908), 0.0, n_studies=400)
    table = estimate_rates(counts, ["model"])
    # By symmetry the truth is one half.
    independent = 1.96 * np.sqrt(0.25 / table["n"])
    assert (table["estimate"] - 0.5).abs().le(independent).mean() < 0.7
    assert (table["ci_low"].le(0.5) & table["ci_high"].ge(0.5)).mean() > 0.92


def test_rates_of_the_whole_simulated_study_are_those_of_its_published_cells(simulated_study, shared_data):
    cells = pd.read_csv(shared_data / "reference" / "cells.csv").groupby(["model", "task", "persona"]).sum()
    table = estimate_rates(simulated_study, ["model", "task", "persona"])
    assert table["n"].tolist() == cells["n"].tolist()
    assert table["n_refused"].tolist() == cells["k"].tolist()
    assert table["ci_low"].le(table["estimate"]).all()
    assert table["ci_high"].ge(table["estimate"]).all()
