"""Log odds ratios within texts, and what each text adds to their errors, by hand."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.counts import TextCounts
from refusal_metrics.analysis.estimates.pooling.log_odds import compare_with_baselines
from scipy import sparse


def texts(n, k):
    """Count (n_texts, n_cells) prompts and refusals."""
    n, k = np.asarray(n, dtype=float), np.asarray(k, dtype=float)
    return TextCounts(pd.DataFrame(index=range(n.shape[1])), sparse.csr_array(n), sparse.csr_array(k))


def test_a_log_odds_ratio_is_that_of_the_difference_within_texts():
    # Text 1: 1 of 2 and 1 of 4; text 2: 2 of 2 and 2 of 4. Both have the weight 2 * 4 / 6, so the difference is
    # (.25 + .5) / 2 = .375. At the neutral rate 3/8 the persona's 4 prompts have 4 * .75 = 3 refusals.
    found = compare_with_baselines(texts([[2], [2]], [[1], [2]]), texts([[4], [4]], [[1], [2]]), np.array([0]))
    assert found.estimates == pytest.approx([np.log(3.5 / 1.5) - np.log(3.5 / 5.5)])
    assert found.neutral == pytest.approx([np.log(3.5 / 5.5)])
    # Scores: b_a = 1 / (.7 * .3), b_0 = 1 / (3.5 * 5.5 / 81); the difference's are -+.0625, and so are the neutral
    # rate's, (1 - 1.5) / 8.
    slope, slope0 = 1 / 0.21, 81 / (3.5 * 5.5)
    score = 0.0625 * slope + 0.0625 * (slope - slope0)
    assert found.scores.toarray().ravel() == pytest.approx([-score, score])
    assert {name: values.tolist() for name, values in found.sizes.items()} == {
        "n": [4], "n_refused": [3], "n_baseline": [8], "n_refused_baseline": [3]
    }  # fmt: skip
    # 6 of 12 refused: (6.5 / 13) of the smaller arm's 4 prompts.
    assert found.expected == pytest.approx([4 * 0.5])


def test_the_texts_that_a_persona_was_asked_about_do_not_matter():
    # Text 1 is always refused, text 2 never, under both. The persona was asked about text 1 nine times of ten.
    found = compare_with_baselines(texts([[9], [1]], [[9], [0]]), texts([[5], [5]], [[5], [0]]), np.array([0]))
    # k' = 10 * .5, of ten as the neutral prompts.
    assert found.estimates == pytest.approx([0])
    # Nothing is left within texts, where all verdicts agree.
    assert found.scores.toarray() == pytest.approx(np.zeros((2, 1)))
    assert found.extra == pytest.approx([0])


def test_a_persona_that_was_never_refused_has_the_variance_of_a_refusal():
    # One prompt a text and arm; 3 of 10 neutral prompts refused.
    k0 = [1, 1, 1, *[0] * 7]
    found = compare_with_baselines(texts([[1]] * 10, [[0]] * 10), texts([[1]] * 10, np.c_[k0]), np.array([0]))
    # The difference is -.3, and 10 * (.3 - .3) = 0 refusals are left.
    assert found.estimates == pytest.approx([np.log(0.5 / 10.5) - np.log(3.5 / 7.5)])
    # Within texts: 3 texts with 1 of 2, s (n - s) / (n - 1) = 1 each, over 20 prompts: 3/20, more than the variance
    # 3.5 * 17.5 / 21^2, so all is within texts. W = 10 / 2 = 5, of 1/n + 1/n0 = 1/5: no loss. Binomial: 1/(k + 1/2) +
    # 1/(n - k + 1/2) of both arms.
    null = 1 / 0.5 + 1 / 10.5 + 1 / 3.5 + 1 / 7.5
    observed = 10 / 9 * np.sum(found.scores.toarray() ** 2)
    assert found.extra == pytest.approx([max(null - observed, 0)])


def test_without_common_texts_the_two_rates_are_compared():
    found = compare_with_baselines(texts([[4], [0]], [[3], [0]]), texts([[0], [8]], [[0], [2]]), np.array([0]))
    assert found.estimates == pytest.approx([np.log(3.5 / 1.5) - np.log(2.5 / 6.5)])


def test_a_variance_is_the_binomial_one_times_the_ratio_at_the_given_effect():
    # Twenty texts of 2 prompts an arm with one rate: the ratio is about 1, whatever the persona's own estimate.
    rng = np.random.default_rng(0)
    n, k = np.full((2000, 1), 2), rng.binomial(2, 0.4, (2000, 2))
    found = compare_with_baselines(texts(n, k[:, :1]), texts(n, k[:, 1:]), np.array([0]))
    assert found.ratio == pytest.approx([1], abs=0.05)
    p0 = 1 / (1 + np.exp(-found.neutral))
    assert found.variances(np.zeros(1)) == pytest.approx(found.ratio * 2 / (4001 * p0 * (1 - p0)))


def test_cells_without_a_baseline_do_not_change_the_others():
    arms = texts([[2, 7], [2, 1]], [[1, 7], [2, 0]])
    both = compare_with_baselines(arms, texts([[4], [4]], [[1], [2]]), np.array([0, -1]))
    alone = compare_with_baselines(texts([[2], [2]], [[1], [2]]), texts([[4], [4]], [[1], [2]]), np.array([0]))
    for name in ("estimates", "extra", "ratio", "expected"):
        assert getattr(both, name)[0] == pytest.approx(getattr(alone, name)[0])


def test_arms_are_compared_within_blocks_and_scores_are_added_up_by_text():
    # The two texts of the first test are blocks of one text, and a third block is a text of its own.
    arms, baselines = texts([[2], [2], [2]], [[1], [2], [0]]), texts([[4], [4], [4]], [[1], [2], [3]])
    apart = compare_with_baselines(arms, baselines, np.array([0]))
    found = compare_with_baselines(arms, baselines, np.array([0]), np.array([0, 0, 1]))
    assert found.estimates == pytest.approx(apart.estimates)
    first, second, third = apart.scores.toarray().ravel()
    assert found.scores.toarray().ravel() == pytest.approx([first + second, third])
    # Two texts have the factor 2 in place of 3/2 of three, and the variance that is not reached is added.
    null = apart.extra + 1.5 * np.sum(apart.scores.toarray() ** 2)
    assert found.extra == pytest.approx(np.maximum(null - 2 * np.sum(found.scores.toarray() ** 2), 0))
