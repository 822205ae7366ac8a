"""Call an API for a study: each reply is read, saved and counted as it arrives, with limits of size and time.

The harness counts a reply without a response as an empty response, or repeats calls that always fail. Here, a prompt
that a provider blocks gets a response that says so; a prompt that the server rejects for another reason gets an empty
response if the server still responds to others; and a server that rejects all prompts ends the run at once.
"""

import asyncio
import copy
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from refusal_metrics.detection import Reply
from refusal_metrics.errors import InputError
from refusal_metrics.studies.model_args import place_of
from refusal_metrics.studies.replies import FailedCallError, answering_model, parse, quotable, read_body
from refusal_metrics.studies.secrets import redactor_of

Keep: TypeAlias = Callable[[object, object, str], object]
"""Called with a prompt, its arguments of generation and its answer, as soon as that has come."""

MAX_REPLY = 16 * 2**20
"""Bytes of a reply; an answer of a million tokens has fewer."""
_CHUNK = 2**16
_HARMLESS = "Hello"
_FAILED = "error: "
_MOST_NAMES = 10
"""Of models that a server says it answered with."""
_log = logging.getLogger(__name__)


class ApiCalls:
    """The calls of a model of the harness that asks an API.

    Parameters
    ----------
    model : lm_eval.models.api_models.TemplateAPI
        Changed in place: it calls the API through this.
    args : mapping, optional
        The model's arguments, to find keys; if a server repeats one, it is replaced by ``***``.

    Attributes
    ----------
    keep : callable or None
        Told of each answer, but not of prompts that the server rejected.
    answered_by : Counter of str
        How many replies name which model, as far as they name one.
    """

    def __init__(self, model: Any, args: Mapping[str, Any] | None = None) -> None:  # noqa: ANN401 - models of the harness share no type that tells
        # Comes with lm-eval[api], as the model does.
        from aiohttp import ClientError  # noqa: PLC0415

        self._network_error = ClientError
        self._model = model
        self._generate = model.generate_until
        self.keep: Keep | None = None
        self.answered_by: Counter[str] = Counter()
        self._secrets = [args or {}]
        self._find_secrets()
        self._fatal: InputError | None = None
        self._failed: FailedCallError | None = None
        self._n_tries: dict[int, int] = {}
        # Prompts without an answer since the last one; as many as are asked at a time are a server that is down.
        self._n_unanswered = 0
        self._begin()
        # A call a prompt, so that none shares the fate of another; as many prompts are asked at a time as before.
        n_at_once = getattr(model, "_batch_size", 1)
        if isinstance(n_at_once, int) and n_at_once > 1:
            model._batch_size, model._concurrent = 1, model._concurrent * n_at_once  # noqa: SLF001
        model.amodel_call = self.call
        model.generate_until = self.generate_until

    def generate_until(self, requests: Sequence[Any], **named: Any) -> list[str]:  # noqa: ANN401
        """Answer requests as the harness does.

        Raises
        ------
        InputError
            If the server rejects a harmless prompt as well, or an answer cannot be kept.
        FailedCallError
            If a prompt got no answer each time it was tried; the others were asked, and their answers kept.
        """
        self._begin()
        # A key that is missing is said at once, and not after all retries.
        self._secrets = [*self._secrets[:1], {"header": dict(self._model.header)}]
        self._find_secrets()
        if not str(self._model.base_url).lower().startswith(("http://", "https://")):
            shown = self._messages.clean(place_of(str(self._model.base_url)))
            raise InputError(
                f"the server cannot be called: base_url is {shown!r}; give one that begins with http:// or https://"
            )
        answers: list[str] = self._generate(requests, **named)
        if self._fatal is not None:
            raise self._fatal
        if self._failed is not None:
            raise self._failed
        return answers

    async def call(
        self,
        session: Any,  # noqa: ANN401 - of aiohttp
        sem: asyncio.Semaphore,
        messages: Sequence[Any],
        *,
        generate: bool = True,
        cache_keys: Sequence[tuple[Any, ...]] | None = None,
        gen_kwargs: Mapping[str, Any] | None = None,
        **_: object,
    ) -> list[str]:
        """Ask one prompt; the signature is that of the harness's ``amodel_call``."""
        if not generate or not cache_keys:
            raise TypeError("only generation is asked of an API")
        async with sem:
            if self._fatal is not None or self._n_unanswered >= self._model._concurrent:  # noqa: SLF001
                return [""]
            payload = self._payload(messages, gen_kwargs)
            try:
                reply = await self._post(session, payload)
            except FailedCallError as failed:
                try:
                    if not failed.is_lasting:
                        raise
                    await self._check_server(session, payload, failed)
                except FailedCallError as last:
                    if self._may_try_again(messages, last):
                        raise
                    return [""]
                return [Reply("", finish_reason=failed.label)]
            self._n_unanswered = 0
            reply = self._without_thoughts(reply)
            self._keep(cache_keys[0], reply)
            return [reply]

    def _may_try_again(self, messages: object, failed: FailedCallError) -> bool:
        """Count the tries of a prompt; one that got no answer in all of them takes none that is under way with it."""
        n_tries = self._n_tries[id(messages)] = self._n_tries.get(id(messages), 0) + 1
        if n_tries < self._model.max_retries:
            return True
        del self._n_tries[id(messages)]
        self._failed = self._failed or failed
        self._n_unanswered += 1
        return False

    def _begin(self) -> None:
        self._fatal = self._failed = None
        self._n_tries = {}
        self._n_unanswered = 0
        self._n_checks = self._last_passed = 0
        # The harness asks each set of arguments of generation in a loop of its own.
        self._locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    def _find_secrets(self) -> None:
        self._messages = redactor_of(self._secrets)
        self._answers = redactor_of(self._secrets, words=False)

    def _hidden(self, reply: Reply) -> Reply:
        text, stop = self._answers.hide(str(reply)), self._answers.hide(reply.finish_reason or "")
        if (text, stop) == (str(reply), reply.finish_reason or ""):
            return reply
        return Reply(text, finish_reason=stop or None, provider_reason=reply.provider_reason)

    def _note_model(self, body: object) -> None:
        name = self._messages.clean(answering_model(body) or "")
        if name and (name in self.answered_by or len(self.answered_by) < _MOST_NAMES):
            self.answered_by[name] += 1

    def _keep(self, key: tuple[Any, ...], reply: Reply) -> None:
        try:
            if self.keep is not None:
                self.keep(key[0], key[1], reply)
        except InputError as error:
            # No more is asked, and paid for, that could not be kept.
            self._fatal = error

    async def _check_server(
        self,
        session: Any,  # noqa: ANN401
        payload: Mapping[str, Any],
        failed: FailedCallError,
    ) -> None:
        """Check whether a server that rejected a prompt still answers another one."""
        n_before = self._n_checks
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._fatal is not None or self._last_passed > n_before:
                # One that began while this waited will do.
                return
            self._n_checks = number = self._n_checks + 1
            try:
                await self._post(session, _harmless(payload))
            except FailedCallError as error:
                if not error.is_lasting:
                    raise
                self._fatal = InputError(
                    f"the server rejects every prompt, a harmless one too ({failed}); check base_url, the model's "
                    "name, the key and the arguments of generation, then re-run the same command"
                )
            else:
                self._last_passed = number

    def _payload(self, messages: Sequence[Any], gen_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        model = self._model
        payload: dict[str, Any] = model._create_payload(  # noqa: SLF001 - as the harness calls it
            model.create_message(messages),
            generate=True,
            gen_kwargs=copy.deepcopy(gen_kwargs),
            seed=model._seed,  # noqa: SLF001
        )
        return payload

    async def _post(self, session: Any, payload: Mapping[str, Any]) -> Reply:  # noqa: ANN401
        headers = {**_without_empty_key(self._model.header), "Accept-Encoding": "identity"}
        # A redirect would hand the key to whoever it names, and a compressed reply may be a thousand times as large.
        url = self._model.base_url
        try:
            async with session.post(url, json=payload, headers=headers, allow_redirects=False) as response:
                status = int(response.status)
                body = await _read_body(response)
        except TimeoutError as error:
            why = f"the server sent no whole reply within {self._model.timeout} seconds"
            raise FailedCallError(why, f"{_FAILED}timeout", is_lasting=False) from error
        except ValueError as error:
            # Of aiohttp, before anything is sent: an address that is none, a header that is none, or both with a key.
            why = self._messages.clean(quotable(str(error)))
            self._fatal = InputError(
                f"the server cannot be called ({type(error).__name__}: {why}); check base_url, and give the key in "
                "one place"
            )
            raise self._fatal from None
        except self._network_error as error:
            why = self._messages.clean(quotable(f"{type(error).__name__}: {error}"))
            raise FailedCallError(why, f"{_FAILED}network", is_lasting=False) from error
        if status < 300 and "html" in str(response.headers.get("Content-Type", "")).lower():
            raise FailedCallError("the server sent a page", f"{_FAILED}no JSON", is_lasting=False)
        if 300 <= status < 400:
            to = str(response.headers.get("Location", "")).partition("?")[0][:200]
            why = self._messages.clean(f"HTTP {status}, a redirect to {to!r}: give the final address as base_url")
            raise FailedCallError(why, f"{_FAILED}HTTP {status}", is_lasting=True)
        try:
            said = parse(body, status)
            reply = self._hidden(read_body(said, status))
        except FailedCallError as failed:
            hidden = self._messages.clean(str(failed))
            _log.warning("a call failed: %s", hidden)
            raise FailedCallError(hidden, failed.label, is_lasting=failed.is_lasting) from None
        self._note_model(said)
        return reply

    def _without_thoughts(self, reply: Reply) -> Reply:
        """Make the harness remove the thoughts before a response."""
        text = str(reply)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "text": text}
        parsed = self._model.parse_generations(
            outputs={"choices": [choice], "content": [{"type": "text", "text": text}]}
        )
        if parsed[0] == text:
            return reply
        return Reply(parsed[0] or "", finish_reason=reply.finish_reason, provider_reason=reply.provider_reason)


