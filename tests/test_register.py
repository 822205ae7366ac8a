"""Linking the tasks into a harness, here a folder that stands for the installed one."""

import importlib.machinery
import importlib.util
import shutil
import threading
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Kind, TaskIndex

from refusal_metrics import register as registry
from refusal_metrics.errors import InputError

SETTINGS = ("", "_neutral", "_persona_free", "_contrast")
GROUPS = {f"persona_refusal{setting}" for setting in SETTINGS}
PACKAGED = {file.stem for file in registry.tasks_folder().iterdir() if file.suffix == ".yaml"}
TASKS = PACKAGED - GROUPS
SHARED = {  # what the tasks include
    "_persona_refusal_yaml",
}
FILES = {f"{name}.yaml" for name in PACKAGED} | SHARED


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """The folder ``lm_eval/tasks`` of a harness, with a task of its own."""
    tasks = tmp_path / "lm_eval" / "tasks"
    (tasks / "mmlu").mkdir(parents=True)
    (tasks / "mmlu" / "mmlu.yaml").write_text("task: mmlu\n", encoding="utf-8")
    monkeypatch.setattr(registry, "harness_folder", lambda: tasks)
    return tasks


def listing(folder):
    """Give what a folder holds: each file's text, or where its link leads."""
    return {
        str(p.relative_to(folder)): str(p.readlink()) if p.is_symlink() else p.read_text(encoding="utf-8")
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }


def test_every_task_file_is_linked_and_works_as_the_file_does(harness):
    said = registry.register()
    links = list((harness / "persona_refusal").iterdir())
    assert {link.name for link in links} == FILES
    for link in links:
        assert link.resolve() == (registry.tasks_folder() / link.name).resolve()
    assert said[0].startswith(f"Linked {len(FILES)} task files: {harness / 'persona_refusal'}")
    assert (harness / "mmlu" / "mmlu.yaml").read_text(encoding="utf-8") == "task: mmlu\n"


def test_a_second_call_changes_nothing_and_says_that_it_was_done_already(harness):
    registry.register()
    before = listing(harness)
    (said,) = registry.register()
    assert "already linked" in said
    assert listing(harness) == before


def test_a_link_that_was_lost_is_made_again(harness):
    registry.register()
    (harness / "persona_refusal" / "persona_refusal.yaml").unlink()
    assert registry.register()[0].startswith("Linked 1 task file")
    assert {p.name for p in (harness / "persona_refusal").iterdir()} == FILES


def test_unregister_undoes_register(harness):
    before = listing(harness)
    registry.register()
    (said,) = registry.unregister()
    assert said.startswith(f"Removed {len(FILES)} links")
    assert listing(harness) == before
    assert not (harness / "persona_refusal").exists()


