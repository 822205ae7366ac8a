"""The regression of refusal on the factors of a study, against R, statsmodels and hand-made tables."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.counts import Counts, TextCounts, count_by_text
from refusal_metrics.analysis.estimates.regression import design_matrix as formula_module
from refusal_metrics.analysis.estimates.regression.fit import COLUMNS, INTERCEPT, fit
from scipy import sparse, special, stats

from refusal_metrics.errors import InputError

REFERENCE = Path(__file__).parents[3] / "reference"
PAPER = "persona + template + task + model"
FIVE = ["Llama2-13B", "Llama3-8B", "Llama3.1-8B", "Qwen1.5-32B", "Gemma2-9B"]


def counts_of(rows, factors):
    """Count a table of responses: the factors, ``text_id, refused``, and ``n`` where rows stand for several."""
    categories = {name: pd.Categorical(rows[name]) for name in factors}
    text = pd.factorize(rows["text_id"])[0]
    n = rows["n"].to_numpy() if "n" in rows else np.ones(len(rows), dtype=np.int64)
    counts = Counts(
        levels={name: tuple(c.categories) for name, c in categories.items()},
        codes={name: c.codes.astype(np.int64) for name, c in categories.items()},
        text=text,
        row=text,
        prompt=np.arange(len(rows)),
        n=n,
        n_refused=rows["refused"].to_numpy(dtype=np.int64),
        n_texts=int(text.max(initial=-1)) + 1,
    )
    return count_by_text(counts, factors)


def simulate(seed=0, n_texts=60, per_text=30, effects=True):
    """Draw responses to texts that differ, from two models to three personas in two tasks (one task a text)."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(n_texts), per_text)
    persona, model = rng.integers(3, size=len(text)), rng.integers(2, size=len(text))
    eta = -1 + rng.normal(size=n_texts)[text] + effects * (0.8 * (persona == 1) - 1.1 * model + 0.7 * (text % 2))
    return pd.DataFrame(
        {
            "text_id": text,
            "persona": np.array(["atheist", "man", "woman"])[persona],
            "model": np.array(["Llama2-13B", "parrot"])[model],
            "task": np.array(["nli", "politeness"])[text % 2],
            "refused": (rng.random(len(text)) < special.expit(eta)).astype(int),
        }
    )


def fit_rows(rows, formula, **options):
    return fit(counts_of(rows, [c for c in rows.columns if c not in {"text_id", "refused", "n"}]), formula, **options)


def column(result, name, factor=None):
    """Take a column of the table as {level: value}."""
    table = result.table if factor is None else result.table[result.table["factor"] == factor]
    return dict(zip(table["level"], table[name], strict=True))


def row(result, level):
    return result.table[result.table["level"] == level].iloc[0]


@pytest.fixture(scope="module")
def study(shared_data):
    """The simulated study of 2,032,160 responses of 16 models."""
    columns = ["model", "task", "persona", "template", "text_id", "refused"]
    return pd.read_parquet(shared_data / "reference" / "simulated_study.parquet", columns=columns)


@pytest.fixture(scope="module")
def counts():
    """The counts of that study, each cell standing for a text."""
    cells = pd.read_csv(REFERENCE / "cells.csv.gz").rename(columns={"k": "n_refused"}).assign(n_texts=1)
    n, n_refused = (sparse.diags_array(cells[name].to_numpy(dtype=float)).tocsr() for name in ("n", "n_refused"))
    return TextCounts(cells, n, n_refused)


def reference_of(name):
    """Read reference coefficients as {(factor, level): row}, whichever program wrote them."""
    table = pd.read_csv(REFERENCE / name)
    found = {}
    for _, values in table.iterrows():
        match = re.match(r"C\((\w+), .*\)\[T\.(.*)\]$|(persona|template|task|model)(.+)$", values["term"])
        found[(match[1] or match[3], match[2] or match[4]) if match else (INTERCEPT, "")] = values
    return found


def compare(result, reference, ours, theirs, tolerance, factor=1.0):
    """Check a column of the table against a reference's, where not separated or nan."""
    table = result.table.set_index(["factor", "level"])
    for key, values in reference.items():
        assert table.loc[key, ours] * factor == pytest.approx(values[theirs], abs=tolerance), key


# The simulated study, against R and statsmodels.


