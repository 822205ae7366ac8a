import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def calibration():
    """The script `calibrate_analysis`, which simulates studies of known truth."""
    path = Path(__file__).resolve().parents[3] / "scripts" / "calibrate_analysis"
    loader = importlib.machinery.SourceFileLoader("calibrate_analysis", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("calibrate_analysis", loader))
    # A dataclass looks its module up.
    sys.modules["calibrate_analysis"] = module
    loader.exec_module(module)
    return module
