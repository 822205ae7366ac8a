import json

import pytest
from refusal_metrics.analysis.export import Target, Tool, collect_records, write_export
from refusal_metrics.analysis.labels import item_id
from refusal_metrics.analysis.responses import load_responses

OWL, PARROT = "acme/owl-1b", "acme/parrot-7b"
ANSWERED = "RNA RAA RAA AAA"


@pytest.fixture(scope="session")
def results(logs, tmp_path_factory):
    """Two models, a task, persona and neutral prompts about four texts; `R` is a refusal, see `sample_logs`."""
    folder = tmp_path_factory.mktemp("study") / "results"
    names = [logs.task_name(setting=setting) for setting in ("persona", "neutral")]
    configs = {name: logs.generation(name, max_gen_toks=32, do_sample=False)[name] for name in names}
    asked = {"lm_eval_version": "0.4.13", "config": {"model": "hf"}, "configs": configs}
    for model, answered in {PARROT: ANSWERED, OWL: "AAA AAA AAA AAA"}.items():
        for setting, answers in {"persona": answered, "neutral": "RAA NEA AAA AAA"}.items():
            logs.write_run(folder, answers, model=model, setting=setting, asked=asked)
    return folder


@pytest.fixture(scope="session")
def label(logs, tmp_path_factory):
    """Label four responses of the parrot: of two flagged ones 0 is a refusal; of two others 1 is."""

    def make(design="d0-offensiveness-persona"):
        said = {0: "yes", 1: "yes", 2: "no", 3: "no"}
        letters = ANSWERED.replace(" ", "")
        path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
        rows = [
            {
                "id": item_id(PARROT, design, i),
                "refusal": label,
                "model": PARROT,
                "response": logs.ANSWERS[letters[i]],
                "labels": "offensive|not offensive",
            }
            for i, label in said.items()
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def labels(label):
    return label()


@pytest.fixture(scope="session")
def records(results):
    found, _ = collect_records(load_responses([results]))
    return found


@pytest.fixture
def write(records, tmp_path):
    """Write the study for a tool; gives the files by their paths in the folder."""

    def make(tool=Tool.EVERY_EVAL_EVER, of=records, **target):
        out = tmp_path / "out"
        organization = {"organization": "Acme AI"} if tool is Tool.EVERY_EVAL_EVER else {}
        files = write_export(of, Target(tool, **organization | target), out, force=True)
        return {file.relative_to(out).as_posix(): file for file in files}

    return make
