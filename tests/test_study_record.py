"""With what a model was run, as a study's record says it."""

import hashlib
from importlib.metadata import version

from refusal_metrics.study_answers import OncePerPrompt
from refusal_metrics.study_record import describe_run


class Known:
    """A model of the harness that knows what it is."""

    def get_model_info(self):
        return {"model_sha": "abc", "model_dtype": "torch.float32", "model_num_parameters": 7}


def test_a_model_is_described_by_its_revision_type_and_size():
    said = describe_run(OncePerPrompt(Known()), "")
    assert (said["model_revision"], said["model_dtype"], said["n_parameters"]) == ("abc", "torch.float32", 7)


def test_a_model_that_knows_nothing_of_itself_has_none_of_them():
    said = describe_run(OncePerPrompt(object()), "")
    assert said["model_revision"] is said["model_dtype"] is said["n_parameters"] is None


def test_a_chat_template_is_named_by_its_hash():
    said = describe_run(OncePerPrompt(object()), "{{ messages }}")
    assert said["chat_template_sha256"] == hashlib.sha256(b"{{ messages }}").hexdigest()
    assert describe_run(OncePerPrompt(object()), "")["chat_template_sha256"] is None


def test_the_versions_are_those_installed():
    versions = describe_run(OncePerPrompt(object()), "")["versions"]
    assert versions["lm_eval"] == version("lm_eval")
    assert versions["persona-refusal"] == version("persona-refusal")


def test_the_hardware_is_this_machines():
    assert describe_run(OncePerPrompt(object()), "")["hardware"]["n_cores"] >= 1
