r"""Confidence intervals of the ranks of models, from all pairwise differences.

Models answer prompts about the same texts, and their refusals are correlated. So the standard error of each difference
:math:`\hat p_j - \hat p_k` is computed within texts. The rank of a model is 1 plus the number of models that refuse
less. Its interval counts only differences that exceed the critical value of the largest difference on the whole board,
so that the intervals of all models hold simultaneously.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import CONFIDENCE, Floats
from .sign_flips import flip_texts

RANKS = ("rank", "rank_low", "rank_high")
"""The columns of a table of ranks."""


_ROUNDING = 1e-12
"""The largest rounding error of a variance of 0, relative to its components."""


def estimate_ranks(
    estimates: Floats, scores: Floats, n_texts: NDArray[np.integer], rng: np.random.Generator, *, n_draws: int = 2000
) -> pd.DataFrame:
    r"""Rank models, with simultaneous 95% confidence intervals of the ranks.

    With :math:`T_{jk} = (\hat p_j - \hat p_k) / s_{jk}` and
    :math:`s_{jk}^2 = \sum_g (z_{gj} - z_{gk})^2` over texts g, the interval of model j's rank is from 1 and the
    number of models with :math:`T_{jk} > c` to the number of all models minus the number of those with :math:`T_{jk} <
    -c`. The critical value c is the 95% quantile of :math:`\max_{j, k} |T^*_{jk}|` over all pairs, under random sign
    flips of the scores of whole texts.

    Parameters
    ----------
    estimates : (n_models,) array of float
        Rates in [0, 1].
    scores : (n_texts, n_models) array of float
        The contribution of each text to the error of each rate: the sum of squares is the rate's text-clustered
        variance; 0 if a model has no responses about a text. So models that share all texts, some or none are compared
        correctly.
    n_texts : (n_models,) array of int
        Texts of each model; for a mean over tasks, those of the task with the fewest.
    rng : numpy.random.Generator
    n_draws : int
        How often signs are drawn.

    Returns
    -------
    pandas.DataFrame
        One row a model. Columns ``rank, rank_low, rank_high``, from 1, which refuses least; those
        that are equal share the lowest of their ranks. Two models are never ranked differently with so few texts that
        no sign flip can be significant, :math:`2^{1 - G} > .05 / P` for G texts and P pairs of models.

    References
    ----------
    Mogstad, Romano, Shaikh and Wilhelm 2024, doi:10.1093/restud/rdad006: simultaneous two-sided confidence
    sets for ranks, in a single step. The draws are the wild cluster bootstrap of Cameron, Gelbach and
    Miller 2008, doi:10.1162/rest.90.3.414; for maxima of them, Chernozhukov, Chetverikov and Kato 2013,
    doi:10.1214/13-AOS1161.
    """
    n_models = len(estimates)
    fewest = np.minimum.outer(n_texts, n_texts)
    products = scores.T @ scores
    own = np.diag(products)[:, None] + np.diag(products)
    variance = own - 2 * products
    variance[variance <= _ROUNDING * own] = 0
    drawn = (signs @ scores for signs in flip_texts(rng, n_draws, len(scores), dtype=np.float64))
    critical = _critical(np.concatenate(list(drawn)), variance, fewest)
    difference = np.subtract.outer(estimates, estimates)
    is_one = np.abs(difference) > _ROUNDING
    with np.errstate(divide="ignore", invalid="ignore"):
        # If all texts agree, the variance is 0 and the t value is infinite.
        beyond = np.abs(difference) / np.sqrt(variance) > critical
    n_pairs = max(n_models * (n_models - 1) // 2, 1)
    apart = is_one & beyond & (0.5 ** (fewest.astype(np.float64) - 1) <= (1 - CONFIDENCE) / n_pairs)
    ranks = (
        1 + np.count_nonzero(is_one & (difference > 0), axis=1),
        1 + np.count_nonzero(apart & (difference > 0), axis=1),
        n_models - np.count_nonzero(apart & (difference < 0), axis=1),
    )
    return pd.DataFrame(dict(zip(RANKS, ranks, strict=True)))


def _critical(drawn: Floats, variance: Floats, n_texts: NDArray[np.integer]) -> float:
    """Find the 95% quantile of the largest studentised difference among the draws.

    `drawn` is (n_draws, n_models), the others (n_models, n_models).
    """
    largest = np.zeros(len(drawn))
    for j in range(drawn.shape[1]):
        varies = variance[j] > 0
        squares = (drawn[:, [j]] - drawn[:, varies]) ** 2
        # The error of each draw is about its own mean, and is 0 if all scores have the same sign.
        left = np.maximum(variance[j, varies] - squares / n_texts[j, varies], 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t2 = np.where(squares > 0, squares * (1 - 1 / n_texts[j, varies]) / left, 0)
        largest = np.maximum(largest, t2.max(axis=1, initial=0))
    return float(np.sqrt(np.quantile(largest, CONFIDENCE, method="higher")))
