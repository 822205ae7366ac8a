"""What is installed is what was meant to be."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

import pytest
from refusal_metrics.analysis import api

import refusal_metrics


@pytest.mark.skipif("PERSONA_REFUSAL_SITE" not in os.environ, reason="scripts/test runs the tests against the wheel")
def test_the_tests_run_against_the_wheel():
    site = Path(os.environ["PERSONA_REFUSAL_SITE"])
    assert Path(refusal_metrics.__file__).is_relative_to(site)
    top_level = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert top_level - {"bin"} == {"refusal_metrics"}


def test_every_folder_of_the_code_is_a_package_of_the_wheel():
    root = Path(__file__).resolve().parents[1]
    named = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {"refusal_metrics": "refusal_metrics", "analysis": "refusal_metrics.analysis"}
    found = {
        ".".join([package, *init.parent.relative_to(root / folder).parts])
        for folder, package in folders.items()
        for init in (root / folder).rglob("__init__.py")
    }
    assert found <= set(named)


def test_the_package_carries_its_data_and_its_types():
    assert files("refusal_metrics").joinpath("py.typed").is_file()
    assert files("refusal_metrics").joinpath("data", "sample_nli.csv").is_file()
    for name in ("_persona_refusal_yaml", "persona_refusal_nli.yaml", "README.md", "design/personas.yaml"):
        assert files("refusal_metrics.tasks").joinpath(name).is_file()


def test_the_core_install_asks_for_neither_torch_nor_vllm():
    core = [r for r in requires("persona-refusal") if "extra ==" not in r]
    assert core
    assert not [r for r in core if r.startswith(("torch", "vllm", "transformers"))]


def test_the_public_names_are_there_and_no_other():
    assert {*refusal_metrics.__all__} <= {*dir(refusal_metrics)}
    assert {*api.__all__} | {"__version__"} == {*refusal_metrics.__all__}
    for name in api.__all__:
        assert getattr(refusal_metrics, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        refusal_metrics.lod  # noqa: B018 - to look is what is tested


def test_the_version_is_that_of_the_installed_package():
    assert refusal_metrics.__version__ == version("persona-refusal")


@pytest.mark.parametrize("command", [["-m", "refusal_metrics"], ["-m", "refusal_metrics.analysis.cli.app"]])
def test_the_command_is_that_of_the_module(command):
    asked = [sys.executable, *command, "--version"]
    printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert printed == f"persona-refusal {refusal_metrics.__version__}\n"


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("refusal_metrics", ["numpy", "pandas", "duckdb", "pyarrow", "lm_eval", "refusal_metrics.analysis"]),
        ("refusal_metrics.analysis.api", ["altair", "datasets", "lm_eval", "statsmodels", "torch", "vl_convert"]),
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
