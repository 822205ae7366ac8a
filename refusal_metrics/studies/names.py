"""Which names a model of a study may have: its results go into a folder of that name."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from refusal_metrics.errors import InputError, has_control, quoted

_MOST_BYTES = 200
"""File systems allow 255 in a name."""
_MOST_BYTES_OF_PART, _MOST_BYTES_OF_PATH = 255, 3000
_SEPARATORS = '/\\:*?"<>|'
_OURS = frozenset({"study.json", "report"})
"""What is in a study's folder besides its models."""
_WINDOWS = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})


def check_names(where: str, names: Iterable[str]) -> None:
    """Check that each model has a name that a folder can have on any system, and a folder of its own.

    Parameters
    ----------
    where : str
        The file and key, for errors.
    names : iterable of str

    Raises
    ------
    InputError
        With the first name that is not allowed, and why.
    """
    seen: dict[str, str] = {}
    for name in names:
        if reason := _wrong(name):
            raise InputError(
                f"{where}: found {quoted(name)}, which {reason}; give the model a name that a folder can have"
            )
        folded = _fold(name)
        if folded in seen:
            raise InputError(
                f"{where}: {quoted(seen[folded])} and {quoted(name)} are one folder where upper and lower case or "
                "ways of writing a letter are not distinguished; rename one"
            )
        seen[folded] = name


def check_folder(where: str, folder: str | Path) -> None:
    """Check that a path can be the folder of results.

    Parameters
    ----------
    where : str
        The file and key, or the option, for errors.
    folder : str or Path

    Raises
    ------
    InputError
        If it has control characters or is longer than file systems allow.
    """
    path = Path(folder)
    if has_control(str(path)) and not _is_undecoded(str(path)):
        raise InputError(f"{where}: found {quoted(str(path))}, which has control characters; name another folder")
    if max((_size(part) for part in path.parts), default=0) > _MOST_BYTES_OF_PART or _size(str(path)) > (
        _MOST_BYTES_OF_PATH
    ):
        raise InputError(
            f"{where}: found {quoted(str(path))}, which is longer than file systems allow "
            f"({_MOST_BYTES_OF_PART} bytes a name); name another folder"
        )


def _wrong(name: str) -> str:
    """Report what is wrong with a name; empty where nothing is."""
    separators = [c for c in _SEPARATORS if c in name]
    reasons = {
        "is blank": not name.strip(),
        "has characters that cannot be seen": has_control(name) or not name.isprintable(),
        f"has {''.join(separators[:1])}": bool(separators),
        f"begins with {name[:1]}": name.startswith((".", "-", "~")),
        "begins or ends with a space, or ends with a dot": name != name.strip() or name.endswith("."),
        f"has {_size(name):,} bytes where {_MOST_BYTES} are allowed": _size(name) > _MOST_BYTES,
        "is what the study itself is kept in": _fold(name) in _OURS,
        "is the name of a device on Windows": name.partition(".")[0].rstrip().lower() in _WINDOWS,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _size(text: str) -> int:
    return len(text.encode("utf-8", errors="surrogatepass"))


def _is_undecoded(text: str) -> bool:
    """Return whether it is the name of a file that is not UTF-8, which the system gives with surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return not has_control(text.encode("utf-8", errors="replace").decode())
    return False
