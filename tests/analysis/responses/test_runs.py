"""Finding the runs of the harness, their models and how they were asked."""

import io
import os

import duckdb
import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.responses import runs
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.runs import Log, differing_settings, find_logs, is_log
from typer.testing import CliRunner

from refusal_metrics.errors import InputError

TASK = "persona_refusal_offensiveness"


def settings_of(logs, out, **asked):
    """Give the settings of a run whose results say this."""
    logs.write_run(out, "RA", asked=asked)
    (log,) = find_logs([out])
    return dict(log.settings)


# Which files are logs.


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("samples_persona_refusal_nli_2026-01-02T03-04-05.678901.jsonl", True),
        ("samples_persona_refusal_nli_2026-01-02T03-04-05.678901.jsonl.gz", True),
        ("samples_persona_refusal_nli_2026-01-02T03-04-05.678901.jsonl.zst", True),
        ("s3://bucket/m/samples_mmlu_2026-01-02T03-04-05.678901.jsonl", True),
        ("samples_mmlu.jsonl", False),
        ("results_2026-01-02T03-04-05.678901.json", False),
        ("samples_mmlu_2026-01-02T03-04-05.678901.jsonl.part", False),
    ],
)
def test_a_log_is_told_by_its_name(name, is_one):
    assert is_log(name) == is_one


def test_logs_are_listed_oldest_run_first_whatever_their_folders_are_called(logs, tmp_path):
    newer = logs.write_run(tmp_path / "a", "RA", date=logs.LATER)
    older = logs.write_run(tmp_path / "z", "RA", date=logs.DATE)
    assert [log.path for log in find_logs([tmp_path])] == [str(older), str(newer)]
    assert [log.run for log in find_logs([tmp_path])] == [
        f"acme__parrot-7b/{logs.DATE}",
        f"acme__parrot-7b/{logs.LATER}",
    ]


@pytest.mark.parametrize("pattern", ["*/", "one", "o*", "**/*.jsonl", "one/*/samples_*", "[o]ne"])
def test_a_pattern_finds_folders_and_logs_and_passes_over_the_rest(logs, tmp_path, pattern):
    log = logs.write_run(tmp_path / "one", "RA")
    (tmp_path / "one.txt").write_text("", encoding="utf-8")
    assert [found.path for found in find_logs([f"{tmp_path}/{pattern}"])] == [str(log)]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        find_logs([f"{tmp_path}/x*"])


