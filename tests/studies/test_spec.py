import csv
import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import KINDS, parse_settings
from refusal_metrics.studies.model_args import harmless
from refusal_metrics.studies.spec import StudyModel, load_study

STUDIES = sorted((Path(__file__).parents[2] / "scripts" / "studies").glob("*.yaml"))
STUDY = {"out": "results", "tasks": ["persona_refusal"], "models": {"parrot": {"backend": "hf"}}}
SAMPLED = {"do_sample": True, "temperature": 0.7}
KEYS = "out, tasks, models, settings, generation, verdict_only, repeats, placement, system_prompt, shard_docs"
MODEL_KEYS = "backend, args, batch_size, chat_template, think_end_token, generation"
SETTINGS = (
    "rows_per_class, variations, neutral_variations, design, design_seed, order, personas, templates, source, columns, "
    "data_dir"
)


def save(tmp_path, **changed):
    """Write a study; None takes a key away."""
    path = tmp_path / "study.yaml"
    study = {name: value for name, value in (STUDY | changed).items() if value is not None}
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def load(tmp_path, **changed):
    return load_study(save(tmp_path, **changed))


def load_model(tmp_path, *, study=None, **spec):
    """Load a study with one model of these keys."""
    (model,) = load(tmp_path, models={"parrot": {"backend": "hf"} | spec}, **(study or {})).models
    return model


def refusal(tmp_path, **changed):
    """Give the sentence that a study is refused with, without the path of its file, which it names."""
    path = save(tmp_path, **changed)
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


def model_refusal(tmp_path, *, study=None, **spec):
    return refusal(tmp_path, models={"parrot": {"backend": "hf"} | spec}, **(study or {}))


# What is read.


def test_a_study_is_read_as_it_was_written(tmp_path):
    spec = {"backend": "vllm", "args": {"pretrained": "acme/parrot"}, "batch_size": "auto", "chat_template": "tools"}
    study = load(
        tmp_path,
        tasks=["persona_refusal", "persona_refusal_neutral"],
        models={"parrot": spec | {"generation": {"max_gen_toks": 8}}, "crow": {"backend": "hf"}},
        settings={"source": "sample", "rows_per_class": 3},
        generation=SAMPLED,
        repeats=5,
        placement="system",
        system_prompt="Be brief.",
        shard_docs=20,
    )
    assert (study.path, study.out) == (tmp_path / "study.yaml", Path("results"))
    assert study.tasks == ("persona_refusal", "persona_refusal_neutral")
    assert study.settings == {"source": "sample", "rows_per_class": 3}
    assert (study.repeats, study.placement, study.system_prompt, study.shard_docs) == (5, "system", "Be brief.", 20)
    assert study.models == (
        StudyModel("parrot", "vllm", {"pretrained": "acme/parrot"}, "auto", "tools", SAMPLED | {"max_gen_toks": 8}),
        StudyModel("crow", "hf", generation=SAMPLED),
    )


def test_what_a_study_does_not_say_has_the_documented_default(tmp_path):
    study = load(tmp_path)
    assert (study.settings, study.repeats, study.placement, study.system_prompt) == ({}, 1, "user", None)
    assert study.shard_docs == 1000
    (model,) = study.models
    assert (model.args, model.batch_size, model.chat_template, model.generation) == ({}, 1, True, {})


def test_one_task_may_stand_without_a_list_and_equal_ones_are_one(tmp_path):
    assert load(tmp_path, tasks="persona_refusal_nli").tasks == ("persona_refusal_nli",)
    assert load(tmp_path, tasks=["a", "b", "a"]).tasks == ("a", "b")


def test_another_folder_may_be_given_even_where_the_file_names_none(tmp_path):
    assert load_study(save(tmp_path, out=None), Path("elsewhere")).out == Path("elsewhere")


def test_a_tilde_is_the_home_folder_as_on_a_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(tmp_path, out="~/results").out == tmp_path / "results"


def test_a_date_is_a_name(tmp_path):
    # Revisions of models may be called so, and JSON, which the record is, has no dates.
    path = tmp_path / "study.yaml"
    path.write_text("out: o\ntasks: t\nmodels: {m: {backend: hf, args: {revision: 2024-06-01}}}\n", encoding="utf-8")
    assert load_study(path).models[0].args == {"revision": "2024-06-01"}


