"""The commands that ask models: ``run``, and ``fetch-data``."""

import io
import json
import os
import re
import shutil
import signal
import sys
from importlib.metadata import version
from itertools import product

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.cli import study as cli_study
from refusal_metrics.analysis.cli import study_progress
from refusal_metrics.analysis.responses import load_responses
from rich.console import Console
from typer.testing import CliRunner

from refusal_metrics.prompts import download, load_texts
from refusal_metrics.prompts.download import PUBLIC_FILES, PublicFile, git_blob_id
from refusal_metrics.studies import Ended, Shard, Study, StudyFolder, StudyModel
from refusal_metrics.studies import run as study_run

TASK, OTHER = "persona_refusal_offensiveness", "persona_refusal_politeness"
PARROT = {"backend": "dummy", "chat_template": False}
# Of each task 2 rows of 5 classes, 3 times: 30 prompts.
STUDY = {
    "tasks": [TASK, OTHER],
    "settings": {"source": "sample", "rows_per_class": 2, "variations": 3},
    "shard_docs": 10,
    "models": {"parrot": PARROT, "crow": PARROT},
}


@pytest.fixture(scope="module", autouse=True)
def _offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("COLUMNS", "80")
        yield


def save(folder, **changed):
    """Write a study whose results go into a folder beside it."""
    path = folder / "study.yaml"
    study = {"out": str(folder / "results")} | STUDY | changed
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def invoke(*arguments, code=0):
    """Run a command in this process; gives what it said, and what it printed."""
    result = CliRunner().invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stderr, result.stdout


def fail(monkeypatch, capsys, *arguments):
    """Run a command that a user's mistake ends; gives what it said."""
    monkeypatch.setattr(sys, "argv", ["persona-refusal", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


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


# What would be asked.


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(tmp_path):
    said, printed = invoke("run", save(tmp_path, generation={"max_gen_toks": 32}), "--dry-run")
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


def test_a_dry_run_goes_by_how_fast_a_model_was_so_far(tmp_path):
    folder = StudyFolder(tmp_path / "results")
    folder.open({"models": {}, "designs": {}})
    folder.note("parrot", {"seconds": 7200.0, "n_prompts": 18_000})
    parrot, crow = invoke("run", save(tmp_path, repeats=3, generation={"temperature": 1}), "--dry-run")[0].split("\n")[
        -3:-1
    ]
    # 180 prompts at 2.5 a second are 72 seconds.
    assert parrot.startswith("parrot: 180 prompts in 18 shards, ")
    assert parrot.endswith("; 1 min at the 2.5 prompts per second so far")
    assert crow.endswith("; 1 min at 10 prompts per second")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(1, "1 min"), (72, "1 min"), (7_199, "120 min"), (7_200, "2.0 hours"), (90_000, "25.0 hours")],
)
def test_a_time_is_written_in_minutes_or_hours(seconds, written):
    assert cli_study._duration(seconds) == written


def test_several_servers_take_a_part_of_the_time_each(tmp_path):
    folder = StudyFolder(tmp_path / "results")
    folder.open({"models": {}, "designs": {}})
    folder.note("parrot", {"seconds": 7200.0, "n_prompts": 7200})
    args = {"model": "m", "base_url": ["http://a/v1", "http://b/v1"]}
    models = {"parrot": {"backend": "local-chat-completions", "args": args}}
    said, _ = invoke("run", save(tmp_path, models=models), "--dry-run")
    # A server answers one prompt a second.
    assert said.splitlines()[-1].endswith("; 1 min at the 2.0 prompts per second so far")


def test_only_some_models_may_be_asked(tmp_path):
    said, _ = invoke("run", save(tmp_path), "--only", "crow", "--dry-run")
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
def test_a_job_of_an_array_asks_its_part(tmp_path, part, asked):
    said, _ = invoke("run", save(tmp_path), "--array-task", part, "--dry-run")
    found = re.findall(r"^(\w+): \d+ prompts in (\d+) shards", said, re.MULTILINE)
    assert {model: int(n_shards) for model, n_shards in found} == asked


