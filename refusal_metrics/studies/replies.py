"""What a server replied: an answer, a refusal by the provider, or a failed call."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from refusal_metrics.detection import Reply
from refusal_metrics.reading import whole
from refusal_metrics.studies.blocks import error_reason, is_filtered, stop_reason

_MAX_QUOTED = 200
_MAX_NAME = 100
_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same call may succeed."""
_FAILED_STOPS = frozenset({"error", "network_error", "abort", "aborted", "cancelled"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text", "thought"})
_CONTEXT = re.compile(
    r"(?i)context[ _-]?(?:length|window|size)|maximum (?:context|number of tokens|input)|too many (?:input )?tokens|"
    r"(?:prompt|input|request)(?: text)? is too long|string_above_max_length"
)
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class FailedCallError(RuntimeError):
    """A call that brought no answer.

    Parameters
    ----------
    why : str
        What the server said, for a person.
    label : str
        The same in our words alone, for logs: a server may repeat a key that it was sent.
    is_lasting : bool
        Whether the same call would fail again: the server rejected it.
    """

    def __init__(self, why: str, label: str, *, is_lasting: bool) -> None:
        super().__init__(why)
        self.label, self.is_lasting = label, is_lasting


def read_reply(body: object, status: int = 200) -> Reply:
    """Read the reply to one prompt.

    Parameters
    ----------
    body : object
        What the reply's JSON holds, or the reply itself as str or bytes.
    status : int
        Of HTTP.

    Returns
    -------
    Reply
        An answer, or a refusal by the provider with its reason: a ``refusal`` field, a stop such as ``content_filter``,
        or an error that says that a filter or a moderation stopped the prompt. A refusal's own words are part of the
        text; thoughts are not.

    Raises
    ------
    FailedCallError
        For anything else.

    Examples
    --------
    >>> reply = read_reply({"choices": [{"finish_reason": "content_filter", "message": {"content": None}}]})
    >>> str(reply), reply.provider_reason
    ('', 'content_filter')
    """
    return read_body(parse(body, status) if isinstance(body, str | bytes) else body, status)


def read_body(body: object, status: int = 200) -> Reply:
    """Read what the JSON of a reply holds, as `read_reply` does.

    Parameters
    ----------
    body : object
    status : int

    Returns
    -------
    Reply

    Raises
    ------
    FailedCallError
    """
    if status < 400 and (reply := _read_answer(body)) is not None:
        return reply
    if reason := error_reason(body, status):
        return Reply("", finish_reason="content_filter", provider_reason=reason)
    raise _failed(body, status)


def quotable(text: object) -> str:
    """Return the beginning of what a server said as one line that can be shown on a terminal."""
    shown = text if isinstance(text, str) else json.dumps(text, default=str)
    return " ".join(_NO_TEXT.sub(" ", whole(shown[: 4 * _MAX_QUOTED])).split())[:_MAX_QUOTED]


def answering_model(body: object) -> str | None:
    """Return the model that a server says it answered with, as a short text of one line; None where it does not say."""
    name = body.get("model") if isinstance(body, Mapping) else None
    return (quotable(name)[:_MAX_NAME] or None) if isinstance(name, str) else None


def parse(text: str | bytes, status: int) -> object:
    """Return what the JSON of a reply holds; the text of an error that is no JSON.

    Parameters
    ----------
    text : str or bytes
    status : int

    Returns
    -------
    object

    Raises
    ------
    FailedCallError
        If it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if status >= 400:
            return text if isinstance(text, str) else text.decode(errors="replace")
        shown = text[:1000] if isinstance(text, str) else text[:1000].decode(errors="replace")
        raise FailedCallError(
            f"the server sent no JSON: {quotable(shown)}", "error: no JSON", is_lasting=False
        ) from None


def _failed(body: object, status: int) -> FailedCallError:
    said = quotable(_message(body))
    n_choices = len(body["choices"]) if isinstance(body, Mapping) and isinstance(body.get("choices"), list) else 0
    if status < 400 and n_choices > 1:
        return FailedCallError(
            f"the server sent {n_choices:,} answers to one prompt", "error: answers", is_lasting=False
        )
    if status < 400:
        return FailedCallError(f"the server sent no answer: {said}", "error: no answer", is_lasting=False)
    label = f"error: HTTP {status}{' (context length)' * bool(_CONTEXT.search(said))}"
    is_lasting = status < 500 and status not in _PASSING
    return FailedCallError(f"HTTP {status}: {said}", label, is_lasting=is_lasting)


def _message(body: object) -> object:
    """Find the sentence in an error."""
    for _ in range(4):
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        if not isinstance(body, Mapping):
            break
        for name in ("error", "message", "detail", "error_message", "msg"):
            if body.get(name):
                body = body[name]
                break
        else:
            break
    return body


def _read_answer(body: object) -> Reply | None:
    """Read an answer or a refusal in its place; None where there is neither."""
    if not isinstance(body, Mapping):
        return None
    if isinstance(body.get("choices"), list) and body["choices"]:
        return _of_choice(body["choices"], body)
    feedback = body.get("promptFeedback", body.get("prompt_feedback"))
    blocked = feedback.get("blockReason", feedback.get("block_reason")) if isinstance(feedback, Mapping) else None
    if isinstance(blocked, str) and blocked and "UNSPECIFIED" not in blocked:
        return Reply("", finish_reason=_word(blocked), provider_reason=stop_reason(blocked) or "content_filter")
    candidates = body.get("candidates")
    if isinstance(candidates, list) and len(candidates) == 1 and isinstance(candidates[0], Mapping):
        stop = candidates[0].get("finishReason", candidates[0].get("finish_reason"))
        content = candidates[0].get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        return _reply(parts, None, stop) if isinstance(parts, list) or stop else None
    if body.get("type") != "error" and "content" in body and ("stop_reason" in body or body.get("role")):
        return _reply(body["content"], body.get("refusal"), body.get("stop_reason"))
    return None


def _of_choice(choices: list[Any], body: Mapping[str, Any]) -> Reply | None:
    choice = choices[0]
    if len(choices) != 1 or not isinstance(choice, Mapping) or choice.get("error") or body.get("error"):
        return None
    stop = next(
        (
            choice[name]
            for name in ("finish_reason", "stop_reason", "native_finish_reason")
            if stop_reason(choice.get(name))
        ),
        choice.get("finish_reason"),
    )
    if stop_reason(stop) is None and isinstance(body.get("stop_reason"), str) and stop_reason(body["stop_reason"]):
        stop = body["stop_reason"]
    if isinstance(stop, str) and stop.lower() in _FAILED_STOPS:
        return None
    message = choice.get("message")
    if isinstance(message, Mapping):
        reply = _reply(message.get("content"), message.get("refusal", choice.get("refusal")), stop)
    elif message is None and isinstance(choice.get("text"), str):
        reply = _reply(choice["text"], choice.get("refusal"), stop)
    else:
        # Some say of a filtered answer that it was filtered, and nothing else.
        reply = _reply("", None, stop) if stop_reason(stop) else None
    annotated = (
        choice.get("content_filter_results"),
        choice.get("content_filter_result"),
        body.get("prompt_filter_results"),
    )
    if reply is not None and not reply and not reply.provider_reason and any(map(is_filtered, annotated)):
        return Reply("", finish_reason=reply.finish_reason, provider_reason="content_filter")
    return reply


def _reply(content: object, refusal: object, stop: object) -> Reply | None:
    """Join a content, which may be in parts, with what is said of it; None where it is no text."""
    texts: list[str] = []
    refusals: list[str] = []
    if content is None or isinstance(content, str):
        texts = [content or ""]
    elif isinstance(content, list):
        read = _read_parts(content)
        if read is None:
            return None
        texts, refusals = read
    else:
        return None
    if isinstance(refusal, str) and refusal.strip():
        refusals.append(refusal)
    text = "".join(texts)
    said = "\n\n".join(dict.fromkeys(refusals))
    if said and said.strip() != text.strip():
        # Both are kept: part of an answer may stand before the refusal.
        text = f"{text}\n\n{said}" if text.strip() else said
    reason = stop_reason(stop) or ("refusal" if refusals else None)
    return Reply(whole(text), finish_reason=_word(stop), provider_reason=reason)


def _read_parts(parts: Iterable[object]) -> tuple[list[str], list[str]] | None:
    texts: list[str] = []
    refusals: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, Mapping):
            return None
        kind = part.get("type")
        if kind in _THOUGHTS or part.get("thought") is True:
            continue
        if isinstance(part.get("refusal"), str):
            refusals.append(part["refusal"])
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("text", "output_text", None):
            return None
    return texts, refusals


def _word(stop: object) -> str | None:
    """Return why generation ended as a short word of one line."""
    return quotable(stop)[:60] if isinstance(stop, str) else None
