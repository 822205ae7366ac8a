"""The check for a machine with a GPU, on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "gpu_check"


def gpu_check(*arguments):
    """Run the script; gives its exit code, what it prints, and what it says."""
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu") / "carried"
    code, printed, said = gpu_check("pack", folder, "--no-wheels")
    assert code == 0, said
    assert "MiB" in printed
    return folder


@pytest.mark.model
@pytest.mark.slow
def test_a_tiny_model_is_asked_in_both_dtypes_and_passes_on_a_cpu(carried, tmp_path):
    code, printed, said = gpu_check("--small", "--carried", carried, "--out", tmp_path / "found.json")
    assert code == 0, printed + said
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["problems"] == []
    for dtype in ("bfloat16", "float32"):
        # 12 prompts of 8 new tokens, if none of them ends earlier.
        assert 12 <= found[dtype]["n_tokens"] <= 12 * 8
        assert found[dtype]["prompts_per_s"] > 0
        assert 0 < found[dtype]["our_share"] < 1
    assert 0 <= found["texts_that_differ"] <= 12
    assert "PASSED" in printed


@pytest.mark.model
@pytest.mark.slow
def test_what_is_packed_is_small_and_what_was_judged_otherwise_is_found(carried):
    size = sum(file.stat().st_size for file in carried.rglob("*") if file.is_file())
    assert size < 64 << 20
    assert len((carried / "verdicts.sha256").read_text(encoding="utf-8").strip()) == 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--carried needs a folder"),
        (("--carried", "nowhere"), "--carried needs a folder"),
        (("pack",), "pack needs a FOLDER"),
        (("--prompts", "0"), "no whole number above zero"),
        (("--tokens", "-1"), "no whole number above zero"),
        (("fly",), "invalid choice"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments, says):
    code, _, said = gpu_check(*arguments)
    assert code == 2
    assert says in said
    assert "Traceback" not in said


def test_pack_writes_into_nothing_that_is_there(tmp_path):
    (tmp_path / "mine").write_text("", encoding="utf-8")
    assert gpu_check("pack", tmp_path)[0] == 2
