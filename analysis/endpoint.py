"""Calls of an OpenAI-compatible server, tried again where that may help."""

import email.utils
import http.client
import json
import os
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from threading import Event
from typing import Any

from refusal_metrics.errors import InputError

from .values import plain

KEY = "OPENAI_API_KEY"
"""The variable of the environment that holds the server's key."""

_LONGEST_WAIT = 300.0
_LONGEST_REPLY = 1 << 22
_REFUSED_KEY = (401, 403)
_PASSING = (408, 429)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class CallError(Exception):
    """A call that failed for good.

    Attributes
    ----------
    reason : str
        In a few words, the same for like failures.
    detail : str
        What the server said besides.
    of_server : bool
        Whether it is the server that fails, and not this one call that it declines.
    """

    def __init__(self, reason: str, detail: str = "", *, of_server: bool = True) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail, self.of_server = reason, detail, of_server


class _PassingError(Exception):
    """A failure that may pass, and how long the server asks to wait."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, which would take the key to another server."""

    def redirect_request(self, *_: object) -> None:
        """Give no request, so that the redirection is an error."""


class Endpoint:
    """An OpenAI-compatible server.

    Parameters
    ----------
    address : str
        Up to and with ``/v1``.
    timeout : float
        Seconds of silence after which a call has failed.
    retries : int
        How often a call is tried again after a failure that may pass: no connection, silence,
        a reply that is no JSON, HTTP 408, 429 and 5xx.
    backoff : float
        Seconds before the first retry; each time twice as many, and up to as many again by chance.

    Raises
    ------
    InputError
        If it is no address.
    """

    def __init__(self, address: str, *, timeout: float = 120.0, retries: int = 5, backoff: float = 1.0) -> None:
        self.address = address.rstrip("/").removesuffix("/chat/completions")
        if "@" in self.address:
            raise InputError(f"judge:...@...: holds a name or password; set {KEY} in the environment instead")
        try:
            parts = urllib.parse.urlsplit(self.address)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InputError(f"judge:{address}: is no address; give one such as judge:http://localhost:8000/v1")
        self._timeout, self._retries, self._backoff = timeout, retries, backoff
        self._key = os.environ.get(KEY, "").strip()
        if not (self._key.isascii() and (self._key.isprintable())):
            raise InputError(f"{KEY}: holds characters that no key has; set it anew, or unset it")
        # A proxy of the environment cannot reach a server on this machine.
        near = [urllib.request.ProxyHandler({})] if parts.hostname in _LOOPBACK else []
        self._opener = urllib.request.build_opener(_NoRedirects, *near)

    def models(self) -> list[str]:
        """List the server's models.

        Raises
        ------
        InputError
            If it does not say.
        """
        try:
            told = self._call("/models", None, Event())
            return [str(model["id"]) for model in told["data"]]
        except CallError as error:
            raise self.unreachable(error) from error
        except (KeyError, TypeError) as error:
            raise InputError(f"{self.address}: does not list its models; name one with --judge-model") from error

    def complete(self, body: dict[str, Any], stop: Event) -> str | None:
        """Ask for a chat completion.

        Parameters
        ----------
        body : dict
            Of the request.
        stop : threading.Event
            Ends all waiting once it is set.

        Returns
        -------
        str or None
            The content of the reply, as it is.

        Raises
        ------
        CallError
            If the call failed.
        InputError
            If all other calls would fail too: the key is refused, the address or the model unknown.
        """
        told = self._call("/chat/completions", json.dumps(body).encode(), stop)
        try:
            content = told["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise CallError("what came back is no chat completion") from error
        if content is not None and not isinstance(content, str):
            raise CallError("what came back is no chat completion")
        return content

    def unreachable(self, error: CallError) -> InputError:
        """Say that nothing can be had from the server."""
        return InputError(
            f"{self.address}: cannot be asked ({plain(error)}); start the server or correct the address, then run again"
        )

    def _call(self, path: str, data: bytes | None, stop: Event) -> Any:  # noqa: ANN401 - any JSON
        delay = self._backoff
        for attempt in range(self._retries + 1):
            try:
                return self._try(path, data)
            except _PassingError as failure:
                if attempt == self._retries or stop.is_set():
                    raise CallError(failure.reason) from failure
                # By chance, so that calls that failed together do not come back together.
                chance = 1 + secrets.randbelow(1000) / 1000
                if stop.wait(min(max(delay * chance, failure.wait), _LONGEST_WAIT)):
                    raise CallError(failure.reason) from failure
                delay *= 2
        raise CallError("never tried")

    def _try(self, path: str, data: bytes | None) -> Any:  # noqa: ANN401 - any JSON
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        request = urllib.request.Request(self.address + path, data, headers)  # noqa: S310 - http or https, see above
        try:
            with self._opener.open(request, timeout=self._timeout) as reply:
                said = reply.read(_LONGEST_REPLY)
        except urllib.error.HTTPError as error:
            with error:
                raise self._judge(error) from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            silent = isinstance(cause, TimeoutError)
            raise _PassingError("no reply in time" if silent else "no connection") from error
        try:
            return json.loads(said)
        except ValueError as error:
            raise _PassingError("what came back is no JSON") from error  # it may have been cut off

    def _judge(self, error: urllib.error.HTTPError) -> Exception:
        """Tell what may pass from what will fail again, and from what fails for all."""
        if error.code in _PASSING or error.code >= 500:
            return _PassingError(f"HTTP {error.code}", _wait(error.headers.get("Retry-After")))
        if error.code in _REFUSED_KEY:
            return InputError(
                f"{self.address}: refuses the key (HTTP {error.code}); set {KEY} in the environment to one it accepts"
            )
        if error.code == 404:
            return InputError(
                f"{self.address}: knows no such address or model (HTTP 404); give the address up to /v1, and "
                "--judge-model one of its models"
            )
        if error.code < 400:
            return InputError(f"{self.address}: has moved (HTTP {error.code}); give the address that it moved to")
        try:
            said = error.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            said = ""
        # A server may repeat what it was sent.
        said = said.replace(self._key, "...") if self._key else said
        return CallError(f"HTTP {error.code}", plain(said)[:200], of_server=False)


def _wait(header: str | None) -> float:
    """Read Retry-After: seconds, or a date."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
