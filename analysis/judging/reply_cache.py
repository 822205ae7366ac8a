"""A cache of a judge's replies, so that no call is paid for twice."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from refusal_metrics.errors import InputError

from ..display import plain


class ReplyCache:
    """The judge's replies by request, in an SQLite file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._opened: sqlite3.Connection | None = None

    def find(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Return the cached replies."""
        if self._opened is None and not (self.path and self.path.exists()):
            return {}  # no file is created before there is a reply
        try:
            rows = [
                self._database().execute("SELECT key, reply FROM replies WHERE key = ?", (key,)).fetchone()
                for key in keys
            ]
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return {row[0]: row[1] for row in rows if row}

    def keep(self, key: str, reply: str | None) -> None:
        """Store a reply permanently."""
        try:
            self._database().execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply))
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            # A detector can run in another thread, one at a time.
            self._opened = sqlite3.connect(
                self.path or ":memory:", timeout=60, isolation_level=None, check_same_thread=False
            )
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = NORMAL")
            self._opened.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID")
        return self._opened

    def _unusable(self, error: Exception) -> InputError:
        return InputError(f"{self.path}: cannot keep a judge's replies ({plain(error)}); name another file as --cache")
