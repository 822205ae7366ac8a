r"""How sure the ranks of models are: intervals of ranks from all differences of pairs.

Models were asked about the same texts, and a text that one refuses another often does too. So
each difference :math:`\hat p_j - \hat p_k` is taken with the error that it has within texts. The
rank of a model is 1 and the number of those that refuse less. Its interval counts only differences
beyond what chance makes of the largest difference on the whole board, for a board is read as a whole.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import CONFIDENCE, Floats
from .sign_flips import flip_texts

RANKS = ("rank", "rank_low", "rank_high")
"""The columns of a table of ranks."""


_ROUNDING = 1e-12
"""What a variance of nothing may come to, relative to those that it is made of."""


def estimate_ranks(
    estimates: Floats, scores: Floats, n_texts: NDArray[np.integer], rng: np.random.Generator, *, n_draws: int = 2000
) -> pd.DataFrame:
    r"""Rank models, with 95 % intervals of the ranks that hold for all of them at once.

    With :math:`T_{jk} = (\hat p_j - \hat p_k) / s_{jk}` and
    :math:`s_{jk}^2 = \sum_g (z_{gj} - z_{gk})^2` over texts g, the interval of model j's rank is from 1 and the
    number of models with :math:`T_{jk} > c` to the number of all models less that of those with
    :math:`T_{jk} < -c`. The critical value c is the 95 % point of :math:`\max_{j, k} |T^*_{jk}|`, over all pairs,
    where the scores of whole texts are turned round or not by the toss of a coin.

    Parameters
    ----------
    estimates : (n_models,) array of float
        Rates in [0, 1].
    scores : (n_texts, n_models) array of float
        What each text adds to each rate's error, so that the sum of squares is the rate's
        text-clustered variance; 0 where a model was not asked about a text. So models that share all texts, some
        or none are compared rightly.
    n_texts : (n_models,) array of int
        Texts each model was asked about; of a mean over tasks, those of the task with the fewest.
    rng : numpy.random.Generator
    n_draws : int
        How often signs are drawn.

    Returns
    -------
    pandas.DataFrame
        One row a model. Columns ``rank, rank_low, rank_high``, from 1, which refuses least; those
        that are equal share the lowest of their ranks. Two models are never told apart where texts
        are so few that signs alone cannot, :math:`2^{1 - G} > .05 / P` for G texts and P pairs of models.

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
        # Where all texts say the same, so would others: no variance, and a t value beyond all.
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
    """Find the 95 % point of the largest difference drawn, each by its own error.

    `drawn` is (n_draws, n_models), the others (n_models, n_models).
    """
    largest = np.zeros(len(drawn))
    for j in range(drawn.shape[1]):
        varies = variance[j] > 0
        squares = (drawn[:, [j]] - drawn[:, varies]) ** 2
        # The error of each draw is about its own mean; scores that all point one way leave none.
        left = np.maximum(variance[j, varies] - squares / n_texts[j, varies], 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t2 = np.where(squares > 0, squares * (1 - 1 / n_texts[j, varies]) / left, 0)
        largest = np.maximum(largest, t2.max(axis=1, initial=0))
    return float(np.sqrt(np.quantile(largest, CONFIDENCE, method="higher")))
