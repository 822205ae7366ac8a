"""Files and folders that are whole or not there, whatever happens while they are made."""

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest
from refusal_metrics.analysis import files
from refusal_metrics.analysis.files import (
    check_folder,
    check_new,
    replace_file,
    replace_files,
    replace_folder,
    write_file,
)
from refusal_metrics.analysis.manifest import MANIFEST

from refusal_metrics.errors import InputError


def nothing_ours(_folder):
    return None


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.is_symlink()
    }


def fill(folder, names, text):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def write(out, names, text="new", *, force=False, find_ours=nothing_ours):
    with replace_folder(out, force=force, find_ours=find_ours) as made:
        fill(made, names, text)


def files_of(folder):
    return {name: text.decode() for name, text in contents(folder).items() if name != MANIFEST}


FAILURES = [OSError(28, "No space left"), InputError("x"), MemoryError(), KeyboardInterrupt(), SystemExit(143)]


def fail_in(made, name, failure):
    fill(made.parent if made.name == name else made, [name], "half")
    raise failure


# A file.


def test_a_file_is_there_when_it_is_complete_and_not_before(tmp_path):
    out = tmp_path / "deep" / "down" / "out.csv"
    with replace_file(out, force=False) as made:
        made.write_text("half")
        assert not out.exists()
        made.write_text("whole")
    assert contents(tmp_path) == {"deep/down/out.csv": b"whole"}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("there_before", [False, True])
def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path, failure, there_before):
    out = tmp_path / "out.csv"
    if there_before:
        out.write_text("old")
    with pytest.raises(InputError if isinstance(failure, OSError) else type(failure)), replace_file(out) as made:
        fail_in(made, "out.csv", failure)
    assert contents(tmp_path) == ({"out.csv": b"old"} if there_before else {})
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"] * there_before


def test_of_many_that_make_one_file_at_once_one_succeeds(tmp_path):
    out, ended, together = tmp_path / "out.csv", [], threading.Barrier(8)

    def make(number):
        try:
            with replace_file(out, force=False) as made:
                made.write_text(str(number))
                together.wait()
            ended.append(number)
        except InputError as error:
            assert "already exists" in str(error)  # noqa: PT017 - in a thread

    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number) for number in ended] == [out.read_text()]
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_where_no_links_can_be_made_a_file_is_still_not_overwritten(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_file(tmp_path / "a", "1", force=False)
    with pytest.raises(InputError, match="already exists"):
        write_file(tmp_path / "a", "2", force=False)
    assert contents(tmp_path) == {"a": b"1"}


@pytest.mark.parametrize("make", ["folder", "link to a folder", "fifo", "file", "link to a file", "dangling link"])
@pytest.mark.parametrize("force", [False, True])
def test_what_may_be_replaced_by_a_file(tmp_path, make, force):
    out, other = tmp_path / "out", tmp_path / "other"
    if make == "folder":
        out.mkdir()
    elif make == "fifo":
        os.mkfifo(out)
    elif make == "file":
        out.touch()
    else:
        out.symlink_to(other)
        if make == "link to a folder":
            other.mkdir()
        elif make == "link to a file":
            other.touch()
    # A folder or device is never replaced by a file; a file or a link is with force.
    if force and make in {"file", "link to a file", "dangling link"}:
        check_new(out, force=force)
    else:
        with pytest.raises(InputError):
            check_new(out, force=force)


@pytest.mark.parametrize("name", ["a" * 300, "nul\0", "\ud800"])
def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path, name):
    for check in (lambda out: check_new(out, force=False), lambda out: check_folder(out, force=False, find_ours=bool)):
        with pytest.raises(InputError, match="cannot be written"):
            check(tmp_path / name)


def test_a_long_name_leaves_room_for_what_is_made_beside_it(tmp_path):
    write_file(tmp_path / ("a" * 255), "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a" * 255]


# A file and what belongs to it.


def test_a_page_and_its_figures_replace_earlier_ones_and_nothing_else(tmp_path):
    fill(tmp_path, ["board.html", "board_figures/families.svg", "board_figures/mine.svg", "notes.txt"], "old")
    with replace_files(tmp_path / "board.html", force=True, earlier=["board_figures/families.svg"]) as made:
        fill(made, ["board.html"], "new")
    assert files_of(tmp_path) == {"board.html": "new", "board_figures/mine.svg": "old", "notes.txt": "old"}


def test_without_force_no_file_of_them_is_replaced(tmp_path):
    fill(tmp_path, ["board_figures/families.svg"], "old")
    with pytest.raises(InputError, match="already exists"), replace_files(tmp_path / "board.html") as made:
        fill(made, ["board.html", "board_figures/families.svg"], "new")
    assert files_of(tmp_path) == {"board_figures/families.svg": "old"}


# A folder.


