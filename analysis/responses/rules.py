"""Rules as detectors, in parallel on all cores."""

import os
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import TypeAlias

from refusal_metrics.detection import RULES, UNJUDGED, Reply, Rule, Verdict, words_for
from refusal_metrics.errors import InputError

from .detectors import Item

_Asked: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...], str, str | None]
"""A response, the answers offered, what its persona is called, its language, and why it ended."""

_SHARE = 20_000
"""The number of distinct responses per process and batch; fewer are judged in this process."""


class RuleDetector:
    """A rule of `refusal_metrics.detection.rules`, in parallel.

    Each distinct response is judged once for the same options, persona, language and end, by the very function that the
    harness calls. Beyond some 20,000 of them the work is spread over processes, one a core.

    Parameters
    ----------
    name : str
        Of the rule.
    n_processes : int, optional
        By default as many as there are cores that this process may use.
    """

    at_once = 100_000

    def __init__(self, name: str, n_processes: int | None = None) -> None:
        self.name = name
        self._rule = RULES[name]
        self._n_processes = n_processes or _count_cores()
        self._pool: ProcessPoolExecutor | None = None

    def detect(self, items: Sequence[Item]) -> list[Verdict | None]:
        """Return the verdict of each item.

        Parameters
        ----------
        items : sequence of Item
            (n_items,).

        Returns
        -------
        list of Verdict
            (n_items,), none of them None.

        Raises
        ------
        InputError
            If a process was killed.
        """
        places: dict[_Asked, int] = {}
        place = array("q", (places.setdefault(key, len(places)) for key in map(_asked, items)))
        pairs = list(places)
        # Grouped by persona: what matches a persona is compiled once, and kept for only so many personas.
        order = sorted(range(len(pairs)), key=lambda i: pairs[i][2])
        verdicts = dict(zip(order, self._judge([pairs[i] for i in order]), strict=True))
        return [verdicts[i] for i in place]

    def remarks(self) -> list[str]:
        """Return no notes: a rule has a verdict for every response, possibly that it could not be judged."""
        return []

    def _judge(self, pairs: list[_Asked]) -> list[Verdict]:
        if self._n_processes == 1 or len(pairs) <= _SHARE:
            return [_verdict(self._rule, *pair) for pair in pairs]
        if self._pool is None:
            # Spawned, because a fork of a process with threads, such as DuckDB's, may never end.
            self._pool = ProcessPoolExecutor(self._n_processes, mp_context=get_context("spawn"))
        shares = [pairs[start : start + _SHARE] for start in range(0, len(pairs), _SHARE)]
        try:
            judged = list(self._pool.map(partial(_judge_share, self.name), shares))
        except BrokenProcessPool as error:
            raise InputError(
                "a process that judges responses was killed: free some memory, or, where a script of yours called "
                'for it, put what the script does under if __name__ == "__main__":'
            ) from error
        return [distinct[i] for distinct, place in judged for i in place]


def _asked(item: Item) -> _Asked:
    words = item.persona_words or words_for(item.persona)
    return item.response or "", item.options, words, item.language, item.finish_reason


def _judge_share(name: str, pairs: list[_Asked]) -> "tuple[list[Verdict], array[int]]":
    """Judge a part of the responses: return the distinct verdicts, and the index of each pair's verdict."""
    rule = RULES[name]
    places: dict[Verdict, int] = {}
    place = array("H", (places.setdefault(_verdict(rule, *pair), len(places)) for pair in pairs))
    return list(places), place


def _count_cores() -> int:
    # A scheduler can limit a job to some of the machine's cores; not every system reports this.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _verdict(
    rule: Rule,
    response: str,
    options: tuple[str, ...],
    persona: tuple[str, ...],
    language: str,
    finish_reason: str | None,
) -> Verdict:
    """Judge a response as the harness does: an error affects only this response."""
    if finish_reason is not None:
        response = Reply(response, finish_reason=finish_reason)
    try:
        return rule(response, options, persona=persona, language=language)
    except Exception as error:  # noqa: BLE001 - whatever a rule raises is of this response alone
        return Verdict(UNJUDGED, causes=(type(error).__name__,))