def test_firth_equals_brglm2_also_for_models_that_never_refuse(counts):
    reference = reference_of("firth_brglm2.csv")
    result = fit(counts, PAPER)
    assert result.estimator == "firth"
    assert len(reference) == len(result.table) == 40
    compare(result, reference, "coef", "firth", 1e-6)
    assert set(result.table.loc[result.table["separated"], "level"]) == {"Qwen2.5-7B", "Qwen2.5-32B"}
    assert result.references == {"persona": "Atheist", "template": "p1", "task": "nli", "model": "Llama2-13B"}
    assert result.n == 2_032_160
    assert result.gradient < 1e-10


def test_maximum_likelihood_has_the_limit_that_statsmodels_finds_without_separated_models(counts):
    reference = reference_of("glm_without_separated.csv")
    result = fit(counts, PAPER, estimator="mle")
    compare(result, reference, "coef", "coef", 1e-7)
    separated = result.table[result.table["separated"]]
    assert list(separated["estimator"]) == ["firth", "firth"]
    np.testing.assert_allclose(separated["coef"], -13.54, atol=0.005)


def test_clustered_errors_equal_those_of_statsmodels(study):
    reference = reference_of("glm_clustered_five_models.csv")
    rows = study[study["model"].isin(FIVE)].astype({"model": str})
    result = fit_rows(rows, PAPER)
    n, p = len(rows), len(result.table)
    assert len(reference) == p
    compare(result, reference, "coef", "coef", 1e-7)
    # Their factor has (n-1)/(n-p) besides.
    compare(result, reference, "se", "se_cluster_text", 1e-6, math.sqrt((n - 1) / (n - p)))
    assert result.estimator == "mle"


# Rows against statsmodels.


@pytest.mark.parametrize("formula", ["persona + task + model", "persona * model + task"])
def test_all_columns_equal_those_of_statsmodels_on_single_rows(formula):
    rows = simulate(3)
    result = fit_rows(rows, formula)
    logit = smf.logit(f"refused ~ {formula}", rows).fit(disp=False, tol=1e-12)
    # statsmodels writes persona[T.man]:model[T.parrot].
    names = [
        "Intercept"
        if factor == INTERCEPT
        else ":".join(f"{f}[T.{v}]" for f, v in zip(factor.split(":"), level.split(":"), strict=True))
        for factor, level in zip(result.table["factor"], result.table["level"], strict=True)
    ]
    np.testing.assert_allclose(result.table["coef"], logit.params[names], atol=1e-7)
    assert result.pseudo_r2 == pytest.approx(logit.prsquared, abs=1e-9)
    n, p, g = len(rows), len(names), 60
    robust = smf.logit(f"refused ~ {formula}", rows).fit(
        disp=False, tol=1e-12, cov_type="cluster", cov_kwds={"groups": rows["text_id"]}, use_t=True
    )
    se = robust.bse[names] / math.sqrt((n - 1) / (n - p))
    np.testing.assert_allclose(result.table["se"], se, rtol=1e-5)
    half = stats.t.ppf(0.975, g - 1) * se
    np.testing.assert_allclose(result.table["ci_low"], logit.params[names] - half, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.table["ci_high"], logit.params[names] + half, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        result.table["p_value"], 2 * stats.t.sf(abs(logit.params[names] / se), g - 1), rtol=1e-3, atol=1e-12
    )


def test_the_joint_test_of_two_coefficients_is_hotellings():
    rows = simulate(4)
    result = fit_rows(rows, "persona + model")
    robust = smf.logit("refused ~ persona + model", rows).fit(
        disp=False, tol=1e-12, cov_type="cluster", cov_kwds={"groups": rows["text_id"]}
    )
    n, g = len(rows), 60
    # statsmodels' covariance has (n-1)/(n-4) besides; T^2 (g-q)/((g-1)q) is F with q and g-q degrees of freedom.
    chi2 = float(robust.wald_test("persona[T.man] = persona[T.woman] = 0", scalar=True).statistic) * (n - 1) / (n - 4)
    wald = result.wald.set_index("factor")
    assert wald.loc["persona", "statistic"] == pytest.approx(chi2, rel=1e-5)
    assert wald.loc["persona", "df"] == 2
    assert wald.loc["persona", "p_value"] == pytest.approx(
        stats.f.sf(chi2 * (g - 2) / ((g - 1) * 2), 2, g - 2), rel=1e-4
    )
    # With one degree of freedom it is the t test of the table.
    assert wald.loc["model", "p_value"] == pytest.approx(row(result, "parrot")["p_value"])


