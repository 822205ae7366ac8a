"""Two runs on the same prompts: what changed, and whether it is more than chance."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.leaderboard.comparison import (
    CHANGES,
    COLUMNS,
    EXAMPLES,
    HIDDEN,
    _estimate,
    compare_runs,
    estimate_differences,
    list_examples,
)
from refusal_metrics.analysis.responses import load_responses, pair_runs
from refusal_metrics.analysis.statistics import shrink


def difference(n, d, seed=0, n_flips=999):
    """Estimate the difference of one cell from prompts and changes of each text."""
    n, d = (np.asarray(values, dtype=float)[:, None] for values in (n, d))
    (row,) = estimate_differences(n, d, np.random.default_rng(seed), n_flips=n_flips).to_dict("records")
    return row


@pytest.fixture
def pairs(logs, tmp_path):
    """Pair 8 texts, asked of a woman, a black and a Muslim person; 7 answers to the woman are refusals now."""

    def make(old="RAA AAA AAA AAA AAA AAA AAA AAA", new="RAA RAA RAA RAA RAA RAA RAA RAA", **described):
        logs.write_run(tmp_path / "old", old, **described)
        logs.write_run(tmp_path / "new", new, date=logs.LATER, **described)
        return pair_runs(*(load_responses([tmp_path / name], texts=True) for name in ("new", "old")))

    return make


def test_the_difference_is_that_of_the_rates():
    # 2 refusals more and 1 less in 12 prompts.
    row = difference([4, 4, 4], [2, -1, 0])
    assert row["estimate"] == pytest.approx(1 / 12)
    assert (row["n"], row["n_texts"]) == (12, 3)


def test_few_texts_that_changed_have_all_their_signs_listed():
    # 5 texts with one refusal more: all signs alike in 2 of 32. Texts without a change do not matter.
    assert difference([3] * 40, [1] * 5 + [0] * 35)["p_value"] == 2 / 32
    # 2, 1, 1: of 8 the sums 4, 2, 2, 0, 0, -2, -2, -4 are as large as 4 in 2, and 2 - 1 - 1 = 0 in all.
    assert difference([3] * 9, [2, 1, 1] + [0] * 6)["p_value"] == 2 / 8
    assert difference([3] * 9, [2, -1, -1] + [0] * 6)["p_value"] == 1


def test_many_texts_that_changed_have_signs_drawn_and_the_observed_ones_count():
    # 40 texts one way: no draw is as large.
    assert difference([3] * 40, [1] * 40)["p_value"] == 1 / 1000


def test_drawn_signs_agree_with_listed_ones():
    # 13 texts are one more than are listed. Of 2^13 signs, those of at most 2 or at least 11 pluses give a
    # difference of 9 or more: 2 (1 + 13 + 78) = 184, a share of .02246. With 20,000 draws the error is .001.
    row = difference([2] * 13, [1] * 11 + [-1] * 2, n_flips=19999)
    assert row["p_value"] == pytest.approx(184 / 2**13, abs=0.004)


def test_the_interval_without_signs_that_matter_is_that_of_unseen_texts():
    # In more than 1 - .025^(1/20) of the texts a change would have shown.
    row = difference([5] * 20, [0] * 20)
    bound = 1 - 0.025 ** (1 / 20)
    assert (row["estimate"], row["p_value"]) == (0, 1)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-bound, bound))


def test_one_text_gives_no_interval():
    row = difference([5], [2])
    assert row["estimate"] == 0.4
    assert math.isnan(row["ci_low"])
    assert math.isnan(row["ci_high"])
    assert row["p_value"] == 1


def test_an_interval_reaches_0_where_signs_do_not_exclude_it():
    # 5 texts of 40: p = .0625, though an error of sqrt(5) would exclude 0 at 1.96 of it.
    row = difference([3] * 40, [1] * 5 + [0] * 35)
    assert row["ci_low"] <= 0 < row["ci_high"]
    # 12 texts: p = 2 / 4096.
    row = difference([3] * 40, [1] * 12 + [0] * 28)
    assert row["ci_low"] > 0


texts = st.lists(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(-n, n))), min_size=2, max_size=9)


@given(texts)
def test_exchanging_the_runs_flips_every_sign(changed):
    n, d = zip(*changed, strict=True)
    there, back = difference(n, d, n_flips=199), difference(n, np.negative(d), n_flips=199)
    assert back["estimate"] == pytest.approx(-there["estimate"])
    assert (back["ci_low"], back["ci_high"]) == pytest.approx((-there["ci_high"], -there["ci_low"]))
    assert back["p_value"] == there["p_value"]


@given(texts)
def test_the_interval_holds_the_difference_and_lies_within_what_can_be(changed):
    row = difference(*zip(*changed, strict=True), n_flips=199)
    assert -1 <= row["ci_low"] <= row["estimate"] <= row["ci_high"] <= 1
    assert 0 < row["p_value"] <= 1


def test_a_run_that_changed_at_random_is_rarely_found_worse():
    # 400 cells of 60 texts whose verdicts go to and fro alike, those of a text together. Beyond 32 at 5 % is less
    # than one time in 100, and so are fewer than 362 intervals that hold 0.
    rng = np.random.default_rng(2)
    n = np.full((60, 400), 6.0)
    often = rng.gamma(0.5, 0.1, (60, 400)).clip(0, 0.4)
    more, less = rng.binomial(6, often), rng.binomial(6, often)
    table = estimate_differences(n, np.clip(more - less, -6, 6).astype(float), rng, n_flips=999)
    assert (table["p_value"] <= 0.05).sum() <= 32
    assert ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).sum() >= 362


# The tables.


def test_a_comparison_is_of_tasks_of_groups_and_of_personas(pairs):
    comparison = compare_runs(pairs(), np.random.default_rng(0), n_flips=199)
    table = comparison.table
    assert list(table.columns) == list(COLUMNS)
    assert [pd.isna(group) for group in table["persona_group"]] == [True] + [False] * 6
    whole, woman = table.iloc[0], table[table["persona"] == "woman"].iloc[0]
    assert (whole["n"], whole["n_texts"], whole["n_refused_before"], whole["n_refused"]) == (24, 8, 1, 8)
    assert (whole["n_newly_refused"], whole["n_no_longer_refused"]) == (7, 0)
    # 7 texts one way, 2 in 128; of one task there is nothing to adjust for, of 3 personas the smallest counts 3 times.
    assert (whole["p_value"], whole["p_adjusted"]) == (2 / 128, 2 / 128)
    assert (woman["estimate"], woman["p_value"], woman["p_adjusted"]) == (7 / 8, 2 / 128, 6 / 128)


def test_what_responses_became_is_counted(pairs):
    comparison = compare_runs(pairs("RAE NAE", "AAA RAE"), np.random.default_rng(0), n_flips=199)
    assert list(comparison.changes.columns) == [*CHANGES.keys, *CHANGES.estimates]
    found = {(row["outcome_before"], row["outcome"]): row["n"] for _, row in comparison.changes.iterrows()}
    # The first letter of each text, and the third of the first one: "No, a Muslim person would not." is not empty.
    assert sum(found.values()) == 3
    assert (found["refusal", "answer"], found["empty", "answer"]) == (1, 1)


def test_settings_stand_apart_and_only_personas_are_distinguished(pairs):
    comparison = compare_runs(pairs("AA AA", "RA AA", setting="persona-free"), np.random.default_rng(0), n_flips=199)
    assert comparison.table["setting"].tolist() == ["persona-free"]


def test_a_task_is_worse_where_its_whole_interval_and_its_adjusted_p_say_so(pairs):
    comparison = compare_runs(pairs(), np.random.default_rng(0), n_flips=199)
    low = 100 * comparison.table.loc[0, "ci_low"]
    assert len(comparison.worse(low - 0.01)) == 1
    # The bound itself is not beyond it.
    assert comparison.worse(low).empty
    object.__setattr__(comparison, "table", comparison.table.assign(p_adjusted=0.06))
    assert comparison.worse(0).empty


def test_a_rate_that_fell_is_not_worse(pairs):
    comparison = compare_runs(pairs("RAA " * 8, "AAA " * 8), np.random.default_rng(0), n_flips=199)
    assert comparison.table.loc[0, "ci_high"] < 0
    assert comparison.worse(0).empty


# Significant changes.


def test_the_interval_at_a_smaller_level_is_that_of_the_test_at_this_level():
    # 40 texts, of which 14 are refused more often now.
    n, d = np.full((40, 1), 3.0), np.array([[1.0]] * 14 + [[0.0]] * 26)
    found = _estimate(n, d, np.random.default_rng(0), 9999)
    (usual,) = found.tabulate()[["ci_low", "ci_high"]].to_numpy()
    assert found.interval(np.array([0.05])).ravel().tolist() == usual.tolist()
    low, high = found.interval(np.array([0.01])).ravel()
    assert 0 < low < usual[0] < usual[1] < high
    # 10,000 signs, with the observed ones, exclude nothing at a level below 1 / 10,000.
    assert found.interval(np.array([0.00009])).ravel().tolist() == [-1, 1]


def test_only_significant_changes_have_an_adjusted_interval_and_a_shrunken_estimate():
    rng = np.random.default_rng(3)
    n = np.full((60, 4), 2.0)
    d = rng.integers(-1, 2, (60, 4)).astype(float)
    d[:, 0] = rng.integers(0, 2, 60)
    found = _estimate(n, d, rng, 999)
    shrunken, low, high = found.select(np.array([0.0125, np.nan, np.nan, np.nan])).T
    assert np.isnan([shrunken[1:], low[1:], high[1:]]).all()
    assert 0 < low[0] < found.estimate[0] < high[0]
    # The covariance of means over texts, all with two prompts.
    expected, _ = shrink(d.mean(axis=0) / 2, np.cov(d.T) / 60 / 4)
    assert shrunken[0] == pytest.approx(expected[0])


def test_significant_personas_of_two_runs_have_an_adjusted_interval(pairs):
    table = compare_runs(pairs(), np.random.default_rng(0), n_flips=999).table
    significant = table["p_adjusted"] <= 0.05
    # The task, the woman's group and the woman.
    assert significant.sum() == 3
    assert (table["ci_low_named"].notna() == significant).all()
    woman = table[table["persona"] == "woman"].iloc[0]
    assert woman["ci_low_named"] <= woman["ci_low"] <= woman["ci_high"] <= woman["ci_high_named"]


# Examples.


def test_examples_are_of_both_directions_and_bounded(pairs):
    found = list_examples(pairs("RRRAAA " * 2, "AAARRR " * 2), np.random.default_rng(0), 2)
    assert list(found.columns) == list(EXAMPLES)
    assert found["outcome"].tolist() == ["refusal"] * 2 + ["answer"] * 2
    assert found["outcome_before"].tolist() == ["answer"] * 2 + ["refusal"] * 2
    assert found.loc[0, "response"] == "I'm sorry, but I cannot do that."
    assert found.loc[0, "response_before"] == "Offensive."


def test_nothing_changed_leaves_no_examples(pairs):
    assert list_examples(pairs("RA", "RA"), np.random.default_rng(0), 3).empty


def test_texts_of_the_offensiveness_task_are_hidden_unless_asked_for(logs, pairs):
    babble = logs.said("This is text 0, once more.", "Offensive.")
    refused = logs.said("I'm sorry, but I cannot do that.", "I'm sorry, but I cannot do that.")
    both = pairs(babble, refused)
    (first, second) = list_examples(both, np.random.default_rng(0), 9).to_dict("records")
    assert (first["response_before"], second["response_before"]) == (HIDDEN, "Offensive.")
    assert first["prompt"] == second["prompt"] == HIDDEN
    (first, _) = list_examples(both, np.random.default_rng(0), 9, show_texts=True).to_dict("records")
    assert first["response_before"] == "This is text 0, once more."
    assert first["prompt"].startswith("Given a text, would a woman classify it as offensive")


def test_prompts_of_other_tasks_are_shown(pairs):
    (row,) = list_examples(pairs("A", "R", kind="nli"), np.random.default_rng(0), 9).to_dict("records")
    assert row["prompt"].startswith("Given a premise and a hypothesis, would a woman classify")


def test_examples_of_runs_read_without_texts_lack_them(logs, tmp_path):
    logs.write_run(tmp_path / "old", "A")
    logs.write_run(tmp_path / "new", "R")
    pairs = pair_runs(load_responses([tmp_path / "new"]), load_responses([tmp_path / "old"]))
    (row,) = list_examples(pairs, np.random.default_rng(0), 9).to_dict("records")
    assert row["outcome"] == "refusal"
    assert pd.isna(row["response"])
    assert pd.isna(row["prompt"])
