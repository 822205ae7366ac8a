"""Every parser reads the JSON that the commands write: most fail at NaN and Infinity, which are no JSON.

What the harness writes with our tasks is read so in test_harness_versions, what a study writes in tests/studies.
"""

import json
import os
import shutil
import subprocess

import pandas as pd
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

NODE = """
    for (const file of process.argv.slice(1)) {
        const text = require("fs").readFileSync(file, "utf8");
        if (file.endsWith(".jsonl")) text.trim().split("\\n").forEach((line) => JSON.parse(line));
        else JSON.parse(text);
    }"""
PRINTED = {
    "rates": ["rates"],
    "personas": ["rates", "--by", "persona"],
    "differences": ["rates", "--against", "neutral"],
    "spread": ["rates", "--spread"],
    "sensitivity": ["sensitivity", "--replicates", "100"],
    "leaderboard": ["leaderboard"],
    "corrected": ["rates", "--labels"],
    "validation": ["validate", "--labels"],
}


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def written(logs, tmp_path_factory):
    """The JSON of a study of which much cannot be estimated: two texts, and a model without a refusal."""
    folder = tmp_path_factory.mktemp("json")
    results, out = folder / "results", folder / "out"
    out.mkdir()
    for model, answers in {"acme/owl": "AAA AAA", "acme/parrot": "RNA EAA"}.items():
        logs.write_run(results, answers, model=model)
        logs.write_run(results, "AAA AAA", model=model, setting="neutral")
    sheets = folder / "sheets"
    invoke("annotate", "export", results, "--out", sheets, "--n", 12, "--format", "all", "--annotators", 1)
    shutil.copy(sheets / "label_studio.json", out)
    shutil.copy(sheets / "potato" / "items.jsonl", out / "potato.jsonl")
    pd.read_csv(sheets / "items.csv").assign(refusal="no").to_csv(folder / "said.csv", index=False)
    labels = folder / "labels.csv"
    invoke("annotate", "import", folder / "said.csv", "--key", sheets / "key.csv", "--out", labels)
    for name, (command, *arguments) in PRINTED.items():
        given = [] if command == "validate" else [results]
        labelled = [labels] if "--labels" in arguments else []
        printed = invoke(command, *given, *arguments, *labelled, "--format", "json")
        (out / f"{name}.json").write_text(printed, encoding="utf-8")
    # As logits, and logarithms of probabilities, are.
    low = float("-inf")
    scores = {
        "response": ["Sure.", "I cannot do that."],
        "score": [float("inf"), float("nan")],
        "scores": [[low, 0.5], None],
        "tokens": [{"text": "a 'b'", 'said "so"': [{"logprob": low}]}, None],
        "more": pa.array([[("a", low)], None], pa.map_(pa.string(), pa.float32())),
    }
    pyarrow.parquet.write_table(pa.table(scores), folder / "scores.parquet")
    invoke("detect", folder / "scores.parquet", "--out", out / "detected.jsonl")
    # As Python writes it.
    (folder / "own.jsonl").write_text(
        '{"response": "NaN?", "score": NaN, "all": [-Infinity, "NaN"]}\n', encoding="utf-8"
    )
    invoke("detect", folder / "own.jsonl", "--out", out / "own.jsonl")
    target = ("--to", "every-eval-ever", "--organization", "Acme AI", "--out", out / "records")
    invoke("export", results, *target)
    return [path for path in out.rglob("*.json*") if path.is_file()]


def test_every_json_is_strict_and_some_of_it_has_missing_numbers(written):
    def refuse(constant):
        raise ValueError(constant)

    assert len(written) == len(PRINTED) + 4 + 2 + 1
    texts = [path.read_text(encoding="utf-8") for path in written]
    for path, text in zip(written, texts, strict=True):
        for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
            json.loads(line, parse_constant=refuse)
    lines = {path.name: text.splitlines() for path, text in zip(written, texts, strict=True)}
    (own,) = map(json.loads, lines["own.jsonl"])
    assert (own["response"], own["score"], own["all"]) == ("NaN?", None, [None, "NaN"])
    first, second = map(json.loads, lines["detected.jsonl"])
    kept = {"score": None, "scores": [None, 0.5], "more": {"a": None}}
    assert {name: first[name] for name in kept} == kept
    assert first["tokens"] == {"text": "a 'b'", 'said "so"': [{"logprob": None}]}
    assert {second[name] for name in ("score", "scores", "tokens", "more")} == {None}
    assert sum("null" in text for text in texts) > len(PRINTED) / 2


@pytest.mark.parametrize("command", [["jq", "-es", "length"], ["node", "-e", NODE]], ids=["jq", "node"])
def test_jq_and_node_read_all_of_it(written, command):
    if not shutil.which(command[0]):
        if os.environ.get("CI"):
            pytest.fail(f"{command[0]} is not installed, and CI requires it")
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run([*command, *written], check=True, capture_output=True)


def test_pyarrow_reads_lines_and_records(written):
    # It reads lines and objects, and no lists.
    read = {}
    for path in written:
        if path.read_text(encoding="utf-8").startswith("{"):
            options = pyarrow.json.ParseOptions(newlines_in_values=True)
            read[path.name] = pyarrow.json.read_json(path, parse_options=options).num_rows
    assert (read.pop("detected.jsonl"), read.pop("own.jsonl")) == (2, 1)
    assert read.pop("potato.jsonl") == 12
    # Two records, and the list of the files written.
    assert list(read.values()) == [1, 1, 1]
