import importlib.util
import os
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the checkout; CI requires it."""
    if not SHARED_DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED_DATA} is missing, and CI requires it")
        pytest.skip(f"needs the data in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def logs():
    """The module `sample_logs`, which tests cannot import by name: the folder is no package."""
    spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).with_name("sample_logs.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
