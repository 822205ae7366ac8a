"""Keep keys and passwords of a study out of everything that is shown or written.

Only model arguments on an allow-list are recorded (`studies.model_args`). This is the second barrier: texts from
elsewhere (exceptions, servers that repeat a header, engines that print their arguments) are searched for the values
themselves, in every encoding in which they are sent.
"""

import base64
import json
import os
import re
import string
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from refusal_metrics.studies.model_args import is_secret, recordable

HIDDEN = "***"
_SHORTEST = 6
"""Characters; a shorter value is no secret, and would be found everywhere."""
_HEAD = 8
"""The number of characters by which a longer value is recognised, because messages can be truncated anywhere."""
_ENVIRONMENT = re.compile(
    r"(?i)(api_?key|(^|_)token|secret|passw(or)?d|credentials?|access_key(_id)?|_key|_pat|_auth|cookie)$"
    r"|^(azure|aws)_(?!.*(region|endpoint|version|url|profile|deployment|name|file|dir|output)$)"
)
_NO_SECRETS = frozenset(
    {
        *("bearer", "basic", "digest", "apikey", "api-key", "negotiate", "authorization", "x-api-key", "content-type"),
        *("application/json", "text/plain", "application", "localhost", "default", "enabled", "disabled", "chat"),
        *("persona", "refusal", "offensive", "polite", "impolite", "neutral", "entailment", "contradiction"),
    }
)
_WORDS = re.compile(r"[a-z]{0,15}([ _/.-][a-z]{0,15})*|\d{1,9}")
_PROSE = re.compile(r"[A-Za-z][a-z']{0,15}( [A-Za-z]?[a-z']{0,15})*[.!?]?|\d{1,9}")
"""Words as answers have them. Keys have digits, capitals inside, or are joined by other characters than spaces."""
_CODED = r"[A-Za-z0-9._~+/=-]{6,}"
_KNOWN_SHAPES = tuple(
    (re.compile(shape), instead)
    for shape, instead in (
        (rf"(?i)\b(bearer)\s{{1,9}}{_CODED}", rf"\1 {HIDDEN}"),
        (
            rf"(?i)(authorization['\"]?\s{{0,9}}[:=]\s{{0,9}}['\"]?(basic|token|digest)?)\s{{0,9}}{_CODED}",
            rf"\1 {HIDDEN}",
        ),
        (
            r"(?i)([?&]((api|access|sub\w+)[_-]?)?(key|token|sig|signature|password|secret)=)[^&\s'\"<>]+",
            rf"\1{HIDDEN}",
        ),
        (r"(?i)([a-z][a-z0-9+.-]{1,20}://)[^\s/@'\"<>]{1,500}@", rf"\1{HIDDEN}@"),
        (r"\b((sk|pk|rk|glpat|nvapi)-|(ghp|gho|hf|gsk)_)[A-Za-z0-9_-]{20,}", rf"\1{HIDDEN}"),
    )
)
"""What is a key wherever it stands, also one that the harness read from a place unknown here."""


