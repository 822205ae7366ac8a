r"""Refusal rates of repeated runs over time, and their slope.

All runs have the same prompts. With the rate :math:`p_t` of run t on day :math:`x_t`, the slope is
:math:`\hat b = \sum_t c_t p_t`, :math:`c_t = (x_t - \bar x) / \sum_s (x_s - \bar x)^2`, that of ordinary least squares.
It has two errors. Texts are a sample: each adds :math:`z_g = \sum_t c_t (k_{gt} - p_t n_{gt}) / N_t` to the error, so
what a text contributes to all runs alike cancels out. Runs differ by more than their texts (other software, batching, a
changed server): the residuals from the line give the variance :math:`s^2 \sum_t c_t^2` with T - 2 degrees of freedom.
The interval is the union of the two intervals, and the p-value is the larger one.

If the verdicts about each text are the same in all runs, the change between the first and the last run is between
:math:`-b` and b, :math:`b = 1 - .025^{1/G}` for G texts.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy import sparse, stats

from refusal_metrics.errors import InputError, quoted

from ..arrays import CONFIDENCE, Floats
from ..columns import STUDY
from ..contracts import RUN_TRENDS
from ..counts import Counts, check_not_empty, count_by_text
from ..statistics import student, variance_of_scores, zero_count_bound
from .rates import estimate_rates

LEAST_RUNS = 3
"""A slope and its residuals need three runs."""

PERIOD = 30
"""The days of which a slope is the change."""


@dataclass(frozen=True)
class RunTrend:
    """Rates of runs over time.

    Attributes
    ----------
    rates : pandas.DataFrame
        One row a model, task and date: ``model, task, date``, then the columns of
        `refusal_metrics.analysis.estimates.rates.estimate_rates`.
    slopes : pandas.DataFrame
        One row a model and task with at least three runs: ``model, task, slope, se, ci_low, ci_high, p_value`` (change
        of the rate per 30 days, as proportions), ``n_runs, n_texts, first_date, last_date``.
    notes : tuple of str
    """

    rates: pd.DataFrame
    slopes: pd.DataFrame
    notes: tuple[str, ...]


def estimate_run_trend(counts: Counts, factor: str = "date") -> RunTrend:
    """Estimate the refusal rate of each run, and the slope of the rates of each model and task over time.

    Parameters
    ----------
    counts : Counts
        Of the persona setting.
    factor : str
        The run factor of the dates, YYYY-MM-DD.

    Returns
    -------
    RunTrend

    Raises
    ------
    InputError
        Without responses, for a date that is none, or if no model and task has three runs.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13; O'Neill 2014, doi:10.1080/00031305.2014.966589, for the degrees of
    freedom of the first error.
    """
    check_not_empty(counts, "to persona prompts; run a task without _neutral or _persona_free in its name")
    days = {level: _day(level) for level in counts.levels[factor]}
    rates = estimate_rates(counts, [*STUDY, factor])
    texts = count_by_text(counts, [*STUDY, factor])
    n, k = sparse.csc_array(texts.n), sparse.csc_array(texts.n_refused)
    rows, few = [], []
    for (model, task), own in texts.cells.groupby([*STUDY], sort=False):
        if len(own) < LEAST_RUNS:
            few.append(f"{model}, {task}: {len(own)}")
            continue
        x = np.array([days[level] for level in own[factor]], dtype=np.float64)
        slope = _slope(x, n[:, own.index].toarray(), k[:, own.index].toarray())
        ends = {"n_runs": len(own), "first_date": min(own[factor]), "last_date": max(own[factor])}
        rows.append({"model": model, "task": task} | slope | ends)
    needed = f"a slope over dates needs at least {LEAST_RUNS} runs on different days"
    if not rows:
        raise InputError(f"{needed}, and there are fewer ({'; '.join(few)}); give the folders of more runs")
    slopes = pd.DataFrame(rows)[[*RUN_TRENDS.keys, *RUN_TRENDS.estimates]]
    notes = [f"No slope for {'; '.join(few)} run(s): {needed}."] * bool(few)
    if rates.groupby([*STUDY])["n"].nunique().gt(1).any():
        notes.append("Runs have different numbers of responses, so they did not have the same prompts.")
    return RunTrend(rates, slopes, tuple(notes))


def _day(level: str) -> int:
    try:
        return date.fromisoformat(level).toordinal()
    except ValueError as error:
        raise InputError(f"date {quoted(level)}: is not a date; give YYYY-MM-DD") from error


def _slope(x: Floats, n: Floats, k: Floats) -> dict[str, float]:
    """Estimate the slope of one model and task from the counts of its texts: (n_texts, n_runs)."""
    asked = n.sum(axis=1) > 0
    n, k = n[asked], k[asked]
    total = n.sum(axis=0)
    rate = k.sum(axis=0) / total
    centred = (x - x.min()) - (x - x.min()).mean()
    weight = PERIOD * centred / (centred @ centred)
    slope = float(weight @ (rate - rate.mean()))
    n_texts = len(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = k / n
    # A text that a run lacks says nothing about a change.
    has_changed = bool(np.any(np.nanmax(own, axis=1) > np.nanmin(own, axis=1)))
    errors, quantiles, p_values = [], [], []
    if n_texts > 1:
        variance, freedom = variance_of_scores(((k - rate * n) / total) @ weight)
        errors.append(float(np.sqrt(variance)))
        quantiles.append(float(student(CONFIDENCE, freedom)))
        p_values.append(_p(slope, errors[-1], float(freedom)))
    residual = rate - rate.mean() - centred * slope / PERIOD
    errors.append(float(np.sqrt(residual @ residual / (len(x) - 2) * (weight @ weight))))
    quantiles.append(float(student(CONFIDENCE, len(x) - 2)))
    p_values.append(_p(slope, errors[-1], len(x) - 2))
    half = float(np.nanmax(np.multiply(errors, quantiles)))
    if not has_changed:
        half = float(zero_count_bound(np.array([n_texts]), (1 - CONFIDENCE) / 2)[0]) * PERIOD / float(np.ptp(x))
    known = n_texts > 1
    return {
        "slope": slope,
        "se": max(errors) if known else np.nan,
        "ci_low": slope - half if known else np.nan,
        "ci_high": slope + half if known else np.nan,
        "p_value": (max(p_values) if has_changed else 1.0) if known else np.nan,
        "n_texts": n_texts,
    }


def _p(slope: float, error: float, freedom: float) -> float:
    """Compute the two-sided p-value; without an error, any slope but 0 is significant."""
    if error > 0 and freedom > 0:
        return float(2 * stats.t.sf(abs(slope) / error, freedom))
    return float(abs(slope) < np.finfo(float).eps)
