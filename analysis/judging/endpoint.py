"""Calls of an OpenAI-compatible server, with retries.

The calls use aiohttp instead of requests and urllib3's ``Retry``, because the time limit is for the whole call. The
timeout of requests applies to each read from the socket, so a server that sends its headers byte by byte can block a
call for any time. Nor can the pauses of ``Retry`` be interrupted from another thread.
"""

import asyncio
import base64
import email.utils
import json
import os
import re
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from string import ascii_lowercase, ascii_uppercase
from threading import Event
from typing import Any

import aiohttp
import yarl

from refusal_metrics.errors import InputError

from ..display import plain

KEY = "OPENAI_API_KEY"
"""The variable of the environment that holds the server's key."""

_LONGEST_WAIT = 300.0
_LONGEST_REPLY = 1 << 22
_LONGEST_ERROR = 20_000
_SHORTEST_KEY = 6
"""A shorter key is not a secret; parts of a key of at least this length are recognised."""
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
"""A lower-case mapping that keeps the length of a text."""
_REFUSED_KEY = (401, 403)
_PASSING = (408, 429)
_NO_ADDRESS = re.compile(r"[\s#]")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class CallError(Exception):
    """A call that failed permanently.

    Attributes
    ----------
    reason : str
        In a few words, the same for similar failures.
    detail : str
        The server's message.
    of_server : bool
        Whether the server failed, rather than declined this one call.
    """

    def __init__(self, reason: str, detail: str = "", *, of_server: bool = True) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail, self.of_server = reason, detail, of_server