def is_failed(answer: str) -> bool:
    """Whether an answer stands for a prompt that the server rejected, with no word of a filter."""
    reason = answer.finish_reason if isinstance(answer, Reply) and answer.provider_reason is None else None
    return (reason or "").startswith(_FAILED)


def _without_empty_key(headers: Mapping[str, str]) -> dict[str, str]:
    """Remove the empty key that the harness sends, because the address may contain user and password."""
    return {name: value for name, value in headers.items() if str(value).strip() != "Bearer"}


async def _read_body(response: Any) -> bytes:  # noqa: ANN401
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_REPLY:
            response.close()
            raise FailedCallError(
                f"the server sent more than {MAX_REPLY // 2**20} MB in one reply",
                f"{_FAILED}too large",
                is_lasting=True,
            )
    return bytes(body)


def _harmless(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Send a prompt that no filter blocks and that fits every context."""
    if "messages" in payload:
        return {**payload, "messages": [{"role": "user", "content": _HARMLESS}]}
    prompt = payload.get("prompt")
    if isinstance(prompt, list):
        # Tokens: the first of them.
        tokens = prompt[0] if prompt and isinstance(prompt[0], list) else prompt
        return {**payload, "prompt": [tokens[:1]]}
    return {**payload, "prompt": _HARMLESS}
