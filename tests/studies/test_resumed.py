"""A study that is resumed with something else than it was begun with."""

from dataclasses import replace
from pathlib import Path

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.studies.resumed import check_resumed, has_answers, is_served, join_runs
from refusal_metrics.studies.spec import Study, StudyModel

VERSIONS = {"persona-refusal": "0.1.0", "lm_eval": "0.4.13", "transformers": "5.1", "torch": "2.13", "rules": "2+aa"}
DESCRIBED = {
    "versions": VERSIONS,
    "model_revision": "abc",
    "model_dtype": "torch.bfloat16",
    "n_parameters": 7,
    "weights": "w1",
    "chat_template_sha256": "t1",
    "hardware": {"machine": "x86_64", "n_cores": 4, "accelerators": ["H200", "H200"]},
}
TASKS = {"t": {"version": 2.0}}


def make(tmp_path, backend="hf", *, answers=True, **changed):
    """Make a study with one model, of which there are answers."""
    if answers:
        (tmp_path / "m" / "t").mkdir(parents=True)
        (tmp_path / "m" / "t" / "samples_t.jsonl").write_text("{}\n")
    model = StudyModel("m", backend)
    study = Study(Path("s.yaml"), tmp_path, ("t",), {}, 1, "user", None, 10, (model,))
    return replace(study, **changed)


def check(study, now, begun=VERSIONS, tasks=TASKS, before=TASKS):
    record = {"tasks": before, "runs": {"m": {"versions": begun}}}
    return check_resumed(study, study.models, tasks, record, now)


def join(study, described, known=DESCRIBED):
    return join_runs(study, study.models[0], described, known)


# Software, before anything is loaded.


@pytest.mark.parametrize(
    ("backend", "now", "found"),
    [
        ("hf", {"lm_eval": "0.5.0"}, "lm_eval 0.4.13 (now 0.5.0)"),
        ("hf", {"persona-refusal": "0.9.0"}, "persona-refusal 0.1.0 (now 0.9.0)"),
        ("hf", {"torch": "2.14"}, "torch 2.13 (now 2.14)"),
        ("hf", {"torch": "2.13", "transformers": "5.1.1"}, "transformers 5.1 (now 5.1.1)"),
        ("hf", {"rules": "2+bb"}, "detection rules 2+aa (now 2+bb)"),
        ("vllm", {"vllm": "0.32"}, "vllm not installed (now 0.32)"),
        ("vllm", {"torch": "2.13+cu128"}, "torch 2.13 (now 2.13+cu128)"),
        ("sglang", {"sglang": "1"}, "sglang not installed (now 1)"),
        ("mamba_ssm", {"torch": "3"}, "torch 2.13 (now 3)"),
        ("local-chat-completions", {"lm_eval": "0.5.0"}, "lm_eval 0.4.13 (now 0.5.0)"),
        ("dummy", {"rules": "2+bb", "lm_eval": "1"}, "lm_eval 0.4.13 (now 1); detection rules 2+aa (now 2+bb)"),
    ],
)
def test_what_can_change_answers_is_refused_unless_it_is_allowed(tmp_path, backend, now, found):
    study = make(tmp_path, backend)
    with pytest.raises(InputError) as caught:
        check(study, VERSIONS | now)
    assert str(caught.value) == (
        f"{tmp_path}: m was begun with {found}; answers of both must not mix: name another folder with --out, restore "
        "what it was begun with, or pass --allow-mixed"
    )
    said = check(replace(study, allow_mixed=True), VERSIONS | now)
    assert said == [f"{tmp_path}: m was begun with {found}; both are recorded."]


@pytest.mark.parametrize(
    ("backend", "now"),
    [
        ("hf", {}),
        ("hf", {"datasets": "9"}),
        ("hf", {"vllm": "0.33"}),
        ("local-chat-completions", {"torch": "3", "transformers": "6", "vllm": "1"}),
        ("openai-chat-completions", {"torch": "3"}),
        ("dummy", {"torch": "3"}),
    ],
)
def test_what_a_backend_does_not_use_changes_nothing(tmp_path, backend, now):
    assert check(make(tmp_path, backend), VERSIONS | now) == []


