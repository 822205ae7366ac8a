"""A file or folder is written whole or not at all."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from refusal_metrics.errors import InputError

from .manifest import MANIFEST, UNFINISHED, is_folder, is_within, list_ours

try:
    import fcntl
except ImportError:  # on Windows, which locks no folders
    fcntl = None  # type: ignore[assignment]

_OLD, _MADE = "old", "made"


def reason(error: Exception) -> str:
    """Return an error of the system or DuckDB on one line, without the query that DuckDB quotes."""
    return " ".join((getattr(error, "strerror", None) or str(error)).split("LINE 1:")[0].split())


def check_new(out: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Parameters
    ----------
    out : Path
    force : bool
        Whether a file that already exists is to be replaced.

    Raises
    ------
    InputError
        If it is a folder or not a regular file, or already exists and `force` is not set.
    """
    _check_name(out)
    if out.is_dir():
        raise InputError(f"{out}: is a folder; name a file")
    if not os.path.lexists(out):
        return
    if out.exists() and not out.is_file():
        raise InputError(f"{out}: is not a regular file; name a file")
    if not force:
        raise InputError(f"{out}: already exists; name another file, or add --force to replace it")


def check_folder(out: Path, *, force: bool, find_ours: Callable[[Path], Collection[str] | None]) -> None:
    """Check, before work is spent on it, that a folder may be written; see `replace_folder`.

    Raises
    ------
    InputError
        If `out` is a file, contains files and `force` is not set, or contains files but no earlier report.
    """
    _check_name(out)
    if os.path.lexists(out) and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder")
    if not out.is_dir():
        return
    try:
        there = _content(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be read ({reason(error)}); name another folder") from error
    if there and not force:
        raise InputError(f"{out}: already exists; name another folder, or add --force to write into it")
    if there and list_ours(out, find_ours) is None:
        raise InputError(
            f"{out}: contains {_some(there)} and no earlier report, which is all that --force replaces; "
            "name another folder"
        )


@contextmanager
def replace_file(out: Path, *, force: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Write a file under a temporary name, and rename it when it is complete.

    Parameters
    ----------
    out : Path
        Its folder is made if it does not exist.
    force : bool
        Whether to replace a file that was created meanwhile.
    mode : int, optional
        Its permissions; by default those of a new file.

    Yields
    ------
    Path
        A temporary path: the same name in an empty folder next to `out`, which can hold more files. It is removed if
        anything fails.

    Raises
    ------
    InputError
        If it cannot be written, or already exists.
    """
    try:
        with _beside(out) as folder:
            made = folder / out.name
            yield made
            if mode is not None:
                made.chmod(mode)
            _sync(made)
            _put(made, out, force=force)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name a file that can be") from error


@contextmanager
def replace_files(out: Path, *, force: bool = False, earlier: Iterable[str] = ()) -> Iterator[Path]:
    """Write a file and its companions in a temporary folder, and move them when all are complete.

    Parameters
    ----------
    out : Path
        The file; its folder is made if it does not exist.
    force : bool
        Whether files that already exist are replaced.
    earlier : iterable of str
        Files, relative to the folder of `out`, that belonged to an earlier one and are removed if they exist.

    Yields
    ------
    Path
        The temporary folder.

    Raises
    ------
    InputError
        If a file cannot be written, or already exists and `force` is not set.
    """
    try:
        with _beside(out) as work:
            made = work / _MADE
            made.mkdir()
            yield made
            new = sorted(_files(made))
            there = [name for name in dict.fromkeys((*new, *earlier)) if is_within(out.parent, name)]
            if there and not force:
                raise InputError(_meanwhile(out.parent / there[0]))
            _move(out.parent, work, there, new)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name a file that can be") from error


def write_file(out: Path, content: bytes | str, *, force: bool = True, mode: int | None = None) -> None:
    """Write a file whole or not at all; see `replace_file`."""
    with replace_file(out, force=force, mode=mode) as made:
        made.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replace_folder(
    out: Path,
    *,
    force: bool = False,
    find_ours: Callable[[Path], Collection[str] | None] | None = None,
) -> Iterator[Path]:
    """Write the files of a folder in a temporary folder, and move them when all are complete.

    Parameters
    ----------
    out : Path
        A folder that does not exist or is empty, or with `force` one that was written before. What was
        written before is removed, and nothing else: the files that `MANIFEST` lists, or without it those that
        `find_ours` finds.
    force : bool
    find_ours : callable, optional
        Lists the files, relative to the folder, that versions without manifests wrote; None if there are none. Without
        it, the folder gets no manifest and is never replaced.

    Yields
    ------
    Path
        The temporary folder. If anything fails, `out` is unchanged.

    Raises
    ------
    InputError
        If the folder cannot be written, is being written by another command, contains no earlier report, or contains a
        user's file with the name of a new one.
    """
    is_ours = find_ours or (lambda _: None)
    check_folder(out, force=force, find_ours=is_ours)
    try:
        with ExitStack() as stack:
            stack.enter_context(_made_folder(out))
            stack.enter_context(_locked(out))
            # Checked again, because another command may have written before the lock was acquired.
            check_folder(out, force=force, find_ours=is_ours)
            for left in out.glob(f"{UNFINISHED}*"):
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=out, prefix=UNFINISHED, ignore_cleanup_errors=True) as name:
                made = Path(name) / _MADE
                made.mkdir()
                yield made
                _exchange(out, Path(name), find_ours)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name a folder that can be") from error


def _exchange(out: Path, work: Path, find_ours: Callable[[Path], Collection[str] | None] | None) -> None:
    """Replace the files of an earlier command with the new ones."""
    made = work / _MADE
    new = sorted(_files(made))
    before = sorted(list_ours(out, find_ours) or ()) if find_ours else []
    if foreign := [name for name in new if name not in set(before) and os.path.lexists(out / name)]:
        raise InputError(
            f"{out / foreign[0]}: is not of an earlier report, but would be overwritten; move it or name another folder"
        )
    if find_ours:
        (made / MANIFEST).write_text(json.dumps({"files": new}, indent=1), encoding="utf-8")
        new.append(MANIFEST)
        before += [MANIFEST] * os.path.lexists(out / MANIFEST)
    _move(out, work, before, new)


def _move(out: Path, work: Path, before: Iterable[str], new: Sequence[str]) -> None:
    """Move old files out of a folder and new ones in; undo this if it fails."""
    before = list(before)
    for name in new:
        _sync(work / _MADE / name)
    moved: list[tuple[Path, Path]] = []
    try:
        for source, target, names in ((out, work / _OLD, before), (work / _MADE, out, new)):
            for name in names:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                # Recorded first, so that an interruption between the two is undone too.
                moved.append((source / name, target / name))
                (source / name).replace(target / name)
    except BaseException:
        for source, target in reversed(moved):
            if os.path.lexists(target) and not os.path.lexists(source):
                target.replace(source)
        _remove_empty(out, new)
        raise
    _remove_empty(out, before)


def _remove_empty(out: Path, names: Iterable[str]) -> None:
    """Remove folders of files that no longer exist."""
    parents = {parent for name in names for parent in PurePosixPath(name).parents}
    for parent in sorted(parents, key=lambda path: -len(path.parts)):
        if parent.parts:
            with suppress(OSError):
                (out / parent).rmdir()


def _content(out: Path) -> list[str]:
    """List the contents of a folder, except temporary folders of killed commands."""
    return sorted(entry.name for entry in out.iterdir() if not entry.name.startswith(UNFINISHED))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if not is_folder(path):
            yield path.relative_to(folder).as_posix()


@contextmanager
def _made_folder(out: Path) -> Iterator[None]:
    """Create a folder, and remove it if the block fails."""
    there = out.is_dir()
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                out.rmdir()
        raise


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Lock a folder against other commands; the lock ends with the process."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{out}: is being written by another command; wait until it ends, or name another folder"
            ) from error
        except OSError as error:
            # Some network file systems do not lock folders; all other checks still apply.
            if error.errno not in {errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.ENOSYS, errno.EINVAL}:
                raise
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Create a temporary folder next to a file, so that its contents can be renamed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=UNFINISHED, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _put(made: Path, out: Path, *, force: bool) -> None:
    """Rename a file; without `force`, only if no other file has the name."""
    if force:
        made.replace(out)
        return
    try:
        os.link(made, out)
    except FileExistsError as error:
        raise InputError(_meanwhile(out)) from error
    except OSError:
        # This file system has no links: checking and renaming are two steps.
        if os.path.lexists(out):
            raise InputError(_meanwhile(out)) from None
        made.replace(out)


def _meanwhile(out: Path) -> str:
    return f"{out}: already exists, made by another command meanwhile; name another file, or add --force"


def _sync(path: Path) -> None:
    """Flush a file to disk before it is renamed, so that a power cut leaves the old file or the new one."""
    # Windows flushes only files that are open for writing.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _check_name(out: Path) -> None:
    """Check that a file can have this name."""
    try:
        out.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name another") from error
