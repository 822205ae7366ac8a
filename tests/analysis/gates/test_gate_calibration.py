"""Gates in simulated studies of known truth; a small version of `scripts/calibrate_gates`."""

import numpy as np
import pytest

N_STUDIES = 60
MOST = 9
"""At a share of .05, more than 9 of 60 happen in 1 of 1,000."""


@pytest.fixture(scope="module")
def calibrate(load_script):
    """The script `calibrate_gates`."""
    return load_script("calibrate_gates")


@pytest.mark.parametrize("check", ["check_rates", "check_change"])
@pytest.mark.parametrize(("kind", "wrong"), [("at the margin", "PASS"), ("within", "FAIL")])
def test_a_gate_is_wrong_in_at_most_the_stated_share(calibrate, check, kind, wrong):
    checked = getattr(calibrate, check)
    verdicts = [checked(kind, np.random.default_rng((1, i))).verdict for i in range(N_STUDIES)]
    assert verdicts.count(wrong) <= MOST
