"""How sure findings are."""

import pandas as pd
import pytest
from refusal_metrics.analysis.findings.sure import describe_sure
from refusal_metrics.analysis.labels import Validation


def validated(*models, n_matched=300):
    table = pd.DataFrame({"factor": ["", *["model"] * len(models)], "level": ["", *models]})
    return Validation(table, pd.DataFrame(), pd.DataFrame(), (), n_matched=n_matched)


def said(mde=(0.02, 0.03, 0.2), models=("a", "b"), validation=None, remarks=(), n_cautions=0):
    contrasts = pd.DataFrame({"mde_up": list(mde)}, dtype=float)
    return describe_sure(contrasts, "answer_aware", models, validation, remarks, n_cautions)


def test_it_is_the_median_minimum_detectable_effect_the_validation_and_the_cautions():
    assert said(n_cautions=2, remarks=["the labels are few"]) == (
        "How sure: the median minimum detectable increase is 3.0 pp in a single model and task (80% power); "
        "answer_aware was not validated on these models; the labels are few; the report lists 2 cautions."
    )


@pytest.mark.parametrize(
    ("mde", "text"),
    [
        ([None, None], "power could not be computed, because no prompt or every prompt was refused"),
        ([1.0, 1.0, 0.1, None], "in most single models and tasks, no difference is detectable"),
    ],
)
def test_no_power_is_claimed_where_there_is_none(mde, text):
    assert said(mde).startswith(f"How sure: {text}; ")


@pytest.mark.parametrize(
    ("validation", "text"),
    [
        (validated("a", "b"), "answer_aware was validated on these models with 300 labels"),
        (validated("a", "b", n_matched=None), "answer_aware was validated on these models with labels"),
        (validated("a", "b", n_matched=0), "answer_aware was not validated on these models"),
        (validated("b"), "answer_aware was validated with 300 labels, but not on a"),
        (validated(), "answer_aware was validated with 300 labels that do not name their models"),
    ],
)
def test_the_detector_is_validated_on_the_models_whose_responses_were_labelled(validation, text):
    assert said(validation=validation).endswith(f"; {text}.")
