import ast
import importlib.util
import re
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refusal_metrics.errors import InputError
from refusal_metrics.prompts.design import KINDS
from refusal_metrics.prompts.settings import NAMES, Settings, edit_distance, parse_settings

# Fields of EngineArgs in vllm/engine/arg_utils.py at vLLM's commits 001999d2 and 99d7eb5d.
VLLM_ENGINE_ARGUMENTS = re.findall(
    r"\w+",
    """
    model task served_model_name tokenizer_mode skip_tokenizer_init allowed_local_media_path download_dir
    load_format config_format dtype kv_cache_dtype max_model_len seed swap_space cpu_offload_gb device runner
    guided_decoding_backend logits_processor_pattern logits_processors model_impl distributed_executor_backend
    pipeline_parallel_size tensor_parallel_size data_parallel_size enable_expert_parallel worker_cls
    max_parallel_loading_workers ray_workers_use_nsight block_size enable_prefix_caching prefix_caching_hash_algo
    disable_sliding_window num_lookahead_slots gpu_memory_utilization num_gpu_blocks_override
    max_num_batched_tokens max_num_seqs max_num_partial_prefills max_logprobs disable_log_stats quantization
    rope_scaling rope_theta hf_overrides hf_config_path hf_token code_revision tokenizer_revision enforce_eager
    max_seq_len_to_capture disable_custom_all_reduce limit_mm_per_prompt mm_processor_kwargs enable_lora max_loras
    max_lora_rank lora_dtype max_cpu_loras fully_sharded_loras num_scheduler_steps scheduling_policy
    scheduler_delay_factor enable_chunked_prefill speculative_model speculative_config num_speculative_tokens
    model_loader_extra_config ignore_patterns preemption_mode generation_config override_generation_config
    enable_sleep_mode reasoning_parser compilation_config additional_config calculate_kv_scales
    disable_cascade_attn use_v2_block_manager
""",
)


def settings(kind="nli", **given_settings):
    return parse_settings(kind, given_settings)


def assert_refused(message, kind="nli", **given_settings):
    with pytest.raises(InputError, match=message) as error:
        parse_settings(kind, given_settings)
    assert "\n" not in str(error.value)


# --- Defaults and passing keys ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_the_documented_ones(kind):
    assert vars(parse_settings(kind, {})) == {
        "rows_per_class": 1000,
        "variations": 10,
        "design": "balanced",
        "design_seed": 0,
        "order": "proportional",
        "personas": None,
        "personas_file": None,
        "templates": None,
        "templates_file": None,
        "source": "public",
        "columns": None,
        "data_dir": None,
        "shard": (1, 1),
        "placement": "user",
        "neutral_variations": None,
    }


def test_a_contrast_task_has_a_design_and_defaults_of_its_own():
    def of(**given_settings):
        chosen = parse_settings("nli", given_settings, "contrast")
        return chosen.design, chosen.variations, chosen.neutral_variations

    assert of() == ("anchored", 10, 3)
    assert of(variations=5, neutral_variations=2) == ("anchored", 5, 2)
    # In these, a block has all personas.
    assert of(design="paired") == ("paired", 0, 3)
    assert of(design="factorial") == ("factorial", 0, 3)


@pytest.mark.parametrize(
    ("setting", "design", "message"),
    [
        (
            "neutral",
            "paired",
            "design=paired is a design of persona_refusal_nli_contrast, and this neutral task has balanced, iid; ",
        ),
        (
            "contrast",
            "iid",
            (
                "design=iid is a design of tasks such as persona_refusal_nli, and this contrast task has anchored, "
                "paired, factorial; choose one of these, or run the two kinds of tasks separately"
            ),
        ),
        ("contrast", "pared", "unknown design 'pared': allowed are anchored, paired, factorial; did you mean 'paired'"),
    ],
)
def test_a_design_of_other_tasks_is_refused_with_their_name(setting, design, message):
    with pytest.raises(InputError) as error:
        parse_settings("nli", {"design": design}, setting)
    assert str(error.value).startswith(message)


