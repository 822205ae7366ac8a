"""What wraps an answer: JSON, tags, tables, boxes, ticked boxes. Each is written as lines of plain text."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refusal_metrics.detection.patterns import load_patterns

_BOX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}\\]{0,200})\}")
_TOKEN = re.compile(r"<\|[^<>|\n]{0,60}\|>")
_INLINE = re.compile(r"</?(?:b|i|u|em|strong|mark|span|code|font|sub|sup|a|p)(?: [^<>\n]{0,80})?/?>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([^<>\n/]{1,80})/?>")
_RULE = re.compile(r"^[ \t|:-]{2,}$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|", re.MULTILINE)
_UNTICKED = re.compile(r"^[ \t]*(?:[-*][ \t]+)?(?:[☐□⬜◻○]|\[ ?\])[^\n]*$", re.MULTILINE)
# What a role does while it speaks: *puts down the cup* Yes.
_ACTION = re.compile(r"^\s*[*_]\w+ [^*_\n]{4,200}[*_] (?=\S)")
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
_LONGEST_OBJECT = 20_000
_DEEPEST = 8


def unwrap(text: str, language: str = "en") -> str:
    r"""Write what wraps an answer as lines.

    Parameters
    ----------
    text : str
        A response without its thought.
    language : str
        Its words for names of fields that hold the answer, and for what is true, false or denied.

    Returns
    -------
    str
        Linear in the text; the text itself if nothing is wrapped.

    Examples
    --------
    >>> unwrap('{"reason": "I cannot speak for them.", "offensive": false}')
    'not offensive.\nreason: I cannot speak for them.\n'
    >>> unwrap("<label>polite</label>")
    '\npolite\n'
    """
    if text[:1] in "*_ \n":
        text = _ACTION.sub(r"\g<0>\n", text)
    if "```" in text:
        text = _FENCE.sub("", text)
    if "{" in text:
        text = _unwrap_object(text, load_patterns(language).objects)
        if "\\" in text:
            # Twice, for a text in a box.
            text = _BOX.sub(r"\n\1\n", _BOX.sub(r"\n\1\n", text)).replace("$", "")
    if "<" in text:
        closed = {name.lower() for slash, name in _TAG.findall(text) if slash}
        text = _TOKEN.sub("\n", _INLINE.sub("", text))
        text = _TAG.sub(lambda tag: _write_tag(tag[1], tag[2], closed), text)
    if "|" in text and _ROW.search(text):
        text = _RULE.sub("", text).replace("|", "\n")
    return text if text.isascii() and "[" not in text else _UNTICKED.sub("", text)


def _write_tag(slash: str, name: str, closed: set[str]) -> str:
    """Return what a tag becomes: one that is never closed may be the answer itself."""
    words = name.split()
    return "\n" if slash or not words or words[0].lower() in closed else f"\n{name}\n"


def _unwrap_object(text: str, words: Mapping[str, Any]) -> str:
    """Write the first JSON object of a text as lines, the answer first."""
    start = text.index("{")
    try:
        value, end = json.JSONDecoder().raw_decode(text[: start + _LONGEST_OBJECT], start)
    except (ValueError, RecursionError):
        return text
    lines = sorted(_lines(value, (), words), key=lambda line: not line[0])
    return text[:start] + "".join(f"{line}\n" for _, line in lines) + text[end:]


def _lines(value: object, path: Sequence[str], words: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """List what an object says, and whether it is an answer."""
    name = path[-1] if path else ""
    is_answer = any(word in name.lower() for word in words["answer_fields"])
    if isinstance(value, dict) and len(path) < _DEEPEST:
        for key, part in value.items():
            yield from _lines(part, [*path, str(key)], words)
    elif isinstance(value, list) and len(path) < _DEEPEST:
        for part in value:
            yield from _lines(part, [*path, name], words)
    elif isinstance(value, bool):
        if is_answer:
            yield True, f"{name}: {words['true'] if value else words['false']}"
        else:
            yield True, (name if value else words["denied"].replace("{name}", name)) + "."
    elif isinstance(value, str | int):
        yield is_answer, f"{name}: {value}"
