"""Messages and progress on the standard error; the standard output is for results."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..display import escape, plain


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show the current step and its duration on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} ...", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield


def say(sentences: Iterable[str]) -> None:
    """Print sentences, one per line."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    for sentence in sentences:
        # In a file, each sentence stays on one line for programs.
        console.print(plain(sentence), soft_wrap=not console.is_terminal)


def print_findings(findings: Iterable[str], *, markdown: bool = False) -> None:
    """Print findings as a list to the standard output, with a blank line after them."""
    console = Console(highlight=False, markup=False, emoji=False)
    for finding in findings:
        console.print(f"- {escape(finding) if markdown else plain(finding)}", soft_wrap=not console.is_terminal)
    console.print()


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int, int], object]]:
    """Show a bar on the standard error, if that is a terminal and the work takes more than two seconds.

    Parameters
    ----------
    what : str
        The current step.

    Yields
    ------
    callable
        Receives the amount of work done, and the total.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(what, total=None)
    started = time.monotonic()

    def told(n_done: int, n: int) -> None:
        if not bar.live.is_started and console.is_terminal and time.monotonic() - started > _PATIENCE:
            bar.start()
        bar.update(task, completed=n_done, total=n)

    try:
        yield told
    finally:
        if bar.live.is_started:
            bar.stop()


_PATIENCE = 2.0
