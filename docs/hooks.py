"""What is made while the documentation is built: the page of commands, and formulas as MathML."""
# ruff: noqa: INP001 - mkdocs loads this file by its path

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from types import ModuleType

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority

_HERE = Path(__file__).parent
_PARTS = {"refusal_metrics": "refusal_metrics", "analysis": "refusal_metrics.analysis"}
"""The folders of modules, and what they are installed as."""
_COMMANDS = "<!-- commands -->"
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
_stage = tempfile.TemporaryDirectory(prefix="persona-refusal-docs-")


@event_priority(100)  # before that of mkdocstrings, which reads the paths
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show mkdocstrings the package as it is once it is installed."""
    for part, package in _PARTS.items():
        folder = Path(_stage.name, *package.split("."))
        shutil.copytree(_HERE.parent / part, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [_stage.name]  # type: ignore[attr-defined]
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the commands in where they belong, and make links of DOIs."""
    if _COMMANDS in markdown:
        markdown = markdown.replace(_COMMANDS, _write_commands())
    return str(_load("docstrings").link_dois(markdown))


def on_page_content(html: str, **_: object) -> str:
    """Turn formulas into MathML, which needs no script."""
    return _FORMULA.sub(_formula, html)


def _write_commands() -> str:
    """Write down every command from what its ``--help`` says; the list of commands with cut sentences is left out."""
    asked = ["refusal_metrics.analysis.cli.app", "utils", "docs", "--name", "persona-refusal"]
    command = [sys.executable, "-m", "typer", *asked]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    written = written[written.index("\n## ") :].replace("* `-h, --help`: Show this message and exit.\n", "")
    # The name of the program before each heading says nothing.
    return re.sub(
        r"^(#+) `persona-refusal (.*)`$", r"\1 \2", written.replace("**Options**:\n\n\n", ""), flags=re.MULTILINE
    )


def _formula(found: re.Match[str]) -> str:
    block = found[2] == "["
    # Browsers stretch parentheses that are known to be a pair.
    formula = re.sub(r"\\[Bb]ig(?=\))", r"\\right", re.sub(r"\\[Bb]ig(?=\()", r"\\left", unescape(found[3]).strip()))
    made = str(convert(formula, display="block" if block else "inline"))
    return f'<div class="formula">{made}</div>' if block else made


def _load(name: str) -> ModuleType:
    """Load a module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
