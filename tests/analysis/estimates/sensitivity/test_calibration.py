"""The sensitivity of simulated studies whose truth is known."""

from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("error::RuntimeWarning")]  # many simulated studies


def measure(calibration, n_studies, **kind):
    """Measure studies of one kind; see `scripts/calibrate_analysis`."""
    kind = calibration.Kind(**{"rows_per_class": 40, "n_models": 2, **kind})
    measured = defaultdict(list)
    for i in range(n_studies):
        for key, values in calibration.measure(kind, None, ["sensitivity"], (0, i)).items():
            measured[key] += values
    return measured


def test_p_values_of_factors_that_do_not_matter_are_uniform(calibration, monkeypatch):
    monkeypatch.setattr(calibration, "N_PERMUTATIONS", 59)
    measured = measure(calibration, 40, rate=0.1, type_effect=False)
    for factor in ("model", "persona", "template", "stratum"):
        found = np.array(measured["iota: p-values", factor])
        assert len(found) == 40
        assert stats.kstest(found, "uniform").pvalue > 1e-4
        assert (found <= 0.05).sum() <= stats.binom.ppf(0.9999, 40, 0.05)


def test_intervals_of_indices_cover(calibration, monkeypatch):
    monkeypatch.setattr(calibration, "N_PERMUTATIONS", 100)
    measured = measure(calibration, 40, rate=0.2, persona_sd=1.0, model_sd=1.0)
    two_sided, one_sided = (f"iota: {what}-sided intervals that cover" for what in ("two", "one"))
    for key in [(two_sided, "model"), (two_sided, "persona"), (one_sided, "stratum")]:
        covers = measured[key]
        assert len(covers) >= 30
        # They cover 95 times in 100; one run in 10,000 finds fewer than this.
        assert sum(covers) >= stats.binom.ppf(0.0001, len(covers), 0.95)
