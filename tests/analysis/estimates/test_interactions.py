"""Interactions of two factors: by hand, where effects add up, and where they cannot be estimated."""

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.interactions import _shrink, estimate_interactions
from refusal_metrics.analysis.statistics import holm
from scipy import stats

from refusal_metrics.errors import InputError


def rows(verdicts):
    """Make responses of {(text, persona, task): verdicts}."""
    return [
        {"model": "m", "task": task, "setting": "persona", "persona": persona, "text_id": text, "refused": int(verdict)}
        for (text, persona, task), given_verdicts in verdicts.items()
        for verdict in given_verdicts
    ]


TWO_BY_TWO = {
    ("t1", "man", "nli"): "10",
    ("t1", "woman", "nli"): "11",
    ("t1", "man", "politeness"): "10",
    ("t1", "woman", "politeness"): "00",
    ("t2", "man", "nli"): "00",
    ("t2", "woman", "nli"): "11",
    ("t2", "man", "politeness"): "11",
    ("t2", "woman", "politeness"): "10",
}


def with_texts_of_all_tasks(make_counts, verdicts):
    """Count with a text of the same name in two tasks as what it is, two texts; stratum stands for the task instead."""
    return make_counts([row | {"task": "nli", "stratum": row["task"]} for row in rows(verdicts)])


def test_a_two_by_two_table_equals_the_difference_of_differences_by_hand(make_counts):
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, TWO_BY_TWO), "persona", "stratum")
    # Rates: man 1/4 (nli), 3/4 (politeness); woman 4/4, 1/4. Each combination is a quarter of
    # 1/4 - 3/4 - 4/4 + 1/4 = -5/4 away from the sum, with signs + - - +.
    assert table["estimate"].tolist() == pytest.approx([-5 / 16, 5 / 16, 5 / 16, -5 / 16])
    assert table[["n", "n_texts", "n_refused"]].to_numpy().tolist() == [[4, 2, 1], [4, 2, 3], [4, 2, 4], [4, 2, 1]]
    assert list(table) == [*contracts.INTERACTIONS.keys, *contracts.INTERACTIONS.estimates]
    assert table[["level", "other_level"]].to_numpy().tolist() == [
        ["man", "nli"],
        ["man", "politeness"],
        ["woman", "nli"],
        ["woman", "politeness"],
    ]


def half_widths(table):
    return (table["ci_high"] - table["estimate"]).tolist()


def test_the_error_is_the_binomial_one_at_additive_rates_if_texts_are_alike(make_counts):
    asked = [(p, t) for p in ("man", "woman") for t in ("nli", "politeness")]
    verdicts = {(text, p, t): "1100" if (p, t) == asked[3] else "0000" for text in ("t1", "t2") for p, t in asked}
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    # The mean rate is 1/8, the levels' are 0 and 1/4: 1/8 from it, of 16 responses. Another 1 / (1/8 * 7/8) = 64/7
    # responses shrink this to 1/8 * 16 / (16 + 64/7) = 7/88. Two below the mean: (1/8 - 7/88)^2 * 8 = 2/121. One
    # below, one above: 1/8. Two above: 1 - (7/8 - 7/88)^2 * 8/7 = 67/242.
    rates = [2 / 121, 1 / 8, 1 / 8, 67 / 242]
    # Weights are 1/4, and a combination has 8 responses.
    binomial = sum(rate * (1 - rate) for rate in rates) / 8 / 4**2
    assert half_widths(table) == pytest.approx([stats.t.ppf(0.975, 1) * math.sqrt(binomial)] * 4)


def test_the_error_is_the_clustered_one_if_an_interaction_differs_between_texts(make_counts):
    # The first text has the interaction 1 - 0 - 0 + 1, the second its opposite.
    verdicts = {
        (text, p, t): str(int((p == "man") == ((t == "nli") == (text == "t1"))))
        for text in ("t1", "t2")
        for p in ("man", "woman")
        for t in ("nli", "politeness")
    }
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    assert table["estimate"].tolist() == [0, 0, 0, 0]
    # Each of the two scores is 4 * 1/4 * (1 - 1/2) / 2 = 1/4, so the variance is 2 / 1 * 2 / 16. The binomial one is
    # 4 / 16 * 1/4 / 2 = 1/32, and times the design effect, the ratio of the two, as large as the clustered one.
    assert half_widths(table) == pytest.approx([stats.t.ppf(0.975, 1) / 2] * 4)


