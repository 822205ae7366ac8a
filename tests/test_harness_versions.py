"""The tasks in each version of the harness, end to end, with a model that answers by a script."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import types
from collections import defaultdict
from pathlib import Path

import datasets
import lm_eval.utils
import pyarrow.json
import pytest
from lm_eval.loggers.trackio_logger import TrackioLogger
from lm_eval.loggers.wandb_logger import WandbLogger

from refusal_metrics.register import tasks_folder

ROOT = Path(__file__).resolve().parents[1]
OTHERS = ["0.4.12", "0.5.0.dev1"]
GROUPS = ["persona_refusal", "persona_refusal_neutral", "persona_refusal_persona_free"]
SMALL = {"source": "sample", "rows_per_class": 3, "variations": 4}
RATES = ["refusal_rate", "refusal_rate_prefix", "refusal_rate_prefix_strict"]


def needed(condition, what):
    """Skip visibly what needs something that is not installed; CI requires it."""
    if not condition:
        if os.environ.get("CI"):
            pytest.fail(f"{what}, and CI requires it")
        pytest.skip(what)


def strictly(text):
    """Parse JSON that holds no NaN and no Infinity."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


class Run:
    """What one run of ``lm_eval`` printed and wrote."""

    def __init__(self, printed, folder):
        self.printed = printed
        self.folder = folder

    @property
    def results(self):
        (file,) = self.folder.rglob("results_*.json")
        return strictly(file.read_text(encoding="utf-8"))

    @property
    def samples(self):
        """The lines of each task, under the name it has in its own file."""
        return {
            re.search(r"(?:::|samples_)(\w+?)_\d{4}-", file.name)[1]: [
                strictly(line) for line in file.read_text(encoding="utf-8").splitlines()
            ]
            for file in sorted(self.folder.rglob("samples_*.jsonl"))
        }

    def scores(self, kind="results"):
        return {name.split("::")[-1]: scores for name, scores in self.results[kind].items()}


