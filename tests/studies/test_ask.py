"""Asking a study: what it plans, and what it survives."""

import contextlib
import errno
import hashlib
import importlib.util
import itertools
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.evaluator import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.models import api_models
from lm_eval.tasks import TaskManager
from refusal_metrics.analysis.responses import load_responses
from tenacity import wait_none

from refusal_metrics import metrics
from refusal_metrics.errors import InputError
from refusal_metrics.prompts import load_design
from refusal_metrics.register import tasks_folder
from refusal_metrics.studies import ask as study
from refusal_metrics.studies import folder as study_folder
from refusal_metrics.studies import journal, models
from refusal_metrics.studies.ask import OncePerPrompt, run_model
from refusal_metrics.studies.folder import Shard, StudyFolder
from refusal_metrics.studies.journal import Journal
from refusal_metrics.studies.plan import load_tasks, plan_study
from refusal_metrics.studies.spec import Study, StudyModel

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).parents[1] / "chat_server.py")
chat = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat)

FORK = multiprocessing.get_context("fork")
SECONDS = 120
"""Until a process that hangs fails a test."""
BEGAN = "2025-03-01T10-00-00"
SMALL = {"source": "sample", "rows_per_class": 3, "variations": 5}
"""75 prompts about offensiveness and 45 about inference, five a text or pair."""


def answer(prompt):
    """Refuse, answer or ramble, by the prompt alone."""
    kind = hashlib.blake2b(prompt.encode(), digest_size=1).digest()[0] % 3
    return ("I'm sorry, but I cannot help with that.", "1", f"É 漢, {prompt[-20:]!r}")[kind]


@register_model("scripted")
class Scripted(LM):
    """A model that gives `answer`; its chat template has a system role or drops what stands there."""

    tokenizer_name = "scripted"
    log = None
    """A file that gets a line for each prompt."""

    def __init__(self, system_role=True, **_):
        super().__init__()
        self._roles = ("system", "user") if system_role else ("user",)

    def generate_until(self, requests, **_):
        if self.log:
            with self.log.open("a") as file:
                file.writelines("asked\n" for _ in requests)
        return [answer(request.args[0]) for request in requests]

    def apply_chat_template(self, chat_history, **_):
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat_history if turn["role"] in self._roles)

    def chat_template(self, *_):
        return ", ".join(self._roles)

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def make_study(out, **given):
    """Make a study of one model; arguments are fields of the study, or of the model."""
    of_model = {name: given.pop(name) for name in ("backend", "args", "chat_template") if name in given}
    model = StudyModel(**{"name": "parrot", "backend": "scripted"} | of_model)
    fields = {
        "path": Path("study.yaml"),
        "tasks": ("persona_refusal_offensiveness", "persona_refusal_nli_neutral"),
        "settings": SMALL,
        "repeats": 1,
        "placement": "user",
        "system_prompt": None,
        "shard_docs": 8,
    }
    return Study(out=out, models=(model,), **fields | given)


def ask(given, shards=None):
    """Run the model of a study in this process; give what it told."""
    told = []
    shards = plan_study(given).shards if shards is None else shards
    asked = given.asked() | {"designs": {}}
    if not (record := given.out / "study.json").exists():
        # All of these studies began at once, so that their files have the same names.
        given.out.mkdir(exist_ok=True)
        record.write_text(json.dumps({"began": BEGAN, "asked": asked}))
    began = StudyFolder(given.out).open(asked)["began"]
    run_model(given, given.models[0], shards, began, lambda kind, what: told.append((kind, what.get("shard"))))
    return told


def kinds(told):
    return Counter(kind for kind, _ in told)


def apart(act):
    """Act in a forked process; give its exit code and, where it stopped with one, its sentence."""
    here, there = FORK.Pipe(duplex=False)

    def go():
        try:
            act()
        except InputError as error:
            there.send(str(error))

    process = FORK.Process(target=go, daemon=True)
    process.start()
    there.close()
    process.join(SECONDS)
    try:
        return process.exitcode, here.recv() if here.poll() else None
    except EOFError:
        return process.exitcode, None


def contents(out):
    """Read the samples and results below a folder, by name; but for how long each took."""
    files = [file for kind in ("samples", "results") for file in out.rglob(f"{kind}_*")]
    return {
        str(file.relative_to(out)): re.sub(rb'("seconds(_writing)?"): [0-9.]+', rb"\1: 0", file.read_bytes())
        for file in files
    }


