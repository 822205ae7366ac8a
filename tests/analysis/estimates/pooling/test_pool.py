"""Pooled persona effects: by hand, against the analysis of variance, and what is left out."""

import re

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.contracts import POOLED, POOLED_MODELS, POOLED_SPREAD
from refusal_metrics.analysis.estimates import count_for_hibayes, estimate_contrasts, estimate_pool, look_up_families
from refusal_metrics.analysis.estimates.pooling.effects import Effects
from refusal_metrics.analysis.estimates.pooling.mixture import Mixture, interval
from scipy import stats

from refusal_metrics.errors import InputError

MODELS = ["Llama2-7B", "Llama3-8B", "Qwen2-7B", "Gemma-2B"]


def effects_of(estimates, variance, *, neutral_rate=0.2):
    """Return (n_models, n_personas) independent effects with one variance."""
    estimates = np.asarray(estimates, dtype=float)
    n_models, n_personas = estimates.shape
    n = estimates.size
    # Each effect rests on two texts of its own with opposite scores: G / (G - 1) 2 z^2 is the variance.
    scores = np.kron(np.eye(n), [[1], [-1]]) * np.sqrt(variance / 2 * (2 * n - 1) / (2 * n))
    table = pd.DataFrame({
        "model": np.repeat([f"m{i}" for i in range(n_models)], n_personas),
        "persona": np.tile([f"p{i}" for i in range(n_personas)], n_models),
        "estimate": estimates.ravel(),
        **dict.fromkeys(("n", "n_refused", "n_baseline", "n_refused_baseline"), 10),
    })  # fmt: skip
    neutral = np.full((n, 1), np.log(neutral_rate / (1 - neutral_rate)))
    return Effects(table, scores, np.zeros(n), np.full(n, variance), neutral, ("nli",))


@pytest.fixture(scope="module")
def counts(draw_responses, make_counts):
    return make_counts(draw_responses(MODELS, (0.0, 0.0, 2.0, 0.0)))


# Statistics.


def test_the_mean_over_the_models_studied_has_the_error_of_the_responses_alone():
    # Models differ widely, and the mean of 4 effects with the variance .04 has the variance .01.
    mixture = Mixture(effects_of([[2.0], [-1.0], [0.5], [0.9]], 0.04), {})
    estimate, variance, freedom = mixture.effects.mean(np.full((1, 4), 0.25))
    assert estimate == pytest.approx([0.6])
    assert variance == pytest.approx([0.01])
    assert freedom == pytest.approx([7])


def test_for_models_like_these_equal_errors_give_the_t_interval_of_the_models():
    # With equal errors the restricted likelihood makes tau^2 + v the sample variance, and Knapp and Hartung's interval
    # that of a sample of models, whatever the errors: mean 0.6, SD s, 4 models, 3 degrees of freedom.
    values = np.array([2.0, -1.0, 0.5, 0.9])
    mixture = Mixture(effects_of(values[:, None], 0.04), {})
    means, ses, freedom = mixture.means()
    assert means == pytest.approx([0.6], abs=1e-6)
    assert ses == pytest.approx([values.std(ddof=1) / 2], rel=1e-4)
    assert freedom == 3
    low, high = interval(means, ses, freedom)
    assert (low[0], high[0]) == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(), rel=1e-4)
    # A new model differs from the mean by tau as well: variance s^2 / 4 + s^2 - .04, one degree of freedom fewer.
    _, sds, freedom = mixture.predictions()
    assert sds == pytest.approx([np.sqrt(values.var(ddof=1) * 1.25 - 0.04)], rel=1e-4)
    assert freedom == 2


def test_the_components_of_a_balanced_table_are_those_of_the_analysis_of_variance():
    rng = np.random.default_rng(6)
    table = rng.normal(0, 1, (1, 5)) + rng.normal(0, 0.7, (6, 1)) + rng.normal(0, 0.4, (6, 5))
    by_model, by_persona = table.mean(axis=1), table.mean(axis=0)
    residual = np.sum((table - by_model[:, None] - by_persona + table.mean()) ** 2) / 20
    expected = [np.var(by_persona, ddof=1) - residual / 6, np.var(by_model, ddof=1) - residual / 5, residual - 0.01]
    assert min(expected) > 0
    spread = Mixture(effects_of(table, 0.01), {}).spread()
    assert spread["component"].tolist() == ["persona", "model", "persona:model"]
    assert spread["estimate"].to_numpy() ** 2 == pytest.approx(expected, rel=1e-3)
    assert spread["n_levels"].tolist() == [5, 6, 30]
    assert (spread["ci_low"] < spread["estimate"]).all()
    assert (spread["estimate"] < spread["ci_high"]).all()


