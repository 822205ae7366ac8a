"""Signals that end a run: recorded while models run, so that each process is stopped in order."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a supervisor or scheduler sends, and a terminal that is closed."""


class Interruptions:
    """Notes the signals that end a run, inside a ``with`` block; what is ignored there stays ignored (nohup).

    Parameters
    ----------
    act : callable, optional
        What to do at a signal besides, given its number.

    Attributes
    ----------
    first : int
        The number of the first signal; 0 where there was none.
    n : int
        How many there were.
    """

    def __init__(self, act: Callable[[int], object] | None = None) -> None:
        self._act = act
        self._before: dict[int, Any] = {}
        self.first = self.n = 0

    def __enter__(self) -> Self:
        # Elsewhere Python allows no handlers: then the process ends as it would have.
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.first = self.first or number
        self.n += 1
        if self._act:
            self._act(number)


def raise_interrupt(number: int) -> None:
    """End what is being done, as Ctrl-C does.

    Parameters
    ----------
    number : int
        Of the signal.

    Raises
    ------
    KeyboardInterrupt
    """
    raise KeyboardInterrupt(number)


def name_of(number: int) -> str:
    """Name a signal, e.g. ``SIGTERM``.

    Parameters
    ----------
    number : int

    Returns
    -------
    str
    """
    return signal.Signals(number).name
