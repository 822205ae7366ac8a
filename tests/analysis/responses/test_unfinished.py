"""A study or run that did not ask all of its prompts is said to be one."""

import json
import shutil

import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses

NLI, OFFENSIVENESS, NEUTRAL = "persona_refusal_nli", "persona_refusal_offensiveness", "persona_refusal_nli_neutral"


@pytest.fixture
def study(logs, tmp_path):
    """Write a study of some models and tasks: {(model, task): answers}; n_docs is what the record says."""

    def write(written, n_docs, *, models=("m1", "m2"), repeats=1, folder="study", designs=None):
        out = tmp_path / folder
        out.mkdir()
        for (model, task, *repeat), answers in written.items():
            kind = "nli" if "nli" in task else "offensiveness"
            setting = "neutral" if task.endswith("neutral") else "persona"
            lines = logs.samples(answers, kind=kind, setting=setting)
            place = out / model / task
            date = f"2026-01-02T03-04-05.{len(list(place.glob('*.jsonl'))) + 1:06}"
            logs.write_log(place, lines, task=task, date=date)
            told = {"n-samples": {task: {"original": len(lines), "effective": len(lines)}}}
            told |= {"repeat": repeat[0]} if repeat else {}
            logs.write_results(place, model, date=date, **told)
        own = {task: f"d0-{'nli' if 'nli' in task else 'offensiveness'}-" for task in n_docs}
        own = {task: design + ("neutral" if task.endswith("neutral") else "persona") for task, design in own.items()}
        asked = {"repeats": repeats, "models": {model: {} for model in models}, "designs": designs or own}
        record = {
            "began": "2026-01-02T03-04-05",
            "asked": asked,
            "tasks": {t: {"n_docs": n} for t, n in n_docs.items()},
        }
        (out / "study.json").write_text(json.dumps(record), encoding="utf-8")
        return out

    return write


def said(*given, **read):
    notes = load_responses(given, **read).notes
    return [note for note in notes if "unfinished" in note or "--limit" in note or "study.json" in note]


WHOLE = {(model, task): "RA AA" for model in ("m1", "m2") for task in (NLI, OFFENSIVENESS)}
SIZES = {NLI: 4, OFFENSIVENESS: 4}


def test_a_finished_study_is_not_spoken_of(study):
    assert said(study(WHOLE, SIZES)) == []


@pytest.mark.parametrize(
    ("written", "sizes", "lacking"),
    [
        (
            {("m1", NLI): "RA AA"},
            {NLI: 8},
            "_nli: 4 of 8 prompts; m2, persona_refusal_nli: 0 of 8 prompts.",
        ),
        (
            WHOLE,
            {NLI: 4, OFFENSIVENESS: 6},
            "m1, persona_refusal_offensiveness: 4 of 6 prompts; m2",
        ),
        ({**WHOLE, ("m2", NLI): "R"}, SIZES, "m2, persona_refusal_nli: 1 of 4 prompts. Resume"),
        ({k: v for k, v in WHOLE.items() if k[0] == "m1"}, SIZES, "m2: 0 of 8 prompts of 2 tasks. Resume"),
        (
            {k: v for k, v in WHOLE.items() if k[1] == NLI},
            SIZES,
            "persona_refusal_offensiveness: 0 of 4 prompts; m2",
        ),
        (WHOLE, {**SIZES, NEUTRAL: 4}, "m1, persona_refusal_nli_neutral: 0 of 4 prompts; m2"),
        ({**WHOLE, ("m1", NEUTRAL): "RA"}, {**SIZES, NEUTRAL: 2}, "m2, persona_refusal_nli_neutral: 0 of 2 prompts. "),
        (WHOLE, {NLI: 4_000, OFFENSIVENESS: 4}, "m1, persona_refusal_nli: 4 of 4,000 prompts; m2"),
    ],
)
def test_what_a_study_lacks_is_said(study, written, sizes, lacking):
    (note,) = said(study(written, sizes))
    assert note.startswith("The study is unfinished: ")
    assert lacking in note


def test_only_what_was_given_is_looked_at(study):
    out = study({("m1", NLI): "RA AA", ("m2", NLI): "R"}, SIZES)
    assert "m2" not in said(out / "m1")[0]
    assert said(out / "m1" / NLI) == []
    assert "1 of 4" in said(out / "m2" / NLI)[0]
    (log,) = (out / "m2" / NLI).glob("*.jsonl")
    assert "1 of 4" in said(log)[0]
    assert "m1, persona_refusal_offensiveness: 0 of 4" in said(out.parent)[0]


def test_prompts_count_once_however_often_their_logs_are_there(study):
    out = study({("m1", NLI): "RA AA"}, {NLI: 8}, models=["m1"])
    (log,) = (out / "m1" / NLI).glob("*.jsonl")
    for file in (log, log.with_name(f"results_{log.stem.rpartition('_')[2]}.json")):
        shutil.copy(file, file.with_name(file.name.replace(".000001", ".000009")))
    assert "m1, persona_refusal_nli: 4 of 8 prompts" in said(out)[0]


def test_of_repeats_each_is_wanted(study):
    written = {("m1", NLI, 1): "RA AA"}
    out = study(written, {NLI: 4}, models=["m1"], repeats=3)
    (note,) = said(out)
    assert "unfinished in 3 repeats: m1, persona_refusal_nli: 4 of 12 prompts" in note


def test_an_unfinished_and_a_finished_study_are_distinguished(study):
    one = study(WHOLE, SIZES, folder="one")
    two = study({("m3", NLI): "RA"}, {NLI: 4}, models=["m3"], folder="two")
    (note,) = said(one, two)
    assert "m3, persona_refusal_nli: 2 of 4 prompts" in note


@pytest.mark.parametrize("text", ["", "{", "[]", '{"began": "x"}', '{"asked": [], "tasks": 3}', "[" * 100_000])
def test_a_record_that_says_nothing_is_said_to(study, text):
    out = study(WHOLE, SIZES)
    (out / "study.json").write_text(text, encoding="utf-8")
    (note,) = said(out)
    assert note.endswith("does not list the prompts of the study, so whether it is finished is unknown.")


@pytest.mark.parametrize("told", [None, "many", {"n_docs": None}, {"n_docs": "4"}, {}, []])
def test_a_task_of_unknown_size_is_passed_over(study, told):
    out = study(WHOLE, SIZES)
    record = json.loads((out / "study.json").read_text(encoding="utf-8"))
    record["tasks"][NLI] = told
    (out / "study.json").write_text(json.dumps(record), encoding="utf-8")
    assert said(out) == []


# The harness's own runs.


def test_a_run_with_a_limit_is_said_to_have_one_and_not_to_be_unfinished(logs, tmp_path):
    sizes = {NLI: {"original": 200, "effective": 4}, "mmlu": {"original": 9, "effective": 4}}
    logs.write_run(tmp_path, "RA AA", kind="nli", asked={"config": {"limit": 4.0}, "n-samples": sizes})
    assert said(tmp_path) == ["acme/parrot-7b, persona_refusal_nli: 4 of 200 prompts asked (--limit)."]


@pytest.mark.parametrize("config", [{}, {"limit": None}, {"limit": 200}, [], "limit"])
def test_a_run_without_one_is_not_spoken_of(logs, tmp_path, config):
    sizes = {NLI: {"original": 4, "effective": 4}}
    logs.write_run(tmp_path, "RA AA", kind="nli", asked={"config": config, "n-samples": sizes})
    assert said(tmp_path) == []
