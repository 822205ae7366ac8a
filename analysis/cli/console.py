"""Talking to the user, on the standard error, which leaves the standard output to results."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..display.numbers import plain


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show on a terminal what is being done, and for how long; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} ...", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield


def say(sentences: Iterable[str]) -> None:
    """Say something, a sentence a line."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    for sentence in sentences:
        # What goes to a file stays a line each, as programs read it.
        console.print(plain(sentence), soft_wrap=not console.is_terminal)
