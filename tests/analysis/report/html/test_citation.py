"""Versions and citations."""

from datetime import UTC, datetime
from importlib.metadata import version

from refusal_metrics.analysis.report.html import citation as html_methods
from refusal_metrics.analysis.report.html.citation import cite, list_versions


def test_versions_are_those_that_are_installed():
    versions = list_versions()
    assert versions["persona-refusal"] == version("persona-refusal")
    assert versions["duckdb"] == version("duckdb")


def test_a_package_that_is_not_there_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(html_methods, "_PACKAGES", ("persona-refusal", "no-such-package"))
    assert list_versions()["no-such-package"] == "not installed"


def test_the_citation_names_the_version_and_the_day():
    text = cite(datetime(2026, 1, 2, 3, tzinfo=UTC))
    assert f"version = {{{version('persona-refusal')}}}" in text
    assert "2026-01-02" in text
    assert text.count("{") == text.count("}")