def test_an_array_deals_the_models_that_are_asked(tmp_path):
    said, _ = invoke("run", save(tmp_path), "--only", "crow", "--array-task", "1/3", "--dry-run")
    assert re.search(r"crow: \d+ prompts in 2 shards", said)


# Mistakes.


@pytest.mark.parametrize("part", ["0/4", "5/4", "4", "1/0", "a/b", "-1/4", "1/4/4", "1.5/2"])
def test_a_part_that_is_none_is_refused(tmp_path, monkeypatch, capsys, part):
    said = fail(monkeypatch, capsys, "run", save(tmp_path), f"--array-task={part}")
    assert said == f"persona-refusal: --array-task '{part}': give I/N, the I-th of N parts, with I from 1 to N\n"


def test_an_unknown_model_is_refused_with_the_nearest(tmp_path, monkeypatch, capsys):
    said = fail(monkeypatch, capsys, "run", save(tmp_path), "--only", "crow,parot")
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
def test_a_mistake_in_a_study_is_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, capsys, changed, sentence):
    said = fail(monkeypatch, capsys, "run", save(tmp_path, **changed))
    assert re.fullmatch(f"persona-refusal: {sentence}\n", said)
    assert not (tmp_path / "results").exists()


def test_a_study_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, capsys):
    said = fail(monkeypatch, capsys, "run", tmp_path / "study.yaml")
    assert said.startswith(f"persona-refusal: {tmp_path / 'study.yaml'}: cannot be read (No such file")


def test_a_folder_of_another_study_is_refused_before_anything_is_asked(tmp_path, monkeypatch, capsys):
    path = save(tmp_path, system_prompt="Be brief.")
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended())
    invoke("run", path, code=1)
    monkeypatch.setattr(study_run, "run_study", lambda *_: pytest.fail("asked"))
    said = fail(monkeypatch, capsys, "run", save(tmp_path))
    assert said.startswith(
        f"persona-refusal: {tmp_path / 'results'}: holds a study with system_prompt 'Be brief.', and this one has None;"
    )


