"""The task files as the harness sees them."""

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

from refusal_metrics import docs, metrics
from refusal_metrics.errors import InputError
from refusal_metrics.register import tasks_folder

KINDS = {
    "nli": ["entailment", "contradiction", "neutral"],
    "politeness": ["polite", "impolite"],
    "offensiveness": ["offensive", "not offensive"],
}
SETTINGS = {"": "persona", "_neutral": "neutral", "_persona_free": "persona-free", "_contrast": "contrast"}
LEAVES = [f"persona_refusal_{kind}{suffix}" for suffix in SETTINGS for kind in KINDS]
GROUPS = [f"persona_refusal{suffix}" for suffix in SETTINGS]


@pytest.fixture(scope="module")
def manager():
    # Without the harness's own thousands, which take many seconds to list.
    settings = {"source": "sample", "rows_per_class": 1, "variations": 2}
    return TaskManager(include_path=str(tasks_folder()), include_defaults=False, metadata=settings)


@pytest.fixture(scope="module")
def loaded(manager):
    return manager.load(GROUPS)


def test_the_registered_names_are_those_of_the_files_with_the_papers_among_them(manager):
    names = {name for name in manager.all_tasks if name.startswith("persona_refusal")}
    assert names == {file.stem for file in tasks_folder().glob("*.yaml")}
    assert {*LEAVES, *GROUPS} <= names


def test_every_leaf_loads_with_its_kind_setting_and_labels(loaded):
    assert sorted(loaded["tasks"]) == sorted(LEAVES)
    for suffix, setting in SETTINGS.items():
        for kind, labels in KINDS.items():
            config = loaded["tasks"][f"persona_refusal_{kind}{suffix}"].config
            assert config.dataset_kwargs == {"kind": kind, "labels": labels}
            assert config.metadata["setting"] == setting
            assert config.metadata["version"] == 2.0


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


def test_groups_average_all_metrics_that_their_tasks_share(loaded):
    for suffix in SETTINGS:
        group = loaded["groups"][f"persona_refusal{suffix}"]
        leaf = loaded["tasks"][f"persona_refusal_politeness{suffix}"]
        averaged = {m.metric: m for m in group.aggregate_metric_list}
        assert sorted(averaged) == sorted(leaf.aggregation())
        assert {m.weight_by_size for m in averaged.values()} == {False}
        assert sorted(group.child_names) == sorted(f"persona_refusal_{kind}{suffix}" for kind in KINDS)
        assert group.version == "2.0"


def test_a_task_prints_at_most_six_lines(loaded):
    for task in loaded["tasks"].values():
        assert len([name for name in task.aggregation() if not name.endswith("_stderr")]) <= 6


def test_the_metrics_stand_in_one_file():
    lists = [file.name for file in tasks_folder().iterdir() if file.is_file() and "metric: " in file.read_text("utf-8")]
    assert lists == ["_persona_refusal_yaml"]


def test_what_a_task_is_cannot_be_set_from_the_command_line():
    manager = TaskManager(
        include_path=str(tasks_folder()), include_defaults=False, metadata={"source": "sample", "kind": "politeness"}
    )
    with pytest.raises(InputError, match="persona_refusal_nli: kind cannot be set with --metadata"):
        manager.load(["persona_refusal_nli"])


def test_a_task_of_a_user_s_own_has_the_metrics_of_its_setting(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        f"include: {tasks_folder()}/_persona_refusal_yaml\n"
        "task: persona_refusal_toxicity\n"
        "dataset_kwargs: {kind: offensiveness, labels: [toxic, not toxic]}\n"
        "metadata: {version: 1.0, setting: persona, source: sample, rows_per_class: 1, variations: 2}\n",
        encoding="utf-8",
    )
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    task = manager.load(["persona_refusal_toxicity"])["tasks"]["persona_refusal_toxicity"]
    assert "persona_spread" in task.aggregation()
    assert "accuracy" not in task.aggregation()
    assert "toxic" in task.doc_to_text(task.test_docs()[0])


def test_a_leaf_is_at_most_ten_lines():
    for leaf in LEAVES:
        assert len((tasks_folder() / f"{leaf}.yaml").read_text(encoding="utf-8").splitlines()) <= 10


def test_the_entry_point_names_the_package_with_the_tasks():
    (entry,) = entry_points(group="lm_eval.tasks", name="persona_refusal")
    assert Path(str(files(entry.value))) == tasks_folder()