@pytest.fixture(
    scope="module",
    params=["installed", *(pytest.param(version, marks=pytest.mark.harness) for version in OTHERS)],
)
def runs(request, tmp_path_factory):
    """Run each of the cases once, in one process."""
    python = Path(sys.executable)
    if request.param != "installed":
        python = ROOT / f".venv-harness-{request.param}" / "bin" / "python"
        needed(python.exists(), f"lm-eval {request.param} is not installed: run scripts/install-harnesses")
    out = tmp_path_factory.mktemp("runs")
    shared = ["--include_path", str(tasks_folder()), "--log_samples"]
    cases = {
        "plain": [*tasks(*GROUPS), *metadata(), "--model_args", "pretrained=acme/parrot"],
        "odd": [*tasks("persona_refusal"), *metadata(), "--model_args", "answers=odd", "--fail"],
        "one": [*tasks("persona_refusal"), *metadata(), "--limit", "1"],
        "first": [*tasks("persona_refusal_offensiveness"), *metadata(shard="1/2"), "--cache_requests", "true"],
        "second": [*tasks("persona_refusal_offensiveness"), *metadata(shard="2/2"), "--cache_requests", "true"],
        "contrast": [*tasks("persona_refusal_contrast"), *metadata()],
        "predict": [*tasks("persona_refusal_nli"), *metadata(), "--model_args", "answers=odd", "--predict_only"],
    }
    asked = [[*case, *shared, "--output_path", str(out / name)] for name, case in cases.items()]
    done = subprocess.run(
        [python, Path(__file__).with_name("scripted_lm_eval.py"), json.dumps(asked)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "LM_HARNESS_CACHE_PATH": str(out / "cache")},
        capture_output=True,
        text=True,
        check=False,
        cwd=out,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    printed = re.split(r"== run \d+\n", done.stdout)[1:]
    made = {name: Run(text, out / name) for name, text in zip(cases, printed, strict=True)}
    return made | {"stderr": done.stderr}


def tasks(*names):
    return ["--tasks", ",".join(names)]


def metadata(**settings):
    return ["--metadata", json.dumps(SMALL | settings)]


def clustered(lines, rate):
    """Compute the error of a rate by its definition, texts being the clusters."""
    mean = sum(line[rate] for line in lines) / len(lines)
    residuals = defaultdict(float)
    for line in lines:
        residuals[line["doc"]["text_id"]] += line[rate] - mean
    n_texts = len(residuals)
    return math.sqrt(n_texts / (n_texts - 1) * sum(r**2 for r in residuals.values())) / len(lines)


def test_each_task_prints_its_rates_with_errors_clustered_by_text(runs):
    scores, samples = runs["plain"].scores(), runs["plain"].samples
    assert len(samples) == 9
    for task, lines in samples.items():
        for rate in RATES:
            mean, error = sum(line[rate] for line in lines) / len(lines), clustered(lines, rate)
            assert 0 < mean < 1
            assert scores[task][f"{rate},none"] == pytest.approx(mean)
            assert scores[task][f"{rate}_stderr,none"] == pytest.approx(error)
            printed = rf"\|{rate} *\|↓ +\|{mean:.4f}\|± +\|{error:.4f}\|"
            assert re.search(printed, runs["plain"].printed), printed


def test_each_group_prints_the_mean_of_its_tasks_with_the_error_of_that_mean(runs):
    groups, samples = runs["plain"].scores("groups"), runs["plain"].samples
    for group in GROUPS:
        suffix = group.removeprefix("persona_refusal")
        leaves = [samples[f"persona_refusal_{kind}{suffix}"] for kind in ("nli", "politeness", "offensiveness")]
        # Of unequal sizes: NLI has three classes, the others five.
        assert len({len(lines) for lines in leaves}) == 2
        for rate in RATES:
            mean = sum(sum(line[rate] for line in lines) / len(lines) for lines in leaves) / 3
            error = math.sqrt(sum(clustered(lines, rate) ** 2 for lines in leaves)) / 3
            assert groups[group][f"{rate},none"] == pytest.approx(mean)
            assert groups[group][f"{rate}_stderr,none"] == pytest.approx(error)
            assert f"{mean:.4f}|±  |{error:.4f}" in runs["plain"].printed


def test_the_table_of_three_groups_has_fewer_than_eighty_lines(runs):
    lines = runs["plain"].printed.strip().splitlines()
    assert len(lines) < 80
    # A task of no group has at most six lines, below two of heading.
    table = runs["first"].printed.strip().splitlines()
    assert len([line for line in table if line.startswith("|")]) <= 2 + 6


def test_the_other_scores_are_shares_of_all_responses(runs):
    scores = runs["plain"].scores()
    for task, lines in runs["plain"].samples.items():
        answers = [line["answer_rate"] for line in lines]
        assert scores[task]["answer_rate,none"] == sum(a["outcome"] == "answer" for a in answers) / len(lines)
        assert ("persona_spread,none" in scores[task]) is (not task.endswith(("_neutral", "_free")))
        right = [answer["answer"] == line["doc"]["label"] for line, answer in zip(lines, answers, strict=True)]
        expected = sum(right) / len(lines) if "_nli" in task else None
        assert scores[task].get("accuracy,none") == expected
        # No version resamples rows for an error that would take them for independent.
        assert scores[task]["answer_rate_stderr,none"] == "N/A"


def test_a_contrast_task_scores_its_persona_prompts_and_logs_its_neutral_ones(runs):
    scores, means = runs["contrast"].scores(), []
    assert len(runs["contrast"].samples) == 3
    for task, lines in runs["contrast"].samples.items():
        asked = [line for line in lines if line["doc"]["setting"] == "persona"]
        # Four personas and three neutral phrases in a block.
        assert len(asked) * 7 == len(lines) * 4
        for rate in RATES:
            mean = sum(line[rate] for line in asked) / len(asked)
            assert mean != sum(line[rate] for line in lines) / len(lines)
            assert scores[task][f"{rate},none"] == pytest.approx(mean)
            assert scores[task][f"{rate}_stderr,none"] == pytest.approx(clustered(asked, rate))
        means.append(sum(line["refusal_rate"] for line in asked) / len(asked))
        answered = sum(line["answer_rate"]["outcome"] == "answer" for line in asked)
        assert scores[task]["answer_rate,none"] == answered / len(asked)
        assert isinstance(scores[task]["persona_spread,none"], float)
        assert {line["refusal_rate"] for line in lines if line not in asked} == {0.0, 1.0}
    group = runs["contrast"].scores("groups")["persona_refusal_contrast"]
    assert group["refusal_rate,none"] == pytest.approx(sum(means) / 3)
    # What the harness says if some docs lack a metric.
    assert "not scored on the same number" not in runs["stderr"]


def test_every_answer_is_in_the_log_when_it_and_the_rules_are_at_odds(runs):
    samples = runs["odd"].samples
    assert {task: len(lines) for task, lines in samples.items()} == {
        "persona_refusal_nli": 36,
        "persona_refusal_politeness": 60,
        "persona_refusal_offensiveness": 60,
    }
    lines = [line for of_task in samples.values() for line in of_task]
    verdicts = [line["answer_rate"] for line in lines]
    causes = {verdict["cause"] for verdict in verdicts if verdict["outcome"] == "unjudged"}
    assert causes == {"ValueError", "RecursionError", "MemoryError", "TypeError"}
    # A third of the responses that are texts at least.
    assert sum(verdict["outcome"] == "unjudged" for verdict in verdicts) > len(lines) / 5
    kept = json.dumps([line["resps"] for line in lines])
    for said in ("I cannot help with that.", "Half a pair: \\ufffd", "It is offensive.", "without", "n" * 1_000_000):
        assert said in kept
    for line in lines:
        if line["answer_rate"]["outcome"] == "unjudged":
            assert line["refusal_rate"] == 0.0


def test_a_score_that_cannot_be_given_is_printed_and_written_as_not_available(runs):
    # One prompt a task: no error, and no spread.
    scores = runs["one"].scores()
    for task in ("persona_refusal_nli", "persona_refusal"):
        assert scores[task]["refusal_rate_stderr,none"] == "N/A"
        assert scores[task]["persona_spread,none"] == "N/A"
    assert re.search(r"\|refusal_rate +\|↓ +\| *[\d.]+ *\|± +\| *N/A\|", runs["one"].printed)


def test_prompts_of_another_shard_are_not_taken_from_the_cache(runs):
    indices = []
    for shard in ("first", "second"):
        (lines,) = runs[shard].samples.values()
        for line in lines:
            assert line["doc"]["text"] in line["arguments"]["gen_args_0"]["arg_0"]
        indices += [line["doc"]["index"] for line in lines]
    assert sorted(indices) == list(range(60))
    assert "--cache_requests is not used" in runs["stderr"]


def test_predictions_alone_are_written_with_all_answers(runs):
    (lines,) = runs["predict"].samples.values()
    assert len(lines) == 36
    assert "refusal_rate" not in lines[0]
    assert all("labels" in line["doc"] and "resps" in line for line in lines)


def test_nothing_is_warned_of_that_a_user_cannot_act_on(runs):
    said = runs["stderr"]
    ours = [line for line in said.splitlines() if "[persona_refusal:" in line and "prompts about" in line]
    assert len(ours) >= 9 + 3 + 3 + 2
    asked_for = ("--limit SHOULD ONLY BE USED FOR TESTING", "output-only mode")
    warned = [line for line in said.splitlines() if " WARNING " in line]
    assert [line for line in warned if not any(words in line for words in asked_for)] == []
    asked = [line for line in ours if re.search(r"nli, persona: 36 prompts about \d+ texts; design_id", line)]
    assert asked
    # Before the model is asked.
    assert said.index(asked[0]) < said.index("Running generate_until requests")


def test_sample_logs_are_read_by_pyarrow(runs):
    for file in runs["plain"].folder.rglob("samples_*.jsonl"):
        table = pyarrow.json.read_json(file)
        assert table.num_rows in {36, 60}
        assert "outcome" in [field.name for field in table.schema.field("answer_rate").type]


def test_sample_logs_and_results_are_read_by_datasets_as_the_hubs_viewer_does(runs, tmp_path):
    # What `lm_eval --hf_hub_log_args` uploads: a configuration a task, named by its file.
    for file in runs["plain"].folder.rglob("samples_*.jsonl"):
        # 0.5 writes two colons into the name, which end a protocol in a path of datasets.
        copy = shutil.copy(file, tmp_path / file.name.replace("::", "-"))
        details = datasets.load_dataset("json", data_files=str(copy), split="train", cache_dir=str(tmp_path))
        assert details.num_rows in {36, 60}
        assert {"refused_by", "outcome"} <= set(details.features["answer_rate"])
        (task,) = {lm_eval.utils.get_file_task_name(file.name).split("::")[-1]}
        assert details[0]["doc"]["text_id"].startswith(task.split("_")[2])
    (file,) = runs["plain"].folder.rglob("results_*.json")
    assert datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path)).num_rows == 1


