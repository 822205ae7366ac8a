"""Talking to the user, on the standard error, which leaves the standard output to results."""

from collections.abc import Iterable

from rich.console import Console
from rich.status import Status

from .values import plain


def busy(what: str) -> Status:
    """Show on a terminal what is being done; elsewhere nothing."""
    return Console(stderr=True).status(f"{what} ...")


def say(sentences: Iterable[str]) -> None:
    """Say something, a sentence a line."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for sentence in sentences:
        console.print(plain(sentence))