def test_a_name_that_a_merged_mapping_has_too_may_be_given_again(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "out: o\ntasks: t\nmodels:\n"
        "  a: &a {backend: hf, args: {pretrained: x}}\n"
        "  b: {<<: *a, args: {pretrained: y}}\n",
        encoding="utf-8",
    )
    assert [dict(model.args) for model in load_study(path).models] == [{"pretrained": "x"}, {"pretrained": "y"}]


# Files that are no study.


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert str(caught.value) == f"{path}: cannot be read (No such file or directory); give the YAML file of a study"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"out: \xff\n", r"cannot be read \(not UTF-8 at byte 5\); give the YAML file of a study"),
        (
            b"out: [\n",
            r"is not valid YAML \(expected the node content, .* at line 2, column 1\); fix it there",
        ),
        (b"out: !!int ten\n", r"is not valid YAML \(invalid literal for int.*'ten'\); fix it"),
        (
            b"out: a\ntasks: b\nout: c\n",
            r"is not valid YAML \(the name 'out' appears twice at line 3, column 1\); fix it there",
        ),
        (
            b"models: {a: {}, a: {}}\n",
            r"is not valid YAML \(the name 'a' appears twice at line 1, column 17\); fix it there",
        ),
        (b"", rf"a study: found nothing, must be names with values: {KEYS}"),
        (b"- persona_refusal\n", rf"a study: found \['persona_refusal'\], must be names with values: {KEYS}"),
        (b"out: a\n5: b\n", "a study: found 5, where a name must be; put it between quotes"),
    ],
)
def test_what_is_no_study_is_refused_with_its_place(tmp_path, content, sentence):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {sentence}$") as caught:
        load_study(path)
    assert "\n" not in str(caught.value)


# Names and values that are not allowed.


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"modles": {}}, f"unknown key of a study in FILE 'modles': allowed are {KEYS}; did you mean 'models'?"),
        ({"color": "red"}, f"unknown key of a study in FILE 'color': allowed are {KEYS}"),
        (
            {"models": {"parrot": {"backend": "hf", "arg": {}}}},
            f"unknown key of models: parrot in FILE 'arg': allowed are {MODEL_KEYS}; did you mean 'args'?",
        ),
        (
            {"settings": {"row_per_class": 3}},
            f"unknown key of settings in FILE 'row_per_class': allowed are {SETTINGS}; did you mean 'rows_per_class'?",
        ),
        ({"placement": "sytem"}, "unknown placement in FILE 'sytem': allowed are user, system; did you mean 'system'?"),
        (
            {"verdict_only": "prefx"},
            "unknown verdict_only in FILE 'prefx': allowed are prefix, answer_aware; did you mean 'prefix'?",
        ),
        ({"verdict_only": ["prefix"]}, "unknown verdict_only in FILE ['prefix']: allowed are prefix, answer_aware"),
    ],
)
def test_an_unknown_name_is_refused_with_the_allowed_and_the_nearest(tmp_path, given, sentence):
    assert refusal(tmp_path, **given).startswith(sentence)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"out": None}, "out: found nothing, must be a text"),
        ({"out": "  "}, "out: found '  ', must be a text"),
        ({"out": 3}, "out: found 3, must be a text"),
        ({"tasks": None}, "tasks: found nothing, must be a list of names"),
        ({"tasks": []}, "tasks: found [], must be a list of names"),
        ({"tasks": ["a", 1]}, "tasks: found ['a', 1], must be a list of names"),
        ({"tasks": {"a": 1}}, "tasks: found {'a': 1}, must be a list of names"),
        ({"models": None}, "models: found nothing, must be names with values"),
        ({"models": ["parrot"]}, "models: found ['parrot'], must be names with values"),
        ({"models": {}}, "models: there is none; name at least one, with its backend and args"),
        ({"models": {7: {}}}, "models: found 7, where a name must be; put it between quotes"),
        ({"settings": ["a"]}, "settings: found ['a'], must be names with values"),
        ({"settings": {"placement": "system"}}, "settings: placement is a key of the study itself"),
        ({"settings": {"shard": "1/2"}}, "settings: shard is what `run` itself cuts; drop it"),
        ({"generation": "greedy"}, "generation: found 'greedy', must be names with values"),
        ({"repeats": 0}, "repeats: found 0, must be a whole number from 1 to 1,000"),
        ({"repeats": 2.0}, "repeats: found 2.0, must be a whole number from 1 to 1,000"),
        ({"repeats": True}, "repeats: found True, must be a whole number from 1 to 1,000"),
        ({"shard_docs": "many"}, "shard_docs: found 'many', must be a whole number from 1"),
        ({"system_prompt": ""}, "system_prompt: found '', must be a text"),
        ({"system_prompt": ["Be brief."]}, "system_prompt: found ['Be brief.'], must be a text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key(tmp_path, given, sentence):
    assert refusal(tmp_path, **given) == f"FILE: {sentence}"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"backend": None}, "backend: found nothing, must be a text"),
        ({"args": "pretrained=x"}, "args: found a text, must be names with values"),
        ({"args": {1: "x"}}, "args: found 1, where a name must be; put it between quotes"),
        ({"batch_size": 0}, "batch_size: found 0, must be a number or auto"),
        ({"batch_size": "atuo"}, "batch_size: found 'atuo', must be a number or auto"),
        ({"batch_size": True}, "batch_size: found True, must be a number or auto"),
        ({"chat_template": 1}, "chat_template: found 1, must be true, false or a template's name"),
        ({"think_end_token": 151668}, "think_end_token: found 151668, must be a text"),
        ({"generation": [1]}, "generation: found [1], must be names with values"),
    ],
)
def test_a_models_value_of_the_wrong_kind_is_refused_with_model_and_key(tmp_path, spec, sentence):
    assert model_refusal(tmp_path, **spec) == f"FILE: models: parrot: {sentence}"


