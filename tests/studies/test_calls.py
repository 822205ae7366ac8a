"""Calls of an API in a study: what is asked how often, what it costs others, and where it ends."""

import base64
import importlib.util
import json
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from lm_eval.api.registry import get_model
from lm_eval.models import api_models
from tenacity import wait_none

from refusal_metrics.detection import Reply
from refusal_metrics.errors import InputError
from refusal_metrics.studies import calls
from refusal_metrics.studies.calls import ApiCalls, is_failed
from refusal_metrics.studies.journal import Journal
from refusal_metrics.studies.once_per_prompt import OncePerPrompt
from refusal_metrics.studies.replies import FailedCallError

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).parents[1] / "chat_server.py")
chat = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat)

HOW = {"until": [], "do_sample": False, "max_gen_toks": 8}
FILTERED = (400, {}, chat.Body(error={"code": "content_filter", "message": "filtered"}))
TOO_LONG = (400, {}, chat.Body(error={"code": "context_length_exceeded", "message": "maximum context length is 8"}))
BAD_KEY = (401, {}, chat.Body(error={"message": "Incorrect API key provided: sk-secret-123"}))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Let the harness try failed calls again without waiting."""
    monkeypatch.setattr(api_models, "wait_exponential", lambda **_: wait_none())


def make_model(server, backend="local-chat-completions", **args):
    given = {"model": "m", "base_url": f"{server.address}/chat/completions", "num_concurrent": 4, "max_retries": 3}
    given |= {"tokenized_requests": False, "tokenizer_backend": None, "timeout": 20} | args
    model = get_model(backend).create_from_arg_obj(given, {"batch_size": args.pop("batch_size", 1)})
    return OncePerPrompt(model, ApiCalls(model, given))


def requests(*prompts, is_chat=True):
    def write(prompt):
        return api_models.JsonChatStr(json.dumps([{"role": "user", "content": prompt}])) if is_chat else prompt

    return [SimpleNamespace(args=(write(prompt), HOW)) for prompt in prompts]


def ask(server, *prompts, journal=None, is_chat=True, **args):
    model = make_model(server, **args)
    model.journal = journal
    return model.generate_until(requests(*prompts, is_chat=is_chat))


def envelopes(answers):
    return [(str(answer), answer.finish_reason, answer.provider_reason) for answer in answers]


# One prompt.


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (FILTERED, ("", "content_filter", "content_filter")),
        ((403, {}, chat.Body(error={"message": "Your input was flagged"})), ("", "content_filter", "moderation")),
        ((451, {}, chat.Body(error={"code": "sensitive_words_detected"})), ("", "content_filter", "sensitive_content")),
        ((500, {}, chat.Body(error={"code": "content_filter"})), ("", "content_filter", "content_filter")),
        (TOO_LONG, ("", "error: HTTP 400 (context length)", None)),
        ((400, {}, chat.Body(error="odd")), ("", "error: HTTP 400", None)),
        ((403, {"Content-Type": "text/html"}, "denied"), ("", "error: HTTP 403", None)),
        ((404, {}, chat.Body(detail="no")), ("", "error: HTTP 404", None)),
        ((413, {}, chat.Body(error="too large")), ("", "error: HTTP 413", None)),
        ((422, {}, chat.Body(detail=[{"msg": "no", "input": "content filter"}])), ("", "error: HTTP 422", None)),
        ((307, {"Location": "http://127.0.0.1:9/"}, "moved"), ("", "error: HTTP 307", None)),
        (chat.Body(choices=[{"message": {"content": None, "refusal": "No."}}]), ("No.", None, "refusal")),
        (
            chat.Body(choices=[{"message": {}, "finish_reason": "content_filter"}]),
            ("", "content_filter", "content_filter"),
        ),
    ],
)
def test_a_prompt_that_is_blocked_or_rejected_costs_itself_alone_and_is_asked_once(told, wanted):
    with chat.serving(lambda prompt, _: told if prompt == "bad" else prompt.upper()) as server:
        answers = ask(server, "a", "bad", "c", "d")
    assert envelopes(answers) == [("A", None, None), wanted, ("C", None, None), ("D", None, None)]
    # A server that rejects is asked something harmless where no other prompt was answered meanwhile.
    assert server.n_asked.pop("Hello", 0) <= 1
    assert server.n_asked == dict.fromkeys(["a", "bad", "c", "d"], 1)
    assert [is_failed(answer) for answer in answers] == [
        False,
        wanted[1] != "content_filter" and wanted[2] is None,
        False,
        False,
    ]


@pytest.mark.parametrize("n_prompts", [1, 3, 40])
def test_prompts_that_are_all_rejected_are_answers_where_a_harmless_one_is_answered(n_prompts):
    with chat.serving(lambda prompt, _: "Hi" if prompt == "Hello" else TOO_LONG) as server:
        answers = ask(server, *map(str, range(n_prompts)))
    assert {answer.finish_reason for answer in answers} == {"error: HTTP 400 (context length)"}
    assert all(server.n_asked[str(i)] == 1 for i in range(n_prompts))


@pytest.mark.parametrize("told", [BAD_KEY, (404, {}, chat.Body(error={"code": "model_not_found"})), TOO_LONG])
def test_a_server_that_rejects_all_prompts_ends_the_run_at_once_with_a_sentence(told):
    with chat.serving(lambda *_: told) as server:  # noqa: SIM117 - too long for one
        with pytest.raises(InputError, match=r"^the server rejects every prompt, a harmless one too ") as stopped:
            ask(server, *map(str, range(200)), auth_token="sk-secret-123")
    assert "check base_url, the model's name, the key" in str(stopped.value)
    # Those that were under way, and the harmless one.
    assert sum(server.n_asked.values()) <= 4 + 1


def test_a_key_that_ends_in_the_middle_lets_nothing_be_taken_for_an_empty_answer(tmp_path):
    n_asked = Counter()

    def reply(prompt, _):
        n_asked[prompt] += 1
        return BAD_KEY if sum(n_asked.values()) > 10 else prompt

    with chat.serving(reply) as server:
        prompts = [f"{i:02}" for i in range(30)]
        with Journal(tmp_path / "j", "m") as journal, pytest.raises(InputError, match="rejects every prompt"):
            ask(server, *prompts, journal=journal)
        before = dict(n_asked)
        server.replies = lambda prompt, _: n_asked.update([prompt]) or prompt
        with Journal(tmp_path / "j", "m") as journal:
            assert journal.n_found == 10
            assert ask(server, *prompts, journal=journal) == prompts
    again = [prompt for prompt in before if n_asked[prompt] > before[prompt]]
    # Only what was rejected is asked again.
    assert len(again) <= 4
    assert sum(n_asked[prompt] for prompt in prompts) == 30 + len(again)


def test_the_key_is_in_no_message_though_the_server_sends_it_back(monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    with chat.serving(lambda *_: BAD_KEY) as server, pytest.raises(InputError) as stopped:
        ask(server, "a")
    assert "Incorrect API key provided: ***" in str(stopped.value)
    assert "sk-secret-123" not in str(stopped.value) + caplog.text


# What a server repeats of a call.

KEY = "sk-Ab1-secret-123"


@pytest.mark.parametrize(
    "echo",
    [
        f"Your header was Authorization: Bearer {KEY}.",
        f"key={KEY}&x=1",
        KEY.upper(),
        json.dumps({"key": KEY}),
        base64.b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
        f"{KEY[:12]}...",
        "me:Pa%2Fss-77x",
        f"1) Offensive. {KEY}{KEY}",
    ],
)
@pytest.mark.parametrize("place", ["content", "refusal", "stop", "parts", "escaped"])
def test_an_answer_that_repeats_a_key_is_kept_without_it(monkeypatch, tmp_path, echo, place):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    message = {
        "content": {"content": echo},
        "refusal": {"content": None, "refusal": echo},
        "stop": {"content": "1"},
        "parts": {"content": [{"type": "text", "text": echo}]},
        "escaped": {"content": "@"},
    }[place]
    body = {"choices": [{"message": message, "finish_reason": echo if place == "stop" else "stop"}]}
    escaped = "".join(f"\\u{ord(c):04x}" for c in echo)
    told = chat.Raw(json.dumps(body).replace("@", escaped).encode())
    with chat.serving(lambda *_: told) as server, Journal(tmp_path / "j", "m") as journal:
        given = {"base_url": f"http://me:Pa%2Fss-77x@127.0.0.1:{server.server_port}/v1"} if "Pa%" in echo else {}
        if given:
            monkeypatch.delenv("OPENAI_API_KEY")
        (answer,) = ask(server, "a", journal=journal, **given)
    kept = (tmp_path / "j").read_text()
    shown = f"{answer} {answer.finish_reason} {kept}".lower()
    assert "***" in shown
    for form in (KEY, base64.b64encode(KEY.encode()).decode(), KEY.encode().hex(), KEY[:12], "Pa%2Fss-77x"):
        assert form.lower() not in shown


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://127.0.0.1/v1", "127.0.0.1/v1", "http://", "http://a:b:c/", "http://me:Pa-77xyz@{}/"],
)
def test_an_address_that_cannot_be_called_ends_the_run_at_once(monkeypatch, address):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with chat.serving(lambda *_: "1") as server, pytest.raises(InputError) as stopped:
        ask(server, *map(str, range(9)), base_url=address.format(f"127.0.0.1:{server.server_port}"))
    assert str(stopped.value).startswith("the server cannot be called")
    assert "Pa-77xyz" not in str(stopped.value)
    assert server.seen == []


def test_the_user_and_password_of_an_address_reach_the_server(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with chat.serving(lambda *_: "1") as server:
        assert ask(server, "a", base_url=f"http://me:Pa-77xyz@127.0.0.1:{server.server_port}/v1") == ["1"]
    assert server.seen[0]["key"] == f"Basic {base64.b64encode(b'me:Pa-77xyz').decode()}"


@pytest.mark.parametrize("answer", ["Offensive.", "Not offensive", "I cannot say; ask for a token or a password.", "1"])
@pytest.mark.parametrize("key", ["offensive-2", "EMPTY", "password", "tokens", "Not offensive", "cannot"])
def test_keys_that_begin_as_words_do_leave_answers_as_they_are(monkeypatch, answer, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with chat.serving(lambda *_: answer) as server:
        assert ask(server, "a", header={"Authorization": f"Bearer {key}"}) == [answer]


def test_the_models_that_answered_are_counted_within_bounds(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def reply(prompt, _):
        name = {"a": "m-2", "b": "m-2", "c": 5, "d": f"\x1b[31m{KEY}"}.get(prompt, f"m {prompt}")
        return chat.Body(model=name, choices=[{"message": {"content": prompt}}])

    with chat.serving(reply) as server:
        model = make_model(server, auth_token=KEY)
        model.generate_until(requests("a", "b", "c", "d"))
        assert model.calls.answered_by == {"m-2": 2, "[31m***": 1}
        model.generate_until(requests(*map(str, range(50))))
    assert len(model.calls.answered_by) == 10


def test_a_key_that_is_missing_is_said_at_once(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with chat.serving(lambda *_: "1") as server, pytest.raises(ValueError, match="API key not found"):
        ask(server, "a", backend="openai-chat-completions")
    assert server.seen == []


@pytest.mark.parametrize(
    "told", [(429, {}, "slow"), (500, {}, "no"), (503, {}, "no"), chat.DROP, chat.Body(choices=[])]
)
def test_what_may_pass_is_tried_again_and_then_fails(told):
    with chat.serving(lambda prompt, n: told if prompt == "bad" and n < 2 else prompt) as server:
        assert ask(server, "a", "bad") == ["a", "bad"]
    assert server.n_asked == {"a": 1, "bad": 3}
    with chat.serving(lambda *_: told) as server, pytest.raises(FailedCallError):
        ask(server, "a")
    assert server.n_asked == {"a": 3}


@pytest.mark.parametrize("told", [(500, {}, "no"), chat.DROP, chat.Body(choices=[])])
def test_a_prompt_that_gets_no_answer_takes_none_that_is_under_way_with_it(tmp_path, told):
    prompts = [f"{i:02}" for i in range(30)]
    n_at_once = threading.Barrier(4)

    def reply(prompt, _):
        if prompt in ("29", "28", "27"):
            # They are under way when the bad one has failed for good.
            n_at_once.wait(20)
            time.sleep(0.2)
        if prompt == "bad!":
            if server.n_asked["bad!"] == 3:
                n_at_once.wait(20)
            return told
        return prompt

    with chat.serving(reply) as server, Journal(tmp_path / "j", "m") as journal:
        with pytest.raises(FailedCallError):
            ask(server, "bad!", *prompts, journal=journal)
        assert server.n_asked == dict.fromkeys(prompts, 1) | {"bad!": 3}
    with Journal(tmp_path / "j", "m") as journal:
        assert journal.n_found == 30


def test_nothing_follows_a_redirect():
    with chat.serving(lambda *_: "caught") as other:
        place = f"{other.address}/chat/completions?key=sk-secret-123"
        with (
            chat.serving(lambda *_: (307, {"Location": place}, "moved")) as server,
            pytest.raises(InputError) as stopped,
        ):
            ask(server, "a")
    assert other.seen == []
    assert "give the final address as base_url" in str(stopped.value)
    assert "sk-secret-123" not in str(stopped.value)


# Sizes.


def big(monkeypatch, size=1000):
    monkeypatch.setattr(calls, "MAX_REPLY", size)


def test_a_reply_that_is_too_large_costs_itself(monkeypatch):
    big(monkeypatch)
    with chat.serving(lambda prompt, _: "x" * 10**5 if prompt == "bad" else prompt) as server:
        assert envelopes(ask(server, "a", "bad")) == [("a", None, None), ("", "error: too large", None)]


def test_a_server_all_of_whose_replies_are_too_large_ends_the_run(monkeypatch):
    big(monkeypatch)
    with chat.serving(lambda *_: "x" * 10**5) as server, pytest.raises(InputError, match="MB in one reply"):
        ask(server, "a", "b")


def test_a_compressed_reply_is_not_wanted_and_counts_by_its_own_size(monkeypatch):
    big(monkeypatch, 10**5)
    squeezed = zlib.compress(json.dumps({"choices": [{"message": {"content": "x" * 10**7}}]}).encode(), 9)
    assert len(squeezed) < 10**5
    with chat.serving(
        lambda prompt, _: (200, {"Content-Encoding": "deflate"}, chat.Raw(squeezed)) if prompt == "bad" else prompt
    ) as server:
        assert envelopes(ask(server, "a", "bad"))[1] == ("", "error: too large", None)
    assert {request["encoding"] for request in server.seen} == {"identity"}


def test_a_reply_that_never_ends_fails_in_time():
    with (
        chat.serving(lambda *_: chat.Drip(0.05)) as server,
        pytest.raises(FailedCallError, match=r"^the server sent no whole reply within 1 seconds$"),
    ):
        ask(server, "a", timeout=1, max_retries=1)


# Other backends, and batches.


def completion(text, **more):
    return chat.Body(choices=[{"index": 0, "text": text, **more}])


def test_completions_are_asked_one_by_one_so_that_none_shares_the_fate_of_another(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")

    def reply(prompt, _):
        return FILTERED if prompt == "bad" else completion(prompt.upper(), finish_reason="length")

    with chat.serving(reply) as server:
        model = get_model("local-completions").create_from_arg_obj(
            {"model": "m", "base_url": f"{server.address}/completions", "num_concurrent": 2, "tokenizer_backend": None},
            {"batch_size": 4},
        )
        ApiCalls(model)
        assert (model._batch_size, model._concurrent) == (1, 8)
        answers = model.generate_until(requests("a", "bad", "c", is_chat=False))
    assert envelopes(answers) == [
        ("A", "length", None),
        ("", "content_filter", "content_filter"),
        ("C", "length", None),
    ]


def test_messages_of_anthropic_are_read_with_why_they_ended(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-123")

    def reply(prompt, _):
        text = prompt if isinstance(prompt, str) else prompt[0]["text"]
        if text == "bad":
            return chat.Body(type="message", role="assistant", content=[], stop_reason="refusal")
        return chat.Body(content=[{"type": "text", "text": text.upper()}], role="assistant", stop_reason="end_turn")

    with chat.serving(reply) as server:
        # The harness sends its messages' contents in parts.
        answers = ask(server, "a", "bad", backend="anthropic-chat", base_url=f"{server.address}/messages")
    assert envelopes(answers) == [("A", "end_turn", None), ("", "refusal", "refusal")]


def test_what_stands_before_the_end_of_a_thought_is_left_out_and_the_envelope_kept():
    told = chat.Body(choices=[{"message": {"content": "Hm.</think>\n\n2"}, "finish_reason": "length"}])
    with chat.serving(lambda *_: told) as server:
        (answer,) = ask(server, "a", think_end_token="</think>")
    assert (answer, answer.finish_reason) == ("2", "length")


# What is kept.


def test_each_answer_is_on_the_disk_as_it_arrives(tmp_path):
    journal = Journal(tmp_path / "j", "m")
    seen = []

    def reply(prompt, _):
        if prompt == "a":
            while not (tmp_path / "j").exists() or (tmp_path / "j").read_bytes().count(b"\n") < 2:
                pass
            seen.append("two are there")
        return prompt

    with chat.serving(reply) as server:
        assert ask(server, "a", "b", "c", journal=journal) == ["a", "b", "c"]
    assert seen == ["two are there"]


def test_refusals_by_the_provider_are_kept_and_rejected_prompts_are_not(tmp_path):
    tell = {"filtered": FILTERED, "long": TOO_LONG}
    with chat.serving(lambda prompt, _: tell.get(prompt, prompt)) as server:
        with Journal(tmp_path / "j", "m") as journal:
            first = envelopes(ask(server, "a", "filtered", "long", journal=journal))
        with Journal(tmp_path / "j", "m") as journal:
            assert journal.n_found == 2
            assert envelopes(ask(server, "a", "filtered", "long", journal=journal)) == first
    assert {name: server.n_asked[name] for name in ("a", "filtered", "long")} == {"a": 1, "filtered": 1, "long": 2}


def test_no_more_is_asked_once_answers_cannot_be_kept(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j", "m")

    def full(*_):
        raise InputError("the disk is full")

    monkeypatch.setattr(journal, "add", full)
    with chat.serving(lambda prompt, _: prompt) as server, pytest.raises(InputError, match=r"^the disk is full$"):
        ask(server, *map(str, range(100)), journal=journal)
    assert len(server.seen) <= 4


def test_answers_are_replies_that_are_equal_to_their_text():
    with chat.serving(lambda prompt, _: prompt) as server:
        (answer,) = ask(server, "a")
    assert isinstance(answer, Reply)
    assert answer == "a"
    assert is_failed("error: HTTP 400") is False
