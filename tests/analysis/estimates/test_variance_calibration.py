"""Shares of the variance in simulated studies of known truth; a small version of `scripts/calibrate_variance`."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # many simulated studies

N_STUDIES = 50


@pytest.fixture(scope="module")
def calibrate(load_script):
    """The script `calibrate_variance`."""
    return load_script("calibrate_variance")


@pytest.mark.parametrize(
    "effects",
    [{}, {"persona_sd": 0.5, "wording_sd": 0.3, "cell_sd": 1.0, "repeats": 3, "variations": 20}],
    ids=["only texts and templates", "all components"],
)
def test_shares_are_unbiased_and_their_intervals_cover(calibrate, effects):
    table = calibrate.check(calibrate.Kind(-1.1, n_texts=100, **effects), N_STUDIES, seed=1).set_index("component")
    assert set(table.index) == {"text", "persona", "wording", "template", "text:persona", *["seed"] * bool(effects)}
    # Four standard errors: once in 1,400 sets of 11 means.
    assert (table["mean"] - table["true"]).abs().le(4 * table["mean_error"]).all()
    # Three standard errors of 50 studies about .95.
    assert table["covers"].ge(0.95 - 3 * np.sqrt(0.05 * 0.95 / N_STUDIES)).all()
