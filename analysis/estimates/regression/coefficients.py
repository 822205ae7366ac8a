"""Estimates under separation: which coefficients have no finite maximum likelihood estimate, and the others' limit."""

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from ...statistics import Estimator, Separation, clustered_covariance, independent_columns, maximise
from .design_matrix import Data

# Log odds that stand for infinity: a probability of 1e-13.
_FAR = 30.0


@dataclass(frozen=True)
class Estimate:
    """Coefficients and their covariance.

    Attributes
    ----------
    coef : (n_columns,) array of float
        Under maximum likelihood with large numbers for infinite ones.
    covariance : (n_columns, n_columns) array of float
        Clustered by text; 0 for infinite coefficients.
    n_texts : int
        Texts on which the covariance is based.
    log_likelihood, gradient : float
        Of single responses; and the largest component of the score, by response.
    converged : bool
    """

    coef: Floats
    covariance: Floats
    n_texts: int
    log_likelihood: float
    gradient: float
    converged: bool


def estimate_coefficients(data: Data, separation: Separation, estimator: Estimator, penalty: float) -> Estimate:
    """Estimate all coefficients; with separated data, the limit of maximum likelihood.

    In the limit separated cells are fitted exactly, and the others determine what is finite.

    Parameters
    ----------
    data : Data
    separation : Separation
        Of these data.
    estimator : {"mle", "firth", "ridge"}
    penalty : float
        Of ridge.

    Returns
    -------
    Estimate
    """
    n_columns = data.x.shape[1]
    rows, columns = np.ones(len(data.n), dtype=bool), np.ones(n_columns, dtype=bool)
    away = np.zeros(n_columns)
    if estimator == "mle" and separation.coefficients.any():
        rows, columns = ~separation.cells, ~separation.coefficients
        # Infinite coefficients stay if other cells need them for their finite sums.
        columns[separation.coefficients] = independent_columns(data.x[rows][:, separation.coefficients])[0]
        away = _FAR * separation.direction
    coef, covariance = np.zeros(n_columns), np.zeros((n_columns, n_columns))
    if not rows.any():
        return Estimate(away, covariance, 0, 0.0, 0.0, converged=True)
    x, n, k = data.x[rows][:, columns], data.n[rows], data.k[rows]
    by_text = (data.text_n, data.text_k) if rows.all() else (data.text_n[:, rows], data.text_k[:, rows])
    optimum = maximise(x, n, k, estimator=estimator, penalty=penalty)
    coef[columns] = optimum.coef
    covariance[np.ix_(columns, columns)], n_texts = clustered_covariance(
        x, x @ optimum.coef, *by_text, optimum.curvature
    )
    gradient = float(np.abs(optimum.score).max() / n.sum())
    return Estimate(coef + away, covariance, n_texts, optimum.log_likelihood, gradient, optimum.converged)
