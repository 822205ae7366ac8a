"""The stages of a study that stops early: how shards make them, and what is run of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.studies.folder import Shard, StudyFolder
from refusal_metrics.studies.stages import (
    MOST_LOOKS,
    cut_texts,
    list_wanted,
    make_stages,
    run_in_stages,
    take_look,
    take_pending,
)

BEGAN = "2026-01-02T03-04-05"


def shards_of(task, n, size, model="m", repeats=1):
    return [
        Shard(model, task, repeat, (repeat - 1) * n + k, (k - 1) * size, k * size)
        for repeat in range(1, repeats + 1)
        for k in range(1, n + 1)
    ]


class Stops:
    """A rule that stops at a look, and remembers which logs it was shown."""

    option, least_texts = "--until-tested", 1

    def __init__(self, at=0):
        self.at, self.seen = at, []

    def describe(self):
        return {"rule": "until-tested"}

    def look(self, files, share, before):
        self.seen.append((sorted(file.parent.name for file in files), share, len(before)))
        return {"stops": len(before) + 1 == self.at, "found": "a test"}


@pytest.fixture
def folder(tmp_path):
    made = StudyFolder(tmp_path / "results")
    made.open({"models": {}, "designs": {}})
    return made


def write(folder, shards):
    for shard in shards:
        folder.put(shard, folder.record()["began"], [], {})


def stages_of(n=3, tasks=("a", "b"), models=("m",), repeats=1):
    """Make stages of two tasks of one kind, and 10 texts a shard."""
    shards = [shard for model in models for task in tasks for shard in shards_of(task, n, 20, model, repeats)]
    return make_stages(shards, dict.fromkeys(tasks, "kind"), {"kind": n}, {"kind": 10 * n})


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.data())
def test_shards_of_equally_many_texts_join_to_the_task(sizes, data):
    places = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    n_shards = data.draw(st.integers(1, len(sizes)))
    cuts = cut_texts(places, n_shards)
    assert [cuts[0][0], *(stop for _, stop in cuts)] == sorted({0, *(stop for _, stop in cuts)})
    assert cuts[-1][1] == sum(sizes)
    n_texts = [places.index(stop) - places.index(start) for start, stop in cuts]
    assert max(n_texts) - min(n_texts) <= 1


@pytest.mark.parametrize("n", [1, 3, 10, 11, 25, 47])
def test_every_shard_is_in_one_stage_and_stages_are_of_about_the_same_size(n):
    stages = stages_of(n, repeats=2)
    assert [stage.number for stage in stages] == list(range(1, min(n, MOST_LOOKS) + 1))
    assert {stage.n_stages for stage in stages} == {len(stages)}
    found = [shard for stage in stages for shard in stage.shards]
    assert len(found) == len(set(found)) == 4 * n
    # All repeats and tasks of the same texts.
    assert all(len({(shard.task, shard.repeat) for shard in stage.shards}) == 4 for stage in stages)
    sizes = [len(stage.shards) // 4 for stage in stages]
    assert max(sizes) - min(sizes) <= 1
    # A shard has 10 texts.
    n_texts = [10 * sum(sizes[: i + 1]) for i in range(len(sizes))]
    assert [stage.n_texts for stage in stages] == n_texts
    assert [stage.share for stage in stages] == pytest.approx([m / (10 * n) for m in n_texts])


def test_stages_are_run_in_order_until_the_rule_stops(folder):
    began, written, told = folder.record()["began"], [], []

    def ask(shards):
        written.append([(shard.task, shard.number) for shard in shards])
        write(folder, shards)

    rule = Stops(at=2)
    run_in_stages(folder, stages_of(), began, rule, ask, lambda kind, what: told.append((kind, what["look"])))
    assert written == [[("a", 1), ("b", 1)], [("a", 2), ("b", 2)]]
    assert told == [("look", 1), ("look", 2)]
    # A look sees the logs of all stages so far, and is told of the share of 3 stages and the earlier looks.
    assert rule.seen == [(["a", "b"], pytest.approx(1 / 3), 0), (["a", "a", "b", "b"], pytest.approx(2 / 3), 1)]
    looks = json.loads((folder.path / "study.json").read_text())["looks"]["m"]["kind"]
    assert [look["n_docs"] for look in looks] == [{"a": 20, "b": 20}, {"a": 40, "b": 40}]
    # Again: nothing is asked or looked at.
    run_in_stages(folder, stages_of(), began, rule, ask, lambda *_: None)
    assert (len(written), len(rule.seen)) == (2, 2)


def test_a_shard_that_another_run_writes_ends_a_kind_without_a_look(folder):
    rule = Stops()
    run_in_stages(folder, stages_of(), folder.record()["began"], rule, lambda _: None, lambda *_: None)
    assert rule.seen == []
    assert folder.looks("m", "kind") == []


def test_looks_that_an_interrupted_run_did_not_take_are_taken_once(folder):
    began, stages, rule = folder.record()["began"], stages_of(), Stops()
    write(folder, [shard for stage in stages[:2] for shard in stage.shards])
    take_pending(folder, stages, began, rule)
    take_pending(folder, stages, began, rule)
    assert [n for _, _, n in rule.seen] == [0, 1]
    assert take_look(folder, stages, began, rule) == (None, False)


def test_what_comes_after_the_last_look_is_not_wanted_for_its_model_alone(folder):
    began, stages = folder.record()["began"], stages_of(models=("m", "other"))
    mine = [stage for stage in stages if stage.model == "m"]
    write(folder, mine[0].shards)
    look, is_new = take_look(folder, mine[:1], began, Stops(at=1))
    assert (look["stops"], is_new) == (True, True)
    # Another process of the run finds the look taken, and does not announce it again.
    assert take_look(folder, mine[:1], began, Stops()) == (look, False)
    every = [shard for stage in stages for shard in stage.shards]
    wanted = list_wanted(every, folder.record())
    assert [shard for shard in wanted if shard.model == "other"] == [shard for shard in every if shard.model == "other"]
    assert [(shard.task, shard.number) for shard in wanted if shard.model == "m"] == [("a", 1), ("b", 1)]
