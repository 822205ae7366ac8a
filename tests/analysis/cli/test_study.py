"""The command that asks models, ``run``."""

import io
import json
import os
import re
import shutil
import signal
from importlib.metadata import version
from itertools import product

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import study as cli_study
from refusal_metrics.analysis.responses import load_responses

from refusal_metrics.studies import Ended, StudyFolder
from refusal_metrics.studies import run as study_run

pytestmark = pytest.mark.usefixtures("offline")


TASK, OTHER = "persona_refusal_offensiveness", "persona_refusal_politeness"
PARROT = {"backend": "dummy", "chat_template": False}


def contents(folder):
    """Give the bytes of all shards."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*_2*.json*")}


def shards_said(said):
    return re.findall(r"^parrot, (\w+), shard (\d): [\d.]+ prompts/s$", said, re.MULTILINE)


def count_prompts(folder, *notes):
    responses = load_responses([folder])
    assert responses.notes == notes
    sql = "SELECT model, task, count(*) FROM responses GROUP BY ALL ORDER BY ALL"
    return responses.connection.execute(sql).fetchall()


# Asking.


@pytest.fixture(scope="module")
def asked(tell, save, tmp_path_factory):
    """A study of a parrot, and of a crow that no backend knows; and what was said of it."""
    folder = tmp_path_factory.mktemp("asked")
    path = save(folder, models={"crow": {"backend": "nosuch"}, "parrot": PARROT})
    said, printed = tell("run", path, code=1)
    assert printed == ""
    return folder / "results", said


def test_a_model_that_fails_is_said_and_stops_no_other(asked):
    results, said = asked
    assert "crow failed: crow: the harness knows no backend 'nosuch'" in said
    assert said.endswith(f"Wrote 6 shards to {results}; 6 are missing.\nRe-run the same command to resume.\n")
    note = "The study is unfinished: crow: 0 of 60 prompts of 2 tasks. Resume it with persona-refusal run."
    assert count_prompts(results, note) == [("parrot", "offensiveness", 30), ("parrot", "politeness", 30)]


def test_every_shard_is_said_with_its_speed_where_there_is_no_terminal(asked):
    assert shards_said(asked[1]) == list(product((TASK, OTHER), "123"))


def test_the_record_says_what_was_asked_and_with_what(asked):
    record = json.loads((asked[0] / "study.json").read_text(encoding="utf-8"))
    assert record["asked"]["settings"] == {"source": "sample", "rows_per_class": 2, "variations": 3}
    assert set(record["asked"]["designs"]) == {TASK, OTHER}
    assert set(record["tasks"]) == {TASK, OTHER}
    assert record["tasks"][TASK]["n_docs"] == 30
    assert record["tasks"][TASK]["source"] == "sample"
    # All texts of the embedded source, of which 10 were asked.
    assert record["tasks"][TASK]["n_texts"] == 70
    assert re.fullmatch("[0-9a-f]{40,}", record["tasks"][TASK]["checksum"])
    run = record["runs"]["parrot"]
    assert run["n_prompts"] == 60
    assert run["seconds_writing"] > 0
    assert run["n_asked"] <= 60
    assert "lm_eval" in run["versions"]
    assert "crow" not in record["runs"]


@pytest.fixture
def copied(asked, tmp_path):
    """A copy of the study's results, which a test may damage."""
    return shutil.copytree(asked[0], tmp_path / "results")


def test_a_run_goes_on_after_files_were_lost_and_asks_only_those_again(tell, save, copied, tmp_path):
    whole = contents(copied)
    lost, cut, _ = sorted((copied / "parrot" / TASK).glob("samples_*.jsonl"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-30])
    min((copied / "parrot" / OTHER).glob("results_*.json")).unlink()
    said, _ = tell("run", save(tmp_path, models={"parrot": PARROT}))
    assert said.startswith("3 of 6 shards are already complete.\n")
    assert f"parrot, {TASK}, shard 2: damaged; its prompts are sent again." in said
    assert said.endswith(f"Wrote 3 shards to {copied}.\nNow: persona-refusal report {copied} --out {copied}/report\n")
    assert shards_said(said) == [(TASK, "1"), (TASK, "2"), (OTHER, "1")]
    again = contents(copied)
    # The parrot says the same again; results files tell how long it took, too.
    assert [name for name in again if name.endswith(".jsonl") and again[name] != whole[name]] == []
    assert set(again) == set(whole)