class Redactor:
    """Replaces the secrets of a study by ``***``.

    Parameters
    ----------
    secrets : iterable of str
        Values; those shorter than 6 characters are no secrets.
    words : bool
        Whether a plain word is hidden that is the beginning of a secret, as of one that was cut off.

    Examples
    --------
    >>> Redactor(["SECRETKEY"]).clean("401 for https://host/v1?key=SECRETKEY")
    '401 for https://host/v1?key=***'
    """

    def __init__(self, secrets: Iterable[str], *, words: bool = True) -> None:
        self._words = words
        forms = {form for secret in secrets if _is_secret(secret) for form in _forms(secret)}
        self._forms: dict[str, list[str]] = {}
        for form in sorted(forms, key=len, reverse=True):
            self._forms.setdefault(_lower(form)[:_HEAD], []).append(_lower(form))
        heads = sorted(self._forms, key=len, reverse=True)
        self._heads = re.compile("|".join(map(re.escape, heads))) if heads else None
        self._sizes = set(map(len, forms))
        self.longest = max(map(len, forms), default=0)
        """Characters of the longest form."""

    def clean(self, text: str) -> str:
        """Replace each secret, whole or cut off after 8 characters or more.

        Parameters
        ----------
        text : str

        Returns
        -------
        str
        """
        text = self.hide(text)
        for shape, instead in _KNOWN_SHAPES:
            text = shape.sub(instead, text)
        return text

    def hide(self, text: str) -> str:
        """Replace the secrets that are known and nothing else, as in answers, which may speak of keys.

        Parameters
        ----------
        text : str

        Returns
        -------
        str
        """
        if self._heads is None:
            return text
        parts, at, lower = [], 0, _lower(text)
        for found in self._heads.finditer(lower):
            start = found.start()
            if start < at:
                continue
            size = max(_n_equal(form, lower, start) for form in self._forms[found[0]])
            if not self._words and size not in self._sizes and _PROSE.fullmatch(text[start : start + size].strip()):
                continue
            parts += [text[at:start], HIDDEN]
            at = start + size
        return "".join([*parts, text[at:]])

    def clean_lines(self, content: bytes) -> bytes:
        """Replace secrets in bytes, which need not be text.

        Parameters
        ----------
        content : bytes

        Returns
        -------
        bytes
        """
        return self.clean(content.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")


def redactor_of(
    args: Iterable[Mapping[str, Any]], environment: Mapping[str, str] | None = None, *, words: bool = True
) -> Redactor:
    """Collect the secrets of models and of the environment.

    Parameters
    ----------
    args : iterable of mapping
        Of each model, what ``--model_args`` takes.
    environment : mapping, optional
        The process's where none is given.
    words : bool
        Whether plain words are hidden too where a key is expected; not in answers, which have words.

    Returns
    -------
    Redactor
    """
    secrets = [secret for given in args for secret in _of_args(given, "", is_recorded=True)]
    for name, value in (os.environ if environment is None else environment).items():
        if _ENVIRONMENT.search(name):
            secrets += _of_value(value)
        elif "://" in value and "@" in value:
            secrets += _of_address(value)
    return Redactor((secret for secret in secrets if words or not _PROSE.fullmatch(secret)), words=words)


def _of_args(given: object, name: str, *, is_recorded: bool) -> Iterator[str]:
    """Return what is secret of arguments: of those that may be recorded, what addresses hold; of others, all."""
    if isinstance(given, Mapping):
        for inner, value in given.items():
            # What is inside a header is as secret as the header.
            whose = name if is_secret(name) else str(inner)
            yield from _of_args(value, whose, is_recorded=is_recorded and recordable(str(inner)))
    elif isinstance(given, list | tuple):
        for value in given:
            yield from _of_args(value, name, is_recorded=is_recorded)
    elif isinstance(given, str) and is_recorded:
        yield from _of_address(given)
    # A plain word is hidden only where a key is expected, or every sentence would have holes.
    elif not isinstance(given, bool | float | None) and (is_secret(name) or not _WORDS.fullmatch(str(given))):
        yield from _of_value(str(given))


def _of_value(value: str) -> Iterator[str]:
    """Return a value, its words, and what is in an address or in an encoded pair of user and password."""
    yield value.strip()
    for part in re.split(r"[\s;,]+", value):
        word = part.strip("'\"")
        yield word
        if (decoded := _decoded(word)) and ":" in decoded:
            yield from (decoded, decoded.partition(":")[2])
        name, equals, rest = word.partition("=")
        if equals and name.isidentifier():
            yield rest
    yield from _of_address(value)


def _decoded(word: str) -> str:
    """Decode base64, as of a user and password; empty where it is none."""
    with suppress(ValueError):
        return base64.b64decode(word, validate=True).decode("ascii")
    return ""


def _of_address(value: str) -> Iterator[str]:
    """Return what is secret in an address: user, password, query, fragment."""
    if not ("://" in value or "@" in value or "?" in value):
        return
    rest = value.partition("://")[2] or value
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    if "@" in rest:
        userinfo = rest.split("/", 1)[0].rpartition("@")[0] or rest.rpartition("@")[0]
        user, _, password = userinfo.partition(":")
        for part in (userinfo, password or user):
            yield part
            yield urllib.parse.unquote(part)
    for pair in query.split("&"):
        given = pair.partition("=")[2] or pair
        yield given
        yield urllib.parse.unquote_plus(given)
    yield fragment


def _is_secret(value: str) -> bool:
    return len(value) >= _SHORTEST and value.lower() not in _NO_SECRETS and bool(value.strip("*"))


def _forms(secret: str) -> Iterator[str]:
    """Return the forms in which a value travels: as it is, in addresses, JSON, representations, and base64."""
    secret = re.sub(r"(?i)^[a-z][a-z0-9+.-]*://", "", secret)
    if len(secret) < _SHORTEST:
        return
    content = secret.encode("utf-8", errors="surrogatepass")
    yield from (secret, content.hex())
    yield from (urllib.parse.quote(content, safe=safe) for safe in ("", "/", "/:@!$&'()*+,;="))
    yield urllib.parse.quote_plus(content)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    # What a longer text has of it in base64: at three places of its three bytes, without the ends that others share.
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        inner = coded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        if len(inner) >= _HEAD:
            yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _n_equal(form: str, text: str, start: int) -> int:
    """Count the characters that a text has of a form from a place on."""
    if text.startswith(form, start):
        return len(form)
    part = text[start : start + len(form)]
    return next((i for i, (a, b) in enumerate(zip(part, form, strict=False)) if a != b), len(part))


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _lower(text: str) -> str:
    """Write ASCII letters in lower case; the length stays, which that of other letters need not."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