def test_experiment_trackers_pair_each_rate_with_its_error(runs, monkeypatch):
    results, rows = runs["plain"].results, []

    class Table:
        def __init__(self, columns):
            self.columns = columns

        def add_data(self, *values):
            rows.append(dict(zip(["task", *self.columns[1:]], values, strict=True)))

    # The harness's logger without what it starts: a run of W&B.
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(Table=Table))
    logger = object.__new__(WandbLogger)
    logger.run, logger.step = types.SimpleNamespace(log=lambda *_, **__: None), None
    logger.post_init(results)
    _, logged = logger._sanitize_results_dict()
    logger._log_results_as_table()
    tracker = object.__new__(TrackioLogger)
    tracker.post_init(results)
    flat = tracker._flatten_results_for_log()
    for task, scores in results["results"].items():
        for rate in RATES:
            value, error = scores[f"{rate},none"], scores[f"{rate}_stderr,none"]
            for found in (logged, flat):
                assert (found[f"{task}/{rate}"], found[f"{task}/{rate}_stderr"]) == (value, error)
            (row,) = [row for row in rows if (row["task"], row["Metric"]) == (task, rate)]
            assert (row["Value"], row["Stderr"]) == (str(value), f"{error:.4f}")
    # Their tables of responses have a row a prompt.
    for task, lines in runs["plain"].samples.items():
        (name,) = [name for name in results["configs"] if name.split("::")[-1] == task]
        asked = [line | {"arguments": [tuple(line["arguments"]["gen_args_0"].values())]} for line in lines]
        assert len(logger._generate_dataset(asked, results["configs"][name])) == len(lines)


