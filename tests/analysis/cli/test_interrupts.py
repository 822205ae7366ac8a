"""Commands that are told to end, and outputs that cannot be written."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.cli.interrupts import Stopped, stopped_by_signals

from refusal_metrics.errors import InputError


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_in_a_sentence_with_its_code(monkeypatch, capsys, name, code):
    cleaned = []

    def app():
        try:
            signal.raise_signal(getattr(signal, name))
        finally:
            # A second one does not keep it from cleaning up.
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert cleaned
    assert capsys.readouterr().err == f"persona-refusal: terminated by {name}; incomplete output was not written\n"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before


@pytest.mark.parametrize("hides", [RuntimeError("Query interrupted"), ImportError("failed"), SystemError()])
def test_a_signal_is_known_whatever_hides_it(monkeypatch, hides):
    def app():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped:
            raise hides from None

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 143


def test_what_ignores_a_signal_goes_on(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    with stopped_by_signals() as signals:
        assert signals == []


def test_a_thread_other_than_the_main_one_handles_no_signals():
    failed = []

    def work():
        try:
            with stopped_by_signals():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("x" * 10_000), 2, f"persona-refusal: {'x' * 4000} ..."),
        (InputError("a\x1b[31m\nb"), 2, "persona-refusal: a\ufffd[31m b"),
        (BrokenPipeError(), 1, ""),
        (OSError(28, "No space left on device"), 1, "the disk is full"),
        (OSError(36, "File name too long", "a\x1bb"), 2, "a\ufffdb: cannot be read or written (File name too long)"),
        (PermissionError(13, "Permission denied", "secret.csv"), 2, "secret.csv: cannot be read or written"),
        (OSError(5, "Input/output error", "x"), 1, "x: cannot be read or written (Input/output error)"),
        (MemoryError("Unable to allocate 55.4 GiB"), 1, "out of memory (Unable to allocate 55.4 GiB)"),
        (RuntimeError("Query interrupted"), 130, ""),
    ],
)
def test_what_cannot_be_done_is_a_sentence(monkeypatch, capfd, raised, code, said):
    def app():
        raise raised

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(cli, "_silence", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    printed = " ".join(capfd.readouterr().err.split())
    assert " ".join(said.split()) in printed
    assert bool(printed) == bool(said)


@pytest.mark.parametrize("raised", [RuntimeError("a bug"), ImportError("a bug"), KeyError("a bug")])
def test_a_bug_is_a_traceback(monkeypatch, raised):
    def app():
        raise raised

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(type(raised), match="a bug"):
        cli.main()


def run_into(stdout, *command):
    return subprocess.run(
        [sys.executable, "-c", "from refusal_metrics.analysis.cli.app import main; main()", *command],
        check=False,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )


def test_nobody_reading_is_no_error_message():
    reading, writing = os.pipe()
    os.close(reading)
    ended = run_into(writing, "tasks-path")
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_full_disk_under_the_output_is_a_sentence():
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ended = run_into(full, "tasks-path")
    assert ended.returncode == 1
    assert ended.stderr.startswith("persona-refusal: the output cannot be written because the disk is full")
    assert "Traceback" not in ended.stderr