def test_unregister_leaves_what_is_not_ours_and_says_so(harness, tmp_path):
    registry.register()
    folder = harness / "persona_refusal"
    (tmp_path / "elsewhere.yaml").write_text("task: x\n", encoding="utf-8")
    (folder / "mine.yaml").write_text("task: mine\n", encoding="utf-8")
    (folder / "theirs.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    said = registry.unregister()
    assert listing(folder) == {"mine.yaml": "task: mine\n", "theirs.yaml": str(tmp_path / "elsewhere.yaml")}
    assert said[-1] == "Kept other files: mine.yaml, theirs.yaml"


def test_unregister_without_register_has_nothing_to_undo(harness):
    before = listing(harness)
    (said,) = registry.unregister()
    assert said.startswith("Nothing to undo")
    assert listing(harness) == before


def test_links_that_an_earlier_install_left_dangling_are_renewed_or_removed(harness, tmp_path):
    folder, gone = harness / "persona_refusal", tmp_path / "old-venv" / "refusal_metrics" / "tasks"
    folder.mkdir()
    for name in ("persona_refusal.yaml", "_persona_refusal_yaml", "persona_refusal_of_old.yaml"):
        (folder / name).symlink_to(gone / name)
    assert registry.register()[0].startswith(f"Linked {len(FILES)} task files")
    assert {p.name for p in folder.iterdir()} == FILES
    assert all(p.exists() for p in folder.iterdir())


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_foreign_file_of_one_of_our_names_is_refused_and_nothing_is_linked(harness, tmp_path, kind):
    folder, other = harness / "persona_refusal", tmp_path / "persona_refusal_nli.yaml"
    folder.mkdir()
    other.write_text("task: theirs\n", encoding="utf-8")
    foreign = folder / "persona_refusal_nli.yaml"
    foreign.symlink_to(other) if kind == "link" else foreign.write_text("task: theirs\n", encoding="utf-8")
    before = listing(harness)
    with pytest.raises(InputError) as caught:
        registry.register()
    assert str(caught.value).startswith(f"{foreign}: ")
    assert "--include_path" in str(caught.value)
    assert listing(harness) == before


def test_a_foreign_link_that_leads_nowhere_is_refused_too(harness):
    folder = harness / "persona_refusal"
    folder.mkdir()
    (folder / "persona_refusal.yaml").symlink_to("/nowhere/other.yaml")
    with pytest.raises(InputError, match=r"persona_refusal\.yaml"):
        registry.register()


@pytest.mark.parametrize("method", ["symlink_to", "mkdir"])
def test_where_the_harness_cannot_be_written_the_error_names_include_path(harness, monkeypatch, method):
    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    before = listing(harness)
    monkeypatch.setattr(Path, method, denied)
    with pytest.raises(InputError) as caught:
        registry.register()
    assert str(caught.value) == (
        f"{harness / 'persona_refusal'}: cannot be written (Permission denied); "
        f"use lm_eval --include_path {registry.tasks_folder()} instead"
    )
    assert listing(harness) == before


def test_links_that_cannot_be_removed_are_left_to_the_user(harness, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    registry.register()
    before = listing(harness)
    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(InputError, match=r"cannot be changed \(Permission denied\); remove the links by hand"):
        registry.unregister()
    assert listing(harness) == before


# Which harness.


def test_the_installed_harness_is_found():
    assert registry.harness_folder() == Path(importlib.util.find_spec("lm_eval").origin).parent / "tasks"


def test_an_editable_harness_is_found_where_it_lies(tmp_path, monkeypatch):
    package = tmp_path / "src" / "lm_eval"
    (package / "tasks").mkdir(parents=True)
    spec = importlib.machinery.ModuleSpec("lm_eval", loader=None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "stale"), str(package)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    assert registry.harness_folder() == package / "tasks"


@pytest.mark.parametrize(
    "spec", [None, importlib.machinery.ModuleSpec("lm_eval", loader=None)], ids=["no package", "a module, no package"]
)
def test_without_a_harness_the_error_says_what_to_install(monkeypatch, spec):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(InputError, match="pip install lm-eval"):
        registry.harness_folder()


# What the harness makes of the links.


def test_the_harness_finds_all_tasks_and_groups_through_the_links(harness):
    registry.register()
    assert len(TASKS) >= 9
    index = TaskIndex.build([harness])
    assert {name for name, entry in index.items() if entry.kind is Kind.GROUP} == GROUPS
    assert {name for name, entry in index.items() if entry.kind in {Kind.TASK, Kind.PY_TASK}} == TASKS | {"mmlu"}


@pytest.mark.parametrize(
    ("task", "has_spread"), [("persona_refusal_nli", True), ("persona_refusal_nli_neutral", False)]
)
def test_a_task_loaded_through_its_link_asks_and_judges(harness, task, has_spread):
    registry.register()
    settings = {"source": "sample", "rows_per_class": 1, "variations": 2}
    manager = TaskManager(include_path=str(harness), include_defaults=False, metadata=settings)
    loaded = manager.load([task])["tasks"][task]
    # One row of each of the three classes, two prompts each.
    assert len(loaded.test_docs()) == 6
    doc = loaded.test_docs()[0]
    assert doc["premise"] in loaded.doc_to_text(doc)
    judged = loaded.process_results(doc, ["No, I would not."])
    assert (judged["refusal_rate_prefix"], judged["refusal_rate"]) == (1.0, 0.0)
    assert loaded.process_results(doc, [f"{doc['label'].capitalize()}."])["accuracy"] == 1.0
    for rate in ("refusal_rate", "refusal_rate_prefix", "refusal_rate_prefix_strict"):
        assert loaded.aggregation()[rate]([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert ("persona_spread" in loaded.aggregation()) is has_spread
    assert loaded.aggregation()["accuracy"]([1.0, 0.0]) == 0.5


# At the same time as others.


@pytest.mark.parametrize("others", ["register", "unregister"])
def test_many_may_register_at_once(harness, others):
    failed, together = [], threading.Barrier(32)

    def work(number):
        together.wait()
        try:
            (registry.register if number % 2 else getattr(registry, others))()
        except InputError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    registry.register()
    assert set(listing(harness / "persona_refusal")) == FILES


@pytest.mark.parametrize("call", [("symlink_to", 0), ("symlink_to", 5), ("iterdir", 0), ("mkdir", 0)])
@pytest.mark.parametrize("other", ["register", "unregister"])
def test_what_another_does_between_two_steps_is_no_error(harness, monkeypatch, call, other):
    name, at = call
    calls, original, act = [], getattr(Path, name), getattr(registry, other)

    def meanwhile(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == at + 1:
            act()
        return original(path, *args, **kwargs)

    monkeypatch.setattr(Path, name, meanwhile)
    registry.register()
    monkeypatch.undo()
    monkeypatch.setattr(registry, "harness_folder", lambda: harness)
    registry.register()
    assert set(listing(harness / "persona_refusal")) == FILES


@pytest.mark.parametrize("kind", ["file", "link to a folder", "dangling link"])
@pytest.mark.parametrize("command", ["register", "unregister"])
def test_what_stands_in_the_place_of_the_folder_is_refused_and_left_alone(harness, tmp_path, kind, command):
    place = harness / "persona_refusal"
    if kind == "file":
        place.write_text("theirs", encoding="utf-8")
    else:
        place.symlink_to(tmp_path / "theirs")
        if kind == "link to a folder":
            (tmp_path / "theirs").mkdir()
    with pytest.raises(InputError, match="and not a folder; move it"):
        getattr(registry, command)()
    assert place.is_symlink() != (kind == "file")
    assert not (tmp_path / "theirs").is_dir() or not list((tmp_path / "theirs").iterdir())


def test_a_harness_installed_anew_is_linked_anew(harness):
    registry.register()
    shutil.rmtree(harness / "persona_refusal")
    assert registry.register()[0].startswith(f"Linked {len(FILES)} task files")
