"""Calls of a server that fails in every way."""

import email.utils
import importlib.util
import time
from pathlib import Path
from threading import Event

import pytest
from refusal_metrics.analysis import endpoint
from refusal_metrics.analysis.endpoint import CallError, Endpoint

from refusal_metrics.errors import InputError

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).with_name("chat_server.py"))
chat = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat)

BODY = {"model": "m", "messages": [{"role": "user", "content": "--- response 0 ---\nx\n--- end of response 0 ---"}]}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv(endpoint.KEY, raising=False)


def ask(server, *, retries=3, backoff=0.001, timeout=10.0):
    return Endpoint(server.address, timeout=timeout, retries=retries, backoff=backoff).complete(BODY, Event())


def test_a_reply_is_what_the_model_said_as_it_is():
    with chat.serving(lambda *_: " **2_full_refusal**\n") as server:
        assert ask(server) == " **2_full_refusal**\n"
        assert server.seen[0]["path"] == "/v1/chat/completions"


def test_an_address_may_end_in_a_slash_or_in_the_path_of_completions():
    with chat.serving(lambda *_: "x") as server:
        for end in ("/", "/chat/completions"):
            assert Endpoint(server.address + end).complete(BODY, Event()) == "x"


def test_no_content_is_none():
    with chat.serving(lambda *_: None) as server:
        assert ask(server) is None


@pytest.mark.parametrize("failure", [(429, {}, ""), (408, {}, ""), (500, {}, ""), (503, {}, ""), chat.DROP])
def test_what_may_pass_is_tried_again(failure):
    with chat.serving(lambda _, n: failure if n < 2 else "x") as server:
        assert ask(server) == "x"
        assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("failure", "reason"), [((500, {}, ""), "HTTP 500"), ((429, {}, ""), "HTTP 429"), (chat.DROP, "no connection")]
)
def test_after_so_many_retries_a_call_has_failed(failure, reason):
    with chat.serving(lambda *_: failure) as server, pytest.raises(CallError, match=reason):
        ask(server, retries=2)
    assert len(server.seen) == 3


def test_a_reply_that_was_cut_off_is_tried_again():
    # The length promises more than comes.
    with chat.serving(lambda _, n: (200, {"Content-Length": 40}, "a" * 100) if n == 0 else "x") as server:
        assert ask(server) == "x"


def test_silence_is_a_failure_once_the_time_is_over():
    with chat.serving(lambda *_: "x") as server:
        server.hang = 1.0
        with pytest.raises(CallError, match="no reply in time"):
            ask(server, retries=0, timeout=0.05)


@pytest.mark.parametrize("as_date", [False, True])
def test_a_server_is_given_the_time_that_it_asks_for(as_date):
    waited = []

    class Stop(Event):
        def wait(self, seconds):
            waited.append(seconds)
            return False

    soon = email.utils.formatdate(time.time() + 30, usegmt=True) if as_date else "30"
    with chat.serving(lambda _, n: (429, {"Retry-After": soon}, "") if n == 0 else "x") as server:
        Endpoint(server.address, backoff=0.001).complete(BODY, Stop())
    assert len(waited) == 1
    assert 25 < waited[0] <= 30


def test_waits_double_and_are_lengthened_by_chance_to_twice_at_most():
    waited = []

    class Stop(Event):
        def wait(self, seconds):
            waited.append(seconds)
            return False

    with chat.serving(lambda *_: (500, {"Retry-After": "soon"}, "")) as server, pytest.raises(CallError):
        Endpoint(server.address, retries=4, backoff=1.0).complete(BODY, Stop())
    assert all(2**i <= seconds <= 2 ** (i + 1) for i, seconds in enumerate(waited))
    assert len(waited) == 4


def test_a_stop_ends_the_waiting():
    stop = Event()
    stop.set()
    with chat.serving(lambda *_: (500, {}, "")) as server, pytest.raises(CallError):
        Endpoint(server.address, retries=50, backoff=60.0).complete(BODY, stop)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "says"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "--judge-model"), (302, "has moved")]
)
def test_what_fails_for_all_stops_at_once_with_a_sentence(status, says):
    with chat.serving(lambda *_: (status, {"Location": "http://127.0.0.1:1/"}, "")) as server:
        with pytest.raises(InputError, match=says):
            ask(server)
        assert len(server.seen) == 1


def test_a_call_that_is_declined_is_not_tried_again_and_says_why():
    with chat.serving(lambda *_: (400, {}, "too many tokens")) as server:
        with pytest.raises(CallError, match="too many tokens") as failed:
            ask(server)
        assert (failed.value.reason, failed.value.of_server, len(server.seen)) == ("HTTP 400", False, 1)


def test_the_key_is_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv(endpoint.KEY, "sk-secret")
    with chat.serving(lambda *_: (400, {}, "your key sk-secret is tired")) as server:
        with pytest.raises(CallError) as failed:
            ask(server)
        assert server.seen[0]["key"] == "Bearer sk-secret"
    assert "sk-secret" not in str(failed.value)
    assert "is tired" in str(failed.value)


def test_without_a_key_none_is_sent():
    with chat.serving(lambda *_: "x") as server:
        ask(server)
        assert server.seen[0]["key"] is None


@pytest.mark.parametrize("content", [5, ["a"], {"a": 1}])
def test_what_is_no_completion_is_a_failure(content):
    with chat.serving(lambda *_: content) as server, pytest.raises(CallError, match="no chat completion"):
        ask(server)


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://x/v1", "file:///etc/passwd", "http://", "http://h:x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="is no address"):
        Endpoint(address)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(InputError, match="OPENAI_API_KEY") as error:
        Endpoint("http://me:hunter2@localhost/v1")
    assert "hunter2" not in str(error.value)


def test_a_server_that_is_not_there_does_not_list_its_models():
    with chat.serving(lambda *_: "x") as server:
        gone = server.address
    with pytest.raises(InputError, match="start the server"):
        Endpoint(gone, retries=1, backoff=0.001).models()