# Asking.


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A study of a parrot, and of a crow that no backend knows; and what was said of it."""
    folder = tmp_path_factory.mktemp("asked")
    path = save(folder, models={"crow": {"backend": "nosuch"}, "parrot": PARROT})
    said, printed = invoke("run", path, code=1)
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
    assert record["asked"]["settings"] == STUDY["settings"]
    assert set(record["asked"]["designs"]) == {TASK, OTHER}
    assert set(record["tasks"]) == {TASK, OTHER}
    assert record["tasks"][TASK]["n_docs"] == 30
    assert record["tasks"][TASK]["source"] == STUDY["settings"]["source"]
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


def test_a_run_goes_on_after_files_were_lost_and_asks_only_those_again(copied, tmp_path):
    whole = contents(copied)
    lost, cut, _ = sorted((copied / "parrot" / TASK).glob("samples_*.jsonl"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-30])
    min((copied / "parrot" / OTHER).glob("results_*.json")).unlink()
    said, _ = invoke("run", save(tmp_path, models={"parrot": PARROT}))
    assert said.startswith("3 of 6 shards are already complete.\n")
    assert f"parrot, {TASK}, shard 2: damaged; its prompts are sent again." in said
    assert said.endswith(f"Wrote 3 shards to {copied}.\nNow: persona-refusal report {copied} --out {copied}/report\n")
    assert shards_said(said) == [(TASK, "1"), (TASK, "2"), (OTHER, "1")]
    again = contents(copied)
    # The parrot says the same again; results files tell how long it took, too.
    assert [name for name in again if name.endswith(".jsonl") and again[name] != whole[name]] == []
    assert set(again) == set(whole)


def test_a_study_that_is_done_asks_nothing(copied, tmp_path, monkeypatch):
    before = contents(copied)
    monkeypatch.setattr(study_run, "_run_apart", lambda *_: pytest.fail("began a model"))
    said, _ = invoke("run", save(tmp_path, models={"parrot": PARROT}))
    assert said.startswith("6 of 6 shards are already complete.\n")
    assert f"\nWrote 0 shards to {copied}.\nNow: persona-refusal report " in said
    assert contents(copied) == before


def test_a_part_that_is_done_says_nothing_of_the_whole(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "_run_apart", lambda *_: pytest.fail("began a model"))
    for part in (["--only", "parrot"], ["--array-task", "1/2"]):
        said, _ = invoke("run", save(tmp_path, models={"parrot": PARROT, "crow": {"backend": "nosuch"}}), *part)
        assert said.endswith(f"Wrote 0 shards to {copied}.\n")


def test_results_may_go_to_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended(written=12))
    said, _ = invoke("run", save(tmp_path), "--out", tmp_path / "elsewhere")
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
def test_the_end_says_what_there_is_and_the_exit_code_how_it_ended(tmp_path, monkeypatch, ended, code, lines):
    monkeypatch.setattr(study_run, "run_study", lambda *_: ended)
    said, _ = invoke("run", save(tmp_path), code=code)
    if lines:
        assert said.replace(str(tmp_path / "results"), "RESULTS").strip().splitlines() == lines


# Resuming.


def edit(results, old, new):
    record = (results / "study.json").read_text(encoding="utf-8")
    assert old in record
    (results / "study.json").write_text(record.replace(old, new), encoding="utf-8")


def test_other_software_is_refused_before_anything_is_asked_or_written(copied, tmp_path, monkeypatch, capsys):
    edit(copied, f'"lm_eval": "{version("lm_eval")}"', '"lm_eval": "0.3.0"')
    min((copied / "parrot" / TASK).glob("samples_*.jsonl")).unlink()
    before = (copied / "study.json").read_bytes()
    monkeypatch.setattr(study_run, "run_study", lambda *_: pytest.fail("asked"))
    path = save(tmp_path, models={"parrot": PARROT})
    said = fail(monkeypatch, capsys, "run", path)
    assert said.startswith(
        f"persona-refusal: {copied}: parrot was begun with lm_eval 0.3.0 (now {version('lm_eval')}); answers of both "
        "must not mix: name another folder with --out, "
    )
    assert (copied / "study.json").read_bytes() == before
    # Nothing is left to ask of a study that is whole.
    monkeypatch.setattr(study_run, "missing_shards", lambda *_: ())
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended())
    invoke("run", path)


def test_other_software_is_recorded_where_it_is_allowed(copied, tmp_path):
    edit(copied, f'"lm_eval": "{version("lm_eval")}"', '"lm_eval": "0.3.0"')
    min((copied / "parrot" / TASK).glob("samples_*.jsonl")).unlink()
    said, _ = invoke("run", save(tmp_path, models={"parrot": PARROT}), "--allow-mixed")
    assert f"parrot was begun with lm_eval 0.3.0 (now {version('lm_eval')}); both are recorded." in said
    run = StudyFolder(copied).record()["runs"]["parrot"]
    assert run["versions"]["lm_eval"] == version("lm_eval")
    assert [mixed["versions"]["lm_eval"] for mixed in run["mixed"]] == ["0.3.0"]


# Interruptions and names.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_anything_is_asked_ends_in_a_sentence_and_its_code(tmp_path, monkeypatch, number):
    monkeypatch.setattr(cli_study, "_run", lambda *_: os.kill(os.getpid(), number))
    said, _ = invoke("run", save(tmp_path), code=128 + number)
    assert said.endswith(f"Interrupted ({number.name}). Re-run the same command to resume.\n")


def test_names_are_no_markup_and_no_commands_to_the_terminal():
    bars = study_progress.ProgressBars()
    out = io.StringIO()
    bars._console = bars._progress.live.console = Console(file=out, force_terminal=True, width=200)
    with bars:
        for name in ("%s{x}[red]", "\x1b[31mred\x1b]0;pwned\x07", "[/]"):
            bars.show(StudyModel(name, "dummy"), "begins", {"n_shards": 1})
    shown = out.getvalue()
    assert "%s{x}[red]" in shown
    assert "[/]" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[31mred" not in shown


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\0b", "study.json", "n" * 300, "con", "a/b", "m."])
def test_a_name_that_no_folder_can_have_is_one_sentence(tmp_path, monkeypatch, capsys, name):
    said = fail(monkeypatch, capsys, "run", save(tmp_path, models={name: PARROT}))
    assert f"{tmp_path}/study.yaml: models: found " in said
    assert "\x1b" not in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("out", ["a\x1b[2Jb", "n" * 300])
def test_a_folder_that_cannot_be_is_one_sentence(tmp_path, monkeypatch, capsys, out):
    said = fail(monkeypatch, capsys, "run", save(tmp_path), "--out", tmp_path / out)
    assert said.startswith("persona-refusal: --out: found '")


# Asking twice.


def test_a_check_asks_twice_and_prints_what_changed(tmp_path):
    path = save(tmp_path, models={"parrot": PARROT})
    said, printed = invoke("run", path, "--repeat-check", 5, "--format", "csv")
    assert said == ""
    # The parrot says "lol" to everything.
    counts = {"model": "parrot", "n": 5, "n_texts_changed": 0, "n_outcomes_changed": 0, "n_refusals_changed": 0}
    assert pd.read_csv(io.StringIO(printed)).to_dict("records") == [counts]
    record = StudyFolder(tmp_path / "results").record()
    assert record["runs"] == {"parrot": {"repeat_check": counts}}
    assert contents(tmp_path / "results") == {}


def test_a_check_asks_only_the_models_that_are_named(tmp_path, monkeypatch):
    seen = []

    def run_checks(study, n_prompts, _):
        seen.extend((model.name, n_prompts) for model in study.models)
        return Ended(failed={"crow": "no backend"})

    monkeypatch.setattr(study_run, "run_checks", run_checks)
    said, printed = invoke("run", save(tmp_path), "--only", "crow", "--repeat-check", 7, code=1)
    assert seen == [("crow", 7)]
    assert (said, printed) == ("crow failed: no backend\n", "")


# Data for machines without a network.

RATINGS = "instance_id,text,{kind}\n" + "".join(f"{n},text {n},{n}.0\n" for n in range(1, 6))


@pytest.fixture
def web(monkeypatch, serve):
    """In place of the network: files as small as may be; gives the addresses that were opened."""
    pairs = list(product(range(1670), range(3)))
    columns = {"premise": [f"p{p}" for p, _ in pairs], "hypothesis": [f"h{p} {c}" for p, c in pairs]}
    content = io.BytesIO()
    pq.write_table(pa.table(columns | {"label": [c for _, c in pairs]}), content)
    served = {PUBLIC_FILES["nli"].url: content.getvalue()}
    for kind in ("politeness", "offensiveness"):
        ratings = RATINGS.format(kind=kind).encode()
        file = PublicFile(PUBLIC_FILES[kind].name, PUBLIC_FILES[kind].url, git_blob_id(ratings))
        monkeypatch.setitem(PUBLIC_FILES, kind, file)
        served[file.url] = ratings
    return serve(served)


@pytest.mark.usefixtures("web")
def test_fetched_data_are_checked_and_enough_where_there_is_no_network(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "data"
    said, _ = invoke("fetch-data", folder)
    names = ["xnli_en_test.parquet", "popquorn_politeness.csv", "popquorn_offensiveness.csv"]
    assert said.splitlines() == [
        *(f"{folder / name}: verified." for name in names),
        f'Now: lm_eval ... --metadata \'{{"data_dir": "{folder}"}}\'',
    ]
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    monkeypatch.setattr("refusal_metrics.prompts.download.get_bytes", lambda *_: pytest.fail("opened"))
    assert [len(load_texts(kind, data_dir=folder)) for kind in PUBLIC_FILES] == [5010, 5, 5]


def test_a_study_names_the_folder_of_fetched_data(web, tmp_path):
    invoke("fetch-data", tmp_path / "data")
    assert len(web) == 3
    settings = {"data_dir": str(tmp_path / "data"), "rows_per_class": 1, "variations": 2}
    said, _ = invoke("run", save(tmp_path, tasks=[TASK], settings=settings), "--dry-run")
    # 5 classes, a row of each, twice.
    assert f"{TASK}: 10 prompts" in said
    assert len(web) == 3


def test_without_a_network_nothing_is_fetched_and_the_address_is_said(web, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download.constants, "HF_HUB_OFFLINE", True)
    said = fail(monkeypatch, capsys, "fetch-data", tmp_path / "data")
    assert said.startswith(f"persona-refusal: {PUBLIC_FILES['nli'].url}: the nli data are not in ")
    assert web == []
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("web")
def test_another_version_of_a_file_is_refused_and_left_as_it_is(tmp_path, monkeypatch, capsys):
    mine = tmp_path / "popquorn_politeness.csv"
    mine.write_text("mine", encoding="utf-8")
    said = fail(monkeypatch, capsys, "fetch-data", tmp_path)
    assert said.startswith(f"persona-refusal: {mine}: is not the pinned version of the file")
    assert mine.read_text(encoding="utf-8") == "mine"


# What servers replied.


def test_the_end_reports_what_providers_refused_and_servers_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(study_run, "run_study", lambda *_: Ended(written=12))
    path = save(tmp_path)
    invoke("run", path)
    folder = StudyFolder(tmp_path / "results")
    folder.note("parrot", {"n_prompts": 1200, "n_provider": 1100, "n_failed": 3})
    said, _ = invoke("run", path)
    assert "parrot: the provider refused 1,100 of 1,200 prompts.\n" in said
    assert "parrot: the server rejected 3 of 1,200 prompts for a reason other than a filter; each is an empty" in said


@pytest.mark.parametrize(
    ("asked", "named", "said"),
    [
        ("gpt-x", ["gpt-x"], ""),
        ("gpt-x", [], ""),
        ("gpt-x", "gpt-y", ""),
        ("gpt", ["gpt", "gpt-25"], "parrot: the study requests 'gpt', but the server reports 'gpt-25'."),
        ("gpt-x", ["\x1b[31mred"], "the server reports '\\x1b[31mred'."),
        ("gpt-x", list("abcdef"), "the server reports 'a', 'b', 'c' and others."),
        (None, ["gpt-y"], ""),
    ],
)  # fmt: skip
def test_the_end_names_another_model_than_was_asked_for(tmp_path, asked, named, said):
    made = Study(
        tmp_path, tmp_path / "out", (TASK,), {}, 1, "user", None, 5,
        (StudyModel("parrot", "local-chat-completions", {"model": asked} if asked else {}),),
    )  # fmt: skip
    folder = StudyFolder(made.out)
    folder.open(made.asked() | {"designs": {}})
    folder.note("parrot", {}, named if isinstance(named, list) else ())
    if isinstance(named, str):
        folder.note("parrot", {"answered_by": named})
    lines = cli_study._list_other_models(made)
    assert len(lines) == bool(said)
    assert not said or lines[0].endswith(said)


def test_answers_of_an_earlier_run_are_reported_with_those_that_cannot_be_used():
    shard = Shard("parrot", TASK, repeat=1, number=3, start=0, stop=9)
    model = StudyModel("parrot", "hf")
    what = {"shard": shard, "n_found": 1700, "n_foreign": 0, "n_damaged": 0}
    assert study_progress.describe_journal(model, what) == (
        f"parrot, {TASK}, shard 3: 1,700 responses of an earlier run are used."
    )
    assert study_progress.describe_journal(model, what | {"n_foreign": 2, "n_damaged": 1}).endswith(
        "are used; 2 belong to another model, software or study and are not used; 1 lines are damaged, so their "
        "prompts are sent again."
    )
