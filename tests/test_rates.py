"""Rates and contrasts: by hand, against statsmodels, and in simulated studies whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.rates import ESTIMATES, estimate_contrasts, estimate_rates
from scipy import stats

from refusal_metrics.metrics import agg_clustered_se

# The 97.5 % points of Student's t with 2 and 3 degrees of freedom, from a printed table.
T2, T3 = 4.302653, 3.182446

few = settings(max_examples=25, deadline=None)


def counts_of(refused_of, **levels):
    """Make the counts of one cell from {text: (refused, asked)}."""
    rows = [{"text_id": text, "n": n, "n_refused": k, "n_empty": 0} | levels for text, (k, n) in refused_of.items()]
    return pd.DataFrame(rows)


def study(**refused_of):
    """Make the counts of one model and task from a cell for each setting; underscores are hyphens."""
    cells = [
        counts_of(cell, model="m", task="nli", setting=name.replace("_", "-"), persona="woman")
        for name, cell in refused_of.items()
    ]
    return pd.concat(cells, ignore_index=True)


def only_row(table):
    assert len(table) == 1
    return table.iloc[0]


def has_no_interval(row):
    return math.isnan(row["ci_low"]) and math.isnan(row["ci_high"])


# A cell by hand.


def test_a_rate_and_its_interval_equal_the_hand_worked_example():
    counts = counts_of({"a": (1, 10), "b": (2, 10), "c": (3, 10), "d": (2, 10)}, model="m")
    row = only_row(estimate_rates(counts, ["model"]))
    # p = 8/40; k - p n = -1, 0, 1, 0; s = sqrt(4/3 * 2) / 40 = .0408248; times t_3.
    assert row["estimate"] == pytest.approx(0.2)
    assert row["ci_low"] == pytest.approx(0.2 - T3 * 0.0408248, abs=1e-6)
    assert row["ci_high"] == pytest.approx(0.2 + T3 * 0.0408248, abs=1e-6)
    assert (row["n"], row["n_texts"], row["n_refused"]) == (40, 4, 8)


def test_an_interval_is_cut_off_at_0_and_1():
    row = only_row(estimate_rates(counts_of({"a": (1, 2), "b": (0, 2), "c": (2, 2)}, model="m"), ["model"]))
    # p = 3/6; k - p n = 0, -1, 1; s = sqrt(3/2 * 2) / 6 = .2887; times t_2 = 4.30 is more than a half.
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == (0.5, 0.0, 1.0)


def test_texts_asked_unequally_often_weigh_by_their_prompts():
    row = only_row(estimate_rates(counts_of({"a": (1, 1), "b": (2, 10), "c": (2, 9)}, model="m"), ["model"]))
    # p = 5/20; k - p n = 3/4, -1/2, -1/4; squares 9/16 + 4/16 + 1/16 = 14/16; s = sqrt(3/2 * 14/16) / 20 = .0572822.
    assert row["estimate"] == pytest.approx(0.25)
    assert row["ci_high"] == pytest.approx(0.25 + T2 * 0.0572822, abs=1e-6)


@pytest.mark.parametrize(
    ("refused_of", "rate"),
    [
        ({"a": (0, 10), "b": (0, 3)}, 0.0),
        ({"a": (10, 10), "b": (3, 3)}, 1.0),
        ({"a": (3, 10)}, 0.3),
        ({"a": (0, 1)}, 0.0),
    ],
    ids=["never refused", "always refused", "a single text", "a single prompt"],
)
def test_a_rate_of_0_or_1_or_of_a_single_text_has_no_interval(refused_of, rate):
    row = only_row(estimate_rates(counts_of(refused_of, model="m"), ["model"]))
    assert row["estimate"] == rate
    assert has_no_interval(row)


def test_a_blank_interval_in_one_cell_leaves_the_others_theirs():
    mixed = {"a": (1, 10), "b": (2, 10)}
    cells = [
        counts_of({"a": (0, 10), "b": (0, 10)}, persona="x"),
        counts_of(mixed, persona="y"),
        counts_of({"a": (5, 10)}, persona="z"),
    ]
    table = estimate_rates(pd.concat(cells), ["persona"])
    assert table["ci_low"].isna().tolist() == [True, False, True]
    alone = only_row(estimate_rates(counts_of(mixed, persona="y"), ["persona"]))
    pd.testing.assert_series_equal(table.iloc[1], alone, check_names=False)


def test_columns_are_the_factors_and_then_the_estimates():
    counts = counts_of({"a": (1, 2)}, model="m", persona="x")
    assert list(estimate_rates(counts, ["persona", "model"])) == ["persona", "model", *ESTIMATES]
    assert ESTIMATES == ("estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused")


def test_rows_without_a_persona_are_a_cell_of_their_own():
    nobody = {"persona": None, "persona_group": None}
    cells = [
        counts_of({"a": (1, 10), "b": (3, 10)}, setting="persona", persona="woman", persona_group="gender"),
        counts_of({"a": (0, 10), "b": (1, 10)}, setting="persona-free", **nobody),
    ]
    by = ["setting", "persona_group", "persona"]
    table = estimate_rates(pd.concat(cells), by)
    assert table["setting"].tolist() == ["persona", "persona-free"]
    assert table["persona"].isna().tolist() == [False, True]
    assert table["n_refused"].tolist() == [4, 1]
    assert table["ci_high"].notna().all()


# Cells at large.

texts = st.dictionaries(
    st.sampled_from("abcdef"),
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
)
cells = st.dictionaries(st.sampled_from(["woman", "black", "muslim"]), texts, min_size=1).map(
    lambda of: pd.concat([counts_of(refused_of, persona=name) for name, refused_of in of.items()], ignore_index=True)
)


def estimates(table):
    """Give the rows by cell."""
    return table.set_index("persona").sort_index()


def assert_same_estimates(one, other):
    pd.testing.assert_frame_equal(estimates(one), estimates(other), check_exact=False, rtol=1e-9, atol=1e-9)


@few
@given(cells, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(counts, random):
    shuffled = counts.iloc[random.sample(range(len(counts)), len(counts))]
    assert_same_estimates(estimate_rates(shuffled, ["persona"]), estimate_rates(counts, ["persona"]))


@few
@given(cells, st.data())
def test_a_text_counted_in_several_rows_is_one_text(counts, data):
    refused = [data.draw(st.integers(0, k)) for k in counts["n_refused"]]
    # The first part holds some of the refusals and none of the other answers, the second the rest.
    parts = [
        counts.assign(n=refused, n_refused=refused),
        counts.assign(n=counts["n"] - refused, n_refused=counts["n_refused"] - refused),
    ]
    assert_same_estimates(estimate_rates(pd.concat(parts), ["persona"]), estimate_rates(counts, ["persona"]))


@few
@given(cells)
def test_the_names_of_levels_and_texts_do_not_matter(counts):
    names = {"woman": "[red]", "black": "", "muslim": "persona, with | all; sorts"}
    renamed = counts.assign(
        persona=counts["persona"].map(names), text_id=[f"offensiveness/{text}" for text in counts["text_id"]]
    )
    back = {new: old for old, new in names.items()}
    table = estimate_rates(renamed, ["persona"])
    assert_same_estimates(table.assign(persona=table["persona"].map(back)), estimate_rates(counts, ["persona"]))


@few
@given(cells)
def test_an_interval_holds_its_estimate_and_nothing_beyond_0_and_1(counts):
    table = estimate_rates(counts, ["persona"])
    assert table["estimate"].between(0, 1).all()
    with_interval = table[table["ci_low"].notna()]
    assert (with_interval["ci_low"] >= 0).all()
    assert (with_interval["ci_high"] <= 1).all()
    assert with_interval["estimate"].between(with_interval["ci_low"] - 1e-12, with_interval["ci_high"] + 1e-12).all()
    by_hand = counts.groupby("persona").agg(n=("n", "sum"), n_texts=("text_id", "nunique"), k=("n_refused", "sum"))
    assert estimates(table)[["n", "n_texts", "n_refused"]].to_numpy().tolist() == by_hand.to_numpy().tolist()


@few
@given(cells)
def test_refusals_taken_for_answers_mirror_rate_and_interval(counts):
    table = estimates(estimate_rates(counts, ["persona"]))
    mirrored = estimates(estimate_rates(counts.assign(n_refused=counts["n"] - counts["n_refused"]), ["persona"]))
    for one, other in (("estimate", "estimate"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        np.testing.assert_allclose(table[one], 1 - mirrored[other], atol=1e-9)


# Against statsmodels.


def draw_prompts(seed, n_texts=30, rate=0.3):
    """Draw prompts, 1 to 12 a text, whose refusals go together within a text: text and verdict of each."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(n_texts), rng.integers(1, 13, n_texts))
    refused = rng.random(len(text)) < rng.beta(4 * rate, 4 * (1 - rate), n_texts)[text]
    return pd.DataFrame({"text_id": text, "refused": refused.astype(float)})


