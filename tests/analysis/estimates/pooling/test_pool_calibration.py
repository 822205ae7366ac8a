"""Pooled effects of simulated studies of known truth: few studies with fixed seeds, so that only large errors show."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # many simulated studies

N_STUDIES = 5


@pytest.fixture(scope="module")
def script(load_script):
    """The script `calibrate_pool`."""
    return load_script("calibrate_pool")


@pytest.fixture(scope="module")
def measured(script):
    """Means over studies of 8 models and 50 rows a class, without and with effects."""
    found = {}
    for name, kind in (("null", script.KINDS[0]), ("effects", script.KINDS[7])):
        values = defaultdict(list)
        for seed in range(N_STUDIES):
            for what, of_study in script.measure(kind, script.simulate(kind, np.random.default_rng((9, seed)))).items():
                values[what] += of_study
        found[name] = {what: float(np.mean(of_kind)) for what, of_kind in values.items()}
    return found


def test_without_an_effect_few_studies_name_a_persona(measured):
    # At a chance of .05 each, 3 of 5 studies name one with a probability of .001.
    assert measured["null"]["studied names any"] <= 2 / N_STUDIES
    assert measured["null"]["similar names any"] <= 2 / N_STUDIES


@pytest.mark.parametrize("kind", ["null", "effects"])
@pytest.mark.parametrize("of", ["studied", "similar", "shrunken", "unpooled", "prediction"])
def test_intervals_cover(measured, kind, of):
    # Coverages of studies differ by SDs of .02 (unpooled) to .08 (prediction, of 15 intervals that share a model).
    assert measured[kind][f"{of} covers"] >= 0.88


def test_shrunken_effects_have_smaller_errors(measured):
    # A known spread would give the share (s1^2 + s2^2 + ...) / (the same + V), below .6 of the squared error with
    # effects and almost none without.
    ratios = {kind: values["RMSE shrunken"] / values["RMSE unpooled"] for kind, values in measured.items()}
    assert ratios["effects"] < 0.6
    assert ratios["null"] < 0.15


def test_pooled_tests_find_large_effects(measured):
    # .79 (.02) in 100 studies.
    assert measured["effects"]["large named, studied"] > 0.6


def test_a_study_without_text_effects_has_the_odds_ratios_that_were_planted(script):
    kind = replace(script.KINDS[7], persona_sd=0.0, model_sd=0.0)
    assert kind.log_odds_ratios(np.array(kind.shift), np.zeros(3)) == pytest.approx(np.zeros(3))
    # Averaged over texts of SD 1.5, an effect is smaller than within a text.
    (marginal,) = kind.log_odds_ratios(np.array(kind.shift), np.ones(1))
    assert 0.6 < marginal < 0.95
