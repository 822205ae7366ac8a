"""The sensitivity of studies in which some of it cannot be estimated, and what is said of that."""

import numpy as np
import pytest
from refusal_metrics.analysis import contracts

from refusal_metrics.errors import InputError

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def test_responses_without_a_level_are_left_out_and_said(make_counts, study, estimate, row_of):
    table = study()
    table.loc[table.index[:7], "persona"] = None
    found = estimate(make_counts(table))
    assert found.notes[0].startswith("7 responses without a level of persona")
    of = row_of(found.deviations, "persona", level="x")
    assert of.n == (table["persona"] == "x").sum()


def test_a_factor_without_any_level_is_said(make_counts, study, estimate, row_of):
    table = study().assign(stratum=None)
    found = estimate(make_counts(table))
    assert any("level of stratum" in note for note in found.notes) or "stratum" not in set(found.indices["factor"])
    assert row_of(found.indices, "persona").n_levels == 3


def test_a_factor_with_one_level_is_said(make_counts, study, estimate, row_of):
    found = estimate(make_counts(study(models="M", tasks="t").assign(template="p1", response_type="unforced")))
    assert [note.split(":")[0] for note in found.notes] == [
        f"{name} has one level, {level}"
        for name, level in (("model", "M"), ("task", "t"), ("template", "p1"), ("response_type", "unforced"))
    ]
    assert set(found.indices["factor"]) == {"persona", "persona_group", "stratum"}
    assert row_of(found.indices, "persona", "M", "t").iota == row_of(found.indices, "persona").iota


def test_a_study_in_which_nothing_varies_has_no_indices_and_no_error(make_counts, study, estimate):
    table = study(models="M", tasks="t").assign(template="p1", response_type="unforced", persona="x", persona_group="g")
    found = estimate(make_counts(table.assign(stratum="1")))
    assert found.indices.empty
    assert found.deviations.empty
    assert tuple(found.indices.columns) == (*contracts.SENSITIVITY.keys, *contracts.SENSITIVITY.estimates)


def test_models_that_refuse_nothing_or_everything_are_said_and_the_rest_computed(make_counts, study, estimate, row_of):
    found = estimate(make_counts(study(lambda model, **_: {"M": 0.0, "N": 1.0, "O": 0.4}[model], models="MNO")))
    assert found.notes == (
        "There is no refusal by M in t, u: no index can be estimated there.",
        "There is nothing but refusals by N in t, u: no index can be estimated there.",
    )
    for model in "MN":
        of = row_of(found.indices, "persona", model, "t")
        assert np.isnan([of.iota, of.ci_low, of.ci_high, of.null_mean, of.p_value, of.first_order, of.total]).all()
        level = row_of(found.deviations, "persona", model, "t", level="x")
        assert (level.estimate, level.deviation) == (0, 0)
        assert np.isnan([level.ci_low, level.ci_high, level.p_value]).all()
    assert np.isfinite(row_of(found.indices, "persona", "O", "u").p_value)
    assert row_of(found.indices, "model").p_value == 0.01


def test_a_study_without_refusals_has_rows_without_numbers(make_counts, study, estimate):
    found = estimate(make_counts(study(lambda **_: 0.0)))
    assert found.indices["iota"].isna().all()
    assert (found.deviations["n_refused"] == 0).all()


def test_one_text_gives_indices_without_intervals(make_counts, study, estimate, row_of):
    found = estimate(make_counts(study(n_texts=1, tasks="t")))
    assert any("one text" in note for note in found.notes)
    of = row_of(found.indices, "persona")
    assert np.isfinite([of.iota, of.null_mean, of.p_value]).all()
    assert np.isnan([of.ci_low, of.ci_high, of.iota_corrected, of.first_order]).all()


def test_one_text_in_a_task_leaves_the_other_task_its_intervals(make_counts, study, estimate, row_of):
    table = study(n_texts=20).query("task == 't' or text_id == '1'")
    found = estimate(make_counts(table)).indices
    assert np.isnan(row_of(found, "persona", "M", "u").ci_high)
    assert np.isfinite(row_of(found, "persona", "M", "t").ci_high)


def test_models_may_be_put_different_prompts(make_counts, study, estimate):
    table = study(is_asked=lambda model, text: model == "M" or text < 9 or (text == 9 and model == "N"))
    found = estimate(make_counts(table))
    assert found.notes == ()
    assert found.indices[["iota", "null_mean", "p_value", "ci_high"]].notna().all(axis=None)
    assert found.indices["iota"].between(0, 1).all()
    # With no effect anywhere few p-values are small.
    assert (found.indices["p_value"] <= 0.05).mean() < 0.2


def test_a_model_that_was_not_asked_a_task_has_no_rows_there(make_counts, study, estimate):
    table = study(is_asked=lambda model, text: model == "M" or text % 2)
    found = estimate(make_counts(table))
    assert set(zip(found.indices["model"], found.indices["task"], strict=True)) == {
        ("", ""), ("M", "t"), ("M", "u"), ("N", "u"),
    }  # fmt: skip


def test_one_language_needs_no_word(make_counts, study, estimate):
    found = estimate(make_counts(study().assign(language="en")))
    assert "language" not in set(found.indices["factor"])
    assert found.notes == ()


def test_an_unknown_factor_is_refused(make_counts, study, estimate):
    with pytest.raises(InputError, match="temprature"):
        estimate(make_counts(study()), run_factors=["temprature"])


def test_no_responses_are_refused(make_counts, study, estimate):
    with pytest.raises(InputError, match="no responses in the persona setting"):
        estimate(make_counts(study()).where(setting="neutral"))


@pytest.mark.parametrize("n_replicates", [1, 2])
def test_few_replicates_are_no_error(make_counts, n_replicates, study, estimate):
    found = estimate(make_counts(study(lambda **_: 0.01, n_texts=6)), n_replicates=n_replicates)
    assert set(found.indices["p_value"].dropna()) <= {1 / (1 + n_replicates), 2 / (1 + n_replicates), 1.0}
