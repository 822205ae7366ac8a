"""With what a model was run, as a study's record says it."""

import hashlib
import shutil
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from refusal_metrics.detection import RULES_VERSION
from refusal_metrics.studies import environment as study_record
from refusal_metrics.studies.environment import checksum_weights, describe_run, installed_versions
from refusal_metrics.studies.once_per_prompt import OncePerPrompt


class Known:
    """A model of the harness that knows what it is."""

    def get_model_info(self):
        return {"model_sha": "abc", "model_dtype": "torch.float32", "model_num_parameters": 7}


def test_a_model_is_described_by_its_revision_type_and_size():
    said = describe_run(OncePerPrompt(Known()), "")
    assert (said["model_revision"], said["model_dtype"], said["n_parameters"]) == ("abc", "torch.float32", 7)


def test_a_model_that_knows_nothing_of_itself_has_none_of_them():
    said = describe_run(OncePerPrompt(object()), "", {"pretrained": "acme/nowhere"})
    assert said["model_revision"] is said["model_dtype"] is said["n_parameters"] is said["weights"] is None


def test_a_chat_template_is_named_by_its_hash():
    said = describe_run(OncePerPrompt(object()), "{{ messages }}")
    assert said["chat_template_sha256"] == hashlib.sha256(b"{{ messages }}").hexdigest()
    assert describe_run(OncePerPrompt(object()), "")["chat_template_sha256"] is None


def test_the_versions_are_those_installed():
    assert installed_versions()["lm_eval"] == version("lm_eval")
    assert installed_versions()["persona-refusal"] == version("persona-refusal")


def test_the_hardware_is_this_machines():
    assert describe_run(OncePerPrompt(object()), "")["hardware"]["n_cores"] >= 1


def test_accelerators_are_those_that_the_engine_sees_and_no_engine_is_loaded_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "accelerators" not in describe_run(OncePerPrompt(object()), "")["hardware"]
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda i: f"gpu {i}")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert describe_run(OncePerPrompt(object()), "")["hardware"]["accelerators"] == ["gpu 0", "gpu 1"]


def test_an_edited_rule_is_another_version(tmp_path, monkeypatch):
    folder = tmp_path / "detection"
    shutil.copytree(study_record.files("refusal_metrics.detection"), folder)
    monkeypatch.setattr(study_record, "files", lambda _: folder)
    before = installed_versions()["rules"]
    assert before.startswith(f"{RULES_VERSION}+")
    seen = {before}
    for edited in ("answer_aware.py", "normalise.py", "data/en.yaml", "reply.py"):
        with (folder / edited).open("a", encoding="utf-8") as file:
            file.write("\n# edited\n")
        seen.add(installed_versions()["rules"])
    assert len(seen) == 5
    # Line ends of another system are no edit.
    file = folder / "verdict.py"
    last = installed_versions()["rules"]
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert installed_versions()["rules"] == last


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 20_000)
    return folder


def test_copies_of_weights_are_the_same_and_other_weights_are_not(weights, tmp_path):
    first = checksum_weights({"pretrained": str(weights)})
    copied = tmp_path / "copy"
    shutil.copytree(weights, copied)
    (copied / "README.md").write_text("new")
    (copied / ".cache").mkdir()
    (copied / ".cache" / "x").write_text("new")
    assert checksum_weights({"pretrained": str(copied)}) == first
    content = bytearray((copied / "model.safetensors").read_bytes())
    for place in (0, len(content) // 2, len(content) - 1):
        content[place] ^= 1
        (copied / "model.safetensors").write_bytes(content)
        assert checksum_weights({"pretrained": str(copied)}) != first
        content[place] ^= 1
    (copied / "model.safetensors").write_bytes(content)
    assert checksum_weights({"pretrained": str(copied)}) == first
    (copied / "config.json").write_text('{"a": 1}')
    assert checksum_weights({"pretrained": str(copied)}) != first


def test_an_adapter_belongs_to_the_weights(weights):
    alone = checksum_weights({"pretrained": str(weights)})
    assert checksum_weights({"pretrained": str(weights), "peft": str(weights)}) != alone


@pytest.mark.parametrize("given", ["acme/parrot", "", "a\0b", None, 7, "n" * 5000, "/nowhere"])
def test_what_is_no_folder_here_has_no_checksum(given):
    assert checksum_weights({"pretrained": given}) is None
