"""A regression handed to statsmodels: its own results on single rows, and what a separated level leaves."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from refusal_metrics.analysis.counts import TextCounts
from refusal_metrics.analysis.estimates.regression.fit import fit
from scipy import sparse, stats

FACTORS = ["persona", "task"]
N_TEXTS = 40


def rows_of(never=()):
    """Simulate responses about 40 texts; some personas never refuse."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        [
            (text, persona, "nli" if text % 2 else "tone")
            for text in range(N_TEXTS)
            for persona in ("Black person", "man", "woman")
            for _ in range(6)
        ],
        columns=["text_id", *FACTORS],
    )
    rate = (
        0.2
        + 0.2 * (rows["persona"] == "man")
        + 0.1 * (rows["task"] == "nli")
        + rng.random(N_TEXTS)[rows["text_id"]] / 4
    )
    rows["refused"] = ((rng.random(len(rows)) < rate) & ~rows["persona"].isin(never)).astype(float)
    return rows


def fit_rows(rows, formula, **options):
    cell = rows.groupby(FACTORS).ngroup().to_numpy()
    shape = (N_TEXTS, cell.max() + 1)
    n, k = (
        sparse.coo_array((values, (rows["text_id"], cell)), shape=shape).tocsr()
        for values in (np.ones(len(rows)), rows["refused"].to_numpy())
    )
    cells = rows.groupby(FACTORS).agg(
        n=("refused", "size"), n_refused=("refused", "sum"), n_texts=("text_id", "nunique")
    )
    return fit(TextCounts(cells.reset_index(), n, k), formula, references={"persona": "Black person"}, **options)


def test_results_equal_those_of_statsmodels_on_single_rows():
    rows = rows_of()
    results = fit_rows(rows, "persona * task").to_statsmodels()
    theirs = smf.logit("refused ~ persona * task", rows).fit(
        disp=False, tol=1e-12, cov_type="cluster", cov_kwds={"groups": rows["text_id"]}, use_t=True
    )
    names = list(results.params.index)
    assert set(names) == set(theirs.params.index)
    np.testing.assert_allclose(results.params, theirs.params[names], atol=1e-8)
    # Their factor has (n - 1) / (n - p) besides.
    factor = (len(rows) - 1) / (len(rows) - len(names))
    np.testing.assert_allclose(
        results.cov_params() * factor, theirs.cov_params().loc[names, names], rtol=1e-6, atol=1e-9
    )
    half = stats.t.ppf(0.975, N_TEXTS - 1) * results.bse
    np.testing.assert_allclose(results.conf_int()[1], results.params + half)
    constraint = "persona[T.man] = 0, persona[T.woman] = 0"
    test, expected = results.wald_test(constraint, scalar=True), theirs.wald_test(constraint, scalar=True)
    assert test.statistic / factor == pytest.approx(expected.statistic, rel=1e-6)
    assert test.df_denom == N_TEXTS - 1
    # Cells are its observations: three personas by two tasks.
    assert results.nobs == 6


def test_numbers_are_those_of_the_table():
    result = fit_rows(rows_of(), "persona + task")
    results = result.to_statsmodels()
    table = result.table
    np.testing.assert_allclose(results.bse, table["se"])
    np.testing.assert_allclose(results.pvalues, table["p_value"])
    np.testing.assert_allclose(results.conf_int(), table[["ci_low", "ci_high"]])
    assert "Standard errors are clustered by text; t with 39 degrees of freedom." in str(results.summary())


@pytest.mark.parametrize("estimator", ["mle", "firth"])
def test_a_separated_coefficient_has_no_error_and_the_others_are_tested(estimator):
    result = fit_rows(rows_of(never=["woman"]), "persona + task", estimator=estimator)
    results = result.to_statsmodels()
    assert math.isnan(results.bse["persona[T.woman]"])
    assert results.params["persona[T.woman]"] == result.table.set_index("level").loc["woman", "coef"]
    assert results.bse.notna().sum() == 3
    assert "Not estimable, so without a standard error: persona[T.woman]." in str(results.summary())
    # A single coefficient: the square of its t value, although another one has no variance.
    t = results.params["persona[T.man]"] / results.bse["persona[T.man]"]
    assert results.wald_test("persona[T.man] = 0", scalar=True).statistic == pytest.approx(t**2)
    assert results.t_test("persona[T.man] = 0").tvalue.item() == pytest.approx(t)
    with pytest.raises(ValueError, match="asymptotically non-normal"):
        results.wald_test("persona[T.woman] = 0", scalar=True)
