"""Versions behind a page, and how to cite it."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("persona-refusal", "lm-eval", "duckdb", "numpy", "scipy", "pandas", "altair", "vl-convert-python")

PAPER = """\
@misc{plazadelarco2025no,
  title  = {No for Some, Yes for Others: Persona Prompts and Other Sources of False Refusal in Language Models},
  author = {Flor Miriam Plaza-del-Arco and Paul R{\\"o}ttger and Nino Scherrer and Emanuele Borgonovo and
            Elmar Plischke and Dirk Hovy},
  year   = {2025},
  eprint = {2509.08075},
  archivePrefix = {arXiv}
}"""
"""How the paper is cited, as BibTeX."""


def list_versions() -> Mapping[str, str]:
    """List the versions of Python and of the packages that make the numbers and the page."""
    versions = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def cite(made: datetime) -> str:
    """Write how this software is cited, as BibTeX.

    Parameters
    ----------
    made : datetime
        When the report was made.
    """
    return (
        "@software{persona_refusal,\n"
        "  title = {persona-refusal: false refusals of language models under persona prompts},\n"
        f"  version = {{{list_versions()['persona-refusal']}}},\n"
        f"  note = {{report made on {made.astimezone(UTC):%Y-%m-%d}}},\n"
        "}"
    )
