r"""Variances clustered by text: responses to one text are dependent, texts are independent.

The error of an estimate is a sum over texts, :math:`\sum_g z_g`, where :math:`z_g` is the score of text g: what the
text adds to the error. Every text-clustered variance of the analysis is computed here.
"""

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats


def cluster_correction(n_texts: ArrayLike) -> Floats:
    r"""Return the finite-sample factor :math:`G / (G - 1)` of a clustered variance.

    Parameters
    ----------
    n_texts : array of int or float
        The number of texts, G.

    Returns
    -------
    array of float
        nan for fewer than two texts.

    References
    ----------
    Cameron and Miller 2015, doi:10.3368/jhr.50.2.317, section II.
    """
    n = np.asarray(n_texts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 1, n / (n - 1), np.nan)


def clustered_variance(squares: ArrayLike, n_texts: ArrayLike) -> Floats:
    r"""Return the text-clustered variance :math:`\tfrac{G}{G-1} \sum_g z_g^2`.

    Parameters
    ----------
    squares : array of float
        The sums of squared scores, :math:`\sum_g z_g^2`; of coefficients the matrix of products,
        :math:`\sum_g z_g z_g^\top`, for their covariance.
    n_texts : array of int or float
        The number of texts, G.

    Returns
    -------
    array of float
        nan for fewer than two texts.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13.
    """
    return np.asarray(cluster_correction(n_texts) * np.asarray(squares, dtype=np.float64), dtype=np.float64)


def clustered_freedom(squares: ArrayLike, fourths: ArrayLike, n_texts: ArrayLike) -> Floats:
    r"""Return the degrees of freedom of a text-clustered variance.

    .. math:: d = \min\Big(G - 1, \frac{2 G}{\kappa - (G - 3) / (G - 1)}\Big), \quad
              \kappa = G \sum_g z_g^4 / \Big(\sum_g z_g^2\Big)^2.

    If few of the texts decide the variance, the kurtosis :math:`\kappa` is large and there are few degrees of freedom.

    Parameters
    ----------
    squares, fourths : array of float
        The sums of the second and the fourth powers of the scores.
    n_texts : array of int or float
        The number of texts, G.

    Returns
    -------
    array of float
        G - 1 if all scores are 0; nan for fewer than two texts.

    References
    ----------
    O'Neill 2014, doi:10.1080/00031305.2014.966589.
    """
    n = np.asarray(n_texts, dtype=np.float64)
    second, fourth = np.asarray(squares, dtype=np.float64), np.asarray(fourths, dtype=np.float64)
    n_others = np.where(n > 1, n - 1, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = n * fourth / second**2
        # Scores of 0 have no kurtosis, and fmin takes G - 1.
        freedom = np.fmin(n_others, 2 * n / (kurtosis - (n - 3) / n_others))
    return np.where(n > 1, freedom, np.nan)


def variance_of_scores(scores: Floats, n_texts: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return the text-clustered variance of estimates and its degrees of freedom.

    Parameters
    ----------
    scores : (n_texts, ...) array of float
        What each text adds to the error of each estimate; they sum to 0 over texts.
    n_texts : (...) array of int, optional
        The number of texts of each estimate, if some of the rows are texts that it does not have.

    Returns
    -------
    variance, freedom : (...) array of float
        See `clustered_variance` and `clustered_freedom`.
    """
    n = len(scores) if n_texts is None else n_texts
    squares, fourths = (np.sum(scores**power, axis=0) for power in (2, 4))
    return clustered_variance(squares, n), clustered_freedom(squares, fourths, n)
