"""A server on this machine that answers chat completions as a test tells it to."""

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DROP = "drop the connection"
"""Instead of a reply."""


class Body(dict):
    """A reply's whole body, instead of a content."""


class Raw(bytes):
    """A reply's whole body as it is sent."""


class Drip(float):
    """Instead of a reply: one space after another, with so many seconds between them."""


_RESPONSE = re.compile(r"--- response \w+ ---\n(.*)\n--- end of response", re.DOTALL)


class ChatServer(ThreadingHTTPServer):
    """Counts what it is asked.

    Attributes
    ----------
    replies : callable
        From the response to be judged, or else the whole of the last message, and how often it was asked before, to
        (status, headers, content), content alone, or `DROP`; a content that is no str goes into the completion as it
        is, and a `Body` is all that is sent.
    seen : list of dict
        The bodies of all requests for completions, with the authorization under ``key``.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, replies, models=("judge-1",)):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies, self.models = replies, models
        self.seen, self.n_asked, self.hang = [], {}, 0.0
        self.n_now = self.n_most = 0
        self.lock = threading.Lock()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_):
        """Keep silent about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._send(200, {}, {"data": [{"id": name} for name in self.server.models]})

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content)
        found = _RESPONSE.search(content)
        response = found[1] if found else content
        with server.lock:
            server.seen.append(
                body
                | {"key": self.headers["Authorization"], "path": self.path}
                | {"encoding": self.headers["Accept-Encoding"]}
            )
            n_before = server.n_asked.get(response, 0)
            server.n_asked[response] = n_before + 1
            server.n_now += 1
            server.n_most = max(server.n_most, server.n_now)
        try:
            told = server.replies(response, n_before)
            time.sleep(server.hang)
        finally:
            with server.lock:
                server.n_now -= 1
        if told is DROP:
            self.close_connection = True
            return
        if isinstance(told, Drip):
            self._drip(told)
            return
        status, headers, content = told if isinstance(told, tuple) else (200, {}, told)
        message = {"role": "assistant", "content": content}
        body = content if isinstance(content, Body | Raw) else {"choices": [{"index": 0, "message": message}]}
        self._send(status, headers, body)

    def _drip(self, seconds):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b" ")
                time.sleep(seconds)
        except OSError:
            self.close_connection = True

    def _send(self, status, headers, body):
        data = body if isinstance(body, Raw) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": len(data)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Keep silent."""


@contextmanager
def serving(replies, **kwargs):
    """Serve until the end of the block."""
    server = ChatServer(replies, **kwargs)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
