r"""The optimal-transport sensitivity index of one factor, from counts or from numbers.

For a binary outcome the index [1]_ of a factor X is, with :math:`w_x` the share of responses at
level x, :math:`p_x` their refusal rate and :math:`p` the rate of all,

.. math:: \iota = \frac{\sum_x w_x |p_x - p|}{2 p (1 - p)} \in [0, 1],

0 if and only if refusing does not depend on X, 1 if and only if X alone decides it. It is a mean of
absolute values, so noise makes it larger.

References
----------
.. [1] Borgonovo, Figalli, Plischke and Savaré 2024, doi:10.1287/mnsc.2023.01796; Wiesel 2022,
   Bernoulli 28(4), arXiv:2102.00356.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from refusal_metrics.errors import InputError

from ..arrays import Floats

# The mean magnitude of a normal variable with this mean and standard deviation 1.
_UNFOLDED = np.linspace(0, 8, 8001)
_FOLDED = np.sqrt(2 / np.pi) * np.exp(-(_UNFOLDED**2) / 2) + _UNFOLDED * (1 - 2 * stats.norm.cdf(-_UNFOLDED))


def compute_iota(n: ArrayLike, n_refused: ArrayLike) -> Floats:
    """Compute the index from counts.

    Parameters
    ----------
    n, n_refused : (..., n_levels) array
        Responses and refusals at each level; levels without responses do not count.

    Returns
    -------
    (...) array of float
        In [0, 1]; nan where nothing or everything was refused.
    """
    return index_of(*split_shares(np.asarray(n, dtype=np.float64), np.asarray(n_refused, dtype=np.float64)))


def compute_numeric_iota(outcome: ArrayLike, level: ArrayLike) -> float:
    r"""Compute the index of a numeric outcome, of which the binary one is a special case.

    :math:`\iota = E[W_2^2(P_Y, P_{Y|X})] / (2 \operatorname{Var} Y)`, with the squared Wasserstein
    distance of two samples computed exactly from their sorted values.

    Parameters
    ----------
    outcome : (n,) array of float
    level : (n,) array
        The factor's level of each outcome.

    Returns
    -------
    float
        In [0, 1]; nan for a constant outcome.

    Raises
    ------
    InputError
        If there are no outcomes, or not as many levels as outcomes, or one is not finite.

    References
    ----------
    Borgonovo, Figalli, Plischke and Savaré 2024, doi:10.1287/mnsc.2023.01796, section 4.
    """
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(level)
    if y.ndim != 1 or not y.size or y.shape != x.shape or not np.isfinite(y).all():
        raise InputError(f"{y.size} outcomes and {x.size} levels: give as many finite outcomes as levels, at least one")
    every = np.sort(y)
    if every[0] == every[-1]:
        return float("nan")
    names, group = np.unique(x, return_inverse=True)
    distance = sum((group == i).mean() * _squared_wasserstein(np.sort(y[group == i]), every) for i in range(len(names)))
    return float(distance / (2 * y.var()))


def _squared_wasserstein(a: Floats, b: Floats) -> float:
    """Couple two sorted samples by their quantiles."""
    ends = np.union1d(np.arange(1, len(a) + 1) * len(b), np.arange(1, len(b) + 1) * len(a))
    # Between two ends both quantile functions are constant; in whole numbers, so nothing is rounded.
    quantiles_a, quantiles_b = a[(ends - 1) // len(b)], b[(ends - 1) // len(a)]
    return float(np.sum(np.diff(ends, prepend=0) * (quantiles_a - quantiles_b) ** 2) / (len(a) * len(b)))


def split_shares(n: Floats, n_refused: Floats) -> tuple[Floats, Floats, Floats]:
    """Take the index apart.

    Parameters
    ----------
    n, n_refused : (..., n_levels) array of float

    Returns
    -------
    share, distance : (..., n_levels) array of float
        :math:`w_x` and :math:`p_x - p`.
    scale : (...) array of float
        :math:`2 p (1 - p)`.
    """
    whole = n.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = n_refused.sum(axis=-1, keepdims=True) / whole
        distance = np.where(n > 0, n_refused / n - rate, 0.0)
        return n / whole, distance, (2 * rate * (1 - rate))[..., 0]


def index_of(share: Floats, distance: Floats, scale: Floats) -> Floats:
    """Put the index together from what `split_shares` gives; nan where the scale is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounding may lead beyond 1.
        index = np.minimum(np.sum(share * np.abs(distance), axis=-1) / scale, 1)
    return np.where(scale > 0, index, np.nan)


def remove_noise(magnitude: Floats, noise: Floats) -> Floats:
    """Find what the distance is if a normal error with this standard deviation is part of its magnitude.

    The mean magnitude of a normal variable is inverted, level by level (the folded normal
    distribution, Leone, Nelson and Nottingham 1961, doi:10.1080/00401706.1961.10489974); 0 where
    the noise alone explains as much.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(noise == 0, np.inf, magnitude / noise)
    # Beyond 8 standard deviations the fold is far away.
    inside = np.interp(ratio, _FOLDED, _UNFOLDED)
    return np.where(ratio > _UNFOLDED[-1], magnitude, inside * noise)


def explain_variance(n: Floats, n_refused: Floats) -> Floats:
    """Estimate the variance between cells' rates, (..., n_cells), without the binomial noise of cells."""
    share, distance, scale = split_shares(n, n_refused)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(n > 0, n_refused / n, 0.0)
        noise = share * (1 - share) * rate * (1 - rate) / np.maximum(n - 1, 1)
    # The noise of a cell with one response cannot be told from what is there.
    known = np.sum(share * (n == 1), axis=-1) < 0.1
    return np.where(known & np.isfinite(scale), np.sum(share * distance**2 - noise, axis=-1), np.nan)
