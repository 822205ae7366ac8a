"""Running the models of a study: what one of them does to the others, and to the run."""

import importlib.util
import json
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lm_eval import models as _models  # noqa: F401 - it registers its own only while there are none
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.studies import process as study_process
from refusal_metrics.studies import run as study_run
from refusal_metrics.studies.folder import StudyFolder
from refusal_metrics.studies.plan import plan_study
from refusal_metrics.studies.run import deal_shards, missing_shards, run_checks, run_study
from refusal_metrics.studies.signals import Interruptions
from refusal_metrics.studies.spec import Study, StudyModel

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).parents[1] / "chat_server.py")
chat = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat)

FORK = multiprocessing.get_context("fork")
SECONDS = 60
"""Until what hangs fails a test."""
SMALL = {"source": "sample", "rows_per_class": 1, "variations": 5}
N_SHARDS = 5
"""Of 25 prompts about offensiveness: of one class, row and text each."""


@register_model("misfit")
class Misfit(LM):
    """A model that says "1", unless it does as `what` says when it is asked its second shard."""

    def __init__(self, what="", file="", pipe=0, token="", **_):
        super().__init__()
        self._key = token
        self._what, self._file, self._pipe, self._n_asked = what, file, pipe, 0
        if what == "no weights":
            raise RuntimeError("there are no weights\nof that name")

    def generate_until(self, requests, **_):
        self._n_asked += 1
        if self._n_asked == 2 and self._what in _MISDEEDS:
            _MISDEEDS[self._what](self)
        return ["1" for _ in requests]

    def wait_for_ever(self):
        os.write(self._pipe, b"!")
        time.sleep(SECONDS)

    def wait_whatever_happens(self):
        while True:
            with suppress(KeyboardInterrupt):
                self.wait_for_ever()

    def tell_its_key(self):
        os.write(1, f"an engine: {self._key}\n".encode())
        raise RuntimeError(f"401 for {self._key}, url=http://host/v1?api_key={self._key}")

    def leave_a_process(self):
        process = os.fork()
        if process == 0:
            time.sleep(SECONDS)
            os._exit(0)
        Path(self._file).write_text(str(process))

    def leave_a_process_and_be_killed(self):
        self.leave_a_process()
        os.kill(os.getpid(), signal.SIGKILL)

    def linger(self):
        # Python waits for it at the end.
        threading.Thread(target=time.sleep, args=(SECONDS,)).start()

    def end_in_silence(self):
        raise TimeoutError

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