def test_models_of_one_family_count_as_one():
    # Two families of models that agree within the family: the mean has one degree of freedom.
    values = np.array([1.0, 1.0, 1.0, 3.0, 3.0, 3.0])
    families = {f"m{i}": "ab"[i // 3] for i in range(6)}
    alone, together = (Mixture(effects_of(values[:, None], 0.01), known) for known in ({}, families))
    assert alone.means()[2] == 5
    assert together.means()[2] == 1
    # Independent: the sample SD of six, over 6; in families: the difference of two means is a sample of two.
    assert alone.means()[1] == pytest.approx([np.sqrt(1.2 / 6)], rel=1e-4)
    assert together.means()[1] == pytest.approx([1.0], rel=0.01)


def test_each_family_is_predicted_from_the_others():
    rng = np.random.default_rng(1)
    families = {f"m{i}": f"f{i}" for i in range(8)}
    close = rng.normal(0.5, 0.2, (8, 3))
    assert Mixture(effects_of(close, 0.04), families).held_out() == (24, 24)
    # A family that is far from all others is outside.
    close[3] = 9.0
    assert Mixture(effects_of(close, 0.04), families).held_out() == (21, 24)


def test_correlations_of_errors_are_kept_if_many_texts_show_them():
    # Two personas of one model with the correlation .6, and another model's, in 4,000 texts.
    rng = np.random.default_rng(0)
    scores = rng.multivariate_normal(np.zeros(4), np.kron(np.eye(2), [[1, 0.6], [0.6, 1]]), 4000) / np.sqrt(4000)
    effects = effects_of([[0.0, 0.0], [0.0, 0.0]], 1.0)
    effects = Effects(effects.table, scores, np.zeros(4), np.array([1.0, 4.0, 1.0, 4.0]), effects.neutral, ("nli",))
    expected = np.kron(np.eye(2), [[1, 1.2], [1.2, 4]])
    assert effects.covariance() == pytest.approx(expected, abs=0.15)


def test_correlations_that_texts_cannot_show_are_the_mean_of_their_class():
    # Ten texts for 30 effects without any correlation: the matrix of products has rank 10, and cannot be inverted.
    scores = np.random.default_rng(0).normal(0, 1, (10, 30)) / np.sqrt(10)
    effects = effects_of(np.zeros((5, 6)), 1.0)
    effects = Effects(effects.table, scores, np.zeros(30), np.ones(30), effects.neutral, ("nli",))
    assert np.linalg.eigvalsh(effects.covariance())[0] > 0.2


# Tables.


def test_the_tables_have_their_columns_and_rows(counts):
    found = estimate_pool(counts)
    assert list(found.pooled) == ["scope", "persona", *POOLED.estimates]
    assert list(found.models) == ["model", "persona", *POOLED_MODELS.estimates]
    assert list(found.spread) == [*POOLED_SPREAD.keys, *POOLED_SPREAD.estimates]
    assert found.pooled.groupby("scope").size().to_dict() == {"studied": 4, "similar": 4}
    assert len(found.models) == 16
    assert any("needs at least 8 models of 5 families; there are 4 of 3" in note for note in found.notes)


def test_the_persona_that_has_an_effect_is_named_and_no_other(counts):
    table = estimate_pool(counts, spread=False).pooled.query("scope == 'studied'").set_index("persona")
    assert (table["p_adjusted"] <= 0.05).to_dict() == {"asian": False, "atheist": False, "black": True, "man": False}
    # 2 on the log odds of a text; rates over texts of SD 1 are closer together.
    assert 3 < table.loc["black", "odds_ratio"] < np.exp(2)


def test_a_difference_is_what_the_odds_ratio_makes_of_each_models_neutral_rate(counts):
    found = estimate_pool(counts, spread=False)
    each = found.models.query("persona == 'black'")
    odds = each["neutral_rate"] / (1 - each["neutral_rate"])
    for points, ratio in (("estimate", "odds_ratio"), ("ci_low", "or_low"), ("unpooled", "unpooled_odds_ratio")):
        with_persona = odds * each[ratio]
        assert each[points].to_numpy() == pytest.approx(with_persona / (1 + with_persona) - each["neutral_rate"])
    pooled = found.pooled.query("scope == 'studied' and persona == 'black'").iloc[0]
    with_persona = odds * pooled["odds_ratio"]
    expected = np.mean(with_persona / (1 + with_persona) - each["neutral_rate"])
    assert pooled["estimate"] == pytest.approx(expected)


def test_an_unpooled_difference_is_that_of_the_contrasts(counts):
    # Up to the 1/2 that is added to 120 neutral prompts and 60 of a persona.
    each, contrasts = estimate_pool(counts, spread=False).models, estimate_contrasts(counts, "neutral")
    assert each["persona"].tolist() == contrasts["persona"].tolist()
    assert each["unpooled"].to_numpy() == pytest.approx(contrasts["estimate"].to_numpy(), abs=0.012)


def test_shrunken_effects_lie_between_a_models_own_and_the_mean(counts):
    each = estimate_pool(counts, spread=False).models
    # Without differences between models, effects of one persona are closer together than their estimates.
    spread = each.groupby("persona")[["odds_ratio", "unpooled_odds_ratio"]].std()
    assert (spread["odds_ratio"] < spread["unpooled_odds_ratio"] / 2).all()


def test_groups_are_pooled_as_one_persona(draw_responses, make_counts):
    responses = draw_responses(MODELS[:3])
    renamed = responses.assign(persona=responses["persona_group"])
    by_group = estimate_pool(make_counts(responses), "persona_group", spread=False).pooled
    # The same prompts under the name of their group; without templates that differ, two are copies of one.
    as_persona = estimate_pool(make_counts(renamed.drop(columns="template")), spread=False).pooled
    pd.testing.assert_frame_equal(by_group.rename(columns={"persona_group": "persona"}), as_persona)


def test_effects_of_tasks_are_averaged_or_pooled_by_task(draw_responses, make_counts):
    both = make_counts(draw_responses(MODELS[:3], (0.0, 0.0, 1.0, 0.0), tasks=("nli", "politeness")))
    together, apart = estimate_pool(both, spread=False), estimate_pool(both, by=["task"], spread=False)
    own = apart.pooled.query("scope == 'studied' and persona == 'black'").set_index("task")["odds_ratio"]
    mean = together.pooled.query("scope == 'studied' and persona == 'black'")["odds_ratio"].iloc[0]
    assert np.log(mean) == pytest.approx(np.log(own).mean())
    assert list(apart.pooled)[:3] == ["task", "scope", "persona"]
    assert list(apart.models)[:3] == ["task", "model", "persona"]


def test_a_task_that_cannot_be_pooled_is_reported_beside_the_others(draw_responses, make_counts):
    responses = draw_responses(MODELS[:3], tasks=("nli", "politeness"))
    responses.loc[responses["task"] == "nli", "refused"] = False
    found = estimate_pool(make_counts(responses), by=["task"], spread=False)
    assert set(found.pooled["task"]) == {"politeness"}
    assert any(note.startswith("With task nli: pool: no model can be used; ") for note in found.notes)


def test_few_texts_are_reported(draw_responses, make_counts):
    found = estimate_pool(make_counts(draw_responses(MODELS[:2], n_texts=20)), spread=False)
    assert any("based on 20 texts; with fewer than 30, intervals are rough" in note for note in found.notes)
    enough = estimate_pool(make_counts(draw_responses(MODELS[:2], n_texts=40)), spread=False)
    assert not any("intervals are rough" in note for note in enough.notes)


def test_a_model_that_lacks_a_task_is_reported(draw_responses, make_counts):
    responses = draw_responses(MODELS[:3], tasks=("nli", "politeness"))
    found = estimate_pool(make_counts(responses[(responses["model"] != "Qwen2-7B") | (responses["task"] == "nli")]))
    assert "Models are averaged over different tasks: Qwen2-7B over NLI." in found.notes


def test_eight_models_of_five_families_give_a_prediction(draw_responses, make_counts, tmp_path):
    models = [f"m{i}" for i in range(8)]
    counts = make_counts(draw_responses(models, (0.0, 0.0, 1.0, 0.0), n_texts=40))
    known = tmp_path / "families.csv"
    pd.DataFrame({"model": models, "family": [f"f{i % 5}" for i in range(8)]}).to_csv(known, index=False)
    found = estimate_pool(counts, families=known, spread=False)
    tables = dict(list(found.pooled.set_index("persona").groupby("scope")))
    assert set(tables) == {"studied", "similar", "new"}
    assert (tables["new"]["or_high"] > tables["similar"]["or_high"]).all()
    assert tables["new"]["p_value"].isna().all()
    assert any(re.search(r"contain \d+ of the 32 effects of the family left out", note) for note in found.notes)
    without = estimate_pool(counts, spread=False)
    assert "new" not in set(without.pooled["scope"])
    assert any("the family of m0, m1, m2, m3, m4 and 3 more is unknown" in note for note in without.notes)


# What is left out, and what is refused.


def test_a_model_without_refusals_is_left_out_and_reported(draw_responses, make_counts):
    responses = draw_responses(MODELS)
    responses.loc[responses["model"] == "Gemma-2B", "refused"] = False
    found = estimate_pool(make_counts(responses), spread=False)
    assert set(found.models["model"]) == set(MODELS) - {"Gemma-2B"}
    assert any("Gemma-2B, NLI (0 of 240 refused)" in note for note in found.notes)


def test_a_model_without_neutral_prompts_is_left_out_and_reported(draw_responses, make_counts):
    responses = draw_responses(MODELS)
    asked = (responses["model"] != "Gemma-2B") | (responses["setting"] == "persona")
    found = estimate_pool(make_counts(responses[asked]), spread=False)
    assert set(found.models["model"]) == set(MODELS) - {"Gemma-2B"}
    assert "Left out, because there are no neutral prompts: Gemma-2B, NLI." in found.notes


def test_two_models_are_averaged_and_nothing_else(draw_responses, make_counts):
    found = estimate_pool(make_counts(draw_responses(MODELS[:2])))
    assert set(found.pooled["scope"]) == {"studied"}
    assert found.models["estimate"].isna().all()
    assert found.models["unpooled"].notna().all()
    assert found.spread.empty
    assert any("needs at least 3 models; there are 2" in note for note in found.notes)


def test_two_personas_are_pooled_and_not_shrunken(draw_responses, make_counts):
    responses = draw_responses(MODELS)
    found = estimate_pool(make_counts(responses[~responses["persona"].isin(["asian", "man"])]))
    assert set(found.pooled["scope"]) == {"studied", "similar"}
    assert found.models["estimate"].isna().all()
    assert any("at least 3 models and 3 levels of persona" in note for note in found.notes)


def some(responses, what):
    """Select the responses of a study that cannot be pooled."""
    return {
        "one model": responses[responses["model"] == "Qwen2-7B"],
        "no neutral prompts": responses[responses["setting"] == "persona"],
        "no personas": responses[responses["setting"] == "neutral"],
        "no refusals": responses.assign(refused=False),
    }[what]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("one model", "Qwen2-7B is the only one that can be used; for one model use `rates --against neutral`"),
        ("no neutral prompts", "there is no response to a neutral prompt; add persona_refusal_neutral"),
        ("no personas", "no response has a persona"),
        ("no refusals", "no model can be used; Left out, because fewer than 2 refusals"),
    ],
)
def test_what_cannot_be_pooled_is_one_sentence(draw_responses, make_counts, what, says):
    with pytest.raises(InputError, match=re.escape(says)):
        estimate_pool(make_counts(some(draw_responses(MODELS), what)))


