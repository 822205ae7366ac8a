"""The trend over models: by hand, in simulations, and what is left out of it."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates import trend
from refusal_metrics.analysis.estimates.trend import MODELS, TRENDS, estimate_trend
from scipy import stats

from refusal_metrics.errors import InputError

PAPERS = ["Llama2-7B", "Llama2-13B", "Llama3-8B", "Qwen1.5-7B", "Qwen2-7B", "Gemma-2B"]


def study(make_counts, models=PAPERS, *, n_texts=60, personas=("atheist", "black", "man", "woman")):
    """Count a study in which each text was asked about as each persona in three templates; refusals are to be drawn."""
    return make_counts(
        {"model": m, "task": "nli", "setting": "persona", "persona": p, "template": t, "text_id": f"t{x}", "refused": 0}
        for m in models
        for x in range(n_texts)
        for p in personas
        for t in ("p1", "p4", "p7")
    )


def refuse(counts, rng, log_odds, effects, sd_text=0.0):
    """Draw refusals from the log odds of each model and the effects of personas."""
    text = rng.normal(0, sd_text, (len(log_odds), counts.n_texts)) if sd_text else np.zeros((len(log_odds), 1))
    at = counts.text if sd_text else 0
    eta = np.asarray(log_odds)[counts.codes["model"]] + np.asarray(effects)[counts.codes["persona"]]
    eta = eta + text[counts.codes["model"], at]
    return replace(counts, n_refused=(rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(int))


@pytest.fixture(scope="module")
def asked(make_counts):
    return study(make_counts)


@pytest.fixture(scope="module")
def counts(asked):
    return refuse(asked, np.random.default_rng(0), [-1, -0.5, 0, 0.5, -1.5, 0], [0, 0.6, -0.6, 0.3])


def properties(tmp_path, text):
    file = tmp_path / "models.csv"
    file.write_text(text, encoding="utf-8")
    return file


# The regression on a property.


def test_the_regression_equals_dersimonian_and_lairds_by_hand():
    # Three models of one family at -1, 0, 1 with y = 1, 4, 3 and errors of 1: the line 8/3 + x leaves residuals -2/3,
    # 4/3, -2/3, Q = 24/9. tr(P) = 3 - 2 = 1, so the variance between is (Q - 1) / 1 = 5/3 and the slope's
    # is (1 + 5/3) / 2 = 4/3.
    models = pd.DataFrame({"family": "f", "value": [9.0, 10.0, 11.0], "y": [1.0, 4.0, 3.0], "error": 1.0})
    result = trend._regress(models, "y", "error")
    assert result["slope"] == pytest.approx(1)
    assert result["between_sd"] == pytest.approx(math.sqrt(5 / 3))
    assert result["se"] == pytest.approx(math.sqrt(4 / 3))
    assert result["ci_high"] - result["slope"] == pytest.approx(stats.t.ppf(0.975, 1) * math.sqrt(4 / 3))
    assert result["p_value"] == pytest.approx(2 * stats.t.sf(1 / math.sqrt(4 / 3), 1))
    assert (result["n_models"], result["n_families"]) == (3, 1)


def test_unequal_errors_weigh_as_in_weighted_least_squares():
    # No variance between, because the errors explain more than what is left: weights 1, 1/4, 1, as statsmodels' WLS.
    models = pd.DataFrame({"family": "f", "value": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 1.0], "error": [1.0, 2.0, 1.0]})
    result = trend._regress(models, "y", "error")
    # Symmetric about x = 1: slope = sum w x y / sum w x^2 = (1 * 1) / 2.
    assert result["between_sd"] == 0
    assert result["slope"] == pytest.approx(0.5)
    assert result["se"] == pytest.approx(math.sqrt(1 / 2))


def test_over_families_errors_are_clustered_by_family():
    # Errors of 1 explain what the line leaves, so this is ordinary least squares.
    x = np.array([-1.0, -1.0, 1.0, 1.0])
    y = np.array([0.0, 1.0, 2.0, 2.0])
    models = pd.DataFrame({"family": ["a", "b", "a", "b"], "value": x, "y": y, "error": 1.0})
    result = trend._regress(models, "y", "error")
    slope = (y @ x) / 4
    residual = y - y.mean() - slope * x
    # Scores of the slope by family, over sum x^2 = 4; two families double the sum of squares.
    score = [residual[[0, 2]] @ x[[0, 2]] / 4, residual[[1, 3]] @ x[[1, 3]] / 4]
    assert result["slope"] == pytest.approx(slope) == pytest.approx(0.75)
    assert result["se"] == pytest.approx(math.sqrt(2 * np.sum(np.square(score))))
    assert result["ci_high"] - slope == pytest.approx(stats.t.ppf(0.975, 1) * result["se"])


def test_where_all_models_have_one_value_there_is_no_slope():
    models = pd.DataFrame({"family": "f", "value": 2.0, "y": [1.0, 2.0, 3.0], "error": 1.0})
    result = trend._regress(models, "y", "error")
    assert math.isnan(result["slope"])
    assert math.isnan(result["p_value"])
    assert result["n_models"] == 3


# The spread of a model's personas.


def test_the_tables_have_their_columns_and_rows(counts):
    estimated = estimate_trend(counts)
    assert list(estimated.models) == list(MODELS)
    assert list(estimated.trends) == list(TRENDS)
    assert sorted(estimated.models["model"]) == sorted(PAPERS)
    assert estimated.models[["n", "n_texts"]].to_numpy().tolist() == [[720, 60]] * 6
    # Llama alone has three models.
    assert estimated.trends[["outcome", "family", "n_models"]].to_numpy().tolist() == [
        ["variance", "", 6],
        ["variance", "Llama", 3],
        ["log_odds", "", 6],
        ["log_odds", "Llama", 3],
    ]
    assert (estimated.trends["n_families"] == [3, 1, 3, 1]).all()
    spread = np.sqrt(estimated.models["variance"].clip(lower=0))
    np.testing.assert_allclose(estimated.models["spread"], spread)


def test_log_odds_of_refusing_are_those_of_the_rate(counts):
    estimated = estimate_trend(counts).models.set_index("model")
    own = counts.where(model="Qwen2-7B")
    rate = own.n_refused.mean()
    assert estimated.loc["Qwen2-7B", "log_odds"] == pytest.approx(math.log(rate / (1 - rate)))
    # Texts do not matter in this simulation: the error is about that of single responses.
    assert estimated.loc["Qwen2-7B", "log_odds_se"] == pytest.approx(1 / math.sqrt(720 * rate * (1 - rate)), rel=0.4)


def test_where_all_texts_are_refused_alike_the_error_is_that_of_single_responses():
    n, k = np.full(10, 4.0), np.full(10, 1.0)
    # The clustered one is 0; 1 / sqrt(40 * 1/4 * 3/4).
    assert trend._log_odds(n, k) == pytest.approx((math.log(1 / 3), 1 / math.sqrt(7.5)))


def test_dates_are_years_and_numbers_are_numbers(counts, tmp_path):
    by_date = estimate_trend(counts).models.set_index("model")["value"]
    # 18 July 2023 is 198 days after 1 January.
    assert by_date["Llama2-7B"] == pytest.approx(2023 + 198 / 365.25)
    assert estimate_trend(counts, "parameters_b").models.set_index("model").loc["Llama2-13B", "value"] == 13
    rows = "".join(f"{model},f,{date}\n" for model, date in zip(PAPERS, ["2024-01-01", "2025-07"] * 3, strict=True))
    file = properties(tmp_path, f"model,family,born\n{rows}")
    values = estimate_trend(counts, "born", file).models.set_index("model")["value"]
    assert values["Llama2-7B"] == 2024
    assert values["Llama2-13B"] == pytest.approx(2025 + 181 / 365.25)


@pytest.mark.slow
def test_equal_effects_in_models_that_refuse_rarely_and_often_have_equal_spreads_and_no_slope(asked, tmp_path):
    # Of the effects 0, .6, -.6, .3 the variance is .2625; rates go from .05 to .6.
    rng = np.random.default_rng(1)
    log_odds = np.linspace(-3, 0.5, 6)
    rows = "".join(
        f"{model},{'ab'[i % 2]},{x}\n" for i, (model, x) in enumerate(zip(sorted(PAPERS), log_odds, strict=True))
    )
    file = properties(tmp_path, f"model,family,x\n{rows}")
    slopes, variances = [], []
    for _ in range(60):
        estimated = estimate_trend(refuse(asked, rng, log_odds, [0, 0.6, -0.6, 0.3]), "x", file)
        slopes.append(estimated.trends["slope"].iloc[0])
        variances.append(estimated.models.sort_values("value")["variance"])
    variances = np.array([v for v in variances if len(v) == 6])
    error = variances.std(axis=0) / np.sqrt(len(variances))
    assert (np.abs(variances.mean(axis=0) - 0.2625) < 4 * error).all()
    # Within four standard errors of 0, and small against .26 over the 3.5 units there are.
    assert abs(np.mean(slopes)) < 4 * np.std(slopes) / np.sqrt(60) + 0.01


@pytest.mark.slow
def test_without_effects_the_variance_is_not_above_0(asked):
    rng = np.random.default_rng(2)
    variances = [
        estimate_trend(refuse(asked, rng, [-2, -1, -1, 0, 0, 1], [0, 0, 0, 0], 1.0)).models["variance"]
        for _ in range(20)
    ]
    # Unbiased or, where the model-based error is the larger, a little below.
    assert -0.05 < np.mean(variances) < 0.005


def test_common_errors_do_not_depend_on_which_model_came_out_small():
    models = pd.DataFrame(
        {"variance": [0.0, 0.2], "noise": [0.1, 0.1], "noise_square": [0.01, 0.01], "n_personas": [3, 3]}
    )
    # Both weigh the same, so the common variance is .1: sqrt(4 * .1 * .1 / 2 + 2 * .01) = .2.
    assert trend._common_errors(models).tolist() == pytest.approx([0.2, 0.2])


# What is left out, and what is said.


def test_notes_say_how_few_families_there_are_and_that_no_cause_is_identified(counts):
    *_, families, cause = estimate_trend(counts).notes
    assert families.startswith("The models come from 3 families")
    assert "identifies no cause" in cause


def test_a_model_without_the_property_or_its_family_is_left_out_and_named(counts, tmp_path):
    rows = "".join(f"{model},f,{i}\n" for i, model in enumerate(PAPERS[:4]))
    file = properties(tmp_path, f"model,family,size\n{rows}Qwen2-7B,,5\nGemma-2B,g,\n")
    estimated = estimate_trend(counts, "size", file)
    assert sorted(estimated.models["model"]) == sorted(PAPERS[:4])
    unknown = f"{file} has no family and size of them; give --models FILE."
    assert f"Gemma-2B, Qwen2-7B left out of what goes by size: {unknown}" in estimated.notes
    assert any(note.startswith("The models come from 1 family:") for note in estimated.notes)
    # The only family is all: said once for it too.
    assert estimated.trends["family"].tolist() == ["", "f", "", "f"]


def test_a_model_that_refuses_too_rarely_to_distinguish_personas_is_left_out_and_named(asked):
    counts = refuse(asked, np.random.default_rng(0), [-1, -0.5, 0, 9, -9, 0], [0, 0.6, -0.6, 0.3])
    estimated = estimate_trend(counts)
    # Levels are sorted: Gemma-2B, Llama2-13B, Llama2-7B, Llama3-8B (always), Qwen1.5-7B (never), Qwen2-7B.
    assert len(estimated.models) == 4
    always, never, *_ = estimated.notes
    assert always.startswith("Llama3-8B left out: it has ")
    assert "responses that are no refusals" in always
    assert never.startswith("Qwen1.5-7B left out: it has ")
    assert never.endswith("5 for each of 4 personas are needed.")


def test_fewer_than_three_models_are_no_trend(counts):
    keep = np.isin(counts.codes["model"], [0, 1])
    with pytest.raises(InputError, match=r"needs at least 3 models, and 2 can be used; Llama2-7B left out: it was not"):
        estimate_trend(counts.take(keep))


def test_responses_without_a_level_do_not_count(asked, counts):
    codes = dict(counts.codes) | {"persona": np.where(np.arange(len(counts.n)) % 7 == 0, -1, counts.codes["persona"])}
    estimated = estimate_trend(replace(counts, codes=codes))
    assert estimated.models["n"].sum() == np.count_nonzero(codes["persona"] >= 0)
    assert len(asked.n) > estimated.models["n"].sum()


# Factors of runs.


def test_a_trend_is_estimated_at_each_level_of_a_factor_of_runs(asked, counts):
    other = refuse(asked, np.random.default_rng(1), [0, 0.5, -0.5, 0, 1, 0], [0, 0, 0.2, 0])
    both = join(counts, other, temperature=("0", "1"))
    estimated = estimate_trend(both, run_factors=["temperature"])
    assert list(estimated.trends.columns) == [TRENDS[0], "temperature", *TRENDS[1:]]
    assert list(estimated.models.columns) == [MODELS[0], "temperature", *MODELS[1:]]
    for level, alone in (("0", counts), ("1", other)):
        expected = estimate_trend(alone)
        for table, own in ((estimated.trends, expected.trends), (estimated.models, expected.models)):
            part = table[table["temperature"] == level].drop(columns="temperature").reset_index(drop=True)
            pd.testing.assert_frame_equal(part, own)
    assert any(note.startswith("The models with temperature 1 come from 3 families:") for note in estimated.notes)


def test_a_level_at_which_too_few_models_were_run_is_named_and_the_others_are_estimated(counts):
    few = counts.take(np.isin(counts.codes["model"], [0, 2]))
    estimated = estimate_trend(join(counts, few, temperature=("0", "1")), run_factors=["temperature"])
    assert set(estimated.trends["temperature"]) == {"0"}
    assert "A trend over released needs at least 3 models, and with temperature 1 2 can be used." in estimated.notes
    assert "With temperature 1: Llama2-13B left out: it was not run." in estimated.notes
    with pytest.raises(InputError, match="needs at least 3 models, and with temperature 0 2, with temperature 1 2 can"):
        estimate_trend(join(few, few, temperature=("0", "1")), run_factors=["temperature"])


def test_an_unknown_factor_is_refused(counts):
    with pytest.raises(InputError, match="'temprature'"):
        estimate_trend(counts, run_factors=["temprature"])


def join(first, second, **factor):
    """Put two studies of the same texts together as two levels of one factor."""
    ((name, levels),) = factor.items()
    at = np.repeat([0, 1], [len(first.n), len(second.n)])
    codes = {f: np.concatenate([first.codes[f], second.codes[f]]) for f in first.codes} | {name: at}
    arrays = {
        f: np.concatenate([getattr(first, f), getattr(second, f)]) for f in ("text", "row", "prompt", "n", "n_refused")
    }
    return replace(first, codes=codes, levels=first.levels | {name: list(levels)}, **arrays)
