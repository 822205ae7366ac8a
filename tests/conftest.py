import importlib.machinery
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from refusal_metrics.analysis.counts import Counts
from refusal_metrics.analysis.responses import count_responses, read_responses

from refusal_metrics.prompts import download

# A busy machine fails no test. A property is tried with 24 examples by default, with 40 by scripts/test --all, and
# with 100 in CI. Costly properties take their share of that.
settings.register_profile("few", deadline=None, max_examples=24)
settings.register_profile("all", deadline=None, max_examples=40)
settings.register_profile("on CI", settings.get_profile("ci"), deadline=None, max_examples=100)
settings.load_profile("on CI" if os.environ.get("CI") else os.environ.get("PERSONA_REFUSAL_EXAMPLES", "few"))

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


LONG = ("model", "vllm", "harness", "browser", "slow")
LONG_FILES = (
    "test_end_to_end.py",
    "test_docs_commands.py",
    "test_every_command.py",
    "test_write.py",
    "test_leaderboard.py",
)


def pytest_collection_modifyitems(items):
    """Start with the files that take longest, so that two workers end together."""

    def place(item):
        marks = [number for number, mark in enumerate(LONG) if item.get_closest_marker(mark)]
        return min(marks, default=len(LONG) + (item.path.name not in LONG_FILES))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the checkout; CI requires it."""
    if not SHARED_DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED_DATA} is missing, and CI requires it")
        pytest.skip(f"needs the data in {SHARED_DATA}")
    return SHARED_DATA


def load_beside(name):
    """Load a module of this folder, which tests cannot import by name: the folder is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def load_script():
    """Load a script, which tests cannot import by name: it has no ending. A function of its name."""
    scripts = Path(__file__).resolve().parents[1] / "scripts"
    # As if it was run: scripts import what they share.
    sys.path.insert(0, str(scripts))

    def load(name):
        path = scripts / name
        loader = importlib.machinery.SourceFileLoader(name, str(path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
        # A dataclass looks its module up.
        sys.modules[name] = module
        loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The documentation's pages, built without a network: proxies lead nowhere."""
    if importlib.util.find_spec("zensical") is None:
        if os.environ.get("CI"):
            pytest.fail("zensical is missing, and CI requires it")
        pytest.skip("needs scripts/setup docs")
    root, copy = Path(__file__).resolve().parents[1], tmp_path_factory.mktemp("documentation")
    shutil.copy(root / "mkdocs.yml", copy)
    package, no_cache = copy / "build" / "package" / "refusal_metrics", shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "docs", copy / "docs", ignore=no_cache)
    shutil.copytree(root / "refusal_metrics", package, ignore=no_cache)
    shutil.copytree(root / "analysis", package / "analysis", ignore=no_cache)
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    path = os.pathsep.join(filter(None, [str(copy / "docs"), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", copy / "mkdocs.yml"]
    env = os.environ | nowhere | {"PYTHONPATH": path}
    built = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return copy / "build" / "docs"


@pytest.fixture(scope="session")
def logs():
    """The module `sample_logs`."""
    return load_beside("sample_logs")


@pytest.fixture(scope="session")
def pumping():
    """The module `pumping`."""
    return load_beside("pumping")


@pytest.fixture
def two_figures(monkeypatch):
    """Draw only the first two figures of a report: all of them take seconds. tests/test_end_to_end.py draws all."""
    every = importlib.import_module("refusal_metrics.analysis.figures.every")
    draw = every._draw
    monkeypatch.setattr(every, "_draw", lambda *given: itertools.islice(draw(*given), 2))


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """In place of the network: serve contents by address, with an empty cache; gives the list of what is opened."""

    def start(served):
        opened = []

        def get_bytes(url):
            opened.append(url)
            return served[url]

        monkeypatch.setattr(download, "get_bytes", get_bytes)
        monkeypatch.setattr(download.constants, "HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", False)
        return opened

    return start


@pytest.fixture(scope="session")
def make_counts(tmp_path_factory):
    """Make `Counts` of a data frame or of a list of dicts, one row a response, the verdict in ``refused``."""
    folder = tmp_path_factory.mktemp("counts")

    def make(rows):
        file = folder / "responses.parquet"
        pd.DataFrame(rows).to_parquet(file, index=False)
        return count_responses(read_responses([file]))["given"]

    return make


@pytest.fixture(scope="session")
def simulated_study(shared_data):
    """Count the simulated study of 16 models and 2,032,160 responses."""
    return count_responses(read_responses([shared_data / "reference" / "simulated_study.parquet"]))["given"]


@pytest.fixture(scope="session")
def simulate_counts():
    """Simulate studies, one a model, of 300 texts with 10 to 60 prompts under 15 personas that do not matter.

    A text has a rate of its own in each study, and within it each of 5 groups of personas has one.
    """

    def simulate(rng, intercept, n_studies, sd_text=1.5, sd_group=0.5):
        n_texts, n_personas = 300, 15
        asked = rng.multinomial(rng.integers(10, 61, n_texts), np.full(n_personas, 1 / n_personas))
        text, persona = np.nonzero(asked)
        of_text = rng.normal(0, sd_text, (n_studies, n_texts, 1)) + rng.normal(0, sd_group, (n_studies, n_texts, 5))
        rate = 1 / (1 + np.exp(-intercept - of_text[:, text, persona // 3]))
        n = np.tile(asked[text, persona], n_studies)
        first = np.zeros(len(n), dtype=np.int64)
        levels = {
            "model": tuple(f"study {i:04}" for i in range(n_studies)),
            "task": ("nli",),
            "setting": ("persona",),
            "persona": tuple(f"persona {i:02}" for i in range(n_personas)),
        }
        codes = {
            "model": np.repeat(np.arange(n_studies), len(text)),
            "task": first,
            "setting": first,
            "persona": np.tile(persona, n_studies),
        }
        at = np.tile(text, n_studies)
        return Counts(levels, codes, at, at, np.arange(len(n)), n, rng.binomial(n, rate.ravel()), n_texts)

    return simulate
