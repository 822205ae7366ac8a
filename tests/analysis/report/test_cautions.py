"""What must be known before a number is quoted is said, and only where it holds."""

from dataclasses import replace

import pandas as pd
import pytest
from refusal_metrics.analysis.labels import Validation
from refusal_metrics.analysis.report.cautions import list_cautions
from refusal_metrics.analysis.report.study_tables import StudyEstimates
from refusal_metrics.analysis.responses import Origin
from refusal_metrics.analysis.responses.origin import RUNS


def study(
    *,
    n_texts=100,
    rule="answer_aware",
    n=200,
    regression=None,
    outcomes=None,
    settings=("persona",),
    baselines=("neutral",),
):
    rows = [("m", "nli", setting, rule, n, n_texts) for setting in settings]
    tables = {
        "rates": pd.DataFrame(rows, columns=["model", "task", "setting", "rule", "n", "n_texts"]),
        "contrasts": pd.DataFrame({"baseline": list(baselines)}),
    }
    tables |= {name: table for name, table in (("regression", regression), ("outcomes", outcomes)) if table is not None}
    return StudyEstimates(tables, rule, (rule,), {}, None)


def origin(designs=("d0",), **runs):
    made = pd.DataFrame(runs, columns=list(RUNS)) if runs else pd.DataFrame(columns=list(RUNS))
    of_designs = pd.DataFrame({"task": "nli", "setting": "persona", "design_id": list(designs)})
    return Origin(made, of_designs, pd.DataFrame(), None, None)


def labels(*models):
    table = pd.DataFrame({"factor": ["", *["model"] * len(models)], "level": ["", *models]})
    return Validation(table=table, confusion=pd.DataFrame(), gaps=pd.DataFrame(), notes=())


LABELLED = labels("m")


def cautions(estimates, where=None, notes=(), validation=LABELLED):
    known = replace(where or origin(), notes=tuple(notes))
    return [(c.place, c.text) for c in list_cautions(estimates, known, validation)]


def test_a_sound_study_asks_for_no_caution():
    assert cautions(study()) == []


def test_notes_of_what_was_left_out_come_first():
    assert cautions(study(), notes=["3 lines dropped."]) == [("rates", "3 lines dropped.")]


@pytest.mark.parametrize(("n_texts", "said"), [(29, 1), (30, 0)])
def test_few_texts_are_said(n_texts, said):
    found = [text for _, text in cautions(study(n_texts=n_texts))]
    assert len(found) == said
    assert all(text.startswith("Few texts: m, NLI (persona) are based on fewer than 30 texts") for text in found)


def test_models_of_which_different_numbers_of_prompts_are_there_are_not_of_the_same_prompts():
    estimates = study()
    other = estimates.tables["rates"].assign(model="b", n=100)
    estimates.tables["rates"] = pd.concat([estimates.tables["rates"], other], ignore_index=True)
    ((place, text),) = cautions(estimates, validation=labels("m", "b"))
    assert place == "rates"
    assert text.startswith("Models have different numbers of prompts in NLI (persona)")


@pytest.mark.parametrize(("n_other", "said"), [(20, 0), (21, 1)])
def test_much_babble_is_said(n_other, said):
    row = {"model": "m", "task": "nli", "setting": "persona", "n_answer": 100 - n_other, "n_refused": 0}
    outcomes = pd.DataFrame([row | {"n_other": n_other, "n_empty": 0, "n": 100}])
    found = cautions(study(outcomes=outcomes))
    assert len(found) == said
    assert all("More than 20% of the responses are neither" in text for _, text in found)


def test_a_missing_baseline_is_said_beside_the_differences():
    ((place, text),) = cautions(study(baselines=("others",)))
    assert place == "differences"
    assert text.startswith("No neutral task was run")


def test_a_study_without_personas_says_nothing_of_them():
    assert cautions(study(settings=("neutral",)))[0] == (
        "differences",
        "No persona task was run, so there are no results on personas.",
    )


