r"""Rates and differences between personas by model, averaged over tasks, with simultaneous intervals.

Each task has the same weight, whatever its number of prompts. Texts differ between tasks, so the errors of tasks are
independent, and a mean has the interval of Zou, Huang and Zhang, see
`refusal_metrics.analysis.statistics.intervals.interval_of_means`.

The intervals of differences are simultaneous: with a probability of at least 95%, all M of them contain the true
difference. Each has the level :math:`1 - .05 / M` (Bonferroni), and a difference is significant if its interval does
not contain 0. So what a figure marks as significant and the intervals that it draws always agree.

A mean of T tasks has the minimum detectable effect :math:`\tfrac{1}{T} \sqrt{\sum_t m_t^2}` of the tasks' own,
:math:`m_t`, which are proportional to their standard errors. A task in which no verdicts about a text differ has none;
the half-width of its interval takes its place.

References
----------
Zou, Huang and Zhang 2009, doi:10.1016/j.csda.2008.09.033. Dunn 1961, Multiple comparisons among means, Journal of the
American Statistical Association 56, 52-64.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from ..arrays import ALPHA, Floats, Integers
from ..columns import ALL_TASKS, STUDY
from ..contracts import PERSONA_DIFFERENCES, RATES_BY_MODEL
from ..counts import Counts
from ..statistics import detectable, interval_of_difference, interval_of_means
from .compared import Compared, compare_personas, find_baseline, pool_by_family
from .contrasts import POWER
from .repeated import Repeated
from .selected import least_variances, shrink_family

_ENDS = ("estimate", "ci_low", "ci_high")
_SIZES = ("n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline")


def average_estimates(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Average estimates of different texts, with equal weights.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `by` and ``estimate, ci_low, ci_high``.
    by : sequence of str

    Returns
    -------
    pandas.DataFrame
        The same columns; one row for each combination of `by`, in order of appearance.
    """
    groups = table.groupby([*by], sort=False, dropna=False)
    of_row = groups.ngroup().to_numpy(dtype=np.int64)
    estimate, low, high = (table[name].to_numpy(dtype=np.float64) for name in _ENDS)
    means = interval_of_means(estimate, low, high, of_row, groups.ngroups)
    return groups.size().reset_index()[[*by]].assign(**dict(zip(_ENDS, means, strict=True)))


def average_rates(rates: pd.DataFrame, run_factors: Sequence[str] = ()) -> pd.DataFrame:
    """Average the refusal rates of each model over its tasks.

    Parameters
    ----------
    rates : pandas.DataFrame
        One row a model, task, setting and rule, with ``estimate, ci_low, ci_high`` and sizes.
    run_factors : sequence of str
        Settings of runs that it is broken down by.

    Returns
    -------
    pandas.DataFrame
        One row a model, setting and rule, in order of appearance: ``estimate, ci_low, ci_high``, the mean rate with its
        95% confidence interval; ``n_tasks``, and the sums ``n, n_refused``.
    """
    by = ["model", "setting", *run_factors, "rule"]
    groups = rates.groupby(by, sort=False, dropna=False)
    sizes = groups.agg(n_tasks=("task", "nunique"), n=("n", "sum"), n_refused=("n_refused", "sum"))
    table = average_estimates(rates, by).assign(
        **{name: sizes[name].to_numpy() for name in ("n_tasks", "n", "n_refused")}
    )
    return table[[*by, *RATES_BY_MODEL.estimates]]


