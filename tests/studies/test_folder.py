import errno
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.json
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lm_eval.loggers import EvaluationTracker
from refusal_metrics.analysis.responses import load_responses

from refusal_metrics.detection import Reply
from refusal_metrics.errors import InputError
from refusal_metrics.reading import whole
from refusal_metrics.studies import folder as study_folder
from refusal_metrics.studies.folder import Shard, StudyFolder

TASK = "persona_refusal_offensiveness"
SHARD = Shard("parrot", TASK, repeat=1, number=1, start=0, stop=3)
NEXT = Shard("parrot", TASK, repeat=1, number=2, start=3, stop=6)
MODEL = {"backend": "hf", "args": {"pretrained": "acme/parrot"}, "generation": {}}
ASKED = {
    "settings": {"source": "sample", "rows_per_class": 3},
    "repeats": 1,
    "placement": "user",
    "system_prompt": None,
    "models": {"parrot": MODEL},
    "designs": {TASK: "d0-d1"},
}
BEGAN = "2026-01-02T03-04-05"


@pytest.fixture
def folder(tmp_path):
    """A study that has begun on the day `BEGAN`."""
    opened = StudyFolder(tmp_path / "results")
    opened.open(ASKED)
    record = opened.record() | {"began": BEGAN}
    (opened.path / "study.json").write_text(json.dumps(record), encoding="utf-8")
    return opened


def notes_of(responses):
    """What is said of the logs; this study names no tasks, which is said too."""
    *others, last = responses.notes
    assert last.endswith("does not list the prompts of the study, so whether it is finished is unknown.")
    return others


def samples(logs, answers, **described):
    """Make samples as the harness's `evaluate` returns them: arguments as a list of tuples."""
    lines = logs.samples(answers, **described)
    return [line | {"arguments": [tuple(line["arguments"]["gen_args_0"].values())]} for line in lines]


def put(folder, logs, shard=SHARD, answers="RNA", **said):
    first = shard.start
    folder.put(shard, BEGAN, samples(logs, answers, first=first), {"results": {}, "model_name": shard.model, **said})
    return folder.path / shard.model / shard.task


def samples_file(folder, shard=SHARD):
    return folder.path / shard.model / shard.task / f"samples_{shard.task}_{BEGAN}.{shard.number:06}.jsonl"


def results_file(folder, shard=SHARD):
    return folder.path / shard.model / shard.task / f"results_{BEGAN}.{shard.number:06}.json"


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def full(monkeypatch, *, at=1):
    """Let the disk be full when a file is seen onto it for the `at`-th time."""
    n_calls = 0
    fsync = study_folder.os.fsync

    def fail(file):
        nonlocal n_calls
        n_calls += 1
        if n_calls == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    monkeypatch.setattr(study_folder.os, "fsync", fail)


# What is written.


def test_a_shard_is_written_byte_for_byte_as_the_harness_logs_it(folder, logs, tmp_path):
    said = logs.said("Nein, 否 😀\u2028\x00", 'a "b"\\c\n', "")
    given = [line | {"arguments": [tuple(line["arguments"]["gen_args_0"].values())], "target": 3} for line in said]
    folder.put(SHARD, BEGAN, given, {})
    harness = EvaluationTracker(output_path=str(tmp_path / "harness"))
    harness.general_config_tracker.model_name_sanitized, harness.date_id = "parrot", f"{BEGAN}.000001"
    harness.save_results_samples(TASK, given)
    (log,) = (tmp_path / "harness").rglob("samples_*.jsonl")
    assert samples_file(folder).name == log.name
    assert samples_file(folder).read_bytes() == log.read_bytes()


