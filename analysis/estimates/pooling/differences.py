r"""Each persona's difference from a baseline in points, averaged over the models and tasks that were asked.

The mean of the differences :math:`\hat\delta` of `log_odds` over tasks, and then over models, each with the same
weight. All models count, also those that never refuse, whose differences are 0. Models share texts, so what text g adds
to the error of the mean is the mean of what it adds to each difference.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from ...arrays import CONFIDENCE
from ...counts import Counts
from ...statistics import variance_of_scores, zero_count_bound
from .effects import compare_cells
from .mixture import interval


def average_differences(counts: Counts, baseline: str, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Average the differences between each persona and a baseline over models and tasks.

    Parameters
    ----------
    counts : Counts
    baseline : {"neutral", "others"}
        Neutral prompts, or all other personas of the same model and task.
    confidence : float
        The level of the intervals: 1 - .05 / K makes those of K personas simultaneous (Bonferroni).

    Returns
    -------
    pandas.DataFrame
        One row a persona: ``persona, estimate, ci_low, ci_high`` (differences of rates in [-1, 1], with text-clustered
        t intervals; if verdicts about no text differ, the bound of contrasts), ``n_models, n_tasks``.

    Raises
    ------
    InputError
        If there are no personas, or no neutral prompts for the neutral baseline.
    """
    cells, compared, at = compare_cells(counts, "persona", baseline)
    kept = at >= 0
    cells, compared = cells[kept].reset_index(drop=True), compared.take(kept)
    by_persona = cells.groupby("persona", sort=True)
    row = by_persona.ngroup().to_numpy()
    n_tasks, n_models = (
        cells.groupby(by)[name].transform("nunique").to_numpy(dtype=np.float64)
        for by, name in ((["model", "persona"], "task"), (["persona"], "model"))
    )
    weights = sparse.csr_array((1 / (n_tasks * n_models), (np.arange(len(cells)), row)))
    estimates = np.asarray(weights.T @ compared.differences, dtype=np.float64)
    scores = sparse.csc_array(compared.scores_of_differences @ weights)
    asked = counts.where(setting="persona")
    n_texts = len(np.unique(asked.text[asked.codes["persona"] >= 0]))
    variance, freedom = variance_of_scores(scores.toarray(), n_texts)
    extra = np.asarray((weights**2).T @ compared.extra_of_differences, dtype=np.float64)
    error = np.sqrt(variance + extra)
    low, high = interval(estimates, error, freedom, confidence)
    # If verdicts differ within no text, other texts may still have such verdicts.
    alike, unseen = ~(error > 0), float(zero_count_bound(n_texts, (1 - confidence) / 2))
    low, high = np.where(alike, -unseen, low), np.where(alike, unseen, high)
    table = by_persona.agg(n_models=("model", "nunique"), n_tasks=("task", "nunique")).reset_index()
    ends = {"estimate": estimates, "ci_low": np.clip(low, -1, 1), "ci_high": np.clip(high, -1, 1)}
    return table.assign(**ends)[["persona", *ends, "n_models", "n_tasks"]]
