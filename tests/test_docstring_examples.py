"""The examples of docstrings show what comes out; those of the Python interface need a study (analysis/api)."""

import doctest
import importlib
import pkgutil

import refusal_metrics
from refusal_metrics import analysis

MODULES = {
    found.name
    for package in (refusal_metrics, analysis)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.startswith("refusal_metrics.analysis.api") and not found.name.endswith("__main__")
}


def test_the_examples_of_the_modules_run():
    results = {name: doctest.testmod(importlib.import_module(name)) for name in sorted(MODULES)}
    assert sum(result.attempted for result in results.values()) > 70
    assert {name: result.failed for name, result in results.items() if result.failed} == {}
