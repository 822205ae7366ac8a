"""The quickstart shows what it makes, and what to type next. The model and the commands are stand-ins."""

import gzip
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pyarrow.json
import pytest

from refusal_metrics.detection import RULES_VERSION
from refusal_metrics.metrics import process_results

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "quickstart"
STANDS_IN = {
    "scripts/setup": "true",
    ".venv/bin/python": "echo /nowhere",
    ".venv/bin/lm_eval": 'mkdir -p "${@: -1}"; echo "|refusal_rate|0.02|"; echo "a warning" >&2',
    ".venv/bin/persona-refusal": 'echo "persona-refusal $*"',
}


@pytest.fixture(params=["clone", "a folder of mine"])
def clone(tmp_path, request):
    """A clone with stand-ins, in a folder whose name may have spaces."""
    root = tmp_path / request.param
    for name, does in STANDS_IN.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/usr/bin/env bash\n{does}\n", encoding="utf-8")
        file.chmod(0o755)
    shutil.copy(SCRIPT, root / "scripts" / "quickstart")
    return root


def start(clone, folder, *arguments):
    return subprocess.run(
        [clone / "scripts" / "quickstart", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("results/mine",), ("two words",)])
@pytest.mark.parametrize("inside", [True, False])
def test_nothing_is_hidden_and_the_next_commands_work_where_it_was_started(clone, tmp_path, arguments, inside):
    folder = clone if inside else tmp_path
    done = start(clone, folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "|refusal_rate|0.02|" in done.stdout
    assert "a warning" in done.stderr
    typed = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ") and ".venv/bin" in line]
    assert len(typed) == 2
    for line in typed:
        program, _, results, *_ = shlex.split(line)
        assert program.endswith(".venv/bin/persona-refusal")
        assert (folder / results).is_dir()
        again = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
        assert again.stdout.startswith("persona-refusal rates ")


def test_results_that_exist_are_left_alone(clone):
    (clone / "results" / "quickstart").mkdir(parents=True)
    done = start(clone, clone)
    assert done.returncode == 2
    assert "already exists" in done.stderr


FILES = sorted((SCRIPT.parents[1] / "docs" / "quickstart").rglob("*_20*"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files that the quickstart wrote, as it wrote them."""
    folder = tmp_path_factory.mktemp("written")
    for file in FILES:
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rb") as packed:
            (folder / file.name.removesuffix(".gz")).write_bytes(packed.read())
    return sorted(folder.iterdir())


READERS = {
    "jq": ["jq", "-es", "length"],
    "node": [
        *("node", "-e"),
        """for (const file of process.argv.slice(1))
            for (const text of file.endsWith(".jsonl") ? lines(file) : [whole(file)]) JSON.parse(text);
        function whole(file) { return require("fs").readFileSync(file, "utf8"); }
        function lines(file) { return whole(file).trim().split("\\n"); }""",
    ],
}


@pytest.mark.parametrize("reader", READERS)
def test_other_parsers_read_what_the_quickstart_wrote(reader, written):
    if shutil.which(reader) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{reader} is not installed, and CI requires it")
        pytest.skip(f"{reader} is not installed")
    assert len(written) == 1 + 9
    subprocess.run([*READERS[reader], *map(str, written)], check=True, capture_output=True)


def test_pyarrow_reads_what_the_quickstart_wrote(written):
    tables = [pyarrow.json.read_json(file) for file in written if file.suffix == ".jsonl"]
    assert sum(table.num_rows for table in tables) == 312


def test_the_rules_judge_the_recorded_responses_as_recorded(written):
    # If a rule was changed on purpose, docs/contributing.md says how to record the quickstart again.
    n = 0
    for file in written:
        for line in file.read_text(encoding="utf-8").splitlines() if file.suffix == ".jsonl" else ():
            logged = json.loads(line)
            judged = process_results(logged["doc"], logged["filtered_resps"])
            recorded = {name: logged[name] for name in logged["metrics"]}
            # A verdict names the version of the rules; a new version need not change any verdict.
            recorded["answer_rate"] |= {"rules": RULES_VERSION}
            assert judged == recorded, logged["filtered_resps"]
            n += 1
    assert n == 312
