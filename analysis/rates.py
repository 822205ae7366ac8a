"""Refusal rates and differences of rates, with intervals that know which responses share a text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95

ESTIMATES = ("estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused")
"""The columns of every table of rates, after the factors."""


def estimate_rates(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    r"""Estimate the refusal rate of each cell.

    The interval is :math:`\hat p \pm t_{G-1} \, s`, with the text-clustered standard error
    :math:`s = \sqrt{\tfrac{G}{G-1} \sum_g (k_g - \hat p n_g)^2} / N` over texts g with k_g
    refusals in n_g responses.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `refusal_metrics.analysis.cells.count_by_text`, over `by` or finer.
    by : sequence of str
        The columns that make the cells.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``estimate, ci_low, ci_high`` (probabilities in [0, 1]) and ``n,
        n_texts, n_refused``. The interval is cut off at 0 and 1; it is missing where no text differs
        from another (the rate is exactly 0 or 1, or there is one text), because this estimator says
        nothing there.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13. Cameron and Miller 2015,
    doi:10.3368/jhr.50.2.317, for the t distribution with G - 1 degrees of freedom.
    """
    by = list(by)
    texts = counts.groupby([*by, "text_id"], dropna=False, observed=True)[["n", "n_refused"]].sum().reset_index()
    cell = texts.groupby(by, dropna=False, observed=True)
    texts["square"] = _scores(texts, cell["n"].transform("sum"), cell["n_refused"].transform("sum")) ** 2
    cells = texts.groupby(by, dropna=False, observed=True)
    table = cells.agg(n=("n", "sum"), n_texts=("n", "size"), n_refused=("n_refused", "sum"), square=("square", "sum"))
    rate = table["n_refused"] / table["n"]
    half = _half_width(table["square"].to_numpy(), table["n_texts"].to_numpy())
    table = table.assign(estimate=rate, ci_low=(rate - half).clip(lower=0), ci_high=(rate + half).clip(upper=1))
    return table.reset_index()[[*by, *ESTIMATES]]


def estimate_contrasts(counts: pd.DataFrame, by: Sequence[str], baseline: str) -> pd.DataFrame:
    r"""Estimate how far each cell's rate lies from that of a baseline setting.

    A difference of rates is linearised by text: text g contributes
    :math:`u_g = (k_g - p n_g)/N - (k'_g - p' n'_g)/N'`, so that texts asked in both settings are
    compared with themselves; the interval is :math:`\pm t_{G-1} \sqrt{\tfrac{G}{G-1} \sum_g u_g^2}`.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `refusal_metrics.analysis.cells.count_by_text` with at least ``model, task, setting`` and
        the factors of `by`.
    by : sequence of str
        Factors within the persona setting, e.g. ``["persona"]``; may be empty.
    baseline : {"neutral", "persona-free"}

    Returns
    -------
    pandas.DataFrame
        Columns: ``model, task``, `by`, ``baseline``, then ``estimate, ci_low, ci_high``
        (differences of probabilities in [-1, 1]) and ``n, n_texts, n_refused`` (of the cell),
        ``n_baseline, n_refused_baseline``. Empty where the baseline was not run. The interval is
        missing where no text contributes variance.

    References
    ----------
    The linearisation of a difference of ratios, Särndal, Swensson and Wretman 1992, sections 5.5 and
    5.6, doi:10.1007/978-1-4612-4378-6.
    """
    rows = []
    for (model, task), study in counts.groupby(["model", "task"], observed=True):
        reference = study[study["setting"] == baseline].groupby("text_id")[["n", "n_refused"]].sum()
        asked = study[study["setting"] == "persona"]
        if reference.empty or asked.empty:
            continue
        for key, cell in asked.groupby(list(by), observed=True) if by else [((), asked)]:
            cell_texts = cell.groupby("text_id")[["n", "n_refused"]].sum()
            levels = dict(zip(by, key, strict=True))
            rows.append(
                {"model": model, "task": task, **levels, "baseline": baseline} | _contrast(cell_texts, reference)
            )
    columns = ["model", "task", *by, "baseline", *ESTIMATES, "n_baseline", "n_refused_baseline"]
    return pd.DataFrame(rows, columns=columns)


def _contrast(cell: pd.DataFrame, reference: pd.DataFrame) -> dict[str, float]:
    (n, k), (n0, k0) = ((int(t["n"].sum()), int(t["n_refused"].sum())) for t in (cell, reference))
    difference = k / n - k0 / n0
    by_text = _scores(cell, n, k).sub(_scores(reference, n0, k0), fill_value=0.0)
    half = float(_half_width(np.array([(by_text**2).sum()]), np.array([len(by_text)]))[0])
    return {
        "estimate": difference,
        "ci_low": float(np.maximum(difference - half, -1)),
        "ci_high": float(np.minimum(difference + half, 1)),
        "n": n,
        "n_texts": len(cell),
        "n_refused": k,
        "n_baseline": n0,
        "n_refused_baseline": k0,
    }


def _scores(texts: pd.DataFrame, n: "pd.Series[int] | int", n_refused: "pd.Series[int] | int") -> "pd.Series[float]":
    """Compute what each text adds to the error of a rate: (k_g - p n_g) / N, exactly 0 where it adds nothing."""
    return (texts["n_refused"] * n - texts["n"] * n_refused) / n**2


def _half_width(squares: NDArray[np.float64], n_texts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Halve a t interval's width, from summed squared scores; nan where no text differs from another."""
    with np.errstate(divide="ignore", invalid="ignore"):
        standard_error = np.sqrt(n_texts / (n_texts - 1) * squares)
        half = stats.t.ppf((1 + LEVEL) / 2, n_texts - 1) * standard_error
    return np.where(squares > 0, half, np.nan)