def test_models_that_answer_alike_count_as_one(make_counts):
    rng = np.random.default_rng(1)
    # One combination is never refused, so that its own clustered error is 0.
    verdicts = {
        (f"t{text}", p, t): str(int((p, t) != ("man", "nli") and rng.random() < 0.3))
        for text in range(20)
        for p in ("man", "woman", "black", "white")
        for t in ("nli", "politeness", "offensiveness")
    }
    one = [row | {"task": "nli", "stratum": row["task"]} for row in rows(verdicts)]
    alone = estimate_interactions(make_counts(one), "persona", "stratum")
    several = [row | {"model": f"m{i}"} for i in range(9) for row in one]
    together = estimate_interactions(make_counts(several), "persona", "stratum")
    # Only the added responses make a difference. As independent responses, nine models would have a third of the width.
    assert half_widths(together) == pytest.approx(half_widths(alone), rel=0.1)


def test_p_values_are_adjusted_by_holm_over_the_combinations(make_counts):
    rng = np.random.default_rng(0)
    verdicts = {
        (f"t{text}", persona, task): "".join(rng.choice(["0", "1"], 3, p=[1 - rate, rate]))
        for text in range(20)
        for persona, rate in (("man", 0.2), ("woman", 0.5), ("black", 0.3))
        for task in ("nli", "politeness")
    }
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    assert (table["p_value"] < 1).all()
    np.testing.assert_allclose(table["p_adjusted"], holm(table["p_value"]))


few = settings(max_examples=settings.default.max_examples // 12)


@few
@given(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3))
def test_rates_that_add_up_have_no_interaction(make_counts, base, persona, task):
    # Of 10 responses a cell, in each of two texts alike.
    verdicts = {
        (text, p, t): "1" * n + "0" * (10 - n)
        for text in ("t1", "t2")
        for p, of_p in (("man", 0), ("woman", persona))
        for t, of_t in (("nli", 0), ("politeness", task))
        for n in [base + of_p + of_t]
    }
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    assert table["estimate"].tolist() == [0, 0, 0, 0]
    assert table[["p_value", "p_adjusted"]].eq(1).all(axis=None)


@few
@given(st.lists(st.integers(0, 2), min_size=18, max_size=18))
def test_intervals_are_missing_only_if_nothing_or_everything_was_refused(make_counts, refused):
    cells = iter(refused)
    verdicts = {
        (text, p, t): "1" * (k := next(cells)) + "0" * (2 - k)
        for text in ("t1", "t2", "t3")
        for p in ("man", "woman", "black")
        for t in ("nli", "politeness")
    }
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    assert table["ci_low"].lt(table["ci_high"]).all() == (0 < sum(refused) < 36)


@few
@given(st.lists(st.integers(0, 4), min_size=12, max_size=12))
def test_interactions_of_a_level_sum_to_0(make_counts, refused):
    cells = iter(refused)
    verdicts = {
        (text, p, t): "1" * (k := next(cells)) + "0" * (4 - k)
        for text in ("t1", "t2")
        for p in ("man", "woman", "black")
        for t in ("nli", "politeness")
    }
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    for factor in ("level", "other_level"):
        assert np.allclose(table.groupby(factor)["estimate"].sum(), 0)


def test_the_interval_covers_what_is_there_19_times_in_20(make_counts):
    rng = np.random.default_rng(3)
    asked = {(f"t{text}", p, t): "000" for text in range(30) for p in ("man", "woman") for t in ("a", "b")}
    counts = with_texts_of_all_tasks(make_counts, asked)
    # The second level of both: .5 instead of .3, which is .05 from the sum.
    rates = 0.3 + 0.2 * ((counts.codes["persona"] == 1) & (counts.codes["stratum"] == 1))
    covered = 0
    for _ in range(200):
        of_text = rng.normal(0, 0.1, 30).clip(-0.25, 0.25)
        refused = rng.random(len(rates)) < rates + of_text[counts.text]
        first = estimate_interactions(replace(counts, n_refused=refused.astype(int)), "persona", "stratum").iloc[0]
        covered += first["ci_low"] <= 0.05 <= first["ci_high"]
    # Of 200, 190 are expected; fewer than 182 have a chance of .01.
    assert covered >= 182


def measure(calibration, n_studies, **kind):
    """Simulate studies of one model and estimate; see `scripts/calibrate_analysis`."""
    kind = calibration.Kind(**{"n_models": 1, "text_sd": 1.5, **kind})
    measured = defaultdict(list)
    for i in range(n_studies):
        for key, found in calibration.measure(kind, None, ["interactions"], (0, i)).items():
            measured[key] += found
    return calibration.with_power(measured)


def test_nothing_is_named_where_there_are_no_interactions(calibration):
    measured = measure(calibration, 12, rate=0.04, rows_per_class=200)
    for pair in ("persona x template", "persona x response_type"):
        # The clustered error alone names a combination of the first pair in 10 of these 12 studies.
        is_named = measured["interactions: studies that name a combination", pair]
        assert sum(is_named) <= stats.binom.ppf(0.9999, 12, 0.02)