def estimate_persona_differences(
    counts: Counts, baseline: str | None = None, run_factors: Sequence[str] = ()
) -> pd.DataFrame:
    """Estimate the difference between each persona and a baseline in each model, over tasks and in each task.

    Parameters
    ----------
    counts : Counts
    baseline : str, optional
        As of `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`; by default ``neutral`` or, without
        neutral prompts, ``others``.
    run_factors : sequence of str
        Settings of runs by which the table is broken down.

    Returns
    -------
    pandas.DataFrame
        First one row a model and persona, with an empty ``task``, for the mean over the tasks that have both; then one
        row a model, task and persona. ``estimate`` is the difference of refusal rates in [-1, 1]; ``ci_low, ci_high``
        its simultaneous 95% confidence interval, over all models and personas, and in the rows of tasks over all tasks,
        too; ``estimate_shrunken`` the difference shrunken towards the mean of the personas of this model (and task),
        nan for fewer than three personas or without common texts; ``mde_up`` the smallest increase that the study
        detects with 80% power at the level of these intervals; ``n_tasks``; ``n, n_texts, n_refused, n_baseline,
        n_refused_baseline``, the sizes of what was compared.

    Raises
    ------
    InputError
        For an unknown baseline or factor, or counts without personas.
    """
    if baseline is None:
        baseline = find_baseline(counts)
    study = [*STUDY, *dict.fromkeys(run_factors)]
    compared = compare_personas([counts], [baseline], study)[0]
    differences, phi = pool_by_family(compared.differences, compared.family, compared.within)
    compared = replace(compared, differences=differences, within=compared.within & (differences.freedom > 0))
    repeated = Repeated(compared.family, counts.looks)
    by = ["model", *dict.fromkeys(run_factors), "persona"]
    groups = compared.named.groupby(by, sort=False, dropna=False)
    of_mean = groups.ngroup().to_numpy(dtype=np.int64)
    means = groups.size().rename("n_tasks").reset_index()
    scores = compared.by_text()
    one_each = np.arange(len(of_mean), dtype=np.int64)
    parts = []
    for named, group, family_by in (
        (means.assign(task=ALL_TASKS), of_mean, [name for name in by if name != "persona"]),
        (compared.named.assign(n_tasks=1), one_each, study),
    ):
        columns = _average(compared, phi, group, len(named), repeated)
        columns["estimate_shrunken"] = _shrunken(compared, phi, scores, group, named, family_by, columns["estimate"])
        parts.append(named.assign(baseline=baseline, **columns))
    table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return table[[*study, "persona", "baseline", *PERSONA_DIFFERENCES.estimates]]


def _average(compared: Compared, phi: Floats, group: Integers, n_groups: int, repeated: Repeated) -> dict[str, Floats]:
    """Average differences by group, with intervals that are simultaneous for all groups."""
    differences = compared.differences
    has_error = differences.freedom > 0
    n_tests = max(len(np.unique(group[has_error])), 1)
    levels = repeated.levels(ALPHA / n_tests)
    low, high = interval_of_difference(differences, phi, 1 - levels)
    mean, mean_low, mean_high = interval_of_means(differences.score.estimate, low, high, group, n_groups)
    increase = np.where(has_error, detectable(differences.score, phi, levels, POWER)[0], np.nan)
    increase = np.where(np.isnan(increase), (high - low) / 2, increase)
    own = np.bincount(group, increase**2, n_groups) / np.bincount(group, minlength=n_groups) ** 2
    sizes = {name: np.bincount(group, getattr(differences, name), n_groups) for name in _SIZES}
    return {
        "estimate": mean,
        # Rounding errors of the mean do not lead out of the range of a difference.
        "ci_low": np.maximum(mean_low, -1),
        "ci_high": np.minimum(mean_high, 1),
        "mde_up": np.minimum(np.sqrt(own), 1),
        **{name: np.rint(values).astype(np.int64) for name, values in sizes.items()},
    }


def _shrunken(
    compared: Compared,
    phi: Floats,
    scores: sparse.csc_array,
    group: Integers,
    named: pd.DataFrame,
    family_by: Sequence[str],
    estimates: Floats,
) -> Floats:
    """Shrink the means of each family towards their mean: (n_groups,)."""
    weight = 1 / np.bincount(group, minlength=len(named))[group]
    into = sparse.csr_array((weight, (np.arange(len(group)), group)), shape=(len(group), len(named)))
    of_means = (scores @ into).tocsc()
    least = np.full(len(group), np.nan)
    tasks = pd.factorize(pd.Series(compared.family, dtype=object), use_na_sentinel=False)[0]
    for task in np.unique(tasks):
        members = np.flatnonzero(tasks == task)
        least[members] = least_variances(compared.differences.score, phi, members)
    # A task without different verdicts adds nothing.
    summed = np.bincount(group, np.nan_to_num(least) * weight**2, len(named))
    known = np.bincount(group, compared.within & ~np.isnan(least), len(named)) > 0
    known &= np.bincount(group, ~compared.within, len(named)) == 0
    found = np.full(len(named), np.nan)
    for rows in named.groupby(list(family_by), sort=False, dropna=False).indices.values():
        at = np.asarray(rows, dtype=np.int64)
        at = at[known[at]]
        if len(at):
            found[at] = shrink_family(
                estimates[at], np.where(summed[at] > 0, summed[at], np.nan), of_means[:, at].toarray()
            )
    # Without any refusal, there is nothing to shrink.
    return np.where(np.isnan(found) & (estimates == 0), 0.0, found)
