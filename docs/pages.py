"""The parts of the documentation that are made while it is built, as an extension of Python-Markdown.

The reference of the commands comes from their ``--help``, and the lists of personas and templates from the files in
``tasks/design``. DOIs become links, formulas become MathML, and the button
beside a terminal copies its commands alone.
"""
# ruff: noqa: INP001 - a script of the documentation, which is no package

import re
import subprocess
import sys
from functools import cache
from html import escape, unescape

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.postprocessors import Postprocessor
from markdown.preprocessors import Preprocessor

from refusal_metrics.prompts import KINDS, load_design

_DOI = re.compile(r"(?<!\[)\bdoi:(10\.\d+/[^\s,;]+?)(?=[.,;:)]*(?:\s|$))")
_CODE = re.compile(r'<div class="[^"]*\bhighlight\b[^"]*">(?=(.*?)</div>)', re.DOTALL)
_PRINTED = re.compile(r'<span class="g[op]">.*?</span>', re.DOTALL)
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


class Pages(Extension):
    """Adds the commands' reference, links of DOIs and formulas to the pages."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name in Python-Markdown
        """Register what changes a page before and after Markdown is read."""
        md.preprocessors.register(_Written(md), "persona-refusal-written", 100)
        # Before the postprocessor that puts raw HTML back, formulas are placeholders.
        md.postprocessors.register(_Formulas(md), "persona-refusal-formulas", 0)
        md.postprocessors.register(_Terminals(md), "persona-refusal-terminals", 0)


def makeExtension(**options: object) -> Pages:  # noqa: N802 - the name in Python-Markdown
    """Return the extension, as Python-Markdown asks for it."""
    return Pages(**options)


class _Written(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        """Insert the commands, personas and templates, and link the DOIs."""
        text = "\n".join(lines)
        for mark, write in _WRITTEN.items():
            if mark in text:
                text = text.replace(mark, write())
        return link_dois(text).split("\n")


class _Formulas(Postprocessor):
    def run(self, text: str) -> str:
        """Convert formulas to MathML, which needs no script."""
        return _FORMULA.sub(_formula, text)


class _Terminals(Postprocessor):
    def run(self, text: str) -> str:
        """Set what the button next to a terminal copies: neither the prompt nor the output of commands."""
        return _CODE.sub(_terminal, text)


def link_dois(text: str) -> str:
    """Make links of DOIs."""
    return _DOI.sub(r"[doi:\1](https://doi.org/\1)", text)


@cache
def write_commands() -> str:
    """Write a reference of all commands from their ``--help``."""
    asked = ["refusal_metrics.analysis.cli.app", "utils", "docs", "--name", "persona-refusal"]
    command = [sys.executable, "-m", "typer", *asked]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    # The list of commands has cut sentences, and is left out.
    written = re.sub(r"\* `(?:-h, )?--help`: Show this message and exit\.\n", "", written[written.index("\n## ") :])
    # The name of the program before each heading says nothing.
    return re.sub(
        r"^(#+) `persona-refusal (.*)`$", r"\1 \2", written.replace("**Options**:\n\n\n", ""), flags=re.MULTILINE
    )


def write_personas() -> str:
    """Write a table of all personas: how a prompt names them, and which ones a study uses only on request."""
    design = load_design()
    rows = ["| id | in a prompt | group | used |", "| --- | --- | --- | --- |"]
    for persona in design.personas:
        used = "on request" if persona.id in design.personas_on_request else "by default"
        rows.append(f"| `{persona.id}` | {persona} | {persona.group} | {used} |")
    return "\n".join(rows)


def write_templates() -> str:
    """Write a table of the templates of each kind; kinds with the same templates share one."""
    design = load_design()
    tables: dict[str, list[str]] = {}
    for kind in KINDS:
        free = {template.id: template for template in design.templates[kind, "persona-free"]}
        rows = ["| id | response type | persona, neutral | persona-free |", "| --- | --- | --- | --- |"]
        for template in design.templates[kind, "persona"]:
            asked = " (on request)" * (template.id in design.templates_on_request)
            without = _marked(free[template.id].instruction) if template.id in free else ""
            rows.append(
                f"| `{template.id}`{asked} | {template.response_type} | {_marked(template.instruction)} | {without} |"
            )
        tables.setdefault("\n".join(rows), []).append(kind)
    return "\n\n".join(f"**{' and '.join(kinds)}**\n\n{table}" for table, kinds in tables.items())


def _marked(instruction: str) -> str:
    """Show the names in braces as code."""
    return re.sub(r"\{\w+\}", r"`\g<0>`", instruction)


_WRITTEN = {
    "<!-- commands -->": write_commands,
    "<!-- personas -->": write_personas,
    "<!-- templates -->": write_templates,
}
"""What is written in the place of each comment."""


def _formula(found: re.Match[str]) -> str:
    block = found[2] == "["
    # Browsers stretch parentheses that are known to be a pair.
    formula = re.sub(r"\\[Bb]ig(?=\))", r"\\right", re.sub(r"\\[Bb]ig(?=\()", r"\\left", unescape(found[3]).strip()))
    made = str(convert(formula, display="block" if block else "inline"))
    return f'<div class="formula">{made}</div>' if block else made


def _terminal(found: re.Match[str]) -> str:
    if '<span class="gp">' not in found[1]:
        return found[0]
    lines = unescape(re.sub("<[^>]+>", "", _PRINTED.sub("", found[1]))).splitlines()
    commands = "\n".join(line for line in lines if line.strip())
    return found[0].replace(">", f' data-copy="{escape(commands)}">', 1)
