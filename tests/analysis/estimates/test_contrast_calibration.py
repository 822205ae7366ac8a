"""Contrasts in simulated studies of known truth; a small version of `scripts/calibrate_contrasts`."""

from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # many simulated studies

N_STUDIES = 40


@pytest.fixture(scope="module")
def calibrate(load_script):
    """The script `calibrate_contrasts`."""
    return load_script("calibrate_contrasts")


def test_no_more_studies_name_a_persona_than_the_level_and_intervals_cover(calibrate):
    # Effects differ between texts, and no persona has one on average.
    tables = list(calibrate.contrasts(calibrate.Kind("txp", 50, 0.3, "persona-free"), None, N_STUDIES, 0))
    # At a share of .05, more than 6 of 40 happen in 3 of 1,000.
    assert sum((table["p_adjusted"] <= 0.05).any() for table in tables) <= 6
    covered = np.mean([(table["ci_low"].le(0) & table["ci_high"].ge(0)).mean() for table in tables])
    # Three standard errors of 40 studies, if those of one study were the same comparison.
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / (N_STUDIES * 3))


def test_adjusted_intervals_of_a_named_persona_cover_and_its_shrunken_estimate_is_smaller(calibrate):
    kind = calibrate.Kind("greedy", 50, 0.1)
    (null,) = calibrate.contrasts(kind, None, 1, 1)
    planted = replace(kind, effect=0.7 * null["mde_up"].median())
    tables = list(calibrate.contrasts(planted, None, N_STUDIES, 0))
    found = [table.iloc[calibrate.PLANTED] for table in tables if table["p_adjusted"][calibrate.PLANTED] <= 0.05]
    assert len(found) >= 10
    covered = sum(row["ci_low_named"] <= planted.effect <= row["ci_high_named"] for row in found)
    # At a share of .95, 3 or more of 20 are missed in 7 of 100 studies, 4 or more in 2.
    assert covered >= len(found) - 3
    # Where it is named, the estimate is too large.
    estimate, shrunken = (np.mean([row[name] for row in found]) for name in ("estimate", "estimate_shrunken"))
    assert estimate > 1.1 * planted.effect
    assert shrunken < estimate


@pytest.mark.parametrize("kind", [("greedy", 50, 0.05, 0.02), ("txp", 50, 0.3, 0.0)])
def test_intervals_of_the_spread_cover(calibrate, kind):
    (row,) = calibrate.measure_spread(calibrate.Kind(*kind[:3], spread=kind[3]), None, N_STUDIES, 0)
    # At a share of .95, fewer than 34 of 40 happen in 1 of 100.
    assert float(row["covered"].split()[0]) >= 34 / 40


def test_detectable_differences_are_found_as_often_as_planned_in_both_directions(calibrate):
    kind = calibrate.Kind("greedy", 100, 0.1)
    (null,) = calibrate.contrasts(kind, None, 1, 1)
    for name, sign in (("mde_up", 1), ("mde_down", -1)):
        planted = replace(kind, effect=sign * null[name].median())
        tables = calibrate.contrasts(planted, None, N_STUDIES, 0)
        power = np.mean([table["p_adjusted"][calibrate.PLANTED] <= 0.05 for table in tables])
        # Three standard errors of 40 studies about .8.
        assert 0.61 <= power <= 0.99