def test_a_model_without_keys_is_refused(tmp_path):
    sentence = f"FILE: models: parrot: found nothing, must be names with values: {MODEL_KEYS}"
    assert refusal(tmp_path, models={"parrot": None}) == sentence


@pytest.mark.parametrize("batch_size", [16, "auto", "auto:4"])
def test_a_batch_size_is_a_number_or_the_harnesss_auto(tmp_path, batch_size):
    assert load_model(tmp_path, batch_size=batch_size).batch_size == batch_size


# Arguments of generation.


@pytest.mark.parametrize(("rule", "n_tokens"), [("prefix", 16), ("answer_aware", 64)])
def test_verdicts_alone_need_few_tokens(tmp_path, rule, n_tokens):
    assert load_model(tmp_path, study={"verdict_only": rule}).generation == {"max_gen_toks": n_tokens}


def test_two_numbers_of_tokens_are_refused(tmp_path):
    said = refusal(tmp_path, verdict_only="prefix", generation={"max_gen_toks": 16})
    assert said == "FILE: verdict_only sets max_gen_toks, which generation sets too; drop one of them"


def test_a_model_may_need_more_tokens_than_the_others(tmp_path):
    spec = {"generation": {"max_gen_toks": 500}}
    assert load_model(tmp_path, study={"verdict_only": "prefix"}, **spec).generation == {"max_gen_toks": 500}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"temperature": 0.7}, {"temperature": 0.7, "do_sample": True}),
        ({"temperature": 0}, {"temperature": 0, "do_sample": False}),
        ({"temperature": 1, "do_sample": True, "top_p": 0.9}, {"temperature": 1, "do_sample": True, "top_p": 0.9}),
        ({"do_sample": False}, {"do_sample": False}),
    ],
)
def test_a_temperature_says_whether_answers_are_sampled(tmp_path, given, read):
    assert load_model(tmp_path, study={"generation": given}).generation == read


def test_a_models_temperature_comes_before_the_studys(tmp_path):
    model = load_model(tmp_path, study={"generation": {"temperature": 0.7}}, generation={"temperature": 0})
    assert model.generation == {"temperature": 0, "do_sample": False}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"temperature": 0.7, "do_sample": False}, "temperature: found 0.7, which goes with do_sample: true"),
        ({"temperature": 0, "do_sample": True}, "temperature: found 0, which goes with do_sample: false"),
        # What YAML 1.1 makes of 1e-1.
        ({"temperature": "1e-1"}, "temperature: found '1e-1', must be a number from 0"),
        ({"temperature": -1}, "temperature: found -1, must be a number from 0"),
    ],
)
def test_a_temperature_that_says_nothing_is_refused(tmp_path, given, sentence):
    assert refusal(tmp_path, generation=given) == f"FILE: generation: {sentence}"
    assert model_refusal(tmp_path, generation=given) == f"FILE: models: parrot: generation: {sentence}"