def test_an_unknown_level_is_refused(counts):
    with pytest.raises(InputError, match="unknown level 'template': allowed are persona, persona_group"):
        estimate_pool(counts, "template")


def test_families_are_those_of_the_paper_or_of_a_file(tmp_path):
    assert look_up_families(["Llama2-7B", "google/gemma-2b-it", "owl"]) == {
        "Llama2-7B": "Llama",
        "google/gemma-2b-it": "Gemma",
    }
    file = tmp_path / "f.csv"
    file.write_text("model,family\nowl,birds\nLlama2-7B,\n", encoding="utf-8")
    assert look_up_families(["Llama2-7B", "owl"], file) == {"owl": "birds"}
    file.write_text("model,size\nowl,1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown column in .*'family': allowed are model, size"):
        look_up_families(["owl"], file)


# Counts for others.


def test_counts_for_hibayes_add_up_to_the_responses(draw_responses, make_counts):
    responses = draw_responses(MODELS[:2], n_texts=5)
    table = count_for_hibayes(make_counts(responses), {"Llama2-7B": "Llama"})
    assert list(table) == ["model", "family", "task", "persona", "text", "n_correct", "n_total"]
    # Two neutral prompts a text, one of each persona.
    assert table["n_total"].sum() == len(responses)
    assert table.query("persona == 'neutral'")["n_total"].eq(2).all()
    assert table["n_correct"].sum() == responses["refused"].sum()
    refused = responses.query("persona == 'black'").groupby("model")["refused"].sum()
    assert table.query("persona == 'black'").groupby("model")["n_correct"].sum().to_dict() == refused.to_dict()
    assert dict(zip(table["model"], table["family"], strict=True)) == {"Llama2-7B": "Llama", "Llama3-8B": "Llama3-8B"}
