"""Rates and their intervals: by hand, against scipy, and in simulated studies whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.rates import estimate_rate_errors, estimate_rates
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
    row = only_rate({f"{i}": (4 if i < 10 else 2, 10) for i in range(20)})
    # p = 60/200; k - p n = 1 or -1; v = 20/19 * 20 / 200^2, a design effect of 200 v / (.3 * .7) = .501, counted as 1.
    # In the worst case it is 200 / 20 = 10, and 20 texts have a refusal: 1 + 9 * 5 / (5 + 20) = 2.8.
    # n* = 200 / 2.8 = 71.42857, p n* = 21.42857.
    assert row["estimate"] == pytest.approx(0.3)
    assert (row["n"], row["n_texts"], row["n_refused"]) == (200, 20, 60)
    # The ends are where 21.43 of 71.43 or more, or or fewer, has a probability of .025: incomplete beta functions.
    assert stats.beta.cdf(row["ci_low"], 21.42857, 51) == pytest.approx(0.025, rel=1e-5)
    assert stats.beta.sf(row["ci_high"], 22.42857, 50) == pytest.approx(0.025, rel=1e-5)


def test_texts_refused_always_or_never_are_the_units(only_rate):
    row = only_rate(dict.fromkeys("abc", (10, 10)) | {f"{i}": (0, 10) for i in range(97)})
    exact = stats.binomtest(3, 100).proportion_ci(method="exact")
    # v has 99 in place of 100 texts, so that n* is 99.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((exact.low, exact.high), rel=0.02)


def test_one_prompt_a_text_is_a_sample_of_independent_responses(only_rate):
    row = only_rate({f"{i}": (int(i < 3), 1) for i in range(1000)})
    exact = stats.binomtest(3, 1000).proportion_ci(method="exact")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((exact.low, exact.high), rel=0.002)


def test_the_same_rate_in_many_texts_is_nearly_as_good_as_independent_responses(only_rate):
    row = only_rate({f"{i}": (2, 10) for i in range(1000)})
    # 1 + 9 * 5 / 1005 = 1.0448.
    n = 10_000 / 1.0447761
    assert stats.beta.cdf(row["ci_low"], 0.2 * n, 0.8 * n + 1) == pytest.approx(0.025, rel=1e-4)
    assert stats.beta.sf(row["ci_high"], 0.2 * n + 1, 0.8 * n) == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize(
    ("refused_of", "rate", "low", "high"),
    [
        # 1 - sqrt(.025) = .8419; 1 - .025^(1/60) = .0596; the upper ends of the rates of texts.
        ({"a": (0, 10), "b": (0, 3)}, 0, 0, 0.841886),
        ({f"{i}": (0, 2) for i in range(60)}, 0, 0, 0.059629),
        ({"a": (10, 10), "b": (3, 3)}, 1, 0.158114, 1),
        ({"a": (0, 1)}, 0, 0, 0.975),
        ({"a": (9, 9)}, 1, 0.025, 1),
    ],
    ids=["never refused", "never refused in 60 texts", "always refused", "a single prompt", "a single text, always"],
)
def test_without_or_with_nothing_but_refusals_the_interval_counts_texts(only_rate, refused_of, rate, low, high):
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
    standardised = ("estimate_standardised", "ci_low_standardised", "ci_high_standardised")
    assert (*interval, *counted, *states, *bounds, *standardised) == contracts.RATES.estimates


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
    design = n * error**2 / (k / n * (1 - k / n))
    unsure = design * (stats.t.ppf(0.975, freedom) / stats.t.ppf(0.975, n - 1)) ** 2
    mixed = min((texts_of["k"] > 0).sum(), (texts_of["k"] < texts_of["n"]).sum())
    shrunk = max(design, 1) + (n / g - 1) * 5 / (5 + mixed)
    effective = n / max(1, min(max(unsure, shrunk), max(n / g, design)))
    row = estimate_rates(make_counts(rows), ["model"]).iloc[0]
    assert estimate_rate_errors(make_counts(rows), ["model"])["se"].item() == pytest.approx(error)
    high = stats.beta.ppf(0.975, k / n * effective + 1, (1 - k / n) * effective)
    low = stats.beta.ppf(0.025, k / n * effective, (1 - k / n) * effective + 1)
    # Fewer refusals, or fewer other responses, may have an end farther out.
    assert row["ci_high"] >= high - 1e-9
    assert row["ci_low"] <= low + 1e-9


def test_an_unknown_standard_error_is_missing_and_not_zero(make_counts):
    rows = [
        *responses({"a": (0, 2), "b": (0, 2)}, model="never"),
        *responses({"a": (2, 2), "b": (2, 2)}, model="always"),
        *responses({"a": (1, 2)}, model="one text"),
    ]
    errors = estimate_rate_errors(make_counts(rows), ["model"])
    assert errors["model"].tolist() == ["always", "never", "one text"]
    assert errors["se"].isna().all()


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
    assert covered.mean() >= 0.92 - 2 * 0.014
    # At .002, the refusals would fill less than one text, and the interval covers more.
    assert truth < 0.01 or covered.mean() <= 0.98 + 2 * 0.007
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