def count(prompts):
    counts = prompts.groupby("text_id", as_index=False).agg(n=("refused", "size"), n_refused=("refused", "sum"))
    return counts.assign(model="m", task="nli")


def clustered(prompts, design):
    """Regress verdicts on a design with statsmodels; give the last coefficient, its clustered error, and G."""
    n_texts = prompts["text_id"].nunique()
    options = {"groups": prompts["text_id"].to_numpy(), "use_correction": False}
    fit = sm.OLS(prompts["refused"].to_numpy(), design).fit(cov_type="cluster", cov_kwds=options)
    # Its own correction would also multiply by (n - 1)/(n - k).
    return fit.params[-1], fit.bse[-1] * math.sqrt(n_texts / (n_texts - 1)), n_texts


def half_width(row):
    """Undo the cut at 0 and 1, which never takes both ends of these intervals."""
    return max(row["estimate"] - row["ci_low"], row["ci_high"] - row["estimate"])


@few
@given(st.integers(0, 2**32))
def test_the_clustered_standard_error_equals_statsmodels(seed):
    prompts = draw_prompts(seed)
    assume(prompts["refused"].nunique() == 2)
    rate, error, n_texts = clustered(prompts, np.ones((len(prompts), 1)))
    row = only_row(estimate_rates(count(prompts), ["model"]))
    assert row["estimate"] == pytest.approx(rate)
    assert half_width(row) / stats.t.ppf(0.975, n_texts - 1) == pytest.approx(error)