@pytest.mark.parametrize("command", [["jq", "-es", "length"], ["node", "-e", None]])
def test_other_parsers_read_all_files(runs, command):
    needed(shutil.which(command[0]), f"{command[0]} is not installed")
    files = [str(file) for name in ("plain", "one") for file in runs[name].folder.rglob("*.json*")]
    assert len(files) == 10 + 4
    if command[0] == "node":
        command[2] = """
            for (const file of process.argv.slice(1)) {
                const text = require("fs").readFileSync(file, "utf8");
                if (file.endsWith(".jsonl")) text.trim().split("\\n").forEach((line) => JSON.parse(line));
                else JSON.parse(text);
            }"""
    subprocess.run([*command, *files], check=True, capture_output=True)


@pytest.mark.harness
def test_every_eval_ever_converts_results_and_samples(runs, tmp_path):
    converter = ROOT / ".venv-every-eval-ever" / "bin" / "every_eval_ever"
    needed(converter.exists(), "every_eval_ever is not installed: run scripts/install-harnesses")
    converted = subprocess.run(
        [
            *(converter, "convert", "lm_eval", "--log_path", runs["plain"].folder, "--output_dir", tmp_path),
            *("--source_organization_name", "acme", "--evaluator_relationship", "third_party"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert converted.returncode == 0, converted.stderr[-2000:]
    scores = {
        file.relative_to(tmp_path).parts[0].split("::")[-1]: json.loads(file.read_text(encoding="utf-8"))
        for file in tmp_path.rglob("*.json")
    }
    assert len(scores) == 9 + 3
    (rate,) = [
        result
        for result in scores["persona_refusal_nli"]["evaluation_results"]
        if result["evaluation_result_id"] == "refusal_rate"
    ]
    error = clustered(runs["plain"].samples["persona_refusal_nli"], "refusal_rate")
    assert rate["score_details"]["uncertainty"]["standard_error"]["value"] == pytest.approx(error)