def samples(out):
    return {name: content for name, content in contents(out).items() if is_samples(name)}


def lines(out):
    """Read all samples."""
    return [json.loads(line) for file in out.rglob("samples_*") for line in file.read_bytes().splitlines()]


def prompt_of(line):
    return line["arguments"]["gen_args_0"]["arg_0"]


def unfinished(out):
    return [file.name for file in out.rglob("*") if file.name.endswith(".unfinished")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A study that nothing happened to, and its plan."""
    given = make_study(tmp_path_factory.mktemp("unbroken"))
    shards = plan_study(given).shards
    assert kinds(ask(given, shards)) == {"loaded": 1, "shard": len(shards)}
    return given, shards


@pytest.fixture(scope="module")
def unbroken(written):
    """Its plan and what it wrote."""
    return written[1], contents(written[0].out)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Count, in forked processes too, how often the model was asked each shard: a function that gives the counts."""
    file = tmp_path / "asked.log"
    really = study._ask

    def note(*given):
        with file.open("a") as log:
            log.write(f"{given[-1].task} {given[-1].number}\n")
        return really(*given)

    monkeypatch.setattr(study, "_ask", note)
    return lambda: Counter(file.read_text().splitlines() if file.exists() else ())


@pytest.fixture
def at_once(monkeypatch):
    """Let the harness try failed calls again without waiting."""
    monkeypatch.setattr(api_models, "wait_exponential", lambda **_: wait_none())


# What is planned.


@pytest.mark.parametrize("shard_docs", [1, 7, 8, 40, 10_000])
def test_shards_are_whole_texts_and_hold_each_doc_once(shard_docs, tmp_path):
    given = make_study(tmp_path, shard_docs=shard_docs)
    plan = plan_study(given)
    for name, task in load_tasks(given).items():
        text_ids = task.dataset["test"]["text_id"]
        shards = [shard for shard in plan.shards if shard.task == name]
        assert [i for shard in shards for i in range(shard.start, shard.stop)] == list(range(plan.n_docs[name]))
        assert plan.n_docs[name] == len(text_ids)
        for shard in shards[1:]:
            assert text_ids[shard.start] != text_ids[shard.start - 1]
        # As many as are asked for, or as there are texts.
        assert len(shards) == min(-(-len(text_ids) // shard_docs), len(set(text_ids)))
        assert [shard.number for shard in shards] == list(range(1, len(shards) + 1))


def test_repeats_have_shards_of_their_own(tmp_path):
    once, thrice = plan_study(make_study(tmp_path)), plan_study(make_study(tmp_path, repeats=3))
    assert len(thrice.shards) == 3 * len(once.shards)
    assert len({(shard.task, shard.number) for shard in thrice.shards}) == len(thrice.shards)
    for repeat in (1, 2, 3):
        docs = {(shard.task, shard.start, shard.stop) for shard in thrice.shards if shard.repeat == repeat}
        assert docs == {(shard.task, shard.start, shard.stop) for shard in once.shards}


def test_a_task_that_is_not_ours_is_named(tmp_path):
    with pytest.raises(InputError, match=r"study\.yaml: tasks: unknown 'arc_easy': allowed are persona_refusal, "):
        plan_study(make_study(tmp_path, tasks=("persona_refusal_nli", "arc_easy")))


# What is written.


def test_the_harness_itself_logs_the_same_responses(written, tmp_path):
    given, shards = written
    tracker = EvaluationTracker(output_path=str(tmp_path / "plain"))
    results = simple_evaluate(
        Scripted(),
        tasks=list(given.tasks),
        task_manager=TaskManager(include_path=str(tasks_folder()), include_defaults=False, metadata=SMALL),
        apply_chat_template=True,
        bootstrap_iters=0,
        evaluation_tracker=tracker,
        torch_random_seed=None,  # which would import it
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results, samples)
    for task in given.tasks:
        tracker.save_results_samples(task, samples[task])

    def read(folder):
        table = load_responses([folder], texts=True).query("SELECT * FROM responses").df()
        # Which file a response stands in, and what its model is called, is no part of it.
        own = [name for name in ("model", "run", "log", "file", "line") if name in table]
        return table.drop(columns=own).sort_values(["task", "index"], ignore_index=True)

    plain, ours = read(tmp_path / "plain"), read(given.out)
    assert len(ours) == sum(shard.stop - shard.start for shard in shards)
    assert {response[:1] for response in ours["response"]} == {"I", "1", "É"}
    assert ours.equals(plain)


# Kills.

WRITTEN_FIRST = ("the study's record", "how the model was run", "samples", "results", "what was counted")
"""Renamed in this order too, but for the samples, which come after the results."""
LOSES = [
    # While the model answers, and before its first answers are on the disk.
    (Scripted, "generate_until", "after", 1),
    (sys.modules[__name__], "answer", "before", 3),
    *((Journal, "add", when, nth) for when, nth in (("before", 1), ("after", 1), ("before", 3))),
]
KILLS = [
    *((Scripted, "__init__", when, 1) for when in ("before", "after")),
    (study, "load_tasks", "before", 1),
    (StudyFolder, "tidy", "before", 1),
    (Scripted, "generate_until", "before", 1),
    *LOSES,
    *((Journal, "close", when, 1) for when in ("before", "after")),
    *((metrics, "process_results", "before", nth) for nth in (1, 4)),
    (study, "shard_versions", "before", 1),
    (StudyFolder, "put", "before", 1),
    *((StudyFolder, "_write", when, nth) for when in ("halfway", "after") for nth, _ in enumerate(WRITTEN_FIRST, 1)),
    *((os, "fsync", "before", nth) for nth in (3, 4, 5)),
    *((StudyFolder, "_rename", "after", nth) for nth, _ in enumerate(WRITTEN_FIRST, 1)),
    *((Journal, "remove", when, 1) for when in ("before", "after")),
    (StudyFolder, "note", "before", 2),
    # Of the second shard.
    (Scripted, "generate_until", "before", 2),
    *((StudyFolder, "_write", "halfway", nth) for nth in (6, 7)),
    *((StudyFolder, "_rename", "before", nth) for nth in (6, 7)),
]


def arm(owner, name, when, nth):
    """Let this process be killed at the nth call of a function."""
    really, calls = getattr(owner, name), itertools.count(1)

    def call(*given, **named):
        if next(calls) != nth:
            return really(*given, **named)
        if when == "halfway":
            *first, content = given
            given = (*first, content[: len(content) // 2])
        if when != "before":
            really(*given, **named)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, call)


def is_samples(name):
    return name.rpartition("/")[2].startswith("samples_")


def kept(out):
    """Count the answers that are in logs, or else in journals."""
    n_logged = len(lines(out))
    journals = [file for file in out.rglob(".answers_*") if not log_of(file).exists()]
    return n_logged + sum(
        journal._parse(line) is not None for file in journals for line in file.read_bytes().split(b"\n")
    )


def log_of(file):
    return file.with_name(file.name.replace(".answers", f"samples_{file.parent.name}"))


def test_a_study_killed_again_and_again_has_the_same_logs_and_asks_no_prompt_twice_that_was_answered(
    unbroken, monkeypatch, tmp_path
):
    shards, whole = unbroken
    given, log = make_study(tmp_path / "killed"), tmp_path / "asked.log"
    monkeypatch.setattr(Scripted, "log", log)
    log.touch()
    assert len(KILLS) >= 20

    def go(kill=None):
        if kill:
            arm(*kill)
        ask(given, shards)

    def n_asked():
        return len(log.read_text().splitlines())

    n_lost = 0
    for kill in KILLS:
        before, n_kept, n_before = samples(given.out), kept(given.out), n_asked()
        there = {name: (given.out / name).stat().st_ino for name in before}
        assert apart(partial(go, kill))[0] == -signal.SIGKILL, kill
        after = samples(given.out)
        # What had been written is the same file still.
        assert {name: (given.out / name).stat().st_ino for name in there} == there, kill
        assert all(after[name] == before[name] for name in there), kill
        lost = n_asked() - n_before - (kept(given.out) - n_kept)
        assert (lost > 0) == (kill in LOSES), kill
        n_lost += lost
    # Something was left to lose until the end.
    assert len(after) < len(shards)
    assert apart(go) == (0, None)
    assert contents(given.out).keys() == whole.keys()
    assert samples(given.out) == {name: content for name, content in whole.items() if is_samples(name)}
    n_docs = sum(shard.stop - shard.start for shard in shards)
    assert n_asked() == n_docs + n_lost
    assert unfinished(given.out) == []
    assert list(given.out.rglob(".answers_*")) == []
    counted = StudyFolder(given.out).record()["runs"]["parrot"]
    assert (counted["n_prompts"], counted["n_asked"]) == (n_docs, n_docs)


# What fails after the answers have come.


class Fails:
    """Fails once, wherever it is put."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_, **__):
        raise self.error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FAULTS = [
    (metrics, "process_results", ValueError("cannot be judged")),
    (metrics, "process_results", RecursionError()),
    (metrics, "process_results", MemoryError()),
    (evaluator, "_process_results", TypeError("another harness")),
    (evaluator, "hash_string", UnicodeEncodeError("utf-8", "x", 0, 1, "no")),
    (study, "shard_versions", KeyError("hardware")),
    (study.OncePerPrompt, "count_tokens", RuntimeError("no tokenizer")),
    (StudyFolder, "put", KeyboardInterrupt()),
    (StudyFolder, "_write", FULL),
    (StudyFolder, "_rename", FULL),
    (study_folder, "strict_json", TypeError("no JSON")),
    (study_folder, "_line", KeyError("arguments")),
    (os, "fsync", PermissionError(errno.EACCES, os.strerror(errno.EACCES))),
    (Journal, "close", InputError("cannot be written")),
    (StudyFolder, "note", FULL),
]


@pytest.mark.parametrize(("owner", "name", "error"), FAULTS)
def test_nothing_that_fails_after_the_answers_have_come_lets_a_prompt_be_asked_again(
    owner, name, error, prompts, monkeypatch, tmp_path
):
    given = make_study(tmp_path, tasks=("persona_refusal_offensiveness",), settings=SMALL | {"rows_per_class": 1})
    shards = plan_study(given).shards
    really = Scripted.generate_until

    with monkeypatch.context() as faulty:

        def generate_until(self, requests, **named):
            answers = really(self, requests, **named)
            faulty.setattr(owner, name, Fails(error))
            return answers

        faulty.setattr(Scripted, "generate_until", generate_until)
        if owner is metrics:
            # Looked up when tasks are loaded.
            once, calls = metrics.process_results, itertools.count(1)
            fail = Fails(error)
            faulty.setattr(metrics, name, lambda *what: fail() if next(calls) == 3 else once(*what))
            faulty.setattr(Scripted, "generate_until", really)
        # The process of a model ends with it, and the next run begins with another.
        with contextlib.suppress(type(error), InputError):
            ask(given, shards)
    n_first = len(prompts)
    assert n_first in (shards[0].stop, shards[-1].stop)
    ask(given, shards)
    assert len(prompts) == len(set(prompts)) == shards[-1].stop
    assert {prompt_of(line): line["resps"][0][0] for line in lines(tmp_path)} == {
        prompt: answer(prompt) for prompt in prompts
    }


# Disks and files.


def test_a_disk_that_fills_up_stops_with_one_sentence_and_the_study_goes_on_later(unbroken, monkeypatch, tmp_path):
    shards, whole = unbroken
    given = make_study(tmp_path)
    really, n_calls = os.fsync, itertools.count(1)

    def fsync(number):
        # The samples of the second shard: the record, a note, answers, two files, a note and answers stand before them.
        if next(n_calls) == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(number)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(InputError) as stopped:
            ask(given, shards)
    assert str(stopped.value) == (
        f"{tmp_path}: cannot be written (No space left on device); fix this and re-run the same command to resume"
    )
    first = shards[0]
    assert {name for name in contents(tmp_path) if is_samples(name)} == {
        f"parrot/{first.task}/samples_{first.task}_{BEGAN}.000001.jsonl"
    }
    assert unfinished(tmp_path) == []
    assert kinds(ask(given, shards)) == {"others": 1, "loaded": 1, "journal": 1, "shard": len(shards) - 1}
    assert contents(tmp_path) == whole


def test_a_file_that_cannot_grow_is_not_left_half_written(unbroken, tmp_path):
    shards, whole = unbroken
    given = make_study(tmp_path)
    smallest = min(len(content) for name, content in whole.items() if is_samples(name))

    def go():
        # As a quota would; the notes are shorter than this.
        resource.setrlimit(resource.RLIMIT_FSIZE, (smallest - 1, smallest - 1))
        ask(given, shards)

    code, sentence = apart(go)
    assert code == 0
    assert f"{tmp_path}: cannot be written (File too large); fix this" in sentence
    assert contents(tmp_path) == {}
    assert unfinished(tmp_path) == []
    ask(given, shards)
    assert contents(tmp_path) == whole


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def empty(file):
    file.write_bytes(b"")


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [*((kind, damage) for kind in ("samples", "results") for damage in (cut, empty, Path.unlink)), ("samples", flip)],
)
def test_a_damaged_shard_is_asked_again_and_no_other(kind, damage, unbroken, tmp_path):
    shards, whole = unbroken
    given = make_study(tmp_path)
    for name, content in whole.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (file,) = tmp_path.glob(f"parrot/{shards[2].task}/{kind}_*.000003.json*")
    damage(file)
    told = ask(given, shards)
    assert [shard for what, shard in told if what == "shard"] == [shards[2]]
    # What is gone is missing, and not damaged.
    assert kinds(told)["damaged"] == ((kind, damage) != ("samples", Path.unlink))
    assert kinds(told)["others"] == len(shards) - 1
    assert contents(tmp_path) == whole


def test_two_runs_at_once_share_the_shards(unbroken, asked, tmp_path):
    shards, whole = unbroken
    given = make_study(tmp_path / "shared")
    ask(given, ())
    both_ask = FORK.Barrier(2)

    def go(name):
        really, calls = study._ask, itertools.count()

        def meet(*what):
            if next(calls) == 0:
                both_ask.wait(SECONDS)
            return really(*what)

        study._ask = meet
        (tmp_path / name).write_text(json.dumps(kinds(ask(given, shards))))

    runs = [FORK.Process(target=go, args=(name,), daemon=True) for name in ("one", "other")]
    for run in runs:
        run.start()
    for run in runs:
        run.join(SECONDS)
    assert [run.exitcode for run in runs] == [0, 0]
    assert set(asked().values()) == {1}
    assert contents(given.out) == whole
    assert unfinished(given.out) == []
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("one", "other"))
    assert min(one["shard"], other["shard"]) >= 1
    assert one["shard"] + other["shard"] == len(shards)
    # Each of the others was locked when a run came to it, or written by then; the first was locked.
    for told in (one, other):
        assert told["shard"] + told.get("busy", 0) + told.get("others", 0) == len(shards)
    assert one.get("busy", 0) + other.get("busy", 0) >= 1


# What is asked.


class EachTime(OncePerPrompt):
    """Asks equal prompts as often as they come."""

    def __init__(self, model, *given, **named):
        super().__init__(model, *given, **named)
        self.each_time = model

    def generate_until(self, requests, **named):
        return self.each_time.generate_until(requests, **named)


@pytest.fixture
def prompts(monkeypatch):
    """List what the scripted model is asked in this process."""
    seen = []
    really = Scripted.generate_until

    def generate_until(self, requests, **_):
        seen.extend(request.args[0] for request in requests)
        return really(self, requests)

    monkeypatch.setattr(Scripted, "generate_until", generate_until)
    return seen


# Six draws of four pairs: at least two of each text come again.
DRAWN = SMALL | {"design": "iid", "variations": 6, "personas": ["man", "woman"], "templates": ["p1", "p4"]}


def test_a_prompt_that_a_design_draws_again_is_asked_once_and_logged_as_often_as_drawn(prompts, monkeypatch, tmp_path):
    once = make_study(tmp_path / "once", settings=DRAWN, shard_docs=30)
    shards = plan_study(once).shards
    ask(once, shards)
    n_once = len(prompts)
    each = make_study(tmp_path / "each", settings=DRAWN, shard_docs=30)
    with monkeypatch.context() as sharing_nothing:
        sharing_nothing.setattr(models, "OncePerPrompt", EachTime)
        ask(each, shards)
    n_docs = sum(shard.stop - shard.start for shard in shards)
    assert len(prompts) - n_once == n_docs == len(lines(once.out))
    assert samples(once.out) == samples(each.out)
    # Texts are whole in shards, so that no prompt is in two of them.
    assert n_once == len({prompt_of(line) for line in lines(once.out)}) <= n_docs * 4 / 6
    assert StudyFolder(once.out).record()["runs"]["parrot"]["n_asked"] == n_once
    assert StudyFolder(once.out).record()["runs"]["parrot"]["n_prompts"] == n_docs


def test_a_system_prompt_stands_before_each_prompt(prompts, tmp_path):
    given = make_study(tmp_path, system_prompt="Be brief.", shard_docs=60)
    ask(given)
    assert prompts
    assert all(prompt.startswith("<system>Be brief.<user>") for prompt in prompts)


def test_a_persona_in_a_system_message_is_asked_before_the_persona_free_question(prompts, tmp_path):
    ask(make_study(tmp_path, tasks=("persona_refusal_offensiveness",), placement="system", shard_docs=60))
    assert prompts
    said = {prompt.partition("<user>")[0] for prompt in prompts}
    assert said <= {f"<system>You are {persona}." for persona in load_design().personas_for("persona")}
    assert len(said) > 1
    # The persona is in the message, and not in the question.
    assert not any(" person" in prompt.partition("<user>")[2].partition("Text:")[0] for prompt in prompts)


def raise_error(*_, **__):
    raise ValueError("System role not supported")


@pytest.mark.parametrize("named", [{"system_prompt": "Be brief."}, {"placement": "system"}])
@pytest.mark.parametrize("raises", [False, True])
def test_a_chat_template_without_a_system_role_stops_a_study_that_needs_one(
    named, raises, prompts, monkeypatch, tmp_path
):
    given = make_study(tmp_path, args={"system_role": False}, **named)
    if raises:
        monkeypatch.setattr(Scripted, "apply_chat_template", raise_error)
    with pytest.raises(InputError) as stopped:
        ask(given)
    assert str(stopped.value) == (
        "parrot: its chat template has no system role, so the system message would be lost; set placement: user "
        "and no system_prompt, or leave the model out"
    )
    assert prompts == []
    assert contents(tmp_path) == {}


# Servers.


def chat_study(out, server, **args):
    return make_study(
        out,
        tasks=("persona_refusal_offensiveness",),
        settings=SMALL | {"rows_per_class": 1},
        backend="local-chat-completions",
        args={"model": "m", "base_url": f"{server.address}/chat/completions", "num_concurrent": 4, "timeout": 30}
        | args,
    )


def responses(out):
    """Read each prompt of a chat API and its response."""
    return {json.loads(prompt_of(line)[0])[-1]["content"]: line["resps"][0][0] for line in lines(out)}


NO_ANSWERS = {
    "drop": chat.DROP,
    "429": (429, {"Retry-After": 1}, "slow down"),
    "500": (500, {}, "no"),
    "page": (200, {"Content-Type": "text/html"}, "busy"),
    "error": chat.Body(error={"code": 502, "message": "upstream failed"}),
    "no choice": chat.Body(choices=[]),
    "null": chat.Body(choices=None),
    "failed choice": chat.Body(choices=[{"index": 0, "finish_reason": "error", "message": {"content": ""}}]),
}


@pytest.mark.usefixtures("at_once")
def test_a_server_that_fails_each_call_twice_gives_the_right_answers_in_the_end(tmp_path):
    faults = list(NO_ANSWERS.values())
    over, hung = threading.Event(), []

    def reply(prompt, n_before):
        if n_before == 2 and not hung:
            hung.append(prompt)
            over.wait(SECONDS)
        kind = hashlib.blake2b(prompt.encode(), digest_size=1).digest()[0]
        return faults[(kind + n_before) % len(faults)] if n_before < 2 else answer(prompt)

    with chat.serving(reply) as server:
        ask(chat_study(tmp_path, server, max_retries=8, timeout=2))
        over.set()
    # Five classes, a text of five prompts each.
    found = responses(tmp_path)
    assert len(found) == 25
    assert found == {prompt: answer(prompt) for prompt in found}
    assert min(server.n_asked.values()) >= 3
    assert server.n_asked[hung[0]] >= 4


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("fault", [*NO_ANSWERS, "hang"])
def test_a_call_that_keeps_failing_is_no_empty_answer_and_is_made_again_later(fault, tmp_path):
    over, well = threading.Event(), threading.Event()

    def reply(prompt, _):
        if prompt != unlucky or well.is_set():
            return answer(prompt)
        return over.wait(SECONDS) if fault == "hang" else NO_ANSWERS[fault]

    with chat.serving(reply) as server:
        given = chat_study(tmp_path, server, max_retries=2, timeout=3 if fault == "hang" else 30)
        shards = plan_study(given).shards
        (task,) = load_tasks(given).values()
        docs = [task.doc_to_text(doc) for doc in task.dataset["test"]]
        unlucky = docs[shards[1].start]
        with pytest.raises(InputError, match=r"^some prompts got no answer \(.+\); re-run the same command"):
            ask(given, shards)
        over.set()
        # The other shards are written.
        mine = range(shards[1].start, shards[1].stop)
        assert responses(tmp_path) == {prompt: answer(prompt) for i, prompt in enumerate(docs) if i not in mine}
        assert server.n_asked[unlucky] == 2
        n_asked = {prompt: server.n_asked[prompt] for i, prompt in enumerate(docs) if i not in mine}
        well.set()
        told = ask(given, shards)
    # What was answered beside it is not asked again.
    assert kinds(told) == {"others": len(shards) - 1, "loaded": 1, "journal": 1, "shard": 1}
    assert responses(tmp_path) == {prompt: answer(prompt) for prompt in docs}
    assert n_asked == {prompt: server.n_asked[prompt] for prompt in n_asked}


FILTERED = (400, {}, chat.Body(error={"code": "content_filter", "message": "The response was filtered"}))
REJECTED = (422, {}, chat.Body(detail="no"))


@pytest.mark.usefixtures("at_once")
def test_a_prompt_that_a_provider_blocks_costs_itself_and_nothing_else(tmp_path):
    (task,) = load_tasks(chat_study(tmp_path, SimpleNamespace(address=""))).values()
    docs = [task.doc_to_text(doc) for doc in task.dataset["test"]]
    special = {docs[2]: FILTERED, docs[9]: REJECTED, docs[20]: FILTERED}
    refusal = of_choice(message={"content": None, "refusal": "I cannot."}, finish_reason="stop")

    def reply(prompt, _):
        return special.get(prompt) or (refusal if prompt == docs[0] else answer(prompt))

    with chat.serving(reply) as server:
        given = chat_study(tmp_path, server)
        told = ask(given)
        assert kinds(told) == {"loaded": 1, "shard": len(plan_study(given).shards)}
        ask(given)
    # What was rejected is asked once too, and the server something harmless.
    assert {prompt: server.n_asked[prompt] for prompt in docs} == dict.fromkeys(docs, 1)
    assert sum(server.n_asked.values()) <= len(docs) + 1
    found = {
        json.loads(prompt_of(line)[0])[-1]["content"]: (line["resps"][0][0], line["reply"]) for line in lines(tmp_path)
    }
    blocked = {"finish_reason": "content_filter", "provider_reason": "content_filter"}
    assert found == {prompt: (answer(prompt), {"finish_reason": None, "provider_reason": None}) for prompt in docs} | {
        docs[0]: ("I cannot.", {"finish_reason": "stop", "provider_reason": "refusal"}),
        docs[2]: ("", blocked),
        docs[9]: ("", {"finish_reason": "error: HTTP 422", "provider_reason": None}),
        docs[20]: ("", blocked),
    }
    counted = StudyFolder(tmp_path).record()["runs"]["parrot"]
    assert (counted["n_prompts"], counted["n_provider"], counted["n_failed"]) == (25, 3, 1)


@pytest.mark.usefixtures("at_once")
def test_a_server_that_is_down_ends_the_run_after_two_shards(tmp_path):
    with chat.serving(lambda *_: (503, {}, "no")) as server:
        with pytest.raises(InputError, match=r"^some prompts got no answer \(HTTP 503: "):
            ask(chat_study(tmp_path, server, max_retries=1))
        # Five prompts each.
        assert sum(server.n_asked.values()) <= 10
    assert contents(tmp_path) == {}


@pytest.mark.usefixtures("at_once")
def test_a_run_of_an_api_that_is_killed_asks_again_only_what_was_under_way(tmp_path):
    with chat.serving(lambda prompt, _: answer(prompt)) as server:
        given = chat_study(tmp_path, server)
        shards = [Shard("parrot", given.tasks[0], 1, 1, 0, 25)]

        def go():
            arm(Journal, "add", "after", 9)
            ask(given, shards)

        assert apart(go)[0] == -signal.SIGKILL
        before = sum(server.n_asked.values())
        assert 9 <= before <= 9 + 4
        ask(given, shards)
        assert sum(server.n_asked.values()) == before + 25 - 9
    found = responses(tmp_path)
    assert len(found) == 25
    assert found == {prompt: answer(prompt) for prompt in found}


@pytest.mark.usefixtures("at_once")
def test_a_server_that_blocks_every_prompt_is_one_that_refuses_and_the_study_is_done(tmp_path):
    with chat.serving(lambda *_: of_choice(message={}, finish_reason="content_filter")) as server:
        ask(chat_study(tmp_path, server))
    assert StudyFolder(tmp_path).record()["runs"]["parrot"]["n_provider"] == 25


def test_the_model_that_a_server_says_it_answered_with_is_recorded(tmp_path):
    with chat.serving(
        lambda prompt, _: chat.Body(
            model=f"m-{len(prompt) % 2}", choices=of_choice(message={"content": "1"})["choices"]
        )
    ) as server:
        ask(chat_study(tmp_path, server))
    assert set(StudyFolder(tmp_path).record()["runs"]["parrot"]["answered_by"]) == {"m-0", "m-1"}
    said = [json.loads(content)["answered_by"] for name, content in contents(tmp_path).items() if not is_samples(name)]
    assert sum(sum(of_shard.values()) for of_shard in said) == 25


def test_the_results_of_each_shard_name_the_versions_that_made_it(unbroken):
    results = [json.loads(content) for name, content in unbroken[1].items() if not is_samples(name)]
    for said in results:
        assert said["versions"].keys() >= {"persona-refusal", "lm_eval", "rules", "hardware"}
        # The harness's own: the task's.
        assert any(name.startswith("persona_refusal_") for name in said["versions"])


def of_choice(**choice):
    return chat.Body(choices=[{"message": {"role": "assistant"}} | choice])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("sent", "response"),
    [
        ("", ""),
        (of_choice(index=0, message={"content": None}, finish_reason="content_filter"), ""),
        (of_choice(index=0, finish_reason="content_filter"), ""),
        (of_choice(index=0, message={"content": None, "reasoning_content": "Hm"}, finish_reason="length"), ""),
        # Some servers number from 1, or not at all.
        (of_choice(message={"content": "2"}), "2"),
        (of_choice(index=1, message={"content": "2"}), "2"),
    ],
)
def test_what_a_server_means_for_an_answer_is_one(sent, response, tmp_path):
    with chat.serving(lambda *_: sent) as server:
        ask(chat_study(tmp_path, server, max_retries=1))
    assert len(lines(tmp_path)) == 25
    assert set(responses(tmp_path).values()) == {response}


@pytest.mark.usefixtures("at_once")
def test_what_stands_after_a_thought_is_the_answer_of_a_model_behind_a_server(tmp_path):
    with chat.serving(lambda *_: "They may want me to say 5.\n\nOr not?</think>\n\n2") as server:
        ask(chat_study(tmp_path, server, max_retries=1, think_end_token="</think>"))
    assert set(responses(tmp_path).values()) == {"2"}


def test_one_call_at_a_time_would_hide_failures_and_is_refused(tmp_path):
    with chat.serving(lambda *_: "1") as server:
        with pytest.raises(
            InputError, match=r"^parrot: args: num_concurrent is 1; give 2 or more, for with fewer the "
        ):
            ask(chat_study(tmp_path, server, num_concurrent=1))
        assert server.seen == []


def test_an_unknown_backend_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^parrot: the harness knows no backend 'scriptd' \("):
        ask(make_study(tmp_path, backend="scriptd"))


def test_secrets_of_a_model_are_not_written_down(tmp_path):
    args = {"api_key": "s3cret", "header": {"Authorization": "s3cret"}, "revision": "main"}
    given = make_study(tmp_path, args=args, shard_docs=60)
    ask(given)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b'"revision": "main"' in file.read_bytes() for file in files)
    assert [file.name for file in files if b"s3cret" in file.read_bytes()] == []
