"""How docstrings become Markdown: their formulas and references are those of reStructuredText."""
# ruff: noqa: INP001 - griffe loads this file by its path

import re

import griffe

_BLOCK = re.compile(r"^( *)\.\. math:: *(.*(?:\n\1 +\S.*)*)", re.MULTILINE)
_INLINE = re.compile(r":math:`([^`]+)`")
_CITED, _CITING = re.compile(r"^( *)\.\. (\[\d+\])", re.MULTILINE), re.compile(r" (\[\d+\])_")
_DOI = re.compile(r"\bdoi:(10\.\d+/[^\s,;]+?)(?=[.,;:]*(?:\s|$))")


def to_markdown(text: str) -> str:
    """Write formulas between dollar signs, citations in plain brackets, and DOIs as links."""
    text = _BLOCK.sub(lambda found: f"\n{found[1]}$$\n{found[1]}{' '.join(found[2].split())}\n{found[1]}$$\n", text)
    text = _INLINE.sub(lambda found: f"${' '.join(found[1].split())}$", text)
    text = _CITING.sub(r" \1", _CITED.sub(r"\1\2", text))
    return link_dois(text)


def link_dois(text: str) -> str:
    """Make links of DOIs."""
    return _DOI.sub(r"[doi:\1](https://doi.org/\1)", text)


class Docstrings(griffe.Extension):
    """Applies `to_markdown` to every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring before it is taken apart."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
