"""Logistic regression on counts: three estimators, and errors clustered by text."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize, sparse, special

from ..arrays import Bools, Floats, Integers
from .clustered import clustered_variance

Estimator: TypeAlias = Literal["mle", "firth", "ridge"]

_MAX_ITERATIONS = 500
_MAX_STEP = 5.0
# Of the Newton decrement, s' I^-1 s: the squared distance to the optimum in standard errors.
_PRECISE = 1e-16
_CONVERGED = 1e-12


def find_shift(log_odds: ArrayLike, weights: ArrayLike, rate: float) -> float:
    """Find what must be added to log odds for a weighted mean of their probabilities.

    Parameters
    ----------
    log_odds : (n,) array of float
    weights : (n,) array of float
        At least 0; their sum does not matter.
    rate : float
        The mean probability, in (0, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> round(find_shift([-1.0, 1.0], [1, 1], 0.5), 6)
    0.0
    """
    eta, weight = (np.asarray(values, dtype=np.float64) for values in (log_odds, weights))
    total = weight.sum()

    def excess(shift: float) -> float:
        return float(weight @ special.expit(eta + shift) / total) - rate

    # At the ends, every probability is below the rate, or above it.
    middle = float(special.logit(rate))
    return float(optimize.brentq(excess, middle - eta.max() - 1e-6, middle - eta.min() + 1e-6, xtol=1e-12))


@dataclass(frozen=True)
class Optimum:
    """The result of a regression's optimisation.

    Attributes
    ----------
    coef : (n_columns,) array of float
    curvature : (n_columns, n_columns) array of float
        The Fisher information of the data, for ridge with the penalty's.
    score, step : (n_columns,) array of float
        The gradient of the (penalised) log-likelihood, zero at the optimum, and Newton's step.
    objective, log_likelihood : float
        The log-likelihood with and without its penalty, of single responses.
    """

    coef: Floats
    curvature: Floats
    score: Floats
    step: Floats
    objective: float
    log_likelihood: float

    @property
    def converged(self) -> bool:
        """Whether the optimum is less than about 1e-6 standard errors away."""
        return self.decrement < _CONVERGED

    @property
    def decrement(self) -> float:
        """The squared distance to the optimum in standard errors, to first order."""
        return float(self.score @ self.step)


def maximise(
    x: sparse.csr_array, n: Floats, k: Floats, *, estimator: Estimator = "mle", penalty: float = 1.0
) -> Optimum:
    r"""Fit a logistic regression to counts by Newton's method with step halving.

    Parameters
    ----------
    x : (n_cells, n_columns) sparse array of float
        Linearly independent columns; the first one is the intercept.
    n, k : (n_cells,) array of float
        Responses and refusals; both verdicts occur.
    estimator : {"mle", "firth", "ridge"}
        The log-likelihood :math:`\ell` is maximised as it is (then an estimate must exist, see
        `regression.coefficients`), with Jeffreys' prior as :math:`\ell + \tfrac12 \log |I|`, or as
        :math:`\ell - \tfrac{\lambda}{2} \|b\|^2` with b all coefficients but the intercept.
    penalty : float
        :math:`\lambda`, the 1/C of scikit-learn.

    Returns
    -------
    Optimum

    References
    ----------
    Firth 1993, doi:10.1093/biomet/80.1.27. Kosmidis and Firth 2021, doi:10.1093/biomet/asaa052.
    """
    start = np.zeros(x.shape[1])
    start[0] = special.logit(k.sum() / n.sum())
    columns = _Columns.of(x)
    point = _evaluate(columns, n, k, start, estimator, penalty)
    for _ in range(_MAX_ITERATIONS):
        if point.decrement < _PRECISE:
            break
        moved = _search(columns, n, k, point, estimator, penalty)
        if moved is None:
            break
        point = moved
    return point


@dataclass(frozen=True)
class _Columns:
    """The columns of a regression, and what every step needs of them.

    Attributes
    ----------
    x : (n_cells, n_columns) sparse array of float
    transposed : (n_columns, n_cells) sparse array of float
    row : (n_values,) array of int
        The cell of each stored value.
    """

    x: sparse.csr_array
    transposed: sparse.csr_array
    row: Integers

    @classmethod
    def of(cls, x: sparse.csr_array) -> "_Columns":
        """Transpose the columns."""
        return cls(x, x.T.tocsr(), np.repeat(np.arange(x.shape[0]), np.diff(x.indptr)))

    def information(self, weight: Floats) -> Floats:
        """Compute X' W X: (n_columns, n_columns)."""
        # Scaling the values is several times faster than a product with a diagonal array.
        scaled = sparse.csr_array((self.x.data * weight[self.row], self.x.indices, self.x.indptr), shape=self.x.shape)
        return np.asarray((self.transposed @ scaled).toarray(), dtype=np.float64)

    def distances(self, inverse: Floats) -> Floats:
        """Compute x' A x of each cell: (n_cells,)."""
        values = self.x.data * (self.x @ inverse)[self.row, self.x.indices]
        return np.bincount(self.row, weights=values, minlength=self.x.shape[0]).astype(np.float64)


def _search(
    columns: _Columns, n: Floats, k: Floats, point: Optimum, estimator: Estimator, penalty: float
) -> Optimum | None:
    """Take Newton's step, halved until the objective does not decrease; None if it always decreases."""
    step = point.step * min(1.0, _MAX_STEP / np.abs(point.step).max())
    # The precision of a sum of millions of terms.
    slack = 1e-12 * abs(point.objective)
    for halving in range(40):
        moved = _evaluate(columns, n, k, point.coef + step * 0.5**halving, estimator, penalty)
        if moved.objective >= point.objective - slack:
            return moved
    return None


def _evaluate(columns: _Columns, n: Floats, k: Floats, coef: Floats, estimator: Estimator, penalty: float) -> Optimum:
    x = columns.x
    eta = x @ coef
    mu = special.expit(eta)
    log_likelihood = objective = log_likelihood_of(eta, n, k)
    weight = n * mu * special.expit(-eta)
    curvature = columns.information(weight)
    residual = k - n * mu
    score = columns.transposed @ residual
    if estimator == "ridge":
        penalised = np.concatenate([[0.0], coef[1:]])
        score = score - penalty * penalised
        curvature[np.diag_indices_from(curvature)] += penalty * (np.arange(len(coef)) > 0)
        objective -= penalty / 2 * float(penalised @ penalised)
    try:
        root = linalg.cholesky(curvature, lower=True)
    except linalg.LinAlgError:
        # So far out that the information matrix is singular up to rounding.
        return Optimum(coef, curvature, score, np.full_like(score, np.nan), -np.inf, log_likelihood)
    if estimator == "firth":
        inverse = linalg.cho_solve((root, True), np.eye(len(coef)))
        hat = weight * columns.distances(inverse)
        score = columns.transposed @ (residual + hat * (0.5 - mu))
        objective += float(np.log(np.diag(root)).sum())
        # The step treats the penalty as additional responses (the leverages), half of them refused, as in a saturated
        # model.
        root = linalg.cholesky(columns.information(weight + hat * mu * special.expit(-eta)), lower=True)
    return Optimum(coef, curvature, score, linalg.cho_solve((root, True), score), objective, log_likelihood)


def log_likelihood_of(eta: Floats, n: Floats, k: Floats) -> float:
    """Sum the log-likelihood of single responses, each refused or not, over (n_cells,) log odds and counts."""
    return -float(k @ np.logaddexp(0.0, -eta) + (n - k) @ np.logaddexp(0.0, eta))


def clustered_covariance(
    x: sparse.csr_array, eta: Floats, text_n: sparse.csr_array, text_k: sparse.csr_array, curvature: Floats
) -> tuple[Floats, int]:
    r"""Estimate the covariance of coefficients when responses to the same text are dependent.

    .. math:: \tfrac{G}{G-1} I^{-1} \Big(\sum_g s_g s_g^\top\Big) I^{-1}, \quad
              s_g = \sum_c x_c (k_{gc} - n_{gc} \mu_c)

    over texts g and cells c. (statsmodels and Stata multiply this by (n-1)/(n-p) for n responses and
    p coefficients, which is close to 1 except in small studies.)

    Parameters
    ----------
    x : (n_cells, n_columns) sparse array of float
    eta : (n_cells,) array of float
        Fitted log odds.
    text_n, text_k : (n_texts, n_cells) sparse array of float
        Responses and refusals of each text.
    curvature : (n_columns, n_columns) array of float
        I.

    Returns
    -------
    covariance : (n_columns, n_columns) array of float
        Of nan for fewer than two texts.
    n_texts : int
        Texts with responses, G.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13.
    """
    n_texts = int(np.count_nonzero(text_n.sum(axis=1)))
    if n_texts < 2:
        return np.full(curvature.shape, np.nan), n_texts
    expected = sparse.diags_array(special.expit(eta)) @ x
    scores = (text_k @ x - text_n @ expected).toarray()
    half = linalg.solve(curvature, scores.T, assume_a="pos")
    return clustered_variance(half @ half.T, n_texts), n_texts


def independent_columns(x: sparse.csr_array) -> tuple[Bools, Floats]:
    """Find the columns that are not linear combinations of earlier ones.

    Parameters
    ----------
    x : (n_rows, n_columns) sparse array of float
        Of numbers of similar size, such as zeros and ones.

    Returns
    -------
    independent : (n_columns,) array of bool
    combination : (n_independent, n_dependent) array of float
        The other columns as combinations of the independent ones.
    """
    gram = (x.T @ x).toarray()
    rest = gram.copy()
    independent = np.zeros(len(gram), dtype=bool)
    for i in range(len(gram)):
        if rest[i, i] > 1e-9 * max(gram[i, i], 1.0):
            independent[i] = True
            rest[i + 1 :, i + 1 :] -= np.outer(rest[i + 1 :, i], rest[i, i + 1 :] / rest[i, i])
    if not independent.any() or independent.all():
        return independent, np.zeros((int(independent.sum()), int((~independent).sum())))
    inner, outer = gram[np.ix_(independent, independent)], gram[np.ix_(independent, ~independent)]
    return independent, linalg.solve(inner, outer, assume_a="pos")
