"""CITATION.cff has what the schema of the Citation File Format 1.2.0 requires, and says what the package says."""

import re
import tomllib
from pathlib import Path

import yaml

from refusal_metrics import __version__

ROOT = Path(__file__).resolve().parents[1]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def is_author(author):
    """A person has only keys of persons, an entity has a name."""
    person = {"given-names", "family-names", "name-particle", "name-suffix", "alias", "orcid", "affiliation", "email"}
    return (
        set(author) <= person if "name" not in author else isinstance(author["name"], str) and len(author["name"]) > 0
    )


def test_the_keys_that_the_schema_requires_are_there():
    # https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema.json
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["type"] in {"software", "dataset"}
    assert CITATION["authors"]
    assert all(map(is_author, CITATION["authors"]))
    assert CITATION["url"].startswith("https://")
    for reference in CITATION["references"]:
        assert {"authors", "title", "type"} <= set(reference)
        assert all(map(is_author, reference["authors"]))
        assert all({"type", "value"} <= set(one) for one in reference["identifiers"])


def test_it_says_what_the_package_and_its_readme_say():
    assert (CITATION["title"], CITATION["version"], CITATION["license"]) == (
        PROJECT["name"],
        __version__,
        PROJECT["license"],
    )
    assert CITATION["authors"] == PROJECT["authors"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace('{\\"o}', "ö")
    (paper,) = CITATION["references"]
    assert re.search(r"title  = \{(.*)\}", readme)[1] == paper["title"]
    names = [f"{author['given-names']} {author['family-names']}" for author in paper["authors"]]
    assert re.sub(r"\s+", " ", re.search(r"author = \{(.*?)\},", readme, re.DOTALL)[1]).replace(
        "{ö}", "ö"
    ) == " and ".join(names)