@few
@given(st.integers(0, 2**32))
def test_the_clustered_standard_error_equals_the_one_in_the_harness_table(seed):
    prompts = draw_prompts(seed)
    assume(prompts["refused"].nunique() == 2)
    row = only_row(estimate_rates(count(prompts), ["model"]))
    error = agg_clustered_se(list(prompts.itertuples(index=False, name=None)))
    assert half_width(row) == pytest.approx(stats.t.ppf(0.975, row["n_texts"] - 1) * error)


@few
@given(st.integers(0, 2**32), st.sampled_from([0, 15, 30]))
def test_a_contrast_equals_a_regression_on_the_setting_whether_texts_are_shared_or_not(seed, first_text):
    asked, reference = draw_prompts(seed), draw_prompts(seed + 1, rate=0.2)
    # The baseline's texts are numbered from 0, 15 or 30: all are shared with the 30 of the persona setting, half, none.
    reference["text_id"] += first_text
    both = pd.concat([asked, reference], ignore_index=True)
    in_persona = np.repeat([1.0, 0.0], [len(asked), len(reference)])
    difference, error, n_texts = clustered(both, sm.add_constant(in_persona))
    assert n_texts == 30 + first_text
    settings_of = pd.concat([count(asked).assign(setting="persona"), count(reference).assign(setting="neutral")])
    row = only_row(estimate_contrasts(settings_of, [], "neutral"))
    assert row["estimate"] == pytest.approx(difference)
    assert half_width(row) / stats.t.ppf(0.975, n_texts - 1) == pytest.approx(error)


# Contrasts by hand.