def test_an_interaction_is_found_almost_as_often_as_by_an_oracle(calibration):
    measured = measure(calibration, 30, rate=0.1, rows_per_class=100, planted=0.2)
    pair = "persona x response_type"
    by_oracle = np.mean(measured["interactions: oracles that find the interaction", pair])
    # The comparison says something only where the oracle finds it often, and not always.
    assert 0.6 < by_oracle < 1
    assert np.mean(measured["interactions: studies that find the interaction", pair]) >= 0.8 * by_oracle


def test_one_text_has_estimates_and_no_intervals(make_counts):
    verdicts = {key: verdict for key, verdict in TWO_BY_TWO.items() if key[0] == "t1"}
    table = estimate_interactions(with_texts_of_all_tasks(make_counts, verdicts), "persona", "stratum")
    # 1/2 - 1/2 - 1 + 0 = -1, a quarter of it.
    assert table["estimate"].tolist() == pytest.approx([-1 / 4, 1 / 4, 1 / 4, -1 / 4])
    assert table[["ci_low", "ci_high", "p_value", "p_adjusted"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("left_out", "pair"),
    [
        (lambda row: row["persona"] == "man" and row["stratum"] == "nli", ("persona", "stratum")),
        (lambda row: row["persona"] == "man", ("persona", "stratum")),
        (lambda _: False, ("persona", "persona")),
        (lambda _: True, ("persona", "stratum")),
    ],
    ids=["a combination was not asked", "a factor has one level", "a factor with itself", "nothing was asked"],
)
def test_where_there_is_nothing_to_compare_the_table_is_empty(make_counts, left_out, pair):
    study = [row | {"task": "nli", "stratum": row["task"]} for row in rows(TWO_BY_TWO)]
    counts = make_counts([*study, study[0] | {"setting": "neutral"}])
    keep = np.array([not left_out(row) for row in study] + [False])
    table = estimate_interactions(counts.take(keep), *pair)
    assert table.empty
    assert list(table) == [*contracts.INTERACTIONS.keys, *contracts.INTERACTIONS.estimates]


def test_responses_without_a_level_do_not_count(make_counts):
    study = [row | {"task": "nli", "stratum": row["task"]} for row in rows(TWO_BY_TWO)]
    without = [row | {"persona": None, "refused": 1} for row in study]
    both = estimate_interactions(make_counts(study + without), "persona", "stratum")
    alone = estimate_interactions(make_counts(study), "persona", "stratum")
    assert both["estimate"].tolist() == pytest.approx(alone["estimate"].tolist())
    assert both["n"].tolist() == alone["n"].tolist()


def test_an_unknown_factor_is_refused(make_counts):
    with pytest.raises(InputError, match="did you mean 'persona'"):
        estimate_interactions(make_counts(rows(TWO_BY_TWO)), "persona", "personna")


# Significant interactions.


def test_two_factors_of_two_levels_are_shrunken_by_the_share_of_noise_in_the_square():
    # The four differences of differences are one number, a = .3, whose variance is v = .02: the likelihood is greatest
    # at the variance a^2 - v of the true one, whose prediction is a (1 - v / a^2).
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    scores = np.array([[0.1], [0.1]]) * signs
    shrunken = _shrink(0.3 * signs, scores, np.full(4, math.sqrt(0.02)), (2, 2))
    assert shrunken == pytest.approx(0.3 * (1 - 0.02 / 0.09) * signs, rel=1e-4)


def test_only_significant_combinations_have_an_adjusted_interval_and_a_shrunken_estimate(make_counts):
    # A woman is refused in all of 30 texts of one task, and in half of the texts otherwise.
    study = [
        {"model": "m", "setting": "persona", "persona": persona, "task": task, "text_id": f"{i}", "refused": refused}
        for task in ("nli", "politeness", "offensiveness")
        for persona in ("woman", "man", "black")
        for i in range(30)
        for refused in [(persona, task) == ("woman", "nli") or (i + len(persona) + len(task)) % 2 == 0]
    ]
    table = estimate_interactions(make_counts(study), "persona", "task")
    is_named = table["p_adjusted"] <= 0.05
    assert 0 < is_named.sum() < len(table)
    columns = ["estimate_shrunken", "ci_low_named", "ci_high_named"]
    assert table.loc[~is_named, columns].isna().all(axis=None)
    named = table[is_named]
    # The half width is that of Student's t for 3 tasks of 30 texts, at .05 R / m instead of .05.
    ratio = stats.t.isf(0.025 * len(named) / len(table), 89) / stats.t.isf(0.025, 89)
    width, usual = named["ci_high_named"] - named["ci_low_named"], named["ci_high"] - named["ci_low"]
    assert (width / usual).tolist() == pytest.approx([ratio] * len(named))
    assert (named["ci_low_named"] * named["ci_high_named"] > 0).all()
    assert (named["estimate_shrunken"].abs() < named["estimate"].abs()).all()
