"""The dependence of refusals on each factor: the paper's index, its null distribution, error and components.

The index of `refusal_metrics.analysis.statistics.iota` is a mean of absolute values, so noise makes it larger.
Therefore the results include its mean under permutations, and the index corrected for each level's noise.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pandas as pd

from refusal_metrics.errors import unknown_name

from ...contracts import DEVIATIONS, SENSITIVITY
from ...counts import Counts, check_not_empty
from .families import LABEL_FACTORS, ROW_FACTORS, Families
from .replicates import Null
from .tables import concatenate, tabulate_index, tabulate_levels

N_THREADS = 2
"""The default number of threads in which replicates are drawn."""


@dataclass(frozen=True)
class Sensitivity:
    """Sensitivity indices of a study.

    Attributes
    ----------
    indices : pandas.DataFrame
        One row an index, columns as in `SENSITIVITY`; ``model`` and ``task`` are empty for the whole study,
        ``factor`` is ``a:b`` for two factors jointly. ``iota_corrected`` is the index without each
        level's noise. The interval is one-sided, from 0 to an upper bound, where ``iota`` is below
        twice its ``null_mean``, or if that is above .1 (``upper_bound_only``). For personas and templates, ``p_value``
        is the larger of two: that of within-text label permutations (no effect within any text), and that of sign flips
        by text (no effect on average); for other factors it is that of label permutations. ``first_order`` and
        ``total`` are shares of the variance: the share that the factor explains alone, and the share that is lost
        without it; both are missing for two factors jointly, the second also for groups and strata, and if cells are
        too small. All noise is subtracted from the first, that of independent responses from the second, so it can be
        below the first.
    deviations : pandas.DataFrame
        One row a level, columns as in `DEVIATIONS`: ``estimate`` is :math:`p_x - p`, ``deviation`` its
        absolute value, ``null_mean`` its mean under the null hypothesis,
        ``deviation_corrected`` the deviation without its noise, ``p_adjusted`` that of Holm's method among the
        levels. A level that never or always refuses has no interval: resampling finds no noise.
    notes : tuple of str
        One sentence for each thing that could not be estimated.
    """

    indices: pd.DataFrame
    deviations: pd.DataFrame
    notes: tuple[str, ...]


def estimate_sensitivity(
    counts: Counts,
    rng: np.random.Generator,
    *,
    run_factors: Sequence[str] = (),
    without: Sequence[str] = (),
    n_replicates: int = 1000,
    threads: Executor | None = None,
) -> Sensitivity:
    """Estimate the indices of all factors and pairs, in the whole study and in each model and task.

    Parameters
    ----------
    counts : Counts
        Of the persona setting.
    rng : numpy.random.Generator
        The result does not depend on the order of responses if their prompts are numbered or no prompt is repeated.
        Other names of levels change p-values and intervals as another seed would.
    run_factors : sequence of str
        Factors of runs besides the model.
    without : sequence of str
        Factors of prompts that are left out: they have no index, and ``total`` counts what they explain as noise.
    n_replicates : int
        Permutations, and bootstrap samples of whole texts.
    threads : concurrent.futures.Executor, optional
        Threads in which replicates are drawn, by default two; the result does not depend on their number.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        If there are no responses, for an unknown factor, or if there are too many combinations of levels,
        see `refusal_metrics.analysis.estimates.sensitivity.grid.Axes.check_size`.

    References
    ----------
    Basic (reversed percentile) bootstrap of clusters: Davison and Hinkley 1997, section 5.2,
    doi:10.1017/CBO9780511802843. The bootstrap underestimates the bias if levels are alike, and overestimates it if
    they differ little. So the lower end uses the 99% point instead of the 97.5% one, and is lowered by the shortfall of
    levels' magnitudes from their null mean; and the upper end is at least half the bootstrap's width above
    ``iota_corrected``. A one-sided upper bound is the 95% point of the bootstrap.

    P-values count the observed value among the permuted ones: Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585.
    """
    counts.check_factors(run_factors)
    check_not_empty(counts, "in the persona setting")
    for name in without:
        if name not in {*LABEL_FACTORS, *ROW_FACTORS}:
            raise unknown_name("factor to leave out", name, [*LABEL_FACTORS, *ROW_FACTORS])
    study = Families(counts, run_factors, without)
    with nullcontext(threads) if threads else ThreadPoolExecutor(N_THREADS) as pool:
        permuted, flipped, drawn = (
            draw(rng, n_replicates, pool) for draw in (study.permute, study.flip, study.resample)
        )
    null = {index: Null([permuted[index], *([flipped[index]] if index in flipped else [])]) for index in study.indices}
    indices = [tabulate_index(study, index, null[index], drawn[index]) for index in study.indices]
    levels = [tabulate_levels(study, index, null[index], drawn[index]) for index in study.indices if index.is_single]
    return Sensitivity(concatenate(indices, SENSITIVITY), concatenate(levels, DEVIATIONS), tuple(study.notes))