def test_what_an_earlier_command_wrote_is_removed_and_what_the_user_put_there_stays(tmp_path):
    out = tmp_path / "out"
    write(out, ["report.md", "responses.parquet", "tables/a.csv", "tables/paper/x.csv", "figures/f.svg"], "old")
    fill(out, ["notes.txt", "tables/mine.csv", "figures/deep/mine.png"], "mine")
    write(out, ["report.md", "tables/b.csv"], force=True)
    assert files_of(out) == {
        "report.md": "new",
        "tables/b.csv": "new",
        **dict.fromkeys(["notes.txt", "tables/mine.csv", "figures/deep/mine.png"], "mine"),
    }
    assert not (out / "tables" / "paper").exists()
    # What is left of the first by then is known to be of the user.
    write(out, ["report.md"], "third", force=True)
    assert "tables/b.csv" not in files_of(out)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_the_users_is_refused_and_left_alone(tmp_path, force):
    fill(tmp_path / "out", ["notes.txt", "data/logs.jsonl"], "mine")
    with pytest.raises(InputError) as caught:
        write(tmp_path / "out", ["report.md"], force=force)
    assert str(caught.value).startswith(f"{tmp_path / 'out'}: ")
    assert files_of(tmp_path / "out") == {"notes.txt": "mine", "data/logs.jsonl": "mine"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["data", "notes.txt"]


def test_a_file_of_the_users_in_the_place_of_a_new_one_is_refused_and_left_alone(tmp_path):
    out = tmp_path / "out"
    write(out, ["report.md"], "old")
    fill(out, ["tables/rates.csv"], "mine")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"tables/rates.csv: is not of an earlier report, but would be overwritten"):
        write(out, ["report.md", "tables/rates.csv"], force=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "listed",
    [
        *("../outside.txt", "/etc/hostname", "a/../../outside.txt", "linked/theirs.txt", "", ".", "folder", "\0"),
        *("./../outside.txt", "report.md/../../outside.txt"),
    ],
)
def test_a_list_of_others_removes_nothing_outside_the_folder(tmp_path, listed):
    out = tmp_path / "out"
    fill(tmp_path, ["outside.txt", "elsewhere/theirs.txt", "out/folder/mine.txt"], "mine")
    (out / "linked").symlink_to(tmp_path / "elsewhere")
    fill(out, ["report.md"], "old")
    (out / MANIFEST).write_text(json.dumps({"files": ["report.md", listed]}))
    write(out, ["report.md"], force=True)
    assert files_of(tmp_path / "elsewhere") == {"theirs.txt": "mine"}
    assert (tmp_path / "outside.txt").is_file()
    assert (out / "folder" / "mine.txt").is_file()
    assert (out / "report.md").read_text() == "new"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"files": 3}', "[" * 100_000, "\xff", "{}"])
def test_a_broken_list_is_a_sentence_and_nothing_is_removed(tmp_path, text):
    fill(tmp_path / "out", ["report.md"], "mine")
    (tmp_path / "out" / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="does not list what a report wrote"):
        write(tmp_path / "out", ["report.md"], force=True)
    assert files_of(tmp_path / "out") == {"report.md": "mine"}


class Killed(BaseException):
    """What no code expects."""


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), Killed()])
@pytest.mark.parametrize("at", range(9))
def test_a_failure_while_files_are_moved_leaves_the_old_report_whole(tmp_path, monkeypatch, at, failure):
    # Three old files and their list are moved out and three new ones with theirs in: 8 moves; the ninth is none.
    out, old = tmp_path / "out", ["report.md", "tables/a.csv", "tables/b.csv"]
    write(out, old, "old")
    fill(out, ["tables/mine.csv"], "mine")
    before, moves, replace = contents(out), [], Path.replace

    def limited(source, target):
        moves.append(target)
        if len(moves) == at + 1:
            raise failure
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", limited)
    if at == 8:
        write(out, ["report.md", "figures/f.svg", "tables/a.csv"], force=True)
        assert len(moves) == 8
        return
    with pytest.raises((InputError, Killed)):
        write(out, ["report.md", "figures/f.svg", "tables/a.csv"], force=True)
    assert contents(out) == before
    assert sorted(p.name for p in out.iterdir()) == [MANIFEST, "report.md", "tables"]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_while_files_are_made_leaves_no_folder(tmp_path, failure):
    with pytest.raises((InputError, type(failure))), replace_folder(tmp_path / "out", find_ours=nothing_ours) as made:
        fail_in(made, "report.md", failure)
    assert list(tmp_path.iterdir()) == []


def test_while_one_command_writes_a_folder_another_is_refused(tmp_path):
    with replace_folder(tmp_path / "out", find_ours=nothing_ours) as made:
        fill(made, ["report.md"], "first")
        for force in (False, True):
            with pytest.raises(InputError, match="is being written by another command"):
                write(tmp_path / "out", ["report.md"], "second", force=force)
    assert files_of(tmp_path / "out") == {"report.md": "first"}


@pytest.mark.parametrize("number", [95, 37])
def test_where_folders_cannot_be_locked_they_are_written(tmp_path, monkeypatch, number):
    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    write(tmp_path / "out", ["report.md"])
    assert files_of(tmp_path / "out") == {"report.md": "new"}


def test_what_a_killed_command_left_is_removed_and_is_no_content(tmp_path):
    fill(tmp_path / "out", [".persona-refusal-abc/made/report.md"], "half")
    check_folder(tmp_path / "out", force=False, find_ours=nothing_ours)
    write(tmp_path / "out", ["report.md"])
    assert set(contents(tmp_path / "out")) == {"report.md", MANIFEST}


def test_a_folder_may_be_the_one_that_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path(), ["report.md"])
    write(Path(), ["report.md"], "again", force=True)
    assert files_of(tmp_path) == {"report.md": "again"}


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    write(tmp_path / "out", ["report.md"])
    assert (tmp_path / "out").is_symlink()
    assert files_of(tmp_path / "real") == {"report.md": "new"}


def test_a_folder_without_a_list_is_never_replaced(tmp_path):
    with replace_folder(tmp_path / "out") as made:
        fill(made, ["key.csv"], "first")
    with pytest.raises(InputError), replace_folder(tmp_path / "out", force=True) as made:
        fill(made, ["key.csv"], "second")
    assert contents(tmp_path) == {"out/key.csv": b"first"}


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda number: (done.append("sync"), sync(number)))
    monkeypatch.setattr(Path, "replace", lambda source, target: (done.append("move"), replace(source, target))[1])
    write(tmp_path / "out", ["report.md", "tables/a.csv"])
    assert done == ["sync"] * 3 + ["move"] * 3
