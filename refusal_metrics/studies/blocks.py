"""Recognise refusals by a provider: from stop reasons, error codes and error messages.

Providers differ. The returned reason comes from a closed vocabulary and is never a server's text, because it is shown
in tables and on terminals.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_STOPS = {
    "contentfilter": "content_filter",
    "contentfiltered": "content_filter",
    "contentpolicy": "content_filter",
    "contentpolicyviolation": "content_filter",
    "contentmoderation": "content_filter",
    "filtered": "content_filter",
    "guardrailintervened": "guardrail",
    "guardrail": "guardrail",
    "guardrails": "guardrail",
    "inputguardrailtriggered": "guardrail",
    "outputguardrailtriggered": "guardrail",
    "modelarmor": "guardrail",
    "refusal": "refusal",
    "safety": "safety",
    "imagesafety": "safety",
    "unsafe": "safety",
    "errortoxic": "safety",
    "toxic": "safety",
    "moderation": "moderation",
    "moderated": "moderation",
    "flagged": "moderation",
    "sensitive": "sensitive_content",
    "prohibitedcontent": "prohibited_content",
    "imageprohibitedcontent": "prohibited_content",
    "blocklist": "blocklist",
    "spii": "personal_information",
    "recitation": "recitation",
    "imagerecitation": "recitation",
}
"""Why generation stopped, in letters alone, and the reason for it in our words."""

_CODES = (
    ("guardrail(?:s)?(?:intervened|triggered|blocked|violat|rejected)", "guardrail"),
    ("contentfilter|contentpolicy|contentmoderation|contentviolation|contentblocked", "content_filter"),
    ("responsibleai", "content_filter"),
    ("policyviolation", "content_filter"),
    ("datainspection", "sensitive_content"),
    ("sensitivecontent|sensitiveword|textriskdetect|inputsensitive|outputsensitive", "sensitive_content"),
    ("(?:prompt|input|output|response|content|request|message)(?:was)?(?:moderated|flagged)", "moderation"),
    ("moderation(?:blocked|flagged|failed|rejected)", "moderation"),
    ("(?:prompt|response|completion|output)(?:was)?blocked", "content_filter"),
    ("prohibitedcontent", "prohibited_content"),
    ("refusal$", "refusal"),
    ("harmfulcontent|unsafecontent|safetyblock|safetyviolation|safetyfilter|safetychecktype", "safety"),
)
_CODE_PATTERNS = tuple((re.compile(pattern), reason) for pattern, reason in _CODES)
_NOT_A_BLOCK = re.compile(
    "notfound|notconfigured|notenabled|notsupported|unsupported|invalid|missing|unavailable|timeout|timedout|"
    "filtererror|filterfailed|unknown|disabled|required|misconfig|configuration|parameter"
)
"""In a code, what says that the filter itself is at fault, or how it was asked for."""

_CODE_KEYS = frozenset(
    {
        *("code", "type", "status", "reason", "name", "action", "error", "error_code", "errorcode", "error_type"),
        *("errortype", "finish_reason", "finishreason", "stop_reason", "stopreason", "native_finish_reason"),
        *("blockreason", "block_reason", "__type"),
    }
)
_MESSAGE_KEYS = frozenset(
    {
        *("message", "msg", "detail", "details", "error", "error_message", "errormessage", "status_msg", "error_msg"),
        *("title", "description", "raw"),
    }
)
_ECHOES = frozenset({"input", "messages", "prompt", "request", "body", "param", "params", "parameters", "loc", "ctx"})
"""Where servers repeat what they were asked."""
_MAX_DEPTH, _MAX_VALUES, _MAX_CHARACTERS = 8, 2000, 4000

_PHRASES = re.compile(
    r"content[ -]management policy|content[ -]filter(?:ing)? polic|content exists risk|"
    r"content violates usage guidelines|content polic(?:y|ies) violation|"
    r"(?:violat\w{1,5}|against|breach\w{0,3}|under) (?:of )?(?:our |its |the |\w{1,20} ){0,3}"
    r"(?:usage|content|safety|use|moderation|acceptable use) (?:polic(?:y|ies)|guidelines?|rules)|"
    r"(?:blocked|filtered|flagged|rejected|refused|stopped|declined|denied) (?:due to |by |because of |for |as |under )"
    r"(?:\S{1,30} ){0,5}?(?:content|safety|moderation|guardrails?|filter|filters|polic(?:y|ies)|harmful|unsafe|harm|"
    r"inappropriate|sensitive|abuse)|"
    r"(?:may|might|could|potentially)(?: \S{1,20}){0,3} (?:inappropriate|sensitive|harmful|unsafe|prohibited|illegal)"
    r"(?: \S{1,20}){0,2} (?:content|information|data|words?|text)|"
    r"(?:contains?|contained|containing|detected|includes?) (?:\S{1,20} )?"
    r"(?:inappropriate|sensitive|harmful|unsafe|prohibited) (?:content|information|data|words?|text|language)|"
    r"(?:considered|deemed) (?:high[ -]risk|unsafe|harmful|inappropriate)|"
    r"violated guardrail|guardrails? (?:policy )?(?:triggered|intervened|violat\w{1,5}|blocked)|"
    r"(?:our|the) safety (?:system|filters?)|input new_sensitive|output new_sensitive|"
    r"(?:input|prompt|content|output|response|request|message|text|completion) (?:was |has been |is )?flagged|"
    r"(?:prompt|input|output|request|response|content|completion|message) (?:was |has been |is |were )?"
    r"(?:blocked|filtered|moderated) (?:due to (?:security|safety|policy)|by (?:the )?(?:content|safety|filter|guard))|"
    r"不安全或敏感|敏感(?:内容|信息|词)|违规内容|内容安全|不合规|安全审核|存在风险"
)
_OF_THE_CALLER = re.compile(
    r"\b(?:accounts?|organi[sz]ations?|billing|quota|rate limit\w{0,3}|credits?|balance|ip address|country|region|"
    r"subscription|permissions?|not found|does not exist|unknown|unrecogni[sz]ed|unsupported|not supported|must be|"
    r"should be|is required|are required|missing|unexpected|invalid (?:value|type|parameter|format|identifier|config)|"
    r"not a valid|is invalid|maximum context|context length|not enabled|not configured|terms of service|agree to|"
    r"accept the|parameters?|deprecated|logprobs?|unavailable|overloaded|timed out|disabled|unauthori[sz]ed)\b"
)
"""In an error's words, what says that it is about who asks or how, and not about the prompt."""

