"""The list of files that an earlier command wrote into a folder, so that nothing else is removed."""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from refusal_metrics.errors import InputError

MANIFEST = ".persona-refusal.json"
"""The file that lists what was written into a folder."""

UNFINISHED = ".persona-refusal-"
"""The prefix of temporary folders; they stay only if the command is killed."""

_LARGEST_MANIFEST = 1 << 20


def list_ours(out: Path, find_ours: Callable[[Path], Collection[str] | None] | None) -> list[str] | None:
    """List the files of a folder that an earlier command wrote; None if the folder has no manifest."""
    try:
        with (out / MANIFEST).open(encoding="utf-8") as file:
            listed = json.loads(file.read(_LARGEST_MANIFEST))["files"]
        names = [name for name in listed if isinstance(name, str)]
    except FileNotFoundError:
        found = find_ours(out) if find_ours else None
        if found is None:
            return None
        names = list(found)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f"{out / MANIFEST}: does not list what a report wrote; remove the folder or name another one"
        ) from error
    return [name for name in dict.fromkeys(names) if is_within(out, name)]


def is_within(out: Path, name: str) -> bool:
    """Return whether a name is that of a file in the folder, and not of one elsewhere."""
    parts = PurePosixPath(name).parts
    if not parts or "\0" in name or name.startswith(("/", UNFINISHED)) or ".." in parts:
        return False
    above = [out.joinpath(*parts[:n]) for n in range(1, len(parts))]
    path = out.joinpath(*parts)
    return not any(folder.is_symlink() for folder in above) and os.path.lexists(path) and not is_folder(path)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder and not a link to one."""
    return path.is_dir() and not path.is_symlink()