def test_separated_levels_are_named_beside_the_regression():
    rows = [("(Intercept)", "", True), ("model", "a", True), ("model", "b", False)]
    regression = pd.DataFrame(rows, columns=["factor", "level", "separated"])
    ((place, text),) = cautions(study(regression=regression))
    assert place == "regression"
    assert text.startswith("Complete separation: model a never refuse")


def test_a_detector_that_was_not_validated_on_the_models_is_said():
    ((place, text),) = cautions(study(), validation=None)
    assert place == "detector"
    assert text.startswith("The detector's accuracy on this model is unknown. Label a")
    assert cautions(study(), validation=labels("other")) == [
        ("detector", "Not validated on m: the labels contain no responses of theirs.")
    ]
    assert cautions(study(), validation=labels()) == [("detector", "The labels do not name their models.")]


def test_another_rule_than_the_validated_one_is_said():
    ((_, text),) = cautions(study(rule="prefix"))
    assert text.startswith("Refusals come from prefix, not from the validated detector answer_aware")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (
            {"task": ["t", "t"], "lm_eval_version": ["0.4.12", "0.4.13"]},
            "lm-evaluation-harness are mixed (0.4.12, 0.4.13)",
        ),
        ({"task": ["t", "t"], "lm_eval_version": ["0.4.12", None]}, None),
        ({"task": ["t", "t"], "task_version": ["1.0", "2.0"]}, "versions of a task are mixed (1.0, 2.0)"),
        # Different tasks may have different versions.
        ({"task": ["t", "u"], "task_version": ["1.0", "2.0"]}, None),
    ],
)
def test_runs_of_different_versions_are_said(runs, said):
    found = cautions(study(), origin(**runs))
    assert [place for place, _ in found] == ["origin"] * (said is not None)
    assert said is None or said in found[0][1]


@pytest.mark.parametrize(
    ("designs", "said"),
    [
        ((None,), "The input has no design ID"),
        (("d0", None), "Some responses have no design ID"),
        (("d0", "d1"), "Several designs are pooled in 1 task."),
    ],
)
def test_what_is_not_known_of_designs_is_said(designs, said):
    ((place, text),) = cautions(study(), origin(designs))
    assert place == "origin"
    assert text.startswith(said)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (
            {"model": ["m", "m"], "rules": ["1", "2"]},
            "Runs of different versions of the detection rules are mixed (1, 2)",
        ),
        ({"model": ["m", "n"], "persona_refusal": ["0.1", "0.9"]}, "versions of persona-refusal are mixed (0.1, 0.9)"),
        (
            {"model": ["m", "m"], "model_sha": ["a", "b"]},
            "m was run with 2 weights (a, b): its rates describe more than one",
        ),
        ({"model": ["m", "m"], "model_dtype": ["float32", "bfloat16"]}, "2 data types (bfloat16, float32)"),
        # Models have weights of their own.
        ({"model": ["m", "n"], "model_sha": ["a", "b"]}, None),
        ({"model": ["m", "m"], "model_revision": ["a", None]}, None),
    ],
)
def test_other_rules_and_weights_within_a_study_are_said(runs, said):
    found = cautions(study(), origin(**{"task": ["t", "t"], **runs}))
    assert [place for place, _ in found] == ["origin"] * (said is not None)
    assert said is None or said in found[0][1]


def test_personas_that_differ_in_what_could_not_be_judged_are_a_caution():
    table = pd.DataFrame({"baseline": "others", "p_adjusted": [0.2], "persona": "man", "model": "m", "task": "nli"})
    table["estimate"], table["estimate_shrunken"], table["ci_low_named"], table["ci_high_named"] = 0.2, 0.1, 0.1, 0.3
    made = study()
    quiet, said = (
        replace(made, tables=made.tables | {"undetermined_contrasts": table.assign(p_adjusted=p)}) for p in (0.2, 0.01)
    )
    assert cautions(quiet) == []
    ((place, text),) = cautions(said)
    assert place == "differences"
    assert text.startswith("The share of truncated or unjudged responses differs significantly from the other personas")
