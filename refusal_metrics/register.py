"""Make plain ``lm_eval --tasks persona_refusal`` find the tasks of this package.

The harness reads the YAML files under its own ``lm_eval/tasks``. It follows links to files and not
to folders, so a real folder with a link to each file is what it needs.
"""

import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from refusal_metrics.errors import InputError

Changed = TypeVar("Changed")

_FOLDER = "persona_refusal"
_ATTEMPTS = 20
"""How often the folder may be taken away by others while it is changed."""


def tasks_folder() -> Path:
    """Return the folder with the task files of this package."""
    return Path(str(files("refusal_metrics.tasks")))


def harness_folder() -> Path:
    """Return the folder ``lm_eval/tasks`` of the installed harness, also of an editable installation.

    Raises
    ------
    InputError
        If no lm-evaluation-harness is installed.
    """
    spec = importlib.util.find_spec("lm_eval")
    for place in (spec and spec.submodule_search_locations) or ():
        if (Path(place) / "tasks").is_dir():
            return Path(place) / "tasks"
    raise InputError("lm-evaluation-harness is not installed beside this package; run pip install lm-eval")


def register() -> list[str]:
    """Link the task files into the installed harness; existing links stay.

    Returns
    -------
    list of str
        What was done, a sentence each.

    Raises
    ------
    InputError
        If the place cannot be written or holds other files of those names.
    """
    source, target = tasks_folder(), harness_folder() / _FOLDER
    wanted = {target / file.name: file for file in _task_files(source)}
    _check_folder(target, source)
    _check_links(wanted, source)
    try:
        n_stale, n_new = _until_quiet(lambda: _link(target, source, wanted))
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); use {_include(source)} instead") from error
    _check_links(wanted, source)
    if not n_new and not n_stale:
        return [f"The tasks are already linked: {target} -> {source}"]
    return [f"Linked {n_new} task files: {target} -> {source}", "Try: lm_eval ls tasks | grep persona_refusal"]


def _link(target: Path, source: Path, wanted: Mapping[Path, Path]) -> tuple[int, int]:
    """Add missing links; count removed and added links."""
    target.mkdir(exist_ok=True)
    stale = [link for link in target.iterdir() if _is_ours(link, source) and not (link in wanted and link.exists())]
    for link in stale:
        link.unlink(missing_ok=True)
    n_new = 0
    for link, file in wanted.items():
        # Another register may have made it meanwhile; what it is was checked, and is again at the end.
        with suppress(FileExistsError):
            link.symlink_to(file)
            n_new += 1
    return len(stale), n_new


def _until_quiet(change: Callable[[], Changed]) -> Changed:
    """Change the folder, and again if a register or unregister that runs meanwhile took it away."""
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            return change()
    return change()


def _check_folder(target: Path, source: Path) -> None:
    """Check that nothing else has the name of the folder."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        what = "a link" if target.is_symlink() else "a file"
        raise InputError(f"{target}: is {what} and not a folder; move it, or use {_include(source)}")


def _check_links(wanted: Iterable[Path], source: Path) -> None:
    """Check that no other files have the names of links."""
    for link in wanted:
        if os.path.lexists(link) and not _is_ours(link, source):
            raise InputError(
                f"{link}: already exists and is not a link into {source}; run the unregister of the install that "
                "made it or move "
                f"it away, or use {_include(source)}"
            )


def unregister() -> list[str]:
    """Remove the links of `register`, and their folder when nothing else is in it.

    Returns
    -------
    list of str
        What was done, a sentence each.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    source, target = tasks_folder(), harness_folder() / _FOLDER
    if not os.path.lexists(target):
        return [f"Nothing to undo: {target} does not exist."]
    _check_folder(target, source)
    try:
        n_removed, foreign = _until_quiet(lambda: _unlink(target, source))
    except OSError as error:
        raise InputError(f"{target}: cannot be changed ({error.strerror}); remove the links by hand") from error
    said = [f"Removed {n_removed} links from {target}"]
    return [*said, f"Kept other files: {', '.join(foreign)}"] if foreign else said


def _unlink(target: Path, source: Path) -> tuple[int, list[str]]:
    """Remove our links; count them, and list what else there is."""
    if not target.is_dir():
        return 0, []
    links = [link for link in target.iterdir() if _is_ours(link, source)]
    for link in links:
        link.unlink(missing_ok=True)
    foreign = sorted(path.name for path in target.iterdir())
    if not foreign:
        # A register may link anew meanwhile.
        with suppress(OSError):
            target.rmdir()
    return len(links), foreign


def _task_files(source: Path) -> list[Path]:
    return sorted(p for p in source.iterdir() if p.name.endswith(("yaml", ".yml")))


def _is_ours(path: Path, source: Path) -> bool:
    """Return whether a path is a link into this package's tasks, even a dangling one."""
    if not path.is_symlink():
        return not os.path.lexists(path)  # another command has removed it meanwhile
    try:
        target = path.readlink()
    except FileNotFoundError:
        return True
    return target.parent == source or (not path.exists() and _FOLDER in path.name and target.name == path.name)


def _include(source: Path) -> str:
    return f"lm_eval --include_path {source}"