@pytest.mark.parametrize("formula", ["persona + task + model", "persona * model + task"])
def test_effects_are_mean_differences_of_predicted_rates_with_delta_intervals(formula):
    rows = simulate(5)
    result = fit_rows(rows, formula)
    model = smf.logit(f"refused ~ {formula}", rows)
    robust = model.fit(disp=False, tol=1e-12, cov_type="cluster", cov_kwds={"groups": rows["text_id"]})
    n, p = len(rows), len(robust.params)

    def design(other):
        # All rows first, so that every level has its column.
        both = smf.logit(f"refused ~ {formula}", pd.concat([rows, other])).exog
        return both[len(rows) :]

    def effect(params, level):
        one, other = (model.predict(params, exog=design(rows.assign(persona=name))) for name in (level, "atheist"))
        return float(np.mean(one) - np.mean(other))

    for level in ("man", "woman"):
        params = robust.params.to_numpy()
        steps = np.eye(p) * 1e-5
        slope = np.array([(effect(params + s, level) - effect(params - s, level)) / 2e-5 for s in steps])
        se = math.sqrt(slope @ (robust.cov_params().to_numpy() * (n - p) / (n - 1)) @ slope)
        half = stats.t.ppf(0.975, 59) * se
        ours = result.effects.set_index(["factor", "level"]).loc[("persona", level)]
        expected = effect(params, level)
        np.testing.assert_allclose(ours, [expected, expected - half, expected + half], atol=1e-6)


# Invariances.


