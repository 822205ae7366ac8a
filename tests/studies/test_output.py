"""What engines print, on its way to a log."""

import multiprocessing
import os

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.studies import output
from refusal_metrics.studies.output import OutputLog
from refusal_metrics.studies.secrets import Redactor

KEY = "SECRET/Key+1"


@pytest.fixture
def write(tmp_path):
    """Write pieces into the pipe of a log; gives what is in the log at the end."""

    def go(*pieces, path=tmp_path / "m" / "run.log"):
        here, there = multiprocessing.Pipe(duplex=False)
        log = OutputLog(here, path, Redactor([KEY]))
        for piece in pieces:
            os.write(there.fileno(), piece)
        there.close()
        log.close(20)
        return path.read_bytes() if path.is_file() else b""

    return go


@pytest.mark.parametrize(
    ("pieces", "content"),
    [
        ([b"a\nb\n"], b"a\nb\n"),
        ([b"no end of line"], b"no end of line"),
        ([b"key SECRET", b"/Key+1 x\n"], b"key *** x\n"),
        ([bytes([c]) for c in f"x {KEY}\n".encode()], b"x ***\n"),
        ([b" 10%\r 20% " + KEY.encode() + b"\r 30%"], b" 10%\r 20% ***\r 30%"),
        ([b"\xff\xfe\x00\n"], b"\xff\xfe\x00\n"),
        ([b"x" * 60_000, b"SECRET", b"/Key+1", b"y" * 60_000], b"x" * 60_000 + b"***" + b"y" * 60_000),
        ([], b""),
    ],
)
def test_a_log_holds_what_was_printed_without_secrets_however_it_was_cut(write, pieces, content):
    assert write(*pieces) == content


def test_a_line_without_an_end_is_written_in_parts(write, monkeypatch):
    monkeypatch.setattr(output, "_LONGEST_LINE", 100)
    assert write(*[b"x" * 70] * 5) == b"x" * 350


def test_only_its_owner_may_read_a_log_also_one_that_was_there(write, tmp_path):
    path = tmp_path / "run.log"
    path.write_text("before\n")
    path.chmod(0o644)
    assert write(b"after\n", path=path) == b"before\nafter\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_keeps_nobody_waiting(write, tmp_path):
    path = tmp_path / "run.log"
    path.symlink_to("/dev/full")
    # More than a pipe holds.
    assert write(*[b"x" * 60_000 + b"\n"] * 5, path=path) == b""


def test_a_log_that_cannot_be_is_refused(write, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"run\.log: cannot be written \(File exists\); fix this"):
        write(path=tmp_path / "file" / "run.log")