def test_every_setting_can_be_set(tmp_path):
    chosen = settings(
        rows_per_class=5,
        variations=3,
        neutral_variations=2,
        design="iid",
        design_seed=7,
        order="random",
        personas=["man"],
        templates=["p1", "forced"],
        source="mine.csv",
        columns={"text": "comment"},
        shard="2/4",
    )
    assert chosen == Settings(
        5, 3, "iid", 7, "random", personas=["man"], templates=["p1", "forced"], source="mine.csv",
        columns={"text": "comment"}, shard=(2, 4), neutral_variations=2,
    )  # fmt: skip
    assert settings(data_dir=str(tmp_path)).data_dir == tmp_path


def lm_eval_model_arguments():
    """Name the arguments of all of lm-eval's model classes, without importing an engine."""
    models = Path(importlib.util.find_spec("lm_eval").origin).parent / "models"
    return {
        argument.arg
        for path in models.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in [*node.args.args, *node.args.kwonlyargs]
    }


def test_no_argument_of_lm_evals_model_classes_is_taken_for_a_misspelt_setting():
    names = lm_eval_model_arguments()
    # From HFLM, VLLM and TemplateAPI: the search found their classes.
    assert names >= {"pretrained", "gguf_file", "tensor_parallel_size", "data_parallel_size", "base_url", "seed"}
    for name in names:
        assert parse_settings("nli", {name: 1}) == Settings(), name


@pytest.mark.parametrize("name", VLLM_ENGINE_ARGUMENTS)
def test_no_argument_of_vllms_engine_is_taken_for_a_misspelt_setting(name):
    assert parse_settings("nli", {name: 1}) == Settings()


# --- Names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "nearest"),
    [
        ("row_per_class", "rows_per_class"),
        ("rows-per-clas", "rows_per_class"),  # one edit; hyphens are none
        ("Design-Seed", "design_seed"),
        ("varations", "variations"),
        ("Shard", "shard"),
        ("desing", "design"),
        ("persona", "personas"),
        ("TEMPLATE", "templates"),
        ("column", "columns"),
        ("datadir", "data_dir"),
        ("sauce", "source"),  # two edits: a for o, r left out
    ],
)
def test_a_misspelt_setting_is_refused_with_the_right_one(found, nearest):
    assert_refused(
        rf"^unknown setting '{found}': did you mean '{nearest}'\? Settings are {', '.join(NAMES)}", **{found: 1}
    )


@given(st.sampled_from(NAMES), st.data())
def test_any_setting_with_one_letter_changed_is_refused_with_the_right_one(name, data):
    i = data.draw(st.integers(0, len(name) - 1))
    j = data.draw(st.integers(i, i + 1))
    misspelt = name[:i] + data.draw(st.sampled_from(["", *ascii_lowercase])) + name[j:]
    assume(misspelt != name)
    assert_refused(f"did you mean '{name}'", **{misspelt: 1})


@pytest.mark.parametrize("name", ["dsg", "seed", "template_id"])
def test_a_name_three_edits_from_the_nearest_setting_passes(name):
    assert min(edit_distance(name, known) for known in NAMES) == 3
    assert parse_settings("nli", {name: 1}) == Settings()


# --- Numbers, design, shard ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "least"), [("rows_per_class", 1), ("variations", 1), ("neutral_variations", 1), ("design_seed", 0)]
)
def test_whole_numbers_are_taken_from_the_least_on_also_as_floats(name, least):
    # The command line makes a float of 1e3.
    for value, number in [(least, least), (float(least), least), (1e3, 1000), (127, 127)]:
        taken = getattr(parse_settings("nli", {name: value}), name)
        assert (taken, type(taken)) == (number, int)


@pytest.mark.parametrize("value", [True, False, 2.5, -1, "10", None, [3], float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "least"), [("rows_per_class", 1), ("variations", 1), ("neutral_variations", 1), ("design_seed", 0)]
)
def test_what_is_no_whole_number_is_refused_with_the_least(name, least, value):
    assert_refused(
        f"^{name}={re.escape(repr(value))} must be a whole number from {least} on, e.g. {name}=10$", **{name: value}
    )


