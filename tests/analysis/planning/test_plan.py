"""A plan as a whole: its tables, its cost and its study file."""

import re

import pytest
import yaml
from refusal_metrics.analysis.contracts import PLAN, POWER_CURVE
from refusal_metrics.analysis.planning import (
    Goal,
    Size,
    Truth,
    assume_rate,
    make_plan,
    name_models,
    name_tasks,
    read_study,
)
from refusal_metrics.analysis.planning.study_block import find_kinds, name_contrast_tasks, write_block

from refusal_metrics.errors import InputError
from refusal_metrics.studies import load_study, plan_study

SETTINGS = {"source": "sample", "personas": ["black", "white"]}
TASK = "persona_refusal_offensiveness"


def study(**changes):
    return {
        "out": "results/planned",
        "tasks": name_tasks([TASK]),
        "settings": SETTINGS,
        "models": name_models(["my/model"], "vllm"),
    } | changes


def goal(difference=0.4, **changes):
    return Goal(difference, **({"n_studies": 100} | changes))


@pytest.fixture(scope="module")
def planned():
    return make_plan(goal(0.25), study(), assume_rate(0.2))


def test_the_study_file_is_one_that_a_run_takes(planned, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(planned.study_file)
    loaded = load_study(file)
    assert dict(loaded.settings) == planned.settings
    assert loaded.tasks == (TASK, f"{TASK}_neutral")
    assert [(m.name, m.backend, dict(m.args)) for m in loaded.models] == [("model", "vllm", {"pretrained": "my/model"})]
    # It asks as many prompts as the plan says.
    counts = plan_study(loaded).n_docs
    assert counts == {TASK: planned.table["n_persona"].item(), f"{TASK}_neutral": planned.table["n_neutral"].item()}
    assert planned.n_prompts == sum(counts.values())


@pytest.mark.parametrize("design", ["anchored", "paired", "factorial"])
def test_a_contrast_task_is_planned_with_its_own_settings(design, tmp_path):
    asked = study(tasks=name_tasks([f"{TASK}_contrast"]), settings=SETTINGS | {"design": design, "variations": 9})
    made = make_plan(goal(0.8, n_studies=40), asked, assume_rate(0.1))
    file = tmp_path / "study.yaml"
    file.write_text(made.study_file)
    loaded = load_study(file)
    assert dict(loaded.settings) == made.settings
    # Both personas are in each block, and 2 / sqrt(2), so 2, neutral phrases.
    assert made.settings | {"rows_per_class": 0} == SETTINGS | {
        "rows_per_class": 0,
        "design": design,
        "variations": 2,
        "neutral_variations": 2,
    }
    # A run of the file asks as many prompts as the plan says.
    assert plan_study(loaded).n_docs == {f"{TASK}_contrast": made.n_prompts}
    row = made.table.iloc[0]
    assert (
        made.n_prompts
        == row["n_persona"] + row["n_neutral"]
        == row["n_texts"] * 4 * (3 if design == "factorial" else 1)
    )


def test_the_lines_of_a_study_file_fit_a_terminal(planned):
    many = study(
        settings=SETTINGS | {"personas": ["black", "white", "asian", "atheist", "christian", "muslim", "jewish"]}
    )
    for written in (planned.study_file, write_block(many, Size(1000, 10, 3), "balanced")):
        assert max(map(len, written.splitlines())) <= 80
    assert yaml.safe_load(written)["settings"]["personas"] == many["settings"]["personas"]


def test_contrast_tasks_are_named_if_they_need_fewer_prompts():
    # The balanced study has 30 prompts a row, as a user asked; the formula counts the prompts of the other design.
    asked = study(settings=SETTINGS | {"neutral_variations": 20})
    made = make_plan(goal(0.3), asked, assume_rate(0.2))
    (said,) = [note for note in made.notes if note.startswith("Contrast tasks need fewer prompts")]
    assert said.endswith(f"--tasks {TASK}_contrast.")
    needed, given = (int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", said))
    assert given == made.n_prompts
    assert needed < 0.95 * given


def test_other_keys_of_a_study_are_kept(tmp_path):
    given = study(tasks=[TASK, f"{TASK}_neutral", f"{TASK}_persona_free"], generation={"max_gen_toks": 64})
    made = make_plan(goal(), given, assume_rate(0.2))
    written = yaml.safe_load(made.study_file)
    assert written["generation"] == {"max_gen_toks": 64}
    assert written["tasks"] == given["tasks"]
    assert f"Not counted: {TASK}_persona_free." in made.notes
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(study(tasks=f"{TASK}_neutral")))
    assert read_study(file)["tasks"] == [f"{TASK}_neutral"]


def test_the_tables_have_their_columns(planned):
    assert tuple(planned.table.columns) == (*PLAN.keys, *PLAN.estimates)
    assert tuple(planned.curve.columns) == (*POWER_CURVE.keys, *POWER_CURVE.estimates)
    # The power rises with the difference, and the curve contains the wanted one.
    assert planned.curve["difference"].is_monotonic_increasing
    assert planned.curve["power"].iloc[-1] > planned.curve["power"].iloc[0]
    wanted = planned.curve.loc[planned.curve["difference"] == 0.25, "power"].item()
    assert wanted == planned.table["power"].item()


def test_hours_are_from_the_speed_of_each_model():
    models = name_models(["a", "b"], "hf")
    made = make_plan(goal(prompts_per_second=0.5), study(models=models), assume_rate(0.2), speeds={"a": 2.0})
    # Each prompt takes 1 / 2 s for one model and 1 / .5 s for the other.
    assert made.hours == pytest.approx(made.n_prompts / 2 * 2.5 / 3600)
    unknown = make_plan(goal(), study(models=models), assume_rate(0.2), speeds={"a": 2.0})
    assert unknown.hours is None
    assert any("the time is unknown" in note for note in unknown.notes)


def test_a_budget_in_hours_is_one_in_prompts():
    # One model at 100 prompts a second: .002 hours are 720 prompts.
    hours = make_plan(goal(None, max_hours=0.002, prompts_per_second=100), study(), assume_rate(0.2))
    prompts = make_plan(goal(None, max_prompts=720), study(), assume_rate(0.2))
    assert hours.settings == prompts.settings
    assert hours.n_prompts <= 720
    with pytest.raises(InputError, match="a budget in hours needs the speed of every model"):
        make_plan(goal(max_hours=1), study(), assume_rate(0.2))


def test_each_task_has_its_own_assumptions():
    tasks = name_tasks(["persona_refusal_politeness", TASK])
    truths = {"politeness": Truth(0.1), "offensiveness": Truth(0.3)}
    made = make_plan(goal(0.5), study(tasks=tasks), truths)
    assert made.table["rate"].tolist() == [0.1, 0.3]
    assert made.table["task"].tolist() == ["politeness", "offensiveness"]
    with pytest.raises(InputError, match="the pilot has no responses of politeness"):
        make_plan(goal(), study(tasks=tasks), {"offensiveness": Truth(0.3)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"difference": 5}, "difference: found 5; give a number between 0 and 1, e.g. 0.05 for 5 points"),
        ({"difference": -0.1}, "for a decrease, set the direction"),
        ({"difference": float("nan")}, "difference: found nan"),
        ({"difference": None}, "give a difference to detect, or a budget"),
        ({"direction": "down"}, "direction: found 'down'; give increase or decrease"),
        ({"power": 80}, "power: found 80"),
        ({"alpha": 0}, "alpha: found 0"),
        ({"max_prompts": 0}, "max_prompts: found 0"),
        ({"prompts_per_second": -1}, "prompts_per_second: found -1; give a number between 0 and infinity"),
    ],
)
def test_impossible_goals_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        goal(**({"difference": 0.1} | changes)).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": [TASK]}, "lacks its baseline; add persona_refusal_offensiveness_neutral"),
        ({"tasks": [f"{TASK}_neutral"]}, "a plan needs one"),
        ({"repeats": 3}, "a plan is for one response to each prompt"),
        ({"settings": SETTINGS | {"design": "iid"}}, "unknown design to plan 'iid'"),
        ({"settings": SETTINGS | {"design": "paired"}}, "is a design of persona_refusal_offensiveness_contrast"),
        ({"tasks": [f"{TASK}_contrast", f"{TASK}_neutral", TASK]}, "cannot be analysed together"),
        ({"settings": SETTINGS | {"personas": ["nobody"]}}, "unknown persona or group 'nobody'"),
    ],
)
def test_studies_that_cannot_be_planned_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make_plan(goal(), study(**changes), assume_rate(0.2))


def test_names_of_tasks_and_models():
    assert find_kinds(["persona_refusal_nli", "persona_refusal_neutral"]) == (["nli"], "persona")
    assert find_kinds(["persona_refusal_contrast"]) == (["nli", "politeness", "offensiveness"], "contrast")
    assert name_tasks([f"{TASK}_contrast"]) == [f"{TASK}_contrast"]
    assert name_contrast_tasks(["nli", "politeness", "offensiveness"]) == "persona_refusal_contrast"
    assert name_contrast_tasks(["nli"]) == "persona_refusal_nli_contrast"
    with pytest.raises(InputError, match="unknown task to plan 'mmlu'"):
        name_tasks(["mmlu"])
    with pytest.raises(InputError, match="unknown backend 'openai'"):
        name_models(["a"], "openai")
    with pytest.raises(InputError, match="is a name twice"):
        name_models(["one/model", "two/model"], "hf")
