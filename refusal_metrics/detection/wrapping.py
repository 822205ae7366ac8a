"""What wraps an answer: JSON, tags, tables, boxes, ticked boxes. Each is written as lines of plain text."""

import json
import re
from collections.abc import Iterator, Sequence

_BOX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}\\]{0,200})\}")
_TOKEN = re.compile(r"<\|[^<>|\n]{0,60}\|>")
_INLINE = re.compile(r"</?(?:b|i|u|em|strong|mark|span|code|font|sub|sup|a|p)(?: [^<>\n]{0,80})?/?>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([^<>\n/]{1,80})/?>")
_RULE = re.compile(r"^[ \t|:-]{2,}$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|", re.MULTILINE)
_UNTICKED = re.compile(r"^[ \t]*(?:[-*][ \t]+)?(?:[☐□⬜◻○]|\[ ?\])[^\n]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
_FIRST = ("answer", "label", "classif", "class", "rating", "predict", "verdict", "output", "response", "choice")
"""What is read first of an object, whatever its order: a reason does not undo an answer."""
_LONGEST_OBJECT = 20_000
_DEEPEST = 8


def unwrap(text: str) -> str:
    r"""Write what wraps an answer as lines.

    Parameters
    ----------
    text : str
        A response without its thought.

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
    if "```" in text:
        text = _FENCE.sub("", text)
    if "{" in text:
        text = _unwrap_object(text)
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


def _unwrap_object(text: str) -> str:
    """Write the first JSON object of a text as lines, the answer first."""
    start = text.index("{")
    try:
        value, end = json.JSONDecoder().raw_decode(text[: start + _LONGEST_OBJECT], start)
    except (ValueError, RecursionError):
        return text
    lines = sorted(_lines(value, ()), key=lambda line: not line[0])
    return text[:start] + "".join(f"{line}\n" for _, line in lines) + text[end:]


def _lines(value: object, path: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """List what an object says, and whether it is an answer."""
    name = path[-1] if path else ""
    if isinstance(value, dict) and len(path) < _DEEPEST:
        for key, part in value.items():
            yield from _lines(part, [*path, str(key)])
    elif isinstance(value, list) and len(path) < _DEEPEST:
        for part in value:
            yield from _lines(part, [*path, name])
    elif isinstance(value, bool):
        is_answer = any(word in name.lower() for word in _FIRST)
        yield True, f"{name}: {str(value).lower()}" if is_answer else f"{'' if value else 'not '}{name}."
    elif isinstance(value, str | int):
        yield any(word in name.lower() for word in _FIRST), f"{name}: {value}"
