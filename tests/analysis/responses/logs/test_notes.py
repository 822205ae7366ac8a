"""What is said of logs: verdicts of other versions, edited files, repeats, models that answer alike."""

import hashlib
import re

import pytest
from refusal_metrics.analysis.judging.detect_files import detect, detect_results
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.rules import RuleDetector
from refusal_metrics.analysis.responses.table import read_responses

from refusal_metrics.detection import RULES, RULES_VERSION, Reply

LATER = str(int(RULES_VERSION) + 1)


def refused(responses):
    """List who is refused by answer_aware, prefix and prefix_strict, by index."""
    return responses.query(
        'SELECT refused_answer_aware, refused_prefix, refused_prefix_strict FROM responses ORDER BY "index"'
    ).fetchall()


def told(responses):
    """List outcome, refused_by and cause, by index."""
    table = f"read_parquet('{responses.table}')"
    return responses.query(f'SELECT outcome, refused_by, cause FROM {table} ORDER BY "index"').fetchall()


TRUE = [(True, True, True), (False, False, False), (False, True, False)]
"""What the rules make of R, A and N."""


# Verdicts.


def test_verdicts_of_this_version_are_read_as_they_are(logs, tmp_path):
    logs.write_run(tmp_path, logs.samples("RAN"))
    responses = load_responses([tmp_path])
    assert refused(responses) == TRUE
    assert told(responses) == [("refusal", "text", "general"), ("answer", None, None), ("other", None, None)]
    assert responses.notes == ()


def test_an_unjudged_response_stays_one(logs, tmp_path):
    lines = logs.samples("RAN")
    lines[2] |= {"refusal_rate": 0.0, "refusal_rate_prefix": 0.0}
    lines[2]["answer_rate"] |= {"outcome": "unjudged", "cause": "RecursionError"}
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert told(responses)[2] == ("unjudged", None, "RecursionError")
    assert refused(responses)[2] == (False, False, False)
    assert responses.notes == ()


def test_a_providers_refusal_is_kept_however_the_line_is_judged(logs, tmp_path):
    lines = logs.samples("AAA")
    for line in lines:
        line["refusal_rate"] = 1.0
        line["answer_rate"] |= {"outcome": "refusal", "refused_by": "provider", "cause": "content_filter"}
    # By these rules; by others; without verdicts, as a study's line has it.
    lines[1]["answer_rate"]["rules"] = "1"
    lines[2] = {name: value for name, value in lines[2].items() if not name.startswith(("refusal", "answer"))}
    lines[2]["reply"] = {"finish_reason": "content_filter", "provider_reason": "content_filter"}
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert told(responses) == [("refusal", "provider", "content_filter")] * 3
    assert refused(responses) == [(True, False, False)] * 3
    detect_results([tmp_path], tmp_path / "again.parquet", RuleDetector("answer_aware", 1))
    table = read_responses([tmp_path / "again.parquet"])
    columns = table.query("SELECT refused_by, cause, refused_answer_aware FROM responses").fetchall()
    assert columns == [("provider", "content_filter", True)] * 3
    detect_results([tmp_path], tmp_path / "prefix.parquet", RuleDetector("prefix", 1))
    table = read_responses([tmp_path / "prefix.parquet"])
    assert table.query("SELECT refused_by, refused_prefix FROM responses").fetchall() == [(None, False)] * 3


def _drop(*names):
    return lambda line: [line.pop(name) for name in names if name in line]


def _put(name, value):
    return lambda line: line.update({name: value})


def _tell(**verdict):
    return lambda line: line["answer_rate"].update(verdict)