@settings(max_examples=settings.default.max_examples // 6)
@given(st.integers(0, 10**6), st.sampled_from([None, "firth", "ridge"]))
def test_neither_the_order_of_rows_nor_names_of_levels_and_texts_matter(seed, estimator):
    rows = simulate(seed)
    order = np.random.default_rng(seed).permutation(len(rows))
    names = {"atheist": "atheist", "man": "z [x]:y", "woman": "a + b*c"}
    other = rows.iloc[order].assign(persona=lambda t: t["persona"].map(names), text_id=lambda t: 1000 - t["text_id"])
    one, two = (fit_rows(r, "persona * model + task", estimator=estimator) for r in (rows, other))
    for level, renamed in [("man", "z [x]:y"), ("woman", "a + b*c"), ("man:parrot", "z [x]:y:parrot"), ("parrot",) * 2]:
        for name in ("coef", "se", "ci_low", "ci_high", "p_value", "p_adjusted"):
            np.testing.assert_allclose(row(one, level)[name], row(two, renamed)[name], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.pseudo_r2, two.pseudo_r2)
    assert one.gradient < 1e-9
    np.testing.assert_allclose(sorted(one.effects["estimate"]), sorted(two.effects["estimate"]), atol=1e-9)


def test_another_reference_moves_coefficients_by_its_own():
    rows = simulate(1)
    one, two = (fit_rows(rows, "persona + model", references=r) for r in (None, {"persona": "Woman"}))
    assert two.references == {"persona": "woman", "model": "Llama2-13B"}
    assert column(two, "coef")["man"] == pytest.approx(column(one, "coef")["man"] - column(one, "coef")["woman"])
    assert column(two, "coef")["atheist"] == pytest.approx(-column(one, "coef")["woman"])
    assert column(two, "se")["atheist"] == pytest.approx(column(one, "se")["woman"])


def test_finer_cells_than_the_formula_needs_change_nothing():
    rows = simulate(2)
    fine = fit(counts_of(rows, ["persona", "model", "task"]), "persona")
    coarse = fit(counts_of(rows, ["persona"]), "persona")
    pd.testing.assert_frame_equal(fine.table, coarse.table)
    pd.testing.assert_frame_equal(fine.effects, coarse.effects)


# Tables by hand.


def table_of(refused, n=100, n_texts=20):
    """Make responses {(persona, model): refusals of n}, in equal shares from each text."""
    rows = []
    for (persona, model), k in refused.items():
        share = np.full(n_texts, k // n_texts)
        share[: k % n_texts] += 1
        rows += [(f"t{i}", persona, model, int(s), n // n_texts) for i, s in enumerate(share)]
    return pd.DataFrame(rows, columns=["text_id", "persona", "model", "refused", "n"])


def test_the_table_has_its_columns_and_p_values_adjusted_within_each_factor():
    result = fit_rows(simulate(6), "persona * model")
    assert tuple(result.table.columns) == COLUMNS
    assert list(result.table["factor"]) == [INTERCEPT, *["persona"] * 2, "model", *["persona:model"] * 2]
    assert list(result.table["level"]) == ["", "man", "woman", "parrot", "man:parrot", "woman:parrot"]
    # Holm with two tests: the smaller p doubles, the larger stays but is no smaller than that.
    p, adjusted = column(result, "p_value", "persona"), column(result, "p_adjusted", "persona")
    low, high = sorted(p, key=p.get)
    assert adjusted[low] == pytest.approx(min(1, 2 * p[low]))
    assert adjusted[high] == pytest.approx(max(2 * p[low], p[high]))
    assert row(result, "parrot")["p_adjusted"] == row(result, "parrot")["p_value"]


def test_a_level_without_refusals_has_firths_coefficient_and_a_bound_from_its_texts():
    rows = table_of({("atheist", "m"): 30, ("man", "m"): 50, ("woman", "m"): 0})
    result = fit_rows(rows, "persona")
    found = row(result, "woman")
    assert found["separated"]
    assert (found["estimator"], result.estimator) == ("firth", "firth")
    # Saturated, so Firth adds 1/2 to refusals and to the rest: log(.5/100.5) against log(30.5/70.5).
    assert found["coef"] == pytest.approx(math.log(0.5 / 100.5) - math.log(30.5 / 70.5), abs=1e-6)
    assert found[["se", "p_value", "p_adjusted"]].isna().all()
    assert found["ci_low"] == -math.inf
    # No refusals over 20 texts: a rate of at most 1 - .05^(1/20); its log odds against the fitted reference.
    rate = 1 - 0.05 ** (1 / 20)
    assert found["ci_high"] == pytest.approx(math.log(rate / (1 - rate)) - math.log(30.5 / 70.5), abs=1e-6)
    assert not row(result, "man")["separated"]
    assert any("No finite maximum likelihood estimate exists for persona woman;" in note for note in result.notes)


def test_a_level_of_only_refusals_is_the_mirror_image():
    zero, one = {("atheist", "m"): 30, ("man", "m"): 50, ("woman", "m"): 0}, {}
    for key, k in zero.items():
        one[key] = 100 - k
    below, above = (row(fit_rows(table_of(t), "persona"), "woman") for t in (zero, one))
    assert above["coef"] == pytest.approx(-below["coef"], abs=1e-6)
    assert (above["ci_low"], above["ci_high"]) == (pytest.approx(-below["ci_high"], abs=1e-6), math.inf)


def test_the_bound_is_on_the_mean_rate_over_the_cells_of_the_level():
    cells = {("atheist", "Llama2-13B"): 30, ("man", "Llama2-13B"): 80, ("atheist", "x"): 0, ("man", "x"): 0}
    result = fit_rows(table_of(cells), "persona + model", estimator="mle")
    coef = column(result, "coef")
    # Without x the model is saturated: log odds of .3 and .8.
    assert coef[""] == pytest.approx(math.log(0.3 / 0.7))
    assert coef["man"] == pytest.approx(math.log(0.8 / 0.2) - math.log(0.3 / 0.7))
    bound = row(result, "x")["ci_high"]
    rates = special.expit(np.array([math.log(0.3 / 0.7), math.log(4)]) + bound)
    assert rates.mean() == pytest.approx(1 - 0.05 ** (1 / 20))
    # A rate of 0 lies .3 and .8 below the reference model's.
    effects = result.effects.set_index("level")
    assert effects.loc["x", "estimate"] == pytest.approx(-0.55)
    assert math.isnan(effects.loc["x", "ci_low"])


def test_two_levels_of_different_factors_without_refusals_each_have_a_bound():
    cells = {(p, m): 20 + 10 * i for i, (p, m) in enumerate((p, m) for p in ("atheist", "man") for m in ("a", "b"))}
    cells |= {(p, "c"): 0 for p in ("atheist", "man", "woman")} | {("woman", m): 0 for m in ("a", "b")}
    table = fit_rows(table_of(cells), "persona + model").table
    assert set(table.loc[table["separated"], "level"]) == {"woman", "c"}
    assert np.isfinite(table.loc[table["separated"], "ci_high"]).all()


def test_an_interaction_cell_without_refusals_is_separated_alone_and_has_a_bound():
    cells = {("atheist", "a"): 30, ("man", "a"): 50, ("atheist", "b"): 20, ("man", "b"): 0}
    result = fit_rows(table_of(cells), "persona * model", references={"model": "a"})
    assert list(result.table["separated"]) == [False, False, False, True]
    rate = 1 - 0.05 ** (1 / 20)
    others = result.table["coef"][:3].sum()
    assert row(result, "man:b")["ci_high"] == pytest.approx(math.log(rate / (1 - rate)) - others, abs=1e-6)


def test_where_no_bound_can_be_told_there_is_none_and_a_note():
    cells = {("atheist", "a"): 30, ("man", "a"): 50, ("atheist", "b"): 0, ("man", "b"): 0}
    result = fit_rows(table_of(cells), "persona * model", references={"model": "a"})
    assert list(result.table["separated"]) == [False, False, True, True]
    assert np.isnan(row(result, "man:b")["ci_low"])
    assert np.isnan(row(result, "man:b")["ci_high"])
    assert any(note.startswith("No bound is given for model b, persona:model man:b:") for note in result.notes)


def test_a_reference_level_without_refusals_is_told_to_be_replaced():
    rows = table_of({("atheist", "m"): 0, ("man", "m"): 50, ("woman", "m"): 20})
    for estimator in (None, "mle"):
        result = fit_rows(rows, "persona", estimator=estimator)
        assert result.table["separated"].all()
        assert result.table["se"].isna().all()
        assert list(result.table["ci_high"])[1:] == [math.inf, math.inf]
        assert any("If the reference level itself is the one without refusals" in note for note in result.notes)
        np.testing.assert_allclose(result.effects["estimate"], [0.5, 0.2], atol=0.01)


def test_separated_coefficients_are_left_out_of_the_joint_test():
    rows = table_of({("atheist", "m"): 33, ("man", "m"): 47, ("woman", "m"): 0})
    wald = fit_rows(rows, "persona", estimator="mle").wald.iloc[0]
    assert wald["df"] == 1


def test_ridge_shows_its_own_coefficients_and_states_its_penalty():
    rows = table_of({("atheist", "m"): 30, ("man", "m"): 50, ("woman", "m"): 0})
    weak, strong = (fit_rows(rows, "persona", estimator="ridge", penalty=p) for p in (1.0, 50.0))
    assert abs(row(strong, "woman")["coef"]) < abs(row(weak, "woman")["coef"])
    assert (row(weak, "woman")["estimator"], weak.penalty, weak.estimator) == ("ridge", 1.0, "ridge")
    assert np.isnan(row(weak, "woman")["se"])
    assert "ridge estimates with penalty 50, shrunk towards 0" in strong.notes[0]
    assert fit_rows(rows, "persona").penalty is None


def test_maximum_likelihood_is_used_where_it_exists_and_said():
    result = fit_rows(simulate(), "persona")
    assert (result.estimator, result.notes) == ("mle", ("Coefficients are maximum likelihood estimates.",))
    assert set(result.table["estimator"]) == {"mle"}


# What cannot be estimated.


def test_a_factor_of_one_level_is_dropped_with_a_sentence_also_from_interactions():
    rows = simulate().assign(template="p1")
    result = fit_rows(rows, "persona * template + model")
    assert "The factor template has one level, p1, and is dropped." in result.notes
    pd.testing.assert_frame_equal(result.table, fit_rows(rows, "persona + model").table)


def test_columns_made_of_earlier_ones_are_dropped_with_a_sentence():
    rows = simulate().assign(group=lambda t: np.where(t["persona"] == "man", "gender", "belief"))
    result = fit_rows(rows, "persona + group + model")
    assert list(result.table["factor"]) == [INTERCEPT, "persona", "persona", "model"]
    assert "Dropped as combinations of the others or never observed: group gender." in result.notes
    effects = result.effects.set_index("factor")
    # A persona cannot change while its group stays; models can.
    assert effects.loc[["persona", "group"], "estimate"].isna().all()
    assert effects.loc["model"].notna().all()


def test_a_combination_that_never_occurs_has_no_coefficient():
    rows = simulate()
    rows = rows[(rows["persona"] != "man") | (rows["model"] != "parrot")]
    result = fit_rows(rows, "persona * model")
    assert "man:parrot" not in set(result.table["level"])
    assert any("never observed: persona:model man:parrot." in note for note in result.notes)


def test_one_text_gives_coefficients_without_errors():
    rows = table_of({("atheist", "m"): 30, ("man", "m"): 50}, n_texts=1)
    result = fit_rows(rows, "persona")
    # log odds of 1/2 against those of .3.
    assert row(result, "man")["coef"] == pytest.approx(-math.log(0.3 / 0.7))
    assert result.table[["se", "ci_low", "p_value"]].isna().all(axis=None)
    assert result.wald["p_value"].isna().all()
    assert "All responses are about one text, so there are no standard errors." in result.notes


def test_more_coefficients_than_texts_are_said():
    result = fit_rows(simulate(n_texts=3, per_text=200), "persona * model")
    assert any("There are no more texts (3) than coefficients (6)" in note for note in result.notes)


def test_responses_without_a_level_are_left_out_and_counted():
    rows = simulate()
    rows["persona"] = rows["persona"].where(rows["text_id"] > 0, None)
    result = fit_rows(rows, "persona + model")
    assert "30 responses without a level of every factor are left out." in result.notes
    pd.testing.assert_frame_equal(result.table, fit_rows(rows[rows["text_id"] > 0], "persona + model").table)
    assert (result.n, result.n_texts) == (1770, 59)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({"refused": 0}, {}, "none of the 1,800 responses is a refusal"),
        ({"refused": 1}, {}, "each of the 1,800 responses is a refusal"),
        ({"persona": "man"}, {}, "no factor has more than one level in these responses: persona"),
        ({"persona": None}, {}, "there are no responses to fit a regression to"),
        (
            {},
            {"formula": "persna"},
            "unknown factor 'persna': allowed are persona, model, task; did you mean 'persona'",
        ),
        ({}, {"formula": "persona +"}, "the formula 'persona +' is malformed"),
        ({}, {"estimator": "lasso"}, "unknown estimator 'lasso': allowed are mle, firth, ridge"),
        ({}, {"estimator": "ridge", "penalty": 0.0}, "the penalty is 0.0: it must be a positive number"),
        ({}, {"penalty": math.nan}, "the penalty is nan"),
        ({}, {"references": {"model": "parrot"}}, "unknown factor with a reference level 'model': allowed are persona"),
        ({}, {"references": {"persona": "mann"}}, "unknown reference level of persona 'mann'"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(change, options, sentence):
    options = {"formula": "persona"} | options
    with pytest.raises(InputError, match=re.escape(sentence)):
        fit_rows(simulate().assign(**change), **options)


@settings(max_examples=settings.default.max_examples // 5)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_small_studies_give_finite_estimates_or_say_so(seed, n_texts):
    rows = simulate(seed, n_texts=n_texts, per_text=6)
    if rows["refused"].nunique() < 2 or rows["persona"].nunique() < 2:
        return
    result = fit_rows(rows, "persona * model")
    assert np.isfinite(result.table["coef"]).all()
    assert result.table.loc[result.table["separated"], ["se", "p_value"]].isna().all(axis=None)
    assert not any("did not converge" in note for note in result.notes)


def test_more_coefficients_than_memory_holds_are_refused_by_their_factor(make_counts, monkeypatch):
    asked = [(str(p), str(t)) for p in range(6) for t in range(3)]
    rows = [
        {"model": "m", "task": "t", "persona": p, "template": t, "text_id": p + t, "refused": p < t} for p, t in asked
    ]
    counts = count_by_text(make_counts(rows), ["persona", "template"])
    monkeypatch.setattr(formula_module, "MOST_COEFFICIENTS", 17)
    # The intercept, 5 personas, 2 templates and 5 x 2 of both are 18.
    with pytest.raises(InputError) as caught:
        fit(counts, "persona * template")
    assert str(caught.value) == (
        "a regression on persona + template + persona:template has 18 coefficients, and at most 17 are possible; "
        "persona has 6 levels: merge some, or leave out a factor or an interaction (--factors, --formula)"
    )
    assert fit(counts, "persona + template").n == 18