def test_shards_are_read_as_responses_of_their_model_and_task(folder, logs):
    put(folder, logs)
    put(folder, logs, NEXT, "AAE")
    put(folder, logs, Shard("crow", TASK, 1, 1, 0, 3), "RRR")
    responses = load_responses([folder.path], texts=True)
    assert notes_of(responses) == []
    rows = responses.connection.execute(
        "SELECT model, task, setting, count(*), sum(refused_answer_aware::INT), count(*) FILTER (response = '') "
        "FROM responses GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    # To answer_aware, N is no refusal.
    assert rows == [("crow", "offensiveness", "persona", 3, 3, 0), ("parrot", "offensiveness", "persona", 6, 1, 1)]


def test_a_shard_that_is_missing_is_said_when_responses_are_read(folder, logs):
    put(folder, logs, NEXT, "AAE")
    (note,) = notes_of(load_responses([folder.path]))
    assert "3 of the first 6 prompts are missing" in note


def test_a_shard_half_written_by_a_killed_run_is_no_log(folder, logs, monkeypatch):
    put(folder, logs)
    full(monkeypatch)
    monkeypatch.setattr(StudyFolder, "tidy", lambda *_: None)
    with pytest.raises(InputError):
        put(folder, logs, NEXT, "AAE")
    assert any(name.endswith(".unfinished") for name in contents(folder.path))
    responses = load_responses([folder.path])
    assert (notes_of(responses), [file.name for file in responses.files]) == ([], [samples_file(folder).name])


def test_what_the_results_say_is_next_to_the_samples(folder, logs):
    put(folder, logs, system_instruction="Be brief.", config={"gen_kwargs": {"temperature": 0.7}})
    said = json.loads(results_file(folder).read_text(encoding="utf-8"))
    assert said["model_name"] == "parrot"
    assert said["system_instruction"] == "Be brief."
    assert said["config"] == {"gen_kwargs": {"temperature": 0.7}}


@settings(
    deadline=None,
    max_examples=settings.default.max_examples * 30 // 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(response="\ud83d")
@given(response=st.text(alphabet=st.characters(codec=None), max_size=20))
def test_any_response_can_be_written_and_is_then_there(folder, logs, response):
    # Also halves of a surrogate pair, which are no UTF-8.
    line = samples(logs, "A")[0] | {"resps": [[response]], "filtered_resps": [response]}
    folder.put(SHARD, BEGAN, [line], {})
    assert folder.has(SHARD, BEGAN)
    (read,) = map(json.loads, samples_file(folder).read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    assert read["filtered_resps"] == [whole(response)]


HALVES = [
    ("It is offensive. \ud83d", "It is offensive. \ufffd"),
    ("\ude00 first", "\ufffd first"),
    ("in \ud83d between", "in \ufffd between"),
    ("\ude00\ud83d turned", "\ufffd\ufffd turned"),
    ("\ud83d\ud83d\ude00", "\ufffd😀"),
    ("\ud83d\ude00 pair", "😀 pair"),
    ("\ud800", "\ufffd"),
    ("\udfff\x00\n", "\ufffd\x00\n"),
    ("\\ud83d written out", "\\ud83d written out"),
    ('\ud83d"', '\ufffd"'),
    ("\ud83d\\", "\ufffd\\"),
    ("漢\udc00字", "漢\ufffd字"),
]


def test_every_reader_takes_what_was_half_a_surrogate_pair_in_texts_names_and_prompts(folder, logs):
    lines = samples(logs, "A" * 3 + " " + "A" * 3 + " " + "A" * 3 + " " + "A" * 3)
    for line, (half, _) in zip(lines, HALVES, strict=True):
        line |= {"resps": [[half]], "filtered_resps": [half], "arguments": [(half, {})]}
        line["doc"] |= {"text": half}
    folder.put(Shard("parrot", TASK, 1, 1, 0, 12), BEGAN, lines, {"results": {}, "model_name": "parrot \ud83d"})
    wanted = [good for _, good in HALVES]
    file = samples_file(folder)
    fields = "filtered_resps[1], doc.text, arguments.gen_args_0.arg_0"
    assert duckdb.sql(f"SELECT {fields} FROM read_json('{file}', format='newline_delimited')").fetchall() == [
        (good,) * 3 for good in wanted
    ]
    table = pyarrow.json.read_json(
        file, parse_options=pyarrow.json.ParseOptions(explicit_schema=TEXTS, unexpected_field_behavior="ignore")
    )
    assert [row[0] for row in table["filtered_resps"].to_pylist()] == wanted
    assert json.loads(results_file(folder).read_text(encoding="utf-8"))["model_name"] == "parrot \ufffd"
    responses = load_responses([folder.path], texts=True)
    assert len(responses.query("SELECT * FROM responses").df()) == 12


TEXTS = pyarrow.schema([("filtered_resps", pyarrow.list_(pyarrow.string()))])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_lacks_is_null_in_samples_and_results(number, folder, logs):
    lines = [line | {"accuracy": number, "parts": {"se": [number, 0.5]}} for line in samples(logs, "A")]
    folder.put(SHARD, BEGAN, lines, {"results": {TASK: {"accuracy,none": number, "n": 1}}})

    def refuse(name):
        pytest.fail(f"{name} is no JSON")

    (line,) = samples_file(folder).read_text(encoding="utf-8").splitlines()
    read = json.loads(line, parse_constant=refuse)
    assert (read["accuracy"], read["parts"]) == (None, {"se": [None, 0.5]})
    said = json.loads(results_file(folder).read_text(encoding="utf-8"), parse_constant=refuse)
    assert said["results"] == {TASK: {"accuracy,none": None, "n": 1}}


def test_a_line_says_what_the_provider_said_of_the_response_and_plain_text_says_nothing(folder, logs):
    given = [Reply("", finish_reason="stop", provider_reason="refusal"), Reply("1", finish_reason="length"), "1"]
    lines = [line | {"resps": [[said]]} for line, said in zip(samples(logs, "AAA"), given, strict=True)]
    folder.put(SHARD, BEGAN, lines, {})
    read = [json.loads(line) for line in samples_file(folder).read_text(encoding="utf-8").splitlines()]
    assert [line.get("reply") for line in read] == [
        {"finish_reason": "stop", "provider_reason": "refusal"},
        {"finish_reason": "length", "provider_reason": None},
        None,
    ]
    assert [line["resps"] for line in read] == [[[""]], [["1"]], [["1"]]]


# Whether a shard is there.


def test_a_shard_is_there_once_it_has_been_written_and_no_other_is(folder, logs):
    assert not folder.has(SHARD, BEGAN)
    assert not folder.is_damaged(SHARD, BEGAN)
    put(folder, logs)
    assert folder.has(SHARD, BEGAN)
    for other in (NEXT, Shard("crow", TASK, 1, 1, 0, 3), Shard("parrot", f"{TASK}_neutral", 1, 1, 0, 3)):
        assert not folder.has(other, BEGAN)
    assert not folder.has(SHARD, "2026-01-02T03-04-06")


def cut(file):
    file.write_bytes(file.read_bytes()[:-20])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "is_damaged"),
    [
        pytest.param(lambda samples, _: cut(samples), True, id="samples cut"),
        pytest.param(lambda samples, _: flip(samples), True, id="a bit of the samples"),
        pytest.param(lambda samples, _: samples.write_bytes(b""), True, id="samples empty"),
        pytest.param(lambda samples, _: samples.unlink(), False, id="no samples"),
        pytest.param(lambda _, results: results.unlink(), True, id="no results"),
        pytest.param(lambda _, results: cut(results), True, id="results cut"),
        pytest.param(lambda _, results: results.write_bytes(b"\xff"), True, id="results no text"),
        pytest.param(lambda _, results: results.write_text("{}"), True, id="results without the checksum"),
        pytest.param(lambda _, results: results.write_text("[1]"), True, id="results of another form"),
    ],
)
def test_a_shard_that_is_not_what_was_written_is_not_there_and_can_be_written_again(folder, logs, damage, is_damaged):
    put(folder, logs)
    whole = contents(folder.path)
    damage(samples_file(folder), results_file(folder))
    assert not folder.has(SHARD, BEGAN)
    assert folder.is_damaged(SHARD, BEGAN) == is_damaged
    put(folder, logs)
    assert folder.has(SHARD, BEGAN)
    assert not folder.is_damaged(SHARD, BEGAN)
    assert contents(folder.path) == whole


# The record.


def test_a_new_study_begins_now_and_goes_on_from_then(tmp_path):
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    record = StudyFolder(tmp_path / "a" / "b").open(ASKED)
    began = datetime.strptime(record["began"], "%Y-%m-%dT%H-%M-%S")  # noqa: DTZ007 - in UTC
    assert before <= began <= datetime.now(UTC).replace(tzinfo=None)
    assert record["asked"] == ASKED
    assert StudyFolder(tmp_path / "a" / "b").open(ASKED) == record


def test_a_clock_that_jumps_back_changes_no_names(folder, logs, monkeypatch):
    class Clock:
        @staticmethod
        def now(zone):
            return datetime(1999, 1, 1, tzinfo=zone)

    put(folder, logs)
    monkeypatch.setattr(study_folder, "datetime", Clock)
    began = StudyFolder(folder.path).open(ASKED)["began"]
    assert began == BEGAN
    assert StudyFolder(folder.path).has(SHARD, began)
    assert StudyFolder(folder.path.parent / "new").open(ASKED)["began"] == "1999-01-01T00-00-00"


@pytest.mark.parametrize(
    ("changed", "name", "was", "is_now"),
    [
        ({"repeats": 5}, "repeats", "1", "5"),
        ({"placement": "system"}, "placement", "'user'", "'system'"),
        ({"system_prompt": "Be brief."}, "system_prompt", "None", "'Be brief.'"),
        ({"settings": {"source": "sample", "rows_per_class": 4}}, "settings: rows_per_class", "3", "4"),
        ({"settings": {"source": "sample"}}, "settings: rows_per_class", "3", "None"),
        ({"settings": ASKED["settings"] | {"design": "iid"}}, "settings: design", "None", "'iid'"),
        ({"designs": {TASK: "d0-d2"}}, f"designs: {TASK}", "'d0-d1'", "'d0-d2'"),
        ({"models": {"parrot": MODEL | {"backend": "vllm"}}}, "models: parrot: backend", "'hf'", "'vllm'"),
        (
            {"models": {"parrot": MODEL | {"args": {"pretrained": "acme/parrot", "revision": "v2"}}}},
            *("models: parrot: args: revision", "None", "'v2'"),
        ),
        (
            {"models": {"crow": MODEL, "parrot": MODEL | {"generation": {"max_gen_toks": 8}}}},
            *("models: parrot: generation: max_gen_toks", "None", "8"),
        ),
    ],
)
def test_a_study_that_asks_otherwise_is_refused_with_what_changed_and_leaves_the_record(
    folder, changed, name, was, is_now
):
    before = contents(folder.path)
    with pytest.raises(InputError) as caught:
        folder.open(ASKED | changed)
    assert str(caught.value) == (
        f"{folder.path}: holds a study with {name} {was}, and this one has {is_now}; answers of both must not mix: "
        "name another folder, or change it back"
    )
    assert contents(folder.path) == before


def test_models_and_tasks_may_be_added_and_left_out(folder):
    crow, neutral = {"crow": MODEL | {"backend": "vllm"}}, {f"{TASK}_neutral": "d0-d3"}
    record = folder.open(ASKED | {"models": crow, "designs": neutral})
    assert record["began"] == BEGAN
    assert record["asked"]["models"] == {"parrot": MODEL} | crow
    assert record["asked"]["designs"] == {TASK: "d0-d1"} | neutral
    # What was left out for a while must be as it was before.
    with pytest.raises(InputError, match="models: parrot: backend 'hf', and this one has 'vllm'"):
        folder.open(ASKED | {"models": {"parrot": MODEL | {"backend": "vllm"}}})


def test_what_json_writes_otherwise_is_no_change(folder):
    # A tuple comes back as a list.
    asked = ASKED | {"settings": {"personas": ("man", "woman")}}
    other = StudyFolder(folder.path.parent / "other")
    assert other.open(asked) == other.open(asked)


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        StudyFolder(tmp_path).open(ASKED)
    assert str(caught.value) == (
        f"{tmp_path}: contains notes.txt and no study; name a new folder, or that of this study"
    )
    assert {name for name in contents(tmp_path) if not name.startswith(".")} == {"notes.txt"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"began": "20', "cannot be read (Unterminated string"),
        ("", "cannot be read (Expecting value"),
        ("[1]", "is no record of a study"),
        ('{"began": "2026-01-02T03-04-05"}', "is no record of a study"),
    ],
)
def test_a_record_that_is_none_is_refused_and_not_begun_anew(folder, logs, content, reason):
    put(folder, logs)
    (folder.path / "study.json").write_text(content, encoding="utf-8")
    for ask in (folder.record, lambda: folder.open(ASKED)):
        with pytest.raises(InputError) as caught:
            ask()
        assert str(caught.value).startswith(f"{folder.path / 'study.json'}: {reason}")
        assert str(caught.value).endswith("; restore it, or name another folder")
    assert (folder.path / "study.json").read_text(encoding="utf-8") == content


def test_a_study_that_has_not_begun_has_no_record(tmp_path):
    assert StudyFolder(tmp_path / "none").record() == {}
    assert not (tmp_path / "none").exists()


def test_notes_are_kept(folder):
    folder.note("parrot", {"versions": {"vllm": "1"}})
    folder.note("parrot", {"hardware": "H100"})
    folder.note("parrot", {"hardware": "H200"})
    folder.note("crow", {"repeat_check": {"n": 1}})
    assert folder.record()["runs"] == {
        "parrot": {"versions": {"vllm": "1"}, "hardware": "H200"},
        "crow": {"repeat_check": {"n": 1}},
    }
    assert folder.open(ASKED)["runs"] == folder.record()["runs"]


# What is counted: a shard of 3 prompts and one of 2.


def counted(n_prompts, seconds=1.5, **more):
    return {"asked": {"n_prompts": n_prompts, "seconds": seconds, **more}}


def counts(folder):
    """Read the counts from the file, from a reader of its own, and after the study is begun again."""
    in_file = json.loads((folder.path / "study.json").read_text(encoding="utf-8"))["runs"]["parrot"]
    read = StudyFolder(folder.path).record()["runs"]["parrot"]
    again = StudyFolder(folder.path).open(ASKED)["runs"]["parrot"]
    assert read == again
    return in_file.get("n_prompts"), read.get("n_prompts")


def test_counts_are_those_of_the_shards_and_numbers_add_up(folder, logs):
    put(folder, logs, **counted(3, n_failed=1))
    put(folder, logs, NEXT, "AA", **counted(2, n_failed=0))
    put(folder, logs, Shard("crow", TASK, 1, 1, 0, 1), "A", **counted(1))
    folder.note("parrot", {})
    known = folder.record()["runs"]["parrot"]
    assert (known["n_prompts"], known["seconds"], known["n_failed"]) == (5, 3.0, 1)
    assert known["seconds_writing"] >= 0
    assert counts(folder) == (5, 5)


def test_a_kill_before_a_shard_is_noted_leaves_it_counted(folder, logs):
    put(folder, logs, **counted(3))
    folder.note("parrot", {})
    put(folder, logs, NEXT, "AA", **counted(2))
    # The file says 3 until the study is begun again, though nothing is left to ask.
    assert counts(folder) == (3, 5)
    assert counts(folder) == (5, 5)


def test_a_shard_that_is_written_again_counts_once(folder, logs):
    for _ in range(3):
        put(folder, logs, **counted(3))
        cut(samples_file(folder))
        folder.note("parrot", {})
    put(folder, logs, **counted(3))
    folder.note("parrot", {})
    assert counts(folder) == (3, 3)


def test_a_shard_that_is_lost_counts_no_more(folder, logs):
    put(folder, logs, **counted(3))
    put(folder, logs, NEXT, "AA", **counted(2))
    folder.note("parrot", {})
    samples_file(folder).unlink()
    assert counts(folder) == (5, 2)


def test_what_is_no_shard_of_the_study_counts_nothing(folder, logs):
    put(folder, logs, **counted(3))
    results = results_file(folder)
    for name in ("results_2020-01-01T00-00-00.000001.json", f"results_{BEGAN}.000009.json", "results.json"):
        results.with_name(name).write_bytes(results.read_bytes())
    for name, content in ((f"results_{BEGAN}.000007.json", "[1]"), (f"results_{BEGAN}.000008.json", "{")):
        results.with_name(name).write_text(content)
        results.with_name(name.replace("results", f"samples_{TASK}")).with_suffix(".jsonl").write_text("{}")
    folder.note("parrot", {})
    assert counts(folder) == (3, 3)


def test_shards_without_counts_have_their_lines_counted(folder, logs):
    put(folder, logs)
    put(folder, logs, NEXT, "AA", **counted(2))
    folder.note("parrot", {})
    assert counts(folder) == (5, 5)


# Answers that are in no log yet.


def test_answers_are_kept_beside_their_shard_and_are_no_log(folder, logs):
    put(folder, logs, NEXT, "AAE")
    with folder.journal(SHARD, BEGAN, "parrot") as journal:
        journal.add("a", {}, "1")
    assert journal.path.parent == samples_file(folder).parent
    assert not folder.has(SHARD, BEGAN)
    assert len(load_responses([folder.path]).query("SELECT * FROM responses").df()) == 3
    with folder.journal(SHARD, BEGAN, "parrot") as journal:
        assert journal.take("a", {}) == "1"
    for shard, began, identity in (
        (NEXT, BEGAN, "parrot"),
        (SHARD, "2026-01-02T03-04-06", "parrot"),
        (SHARD, BEGAN, "x"),
    ):
        assert folder.journal(shard, began, identity).take("a", {}) is None


def test_answers_whose_shard_is_whole_are_removed_when_the_study_is_run_again_and_others_stay(folder, logs):
    for shard in (SHARD, NEXT):
        with folder.journal(shard, BEGAN, "parrot") as journal:
            journal.add("a", {}, "1")
    put(folder, logs)
    put(folder, logs, NEXT, "AAE")
    cut(samples_file(folder, NEXT))
    folder.open(ASKED)
    assert [name for name in contents(folder.path) if ".answers_" in name] == [
        str(journal.path.relative_to(folder.path))
    ]


# Several runs at a time.

IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from refusal_metrics.studies.folder import Shard, StudyFolder
folder = StudyFolder(Path(sys.argv[1]))
"""
HOLD = f"""{IN_ANOTHER_PROCESS}
with folder.claim({SHARD!r}) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""
COUNT = f"""{IN_ANOTHER_PROCESS}
print("ready", flush=True)
sys.stdin.read()
for _ in range(10):
    folder.note("parrot " + sys.argv[2] + " " + str(_), {{}})
"""


def begin(script, folder, *words):
    """Begin another process and wait for its first word."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, folder.path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def is_free(folder, shard):
    with folder.claim(shard) as mine:
        return mine


@pytest.fixture
def holder(folder):
    """Another process, which has claimed `SHARD`."""
    process, said = begin(HOLD, folder)
    assert said == "True"
    with process:
        yield process
        process.kill()


def test_a_shard_that_another_run_writes_cannot_be_claimed_and_all_others_can(folder, holder):
    assert holder.poll() is None
    assert not is_free(folder, SHARD)
    for other in (NEXT, Shard("crow", TASK, 1, 1, 0, 3), Shard("parrot", f"{TASK}_neutral", 1, 1, 0, 3)):
        assert is_free(folder, other)


def test_a_shard_can_be_claimed_once_the_other_run_is_done(folder, holder):
    holder.communicate()
    assert holder.returncode == 0
    assert is_free(folder, SHARD)


def test_a_shard_can_be_claimed_once_the_other_run_was_killed(folder, holder):
    holder.kill()
    holder.wait()
    assert is_free(folder, SHARD)


def test_a_claim_outlives_notes_and_shards_written_meanwhile(folder, logs):
    # To close a file would free all that its process has locked in it.
    with folder.claim(SHARD) as mine:
        assert mine
        folder.note("parrot", {})
        put(folder, logs)
        with folder.claim(NEXT):
            pass
        process, said = begin(HOLD, folder)
        process.communicate()
        assert said == "False"


def test_a_claim_ends_with_an_error(folder):
    with pytest.raises(ZeroDivisionError), folder.claim(SHARD):
        _ = 1 / 0
    process, said = begin(HOLD, folder)
    process.communicate()
    assert said == "True"


def test_notes_of_runs_at_a_time_are_all_kept(folder):
    others = [begin(COUNT, folder, str(i))[0] for i in range(3)]
    for process in others:
        process.stdin.close()
    for process in others:
        assert process.wait() == 0
        process.stdout.close()
    assert len(folder.record()["runs"]) == 30


# What cannot be written.

AGAIN = "fix this and re-run the same command to resume"


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(folder, logs, monkeypatch, at):
    before = contents(folder.path)
    full(monkeypatch, at=at)
    with pytest.raises(InputError) as caught:
        put(folder, logs)
    assert str(caught.value) == f"{folder.path}: cannot be written (No space left on device); {AGAIN}"
    assert contents(folder.path) == before
    put(folder, logs)
    assert folder.has(SHARD, BEGAN)


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_leaves_a_shard_that_is_written_again_as_it_was(folder, logs, monkeypatch, at):
    put(folder, logs)
    cut(samples_file(folder))
    before = contents(folder.path)
    full(monkeypatch, at=at)
    with pytest.raises(InputError, match="No space left on device"):
        put(folder, logs)
    assert contents(folder.path) == before


@pytest.mark.parametrize(
    "write", [lambda folder: folder.open(ASKED), lambda folder: folder.note("parrot", {"hardware": "H100"})]
)
def test_a_full_disk_leaves_the_record_as_it_was(folder, monkeypatch, write):
    before = folder.record()
    full(monkeypatch)
    with pytest.raises(InputError) as caught:
        write(folder)
    assert str(caught.value) == f"{folder.path}: cannot be written (No space left on device); {AGAIN}"
    assert folder.record() == before


def test_samples_come_last_so_that_a_shard_is_there_whole_or_not_at_all(folder, logs, monkeypatch):
    seen = []
    rename = Path.replace

    def replace(file, target):
        seen.append((Path(target).name, folder.has(SHARD, BEGAN)))
        return rename(file, target)

    monkeypatch.setattr(Path, "replace", replace)
    put(folder, logs)
    assert seen == [(results_file(folder).name, False), (samples_file(folder).name, False)]
    assert folder.has(SHARD, BEGAN)


def test_what_a_killed_run_left_of_a_shard_is_removed_and_nothing_else(folder, logs):
    put(folder, logs)
    before = contents(folder.path)
    for file in (samples_file(folder), results_file(folder), samples_file(folder, NEXT)):
        file.with_name(f".{file.name}.unfinished").write_bytes(b"half")
    folder.tidy(SHARD, BEGAN)
    left = samples_file(folder, NEXT).relative_to(folder.path)
    assert contents(folder.path) == before | {f"{left.parent}/.{left.name}.unfinished": b"half"}


@pytest.mark.parametrize("below", ["", "results"])
def test_a_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path, below):
    # Who runs this may be allowed to write anywhere, but in no file as if it were a folder.
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    path = tmp_path / "file" / below
    reason = "Not a directory" if below else "File exists"
    with pytest.raises(InputError) as caught:
        StudyFolder(path).open(ASKED)
    assert str(caught.value) == f"{path}: cannot be written ({reason}); {AGAIN}"
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_look_is_taken_while_others_can_write_and_the_first_that_is_recorded_counts(folder):
    script = (
        "import pathlib, sys; from refusal_metrics.studies.folder import StudyFolder; "
        "StudyFolder(pathlib.Path(sys.argv[1])).look('m', 'kind', 1, lambda before: {'by': 'another'})"
    )

    def take(before):
        assert before == []
        # If the study were locked meanwhile, the other run would wait for ever.
        subprocess.run([sys.executable, "-c", script, str(folder.path)], check=True, timeout=60)
        return {"by": "this"}

    assert folder.look("m", "kind", 1, take) == ({"by": "another"}, False)
    assert folder.looks("m", "kind") == [{"by": "another"}]
    assert folder.look("m", "kind", 2, lambda before: {"after": len(before)}) == ({"after": 1}, True)
