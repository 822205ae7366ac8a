"""Display names of models: in responses, in notes, and on every page of a report.

The rule
--------
A model has the name that was given to the harness: ``gpt-4o``, ``ORGANISATION/NAME``. A model that was given as a path
has the name of its last part; if another model of the same results has that name, the shortest end of the path that is
unique, and the whole path only if there is none. The folders above are private, and change when results are copied.

A path begins with ``.``, ``/``, ``~`` or a drive letter, contains a backslash, or has more than one slash.
``models/foo`` has the form of ORGANISATION/NAME and the name ``models/foo``; ``./models/foo`` is a path with the name
``foo``.
"""

import re
from collections import Counter
from collections.abc import Iterable

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def name_models(given: Iterable[str]) -> dict[str, str]:
    """Return the display names of models.

    Parameters
    ----------
    given : iterable of str
        Models as they were given to the harness.

    Returns
    -------
    dict of str to str
        The name of each; names are distinct.

    Examples
    --------
    >>> name_models(["meta-llama/Llama-2-7b-chat-hf", "./models/foo"])
    {'meta-llama/Llama-2-7b-chat-hf': 'meta-llama/Llama-2-7b-chat-hf', './models/foo': 'foo'}
    >>> name_models(["/runs/a/model", "/runs/b/model"])
    {'/runs/a/model': 'a/model', '/runs/b/model': 'b/model'}
    """
    ends = {name: _ends(name) for name in given}
    length = dict.fromkeys(ends, 0)
    while True:
        called = {name: ends[name][place] for name, place in length.items()}
        n_alike = Counter(called.values())
        longer = [name for name, place in length.items() if n_alike[called[name]] > 1 and place + 1 < len(ends[name])]
        if not longer:
            return called
        for name in longer:
            length[name] += 1


def name_model(given: str) -> str:
    """Return a model's name if it is unique.

    Parameters
    ----------
    given : str

    Returns
    -------
    str
    """
    return _ends(given)[0]


def _ends(given: str) -> list[str]:
    """List possible names of a model, the shortest first and the whole path last."""
    if not _is_path(given):
        return [given]
    parts = [part for part in re.split(r"[\\/]+", given) if part not in ("", ".")]
    ends = ("/".join(parts[-n:]) for n in range(1, len(parts) + 1) if parts[-n] not in ("..", "~"))
    return list(dict.fromkeys([*ends, given]))


def _is_path(given: str) -> bool:
    return given.startswith((".", "/", "~")) or "\\" in given or bool(_DRIVE.match(given)) or given.count("/") > 1