def test_sampling_without_a_temperature_is_refused_because_that_of_the_tasks_is_0(tmp_path):
    sentence = "FILE: models: parrot: generation: do_sample: found True, which needs a temperature above 0"
    assert refusal(tmp_path, generation={"do_sample": True}) == sentence


@pytest.mark.parametrize("greedy", [{}, {"do_sample": False}, {"temperature": 0}])
def test_repeats_of_the_same_answer_are_refused_with_the_model(tmp_path, greedy):
    models = {"sampled": {"backend": "hf", "generation": SAMPLED}, "greedy": {"backend": "hf", "generation": greedy}}
    assert refusal(tmp_path, repeats=5, models=models) == (
        "FILE: repeats: 5 of the same answer by greedy; set generation: {do_sample: true, temperature: 0.7} or "
        "leave repeats out"
    )


# Models that think first.


def test_a_model_that_thinks_gets_room_for_its_thoughts_and_the_harness_its_token(tmp_path):
    model = load_model(tmp_path, args={"pretrained": "acme/owl"}, think_end_token="</think>")
    assert model.args == {"pretrained": "acme/owl", "think_end_token": "</think>"}
    assert model.generation == {"max_gen_toks": 4096}


@pytest.mark.parametrize("where", ["study", "model"])
def test_a_given_number_of_tokens_holds_for_a_model_that_thinks_too(tmp_path, where):
    given = {"generation": {"max_gen_toks": 9000}}
    study, spec = (given, {}) if where == "study" else ({"verdict_only": "prefix"}, given)
    assert load_model(tmp_path, study=study, think_end_token="</think>", **spec).generation == {"max_gen_toks": 9000}


@pytest.mark.parametrize("rule", ["prefix", "answer_aware"])
def test_verdicts_alone_leave_no_room_for_thoughts(tmp_path, rule):
    said = model_refusal(tmp_path, study={"verdict_only": rule}, think_end_token="</think>")
    assert said == "FILE: models: parrot: verdict_only leaves no room for a thought; give max_gen_toks"


# What is put down.

SECRETS = {
    "api_key": "sk-1",
    "OPENAI_API_KEY": "sk-2",
    "header": {"Authorization": "Bearer sk-3"},
    "headers": {"x": "sk-4"},
    "auth_token": "sk-5",
    "token": "sk-6",
    "hf_token": "sk-7",
    "password": "sk-8",
    "client_secret": "sk-9",
    "model_kwargs": {"token": "sk-10", "device": "cpu"},
}


def test_secrets_go_to_the_model_and_not_into_the_record(tmp_path):
    study = load(tmp_path, models={"parrot": {"backend": "hf", "args": {"model": "acme/parrot"} | SECRETS}})
    assert study.models[0].args == {"model": "acme/parrot"} | SECRETS
    asked = study.asked()
    assert "sk-" not in repr(asked)
    assert asked["models"]["parrot"]["args"] == {"model": "acme/parrot", "model_kwargs": {"device": "cpu"}}


@pytest.mark.parametrize("name", ["think_end_token", "add_bos_token", "max_new_tokens", "tokenizer"])
def test_what_only_sounds_like_a_secret_is_put_down(name):
    assert harmless({name: "x"}) == {name: "x"}


def test_another_key_to_the_same_model_is_the_same_study(tmp_path):
    one, other = (
        load(tmp_path, models={"parrot": {"backend": "hf", "args": {"api_key": key}}}).asked() for key in ("a", "b")
    )
    assert one == other


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"design_seed": 1}},
        {"generation": {"max_gen_toks": 8}},
        {"verdict_only": "prefix"},
        {"placement": "system"},
        {"system_prompt": "Be brief."},
        {"shard_docs": 10},
        {"generation": SAMPLED, "repeats": 2},
        {"models": {"parrot": {"backend": "vllm"}}},
        {"models": {"parrot": {"backend": "hf", "args": {"revision": "v2"}}}},
        {"models": {"parrot": {"backend": "hf", "chat_template": False}}},
        {"models": {"parrot": {"backend": "hf", "think_end_token": "</think>"}}},
    ],
)
def test_all_that_answers_depend_on_is_put_down(tmp_path, changed):
    assert load(tmp_path, **changed).asked() != load(tmp_path).asked()


