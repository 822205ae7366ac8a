"""Contrasts by hand: differences within texts, and who is compared."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.columns import NAMED
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts, estimate_setting_contrasts
from refusal_metrics.analysis.responses import count_responses, read_responses
from refusal_metrics.analysis.statistics import adjust
from scipy import special, stats
from statsmodels.stats.proportion import power_proportions_2indep

from refusal_metrics.errors import InputError

# The 97.5% point of Student's t with 1 degree of freedom, from a printed table.
T1 = 12.706205


spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
only_row, responses, study = sample.only_row, sample.responses, sample.study


# By hand.


def test_a_difference_within_texts_equals_the_hand_worked_example(make_counts):
    rows = study(woman={"a": (2, 4), "b": (1, 4), "c": (4, 4)}, neutral={"a": (1, 4), "b": (1, 4), "d": (4, 4)})
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    # Texts a and b have both arms, each with w = 4 * 4 / 8 = 2: d = (2 * 1/4 + 0) / 4 = 1/8.
    assert row["estimate"] == pytest.approx(0.125)
    # T = 4/8. Variance: 4 * 4 * 3 * 5 / (64 * 7) and 4 * 4 * 2 * 6 / (64 * 7) add up to 27/28; arms of equal size
    # have no skewness. Texts scatter less, (.5 - .25)^2 + (0 - .25)^2: no overdispersion. A lone difference has
    # Student's t with 1 degree of freedom, whose tails are arctangents.
    assert row["p_value"] == pytest.approx(1 - 2 / math.pi * math.atan(0.5 / math.sqrt(27 / 28)))
    # Odds: see test_differences; 9/5 with an error of 8/15.
    assert row["odds_ratio"] == pytest.approx(9 / 5)
    assert row["or_high"] == pytest.approx(9 / 5 * math.exp(T1 * 8 / 15), rel=1e-5)
    assert row["or_low"] == pytest.approx(9 / 5 * math.exp(-T1 * 8 / 15), rel=1e-5)
    assert row[["n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline"]].tolist() == [8, 2, 3, 8, 2]
    assert row["within_texts"]
    assert (row["model"], row["task"], row["persona"], row["baseline"]) == ("m", "nli", "woman", "neutral")


def test_detectable_differences_are_those_of_the_first_step_of_the_correction(make_counts):
    refused = dict.fromkeys([f"t{i}" for i in range(100)], (2, 20))
    rows = study(woman=refused, man=refused, neutral=refused)
    table = estimate_contrasts(make_counts(rows), "neutral")
    # One family of two; see test_score. A rate of .1 in 2,000 responses of either arm.
    for name, sign in (("mde_up", 1), ("mde_down", -1)):
        power = power_proportions_2indep(sign * table[name][0], 0.1, 2000, alpha=0.05 / 2).power
        # The variance is 40/39 of a binomial one, for refusals are drawn from a text's without replacement.
        assert power == pytest.approx(0.81, abs=0.015)
    assert table["p_value"].tolist() == table["p_adjusted"].tolist() == [1, 1]
    # Without a difference, the ends are Wald's up to terms of the order of 1 / 2,000.
    error = math.sqrt(2 * 0.1 * 0.9 / 2000)
    for end, half in (("ci_low", -1.959964), ("ci_high", 1.959964), ("equiv_low", -1.644854), ("equiv_high", 1.644854)):
        assert table[end][0] == pytest.approx(half * error, rel=0.03)


def test_the_baseline_others_is_all_other_personas_of_the_same_texts(make_counts):
    rows = study(a={"t": (3, 4), "u": (0, 4)}, b={"t": (1, 4), "u": (0, 4)}, c={"t": (0, 4), "v": (4, 4)})
    table = estimate_contrasts(make_counts(rows), "others").set_index("persona")
    # a: text t 3/4 against 1/8, w = 4 * 8 / 12; text u 0 against 0, w = 2.
    assert table.loc["a", "estimate"] == pytest.approx((32 / 12 * (3 / 4 - 1 / 8)) / (32 / 12 + 2))
    assert table.loc["a", ["n", "n_refused", "n_baseline", "n_refused_baseline"]].tolist() == [8, 3, 12, 1]
    # c: only text t has others.
    assert table.loc["c", ["n", "n_texts", "n_baseline", "n_refused_baseline"]].tolist() == [4, 1, 8, 4]


def test_a_persona_can_be_the_baseline_and_has_no_row_itself(make_counts):
    rows = study(a={"t": (3, 4), "u": (0, 4)}, b={"t": (1, 4), "u": (1, 4)}, c={"t": (0, 4), "u": (0, 4)})
    table = estimate_contrasts(make_counts(rows), "b")
    assert table["persona"].tolist() == ["a", "c"]
    assert table["estimate"].tolist() == pytest.approx([0.125, -0.25])
    assert set(table["baseline"]) == {"b"}


def test_without_shared_texts_independent_rates_are_compared(make_counts):
    rows = study(woman={"a": (1, 4), "b": (3, 4)}, neutral={"c": (0, 4), "d": (2, 4)})
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    assert row["estimate"] == 0.25
    assert row["odds_ratio"] == pytest.approx(3)
    assert not row["within_texts"]
    # By one degree of freedom, see test_score, the interval is nearly everything.
    assert row["ci_low"] < -0.99
    assert row["ci_high"] > 0.99


def test_a_persona_that_is_never_refused_has_an_odds_ratio_of_0_without_an_interval(make_counts):
    texts = [f"t{i}" for i in range(40)]
    rows = study(woman=dict.fromkeys(texts, (0, 5)), neutral={text: (int(i < 6), 5) for i, text in enumerate(texts)})
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    assert row["odds_ratio"] == 0
    assert math.isnan(row["or_low"])
    assert math.isnan(row["or_high"])
    # Six tosses of a coin all fell one way: 3 from their expectation, with a variance of 6/4.
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(3 / math.sqrt(6 / 4), 39))
    flipped = [r | {"refused": not r["refused"]} for r in rows]
    assert only_row(estimate_contrasts(make_counts(flipped), "neutral"))["odds_ratio"] == math.inf


@pytest.mark.parametrize("always", [False, True], ids=["never", "always"])
def test_where_no_text_has_different_verdicts_the_interval_counts_texts(make_counts, always):
    cell = {f"t{i}": (3 * always, 3) for i in range(60)}
    row = only_row(estimate_contrasts(make_counts(study(woman=cell, neutral=cell)), "neutral"))
    assert row["estimate"] == 0
    # 1 - .025^(1/60) = .059629 and 1 - .05^(1/60) = .048703.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-0.059629, 0.059629), abs=1e-5)
    assert row["equiv_high"] == pytest.approx(0.048703, abs=1e-5)
    assert math.isnan(row["odds_ratio"])
    assert row[["mde_up", "mde_down"]].isna().all()
    assert row["p_value"] == 1


def test_one_text_gives_an_estimate_alone_and_no_persona_is_significant(make_counts):
    many = {f"t{i}": (1, 10) for i in range(20)}
    rows = study(a={"t0": (10, 10)}, b=many, c=many, d=many, neutral=many)
    table = estimate_contrasts(make_counts(rows), "neutral").set_index("persona")
    assert table.loc["a", "estimate"] == pytest.approx(0.9)
    unknown = ["p_value", "p_adjusted", "ci_low", "ci_high", "or_low", "or_high", "mde_up", "mde_down", "equiv_low"]
    assert table.loc["a", [*unknown, *NAMED]].isna().all()
    # It is not among the comparisons that are corrected for.
    three = estimate_contrasts(make_counts([row for row in rows if row["persona"] != "a"]), "neutral")
    assert table.loc[list("bcd"), "mde_up"].tolist() == pytest.approx(three["mde_up"].tolist(), rel=0.05)


def test_a_lone_difference_without_common_texts_in_a_family_without_other_refusals_is_shown(make_counts):
    quiet = {f"t{i}": (0, 10) for i in range(20)}
    rows = study(a={f"u{i}": (9, 10) for i in range(20)}, b=quiet, c=quiet, d=quiet, neutral=quiet)
    row = estimate_contrasts(make_counts(rows), "neutral").set_index("persona").loc["a"]
    assert row["p_adjusted"] < 0.05
    assert math.isnan(row["estimate_shrunken"])


def test_a_lone_difference_is_not_found_more_often_than_the_level_with_few_texts(make_counts):
    rng = np.random.default_rng(0)
    rows = []
    # A hundred studies are as many models: each has one difference, which is alone in its family.
    for number in range(100):
        odds = rng.normal(-1.5, 1.5, 5)
        own, other = special.expit(odds + rng.normal(0, 1, 5)), special.expit(odds)
        cells = [{f"t{i}": (int(rng.binomial(n, p[i])), n) for i in range(5)} for n, p in ((100, own), (30, other))]
        rows += [row | {"model": f"m{number:02}"} for row in study(woman=cells[0], neutral=cells[1])]
    table = estimate_contrasts(make_counts(rows), "neutral")
    assert len(table) == 100
    rejected = table["p_value"].le(0.05).sum()
    # At the level of .05, more than 11 of 100 happen in 4 of 1,000; with the normal distribution about 20 are.
    assert rejected <= 11


def test_an_effect_of_one_text_alone_is_no_evidence(make_counts):
    quiet = {f"t{i}": (1, 10) for i in range(20)}
    rows = study(woman=quiet | {"x": (30, 30)}, neutral=quiet | {"x": (0, 30)})
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    # If responses of a text were exchangeable, it would be .00004: 15 from the expectation with a variance of 13.3.
    assert row["p_value"] > 0.2


# Who is compared.


def test_each_persona_is_compared_within_its_own_model_and_task(make_counts):
    rows = [
        *study(woman={"a": (5, 10)}, black={"a": (2, 10)}, neutral={"a": (1, 10)}),
        *responses({"a": (1, 10)}, setting="neutral", persona="individual"),
        *responses({"a": (9, 10)}, task="politeness", persona="woman"),
        *responses({"a": (9, 10)}, model="other", setting="neutral", persona="person"),
        *responses({"a": (4, 10)}, model="third", persona="woman"),
        *responses({"a": (5, 10)}, model="third", setting="neutral", persona="person"),
    ]
    table = estimate_contrasts(make_counts(rows), "neutral")
    assert list(zip(table["model"], table["persona"], strict=True)) == [
        ("m", "black"),
        ("m", "woman"),
        ("third", "woman"),
    ]
    # The neutral personas are pooled: 2/20.
    assert table["estimate"].tolist() == pytest.approx([0.1, 0.4, -0.1])
    whole = estimate_setting_contrasts(make_counts(rows), "neutral")
    assert list(whole) == ["model", "task", "baseline", *contracts.CONTRASTS.estimates]
    assert whole["estimate"].tolist() == pytest.approx([7 / 20 - 2 / 20, -0.1])


@pytest.mark.parametrize("baseline", ["neutral", "persona-free", "others"])
def test_without_a_baseline_the_table_is_empty_but_has_its_columns(make_counts, baseline):
    table = estimate_contrasts(make_counts(study(woman={"a": (1, 2)})), baseline)
    assert table.empty
    assert list(table) == ["model", "task", "persona", "baseline", *contracts.CONTRASTS.estimates]


def test_without_a_persona_setting_the_tables_are_empty_but_have_their_columns(make_counts):
    counts = make_counts(study(neutral={"a": (1, 2)}))
    assert estimate_contrasts(counts, "neutral").empty
    assert estimate_setting_contrasts(counts, "neutral").empty


def test_an_unknown_baseline_is_named_with_those_there_are(make_counts):
    counts = make_counts(study(woman={"a": (1, 2)}, neutral={"a": (1, 2)}))
    with pytest.raises(InputError, match=r"baseline 'women': allowed are neutral, persona-free, others, woman; did"):
        estimate_contrasts(counts, "women")
    with pytest.raises(InputError, match=r"'others': allowed are neutral, persona-free"):
        estimate_setting_contrasts(counts, "others")


def test_without_personas_there_is_nothing_to_contrast(make_counts):
    rows = [{"model": "m", "task": "nli", "text_id": "a", "refused": True}]
    with pytest.raises(InputError, match="persona"):
        estimate_contrasts(make_counts(rows), "others")


def test_p_values_are_adjusted_for_all_models_and_tasks(simulate_counts):
    table = estimate_contrasts(simulate_counts(np.random.default_rng(5), -3.0, n_studies=4), "others")
    family = list(zip(table["model"], table["task"], strict=True))
    np.testing.assert_array_equal(table["p_adjusted"], adjust(table["p_value"], family))
    assert (table["p_adjusted"] >= table["p_value"]).all()


# Settings of runs.


def test_settings_of_runs_distinguished_are_compared_each_with_its_own_baseline(tmp_path):
    rows = [
        row | {"temperature": temperature}
        for temperature, k in (("0", 0), ("1", 4))
        for row in study(
            woman=dict.fromkeys("abcdef", (k, 4)) | {"g": (1, 4)},
            black=dict.fromkeys("abcdefg", (1, 4)),
            neutral=dict.fromkeys("abcdefg", (1, 4)),
        )
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "table.parquet", index=False)
    counts = count_responses(read_responses([tmp_path / "table.parquet"]), ["temperature"])["given"]
    table = estimate_contrasts(counts, "neutral", run_factors=["temperature"])
    assert list(table)[:5] == ["model", "task", "temperature", "persona", "baseline"]
    assert table["temperature"].tolist() == ["0", "0", "1", "1"]
    for temperature, part in table.groupby("temperature"):
        alone = estimate_contrasts(counts.where(temperature=temperature), "neutral")
        for column in ("estimate", "ci_low", "p_value", "n_refused_baseline"):
            np.testing.assert_allclose(part[column], alone[column])
    # Two families instead of one: what is found is corrected for both.
    assert table["p_adjusted"].tolist() == pytest.approx(
        adjust(table["p_value"].to_numpy(), list(zip(table["model"], table["task"], table["temperature"], strict=True)))
    )
    settings_alone = estimate_setting_contrasts(counts, "neutral", run_factors=["temperature"])
    # Of 56 responses under personas 7 + 1 and 7 + 25 were refused, of 28 neutral ones 7.
    assert settings_alone["estimate"].tolist() == pytest.approx([8 / 56 - 7 / 28, 32 / 56 - 7 / 28])
