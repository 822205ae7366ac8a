"""What significant differences have besides: an interval and an estimate that allow for selection."""

import math

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts
from refusal_metrics.analysis.statistics import shrink


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


def test_the_interval_of_a_significant_difference_is_that_of_the_level_for_one_of_four(make_counts):
    counts = make_counts(persona_texts(0.6)[0])
    table = estimate_contrasts(counts, "neutral").set_index("persona")
    assert table.index[table["p_adjusted"] <= 0.05].tolist() == ["woman"]
    others = table.drop("woman")
    assert others[["estimate_shrunken", "ci_low_named", "ci_high_named"]].isna().all(axis=None)
    # Benjamini and Yekutieli: .05 R / m.
    wide = estimate_contrasts(counts, "neutral", confidence=1 - 0.05 / 4).set_index("persona").loc["woman"]
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