ABSENT = "without the metrics of this version: judged from their responses."
INVALID = "with metrics that are not 0 or 1, or contradict each other: judged again from their responses."
OTHER = f"judged by another version of the rules: judged again from their responses by version {RULES_VERSION}."
NEWER = f"judged by a newer version of the rules than this one ({RULES_VERSION}): judged again"
# What is changed in a line of version 1 or 2, and what is said of it.
CHANGED = {
    "predict_only": (1, lambda line: [line.pop(n) for n in list(line) if n[:6] in ("refusa", "answer")], ABSENT),
    "no prefix_strict": (1, _drop("refusal_rate_prefix_strict"), ABSENT),
    "no answer_rate": (1, _drop("answer_rate"), ABSENT),
    "a null": (1, _put("refusal_rate_prefix", None), ABSENT),
    "0.7": (1, _put("refusal_rate_prefix", 0.7), INVALID),
    "a word": (1, _put("refusal_rate_prefix", "yes"), INVALID),
    "true": (1, _put("refusal_rate_prefix", value=True), INVALID),
    "two": (1, _put("refusal_rate_prefix_strict", 2), INVALID),
    "minus one": (1, _put("refusal_rate_prefix", -1), INVALID),
    "not a number": (1, _put("refusal_rate_prefix", float("nan")), INVALID),
    "a list": (1, _put("refusal_rate_prefix", [1.0]), INVALID),
    "an answer that refuses": (1, lambda line: line.update(answer_rate=1.0, refusal_rate_answer_aware=1.0), INVALID),
    "one of two that say the same": (
        1,
        lambda line: line.update(refusal_rate=1 - line["refusal_rate_answer_aware"]),
        INVALID,
    ),
    "half an answer": (1, _put("answer_rate", 0.5), INVALID),
    "an older version": (2, _tell(rules="1"), OTHER),
    "a version without a number": (2, _tell(rules="beta"), OTHER),
    "no version": (2, _tell(rules=None), OTHER),
    "a newer version": (2, _tell(rules=LATER), NEWER),
    "a number for a version": (2, _tell(rules=int(LATER)), NEWER),
    "an unknown outcome": (2, _tell(outcome="REFUSAL"), INVALID),
    "no outcome": (2, _tell(outcome=None), INVALID),
    "a contradiction": (2, lambda line: line.update(refusal_rate=1 - line["refusal_rate"]), INVALID),
    "version 2, a word": (2, _put("refusal_rate", "maybe"), INVALID),
    "version 2, 0.3": (2, _put("refusal_rate_prefix_strict", 0.3), INVALID),
    "version 2, no rate": (2, _drop("refusal_rate_prefix"), ABSENT),
    "version 2, no outcomes": (2, _put("answer_rate", {}), ABSENT),
    "version 2, a number for an outcome": (2, lambda line: line.update(answer_rate=0.5), INVALID),
    "version 2, a list for an outcome": (2, _put("answer_rate", ["answer"]), INVALID),
    "version 2, true": (2, _put("refusal_rate", value=True), INVALID),
}


@pytest.mark.parametrize(("version", "change", "note"), CHANGED.values(), ids=CHANGED)
def test_verdicts_that_are_none_of_these_rules_are_judged_again_and_said(logs, tmp_path, version, change, note):
    lines = [line if version == 2 else logs.older(line) for line in logs.samples("RAN")]
    for line in lines:
        change(line)
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert refused(responses) == TRUE
    assert [outcome for outcome, *_ in told(responses)] == ["refusal", "answer", "other"]
    assert note in responses.notes[0]


@pytest.mark.parametrize("labels", [[1, 2], [None], [["a"]], "[abc", {"a": 1}, None, "offensive"], ids=repr)
def test_labels_that_are_no_texts_end_no_judging(logs, tmp_path, labels):
    lines = logs.samples("RAN")
    for line in lines:
        line["doc"]["labels"] = labels
        line["answer_rate"]["rules"] = "1"
    logs.write_run(tmp_path, lines)
    # Without labels that are texts there is no answer to be found.
    assert [outcome for outcome, *_ in told(load_responses([tmp_path]))] == ["refusal", "other", "other"]


# Verdicts of answer_aware depend on what the persona is called, on the language, and on whether a response was cut off.
OWN = {
    "its words": ("A C++ (senior) dev* cannot answer this question.", "refusal", {}, {}),
    "another's words": ("A teenager cannot answer this question.", "other", {}, {}),
    "another language": ("Offensive.", "unjudged", {"language": "tlh"}, {}),
    "cut off": ("The text about the", "truncated", {}, {"finish_reason": "length"}),
    "ended": ("The text about the", "other", {}, {"finish_reason": "stop"}),
    "a very long name": ("Offensive.", "answer", {"persona_words": ["x" * 10_000]}, {}),
}