def test_a_link_to_a_folder_above_does_not_lead_round(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA")
    for name in "abcd":
        (log.parent / name).symlink_to(tmp_path, target_is_directory=True)
    assert [found.path for found in find_logs([tmp_path])] == [str(log)]


# Addresses.


@pytest.mark.parametrize("given_as", ["folder", "folder/", "log", "pattern"])
def test_an_address_is_listed_by_duckdb_and_its_results_are_read(logs, tmp_path, given_as):
    log = logs.write_run(tmp_path, "RA", asked={"config": {"gen_kwargs": {"temperature": 0.5}}})
    places = {"folder": tmp_path, "folder/": f"{tmp_path}/", "log": log, "pattern": f"{tmp_path}/*/samples_*.jsonl"}
    (found,) = find_logs([f"file://{places[given_as]}"])
    assert (found.model, found.settings) == ("acme/parrot-7b", {"temperature": "0.5"})


def test_a_log_reached_by_its_path_and_by_its_address_is_one(logs, tmp_path):
    logs.write_run(tmp_path, "RA")
    assert len(find_logs([tmp_path, f"file://{tmp_path}"])) == 1


class _Store:
    """Stands for a database that reaches a remote store, or does not."""

    def __init__(self, files):
        self.files = files

    def execute(self, sql, parameters):
        if not self.files:
            raise duckdb.IOException("IO Error: HTTP 403\n\nLINE 1: SELECT file FROM glob($1)\n   ^")
        (self.asked,) = parameters
        if "read_text" in sql:
            raise duckdb.IOException("no results")
        return self

    def fetchall(self):
        return [(file,) for file in self.files]


def test_an_address_that_fails_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(runs.duckdb, "connect", lambda: _Store([]))
    with pytest.raises(InputError) as caught:
        find_logs(["s3://bucket/results"])
    assert str(caught.value) == (
        "s3://bucket/results: cannot be read (IO Error: HTTP 403); copy it to a folder here and give that"
    )


def test_addresses_keep_their_slashes_and_a_log_without_results_goes_by_its_folder(monkeypatch):
    name = "samples_mmlu_2026-01-02T03-04-05.678901.jsonl"
    store = _Store([f"s3://bucket/results/acme__parrot/{name}", "s3://bucket/results/acme__parrot/other.json"])
    monkeypatch.setattr(runs.duckdb, "connect", lambda: store)
    (log,) = find_logs(["s3://bucket/results/"])
    assert store.asked == "s3://bucket/results/acme__parrot/*_2026-01-02T03-04-05.678901.json"
    assert (log.path, log.model) == (f"s3://bucket/results/acme__parrot/{name}", "acme__parrot")
    assert log.run == "acme__parrot/2026-01-02T03-04-05.678901"


# Models.


def test_models_go_by_their_names_in_all_results_together(logs, tmp_path):
    given = {logs.DATE: "/x/parrot", logs.LATER: "/y/parrot", "2026-01-04T03-04-05.678901": "/y/parrot/"}
    for date, model in given.items():
        logs.write_run(tmp_path, "RA", model=model, date=date)
    assert [log.model for log in find_logs([tmp_path])] == ["x/parrot", "y/parrot", "y/parrot"]


# Settings.


@pytest.mark.parametrize(
    ("asked", "settings"),
    [
        ({}, {}),
        ({"configs": {TASK: {"generation_kwargs": {"until": [], "temperature": 0.0}}}}, {"temperature": "0"}),
        ({"configs": {"other": {"generation_kwargs": {"temperature": 0.7}}}}, {}),
        ({"config": {"gen_kwargs": {"temperature": 0.7, "stop": None}}}, {"temperature": "0.7"}),
        ({"config": {"gen_kwargs": "temperature=0.70, do_sample=true"}}, {"temperature": "0.7", "do_sample": "True"}),
        ({"config": {"model_args": {"pretrained": "m", "revision": "main", "dtype": "bf16"}}},
         {"revision": "main", "dtype": "bf16"}),
        ({"config": {"model_args": "pretrained=m,revision=main,dtype=bf16"}}, {"revision": "main", "dtype": "bf16"}),
        # A revision is a name, not a number.
        ({"config": {"model_args": "revision=00123"}}, {"revision": "00123"}),
        ({"system_instruction": "Be brief."}, {"system_prompt": "Be brief."}),
        ({"system_instruction": None, "chat_template_sha": "ab12"}, {"chat_template": "ab12"}),
        ({"repeat": 2, "placement": "system"}, {"repeat": "2", "placement": "system"}),
        ({"repeat": None, "placement": None}, {}),
        ({"repeat": [1], "placement": {"a": 1}}, {}),
    ],
)  # fmt: skip
def test_how_a_run_was_asked_is_read_from_its_results(logs, tmp_path, asked, settings):
    assert settings_of(logs, tmp_path, **asked) == settings


def test_the_command_lines_arguments_come_before_the_tasks(logs, tmp_path):
    asked = {"configs": logs.generation(TASK, temperature=0.0), "config": {"gen_kwargs": {"temperature": 1.0}}}
    assert settings_of(logs, tmp_path, **asked) == {"temperature": "1"}


@pytest.mark.parametrize(
    "name",
    ["api_key", "OPENAI_API_KEY", "token", "auth_token", "header", "password", "device", "batch_size", "base_url"],
)
def test_secrets_and_machinery_are_no_settings(logs, tmp_path, name):
    assert settings_of(logs, tmp_path, config={"model_args": {name: "x", "max_gen_toks": 5}}) == {"max_gen_toks": "5"}


@pytest.mark.parametrize(
    "asked",
    [
        {"config": [1], "configs": "x"},
        {"config": {"model_args": 3, "gen_kwargs": []}, "configs": {TASK: None}},
        {"configs": {TASK: {"generation_kwargs": "temperature"}}},
    ],
)
def test_results_of_another_form_say_nothing(logs, tmp_path, asked):
    assert settings_of(logs, tmp_path, **asked) == {}


def test_results_that_cannot_be_opened_say_nothing(logs, tmp_path):
    log = logs.write_log(tmp_path / "m", logs.samples("RA"))
    os.mkfifo(log.parent / "unused")
    (log.parent / f"results_{logs.DATE}.json").mkdir()
    assert [(found.model, found.settings) for found in find_logs([tmp_path])] == [("m", {})]


def test_the_repeats_of_a_study_distinguish_answers_to_one_prompt(logs, tmp_path):
    for repeat, (answers, date) in enumerate([("RRA", logs.DATE), ("RAA", logs.LATER)], start=1):
        logs.write_run(tmp_path, answers, date=date, asked={"repeat": repeat})
    printed = CliRunner().invoke(cli.app, ["rates", str(tmp_path), "--by", "model,repeat", "--format", "csv"])
    assert printed.exit_code == 0, printed.output
    table = pd.read_csv(io.StringIO(printed.stdout))
    assert table[["repeat", "n_refused", "n"]].to_numpy().tolist() == [[1, 2, 3], [2, 1, 3]]
    (note,) = load_responses([tmp_path]).notes[1:]
    assert "runs that differ in repeat were pooled" in note


def test_settings_differ_where_a_run_has_them_otherwise_or_not_at_all_and_unknown_ones_do_not():
    alike = {"dtype": "bf16", "temperature": "0"}
    logs = [Log("a", "1", "m", alike), Log("b", "2", "m", alike | {"top_p": "0.9", "temperature": "1"})]
    assert differing_settings(logs) == ("temperature", "top_p")
    assert differing_settings([logs[0], Log("c", "3", "m")]) == ()
    assert differing_settings([]) == ()
