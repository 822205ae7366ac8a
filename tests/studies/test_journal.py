"""Answers on disk: what comes back, and what never does."""

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refusal_metrics.detection import Reply
from refusal_metrics.errors import InputError
from refusal_metrics.studies import journal as module
from refusal_metrics.studies.journal import Journal, describe_reply

GREEDY = {"until": [], "do_sample": False, "max_gen_toks": 8}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model" / "task" / ".answers.jsonl"


def keep(path, *answers, identity="parrot", prompt="a", how=GREEDY):
    with Journal(path, identity) as journal:
        for answer in answers:
            journal.add(prompt, how, answer)


def taken(path, *, identity="parrot", prompt="a", how=GREEDY):
    """Take all answers to a prompt."""
    with Journal(path, identity) as journal:
        return list(iter(lambda: journal.take(prompt, how), None))


@given(answers=st.lists(st.text(alphabet=st.characters(codec=None)), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings.default.max_examples // 2)
def test_answers_come_back_as_they_were_in_their_order(answers, tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "answers.jsonl"
    keep(path, *answers)
    assert taken(path) == answers


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", finish_reason="content_filter", provider_reason="content_filter"),
        Reply("Offens", finish_reason="length"),
        Reply("1"),
    ],
)
def test_a_reply_comes_back_with_its_envelope(reply, path):
    keep(path, reply)
    (again,) = taken(path)
    assert (again, describe_reply(again)) == (reply, describe_reply(reply))
    assert isinstance(again, Reply)


def test_plain_text_comes_back_as_plain_text(path):
    keep(path, "1")
    (again,) = taken(path)
    assert type(again) is str
    assert describe_reply(again) is None


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "b"},
        {"prompt": "a "},
        {"prompt": ""},
        {"how": GREEDY | {"max_gen_toks": 16}},
        {"how": GREEDY | {"seed": 1}},
        {"how": {}},
        {"how": None},
        {"identity": "crow"},
        {"identity": "parrot "},
        {"identity": ""},
    ],
)
def test_no_answer_serves_another_prompt_model_or_way_of_asking(other, path):
    keep(path, "1")
    assert taken(path, **other) == []
    assert taken(path) == ["1"]


def test_the_order_of_arguments_is_no_other_way_of_asking(path):
    keep(path, "1", how=dict(reversed(GREEDY.items())))
    assert taken(path) == ["1"]


def test_answers_of_another_model_are_counted_and_left(path):
    keep(path, "1", "2")
    with Journal(path, "crow") as journal:
        assert (journal.n_found, journal.n_foreign, journal.n_damaged) == (0, 2, 0)
    assert taken(path) == ["1", "2"]


def swap(content):
    """Put the first answer's text into the second line."""
    return content.replace(b'"one"', b'"uno"')


@pytest.mark.parametrize(
    ("damage", "left", "n_damaged"),
    [
        (lambda content: content[:-1], ["one", "two", "three"], 0),
        (lambda content: content[:-2], ["one", "two"], 1),
        (lambda content: content[: content.rindex(b"\n", 0, -1) + 2], ["one", "two"], 1),
        (lambda content: content[5:], ["two", "three"], 1),
        (swap, ["two", "three"], 1),
        (lambda content: b"{}\n" + content, ["one", "two", "three"], 1),
        (lambda content: b"\xff\xfe\x00\n" + content, ["one", "two", "three"], 1),
        (lambda content: content + b"\n\n", ["one", "two", "three"], 0),
        (lambda content: content.replace(b"\n", b"\r\n"), [], 3),
        (lambda content: content.replace(b"\n", b""), [], 1),
        (lambda _: b"", [], 0),
        (lambda _: b"x" * 10_000, [], 1),
        (lambda content: module._checksum("[1]").encode() + b" [1]\n" + content, ["one", "two", "three"], 1),
        (lambda content: module._checksum("{}").encode() + b" {}\n" + content, ["one", "two", "three"], 1),
    ],
)
def test_a_line_that_is_not_what_was_written_is_counted_and_not_used(damage, left, n_damaged, path):
    keep(path, "one", "two", "three")
    path.write_bytes(damage(path.read_bytes()))
    with Journal(path, "parrot") as journal:
        assert journal.n_damaged == n_damaged
        assert list(iter(lambda: journal.take("a", GREEDY), None)) == left
        # What is written after it is whole.
        journal.add("a", GREEDY, "new")
    assert taken(path) == [*left, "new"]


def test_the_time_that_was_spent_is_remembered(path, monkeypatch):
    clock = iter([100.0, 103.0, 500.0, 502.0, 900.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    keep(path, "one")
    keep(path, "two")
    # 3 s of the first run and 2 of the second.
    assert Journal(path, "parrot").seconds == 5.0


def test_a_journal_is_removed_once_and_nothing_is_left(path):
    with Journal(path, "parrot") as journal:
        journal.add("a", GREEDY, "1")
        journal.remove()
        journal.remove()
    assert not path.exists()


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_full_disk_is_one_sentence_and_what_was_kept_stays(call, path, monkeypatch):
    keep(path, "one")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(module.os, call, full)
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); fix this and re-run"):
            keep(path, "two")
    assert taken(path)[0] == "one"


def test_a_line_half_written_by_a_full_disk_is_not_used(path, monkeypatch):
    keep(path, "one")
    really, calls = os.write, iter([True, False])

    def write(file, content):
        if next(calls):
            return really(file, content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "write", write)
        with pytest.raises(InputError):
            keep(path, "two")
    keep(path, "three")
    assert taken(path) == ["one", "three"]


def test_an_empty_journal_leaves_no_file(path):
    keep(path)
    assert not path.exists()
