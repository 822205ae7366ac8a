"""Conversion of a model's output to the text that is judged."""

import math
import re
from collections.abc import Mapping, Sequence

from refusal_metrics.detection.reply import Reply

_HALF_PAIR = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"
"""The replacement of half of a surrogate pair, which UTF-8 cannot represent."""

TOO_DEEP = "[nested too deeply to be written]"
_DEEPEST = 100

# Parts of a message that are thoughts and not the response.
_THOUGHTS = ("reasoning", "thinking", "redacted_thinking")


def read_response(value: object) -> str:
    """Return the text of a response, whatever shape a model or server gave it.

    Parameters
    ----------
    value : object
        A string; None, which chat APIs give for an empty message; a message or a content part; or a list
        of content parts, whose texts are joined.

    Returns
    -------
    str
        The value itself if it is a string, so that a `Reply` stays one.

    Raises
    ------
    TypeError
        If the value contains no text.

    Examples
    --------
    >>> read_response([{"type": "text", "text": "Not "}, {"type": "text", "text": "offensive."}])
    'Not offensive.'
    >>> read_response(None)
    ''
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _read_part(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        parts = [part for part in value if not _is_thought(part)]
        if value and not parts:
            raise TypeError("the response is a thought without an answer")
        return "".join(read_response(part) for part in parts)
    raise TypeError(f"a response is text, not {type(value).__name__}")


def _read_part(part: Mapping[object, object]) -> str:
    """Read a content part, or a message with content."""
    for key in ("text", "refusal", "content"):
        if part.get(key) is not None:
            return read_response(part[key])
    if "content" in part:
        return ""
    raise TypeError("the response is an object without a text")


def _is_thought(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _THOUGHTS


def writable(value: object, *, depth: int = _DEEPEST) -> object:
    r"""Return a response in a form that can be written as strict JSON in UTF-8.

    Parameters
    ----------
    value : object
        A response, or anything made of lists and mappings that holds text.
    depth : int
        The number of nested lists and mappings that are kept.

    Returns
    -------
    object
        The value, `REPLACEMENT` in place of halves of surrogate pairs, and numbers that JSON has not as text.

    Examples
    --------
    >>> writable("No \ud83d way") == "No \ufffd way"
    True
    >>> writable([float("nan"), {1j: None}])
    ['nan', {'1j': None}]
    """
    if isinstance(value, str):
        return _in_utf8(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (Mapping, list, tuple)):
        if depth == 0:
            return TOO_DEEP
        if isinstance(value, Mapping):
            return {_in_utf8(str(key)): writable(part, depth=depth - 1) for key, part in value.items()}
        return [writable(part, depth=depth - 1) for part in value]
    return value


def _in_utf8(text: str) -> str:
    if _HALF_PAIR.search(text) is None:
        return text
    whole = _HALF_PAIR.sub(REPLACEMENT, text)
    if isinstance(text, Reply):
        return Reply(whole, finish_reason=text.finish_reason, provider_reason=text.provider_reason)
    return whole