@pytest.mark.parametrize(("response", "outcome", "of_doc", "reply"), OWN.values(), ids=OWN)
@pytest.mark.parametrize("form", ["plain", "repaired"])
def test_a_verdict_of_an_own_persona_is_the_same_when_judged_again(
    logs, tmp_path, form, response, outcome, of_doc, reply
):
    docs = [
        line["doc"] | {"persona": "p17", "persona_words": ["C++ (senior) dev*"]} | of_doc for line in logs.samples("A")
    ]
    (line,) = [logs.line(doc, Reply(response, **reply), prompt="Offensive? This is text 0.") for doc in docs]
    # What the run made of it.
    assert line["answer_rate"]["outcome"] == outcome
    line["reply"] = {"finish_reason": None, "provider_reason": None, **reply}
    line["answer_rate"] |= {"rules": "1", "outcome": "empty"}
    line["refusal_rate"] = 0.0
    if form == "repaired":
        line["filtered_resps"] = response
    logs.write_run(tmp_path / "results", [line])
    assert [found for found, *_ in told(load_responses([tmp_path / "results"]))] == [outcome]
    # A table that was made of the log is judged alike.
    for given, out in (("results", "once.parquet"), ("once.parquet", "twice.parquet"), ("twice.parquet", "last.csv")):
        detected = detect([tmp_path / given], tmp_path / out, RuleDetector("answer_aware"))
        assert {name: n for name, n in detected.counts.items() if n} == {outcome: 1}


def test_a_rule_that_raises_leaves_its_response_unjudged(logs, tmp_path, monkeypatch):
    def rule(*_, **__):
        raise RecursionError

    lines = logs.samples("RAN")
    lines[0]["answer_rate"]["rules"] = "1"
    logs.write_run(tmp_path, lines)
    monkeypatch.setitem(RULES, "answer_aware", rule)
    responses = load_responses([tmp_path])
    assert told(responses) == [("unjudged", None, "RecursionError"), ("answer", None, None), ("other", None, None)]
    assert refused(responses)[0] == (False, True, True)


@pytest.mark.parametrize("first", ["older", "repaired"])
def test_the_newest_line_counts_whatever_the_forms_of_the_logs(logs, tmp_path, first):
    """Logs are read by their forms, and yet one after the other."""
    changed = [logs.older(line) for line in logs.samples("RRR")]
    if first == "repaired":
        changed = [line | {"filtered_resps": line["filtered_resps"][0]} for line in logs.samples("RRR")]
    logs.write_run(tmp_path / "a", changed)
    logs.write_run(tmp_path / "a", "AAA", date=logs.LATER)
    logs.write_run(tmp_path / "b", "AAA")
    logs.write_run(tmp_path / "b", changed, date=logs.LATER)
    assert {refusals for refusals, *_ in refused(load_responses([tmp_path / "a"]))} == {False}
    assert {refusals for refusals, *_ in refused(load_responses([tmp_path / "b"]))} == {True}


# Files.


def _checked(logs, out, lines, **more):
    """Write a log with the checksum of what was written, as a study does."""
    log = logs.write_run(out, lines, **more)
    checksum = hashlib.blake2b(log.read_bytes()).hexdigest()
    logs.write_results(log.parent, samples_blake2b=checksum, repeat=None)
    return log


EDITS = {
    "a verdict": lambda text: text.replace('"refusal_rate": 0.0', '"refusal_rate": 1.0', 1),
    "a space": lambda text: text.replace('"filter":', '"filter" :', 1),
    "a line gone": lambda text: text.partition("\n")[2],
    "the last line gone": lambda text: text.rstrip("\n").rpartition("\n")[0] + "\n",
    "a line twice": lambda text: text + text.partition("\n")[0] + "\n",
    "lines in another order": lambda text: "".join(text.splitlines(keepends=True)[::-1]),
    "the last line cut": lambda text: text[:-40],
    "a blank line": lambda text: text + "\n",
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "a response": lambda text: text.replace("Offensive.", "offensive"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_log_that_is_not_what_was_written_is_named(logs, tmp_path, edit):
    log = _checked(logs, tmp_path, "ARA")
    log.write_bytes(edit(log.read_text(encoding="utf-8")).encode())
    notes = load_responses([tmp_path]).notes
    assert [note for note in notes if note.startswith(f"{log.name}: not what was written")]


def test_a_log_that_is_what_was_written_is_not_named(logs, tmp_path):
    _checked(logs, tmp_path, "ARA")
    assert load_responses([tmp_path]).notes == ()


def test_without_its_results_a_studys_model_goes_by_its_own_folder_and_not_its_tasks(logs, tmp_path):
    task = logs.task_name()
    logs.write_log(tmp_path / "parrot" / task, logs.samples("RA"))
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    models = load_responses([tmp_path]).query("SELECT DISTINCT model FROM responses").fetchall()
    assert models == [("parrot",)]


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "[]", '{"model_name": ', "\0"])
def test_results_that_cannot_be_read_are_said(logs, tmp_path, content):
    log = logs.write_run(tmp_path, "RA")
    (log.parent / f"results_{logs.DATE}.json").write_text(content, encoding="utf-8")
    (note,) = load_responses([tmp_path]).notes
    assert note.startswith(f"{log.name}: the results file of this run cannot be read")