def test_where_a_study_lies_and_which_tasks_it_has_does_not_make_it_another(tmp_path):
    # The designs of the tasks are put down beside this.
    assert load(tmp_path, out="elsewhere", tasks=["persona_refusal_nli"]).asked() == load(tmp_path).asked()


# The studies that come with the package.


def test_there_are_studies_to_begin_with():
    assert {"paper.yaml", "quick.yaml", "api.yaml"} <= {path.name for path in STUDIES}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_that_comes_along_can_be_read_and_its_tasks_and_settings_are_known(path):
    study = load_study(path)
    tasks = {file.name.removesuffix(".yaml") for file in files("refusal_metrics.tasks").iterdir()}
    assert set(study.tasks) <= tasks
    for kind in KINDS:
        parse_settings(kind, study.settings)


def test_the_papers_study_asks_the_papers_16_models_by_their_names_on_the_hub():
    (path,) = (path for path in STUDIES if path.stem == "paper")
    with (files("refusal_metrics.analysis.paper.data") / "models.csv").open(encoding="utf-8") as file:
        published = {row["model"]: row["hub"] for row in csv.DictReader(file)}
    study = load_study(path)
    assert len(published) == 16
    assert {model.name: model.args["pretrained"] for model in study.models} == published
    # As in the paper: drawn independently, greedy, in the models' own chat templates.
    assert study.settings == {"design": "iid"}
    assert {model.chat_template for model in study.models} == {True}
    assert all(not model.generation for model in study.models)


def test_a_model_may_have_several_servers(tmp_path):
    args = {"model": "m", "base_url": ["http://a/v1", "http://b/v1", "http://a/v1"]}
    model = load_model(tmp_path, backend="local-chat-completions", args=args)
    assert [server.args["base_url"] for server in model.by_server()] == ["http://a/v1", "http://b/v1"]
    assert [server.name for server in model.by_server()] == [model.name, model.name]
    alone = load_model(tmp_path, backend="local-chat-completions", args=args | {"base_url": "http://a/v1"})
    assert alone.by_server() == (alone,)


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        *(
            ({name: value}, "must be a whole number from 1")
            for name in ("num_concurrent", "max_retries")
            for value in ("eight", "", None, 0, -1, 2.5, True, [8], {"a": 1})
        ),
        *(({"timeout": v}, "must be a number of seconds above 0") for v in ("x", None, 0, -5, 0.0, True, [1], "0")),
        *(({"base_url": v}, "must be an address, or a list of addresses") for v in (5, None, "", [], {}, False)),
        *(({"header": v}, "must be names with texts") for v in ("SECRETKEY", ["SECRETKEY"], {"a": 5}, {"a": None}, 7)),
    ],
)
def test_arguments_that_the_harness_would_stumble_over_are_refused_and_not_shown(tmp_path, args, wanted):
    with pytest.raises(InputError) as caught:
        load_model(tmp_path, backend="local-chat-completions", args={"model": "m", **args})
    said = str(caught.value)
    assert f"args: {next(iter(args))}: found " in said
    assert said.endswith(wanted)
    assert "SECRET" not in said


@pytest.mark.parametrize(
    "args", [{"num_concurrent": 8, "max_retries": "3", "timeout": 2.5}, {"timeout": "60", "header": None}, {}]
)
def test_arguments_that_the_harness_reads_are_left_as_they_are(tmp_path, args):
    assert load_model(tmp_path, backend="local-chat-completions", args=args).args == args


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("max_gen_toks", [0, -5, "x", None, True, 2.5, "64"], "must be a whole number from 1"),
        ("max_tokens", [0], "must be a whole number from 1"),
        ("until", [5, None, {"a": 1}, [5], [None]], "must be a text or a list of texts"),
        ("top_p", ["x", 0, 1.5, -1, None, True], "must be a number above 0 and at most 1"),
    ],
)
def test_arguments_of_generation_that_cannot_be_are_refused(tmp_path, name, values, wanted):
    for value in values:
        with pytest.raises(InputError, match=f"generation: {name}: found .*, {wanted}$"):
            load_model(tmp_path, generation={name: value})
    load_model(tmp_path, generation={"max_gen_toks": 1, "until": [], "top_p": 0.5})
