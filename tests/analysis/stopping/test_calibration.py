"""Stopping rules in simulated studies of known truth; a small version of `scripts/calibrate_stopping`."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # many simulated studies


@pytest.fixture(scope="module")
def calibrate(load_script):
    """The script `calibrate_stopping`."""
    return load_script("calibrate_stopping")


def test_studies_without_an_effect_seldom_stop_and_repeated_intervals_cover(calibrate):
    kind = calibrate.Kind("txp", 50, 0.1)
    stopped, covered = [], []
    for i in range(40):
        looks, _, strata = calibrate.stop_on_significance(calibrate.simulate(kind, None, (0, i)), 5)
        stopped.append(looks[-1]["stops"])
        low, high = calibrate.repeated_interval(looks, strata)
        covered.append(np.mean((low <= 0) & (high >= 0)))
    # At a share of .05, more than 6 of 40 happen in 3 of 1,000.
    assert sum(stopped) <= 6
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / (40 * 3))


def test_studies_with_a_large_effect_stop_before_their_end(calibrate):
    kind = calibrate.Kind("greedy", 50, 0.1, effect=0.35)
    for i in range(5):
        looks, _, _ = calibrate.stop_on_significance(calibrate.simulate(kind, None, (1, i)), 5)
        assert str(calibrate.PLANTED) in looks[-1]["personas"]
        assert looks[-1]["share"] < 1


def test_intervals_of_studies_that_stopped_on_their_width_are_narrow_enough_and_cover(calibrate):
    kind = calibrate.Kind("txp", 200, 0.1)
    covered = []
    for i in range(12):
        study = calibrate.simulate(kind, None, (2, i))
        share, table = calibrate.stop_on_width(study, 0.08, 5)
        assert share < 1
        assert table["width"].max() <= 0.08
        assert table["n_discordant"].min() >= 20
        covered.append(((table["low"] <= 0) & (table["high"] >= 0)).mean())
    # Three standard errors of 12 studies, if those of one study were the same comparison.
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / (12 * 3))
