"""The formula that proposes a size, against the values of an independent review and a study of its own."""

import numpy as np
import pytest
from refusal_metrics.analysis.planning import Layout, Truth, find_texts
from refusal_metrics.analysis.planning.formula import expect_score, predict_power
from refusal_metrics.analysis.planning.truth import chances, shift, text_sd_of
from refusal_metrics.analysis.statistics import detectable
from scipy import optimize

PERSONAS = 15
EACH = 0.05 / PERSONAS
"""The first level of Holm's procedure over 15 personas."""


def one_stratum(n, n_neutral):
    """Prompts as if all were about one text with the variance within texts: what the review's formula counts."""
    return Layout(np.full((1, 1), float(n)), np.full(1, float(n_neutral)))


@pytest.mark.parametrize(
    ("rows", "rate", "difference", "simulated"),
    # Power of the score test in simulated studies of an independent review, with Holm's correction over 15 personas
    # (standard error up to .03): rows per class, rate, true difference, power.
    [
        (200, 0.02, 0.033, 0.975),
        (200, 0.05, 0.042, 0.955),
        (50, 0.02, 0.095, 0.995),
        (200, 0.2, 0.059, 0.865),
        (200, 0.05, 0.017, 0.166),
        (200, 0.05, 0.029, 0.594),
        (200, 0.02, 0.02, 0.519),
    ],
)
def test_predicted_power_is_the_simulated_one(rows, rate, difference, simulated):
    # 5 classes and 10 prompts a row are 50 neutral prompts a row per class, and 50 / 15 of each persona.
    layout = one_stratum(50 * rows / PERSONAS, 50 * rows)
    predicted = predict_power(layout, Truth(rate, overdispersion=1.0), difference, EACH)
    # In the middle, where power changes most with the difference, the formula is too high by up to .08.
    assert predicted == pytest.approx(simulated, abs=0.03 if simulated > 0.6 or simulated < 0.2 else 0.08)


def needed(rate, difference, neutral_share):
    """Find the number of prompts with a power of .8, neutral ones included."""

    def lacking(n):
        layout = one_stratum(n * (1 - neutral_share) / PERSONAS, n * neutral_share)
        return predict_power(layout, Truth(rate, overdispersion=1.0), difference, EACH) - 0.8

    return optimize.brentq(lacking, 100, 1e6)


# The optimal share of the baseline is sqrt(15) of 15 + sqrt(15) prompts (Dunnett 1955).
OPTIMUM = np.sqrt(15) / (15 + np.sqrt(15))


@pytest.mark.parametrize(
    ("rate", "difference", "at_optimum", "at_half"),
    # The review's first sizes. They leave the skewness of the statistic out, which does not matter at a rate of 30%.
    [(0.3, 0.02, 127_700, 172_200), (0.3, 0.05, 20_600, 27_800)],
)
def test_first_sizes(rate, difference, at_optimum, at_half):
    assert needed(rate, difference, OPTIMUM) == pytest.approx(at_optimum, rel=0.05)
    assert needed(rate, difference, 0.5) == pytest.approx(at_half, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "difference", "at_optimum", "at_half"),
    [
        (0.02, 0.02, 17_300, 23_700),
        (0.02, 0.05, 3_100, 4_400),
        (0.1, 0.02, 62_600, 84_800),
        (0.1, 0.05, 10_400, 14_100),
    ],
)
def test_first_sizes_without_skewness(rate, difference, at_optimum, at_half):
    # At lower rates the statistic is skewed, and more prompts are needed than by the normal distribution, with which
    # the review's sizes come out: p + d and p with the variance s2 within texts, the point 2.935 of .05 / 30, and the
    # point .842 of the power.
    s2, s2_shifted = Truth(rate).within, Truth(rate + difference).within
    for share, expected in ((OPTIMUM, at_optimum), (0.5, at_half)):
        per_prompt = PERSONAS / (1 - share), 1 / share
        null = np.sqrt(s2 * sum(per_prompt))
        other = np.sqrt(s2_shifted * per_prompt[0] + s2 * per_prompt[1])
        normal = ((2.935 * null + 0.842 * other) / difference) ** 2
        assert normal == pytest.approx(expected, rel=0.05)
        assert normal < needed(rate, difference, share) < 1.65 * normal


def test_the_detectable_difference_has_the_power():
    layout, truth = one_stratum(600, 9_000), Truth(0.1)
    score, phi, level = expect_score(layout, truth), np.array([truth.overdispersion]), np.array([EACH])
    increase, decrease = (float(found[0]) for found in detectable(score, phi, level, 0.8))
    assert predict_power(layout, truth, increase, EACH) == pytest.approx(0.8, abs=1e-4)
    assert predict_power(layout, truth, -decrease, EACH) == pytest.approx(0.8, abs=1e-4)


def test_texts_without_a_persona_do_not_count():
    layout = Layout(np.array([[2.0], [3.0], [0.0]]), np.array([4.0, 4.0, 4.0]))
    fewer = Layout(layout.n[:2], layout.n_baseline[:2])
    truth = Truth(0.2)
    assert predict_power(layout, truth, 0.3, 0.05) == predict_power(fewer, truth, 0.3, 0.05)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.5, 0.97])
def test_a_truth_has_its_rate(rate):
    # The mean over many texts; its standard error is at most .5 / sqrt(400,000) = .0008.
    draws = 1.5 * np.random.default_rng(0).normal(size=400_000)
    chance = chances(rate, 1.5, draws)
    assert chance.mean() == pytest.approx(rate, abs=0.002)
    assert (chance * (1 - chance)).mean() == pytest.approx(Truth(rate).within, rel=0.02)


@pytest.mark.parametrize(("rate", "correlation"), [(0.02, 0.087), (0.05, 0.145), (0.2, 0.257)])
def test_the_correlation_of_a_text_sd_of_1_5(rate, correlation):
    # The review's, which has templates with an effect of their own as well.
    assert Truth(rate).correlation == pytest.approx(correlation, abs=0.015)


def test_a_text_sd_is_found_from_its_correlation():
    assert text_sd_of(0.1, Truth(0.1, 0.9).correlation) == pytest.approx(0.9, abs=1e-6)
    assert text_sd_of(0.1, 0.0) == 0
    assert text_sd_of(0.1, 0.99) == 4


def test_a_rate_of_0_is_never_refused():
    assert chances(0.0, 1.5, [-3, 0, 3]).tolist() == [0, 0, 0]
    assert chances(1.0, 1.5, [-3, 0, 3]).tolist() == [1, 1, 1]
    assert shift(0.5, 2.0) == pytest.approx(0, abs=1e-9)


def test_the_number_of_texts_is_the_smallest_that_detects_the_difference():
    truth, texts = Truth(0.1), 20
    layout = Layout(np.full((texts, PERSONAS), 1.0), np.full(texts, 3.0))
    found = find_texts(layout, truth, 0.05, EACH, 0.8)

    def power(n_texts):
        # A layout of as many of these texts, which are all alike.
        return predict_power(Layout(layout.n[[0] * n_texts], layout.n_baseline[[0] * n_texts]), truth, 0.05, EACH)

    assert power(found - 1) < 0.8 <= power(found)
    # A difference of less than the rounding of a probability needs more than 10,000 times as many.
    assert find_texts(layout, truth, 1e-5, EACH, 0.8) is None