def test_another_version_of_the_rules_is_said_for_logs_are_judged_again(tmp_path):
    (said,) = check(make(tmp_path), VERSIONS | {"rules": "3+cc"})
    assert said == (
        f"{tmp_path}: begun with detection rules 2+aa, and these are 3+cc; responses judged by the former are judged "
        "again when they are read."
    )


def test_another_version_of_a_task_is_refused_and_an_unknown_one_is_not(tmp_path):
    study = make(tmp_path)
    with pytest.raises(InputError, match=r"m was begun with t version 1\.0 \(now 2\.0\); "):
        check(study, VERSIONS, before={"t": {"version": 1.0}})
    assert check(study, VERSIONS, before={}) == check(study, VERSIONS, before={"t": {}}) == []


def test_a_model_without_answers_may_be_begun_again_with_anything(tmp_path):
    study = make(tmp_path, answers=False)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "run.log").write_text("failed\n")
    assert not has_answers(tmp_path, "m")
    assert check(study, {"lm_eval": "1"}) == []
    assert join(study, DESCRIBED | {"weights": "w2"}) == DESCRIBED | {"weights": "w2"}


def test_a_record_without_rules_is_older_and_its_packages_are_compared(tmp_path):
    begun = {"persona-refusal": "0.1.0", "lm_eval": "0.4.13"}
    study = make(tmp_path)
    assert check(study, VERSIONS, begun=begun) == []
    with pytest.raises(InputError, match=r"lm_eval 0\.4\.12 \(now 0\.4\.13\)"):
        check(study, VERSIONS, begun=begun | {"lm_eval": "0.4.12"})


# The model, once it is loaded.


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"model_revision": "def"}, "revision abc (now def)"),
        ({"model_dtype": "torch.float32"}, "dtype torch.bfloat16 (now torch.float32)"),
        ({"weights": "w2"}, "weights (checksum) w1 (now w2)"),
        ({"n_parameters": 8}, "number of parameters 7 (now 8)"),
        ({"chat_template_sha256": "t2"}, "chat template (sha256) t1 (now t2)"),
        ({"hardware": {"machine": "x86_64", "accelerators": ["A100"]}}, "hardware H200 (now A100)"),
        ({"hardware": {"machine": "aarch64"}}, "hardware H200 (now aarch64 processor)"),
        ({"versions": VERSIONS | {"torch": "3"}}, "torch 2.13 (now 3)"),
    ],
)
def test_another_model_is_refused_or_recorded_beside_the_first(tmp_path, changed, found):
    study = make(tmp_path)
    with pytest.raises(InputError) as caught:
        join(study, DESCRIBED | changed)
    assert f"m was begun with {found}; answers of both must not mix" in str(caught.value)
    joined = join(replace(study, allow_mixed=True), DESCRIBED | changed)
    assert joined["mixed"] == [DESCRIBED]
    assert {name: joined[name] for name in changed} == changed
    # A third kind is recorded beside the two.
    third = join(replace(study, allow_mixed=True), DESCRIBED, joined)
    assert len(third["mixed"]) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"hardware": {"machine": "x86_64", "n_cores": 64, "accelerators": ["H200"]}},
        {"model_revision": None, "weights": None},
        {"versions": VERSIONS | {"datasets": "9"}},
    ],
)
def test_more_of_the_same_hardware_and_what_is_not_known_change_nothing(tmp_path, changed):
    assert join(make(tmp_path), DESCRIBED | changed) == DESCRIBED | changed


def test_a_served_model_may_be_asked_from_another_machine(tmp_path):
    other = DESCRIBED | {"hardware": {"machine": "aarch64"}, "versions": VERSIONS | {"torch": "3"}}
    assert join(make(tmp_path, "local-chat-completions"), other) == other


@pytest.mark.parametrize("backend", ["local-chat-completions", "openai-completions", "anthropic-chat", "watsonx_llm"])
def test_served_backends_are_known(backend):
    assert is_served(backend)


@pytest.mark.parametrize("backend", ["hf", "vllm", "dummy", "sglang", "hf-multimodal"])
def test_backends_of_this_machine_are_known(backend):
    assert not is_served(backend)