@pytest.mark.parametrize("name", ["rows_per_class", "variations", "neutral_variations"])
def test_zero_rows_or_variations_are_refused(name):
    assert_refused(f"^{name}=0 must be a whole number from 1 on", **{name: 0})


def test_an_unknown_design_is_refused_with_the_nearest():
    assert_refused("unknown design 'Balance': allowed are balanced, iid; did you mean 'balanced'", design="Balance")


@pytest.mark.parametrize(("value", "shard"), [("1/1", (1, 1)), ("3/10", (3, 10)), ("10/10", (10, 10))])
def test_a_shard_is_the_kth_of_K(value, shard):  # noqa: N802 - k and K are the field's
    assert settings(shard=value).shard == shard


@pytest.mark.parametrize("value", ["0/3", "4/3", "a/b", "3", 3, "1/0", "0/0", "-1/3", "1/3/5", "1 / 3", "", None])
def test_what_is_no_shard_is_refused_with_an_example(value):
    assert_refused(rf"^shard={re.escape(repr(value))} must be k/K with k from 1 to K, e\.g\. shard=3/10$", shard=value)


# --- Personas and templates ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["personas", "templates"])
@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["man", "woman"], ["man", "woman"]),
        (("man", "woman"), ["man", "woman"]),
        ("[man,woman]", ["man", "woman"]),
        ('["man", "woman"]', ["man", "woman"]),
        ("['man', 'woman']", ["man", "woman"]),
        ("man,woman", ["man", "woman"]),
        ("man, woman", ["man", "woman"]),
        ("race", ["race"]),
        ("Transgender man", ["Transgender man"]),
    ],
)
def test_names_are_a_list_in_any_of_the_command_lines_forms(name, value, names):
    chosen = parse_settings("nli", {name: value})
    assert getattr(chosen, name) == names
    assert getattr(chosen, f"{name}_file") is None


@pytest.mark.parametrize("name", ["personas", "templates"])
@pytest.mark.parametrize("value", ["mine.yaml", "designs/mine.yml", "~/mine.yaml"])
def test_names_can_be_the_path_of_a_yaml_file(name, value):
    chosen = parse_settings("nli", {name: value})
    assert getattr(chosen, f"{name}_file") == Path(value).expanduser()
    assert getattr(chosen, name) is None


@pytest.mark.parametrize(("name", "example"), [("personas", '["man","woman"]'), ("templates", '["p1","p2"]')])
@pytest.mark.parametrize("value", [[], ["man", 1], ["man", ""], {"man": 1}, 7, True])
def test_what_is_no_list_of_names_is_refused_with_an_example(name, example, value):
    message = f"{name}={value!r} must be a list of names or a YAML file, e.g. '{name}={example}'"
    assert_refused(f"^{re.escape(message)}$", **{name: value})


@pytest.mark.parametrize("value", ["", "[]", "man,", ",man"])
def test_a_text_with_an_empty_name_is_refused_as_it_was_given(value):
    assert_refused(f"^personas={re.escape(repr(value))} must be a list of names", personas=value)


# --- Source, columns, data_dir ---------------------------------------------------------------------

FILES = {"nli": "pairs.csv", "politeness": "mails.csv"}


@pytest.mark.parametrize(
    ("kind", "value", "source"),
    [
        ("nli", "sample", "sample"),
        ("nli", "mine.csv", "mine.csv"),
        ("nli", FILES, "pairs.csv"),
        ("politeness", FILES, "mails.csv"),
    ],
)
def test_a_source_is_one_for_all_or_one_per_kind(kind, value, source):
    assert settings(kind, source=value).source == source


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (FILES, r"source=\{'nli': 'pairs.csv', .*\} names no file for offensiveness; add one, or run only"),
        (
            FILES | {"ofensiveness": "x.csv"},
            "unknown kind in source 'ofensiveness': allowed are .*; did you mean 'offensiveness'",
        ),
        ({"offensiveness": ""}, "source='' must be public, sample, a file, or a file per kind"),
        (["a.csv"], r"source=\['a.csv'\] must be public, sample, a file, or a file per kind \(nli, politeness, off"),
        (None, "source=None must be public, sample, a file"),
    ],
)
def test_a_wrong_source_is_refused_with_what_is_allowed(value, message):
    assert_refused(f"^{message}", "offensiveness", source=value)


