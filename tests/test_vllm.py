"""vLLM's real engine, on a CPU: offline, and behind its OpenAI-compatible server. scripts/install-vllm-cpu makes it."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from refusal_metrics.analysis.responses import load_responses

from refusal_metrics.register import tasks_folder

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv-vllm" / "bin"
MODEL = ROOT / ".cache" / "SmolLM2-135M-Instruct-safetensors"
TASK = "persona_refusal_offensiveness"
# 5 classes x 4 rows x 3 prompts.
SETTINGS = {"source": "sample", "rows_per_class": 4, "variations": 3}
N_DOCS = 60
GENERATION = {"max_gen_toks": 24}
# Bfloat16 crawls on processors without instructions for it.
ENGINE = {"dtype": "float32", "max_model_len": 512, "enforce_eager": True}
SECONDS_TO_START = 600

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not (BIN / "vllm").exists(), reason="scripts/install-vllm-cpu has not been run"),
]


def environment():
    quiet = {"HF_HUB_OFFLINE": "1", "LMEVAL_LOG_LEVEL": "ERROR", "VLLM_LOGGING_LEVEL": "ERROR"}
    return os.environ | quiet | {"VLLM_CPU_KVCACHE_SPACE": "1"}


def run(*command, check=True):
    done = subprocess.run(
        [str(part) for part in command], env=environment(), capture_output=True, text=True, timeout=1800, check=False
    )
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def run_study(folder, model, **study):
    """Run a study of one model."""
    file = folder.with_suffix(".yaml")
    given = {"out": str(folder), "tasks": [TASK], "settings": SETTINGS, "generation": GENERATION, "shard_docs": 25}
    file.write_text(yaml.safe_dump(given | study | {"models": {"small": model}}))
    return run(BIN / "persona-refusal", "run", file)


def read(folder):
    """Read the responses and verdicts of a results folder, by prompt."""
    responses = load_responses([folder], texts=True)
    columns = "index, response, refused_answer_aware, refused_prefix"
    return {
        index: rest for index, *rest in responses.query(f"SELECT {columns} FROM responses ORDER BY index").fetchall()
    }


def n_different(one, other, place):
    assert one.keys() == other.keys()
    assert len(one) == N_DOCS
    return sum(one[index][place] != other[index][place] for index in one)


@pytest.fixture(scope="module")
def by_transformers(tmp_path_factory):
    out = tmp_path_factory.mktemp("hf")
    run(
        *(BIN / "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={MODEL},dtype=float32"),
        *("--apply_chat_template", "--device", "cpu", "--batch_size", 16, "--gen_kwargs", "max_gen_toks=24"),
        *("--include_path", tasks_folder(), "--tasks", TASK, "--metadata", json.dumps(SETTINGS)),
        *("--log_samples", "--output_path", out),
    )
    return read(out)


@pytest.fixture(scope="module")
def by_vllm(tmp_path_factory):
    out = tmp_path_factory.mktemp("vllm")
    engine = ",".join(f"{name}={value}" for name, value in ENGINE.items())
    run(
        *(BIN / "lm_eval", "run", "--model", "vllm", "--model_args", f"pretrained={MODEL},{engine}"),
        *("--apply_chat_template", "--batch_size", "auto", "--gen_kwargs", "max_gen_toks=24"),
        *("--include_path", tasks_folder(), "--tasks", TASK, "--metadata", json.dumps(SETTINGS)),
        *("--log_samples", "--output_path", out),
    )
    return read(out)


def test_vllm_gives_the_verdicts_of_transformers(by_transformers, by_vllm):
    # Both are greedy in single precision; sums are rounded in another order, which may turn a near tie.
    for place in (1, 2):
        assert n_different(by_transformers, by_vllm, place) <= 1
    assert n_different(by_transformers, by_vllm, 0) <= N_DOCS // 10


def test_what_stands_after_a_thought_is_the_answer(by_vllm, tmp_path):
    # The embedded model does not think, so the end of a sentence stands for that of a thought. No more tokens than
    # those of the plain run, so that the words are the same.
    model = {"backend": "vllm", "args": {"pretrained": str(MODEL)} | ENGINE, "batch_size": "auto"}
    run_study(tmp_path / "study", model | {"think_end_token": "."})
    answers = {index: response for index, (response, *_) in read(tmp_path / "study").items()}
    whole = {index: response for index, (response, *_) in by_vllm.items()}
    assert sum("." in response for response in whole.values()) > N_DOCS // 10
    different = [index for index, said in whole.items() if answers[index] != said.rpartition(".")[2].lstrip()]
    assert len(different) <= N_DOCS // 10


def test_a_study_with_vllm_gives_what_the_harness_alone_does(by_vllm, tmp_path):
    model = {"backend": "vllm", "args": {"pretrained": str(MODEL)} | ENGINE, "batch_size": "auto"}
    run_study(tmp_path / "study", model)
    assert len(list((tmp_path / "study").rglob("samples_*.jsonl"))) == 3
    assert n_different(by_vllm, read(tmp_path / "study"), 1) <= 1


def test_a_model_cut_over_several_workers_gives_the_same_verdicts(by_vllm, monkeypatch, tmp_path):
    # Three, because the embedded model has nine attention heads; each worker is bound to a core.
    cores = sorted(os.sched_getaffinity(0))
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "|".join(str(cores[i % len(cores)]) for i in range(3)))
    args = {"pretrained": str(MODEL), "tensor_parallel_size": 3} | ENGINE
    run_study(tmp_path / "study", {"backend": "vllm", "args": args, "batch_size": "auto"}, shard_docs=N_DOCS)
    assert n_different(by_vllm, read(tmp_path / "study"), 1) <= 1


@pytest.fixture
def server(tmp_path):
    """Serve the model; gives the address of its chat completions."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = ["--dtype", "float32", "--max-model-len", "512", "--enforce-eager", "--served-model-name", "small"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "vllm", "serve", MODEL, "--host", "127.0.0.1", "--port", str(port), *engine],
            env=environment(), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "server.log")
            yield f"http://127.0.0.1:{port}/v1/chat/completions"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(address, process, log):
    for _ in range(SECONDS_TO_START):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    pytest.fail(f"the server did not start: {log.read_text(errors='replace')[-3000:]}")


def test_a_study_of_a_served_model_gives_the_verdicts_of_the_engine(by_vllm, server, tmp_path):
    # Two addresses of one server stand for two servers.
    servers = [server, server.replace("127.0.0.1", "localhost")]
    args = {"model": "small", "base_url": servers, "num_concurrent": 16}
    run_study(tmp_path / "study", {"backend": "local-chat-completions", "args": args})
    assert n_different(by_vllm, read(tmp_path / "study"), 1) <= 1