def test_a_study_that_is_done_asks_nothing(tell, save, copied, tmp_path, monkeypatch):
    before = contents(copied)
    monkeypatch.setattr(study_run, "_run_apart", lambda *_: pytest.fail("began a model"))
    said, _ = tell("run", save(tmp_path, models={"parrot": PARROT}))
    assert said.startswith("6 of 6 shards are already complete.\n")
    assert f"\nWrote 0 shards to {copied}.\nNow: persona-refusal report " in said
    assert contents(copied) == before


def test_a_part_that_is_done_says_nothing_of_the_whole(tell, save, copied, tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "_run_apart", lambda *_: pytest.fail("began a model"))
    for part in (["--only", "parrot"], ["--array-task", "1/2"]):
        said, _ = tell("run", save(tmp_path, models={"parrot": PARROT, "crow": {"backend": "nosuch"}}), *part)
        assert said.endswith(f"Wrote 0 shards to {copied}.\n")


def test_results_may_go_to_another_folder(tell, save, tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended(written=12))
    said, _ = tell("run", save(tmp_path), "--out", tmp_path / "elsewhere")
    assert f"Wrote 12 shards to {tmp_path / 'elsewhere'}.\n" in said
    assert (tmp_path / "elsewhere" / "study.json").is_file()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("ended", "code", "lines"),
    [
        (
            Ended(written=12),
            0,
            ["Wrote 12 shards to RESULTS.", "Now: persona-refusal report RESULTS --out RESULTS/report"],
        ),
        (
            Ended(written=4, stopped=True),
            130,
            [
                "Interrupted (SIGINT).",
                "Wrote 4 shards to RESULTS; 8 are missing.",
                "Re-run the same command to resume.",
            ],
        ),
        (
            Ended(written=4, failed={"crow": "its process was ended"}),
            1,
            [
                "crow failed: its process was ended",
                "Wrote 4 shards to RESULTS; 8 are missing.",
                "Re-run the same command to resume.",
            ],
        ),
        (Ended(written=4, failed={"crow": "why"}, stopped=True), 130, None),
        (
            Ended(written=4, stopped=True, signal=signal.SIGTERM),
            143,
            [
                "Interrupted (SIGTERM).",
                "Wrote 4 shards to RESULTS; 8 are missing.",
                "Re-run the same command to resume.",
            ],
        ),
        (
            Ended(written=9, busy=3),
            1,
            [
                "3 shards are still being written by another run of this study.",
                "Wrote 9 shards to RESULTS; 3 are missing.",
                "Re-run the same command after the other run to resume.",
            ],
        ),
        (
            Ended(written=9, others=3),
            0,
            [
                "3 shards were written by another run of this study.",
                "Wrote 9 shards to RESULTS.",
                "Now: persona-refusal report RESULTS --out RESULTS/report",
            ],
        ),
    ],
)
def test_the_end_says_what_there_is_and_the_code_how_it_ended(tell, save, tmp_path, monkeypatch, ended, code, lines):
    monkeypatch.setattr(study_run, "run_study", lambda *_: ended)
    said, _ = tell("run", save(tmp_path), code=code)
    if lines:
        assert said.replace(str(tmp_path / "results"), "RESULTS").strip().splitlines() == lines


# Resuming.


def edit(results, old, new):
    record = (results / "study.json").read_text(encoding="utf-8")
    assert old in record
    (results / "study.json").write_text(record.replace(old, new), encoding="utf-8")


