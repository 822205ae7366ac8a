"""Clean termination of commands by signals."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(SystemExit):
    """A signal terminated the command.

    Attributes
    ----------
    signal : str
        Its name.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """Raise `Stopped` at SIGTERM and SIGHUP, so that temporary files are removed; later ones are ignored meanwhile.

    Yields
    ------
    list of int
        The received signals, because some libraries (DuckDB) hide exceptions.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the system calls it
        came.append(number)
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    # Signals are handled by the main thread alone, and Windows has no SIGHUP.
    known = [number for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None]
    asked = known if threading.current_thread() is threading.main_thread() else []
    # A command under nohup ignores SIGHUP and continues.
    before = {number: signal.getsignal(number) for number in asked if signal.getsignal(number) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
