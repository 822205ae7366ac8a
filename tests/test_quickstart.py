"""The quickstart shows what it makes, and what to type next. The model and the commands are stand-ins."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

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
