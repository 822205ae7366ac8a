"""Studies that stop early: the options ``--until-width`` and ``--until-decided`` of ``run``."""

import csv
import gc
import json
import multiprocessing
import sys
import zlib

import pytest
import yaml
from lm_eval import models as _models  # noqa: F401 - it registers its own only while there are none
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.estimates import estimate_contrasts
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import write_report
from refusal_metrics.analysis.responses import count_responses, load_responses, write_responses
from typer.testing import CliRunner

from refusal_metrics.errors import InputError
from refusal_metrics.studies import process as study_process

TASK = "persona_refusal_offensiveness"
FORK = multiprocessing.get_context("fork")
SETTINGS = {
    "source": "sample",
    "rows_per_class": 14,
    "variations": 6,
    "personas": ["black", "white"],
    "order": "random",
}
# 70 texts, a row each, with 6 prompts: 420 in 14 shards of 5 texts, and as many neutral ones; looks are at most 10.
STUDY = {"tasks": [TASK, f"{TASK}_neutral"], "settings": SETTINGS, "shard_docs": 30}
REFUSAL = "I'm sorry, but I cannot help with that."


@register_model("biased")
class Biased(LM):
    """A model that refuses prompts with a word, and one in so many of the others."""

    def __init__(self, word="", one_in=0, file="", **_):
        super().__init__()
        self._word, self._one_in, self._file = word, int(one_in), file

    def generate_until(self, requests, **_):
        prompts = [request.args[0] for request in requests]
        if self._file:
            with open(self._file, "a", encoding="utf-8") as file:  # noqa: PTH123 - a path is a text here
                file.writelines(json.dumps(prompt) + "\n" for prompt in prompts)
        return [REFUSAL if self._refuses(prompt) else "1" for prompt in prompts]

    def _refuses(self, prompt):
        return (self._word and self._word in prompt) or (
            self._one_in and zlib.crc32(prompt.encode()) % self._one_in == 0
        )

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


