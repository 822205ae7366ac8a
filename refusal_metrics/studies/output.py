"""What a model's process prints, engines in other languages included, written to a log without secrets."""

import os
import stat
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from refusal_metrics.errors import InputError
from refusal_metrics.studies.secrets import Redactor

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 24
"""Bytes; a longer one is written in parts."""


class OutputLog:
    """Writes what arrives through a pipe to a file that only its owner may read, line by line.

    The other process has the pipe for its standard output and error, and is never kept waiting by what it does itself:
    this one reads, in a thread.

    Parameters
    ----------
    pipe : Connection
        To read from; closed at the end.
    path : Path
        Appended to.
    redactor : Redactor

    Raises
    ------
    InputError
        If the file cannot be opened.
    """

    def __init__(self, pipe: Connection, path: Path, redactor: Redactor) -> None:
        self._pipe, self._redactor = pipe, redactor
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise InputError(f"{path}: cannot be written ({reason}); fix this, or name another folder") from error
        if stat.S_ISREG(os.fstat(self._file).st_mode):
            with suppress(OSError):
                os.fchmod(self._file, 0o600)
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Wait until all that was printed is written.

        Parameters
        ----------
        seconds : float
            At most; something may still hold the pipe open.
        """
        self._thread.join(seconds)

    def _copy(self) -> None:
        rest = b""
        try:
            while chunk := os.read(self._pipe.fileno(), _CHUNK):
                rest += chunk
                # A line at a time, so that no secret is cut in two. Bars of progress end theirs otherwise.
                end = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
                if not end and len(rest) > _LONGEST_LINE:
                    end = len(rest)
                self._write(rest[:end])
                rest = rest[end:]
        except (OSError, ValueError):
            pass
        finally:
            self._write(rest)
            with suppress(OSError):
                os.close(self._file)
            with suppress(OSError):
                self._pipe.close()

    def _write(self, lines: bytes) -> None:
        clean = self._redactor.clean_lines(lines)
        # On a full disk what is printed is lost; the process goes on.
        with suppress(OSError):
            while clean:
                clean = clean[os.write(self._file, clean) :]