@pytest.mark.parametrize("baseline", ["neutral", "persona-free"])
def test_a_contrast_and_its_interval_equal_the_hand_worked_example(baseline):
    cells = {"persona": {"a": (4, 10), "b": (2, 10)}, baseline.replace("-", "_"): {"a": (3, 10), "c": (0, 10)}}
    row = only_row(estimate_contrasts(study(**cells), [], baseline))
    # p = 6/20, p' = 3/20. u_a = (4-3)/20 - (3-1.5)/20 = -.025, u_b = (2-3)/20 = -.05, u_c = -(0-1.5)/20 = .075;
    # their squares add up to .00875; G = 3 texts in all; s = sqrt(3/2 * .00875) = .1145644.
    assert row["estimate"] == pytest.approx(0.15)
    assert row["ci_low"] == pytest.approx(0.15 - T2 * 0.1145644, abs=1e-6)
    assert row["ci_high"] == pytest.approx(0.15 + T2 * 0.1145644, abs=1e-6)
    assert row[["n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline"]].tolist() == [20, 2, 6, 20, 3]
    assert (row["model"], row["task"], row["baseline"]) == ("m", "nli", baseline)


def test_a_contrast_is_cut_off_at_1():
    row = only_row(
        estimate_contrasts(study(persona={"a": (9, 9), "b": (8, 9)}, neutral={"c": (0, 9), "d": (1, 9)}), [], "neutral")
    )
    # 17/18 - 1/18 = 16/18; all |u| = .5/18; s = sqrt(4/3 * 4) * .5/18 = .0642; times t_3 is .204, and 16/18 + .204 > 1.
    assert row["estimate"] == pytest.approx(16 / 18)
    assert row["ci_high"] == 1.0
    assert row["ci_low"] == pytest.approx(16 / 18 - T3 * math.sqrt(16 / 3) * 0.5 / 18, abs=1e-6)


@few
@given(texts, st.sampled_from([1, 2, 3, 7, 10]))
@example({"a": (0, 1), "b": (0, 1), "c": (1, 1)}, 3)  # 1/3 has no exact binary form
def test_the_same_texts_answered_alike_in_both_settings_differ_by_0_without_an_interval(refused_of, times):
    # The persona setting may ask each text more often, and then it refuses as much more often.
    more = {text: (times * k, times * n) for text, (k, n) in refused_of.items()}
    row = only_row(estimate_contrasts(study(persona=more, neutral=refused_of), [], "neutral"))
    assert row["estimate"] == pytest.approx(0, abs=1e-12)
    assert has_no_interval(row)


@few
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@example((1, 49))  # 49 * (1/49) is not 1
def test_one_text_against_another_has_no_interval(cell):
    row = only_row(estimate_contrasts(study(persona={"a": cell}, neutral={"b": (1, 2)}), [], "neutral"))
    # A single text deviates from its own rate by nothing: no text contributes variance.
    assert row["estimate"] == pytest.approx(cell[0] / cell[1] - 0.5)
    assert has_no_interval(row)


def test_settings_that_never_and_always_refuse_differ_by_1_without_an_interval():
    row = only_row(estimate_contrasts(study(persona={"a": (3, 3), "b": (2, 2)}, neutral={"a": (0, 3)}), [], "neutral"))
    assert row["estimate"] == 1.0
    assert has_no_interval(row)


def test_each_persona_is_compared_with_the_whole_baseline_of_its_own_model_and_task():
    neutral = {"a": (1, 10), "b": (2, 10)}
    parts = [
        counts_of({"a": (5, 10), "b": (3, 10)}, model="m", task="nli", setting="persona", persona="woman"),
        counts_of({"a": (2, 10), "b": (0, 10)}, model="m", task="nli", setting="persona", persona="black"),
        # The baseline has personas of its own, and they are pooled.
        counts_of({"a": (1, 5), "b": (1, 5)}, model="m", task="nli", setting="neutral", persona="person"),
        counts_of({"a": (0, 5), "b": (1, 5)}, model="m", task="nli", setting="neutral", persona="individual"),
        counts_of({"a": (9, 10)}, model="m", task="politeness", setting="persona", persona="woman"),
        counts_of({"a": (9, 10)}, model="other", task="nli", setting="neutral", persona="person"),
    ]
    table = estimate_contrasts(pd.concat(parts), ["persona"], "neutral")
    assert list(table) == ["model", "task", "persona", "baseline", *ESTIMATES, "n_baseline", "n_refused_baseline"]
    # Neutral 3/20; woman 8/20, black 2/20. The politeness task and the other model lack one side.
    assert table["persona"].tolist() == ["black", "woman"]
    assert table["estimate"].tolist() == pytest.approx([-0.05, 0.25])
    assert set(zip(table["model"], table["task"], strict=True)) == {("m", "nli")}
    alone = study(persona={"a": (5, 10), "b": (3, 10)}, neutral=neutral)
    assert table.iloc[1]["ci_low"] == pytest.approx(only_row(estimate_contrasts(alone, [], "neutral"))["ci_low"])