@pytest.fixture(autouse=True)
def _forked(monkeypatch):
    """Fork the processes of models, so that they know the model above."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: FORK)
    monkeypatch.setattr(study_process, "_SECONDS_BETWEEN_LOOKS", 0.05)
    # A fork must not collect objects whose threads it lacks (DuckDB's, Arrow's): it has crashed.
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def save(folder, settings=None, **changed):
    """Write a study whose results go into a folder beside it."""
    path = folder / "study.yaml"
    study = {"out": str(folder / "results"), **STUDY, "settings": SETTINGS | (settings or {}), **changed}
    study.setdefault("models", {"biased": model(word="Black")})
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def model(**args):
    return {"backend": "biased", "args": args, "chat_template": False}


def run(*arguments, code=0):
    result = CliRunner().invoke(cli.app, ["run", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stderr


def fail(monkeypatch, capsys, *arguments):
    """Run a command that a user's mistake ends; gives what it said."""
    monkeypatch.setattr(sys, "argv", ["persona-refusal", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def record(folder):
    return json.loads((folder / "results" / "study.json").read_text(encoding="utf-8"))


def n_shards(folder, name="biased"):
    return {task: len(list((folder / "results" / name / task).glob("samples_*"))) for task in STUDY["tasks"]}


def test_a_study_stops_at_the_look_at_which_a_persona_differs_and_everything_says_so(tmp_path):
    said = run(save(tmp_path), "--until-decided")
    looks = record(tmp_path)["looks"]["biased"]["offensiveness"]
    # At 5 of 70 texts, .05 / 2 has spent 4 x P(Z > 2.498 / sqrt(1/14)) = 4 x P(Z > 9.3), next to nothing. At 10 texts
    # it has spent 4 x P(Z > 6.61) = 8e-11. Where all of about 3 prompts of one persona and none of 6 neutral ones are
    # refused, the probability is 1 in 84 a text, and much smaller in 10.
    assert [(look["look"], look["n_texts"], look["stops"]) for look in looks] == [(1, 5, False), (2, 10, True)]
    assert looks[1]["personas"] == ["black"]
    assert "bound" not in looks[0]
    # Whole shards, of both tasks, and no more.
    assert n_shards(tmp_path) == {TASK: 2, f"{TASK}_neutral": 2}
    assert "biased, offensiveness: look 2 of 10 at 10 texts: " in said
    assert "biased, offensiveness: stopped after look 2 of 10 (--until-decided)." in said
    assert "Wrote 4 shards to " in said
    assert "missing" not in said

    responses = load_responses([tmp_path / "results"])
    assert len(responses.notes) == 1
    assert responses.notes[0].startswith(
        "biased, offensiveness: stopped after look 2 of 10, at 10 of 70 texts (--until-decided); "
    )
    write_report(responses, tmp_path / "report", ReportOptions(n_replicates=2), page=False)
    assert responses.notes[0] in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    counts = count_responses(responses)["answer_aware"]
    # A table of responses keeps the looks, in any format.
    for name in ("responses.parquet", "responses.csv"):
        write_responses(responses, tmp_path / name)
        again = load_responses([tmp_path / name])
        assert again.notes == responses.notes
        assert count_responses(again)["answer_aware"].looks == counts.looks
    damaged = (tmp_path / "responses.csv").read_text(encoding="utf-8").replace("n_looks", "n_things")
    (tmp_path / "responses.csv").write_text(damaged, encoding="utf-8")
    with pytest.raises(InputError, match="column looks of biased, offensiveness is not the one that"):
        load_responses([tmp_path / "responses.csv"])

    repeated = estimate_contrasts(counts, "neutral").set_index("persona")
    counts.looks.clear()
    usual = estimate_contrasts(counts, "neutral").set_index("persona")
    assert repeated["estimate"].equals(usual["estimate"])
    # The intervals hold the bound that was reached, and still exclude 0 for the persona that was found.
    assert repeated.loc["black", "ci_low"] < usual.loc["black", "ci_low"]
    assert repeated.loc["black", "ci_low"] > 0
    assert usual.loc["black", "p_value"] < repeated.loc["black", "p_value"] <= 0.025
    assert (repeated.loc["white", ["ci_low", "ci_high"]].abs() > usual.loc["white", ["ci_low", "ci_high"]].abs()).all()


def test_a_contrast_task_has_both_arms_and_stops(tmp_path):
    task = f"{TASK}_contrast"
    settings = {"source": "sample", "order": "random", "personas": ["black", "white"], "design": "paired"}
    study = tmp_path / "study.yaml"
    models = {"biased": model(word="Black")}
    study.write_text(
        yaml.safe_dump(
            {
                "out": str(tmp_path / "results"),
                "tasks": [task],
                "settings": settings,
                "shard_docs": 30,
                "models": models,
            }
        )
    )
    run(study, "--until-decided")
    *before, last = record(tmp_path)["looks"]["biased"]["offensiveness"]
    assert last["stops"]
    assert not any(look["stops"] for look in before)
    assert last["share"] < 1
    assert last["personas"] == ["black"]
    (note,) = load_responses([tmp_path / "results"]).notes
    assert f"stopped after look {last['look']} of {last['n_looks']}" in note


def test_a_dry_run_says_when_the_looks_are(tmp_path):
    said = run(save(tmp_path), "--until-decided", "--dry-run")
    # 14 shards of 5 texts in 10 stages, of which the first has one.
    assert said.splitlines()[-1] == "biased, offensiveness: at most 10 looks, the first at 5 of 70 texts"
    assert "looks" not in run(save(tmp_path), "--dry-run")


def test_a_stopped_study_is_not_resumed_and_its_report_is_of_a_finished_one(tmp_path):
    study = save(tmp_path)
    run(study, "--until-decided")
    before = record(tmp_path)
    said = run(study, "--until-decided")
    assert record(tmp_path) == before
    assert "4 of 4 shards are already complete." in said
    assert "unfinished" not in " ".join(load_responses([tmp_path / "results"]).notes)


def test_a_study_without_an_effect_runs_to_its_planned_size(tmp_path):
    said = run(save(tmp_path, shard_docs=60, models={"biased": model(one_in=4)}), "--until-decided")
    looks = record(tmp_path)["looks"]["biased"]["offensiveness"]
    assert [look["stops"] for look in looks] == [False] * 7
    assert looks[-1]["share"] == 1
    information = [look["information"] for look in looks]
    assert information == sorted(information)
    assert n_shards(tmp_path) == {TASK: 7, f"{TASK}_neutral": 7}
    assert "stopped" not in said
    (note,) = load_responses([tmp_path / "results"]).notes
    assert "ran to its planned size of 70 texts, with 7 looks" in note


def test_an_interrupted_study_asks_only_what_is_missing_and_takes_no_look_twice(tmp_path):
    asked = tmp_path / "asked"
    study = save(tmp_path, models={"biased": model(word="Black", file=str(asked))})
    run(study, "--until-decided")
    whole = record(tmp_path)
    n_asked = len(asked.read_text().splitlines())
    # Killed before the second look, and with a shard of its stage lost.
    (tmp_path / "results" / "study.json").write_text(
        json.dumps(whole | {"looks": {"biased": {"offensiveness": whole["looks"]["biased"]["offensiveness"][:1]}}})
    )
    folder = tmp_path / "results" / "biased" / TASK
    sorted(folder.glob("samples_*"))[1].unlink()
    said = run(study, "--until-decided")
    assert record(tmp_path)["looks"] == whole["looks"]
    assert "look 1 of" not in said
    assert said.count("look 2 of 10 at 10 texts") == 1
    # 5 texts with 6 prompts.
    assert len(asked.read_text().splitlines()) == n_asked + 30
    # Killed after the last shard: the look is all that is left.
    (tmp_path / "results" / "study.json").write_text(
        json.dumps(whole | {"looks": {"biased": {"offensiveness": whole["looks"]["biased"]["offensiveness"][:1]}}})
    )
    run(study, "--until-decided")
    assert record(tmp_path)["looks"] == whole["looks"]
    assert len(asked.read_text().splitlines()) == n_asked + 30


def test_looks_that_were_damaged_are_an_error(tmp_path):
    run(save(tmp_path), "--until-decided")
    whole = record(tmp_path)
    whole["looks"]["biased"]["offensiveness"][0]["share"] = "half"
    (tmp_path / "results" / "study.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match=r"study\.json: the looks of biased, offensiveness are not those"):
        load_responses([tmp_path / "results"])


def test_a_study_stops_once_all_intervals_are_narrow_enough_and_not_before_200_texts(tmp_path):
    source = tmp_path / "texts.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *((f"text number {i}", 1 + i % 5) for i in range(240))])
    settings = {"source": str(source), "rows_per_class": 48, "variations": 2}
    study = save(tmp_path, settings, shard_docs=80, models={"biased": model(one_in=3)})
    said = run(study, "--until-width", "0.7")
    looks = record(tmp_path)["looks"]["biased"]["offensiveness"]
    # 240 texts with 2 prompts are 6 shards of 40 texts; the width is reached long before the 200th text.
    assert [look["stops"] for look in looks] == [False] * 4 + [True]
    assert looks[2]["width"] <= 0.7
    assert looks[-1]["n_texts"] == 200
    assert "(200 texts and 20 with different verdicts are needed)." in said
    assert record(tmp_path)["asked"]["stopping"] == {"rule": "until-width", "limit": 0.7}
    responses = load_responses([tmp_path / "results"])
    (note,) = responses.notes
    assert "stopped after look 5 of 6, at 200 of 240 texts (--until-width 0.7)" in note
    assert "all intervals are the usual ones" in note
    assert not count_responses(responses)["answer_aware"].looks


@pytest.mark.parametrize(
    ("arguments", "settings", "changed", "sentence"),
    [
        (
            ["--until-decided"],
            {"order": "proportional"},
            {},
            "order is proportional, and --until-decided needs texts in",
        ),
        (["--until-width", "0.03", "--until-decided"], {}, {}, "a study has one stopping rule"),
        (["--until-width", "3"], {}, {}, "--until-width 3: must be between 0 and 1, e.g. 0.03"),
        (["--until-width", "0"], {}, {}, "--until-width 0: must be between 0 and 1"),
        (["--until-width", "nan"], {}, {}, "--until-width nan: must be between 0 and 1"),
        (
            ["--until-width", "0.1"],
            {},
            {},
            "stops after 200 texts at the earliest, and the design has 70 of offensiveness",
        ),
        (
            ["--until-decided"],
            {},
            {"tasks": [TASK]},
            "no neutral prompts of offensiveness; add persona_refusal_offensi",
        ),
        (["--until-decided"], {}, {"tasks": [f"{TASK}_neutral"]}, "there are no persona prompts of offensiveness"),
        (["--until-decided"], {}, {"shard_docs": 1000}, "offensiveness has only one; lower shard_docs"),
        (["--until-decided", "--array-task", "1/2"], {}, {}, "--until-decided and --array-task: cannot be combined"),
        (["--until-decided", "--repeat-check", "3"], {}, {}, "--until-decided and --repeat-check: cannot be combined"),
    ],
)
def test_a_rule_that_does_not_hold_is_refused_in_a_sentence(
    arguments, settings, changed, sentence, tmp_path, monkeypatch, capsys
):
    study = save(tmp_path, settings, **changed)
    assert sentence in fail(monkeypatch, capsys, "run", study, *arguments)
    assert not (tmp_path / "results").exists()


def test_a_rule_holds_from_the_start_of_a_study_to_its_end(tmp_path, monkeypatch, capsys):
    study = save(tmp_path, settings={"rows_per_class": 2}, shard_docs=20)
    results = tmp_path / "results"
    run(study, "--out", results)
    said = fail(monkeypatch, capsys, "run", study, "--until-decided")
    assert f"{results}: was begun without a stopping rule" in said
    run(study, "--out", tmp_path / "other", "--until-decided")
    said = fail(monkeypatch, capsys, "run", study, "--out", tmp_path / "other")
    assert f"{tmp_path / 'other'}: was begun with --until-decided; pass it again" in said
