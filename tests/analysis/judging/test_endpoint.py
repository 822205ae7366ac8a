"""Calls of a server that fails in every way."""

import asyncio
import base64
import contextlib
import email.utils
import importlib.util
import socket
import threading
import time
from pathlib import Path
from threading import Event

import pytest
from refusal_metrics.analysis.judging import endpoint
from refusal_metrics.analysis.judging.endpoint import CallError, Endpoint

from refusal_metrics.errors import InputError

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).parents[2] / "chat_server.py")
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


def test_waits_double_and_are_lengthened_at_random_to_twice_at_most():
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
    with chat.serving(lambda *_: content) as server, pytest.raises(CallError, match="not a chat completion"):
        ask(server)


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://x/v1", "file:///etc/passwd", "http://", "http://h:x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="is not an address"):
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


class Slow:
    """A server that says what it says a little at a time, on and on."""

    def __init__(self, said, again):
        self._said, self._again, self._over = said, again, False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def _serve(self):
        with contextlib.suppress(OSError), self._socket.accept()[0] as connection:
            connection.sendall(self._said)
            while not self._over:
                connection.sendall(self._again)
                time.sleep(0.02)

    def close(self):
        self._over = True
        self._socket.close()
        self._thread.join(10)


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("said", "again"),
    [
        pytest.param(_OK + b"Content-Length: 1000000\r\n\r\n", b" ", id="body"),
        pytest.param(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
        pytest.param(_OK + b"\r\n", b" ", id="body without a length"),
        pytest.param(_OK, b"X: y\r\n", id="headers"),
        pytest.param(b"", b"H", id="status line"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue"),
        pytest.param(b"HTTP/1.1 400 Bad\r\nContent-Length: 9000\r\n\r\n", b" ", id="error"),
        pytest.param(b"HTTP/1.1 500 Bad\r\nContent-Length: 9000\r\n\r\n", b" ", id="server error"),
        pytest.param(_OK + b"Content-Encoding: gzip\r\nContent-Length: 9000\r\n\r\n", b"\x1f", id="compressed"),
    ],
)
def test_a_call_ends_after_its_time_however_slowly_the_server_speaks(said, again):
    server = Slow(said, again)
    try:
        # Each ends well before pytest's own end; before, only a silence as long as the time ended a call.
        with pytest.raises(CallError, match=r"no reply in time|no connection"):
            Endpoint(f"http://{server.address}", timeout=0.3, retries=0).complete(BODY, Event())
    finally:
        server.close()


def test_a_call_ends_while_the_server_does_not_finish_its_greeting():
    server = Slow(b"\x16\x03\x03", b"")
    try:
        with pytest.raises(CallError, match="no reply in time"):
            Endpoint(f"https://{server.address}", timeout=0.3, retries=0).complete(BODY, Event())
    finally:
        server.close()


def test_a_reply_without_end_is_not_read_to_its_end():
    with chat.serving(lambda *_: "x" * (5 << 20)) as server, pytest.raises(CallError, match="longer than 4 MB"):
        ask(server, retries=0)


def test_a_reply_that_is_packed_is_not_unpacked():
    packed = (200, {"Content-Encoding": "gzip"}, "x")
    with chat.serving(lambda *_: packed) as server:
        assert ask(server, retries=0) == "x"  # the server only says so


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_is_followed(status):
    with chat.serving(lambda *_: "x") as other:
        moved = (status, {"Location": f"{other.address}/chat/completions"}, "")
        with chat.serving(lambda *_: moved) as server, pytest.raises(InputError, match="has moved"):
            ask(server)
        assert not other.seen


KEY = "sk-proj-4f9a8b7c6d5e4f3a2b1c"


@pytest.mark.parametrize(
    "said",
    [
        f"bad key {KEY}",
        f"Authorization: Bearer {KEY}",
        KEY.upper(),
        f"key {KEY[:12]} is too old",
        f"key ...{KEY[-8:]}",
        f"x{KEY}y{KEY}",
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        base64.b64encode(KEY.encode()).decode(),
        "x" * 19_990 + KEY,
        f"{KEY[:9]}\n{KEY[9:]}",
    ],
)
def test_no_part_of_the_key_is_in_what_a_server_says(monkeypatch, said):
    monkeypatch.setenv(endpoint.KEY, KEY)
    with chat.serving(lambda *_: (400, {}, said)) as server, pytest.raises(CallError) as failed:
        ask(server)
    shown = str(failed.value).lower()
    parts = {form[at : at + 6].lower() for form in (KEY, said) for at in range(len(form) - 5)}
    secret = {KEY[at : at + 6] for at in range(len(KEY) - 5)}
    assert not any(part in shown for part in secret)
    assert base64.b64encode(KEY.encode()).decode()[:12].lower() not in shown
    assert parts


def test_a_reply_that_repeats_the_key_is_kept_without_it(monkeypatch):
    monkeypatch.setenv(endpoint.KEY, KEY)
    with chat.serving(lambda *_: f"You sent {KEY}: 2_full_refusal") as server:
        assert ask(server) == "You sent ...: 2_full_refusal"


@pytest.mark.parametrize("key", ["EMPTY", "x", "2", "none"])
def test_a_key_that_is_no_secret_changes_nothing(monkeypatch, key):
    monkeypatch.setenv(endpoint.KEY, key)
    with chat.serving(lambda *_: "2_full_refusal, none EMPTY x") as server:
        assert ask(server) == "2_full_refusal, none EMPTY x"


def test_what_follows_a_question_mark_is_sent_and_never_shown():
    with chat.serving(lambda *_: (404, {}, "")) as server:
        with pytest.raises(InputError, match="HTTP 404") as failed:
            Endpoint(f"{server.address}?api-key=hunter2hunter2&v=1").complete(BODY, Event())
        assert server.seen[0]["path"] == "/v1/chat/completions?api-key=hunter2hunter2&v=1"
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("address", ["ftp://x/v1?key=hunter2", "http://?key=hunter2", "http://x y/v1?k=hunter2#a"])
def test_an_address_that_is_none_is_shown_without_what_follows_it(address):
    with pytest.raises(InputError, match="is not an address") as failed:
        Endpoint(address)
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "2_full"}, {"type": "text", "text": "_refusal"}], "2_full_refusal"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "1"}]}, {"type": "text", "text": "2"}], "2"),
        ([{"type": "thinking", "thinking": []}], ""),
    ],
)
def test_of_parts_of_content_the_text_is_read(content, text):
    with chat.serving(lambda *_: content) as server:
        assert ask(server) == text


def test_a_call_can_be_made_where_an_event_loop_runs():
    async def in_a_notebook(server):
        return ask(server)

    with chat.serving(lambda *_: "x") as server:
        assert asyncio.run(in_a_notebook(server)) == "x"


@pytest.mark.parametrize("header", ["99999999999999999999", "٣", "Fri, 31 Dec 99999 23:59:59 GMT", "-5", "1e9", "soon"])
def test_no_time_that_a_server_asks_for_is_waited_for_longer_than_five_minutes(header):
    assert 0 <= min(endpoint._wait(header), endpoint._LONGEST_WAIT) <= 300
