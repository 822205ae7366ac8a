"""What ``run`` would ask, and the studies that it refuses."""

import re

import pytest

from refusal_metrics.studies import Ended, StudyFolder
from refusal_metrics.studies import run as study_run

pytestmark = pytest.mark.usefixtures("offline")


TASK, OTHER = "persona_refusal_offensiveness", "persona_refusal_politeness"
PARROT = {"backend": "dummy", "chat_template": False}


# What would be asked.


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(tell, save, tmp_path):
    said, printed = tell("run", save(tmp_path, generation={"max_gen_toks": 32}), "--dry-run")
    assert printed == ""
    assert not (tmp_path / "results").exists()
    first, second, *models = said.splitlines()[-4:]
    assert re.fullmatch(rf"{TASK}: 30 prompts, design [0-9a-f]{{8}}-[0-9a-f]{{8}}", first)
    assert re.fullmatch(rf"{OTHER}: 30 prompts, design [0-9a-f]{{8}}-[0-9a-f]{{8}}", second)
    for name, line in zip(("parrot", "crow"), models, strict=True):
        assert line.startswith(f"{name}: 60 prompts in 6 shards, about ")
        assert line.endswith(" of at most 32 tokens; 1 min at 10 prompts per second")
        # A prompt is a question and a text, some 30 to 90 tokens in all.
        n_tokens = int(re.search(r"about ([\d,]+) tokens", line)[1].replace(",", ""))
        assert 60 * 30 < n_tokens < 60 * 90


def test_a_dry_run_goes_by_how_fast_a_model_was_so_far(tell, save, tmp_path):
    folder = StudyFolder(tmp_path / "results")
    folder.open({"models": {}, "designs": {}})
    folder.note("parrot", {"seconds": 7200.0, "n_prompts": 18_000})
    parrot, crow = tell("run", save(tmp_path, repeats=3, generation={"temperature": 1}), "--dry-run")[0].split("\n")[
        -3:-1
    ]
    # 180 prompts at 2.5 a second are 72 seconds.
    assert parrot.startswith("parrot: 180 prompts in 18 shards, ")
    assert parrot.endswith("; 1 min at the 2.5 prompts per second so far")
    assert crow.endswith("; 1 min at 10 prompts per second")


def test_several_servers_take_a_part_of_the_time_each(tell, save, tmp_path):
    folder = StudyFolder(tmp_path / "results")
    folder.open({"models": {}, "designs": {}})
    folder.note("parrot", {"seconds": 7200.0, "n_prompts": 7200})
    args = {"model": "m", "base_url": ["http://a/v1", "http://b/v1"]}
    models = {"parrot": {"backend": "local-chat-completions", "args": args}}
    said, _ = tell("run", save(tmp_path, models=models), "--dry-run")
    # A server answers one prompt a second.
    assert said.splitlines()[-1].endswith("; 1 min at the 2.0 prompts per second so far")


def test_only_some_models_may_be_asked(tell, save, tmp_path):
    said, _ = tell("run", save(tmp_path), "--only", "crow", "--dry-run")
    assert "crow: 60 prompts in 6 shards" in said
    assert "parrot" not in said


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        # 12 shards: 6 of the parrot, then 6 of the crow.
        ("1/2", {"parrot": 6}),
        ("2/2", {"crow": 6}),
        ("2/3", {"parrot": 2, "crow": 2}),
        ("12/12", {"crow": 1}),
        ("1/1", {"parrot": 6, "crow": 6}),
        ("1/100", {}),
    ],
)
def test_a_job_of_an_array_asks_its_part(tell, save, tmp_path, part, asked):
    said, _ = tell("run", save(tmp_path), "--array-task", part, "--dry-run")
    found = re.findall(r"^(\w+): \d+ prompts in (\d+) shards", said, re.MULTILINE)
    assert {model: int(n_shards) for model, n_shards in found} == asked


def test_an_array_deals_the_models_that_are_asked(tell, save, tmp_path):
    said, _ = tell("run", save(tmp_path), "--only", "crow", "--array-task", "1/3", "--dry-run")
    assert re.search(r"crow: \d+ prompts in 2 shards", said)


# Mistakes.


@pytest.mark.parametrize("part", ["0/4", "5/4", "4", "1/0", "a/b", "-1/4", "1/4/4", "1.5/2"])
def test_a_part_that_is_none_is_refused(refuse, save, tmp_path, part):
    said = refuse("run", save(tmp_path), f"--array-task={part}")
    assert said == f"persona-refusal: --array-task '{part}': give I/N, the I-th of N parts, with I from 1 to N\n"


def test_an_unknown_model_is_refused_with_the_nearest(refuse, save, tmp_path):
    said = refuse("run", save(tmp_path), "--only", "crow,parot")
    assert said == "persona-refusal: unknown model 'parot': allowed are parrot, crow; did you mean 'parrot'?\n"
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"shard_doc": 3}, r"unknown key of a study in \S+study.yaml 'shard_doc': .*; did you mean 'shard_docs'\?"),
        ({"models": {}}, r"\S+study.yaml: models: there is none; name at least one, with its backend and args"),
        ({"tasks": ["persona_refusal_nil"]}, r"\S+study.yaml: .*'persona_refusal_nil': allowed are .*"),
        ({"settings": {"source": "sample", "design": "idd"}}, "unknown design 'idd': .*; did you mean 'iid'[?]"),
    ],
)
def test_a_mistake_in_a_study_is_one_sentence_and_nothing_is_written(refuse, save, tmp_path, changed, sentence):
    said = refuse("run", save(tmp_path, **changed))
    assert re.fullmatch(f"persona-refusal: {sentence}\n", said)
    assert not (tmp_path / "results").exists()


def test_a_study_that_is_not_there_is_one_sentence(refuse, tmp_path):
    said = refuse("run", tmp_path / "study.yaml")
    assert said.startswith(f"persona-refusal: {tmp_path / 'study.yaml'}: cannot be read (No such file")


def test_a_folder_of_another_study_is_refused_before_anything_is_asked(refuse, tell, save, tmp_path, monkeypatch):
    path = save(tmp_path, system_prompt="Be brief.")
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended())
    tell("run", path, code=1)
    monkeypatch.setattr(study_run, "run_study", lambda *_: pytest.fail("asked"))
    said = refuse("run", save(tmp_path))
    assert said.startswith(
        f"persona-refusal: {tmp_path / 'results'}: holds a study with system_prompt 'Be brief.', and this one has None;"
    )


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\0b", "study.json", "n" * 300, "con", "a/b", "m."])
def test_a_name_that_no_folder_can_have_is_one_sentence(refuse, save, tmp_path, name):
    said = refuse("run", save(tmp_path, models={name: PARROT}))
    assert f"{tmp_path}/study.yaml: models: found " in said
    assert "\x1b" not in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("out", ["a\x1b[2Jb", "n" * 300])
def test_a_folder_that_cannot_be_is_one_sentence(refuse, save, tmp_path, out):
    said = refuse("run", save(tmp_path), "--out", tmp_path / out)
    assert said.startswith("persona-refusal: --out: found '")
