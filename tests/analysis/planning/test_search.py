"""The smallest study that detects a difference."""

import re
from dataclasses import replace

import numpy as np
import pytest
from refusal_metrics.analysis.planning import Source, Truth, Wish, find_size, simulate_studies
from refusal_metrics.analysis.planning import search as module
from refusal_metrics.analysis.planning.simulate import Question

from refusal_metrics.errors import InputError


@pytest.fixture(scope="module")
def sources():
    """800 texts of 5 classes with one row each, and 6 personas: 10 / sqrt(6), so 5, neutral prompts a row are best."""
    text = np.arange(800)
    return {"offensiveness": Source("offensiveness", text, text, text % 5, 6, 3, 9)}


def wish(difference, rate=0.1, **changes):
    settings = {"n_models": 1, "power": 0.8, "alpha": 0.05, "most_prompts": np.inf, "n_studies": 400}
    given = settings | changes
    direction = given.pop("direction", -1 if difference is not None and difference < 0 else 1)
    return Wish(difference, {"offensiveness": Truth(rate)}, direction=direction, **given)


def nobody(_done, _most):
    """Show no progress."""


@pytest.mark.parametrize(("difference", "rate"), [(0.12, 0.1), (-0.12, 0.2)])
def test_the_planned_power_is_confirmed_by_other_studies(sources, difference, rate):
    asked = wish(difference, rate)
    found = find_size(sources, asked, 0, nobody)
    # New studies of the accepted size, whose power was within .77 and .85: two standard errors of 400 are .04.
    assert 0.77 - 0.04 <= found.power <= 0.85 + 0.04
    others = simulate_studies(
        "balanced",
        sources["offensiveness"],
        found.size,
        asked.truths["offensiveness"],
        Question((difference,), 0.05, 1, 0.8),
        np.random.default_rng(99),
        1000,
    )
    # The share of 1,000 studies has a standard error of .0126, that of the plan's 400 studies one of .02.
    assert 0.77 - 0.038 <= others.power[0] <= 0.85 + 0.038
    assert found.differences[0] == difference
    assert found.size.variations == 10


def test_more_models_need_more_prompts(sources):
    one, ten = (find_size(sources, wish(0.15, n_models=n, n_studies=200), 0, nobody) for n in (1, 30))
    assert ten.size.rows_per_class > one.size.rows_per_class


def test_prompts_per_row_grow_after_all_rows_are_used(sources):
    # With all 160 rows of each class and 10 prompts a row, an increase of 2.6 points needs more prompts.
    found = find_size(sources, wish(0.026, n_studies=200), 0, nobody)
    assert found.size.rows_per_class == 160
    assert found.size.variations > 10
    assert found.power >= 0.77 - 0.06


def test_what_is_impossible_says_what_can_be_had(sources):
    # All 800 texts have at most 54 prompts with 6 personas in 9 templates, and 54 / sqrt(6), so 23, neutral ones.
    with pytest.raises(
        InputError, match=r"increase of 1\.0 points is detected with a power of \d+%, not 80%"
    ) as caught:
        find_size(sources, wish(0.01, n_studies=100), 0, nobody)
    assert "61,600 prompts" in str(caught.value)
    assert re.search(
        r"detects increases of 1\.\d+ points and decreases of 1\.\d+ points with 80% power", str(caught.value)
    )
    assert "ask for a larger difference" in str(caught.value)


@pytest.mark.parametrize(("difference", "rate", "most"), [(-0.2, 0.1, "10.0"), (0.95, 0.1, "90.0")])
def test_rates_outside_0_and_1_are_refused(sources, difference, rate, most):
    with pytest.raises(InputError, match=f"from a rate of 10.0% is impossible; ask for at most {most} points"):
        find_size(sources, wish(difference, rate), 0, nobody)


def test_the_power_is_not_that_of_the_studies_that_chose_the_size(sources, monkeypatch):
    # Each size has a power of 80% in its first studies, and of 70% in those that come after one was accepted.
    real, powers, seeds = module.simulate_studies, [], []

    def simulate(*given, **more):
        found = real(*given, **more)
        power = 0.8 if len(powers) < 3 else 0.7
        powers.append(power)
        seeds.append(found.found.tobytes())
        return replace(found, found=np.tile(np.arange(100) < 100 * power, (found.found.shape[1], 1)).T)

    monkeypatch.setattr(module, "simulate_studies", simulate)
    found = find_size(sources, wish(0.15, n_studies=100), 0, nobody)
    # The third size can be accepted.
    assert powers == [0.8, 0.8, 0.8, 0.7]
    assert found.power == 0.7
    assert len(set(seeds)) == 4


@pytest.mark.parametrize(
    ("difference", "limits", "message"),
    [
        (-0.06, (0.05, 0.2), r"6\.0 points from a rate of 5\.0% \(lower 80% .*at most 5\.0 points, or run a larger"),
        (-0.06, (0.0, 0.2), r"from a rate of 0\.0% \(lower .* ask for an increase, or run a larger pilot"),
        (0.85, (0.05, 0.2), r"from a rate of 20\.0% \(upper 80% .* ask for at most 80\.0 points"),
    ],
)
def test_differences_are_checked_against_the_limits_of_a_pilot(sources, difference, limits, message):
    asked = replace(wish(difference), truths={"offensiveness": Truth(0.1, limits=limits)})
    with pytest.raises(InputError, match=message):
        find_size(sources, asked, 0, nobody)


def test_small_differences_are_named_with_their_digits(sources):
    with pytest.raises(InputError, match=r"an increase of 0\.01 points is detected"):
        find_size(sources, wish(0.0001, most_prompts=200, n_studies=20), 0, nobody)


def test_a_budget_too_small_for_the_difference(sources):
    with pytest.raises(InputError, match=r"by the largest study within the budget .*allow more prompts"):
        find_size(sources, wish(0.05, most_prompts=2000, n_studies=100), 0, nobody)


def test_a_budget_too_small_for_any_study(sources):
    # Five texts with 10 prompts with personas and 5 neutral ones, for two models.
    with pytest.raises(InputError, match=r"the budget is 140 prompts, but the smallest study .* has 150"):
        find_size(sources, wish(0.5, most_prompts=140, n_models=2), 0, nobody)


def test_a_budget_alone_is_used_up(sources):
    found = find_size(sources, wish(None, most_prompts=2000), 0, nobody)
    # 26 rows of 5 classes with 15 prompts are 1,950.
    assert (found.size.rows_per_class, found.size.neutral_variations) == (26, 5)
    # What it detects is detected with about the wanted power: the Monte Carlo error is .02, and the minimum detectable
    # difference is by the formula.
    assert found.power == pytest.approx(0.8, abs=0.08)
    assert found.differences[0] > 0
    down = find_size(sources, wish(None, 0.3, most_prompts=2000, direction=-1, n_studies=60), 0, nobody)
    assert down.differences[0] < 0


def test_the_smallest_study_may_have_more_power(sources):
    found = find_size(sources, wish(0.9, 0.05, n_studies=100), 0, nobody)
    assert found.size.rows_per_class == 1
    assert found.power > 0.85


def test_the_same_seed_gives_the_same_plan(sources):
    first, again = (find_size(sources, wish(0.1, n_studies=100), 3, nobody) for _ in range(2))
    assert first.size == again.size
    assert first.simulated["offensiveness"].found.tolist() == again.simulated["offensiveness"].found.tolist()
