"""What is installed is what was meant to be."""

import os
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

import pytest

import refusal_metrics


@pytest.mark.skipif("PERSONA_REFUSAL_SITE" not in os.environ, reason="scripts/test runs the tests against the wheel")
def test_the_tests_run_against_the_wheel():
    site = Path(os.environ["PERSONA_REFUSAL_SITE"])
    assert Path(refusal_metrics.__file__).is_relative_to(site)
    top_level = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert top_level - {"bin"} == {"refusal_metrics"}


def test_the_package_carries_its_data_and_its_types():
    assert files("refusal_metrics").joinpath("py.typed").is_file()
    assert files("refusal_metrics").joinpath("data", "sample_nli.csv").is_file()
    for name in ("_persona_refusal_yaml", "persona_refusal_nli.yaml", "README.md", "design/personas.yaml"):
        assert files("refusal_metrics.tasks").joinpath(name).is_file()


def test_the_core_install_asks_for_neither_torch_nor_vllm():
    core = [r for r in requires("persona-refusal") if "extra ==" not in r]
    assert core
    assert not [r for r in core if r.startswith(("torch", "vllm", "transformers"))]


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("refusal_metrics.detection.rules", ["numpy", "pandas", "datasets", "lm_eval"]),
        ("refusal_metrics.prompts.sampler", ["datasets", "lm_eval", "pyarrow"]),
        ("refusal_metrics.docs", ["lm_eval", "refusal_metrics.analysis", "torch"]),
        ("refusal_metrics.metrics", ["datasets", "refusal_metrics.docs", "refusal_metrics.analysis"]),
        ("refusal_metrics.analysis.cli.app", ["datasets", "lm_eval", "duckdb", "pandas", "numpy", "torch", "altair"]),
        ("refusal_metrics.analysis.figures.figure", ["altair", "vl_convert"]),
        ("refusal_metrics.analysis.responses.logs.load", ["pandas"]),  # numpy comes with pyarrow
        ("refusal_metrics.analysis.report.write", ["altair", "datasets", "lm_eval", "torch"]),
    ],
)
def test_a_module_does_not_import_what_stands_later_or_weighs_much(module, strangers):
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in strangers if name in loaded] == []
