"""Make plain ``lm_eval --tasks persona_refusal`` find the tasks of this package.

The harness reads the YAML files under its own ``lm_eval/tasks``. It follows links to files and not
to folders, so a real folder with a link to each file is what it needs.
"""

import importlib.util
from importlib.resources import files
from pathlib import Path

from refusal_metrics.errors import InputError

_FOLDER = "persona_refusal"


def tasks_folder() -> Path:
    """Name the folder with the task files of this package."""
    return Path(str(files("refusal_metrics.tasks")))


def harness_folder() -> Path:
    """Name the folder ``lm_eval/tasks`` of the installed harness, also of an editable one.

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
    """Link the task files into the installed harness; what is there already stays.

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
    for link in wanted:
        if (link.exists() or link.is_symlink()) and not _is_ours(link, source):
            raise InputError(
                f"{link}: is there and no link into {source}; run the unregister of the install that made it or move "
                f"it away, or use {_include(source)}"
            )
    try:
        target.mkdir(exist_ok=True)
        stale = [link for link in target.iterdir() if _is_ours(link, source) and not (link in wanted and link.exists())]
        for link in stale:
            link.unlink()
        new = [link for link in wanted if not link.is_symlink()]
        for link in new:
            link.symlink_to(wanted[link])
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); use {_include(source)} instead") from error
    if not new and not stale:
        return [f"The tasks are linked already: {target} -> {source}"]
    return [f"Linked {len(new)} task files: {target} -> {source}", "Try: lm_eval ls tasks | grep persona_refusal"]


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
    if not target.is_dir():
        return [f"Nothing to undo: {target} is not there."]
    try:
        links = [link for link in target.iterdir() if _is_ours(link, source)]
        for link in links:
            link.unlink()
        foreign = sorted(path.name for path in target.iterdir())
        if not foreign:
            target.rmdir()
    except OSError as error:
        raise InputError(f"{target}: cannot be changed ({error.strerror}); remove the links by hand") from error
    said = [f"Removed {len(links)} links from {target}"]
    return [*said, f"Left what is not ours: {', '.join(foreign)}"] if foreign else said


def _task_files(source: Path) -> list[Path]:
    return sorted(p for p in source.iterdir() if p.name.endswith(("yaml", ".yml")))


def _is_ours(path: Path, source: Path) -> bool:
    """Tell a link into this package's tasks, also one that an earlier install left dangling."""
    if not path.is_symlink():
        return False
    target = path.readlink()
    return target.parent == source or (not path.exists() and _FOLDER in path.name and target.name == path.name)


def _include(source: Path) -> str:
    return f"lm_eval --include_path {source}"
