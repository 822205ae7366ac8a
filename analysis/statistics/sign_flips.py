"""Sign-flip tests by text: under the null hypothesis each text's deviations could as well have the opposite sign."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arrays import Floats


def draw_signs(
    rng: np.random.Generator, shape: tuple[int, int], dtype: DTypeLike = np.float64
) -> "NDArray[np.floating]":
    """Draw signs, 1 or -1 with the same probability.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    dtype : {numpy.float64, numpy.float32}
        In single precision a sign is drawn from one byte instead of eight. Sums of whole numbers below 2^24 are
        exact in it, and products take half the time.

    Returns
    -------
    array of float
        Of this shape and type.

    References
    ----------
    Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060; Canay, Romano and Shaikh 2017, doi:10.3982/ECTA13081,
    for signs of whole clusters.
    """
    wide = np.dtype(dtype).itemsize == 8
    drawn = rng.integers(0, 2, shape, dtype=np.int64) if wide else rng.integers(0, 2, shape, dtype=np.int8)
    return drawn.astype(dtype) * 2 - 1


def flip_texts(
    rng: np.random.Generator, n_flips: int, n_texts: int, *, dtype: DTypeLike = np.float32, at_once: int = 250
) -> Iterator["NDArray[np.floating]"]:
    """Yield the signs of texts in blocks of flips, so that only a block is in memory.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_flips : int
        How often all texts are flipped.
    n_texts : int
    dtype : {numpy.float32, numpy.float64}
        See `draw_signs`.
    at_once : int
        The number of flips in a block; another number draws other signs.

    Yields
    ------
    (n_in_block, n_texts) array of float
        1 or -1.
    """
    for start in range(0, n_flips, at_once):
        yield draw_signs(rng, (min(at_once, n_flips - start), n_texts), dtype)


def monte_carlo_p(n_as_extreme: ArrayLike, n_drawn: int) -> Floats:
    r"""Return the p-value :math:`(1 + b) / (1 + m)` of a test with random permutations or flips.

    The observed data are one of the permutations, so that no p-value is 0 and the level is not exceeded.

    Parameters
    ----------
    n_as_extreme : array of int
        The number b of draws whose statistic is at least as extreme as the observed one.
    n_drawn : int
        The number m of draws.

    Returns
    -------
    array of float

    References
    ----------
    Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.
    """
    return np.asarray((1 + np.asarray(n_as_extreme)) / (1 + n_drawn), dtype=np.float64)