COLUMNS = {"text": "comment", "label": "rating"}


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (COLUMNS, COLUMNS),
        ({"politeness": COLUMNS}, COLUMNS),
        ({"politeness": COLUMNS, "nli": {"label": "gold"}, "offensiveness": {}}, COLUMNS),
        ({"nli": {"label": "gold"}}, {}),
        ({}, {}),
    ],
)
def test_columns_are_the_same_for_all_or_given_per_kind(value, columns):
    assert settings("politeness", source="mine.csv", columns=value).columns == columns


@pytest.mark.parametrize("value", ["text", ["text"], 7, {"text": 1}, {"politeness": "text"}, {"politnes": COLUMNS}])
def test_columns_that_are_no_mapping_of_names_are_refused_with_an_example(value):
    assert_refused(
        r'^columns=.* must map names, e\.g\. {"text": "comment", "label": "rating"}$',
        "politeness",
        source="mine.csv",
        columns=value,
    )


@pytest.mark.parametrize("source", ["public", "sample"])
def test_columns_without_a_file_are_refused(source):
    message = rf"^columns=\{{'label': 'rating', .* goes with a file, but source is '{source}'; drop one or name a file$"
    assert_refused(message, "politeness", source=source, columns=COLUMNS)


@pytest.mark.parametrize("source", ["sample", "mine.csv"])
def test_data_dir_with_another_source_than_public_is_refused(tmp_path, source):
    message = f"^data_dir='{tmp_path}' goes with source=public, but source is '{source}'; drop one of them$"
    assert_refused(message, source=source, data_dir=str(tmp_path))


def test_a_data_dir_that_is_no_folder_is_refused(tmp_path):
    path = tmp_path / "nowhere"
    assert_refused(f"^data_dir='{path}' is not a folder; give the folder with the local copies$", data_dir=str(path))


def test_a_data_dir_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    assert settings(data_dir="~/data").data_dir == tmp_path / "data"


# One run of a group of tasks gives every kind the same settings.
MIXED = {"nli": "public", "politeness": "mails.csv"}


def test_columns_of_one_kind_leave_the_public_source_of_another_alone():
    chosen = settings("nli", source=MIXED, columns={"politeness": COLUMNS})
    assert chosen.source == "public"
    assert not chosen.columns


def test_a_data_dir_for_one_kind_leaves_the_file_of_another_alone(tmp_path):
    assert settings("nli", source=MIXED, data_dir=str(tmp_path)).data_dir == tmp_path
    assert settings("politeness", source=MIXED, data_dir=str(tmp_path)).source == "mails.csv"


# --- Edit distance ---------------------------------------------------------------------------------

words = st.text("ab_", max_size=6)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("kitten", "sitting", 3),  # the textbook's: k to s, e to i, a g at the end
        ("", "shard", 5),
        ("desing", "design", 2),  # a swap is two
        ("flaw", "lawn", 2),
    ],
)
def test_an_edit_distance_counts_insertions_deletions_and_substitutions(a, b, distance):
    assert edit_distance(a, b) == distance


@given(words, words, words)
def test_edit_distance_is_a_metric(a, b, c):
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))


@pytest.mark.parametrize("name", ["rows_per_class", "variations", "design_seed"])
@pytest.mark.parametrize("value", [10**18, 10**60, 1e300])
def test_a_number_that_no_design_can_be_drawn_with_is_refused_without_writing_it_out(name, value):
    with pytest.raises(
        InputError, match=f"^{name}=.* is too large; give a whole number of at most 18 digits$"
    ) as error:
        parse_settings("nli", {name: value})
    assert len(str(error.value)) < 200
