"""Interactions of two factors: by hand, where effects add up, and where they cannot be estimated."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.interactions import estimate_interactions
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
    # k - n p of the first text: 1 - 1/2, 1 - 3/2, 2 - 2, 0 - 1/2, over n = 4; the second text is the opposite.
    score = (1 / 2 - (-1 / 2) - 0 + (-1 / 2)) / 4 / 4
    half = stats.t.ppf(0.975, 1) * math.sqrt(2 / 1 * 2 * score**2)
    assert table["ci_high"].to_numpy() - table["estimate"].to_numpy() == pytest.approx(np.full(4, half))
    assert table[["n", "n_texts", "n_refused"]].to_numpy().tolist() == [[4, 2, 1], [4, 2, 3], [4, 2, 4], [4, 2, 1]]
    assert list(table) == [*contracts.INTERACTIONS.keys, *contracts.INTERACTIONS.estimates]
    assert table[["level", "other_level"]].to_numpy().tolist() == [
        ["man", "nli"],
        ["man", "politeness"],
        ["woman", "nli"],
        ["woman", "politeness"],
    ]


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
    # No text deviates, so nothing is known of the error.
    assert table[["ci_low", "ci_high", "p_value", "p_adjusted"]].isna().all(axis=None)


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