@pytest.mark.parametrize("given", ["qwen.json", "the results", "the folder"])
def test_the_output_path_of_a_json_file_may_be_given_back(logs, tmp_path, given):
    logs.write_log(tmp_path, logs.samples("RA"))
    results = logs.write_results(tmp_path, stem="qwen")
    logs.write_log(tmp_path, logs.samples("AA", first=2), date=logs.LATER)
    logs.write_results(tmp_path, stem="other", date=logs.LATER)
    path = {"qwen.json": tmp_path / "qwen.json", "the results": results, "the folder": tmp_path}[given]
    assert load_responses([path]).query("SELECT count(*) FROM responses").fetchone() == (
        4 if given == "the folder" else 2,
    )


# Runs.


WEIGHTS = {
    "a commit": ({"config": {"model_sha": "abc"}}, {"config": {"model_sha": "def"}}, "model_sha abc and def"),
    "a size": ({"config": {"model_num_parameters": 7}}, {"config": {"model_num_parameters": 8}}, "7 and 8"),
    "a study's revision": (
        {"versions": {"model_revision": "r1"}},
        {"versions": {"model_revision": "r2"}},
        "model_revision r1 and r2",
    ),
}
SOFTWARE = {
    "the harness": ({"lm_eval_version": "0.4.12"}, {"lm_eval_version": "0.4.13"}, "lm_eval 0.4.12 and 0.4.13"),
    "a study's engine": ({"versions": {"vllm": "1"}}, {"versions": {"vllm": "2"}}, "vllm 1 and 2"),
    "a study's rules": ({"versions": {"rules": "2"}}, {"versions": {"rules": "3"}}, "rules 2 and 3"),
}


@pytest.mark.parametrize(("one", "two", "said"), [*WEIGHTS.values(), *SOFTWARE.values()], ids=[*WEIGHTS, *SOFTWARE])
def test_two_sets_of_weights_or_software_under_one_name_are_said(logs, tmp_path, one, two, said):
    logs.write_run(tmp_path, "RA", asked=one)
    logs.write_run(tmp_path, "RA", asked=two, first=2, date=logs.LATER)
    (note,) = load_responses([tmp_path]).notes
    assert note.startswith(f"{logs.MODEL}: its runs used different ")
    assert said in note


def test_versions_of_tasks_are_no_versions_of_software(logs, tmp_path):
    for date, first, version in ((logs.DATE, 0, 1.0), (logs.LATER, 2, 2.0)):
        logs.write_run(tmp_path, "RA", date=date, first=first, asked={"versions": {logs.task_name(): version}})
    assert load_responses([tmp_path]).notes == ()


def test_of_repeats_the_loss_is_said_with_advice_that_helps_and_no_word_of_seeds(logs, tmp_path):
    for repeat in (1, 2, 3):
        date = f"2026-01-02T03-04-05.00000{repeat}"
        lines = logs.samples("RA NE")
        for line in lines:
            line["arguments"]["gen_args_0"]["arg_1"] |= {"temperature": 0.7, "do_sample": True, "seed": repeat}
        logs.write_run(tmp_path, lines, date=date, asked={"repeat": repeat, "config": {"model_args": {"seed": repeat}}})
    lost, differ = load_responses([tmp_path]).notes
    assert lost == "8 lines repeated a doc; the newest of each was used."
    assert "runs that differ in repeat were pooled" in differ
    assert "--factors repeat" in differ
    every = load_responses([tmp_path], run_factors=["repeat"])
    assert every.query("SELECT repeat, count(*) FROM responses GROUP BY ALL ORDER BY ALL").fetchall() == [
        ("1", 4),
        ("2", 4),
        ("3", 4),
    ]
    assert every.notes == ()