class _PassingError(Exception):
    """A temporary failure, and the waiting time that the server requests."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class Endpoint:
    """An OpenAI-compatible server.

    Parameters
    ----------
    address : str
        Up to and including ``/v1``; with ``?...`` if the server needs it, which no message repeats.
    timeout : float
        Seconds after which a call has failed, from its beginning to the last byte of the reply.
    retries : int
        How often a call is retried after a temporary failure: no connection, no reply in time, a reply that is not
        JSON, HTTP 408, 429 and 5xx.
    backoff : float
        Seconds before the first retry; doubled each time, plus a random delay of up to the same length.

    Raises
    ------
    InputError
        If it is not an address.
    """

    def __init__(self, address: str, *, timeout: float = 120.0, retries: int = 5, backoff: float = 1.0) -> None:
        named, _, self._query = address.partition("?")
        self.address = named.rstrip("/").removesuffix("/chat/completions")
        if "@" in self.address:
            raise InputError(f"judge:...@...: contains a user name or password; set {KEY} in the environment instead")
        try:
            parts = urllib.parse.urlsplit(self.address)
            usable = (
                parts.scheme in ("http", "https")
                and parts.hostname
                and parts.port != 0
                and not _NO_ADDRESS.search(address)
            )
            yarl.URL(self.address)  # which checks host names more strictly
        except ValueError:
            usable = False
        if not usable:
            raise InputError(
                f"judge:{plain(named)[:200]}: is not an address; give one such as judge:http://localhost:8000/v1"
            )
        self._timeout, self._retries, self._backoff = timeout, retries, backoff
        self._key = os.environ.get(KEY, "").strip()
        if not (self._key.isascii() and (self._key.isprintable())):
            raise InputError(f"{KEY}: contains invalid characters; set it again, or unset it")
        self._secrets = _fragments(self._key, *urllib.parse.parse_qs(self._query).values())
        self._proxy = _find_proxy(parts.scheme, parts.hostname or "")

    def models(self) -> list[str]:
        """List the server's models.

        Raises
        ------
        InputError
            If it does not list them.
        """
        try:
            told = self._call("/models", None, Event())
            return [self._hide(str(model["id"])) for model in told["data"]]
        except CallError as error:
            raise self.unreachable(error) from error
        except (KeyError, TypeError) as error:
            raise InputError(f"{self.address}: does not list its models; name one with --judge-model") from error

    def complete(self, body: dict[str, Any], stop: Event) -> str | None:
        """Request a chat completion.

        Parameters
        ----------
        body : dict
            Of the request.
        stop : threading.Event
            Ends all waiting when it is set.

        Returns
        -------
        str or None
            The content of the reply, as it is.

        Raises
        ------
        CallError
            If the call failed.
        InputError
            If all other calls would fail too: the key is rejected, or the address or the model is unknown.
        """
        told = self._call("/chat/completions", json.dumps(body).encode(), stop)
        try:
            content = _text_of(told["choices"][0]["message"]["content"])
        except (KeyError, IndexError, TypeError) as error:
            raise CallError("the reply is not a chat completion") from error
        # A server can repeat the request.
        return content if content is None else self._hide(content)

    def unreachable(self, error: CallError) -> InputError:
        """Build the error for a server that cannot be reached."""
        return InputError(
            f"{self.address}: cannot be reached ({plain(error)}); start the server or fix the address, then run again"
        )

    def _call(self, path: str, data: bytes | None, stop: Event) -> Any:  # noqa: ANN401 - any JSON
        delay = self._backoff
        for attempt in range(self._retries + 1):
            try:
                return self._try(path, data)
            except _PassingError as failure:
                if attempt == self._retries or stop.is_set():
                    raise CallError(failure.reason) from failure
                # A random delay, so that calls that failed together are not retried together.
                chance = 1 + secrets.randbelow(1000) / 1000
                if stop.wait(min(max(delay * chance, failure.wait), _LONGEST_WAIT)):
                    raise CallError(failure.reason) from failure
                delay *= 2
        raise CallError("never tried")

    def _try(self, path: str, data: bytes | None) -> Any:  # noqa: ANN401 - any JSON
        try:
            said = _run(self._send(path, data))
        except TimeoutError as error:
            raise _PassingError("no reply in time") from error
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise _PassingError("no connection") from error
        try:
            return json.loads(said)
        except (ValueError, RecursionError) as error:
            raise _PassingError("the reply is not JSON") from error  # it may be truncated

    async def _send(self, path: str, data: bytes | None) -> bytes:
        """Send one request and read its reply, within the time of the whole call."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        url = self.address + path + (f"?{self._query}" if self._query else "")
        limit = aiohttp.ClientTimeout(total=self._timeout)
        # Compressed replies are not unpacked, because a few bytes can become many. Redirections are not followed,
        # because they would send the key to another server.
        async with (
            aiohttp.ClientSession(timeout=limit, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(
                "GET" if data is None else "POST",
                yarl.URL(url, encoded=True),
                data=data,
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,
            ) as reply,
        ):
            said = bytearray()
            most = _LONGEST_REPLY if reply.status < 300 else _LONGEST_ERROR
            async for chunk in reply.content.iter_chunked(1 << 16):
                said += chunk
                if len(said) > most:
                    break
            if reply.status >= 300:
                raise self._judge(reply.status, reply.headers, bytes(said[:_LONGEST_ERROR]))
            if len(said) > most:
                raise CallError(f"the reply is longer than {_LONGEST_REPLY >> 20} MB")
            return bytes(said)

    def _judge(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        """Raise the error of a status: temporary, permanent, or the same for all calls."""
        if status in _PASSING or status >= 500:
            return _PassingError(f"HTTP {status}", _wait(headers.get("Retry-After")))
        if status in _REFUSED_KEY:
            return InputError(
                f"{self.address}: rejects the key (HTTP {status}); set {KEY} in the environment to one it accepts"
            )
        if status == 404:
            return InputError(
                f"{self.address}: does not know the address or the model (HTTP 404); give the address up to /v1, and "
                "--judge-model one of its models"
            )
        if status < 400:
            return InputError(f"{self.address}: has moved (HTTP {status}); give the address that it moved to")
        said = plain(self._hide(body.decode(errors="replace")))
        return CallError(f"HTTP {status}", said[:200], of_server=False)

    def _hide(self, text: str) -> str:
        """Replace the key, and every part of it that is long enough to be recognised, in a server's message."""
        lowered = text.translate(_LOWER)
        if not any(part in lowered for part in self._secrets):
            return text
        width = len(next(iter(self._secrets)))
        shown, end = [], 0
        for at in range(len(text)):
            if lowered[at : at + width] in self._secrets:
                if at >= end:
                    shown += ["..."]
                end = at + width
            elif at >= end:
                shown.append(text[at])
        return "".join(shown)


def _run(call: Coroutine[Any, Any, bytes]) -> bytes:
    """Run a call to its end, in another thread if this one already runs an event loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()


def _find_proxy(scheme: str, host: str) -> str | None:
    """Return the proxy of the environment, unless the server is on this machine."""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


def _fragments(key: str, *others: list[str]) -> frozenset[str]:
    """List the parts, in lower case, by which a key is recognised in a text, as it is or in base64."""
    found: set[str] = set()
    for secret in (key, *(value for values in others for value in values)):
        if len(secret) < _SHORTEST_KEY:
            continue
        encoded = [base64.b64encode((start + secret).encode()).decode().rstrip("=") for start in ("", ":", "Bearer ")]
        for form in (secret, urllib.parse.quote(secret, safe=""), *encoded):
            found |= {form[at : at + _SHORTEST_KEY].translate(_LOWER) for at in range(len(form) - _SHORTEST_KEY + 1)}
    return frozenset(found)


def _text_of(content: object) -> str | None:
    """Return the content of a message; of a list of parts, those that are text, because others may be thoughts."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part["text"] for part in content if part.get("type") in ("text", "output_text")]
        return "".join(texts)
    raise TypeError


def _wait(header: str | None) -> float:
    """Read Retry-After: seconds, or a date."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
