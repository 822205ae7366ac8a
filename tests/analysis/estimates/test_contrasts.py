"""Contrasts: by hand, and in simulated studies whose truth is known."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.columns import NAMED
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts, estimate_setting_contrasts
from refusal_metrics.analysis.estimates.rates import estimate_rates
from refusal_metrics.analysis.responses import count_responses, read_responses
from refusal_metrics.analysis.statistics import adjust, shrink
from scipy import special, stats
from statsmodels.stats.proportion import power_proportions_2indep

from refusal_metrics.errors import InputError

# The 97.5% point of Student's t with 1 degree of freedom, from a printed table.
T1 = 12.706205

few = settings(max_examples=settings.default.max_examples // 10)


spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
only_row, responses, study, studies = sample.only_row, sample.responses, sample.study, sample.studies

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
    rejected = 0
    for _ in range(100):
        odds = rng.normal(-1.5, 1.5, 5)
        own, other = special.expit(odds + rng.normal(0, 1, 5)), special.expit(odds)
        cells = [{f"t{i}": (int(rng.binomial(n, p[i])), n) for i in range(5)} for n, p in ((100, own), (30, other))]
        row = only_row(estimate_contrasts(make_counts(study(woman=cells[0], neutral=cells[1])), "neutral"))
        rejected += bool(row["p_value"] <= 0.05)
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


# Significant differences.


def persona_texts(effect, n_texts=60, seed=1):
    """Make responses of four personas and a neutral person, one for each of 60 texts; one is refused more often."""
    rng = np.random.default_rng(seed)
    rates = {"woman": 0.3 + effect, "black": 0.3, "man": 0.35, "asian": 0.25, "person": 0.3}
    refused = {name: rng.random(n_texts) < rate for name, rate in rates.items()}
    rows = [
        {"model": "m", "task": "nli", "persona": name, "text_id": f"{i}", "refused": value}
        | {"setting": "neutral" if name == "person" else "persona"}
        for name, values in refused.items()
        for i, value in enumerate(values)
    ]
    return rows, refused


def test_the_interval_of_a_significant_difference_is_that_of_the_level_for_one_of_four(make_counts, monkeypatch):
    counts = make_counts(persona_texts(0.6)[0])
    table = estimate_contrasts(counts, "neutral").set_index("persona")
    assert table.index[table["p_adjusted"] <= 0.05].tolist() == ["woman"]
    others = table.drop("woman")
    assert others[["estimate_shrunken", "ci_low_named", "ci_high_named"]].isna().all(axis=None)
    # Benjamini and Yekutieli: .05 R / m.
    monkeypatch.setattr("refusal_metrics.analysis.estimates.contrasts.CONFIDENCE", 1 - 0.05 / 4)
    wide = estimate_contrasts(counts, "neutral").set_index("persona").loc["woman"]
    named = table.loc["woman", ["ci_low_named", "ci_high_named"]].tolist()
    assert named == pytest.approx(wide[["ci_low", "ci_high"]].tolist())
    assert 0 < named[0] < table.loc["woman", "ci_low"] < table.loc["woman", "ci_high"] < named[1]


def test_a_significant_difference_is_shrunken_with_the_covariance_of_differences_from_one_baseline(make_counts):
    rows, refused = persona_texts(0.6)
    row = estimate_contrasts(make_counts(rows), "neutral").set_index("persona").loc["woman"]
    # With one response an arm in each of G texts, a difference is a mean over texts, and the covariance is that of
    # means.
    personas = ["asian", "black", "man", "woman"]
    d = np.stack([refused[name].astype(float) - refused["person"] for name in personas])
    covariance = np.cov(d) / d.shape[1]
    # The variance of the test: 1/4 for each text with different verdicts, over the square of the weight G / 2. The
    # overdispersion is 1, the smallest one.
    least = (d**2).sum(axis=1) / d.shape[1] ** 2
    expected, _ = shrink(d.mean(axis=1), covariance + np.diag(np.maximum(least - np.diag(covariance), 0)))
    assert row["estimate_shrunken"] == pytest.approx(expected[3], rel=1e-4)
    assert d.mean() < row["estimate_shrunken"] < row["estimate"]


def test_two_personas_are_too_few_to_shrink(make_counts):
    rows = [row for row in persona_texts(0.6)[0] if row["persona"] in ("woman", "black", "person")]
    row = estimate_contrasts(make_counts(rows), "neutral").set_index("persona").loc["woman"]
    assert row["p_adjusted"] <= 0.05
    assert math.isnan(row["estimate_shrunken"])
    assert row["ci_low_named"] > 0


def test_designs_are_corrected_together_as_if_their_texts_were_of_one_study(make_counts):
    first, second = (persona_texts(effect, seed=seed)[0] for effect, seed in ((0.6, 1), (0.0, 2)))
    second = [row | {"model": "n", "text_id": f"b{row['text_id']}"} for row in second]
    together = estimate_contrasts(make_counts(first + second), "neutral")
    apart = estimate_contrasts([make_counts(first), make_counts(second)], "neutral")
    pd.testing.assert_frame_equal(apart, together)
    # Alone, each has fewer hypotheses.
    assert (estimate_contrasts(make_counts(first), "neutral")["mde_up"] < together["mde_up"][:4]).all()


# Copies of prompts.


def prompt(persona, text, template, verdicts, setting="persona"):
    """Make the responses to copies of a prompt, one for each rating of the text: R refuses, A answers."""
    same = {"model": "m", "task": "offensiveness", "setting": setting, "persona": persona, "text_id": text}
    return [same | {"template": template, "row_id": f"{i}", "refused": v == "R"} for i, v in enumerate(verdicts)]


def test_copies_of_prompts_with_one_verdict_are_no_further_data(make_counts):
    verdicts = np.random.default_rng(1).random((3, 12, 4)) < 0.3
    once, twice = [], []
    for persona, of_persona in zip(("woman", "black", "person"), verdicts, strict=True):
        for text, of_text in enumerate(of_persona):
            for template, refused in enumerate(of_text):
                where = (persona, f"t{text}", f"p{template}")
                setting = "neutral" if persona == "person" else "persona"
                verdict = "R" if refused else "A"
                once += prompt(*where, verdict, setting)
                twice += prompt(*where, verdict * (1 + text % 3), setting)
    assert len(twice) == 2 * len(once)
    for estimate in (estimate_contrasts, estimate_setting_contrasts):
        baselines = ("neutral", "others", "black") if estimate is estimate_contrasts else ("neutral",)
        pd.testing.assert_frame_equal(*(estimate(make_counts(rows), *baselines) for rows in (twice, once)))
    # A rate weighs prompts by their responses.
    assert estimate_rates(make_counts(twice), ["persona"])["n"].tolist() == [96] * 3


def test_copies_of_prompts_with_different_verdicts_equal_the_hand_worked_example(make_counts):
    rows = [
        *(*prompt("woman", "a", "p1", "RA"), *prompt("woman", "a", "p2", "R")),
        *(*prompt("person", "a", "p1", "A", "neutral"), *prompt("person", "a", "p2", "AA", "neutral")),
        *(*prompt("woman", "b", "p1", "A"), *prompt("person", "b", "p1", "RA", "neutral")),
    ]
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    # Text a: units .5, 1 against 0, 0, w = 1; text b: 0 against .5, w = 1/2.
    assert row["estimate"] == pytest.approx((1 * 0.75 - 0.5 * 0.5) / 1.5)
    # 1.5 and .5 refusals, rounded to even.
    assert row[["n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline"]].tolist() == [3, 2, 2, 3, 0]
    # Under no difference, the total of two of a's values 0, 0, .5, 1 has the variance 11/48, that of one of b's 0, .5
    # has 1/16: V = 7/24, without skewness since the arms of each text are equal. T is .5. The scores deviate by 5/12
    # and -5/12: S = 2 * 2 * (5/12)^2 = 25/36. At the estimate 1/3 the rates are 1/2 and 1/6 instead of 1/3 and 1/3, so
    # the variance is V * (1/4 + 5/36) / (4/9) = V * 7/8, and the overdispersion is S / (V * 7/8).
    # Student's t has 1 degree of freedom, for two texts.
    assert row["p_value"] == pytest.approx(1 - 2 / math.pi * math.atan(0.5 / math.sqrt(25 / 36 / (7 / 8))))


@few
@given(
    st.lists(st.tuples(*[st.sampled_from(values) for values in (("woman", "black"), "abc", "xy", "RA")]), min_size=4)
)
def test_the_order_of_copies_does_not_matter(make_counts, asked):
    rows = [row for persona, text, template, verdict in asked for row in prompt(persona, text, template, verdict)]
    rows = [row | {"row_id": str(i)} for i, row in enumerate(rows)]
    assert_same(*(estimate_contrasts(make_counts(r), "others") for r in (rows, rows[::-1])))


# Studies at large.

baselines = st.sampled_from(["neutral", "others", "black"])


def assert_same(one, other):
    one, other = (table.set_index("persona").sort_index() for table in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=False, check_index_type=False, rtol=1e-7, atol=1e-9)


@few
@given(studies, baselines, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(make_counts, rows, baseline, random):
    shuffled = random.sample(rows, len(rows))
    assert_same(*(estimate_contrasts(make_counts(r), baseline) for r in (shuffled, rows)))


@few
@given(studies, st.sampled_from(["neutral", "others"]))
def test_the_names_of_personas_and_texts_do_not_matter(make_counts, rows, baseline):
    names = {"woman": "1", "black": "z, with | all", "person": "p"}
    back = {new: old for old, new in names.items()}
    renamed = [row | {"persona": names[row["persona"]], "text_id": f"x/{ord(row['text_id']) * 7 % 10}"} for row in rows]
    table = estimate_contrasts(make_counts(renamed), baseline)
    assert_same(table.assign(persona=table["persona"].map(back)), estimate_contrasts(make_counts(rows), baseline))


@few
@given(studies, baselines)
def test_refusals_taken_for_answers_flip_the_sign(make_counts, rows, baseline):
    table = estimate_contrasts(make_counts(rows), baseline)
    mirrored = estimate_contrasts(make_counts([row | {"refused": not row["refused"]} for row in rows]), baseline)
    for one, other in (("estimate", "estimate"), ("ci_low", "ci_high"), ("equiv_low", "equiv_high")):
        np.testing.assert_allclose(table[one], -mirrored[other], atol=1e-9)
    np.testing.assert_allclose(table["p_value"], mirrored["p_value"], rtol=1e-6)


@few
@given(studies, baselines)
def test_an_interval_holds_its_estimate_and_nothing_beyond_1(make_counts, rows, baseline):
    table = estimate_contrasts(make_counts(rows), baseline)
    known = table[table["ci_low"].notna()]
    assert known["ci_low"].between(-1, known["estimate"]).all()
    assert known["ci_high"].between(known["estimate"], 1).all()
    assert known["equiv_low"].between(known["ci_low"], known["estimate"]).all()
    assert known["equiv_high"].between(known["estimate"], known["ci_high"]).all()
    # An arm of one text without common texts has none.
    assert table["p_value"].dropna().between(0, 1).all()


# Simulated studies without an effect of personas.


@pytest.mark.parametrize("intercept", [-7.3, -4.85, -2.0], ids=["rate .002", "rate .02", "rate .2"])
@pytest.mark.parametrize("baseline", ["others", "persona 00"])
def test_intervals_cover_no_difference_and_few_studies_name_a_persona(simulate_counts, intercept, baseline):
    table = estimate_contrasts(simulate_counts(np.random.default_rng(20250908), intercept, n_studies=150), baseline)
    covered = (table["ci_low"].le(0) & table["ci_high"].ge(0)).mean()
    # At .002 a persona has 1.6 refusals, where whole numbers cannot cover 95%.
    assert 0.92 <= covered <= (1 if intercept < -7 else 0.98)
    has_odds = table["or_low"].notna()
    assert (table["or_low"].le(1) & table["or_high"].ge(1))[has_odds].mean() >= 0.92
    # Fifty evaluations of three models: at a true share of .05 more than 6 happen in 4 of 100.
    evaluation = table["model"].str[-4:].astype(int) // 3
    named = [adjust(part["p_value"], part["model"]).min() <= 0.05 for _, part in table.groupby(evaluation)]
    assert len(named) == 50
    assert sum(named) <= 6


def test_personas_that_matter_are_found_in_the_simulated_study(simulated_study):
    table = estimate_contrasts(simulated_study, "others")
    assert len(table) == 16 * 3 * 15
    assert table["within_texts"].all()
    # Models that never refuse name nobody; the study has effects by persona in the others.
    silent = table.groupby(["model", "task"])["n_refused"].transform("sum") == 0
    assert table.loc[silent, "p_adjusted"].eq(1).all()
    found = table[table["p_adjusted"] <= 0.05]
    assert len(found) > 100


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
