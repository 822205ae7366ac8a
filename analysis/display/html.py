"""Untrusted text in a page, always shown as text."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line ends and tabs, and the joiners that Persian, Hindi and emoji are spelt with."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ESCAPED: Mapping[int, str] = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def load_template(
    folder: Path,
    name: str,
    *,
    finalize: Callable[[Any], Any] | None = None,
    filters: Mapping[str, Callable[[str], str]] | None = None,
) -> Template:
    """Load the template of a page, which escapes all values and fails if one is missing.

    Parameters
    ----------
    folder : Path
        The folder of the template and of the templates that it includes.
    name : str
        The name of its file.
    finalize : callable, optional
        Applied to every value before it is escaped.
    filters : mapping of str to callable, optional
        Filters of the template, by name.

    Returns
    -------
    jinja2.Template
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters or {}
    return environment.get_template(name)


def visible(text: str) -> str:
    r"""Replace invisible characters, and those that change the direction of writing, with their codes.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        A right-to-left override is written ``\u202e``, a null byte ``\u0000``. Line ends, tabs and
        joiners stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_name(c) if unicodedata.category(c) in _UNSEEN and c not in _KEPT else c for c in text)


def _name(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def clip(text: str, most: int, n: int | None = None) -> str:
    """Shorten a long text, with a note of its length.

    Parameters
    ----------
    text : str
    most : int
        The number of characters to keep.
    n : int, optional
        The length of the whole text, if `text` is only its beginning.

    Returns
    -------
    str
    """
    n = len(text) if n is None else n
    return text if n <= most else f"{text[:most]} [... cut here: {n:,} characters in all]"


def embed(value: object) -> Markup:
    r"""Return JSON that is safe inside a ``script`` element.

    Parameters
    ----------
    value : object
        A value that JSON can represent; nan and infinite numbers are not valid JSON.

    Returns
    -------
    Markup
        It contains no ``<``, ``>`` or ``&``, so that nothing can end the element, and no U+2028 or U+2029. Half of a
        surrogate pair is escaped, because UTF-8 cannot represent it.

    Raises
    ------
    ValueError
        For nan and infinite numbers.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(dict(_ESCAPED))
    return Markup(_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # noqa: S704 - made safe above
