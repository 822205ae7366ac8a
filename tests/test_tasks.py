"""The task files as the harness sees them."""

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

from refusal_metrics import docs, metrics
from refusal_metrics.register import tasks_folder

KINDS = {
    "nli": ["entailment", "contradiction", "neutral"],
    "politeness": ["polite", "impolite"],
    "offensiveness": ["offensive", "not offensive"],
}
SETTINGS = {"": "persona", "_neutral": "neutral", "_persona_free": "persona-free"}
LEAVES = [f"persona_refusal_{kind}{suffix}" for suffix in SETTINGS for kind in KINDS]
GROUPS = [f"persona_refusal{suffix}" for suffix in SETTINGS]


@pytest.fixture(scope="module")
def manager():
    return TaskManager(
        include_path=str(tasks_folder()), metadata={"source": "sample", "rows_per_class": 1, "variations": 2}
    )


@pytest.fixture(scope="module")
def loaded(manager):
    return manager.load(GROUPS)


def test_the_registered_names_are_the_written_list(manager):
    names = [name for name in [*manager.all_tasks] if name.startswith("persona_refusal")]
    assert sorted(names) == sorted([*LEAVES, *GROUPS])


def test_every_leaf_loads_with_its_kind_setting_and_labels(loaded):
    assert sorted(loaded["tasks"]) == sorted(LEAVES)
    for suffix, setting in SETTINGS.items():
        for kind, labels in KINDS.items():
            config = loaded["tasks"][f"persona_refusal_{kind}{suffix}"].config
            assert config.dataset_kwargs == {"kind": kind, "labels": labels}
            assert config.metadata["setting"] == setting
            assert config.metadata["version"] == 1.0


def test_answers_are_greedy_up_to_256_tokens_without_stop_words_and_without_examples(loaded):
    for task in loaded["tasks"].values():
        assert task.config.generation_kwargs == {
            "until": [],
            "max_gen_toks": 256,
            "do_sample": False,
            "temperature": 0.0,
        }
        assert task.config.num_fewshot == 0
        assert task.config.doc_to_text is docs.render_prompt


def test_metric_lists_name_exactly_what_process_results_returns(loaded):
    for task in loaded["tasks"].values():
        doc = next(iter(task.test_docs()))
        returned = metrics.process_results(doc, ["yes"])
        assert list(task.aggregation()) == list(returned)
        better = {name for name, is_higher in task.higher_is_better().items() if is_higher}
        assert better == {"answer_rate", "accuracy"} & set(returned)


def test_groups_average_all_their_tasks_metrics_but_standard_errors(loaded):
    for suffix in SETTINGS:
        group = loaded["groups"][f"persona_refusal{suffix}"]
        leaf = loaded["tasks"][f"persona_refusal_politeness{suffix}"]
        averaged = [m.metric for m in group.aggregate_metric_list]
        assert averaged == [m for m in leaf.aggregation() if not m.endswith("_se")]
        assert sorted(group.child_names) == sorted(f"persona_refusal_{kind}{suffix}" for kind in KINDS)


def test_a_leaf_is_at_most_ten_lines():
    for leaf in LEAVES:
        assert len((tasks_folder() / f"{leaf}.yaml").read_text(encoding="utf-8").splitlines()) <= 10


def test_the_entry_point_names_the_package_with_the_tasks():
    (entry,) = entry_points(group="lm_eval.tasks", name="persona_refusal")
    assert Path(str(files(entry.value))) == tasks_folder()
