"""How much each factor matters to refusals: the paper's index, with its noise, its error and its parts.

The index of `refusal_metrics.analysis.statistics.iota` is a mean of absolute values, so noise makes it larger.
Beside each stands therefore its mean over permutations under which the factor cannot matter, and
the index with each level's noise taken out.
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
"""In so many threads replicates are drawn where nobody says."""


@dataclass(frozen=True)
class Sensitivity:
    """Sensitivity indices of a study.

    Attributes
    ----------
    indices : pandas.DataFrame
        One row an index, columns as in `SENSITIVITY`; ``model`` and ``task`` are empty for the whole study,
        ``factor`` is ``a:b`` for two factors jointly. ``iota_corrected`` is the index without each
        level's noise. The interval is one-sided, from 0 to an upper bound, where ``iota`` is below
        twice its ``null_mean``, or that is above .1 (``upper_bound_only``). ``p_value`` is the
        larger of two for personas and templates: of verdicts that do not depend on the factor within
        any text, and of those that may, one way in one text and the other way in another, so that
        levels' rates are alike; for other factors it is the first, by moves. ``first_order`` and ``total`` are
        shares of the variance: what the factor alone explains, and what is explained no more where
        it is not known and all others are; both are missing for two factors jointly, the second
        also for groups and strata, and where cells are too small. From the first all noise is taken,
        from the second that of independent responses, so it can come out below the first.
    deviations : pandas.DataFrame
        One row a level, columns as in `DEVIATIONS`: ``estimate`` is :math:`p_x - p`, ``deviation`` its
        absolute value, ``null_mean`` what that is on average where the factor cannot matter,
        ``deviation_corrected`` the deviation without its noise, ``p_adjusted`` that of Holm's method among the
        levels. A level that was never or always refused has no interval: resampling finds no noise.
    notes : tuple of str
        One sentence for all that could not be estimated.
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
        The result does not depend on the order of responses where their prompts are numbered or none
        comes twice. Other names of levels change p-values and intervals as another seed would.
    run_factors : sequence of str
        Factors of runs besides the model.
    without : sequence of str
        Factors of prompts that are left out: they have no index, and ``total`` counts what they explain as noise.
    n_replicates : int
        Permutations, and bootstrap samples of whole texts.
    threads : concurrent.futures.Executor, optional
        Where replicates are drawn, by default two threads; the result does not depend on their number.

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
    doi:10.1017/CBO9780511802843. The bootstrap finds too little of the bias where levels are alike, and
    too much where they differ little. So the lower end takes the 99 % point instead of the 97.5 % one,
    and lies lower by what levels' magnitudes fall short of their mean without effect; and the upper end
    lies half the bootstrap's width above ``iota_corrected`` at least. A one-sided upper bound is the
    bootstrap's 95 % point as it is.

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
        moved, flipped, drawn = (draw(rng, n_replicates, pool) for draw in (study.permute, study.flip, study.resample))
    null = {index: Null([moved[index], *([flipped[index]] if index in flipped else [])]) for index in study.indices}
    indices = [tabulate_index(study, index, null[index], drawn[index]) for index in study.indices]
    levels = [tabulate_levels(study, index, null[index], drawn[index]) for index in study.indices if index.is_single]
    return Sensitivity(concatenate(indices, SENSITIVITY), concatenate(levels, DEVIATIONS), tuple(study.notes))