def test_other_software_is_refused_before_anything_is_asked(refuse, tell, save, copied, tmp_path, monkeypatch):
    edit(copied, f'"lm_eval": "{version("lm_eval")}"', '"lm_eval": "0.3.0"')
    min((copied / "parrot" / TASK).glob("samples_*.jsonl")).unlink()
    before = (copied / "study.json").read_bytes()
    monkeypatch.setattr(study_run, "run_study", lambda *_: pytest.fail("asked"))
    path = save(tmp_path, models={"parrot": PARROT})
    said = refuse("run", path)
    assert said.startswith(
        f"persona-refusal: {copied}: parrot was begun with lm_eval 0.3.0 (now {version('lm_eval')}); answers of both "
        "must not mix: name another folder with --out, "
    )
    assert (copied / "study.json").read_bytes() == before
    # Nothing is left to ask of a study that is whole.
    monkeypatch.setattr(study_run, "missing_shards", lambda *_: ())
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended())
    tell("run", path)


def test_other_software_is_recorded_where_it_is_allowed(tell, save, copied, tmp_path):
    edit(copied, f'"lm_eval": "{version("lm_eval")}"', '"lm_eval": "0.3.0"')
    min((copied / "parrot" / TASK).glob("samples_*.jsonl")).unlink()
    said, _ = tell("run", save(tmp_path, models={"parrot": PARROT}), "--allow-mixed")
    assert f"parrot was begun with lm_eval 0.3.0 (now {version('lm_eval')}); both are recorded." in said
    run = StudyFolder(copied).record()["runs"]["parrot"]
    assert run["versions"]["lm_eval"] == version("lm_eval")
    assert [mixed["versions"]["lm_eval"] for mixed in run["mixed"]] == ["0.3.0"]


# Interruptions and names.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_anything_is_asked_ends_in_a_sentence_and_its_code(tell, save, tmp_path, monkeypatch, number):
    monkeypatch.setattr(cli_study, "_run", lambda *_: os.kill(os.getpid(), number))
    said, _ = tell("run", save(tmp_path), code=128 + number)
    assert said.endswith(f"Interrupted ({number.name}). Re-run the same command to resume.\n")


# Asking twice.


def test_a_check_asks_twice_and_prints_what_changed(tell, save, tmp_path):
    path = save(tmp_path, models={"parrot": PARROT})
    said, printed = tell("run", path, "--repeat-check", 5, "--format", "csv")
    assert said == ""
    # The parrot says "lol" to everything.
    counts = {"model": "parrot", "n": 5, "n_texts_changed": 0, "n_outcomes_changed": 0, "n_refusals_changed": 0}
    assert pd.read_csv(io.StringIO(printed)).to_dict("records") == [counts]
    record = StudyFolder(tmp_path / "results").record()
    assert record["runs"] == {"parrot": {"repeat_check": counts}}
    assert contents(tmp_path / "results") == {}


def test_a_check_asks_only_the_models_that_are_named(tell, save, tmp_path, monkeypatch):
    seen = []

    def run_checks(study, n_prompts, _):
        seen.extend((model.name, n_prompts) for model in study.models)
        return Ended(failed={"crow": "no backend"})

    monkeypatch.setattr(study_run, "run_checks", run_checks)
    said, printed = tell("run", save(tmp_path), "--only", "crow", "--repeat-check", 7, code=1)
    assert seen == [("crow", 7)]
    assert (said, printed) == ("crow failed: no backend\n", "")


# What servers replied.


def test_the_end_reports_what_providers_refused_and_servers_rejected(tell, save, tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended(written=12))
    path = save(tmp_path)
    tell("run", path)
    folder = StudyFolder(tmp_path / "results")
    folder.note("parrot", {"n_prompts": 1200, "n_provider": 1100, "n_failed": 3})
    said, _ = tell("run", path)
    assert "parrot: the provider refused 1,100 of 1,200 prompts.\n" in said
    assert "parrot: the server rejected 3 of 1,200 prompts for a reason other than a filter; each is an empty" in said