_MISDEEDS = {
    "is killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "exits": lambda _: sys.exit(0),
    "is interrupted": lambda _: os.kill(os.getpid(), signal.SIGINT),
    "waits": Misfit.wait_for_ever,
    "waits whatever happens": Misfit.wait_whatever_happens,
    "tells its key": Misfit.tell_its_key,
    "leaves a process": Misfit.leave_a_process,
    "is killed and leaves a process": Misfit.leave_a_process_and_be_killed,
    "lingers": Misfit.linger,
    "fails in silence": Misfit.end_in_silence,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def forked(monkeypatch):
    """Fork the processes of models, so that they know the model above; they are spawned otherwise."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: FORK)
    monkeypatch.setattr(study_process, "_SECONDS_BETWEEN_LOOKS", 0.05)


def make_study(out, *models):
    return Study(
        Path("study.yaml"), out, ("persona_refusal_offensiveness",), SMALL, 1, "user", None, 5, tuple(models)
    )  # fmt: skip


def misfit(what="", name="misfit", **args):
    return StudyModel(name, "misfit", {"what": what, **args}, chat_template=False)


GOOD = misfit(name="good")


def run(made, shards=None):
    """Run what is missing of a study; give how it ended, and what it showed of each model."""
    shown = []
    plan = plan_study(made)
    began = StudyFolder(made.out).open(made.asked() | {"designs": plan.designs})["began"]
    todo = missing_shards(made, plan.shards, began) if shards is None else shards
    ended = run_study(made, todo, began, lambda model, kind, _: shown.append((model.name, kind)))
    return ended, Counter(shown)


def n_written(made, name):
    folder = made.out / name / "persona_refusal_offensiveness"
    return len(list(folder.glob("samples_*"))) if folder.exists() else 0


def unfinished(made):
    return [file.name for file in made.out.rglob("*") if file.name.endswith(".unfinished")]


def log_of(made, name="misfit"):
    return made.out / name / "run.log"


# Models that fail.


@pytest.mark.usefixtures("forked")
def test_a_model_that_does_not_load_stops_no_other_and_is_named(tmp_path):
    made = make_study(tmp_path, misfit("no weights"), GOOD)
    ended, shown = run(made)
    assert ended.failed == {"misfit": f"RuntimeError: there are no weights; see the end of {log_of(made)}"}
    assert (ended.written, ended.stopped) == (N_SHARDS, False)
    assert shown == {
        ("misfit", "begins"): 1,
        ("good", "begins"): 1,
        ("good", "loaded"): 1,
        ("good", "shard"): N_SHARDS,
    }
    assert (n_written(made, "misfit"), n_written(made, "good")) == (0, N_SHARDS)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("is killed", "its process was ended (exit code -9); see the end of {log}"),
        ("exits", "its process was ended (exit code 0); see the end of {log}"),
        ("fails in silence", "TimeoutError; see the end of {log}"),
    ],
)
def test_a_model_whose_process_ends_early_is_named_and_keeps_what_was_written(what, why, tmp_path):
    made = make_study(tmp_path, misfit(what), GOOD)
    ended, _ = run(made)
    assert ended.failed == {"misfit": why.format(log=log_of(made))}
    assert ended.written == 1 + N_SHARDS
    assert (n_written(made, "misfit"), n_written(made, "good")) == (1, N_SHARDS)


@pytest.mark.usefixtures("forked")
def test_a_model_that_is_killed_at_its_second_shard_gets_to_the_end_one_shard_a_run(tmp_path):
    made = make_study(tmp_path, misfit("is killed"))
    for n in range(1, N_SHARDS):
        ended, _ = run(made)
        assert (ended.written, n_written(made, "misfit")) == (1, n)
        assert list(ended.failed) == ["misfit"]
    ended, _ = run(made)
    assert (ended.written, n_written(made, "misfit"), ended.failed) == (1, N_SHARDS, {})
    assert unfinished(made) == []


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("what", ["leaves a process", "is killed and leaves a process"])
def test_a_run_ends_what_the_process_of_a_model_left_behind(what, monkeypatch, tmp_path):
    monkeypatch.setattr(study_process, "_SECONDS_TO_STOP", 2 * SECONDS)
    here, there = os.pipe()
    left_behind = tmp_path / "pid"
    ended, _ = run(make_study(tmp_path / "study", misfit(what, file=str(left_behind))))
    os.close(there)
    # It had the other end of the pipe, and was ended with the process that began it.
    assert select.select([here], [], [], SECONDS / 2)[0] == [here]
    assert os.read(here, 1) == b""
    os.close(here)
    assert left_behind.read_text()
    is_killed = what.startswith("is killed")
    assert list(ended.failed) == ["misfit"] * is_killed
    assert ended.written == (1 if is_killed else N_SHARDS)


@pytest.mark.usefixtures("forked")
def test_a_model_that_has_written_all_and_does_not_end_is_ended_and_has_not_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(study_process, "_SECONDS_TO_STOP", 0.1)
    made = make_study(tmp_path, misfit("lingers"), GOOD)
    ended, _ = run(made)
    assert (ended.written, ended.failed, ended.stopped) == (2 * N_SHARDS, {}, False)
    assert multiprocessing.active_children() == []


def test_spawned_processes_write_logs_say_why_they_fail_and_stop_no_other(tmp_path):
    def broken(name):
        # It wants an address.
        return StudyModel(name, "gguf", chat_template=False)

    made = make_study(tmp_path, broken("broken"), broken("full"), StudyModel("parrot", "dummy", chat_template=False))
    began = StudyFolder(made.out).open(made.asked() | {"designs": {}})["began"]
    log_of(made, "full").parent.mkdir()
    # A disk without room for the traceback.
    log_of(made, "full").symlink_to("/dev/full")
    ended = run_study(made, plan_study(made).shards, began, lambda *_: None)
    assert ended.failed.keys() == {"broken", "full"}
    for name, why in ended.failed.items():
        assert why.startswith("AssertionError: must pass `base_url`")
        assert why.endswith(f"; see the end of {log_of(made, name)}")
        assert "\n" not in why
    assert "Traceback" in log_of(made, "broken").read_text()
    assert (ended.written, n_written(made, "parrot")) == (N_SHARDS, N_SHARDS)


# Interruptions.


@pytest.mark.usefixtures("forked")
def test_an_interrupted_run_says_so_begins_no_other_model_and_goes_on_later(tmp_path):
    made = make_study(tmp_path, misfit("is interrupted"), GOOD)
    ended, shown = run(made)
    assert (ended.written, ended.stopped, ended.failed) == (1, True, {})
    assert ("good", "begins") not in shown
    # The shard that was being asked is not there, not even a part of it.
    assert n_written(made, "misfit") == 1
    assert len(list(made.out.rglob("results_*"))) == 1
    assert unfinished(made) == []
    # Each run writes one shard of it more, and the last one both models.
    for _ in range(N_SHARDS - 1):
        ended, _ = run(made)
    assert (ended.stopped, ended.failed) == (False, {})
    assert (n_written(made, "misfit"), n_written(made, "good")) == (N_SHARDS, N_SHARDS)


def talk(act, pipe):
    """Act in a process group of its own, and send what comes of it."""
    os.setpgrp()
    pipe.send(act())


def interrupt(made, waiting, *numbers):
    """Run a study in a process, and send that alone signals once the model waits; gives how it ended."""
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=talk, args=(partial(run, made), there))
    process.start()
    there.close()
    assert os.read(waiting, 1) == b"!"
    for number in numbers:
        os.kill(process.pid, number)
        time.sleep(0.3)
    assert here.poll(SECONDS / 2)
    ended, shown = here.recv()
    process.join(SECONDS)
    assert process.exitcode == 0
    assert ("good", "begins") not in shown
    return ended


@pytest.fixture
def pipe():
    here, there = os.pipe()
    yield here, there
    for end in (here, there):
        with suppress(OSError):
            os.close(end)


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_run_alone_stops_the_model_too_and_no_other_begins(number, pipe, tmp_path):
    made = make_study(tmp_path, misfit("waits", pipe=pipe[1]), GOOD)
    ended = interrupt(made, pipe[0], number)
    assert (ended.written, ended.stopped, ended.signal, ended.failed) == (1, True, number, {})
    assert (n_written(made, "misfit"), n_written(made, "good"), unfinished(made)) == (1, 0, [])
    # No process has the other end of the pipe any more: the model is gone.
    os.close(pipe[1])
    assert os.read(pipe[0], 1) == b""


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(("n_signals", "seconds"), [(2, SECONDS), (1, 0.1)])
def test_a_model_that_does_not_stop_is_ended_at_the_second_signal_or_after_some_seconds(
    n_signals, seconds, monkeypatch, pipe, tmp_path
):
    monkeypatch.setattr(study_run, "_SECONDS_TO_INTERRUPT", seconds)
    made = make_study(tmp_path, misfit("waits whatever happens", pipe=pipe[1]), GOOD)
    ended = interrupt(made, pipe[0], *[signal.SIGTERM] * n_signals)
    assert (ended.written, ended.stopped, ended.signal, ended.failed) == (1, True, signal.SIGTERM, {})
    os.close(pipe[1])
    # It says once more that it waits, at the first signal.
    while said := os.read(pipe[0], 1):
        assert said == b"!"


def test_what_is_ignored_stays_ignored_and_handlers_are_put_back():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruptions() as interruptions:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        assert (interruptions.first, interruptions.n) == (signal.SIGTERM, 2)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Secrets.


@pytest.mark.usefixtures("forked")
def test_a_key_that_an_engine_prints_or_fails_with_is_written_nowhere(tmp_path):
    key = "SECRET/Key+1"
    made = make_study(tmp_path, misfit("tells its key", token=key))
    ended, _ = run(made)
    assert ended.failed == {
        "misfit": f"RuntimeError: 401 for ***, url=http://host/v1?api_key=***; see the end of {log_of(made)}"
    }
    said = log_of(made).read_text()
    assert "an engine: ***\n" in said
    assert log_of(made).stat().st_mode & 0o777 == 0o600
    kept = [file for file in made.out.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]
    assert kept == []
    (results,) = (json.loads(file.read_text()) for file in made.out.rglob("results_*"))
    assert results["config"]["model_args_left_out"] == ["token", "what"]


@pytest.mark.parametrize(
    ("backend", "command"),
    [
        ("local-chat-completions", 'pip install "lm-eval[api]"'),
        ("openai-completions", 'pip install "lm-eval[api]"'),
        ("vllm", 'pip install "persona-refusal[vllm]"'),
        ("hf", 'pip install "persona-refusal[hf]"'),
    ],
)
def test_a_backend_without_its_packages_is_told_with_the_command_that_installs_them(backend, command):
    why = study_process._why(ModuleNotFoundError("packages ['tenacity']\nare not installed"), backend)
    assert why == (
        f"backend {backend} needs packages that are not installed; run {command} "
        "(packages ['tenacity'] are not installed)"
    )


@pytest.mark.usefixtures("forked")
def test_a_model_ends_with_the_run_that_began_it(tmp_path):
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        run(make_study(tmp_path, misfit("waits", pipe=there)))
        os._exit(0)
    os.close(there)
    # It is asked its second shard, and waits.
    assert os.read(here, 1) == b"!"
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    # The model has the other end of the pipe as long as it lives.
    assert select.select([here], [], [], SECONDS / 2)[0] == [here]
    assert os.read(here, 1) == b""
    os.close(here)


# Others.


@pytest.mark.usefixtures("forked")
def test_shards_that_another_run_writes_or_has_written_are_left_to_it_and_counted(tmp_path):
    made = make_study(tmp_path, GOOD)
    shards = plan_study(made).shards
    assert run(made, shards[:2])[0].written == 2
    here, there = FORK.Pipe()

    def hold():
        with StudyFolder(made.out).claim(shards[3]) as mine:
            here.send(mine)
            here.recv()

    other = FORK.Process(target=hold)
    other.start()
    assert there.recv()
    ended, shown = run(made, shards)
    there.send("enough")
    other.join(SECONDS)
    assert (ended.written, ended.busy, ended.others, ended.failed) == (N_SHARDS - 3, 1, 2, {})
    assert shown["good", "busy"] == 1
    assert n_written(made, "good") == N_SHARDS - 1
    assert run(made)[0].written == 1


@given(st.integers(0, 60), st.integers(1, 70))
def test_the_parts_of_an_array_hold_each_shard_once_in_their_order_and_as_many_each(n_shards, n_parts):
    shards = tuple(range(n_shards))
    parts = [deal_shards(shards, number, n_parts) for number in range(1, n_parts + 1)]
    assert tuple(shard for part in parts for shard in part) == shards
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_that_are_as_many_as_models_are_the_models(tmp_path):
    shards = plan_study(make_study(tmp_path, GOOD, misfit(), misfit(name="third"))).shards
    for number, name in enumerate(("good", "misfit", "third"), start=1):
        part = deal_shards(shards, number, 3)
        assert len(part) == N_SHARDS
        assert {shard.model for shard in part} == {name}


# Servers, checks and the command.


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ((500, {}, chat.Body(error="no")), "HTTP 500: no"),
        (chat.DROP, "ServerDisconnectedError: Server disconnected"),
        (chat.Body(error={"message": "no such\nmodel"}), "the server sent no answer: no such model"),
    ],
)
def test_a_server_that_does_not_answer_is_told_of_in_a_sentence_and_asked_again_later(reply, why, tmp_path):
    well = threading.Event()
    with chat.serving(lambda *_: "1" if well.is_set() else reply) as server:
        url = f"{server.address}/chat/completions"
        args = {"model": "m", "base_url": url, "num_concurrent": 2, "max_retries": 1}
        made = make_study(tmp_path, StudyModel("misfit", "local-chat-completions", args), GOOD)
        ended, _ = run(made)
        assert ended.failed == {
            "misfit": f"some prompts got no answer ({why}); re-run the same command; finished prompts are not sent "
            "again"
        }
        assert (n_written(made, "misfit"), n_written(made, "good")) == (0, N_SHARDS)
        well.set()
        ended, _ = run(made)
        assert (ended.failed, ended.written, n_written(made, "misfit")) == ({}, N_SHARDS, N_SHARDS)


def served(*servers, **args):
    """Make a model behind several servers."""
    urls = [f"{server.address}/chat/completions" for server in servers]
    args = {"model": "m", "base_url": urls, "num_concurrent": 2, "max_retries": 1} | args
    return StudyModel("served", "local-chat-completions", args)


@pytest.mark.usefixtures("forked")
def test_several_servers_share_the_shards_of_one_model(tmp_path):
    # Neither answers before the other one has been asked, so both have a part.
    first = [threading.Event(), threading.Event()]

    def reply(number):
        def answer(*_):
            if not first[number].is_set():
                first[number].set()
                first[1 - number].wait(SECONDS)
            return "1"

        return answer

    with chat.serving(reply(0)) as one, chat.serving(reply(1)) as other:
        made = make_study(tmp_path, served(one, other))
        ended, shown = run(made)
        assert (ended.written, ended.failed, ended.lost, ended.busy, ended.others) == (N_SHARDS, {}, {}, 0, 0)
        assert shown["served", "shard"] == N_SHARDS
        assert n_written(made, "served") == N_SHARDS
        asked = one.n_asked.keys() | other.n_asked.keys()
        # Each prompt was asked of one of them, once.
        assert sum(one.n_asked.values()) + sum(other.n_asked.values()) == len(asked)
        assert one.n_asked
        assert other.n_asked


@pytest.mark.usefixtures("forked")
def test_what_a_failing_server_leaves_another_one_of_its_model_takes_over(tmp_path):
    begun = threading.Event()

    def fails(*_):
        begun.set()
        return 500, {}, "no"

    def waits(*_):
        begun.wait(SECONDS)
        return "1"

    with chat.serving(fails) as bad, chat.serving(waits) as good:
        made = make_study(tmp_path, served(bad, good))
        ended, _ = run(made)
        assert (ended.written, ended.failed, n_written(made, "served")) == (N_SHARDS, {}, N_SHARDS)
        ((name, why),) = ended.lost.items()
        assert name == f"served at {bad.address}/chat/completions"
        assert why.startswith("some prompts got no answer (HTTP 500: ")


@pytest.mark.usefixtures("forked")
def test_a_model_none_of_whose_servers_answers_has_failed_and_goes_on_at_another_address(tmp_path):
    with chat.serving(lambda *_: (500, {}, "no")) as bad, chat.serving(lambda *_: (500, {}, "no")) as worse:
        made = make_study(tmp_path, served(bad, worse))
        ended, _ = run(made)
        assert (ended.written, ended.lost) == (0, {})
        assert list(ended.failed) == [f"served at {s.address}/chat/completions" for s in (bad, worse)]
    with chat.serving(lambda *_: "1") as good:
        ended, _ = run(make_study(tmp_path, served(good)))
    assert (ended.written, ended.failed) == (N_SHARDS, {})


@pytest.mark.usefixtures("forked")
def test_prompts_are_asked_twice_of_each_model_that_loads(tmp_path):
    made = make_study(tmp_path, misfit("no weights"), GOOD)
    told = []
    ended = run_checks(made, 7, lambda model, kind, what: told.append((model.name, kind, what.get("n"))))
    assert told == [("misfit", "begins", None), ("good", "begins", None), ("good", "checked", 7)]
    assert list(ended.failed) == ["misfit"]


@pytest.mark.usefixtures("forked")
def test_the_command_names_the_model_that_failed_and_ends_with_1_and_with_130_where_it_was_interrupted(tmp_path):
    def invoke(what, out):
        models = {
            name: {"backend": "misfit", "args": {"what": how}, "chat_template": False}
            for name, how in (("bad", what), ("good", ""))
        }
        wanted = {"out": str(tmp_path / out), "tasks": "persona_refusal_offensiveness", "settings": SMALL}
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(wanted | {"shard_docs": 5, "models": models}))
        result = CliRunner(env={"COLUMNS": "300"}).invoke(cli.app, ["run", str(file)])
        return result.exit_code, result.output

    code, said = invoke("no weights", "first")
    assert code == 1
    assert "bad failed: RuntimeError: there are no weights; see the end of" in said
    assert f"Wrote 5 shards to {tmp_path / 'first'}; 5 are missing." in said
    assert "Re-run the same command to resume." in said
    code, said = invoke("is interrupted", "second")
    assert code == 130
    assert f"Wrote 1 shards to {tmp_path / 'second'}; 9 are missing." in said
    code, said = invoke("", "third")
    assert code == 0
    assert "missing" not in said
