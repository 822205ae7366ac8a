"""Public faces of packages whose names are imported when they are used, so that a package costs what is used of it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy(package: str, modules: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the ``__getattr__`` and the ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``.
    modules : mapping of str to sequence of str
        The names that each of its modules contributes to its face. A name cannot be that of a module of the package,
        for the import of that module would take its place.

    Returns
    -------
    tuple of callable
        For ``__getattr__`` and ``__dir__``.

    Examples
    --------
    >>> find, _ = lazy("json", {"decoder": ["JSONDecodeError"]})
    >>> find("JSONDecodeError")
    <class 'json.decoder.JSONDecodeError'>
    >>> find("parse")
    Traceback (most recent call last):
        ...
    AttributeError: module 'json' has no attribute 'parse'
    """
    homes = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:  # noqa: ANN401 - type checkers read the imports below TYPE_CHECKING instead
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