_EXPLICIT = {
    "contentpolicyviolation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "datainspectionfailed": "sensitive_content",
    "safety_check_type": "safety",
    "guardrail_triggered": "guardrail",
    "guardrail_intervened": "guardrail",
}
"""Codes that gateways wrap into messages, unmistakable whatever else is said."""

_NEVER_BY_WORDS = frozenset({401, 402, 404, 405, 407, 408, 409, 410, 425, 429})
"""Statuses whose words are not looked at: they are about keys, addresses and rates."""


def squash(text: str) -> str:
    """Return a code in lower-case letters only, so that its spelling does not matter."""
    return re.sub("[^a-z0-9]", "", text[:200].lower())


def stop_reason(stop: object) -> str | None:
    """Return why a provider refused, from the reported stop reason.

    Parameters
    ----------
    stop : object
        A ``finish_reason``, ``stop_reason`` or ``finishReason``.

    Returns
    -------
    str or None
        None for any other end.

    Examples
    --------
    >>> stop_reason("content_filter: SAFETY"), stop_reason("FinishReason.RECITATION"), stop_reason("length")
    ('content_filter', 'recitation', None)
    """
    if not isinstance(stop, str):
        return None
    for part in re.split(r"[:.,/|]", stop[:200]):
        word = squash(part).removeprefix("finishreason")
        if word in _STOPS:
            return _STOPS[word]
    return None


def error_reason(body: object, status: int) -> str | None:
    """Return why a provider refused, from the body of an error; None if the error is another.

    Parameters
    ----------
    body : object
        What the JSON of the reply holds, or its text.
    status : int
        The HTTP status; some providers send errors with 200.

    Returns
    -------
    str or None
    """
    messages = []
    for key, value in _walk(body):
        is_code = key in _CODE_KEYS and isinstance(value, str) and value.count(" ") <= 2
        if is_code and (reason := _code_reason(value)):
            return reason
        # A page is by whatever stands between: a firewall, a proxy.
        is_text = isinstance(value, str) and not (not key and value.lstrip().startswith("<"))
        if is_text and (key in _MESSAGE_KEYS or not key):
            messages.append(value)
        elif reason := _flag_reason(key, value):
            return reason
    if status in _NEVER_BY_WORDS:
        return None
    said = " ".join(" ".join(messages)[:_MAX_CHARACTERS].lower().split())
    return _words_reason(said, status)


def is_filtered(annotations: object) -> bool:
    """Whether any category of a filter's annotations, as Azure sends them, says that it filtered."""
    return any(key == "filtered" and value is True for key, value in _walk(annotations))


def _words_reason(said: str, status: int) -> str | None:
    for word, reason in _EXPLICIT.items():
        if word in said:
            return reason
    found = None if status >= 500 or _OF_THE_CALLER.search(said) else _PHRASES.search(said)
    if not found:
        return None
    words = found[0]
    if "guard" in words:
        return "guardrail"
    if "sensitive" in words or "inappropriate" in words or not words.isascii():
        return "sensitive_content"
    is_moderation = ("flagged" in words or "moderation" in words) and "polic" not in said
    return "moderation" if is_moderation else "content_filter"


def _code_reason(code: str) -> str | None:
    word = squash(code)
    if _NOT_A_BLOCK.search(word):
        return None
    if reason := stop_reason(code):
        return reason
    return next((reason for pattern, reason in _CODE_PATTERNS if pattern.search(word)), None)


def _flag_reason(key: str, value: object) -> str | None:
    """Return the reason in a field that is not a code: the result of a filter or a moderation."""
    if key == "filtered" and value is True:
        return "content_filter"
    if key in ("input_sensitive", "output_sensitive") and value is True:
        return "sensitive_content"
    if key in ("flagged_input", "flagged_output") and isinstance(value, str) and value:
        return "moderation"
    if key == "contentfilter" and isinstance(value, list) and value:
        return "content_filter"
    return None


def _walk(body: object) -> Iterator[tuple[str, Any]]:
    """List the fields of a body, names in small letters, outer ones first; not what it repeats of the prompt."""
    layer: list[tuple[str, Any]] = [("", body)]
    n_left = _MAX_VALUES
    for _ in range(_MAX_DEPTH):
        below: list[tuple[str, Any]] = []
        for key, value in layer:
            n_left -= 1
            if n_left < 0:
                return
            yield key, value[:_MAX_CHARACTERS] if isinstance(value, str) else value
            if isinstance(value, Mapping):
                names = ((str(name)[:50].lower(), inner) for name, inner in value.items())
                below += [(name, inner) for name, inner in names if name not in _ECHOES]
            elif isinstance(value, list):
                below += [(key, inner) for inner in value[:_MAX_VALUES]]
        layer = below
