import pytest


@pytest.fixture(scope="session")
def calibration(load_script):
    """The script `calibrate_analysis`, which simulates studies of known truth."""
    return load_script("calibrate_analysis")
