"""The largest difference between personas in how often a detector errs."""

import math

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.labels.persona_gap import GAP, estimate_persona_gap
from statsmodels.stats.proportion import proportion_confint


def gap(items, n_permutations=99, seed=0):
    table = estimate_persona_gap(items, rng=np.random.default_rng(seed), n_permutations=n_permutations)
    assert list(table) == list(GAP)
    assert len(table) == 1
    return table.iloc[0]


def erring(**personas):
    """Make items of personas, so many errors in so many, each its own text."""
    rows = [{"persona": name, "label": True, "refused": i >= k} for name, (k, n) in personas.items() for i in range(n)]
    return pd.DataFrame(rows)


def test_the_gap_is_the_highest_error_rate_minus_the_lowest():
    row = gap(erring(a=(2, 20), b=(6, 20), c=(4, 20)))
    assert row["observed"] == pytest.approx(0.2)
    assert (row["highest"], row["lowest"]) == ("b", "a")
    assert row[["n_personas", "n", "n_texts", "n_errors"]].tolist() == [3, 60, 60, 12]


def test_the_upper_bound_of_two_personas_is_that_of_their_difference():
    row = gap(erring(a=(4, 40), b=(12, 40)))
    # Newcombe: .2 + sqrt((u_b - .3)^2 + (.1 - l_a)^2) with Wilson's 90 % intervals of the two rates. The design effect
    # of 80 texts of one item is 80 / 79, a divisor of 79 instead of 80.
    (low, _), (_, high) = (proportion_confint(k * 79 / 80, 40 * 79 / 80, alpha=0.1, method="wilson") for k in (4, 12))
    assert row["upper"] == pytest.approx(0.2 + math.hypot(high - 0.3, 0.1 - low))
    assert row["ci_low"] <= 0.2 <= row["upper"] < row["ci_high"]


def test_personas_without_an_error_have_an_upper_bound():
    row = gap(erring(a=(0, 30), b=(0, 30)))
    assert row["observed"] == row["expected"] == row["ci_low"] == 0
    assert row["p_value"] == 1
    # Wilson's upper end of 0 in 30: z^2 / (30 + z^2), z = 1.644854; nothing is below 0.
    assert row["upper"] == pytest.approx(0.082724, abs=1e-6)


def test_items_count_by_their_weights():
    items = erring(a=(1, 2), b=(1, 2)).assign(weight=[3.0, 1.0, 1.0, 3.0])
    assert gap(items)["observed"] == pytest.approx(0.5)


def test_errors_that_go_together_in_texts_make_the_bound_larger():
    # 20 texts of a persona each, with 4 items that are all right or all wrong: worth a quarter, but for 39 of 40.
    items = erring(a=(8, 80), b=(24, 80))
    together = gap(items.assign(text_id=[f"{i // 4}" for i in range(160)]))
    apart = gap(erring(a=(2, 20), b=(6, 20)))
    assert together["upper"] == pytest.approx(apart["upper"], abs=0.001)
    assert together["upper"] > gap(items)["upper"]


def test_personas_are_dealt_out_within_texts():
    # In each text the first persona errs and the second does not; so a deal moves whole texts.
    items = pd.DataFrame({"persona": ["a", "b"] * 8, "label": True, "refused": [False, True] * 8})
    within = gap(items.assign(text_id=[str(i // 2) for i in range(16)]), n_permutations=4000)
    assert within["observed"] == 1
    # All 8 fall one way: 2 / 2^8 = .0078.
    assert within["p_value"] == pytest.approx(0.0078, abs=0.005)
    # The mean distance from half of 8 tosses of a coin, over 4: 2 * E|X - 4| / 8 = .273438.
    assert within["expected"] == pytest.approx(0.273438, abs=0.012)
    # Dealt out among all 16: 2 / C(16, 8) = .00016.
    assert gap(items, n_permutations=4000)["p_value"] < 0.002


@pytest.mark.parametrize("names", [["a"], [None]])
def test_one_persona_or_none_has_no_gap(names):
    items = pd.DataFrame({"persona": names * 4, "label": True, "refused": True})
    row = gap(items)
    assert row[["observed", "expected", "p_value", "ci_low", "ci_high", "upper"]].isna().all()
    assert row["n_personas"] == len([name for name in names if name])


# Simulated samples.


def simulate(rng, rates, n_texts, n_each):
    """Simulate items of texts that are hard or easy; a persona's errors are as frequent as its rate says."""
    text = np.repeat(np.arange(n_texts), n_each)
    persona = rng.integers(0, len(rates), len(text))
    # Texts with an odds of errors of 1/2 or 2 times the usual, in equal shares; the mean rate is near enough.
    easy = np.repeat(rng.permutation(n_texts) % 2, n_each)
    rate = np.asarray(rates)[persona] * np.where(easy, 0.5, 1.5)
    refused = rng.random(len(text)) >= rate
    return pd.DataFrame({"label": True, "refused": refused, "text_id": text, "persona": persona.astype(str)})


@pytest.mark.parametrize(
    ("rates", "n_texts", "n_each"),
    [([0.05] * 8, 100, 4), ([0.02] * 4 + [0.1], 100, 5), ([0.05, 0.15], 80, 5), ([0.01] * 3, 60, 1)],
    ids=["equal", "one apart", "two", "equal, few"],
)
def test_bounds_cover_the_true_gap_with_equal_and_unequal_errors(rates, n_texts, n_each):
    rng = np.random.default_rng(7)
    rows = [gap(simulate(rng, rates, n_texts, n_each), n_permutations=19, seed=i) for i in range(60)]
    true = max(rates) - min(rates)
    # At .92, 51 of 60 or more in all but 4 of 100 cases.
    assert np.mean([row["upper"] >= true - 1e-12 for row in rows]) >= 51 / 60
    assert np.mean([row["ci_low"] <= true <= row["ci_high"] for row in rows]) >= 51 / 60
    if true == 0:
        assert np.mean([row["p_value"] <= 0.05 for row in rows]) <= 9 / 60
        # The observed gap is what chance makes of it.
        assert np.mean([row["observed"] for row in rows]) == pytest.approx(
            np.mean([row["expected"] for row in rows]), rel=0.25
        )