def _asked(logs, out, source, asked, **results):
    lines = logs.samples("RA")
    for line in lines:
        line["arguments"]["gen_args_0"]["arg_1"] = asked
    config = {"model": source, "gen_kwargs": results or asked}
    logs.write_run(out, lines, asked={"config": config})
    return load_responses([out], run_factors=["temperature"])


GREEDY = {"until": [], "do_sample": False, "temperature": 0.8}


@pytest.mark.parametrize(
    ("source", "asked", "temperature"),
    [
        ("hf", GREEDY, "0"),
        ("vllm", GREEDY, "0"),
        ("dummy", GREEDY, "0"),
        ("local-chat-completions", GREEDY, "0.8"),
        ("openai-completions", GREEDY, "0.8"),
        ("anthropic-chat", GREEDY, "0.8"),
        ("hf", GREEDY | {"do_sample": True}, "0.8"),
        ("hf", {"temperature": 0.8}, "0.8"),
        ("vllm", {"do_sample": "false", "temperature": "0.8"}, "0"),
        ("hf", {"temperature": 0.0}, "0"),
    ],
)
def test_the_temperature_is_the_one_that_took_effect(logs, tmp_path, source, asked, temperature):
    responses = _asked(logs, tmp_path, source, asked)
    assert responses.query("SELECT DISTINCT temperature FROM responses").fetchall() == [(temperature,)]
    is_unused = temperature == "0" and "0.8" in str(asked)
    assert [note[:38] for note in responses.notes] == ["temperature=0.8 was given and not used"[:38]] * is_unused


def test_what_a_sample_was_asked_with_counts_and_not_what_the_results_say(logs, tmp_path):
    responses = _asked(logs, tmp_path, "hf", {"do_sample": True, "temperature": 0.2}, temperature=0.9)
    assert responses.query("SELECT DISTINCT temperature FROM responses").fetchall() == [("0.2",)]


@pytest.mark.parametrize("other", [{"temperature": 0.7}, {"max_gen_toks": 16}, {"until": ["\n"]}, {"top_p": 0.5}])
def test_lines_of_one_log_that_were_asked_otherwise_are_said(logs, tmp_path, other):
    lines = logs.samples("RAN")
    for line in lines:
        line["arguments"]["gen_args_0"]["arg_1"] |= {"do_sample": True, "temperature": 1.0, "max_gen_toks": 256}
    lines[2]["arguments"]["gen_args_0"]["arg_1"] |= other
    logs.write_run(tmp_path, lines)
    (note,) = load_responses([tmp_path]).notes
    assert "lines of one log were asked with different arguments" in note
    assert next(iter(other)) in note


# Models.


@pytest.mark.parametrize(("n", "is_said"), [(60, True), (50, True), (49, False)])
def test_two_models_that_answer_alike_are_named(logs, tmp_path, n, is_said):
    answers = ["RAN"[place * place % 7 % 3] for place in range(n)]
    for model in ("a/one", "b/two", "c/three"):
        mine = answers if model != "c/three" else [*answers[1:], "E"]
        logs.write_run(tmp_path, " ".join(mine), model=model)
    notes = load_responses([tmp_path]).notes
    said = f"a/one and b/two gave identical responses to all {n} prompts"
    assert [note.startswith(said) for note in notes] == [True] * is_said


def test_one_other_answer_distinguishes_models(logs, tmp_path):
    for model, last in (("a/one", "A"), ("b/two", "R")):
        logs.write_run(tmp_path, " ".join("RA" * 40 + last), model=model)
    assert load_responses([tmp_path]).notes == ()


@pytest.mark.parametrize("name", ["a\x1b[31mred", "a\nb", "a\u202eb", "a\tb", "\x07"])
def test_names_in_notes_command_no_terminal(logs, tmp_path, name):
    folder = tmp_path / "m"
    logs.write_log(folder, logs.samples("RA"))
    logs.write_results(folder, name)
    logs.write_log(folder, logs.samples("RA", first=9), date=logs.LATER)
    logs.write_results(folder, name, date=logs.LATER)
    (note,) = load_responses([tmp_path]).notes
    assert note.isprintable()
    assert re.search("are missing", note)
