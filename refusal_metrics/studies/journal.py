"""Responses saved to disk as they arrive, until the log of their shard is written.

A line contains one response and a key of all that it depends on: the model and how it is run, the shard, the prompt
and the generation arguments. No line can be used for another prompt. A line that is incomplete, changed or has another
key is not used.
"""

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from refusal_metrics.detection import Reply
from refusal_metrics.studies.disk import unwritable

_DIGEST = 16
_FIELDS = {"key", "of", "seconds", "text", "reply"}


class Journal:
    """The responses of a shard that has not been logged yet.

    Parameters
    ----------
    path : Path
        The file; it need not exist. Only one process may write it.
    identity : str
        All that answers depend on besides prompt and arguments of generation.

    Attributes
    ----------
    n_found : int
        Answers that an earlier run left.
    n_foreign : int
        Answers of an earlier run that belong to something else: another model, other software, another study.
    n_damaged : int
        Lines that cannot be read.
    seconds : float
        For how long the shard was asked before.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self._identity = hashlib.blake2b(identity.encode(errors="replace"), digest_size=_DIGEST).hexdigest()
        self._answers: dict[str, list[str]] = defaultdict(list)
        self._file: int | None = None
        self._began = time.monotonic()
        self.n_found = self.n_foreign = self.n_damaged = 0
        self.seconds = 0.0
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def take(self, prompt: object, how: object) -> str | None:
        """Return an answer to a prompt that an earlier run left, once; None if there is none.

        Parameters
        ----------
        prompt, how : object
            The arguments of a request of the harness.

        Returns
        -------
        str or None
            A `Reply` where that is what was kept.
        """
        left = self._answers.get(self._key(prompt, how))
        return left.pop(0) if left else None

    def add(self, prompt: object, how: object, answer: str) -> None:
        """Write a response to disk.

        Parameters
        ----------
        prompt, how : object
            The arguments of a request of the harness.
        answer : str

        Raises
        ------
        InputError
            If it cannot be written.
        """
        elapsed = round(self.seconds + time.monotonic() - self._began, 3)
        what: dict[str, Any] = {"key": self._key(prompt, how), "of": self._identity, "seconds": elapsed}
        what |= {"text": str(answer), "reply": describe_reply(answer)}
        # Beyond ASCII escaped: half a surrogate pair must come back as it was.
        text = json.dumps(what, sort_keys=True)
        line = f"{_checksum(text)} {text}\n".encode()
        try:
            self._write(line)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Flush all answers to disk.

        Raises
        ------
        InputError
            If they cannot be written.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            os.fsync(file)
        except OSError as error:
            raise unwritable(self.path, error) from error
        finally:
            os.close(file)

    def remove(self) -> None:
        """Remove the file: the answers are in a log."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with suppress(OSError):
            # What is left of it is removed when the study is run again.
            self.path.unlink()

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                line = b"\n" + line
        while line:
            line = line[os.write(self._file, line) :]

    def _read(self) -> None:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in filter(None, lines):
            what = _parse(line)
            if what is None:
                self.n_damaged += 1
            elif what["of"] != self._identity:
                self.n_foreign += 1
            else:
                self.n_found += 1
                self.seconds = max(self.seconds, what["seconds"])
                reply = what["reply"]
                answer = what["text"] if reply is None else Reply(what["text"], **reply)
                self._answers[what["key"]].append(answer)

    def _key(self, prompt: object, how: object) -> str:
        # Of a chat API, the messages.
        asked = str(getattr(prompt, "prompt", prompt))
        arguments = sorted(how.items()) if isinstance(how, Mapping) else how
        text = json.dumps([self._identity, asked, repr(arguments)])
        return hashlib.blake2b(text.encode(), digest_size=_DIGEST).hexdigest()


def describe_reply(answer: str) -> dict[str, str | None] | None:
    """Return what a response remembers of its provider's envelope; None for plain text.

    Parameters
    ----------
    answer : str

    Returns
    -------
    dict or None
        With ``finish_reason`` and ``provider_reason``.
    """
    if not isinstance(answer, Reply):
        return None
    return {"finish_reason": answer.finish_reason, "provider_reason": answer.provider_reason}


def _parse(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    if checksum != _checksum(text).encode():
        return None
    what: dict[str, Any] = json.loads(text)
    return what if isinstance(what, dict) and what.keys() >= _FIELDS else None


def _checksum(text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    return hashlib.blake2b(content, digest_size=_DIGEST).hexdigest()