@pytest.mark.parametrize("by", [[], ["persona"]])
@pytest.mark.parametrize(
    "cells",
    [{"persona": {"a": (1, 2)}}, {"neutral": {"a": (1, 2)}}, {"persona": {"a": (1, 2)}, "persona_free": {"a": (0, 2)}}],
)
def test_contrasts_are_empty_but_keep_their_columns_where_a_side_is_missing(cells, by):
    table = estimate_contrasts(study(**cells), by, "neutral")
    assert table.empty
    assert list(table) == ["model", "task", *by, "baseline", *ESTIMATES, "n_baseline", "n_refused_baseline"]


@few
@given(texts, texts)
def test_swapping_persona_and_baseline_flips_the_sign(asked, reference):
    row = only_row(estimate_contrasts(study(persona=asked, neutral=reference), [], "neutral"))
    flipped = only_row(estimate_contrasts(study(persona=reference, neutral=asked), [], "neutral"))
    assert row["estimate"] == pytest.approx(-flipped["estimate"])
    assert row["ci_low"] == pytest.approx(-flipped["ci_high"], abs=1e-9, nan_ok=True)


# Simulated studies.

N_STUDIES, PROMPTS, RATE = 400, 10, 0.2
# With a true coverage of 95 % the share of 400 studies has a standard deviation of sqrt(.95 * .05 / 400) = 1.1 %:
# 92 to 98 % are 2.75 of them either way.
LOWEST, HIGHEST = 0.92, 0.98


@pytest.fixture(scope="module")
def studies():
    """Counts of studies with 20 to 60 texts, each with a rate of its own around .2 (intraclass correlation 1/6)."""
    rng = np.random.default_rng(20250908)
    text_of_study = np.repeat(np.arange(N_STUDIES), rng.integers(20, 61, N_STUDIES))
    rates = rng.beta(5 * RATE, 5 * (1 - RATE), len(text_of_study))
    counts = pd.DataFrame({"model": text_of_study, "task": "nli", "text_id": np.arange(len(rates)), "n": PROMPTS})
    return [counts.assign(setting=s, n_refused=rng.binomial(PROMPTS, rates)) for s in ("persona", "neutral")]


def test_the_interval_of_a_rate_covers_the_truth_in_95_of_100_studies_and_an_iid_one_far_less(studies):
    table = estimate_rates(studies[0], ["model"])
    covered = table["ci_low"].le(RATE) & table["ci_high"].ge(RATE)
    assert len(table) == N_STUDIES
    assert LOWEST <= covered.mean() <= HIGHEST
    iid = 1.96 * np.sqrt(table["estimate"] * (1 - table["estimate"]) / table["n"])
    # The variance is 1 + 9/6 = 2.5 times what iid prompts have: 1.96 errors are 1.24 true ones, which cover 78.5 %.
    assert (table["estimate"] - RATE).abs().le(iid).mean() == pytest.approx(0.785, abs=0.06)


def test_the_interval_of_a_contrast_covers_0_in_95_of_100_studies_where_settings_share_texts_and_do_not_differ(studies):
    counts = pd.concat(studies)
    table = estimate_contrasts(counts[counts["model"] < 200], [], "neutral")
    assert len(table) == 200
    # Of 200 studies the share has a standard deviation of 1.5 %; the bounds are two of them either way.
    assert LOWEST <= (table["ci_low"].le(0) & table["ci_high"].ge(0)).mean() <= HIGHEST
