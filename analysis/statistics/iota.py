r"""The optimal-transport sensitivity index of one factor, from counts.

For a binary outcome the index [1]_ of a factor X is, with :math:`w_x` the share of responses at
level x, :math:`p_x` their refusal rate and :math:`p` the overall rate,

.. math:: \iota = \frac{\sum_x w_x |p_x - p|}{2 p (1 - p)} \in [0, 1],

0 if and only if refusals do not depend on X, 1 if and only if X determines them. It is a mean of
absolute values, so noise makes it larger.

References
----------
.. [1] Borgonovo, Figalli, Plischke and Savaré 2024, doi:10.1287/mnsc.2023.01796; Wiesel 2022,
   Bernoulli 28(4), arXiv:2102.00356.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

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
        In [0, 1]; nan if nothing or everything was refused.
    """
    return index_of(*split_shares(np.asarray(n, dtype=np.float64), np.asarray(n_refused, dtype=np.float64)))


def split_shares(n: Floats, n_refused: Floats) -> tuple[Floats, Floats, Floats]:
    """Split the index into its components.

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
    """Combine the components from `split_shares` into the index; nan if the scale is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounding can exceed 1.
        index = np.minimum(np.sum(share * np.abs(distance), axis=-1) / scale, 1)
    return np.where(scale > 0, index, np.nan)


def remove_noise(magnitude: Floats, noise: Floats) -> Floats:
    """Correct the magnitude of a distance for a normal error with this standard deviation.

    The mean magnitude of a normal variable is inverted, level by level (the folded normal
    distribution, Leone, Nelson and Nottingham 1961, doi:10.1080/00401706.1961.10489974); 0 if noise alone explains the
    magnitude.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(noise == 0, np.inf, magnitude / noise)
    # Beyond 8 standard deviations the fold is far away.
    inside = np.interp(ratio, _FOLDED, _UNFOLDED)
    return np.where(ratio > _UNFOLDED[-1], magnitude, inside * noise)


def explain_variance(n: Floats, n_refused: Floats) -> Floats:
    """Estimate the variance between cells' rates, (..., n_cells), corrected for the binomial noise of cells."""
    share, distance, scale = split_shares(n, n_refused)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(n > 0, n_refused / n, 0.0)
        noise = share * (1 - share) * rate * (1 - rate) / np.maximum(n - 1, 1)
    # The noise of a cell with one response cannot be estimated.
    known = np.sum(share * (n == 1), axis=-1) < 0.1
    return np.where(known & np.isfinite(scale), np.sum(share * distance**2 - noise, axis=-1), np.nan)
