"""Rates of a finite population of texts: by hand, and in simulated studies that ask part of the texts."""

import numpy as np
import pytest
from refusal_metrics.analysis.counts import Counts
from refusal_metrics.analysis.estimates.rates import estimate_rates
from scipy import stats

from refusal_metrics.errors import InputError


def responses(refused_of, **levels):
    """Make the responses of one cell from {text: (refused, asked)}."""
    return [
        {"model": "m", "task": "nli", "setting": "persona", "stratum": "1", "text_id": text, "refused": i < k} | levels
        for text, (k, n) in refused_of.items()
        for i in range(n)
    ]


HALF = {"a": (1, 10), "b": (2, 10), "c": (3, 10), "d": (10, 10)}


@pytest.mark.parametrize("column", ["ci_low", "ci_low_standardised"])
def test_the_variance_of_a_finite_population_equals_the_hand_worked_example(make_counts, column):
    # p = 16/40; k - p n = -3, -2, -1, 6: squares 50, so v = 4/3 * 50 / 1600 = 1/24. Within texts, n_g s_g^2 = k (n - k)
    # / (n - 1) = 1, 16/9, 21/9, 0: 46/9 / 1600 = .00319444. The design effect is estimated as v / (.24/40) = 6.94; with
    # Student's t it is above the worst case, where only texts count: 10. Of 5 texts, f = .8: .2 * 10 * .24/40 + .8 *
    # .00319444 = .01455556. n* = .24 / .01455556 = 16.48855, and p n* = 6.59542.
    row = estimate_rates(make_counts(responses(HALF)), ["model"], population={"nli": 5}).iloc[0]
    assert stats.beta.cdf(row[column], 6.59542, 16.48855 - 6.59542 + 1) == pytest.approx(0.025, rel=1e-3)
    # With one class, the standardised rate is the raw one.
    assert row[["estimate_standardised", "ci_high_standardised"]].tolist() == pytest.approx(
        row[["estimate", "ci_high"]].tolist()
    )


def test_a_text_with_one_prompt_has_the_variance_of_its_cell_within(make_counts):
    # All of 4 texts asked, one prompt each, two refused: v = 0 * ... + 4 * (1/4) / 16 = 1/16: n* = 4.
    row = estimate_rates(make_counts(responses(dict.fromkeys("ab", (0, 1)) | dict.fromkeys("cd", (1, 1)))), ["model"])
    finite = estimate_rates(
        make_counts(responses(dict.fromkeys("ab", (0, 1)) | dict.fromkeys("cd", (1, 1)))),
        ["model"],
        population={"nli": 4},
    )
    assert finite["ci_high"][0] <= row["ci_high"][0]
    assert stats.beta.sf(finite["ci_high"][0], 2 + 1, 4 - 2) == pytest.approx(0.025)


def test_an_unbounded_population_is_the_limit_of_large_ones(make_counts):
    counts = make_counts(responses(HALF))
    whole = estimate_rates(counts, ["model"])
    large = estimate_rates(counts, ["model"], population={"nli": 10**9})
    for name in ("ci_low", "ci_high", "ci_low_standardised", "ci_high_standardised"):
        assert large[name][0] == pytest.approx(whole[name][0], abs=1e-6)


@pytest.mark.parametrize(
    ("population", "by", "said"),
    [
        ({}, ["task"], "the number of texts of the task nli is unknown, because no record of a study names it"),
        ({"nli": 3}, ["task"], "nli=3: the results have 4 texts"),
        ({"nli": 9, "nly": 9}, ["task"], "unknown task 'nly'"),
        ({"nli": 9, "politeness": 9}, ["model"], "several tasks has no single population; break rates down by task"),
    ],
)
def test_a_population_that_is_unknown_or_too_small_is_refused(make_counts, population, by, said):
    rows = responses(HALF) + (responses(HALF, task="politeness") if by == ["model"] else [])
    with pytest.raises(InputError, match=said):
        estimate_rates(make_counts(rows), by, population=population)


def simulate(rng, n_studies, n_texts, n_asked, n_prompts, pool=135):
    """Simulate studies of some texts of one fixed source; each text has a share of its pool of prompts refused."""
    share = 1 / (1 + np.exp(-rng.normal(-1.5, 2.0, n_texts)))
    refused = rng.binomial(pool, share)
    text = np.concatenate([rng.permutation(n_texts)[:n_asked] for _ in range(n_studies)])
    k = rng.hypergeometric(refused[text], pool - refused[text], n_prompts)
    first = np.zeros(len(text), dtype=np.int64)
    levels = {"model": tuple(f"study {i:04}" for i in range(n_studies)), "task": ("nli",), "setting": ("persona",)}
    codes = {"model": np.repeat(np.arange(n_studies), n_asked), "task": first, "setting": first}
    counts = Counts(levels, codes, text, text, np.arange(len(k)), np.full(len(k), n_prompts), k, n_texts)
    return counts, refused.sum() / (pool * n_texts)


def test_intervals_cover_the_rate_over_the_texts_of_the_source_and_are_not_far_too_wide():
    # 280 of 300 texts, 10 prompts each: the text-clustered interval covers always.
    counts, truth = simulate(np.random.default_rng(20250908), 400, 300, 280, 10)
    whole, finite = (estimate_rates(counts, ["model", "task"], population=of) for of in (None, {"nli": 300}))
    covered, always = ((table["ci_low"].le(truth) & table["ci_high"].ge(truth)).mean() for table in (finite, whole))
    assert always >= 0.995
    # A true share of .93 or .985 has a standard deviation of 1.3 or .6 % in 400 studies.
    assert 0.93 - 2 * 0.013 <= covered <= 0.985 + 2 * 0.006
    ratio = (finite["ci_high"] - finite["ci_low"]) / (whole["ci_high"] - whole["ci_low"])
    assert ratio.median() < 0.6
