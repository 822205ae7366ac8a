r"""Random-effects models of estimates whose error covariance is known: meta-analysis, shrinkage, prediction.

N estimates are :math:`y = X \beta + \sum_j Z_j u_j + e`: fixed effects, random effects :math:`u_j \sim N(0, \tau_j I)`
that the members of a group share, and errors :math:`e \sim N(0, V)` with V given. With
:math:`\Sigma = V + \sum_j \tau_j Z_j Z_j^\top` and
:math:`P = \Sigma^{-1} - \Sigma^{-1} X (X^\top \Sigma^{-1} X)^{-1} X^\top \Sigma^{-1}`, the variances :math:`\tau_j`
maximise the restricted likelihood, whose deviance is
:math:`\log|\Sigma| + \log|X^\top \Sigma^{-1} X| + y^\top P y`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg, optimize, stats

from ..arrays import CONFIDENCE, Bools, Floats, Integers

_FEWEST = 3
"""With fewer effects, their spread cannot be distinguished from their mean's error."""
_RIDGE = 1e-9
"""A share of the mean error variance that is added to all, so that contrasts without error do no harm."""
_FARTHEST = 60
"""How often the search for the end of a profile interval doubles its distance."""


@dataclass(frozen=True)
class RandomEffects:
    r"""A fitted random-effects model.

    Attributes
    ----------
    y : (n,) array of float
    x : (n, n_fixed) array of float
    errors : (n, n) array of float
        V.
    groups : tuple of (n,) array of int
        For each random effect the group of each estimate.
    components : (n_groups,) array of float
        :math:`\hat\tau_j`, at least 0.
    coef, covariance : array of float
        :math:`\hat\beta` and its model-based covariance :math:`(X^\top \Sigma^{-1} X)^{-1}`.
    scale : float
        Knapp and Hartung's :math:`y^\top P y / (n - n_{fixed})`.
    """

    y: Floats
    x: Floats
    errors: Floats
    groups: tuple[Integers, ...]
    components: Floats
    coef: Floats
    covariance: Floats
    scale: float
    _p: Floats = field(repr=False)
    _deviance: float = field(repr=False)
    _unit: float = field(repr=False)

    def shrunken(self) -> tuple[Floats, Floats]:
        r"""Predict the true effects behind the estimates, with the variances of the prediction errors.

        The best linear unbiased predictions are :math:`y - V P y`. Their variances are those for known
        :math:`\tau`, the diagonal of :math:`V - V P V`, plus twice Kackar and Harville's
        :math:`\sum_{jk} W_{jk} V P K_j P K_k P V`, :math:`K_j = Z_j Z_j^\top`, where W, the inverse of the expected
        information :math:`\tfrac12 \operatorname{tr}(P K_j P K_k)`, is the covariance of :math:`\hat\tau`: once for
        the error that estimated :math:`\tau` add, and once for the bias that they cause in the first term.

        Returns
        -------
        estimates, variances : (n,) array of float

        References
        ----------
        Kackar and Harville 1984, Journal of the American Statistical Association 79, 853-862. Prasad and Rao 1990, the
        same 85, 163-171.
        """
        moves = [self._p @ kernel for kernel in map(_kernel, self.groups)]
        information = np.array([[0.5 * np.sum(a * b.T) for b in moves] for a in moves])
        spread = np.linalg.pinv(information, hermitian=True)
        vp = self.errors @ self._p
        variances = np.diag(self.errors) - np.sum(vp * self.errors, axis=1)
        shifts = [self.errors @ move for move in moves]
        for j, one in enumerate(shifts):
            right = one @ self._p
            variances = variances + 2 * sum(
                spread[j, k] * np.sum(right * other, axis=1) for k, other in enumerate(shifts)
            )
        return self.y - vp @ self.y, np.asarray(variances)

    def profile(self, component: int, level: float = CONFIDENCE) -> tuple[float, float]:
        """Compute the profile-likelihood interval of a variance component.

        Parameters
        ----------
        component : int
            Its position in `components`.
        level : float

        Returns
        -------
        low, high : float
            Where the restricted deviance, minimised over the other components, is a chi-squared quantile (1 degree of
            freedom) above its minimum; 0 is the lower end if that does not happen below the estimate, and inf the
            upper one if not above.

        References
        ----------
        Hardy and Thompson 1996, Statistics in Medicine 15, 619-629.
        """
        critical = float(stats.chi2.ppf(level, 1))
        others = [at for at in range(len(self.groups)) if at != component]

        def excess(value: float) -> float:
            fixed = self.errors + value * _kernel(self.groups[component])
            groups = [self.groups[at] for at in others]
            start = self.components[others] / self._unit
            components = _search(self.y, self.x, fixed, groups, self._unit, start)
            return _deviance(self.y, self.x, fixed, groups, components, self._unit)[0] - self._deviance - critical

        at = float(self.components[component])
        low = 0.0 if excess(0.0) <= 0 else float(optimize.brentq(excess, 0.0, at, rtol=1e-6))
        below, above = at, at + self._unit
        for _ in range(_FARTHEST):
            if excess(above) > 0:
                return low, float(optimize.brentq(excess, below, above, rtol=1e-6))
            below, above = above, 2 * above
        return low, np.inf


def fit_random_effects(y: Floats, x: Floats, errors: Floats, groups: Sequence[Integers]) -> RandomEffects:
    """Fit a random-effects model of estimates with a known error covariance by restricted maximum likelihood.

    Parameters
    ----------
    y : (n,) array of float
        Estimates.
    x : (n, n_fixed) array of float
        The design of the fixed effects, of full column rank.
    errors : (n, n) array of float
        Positive semidefinite.
    groups : sequence of (n,) array of int
        The groups that share a value of each random effect.

    Returns
    -------
    RandomEffects

    References
    ----------
    Hedges and Olkin 1985, Statistical Methods for Meta-Analysis. Patterson and Thompson 1971, Biometrika 58, 545-554,
    for the likelihood. Knapp and Hartung 2003, doi:10.1002/sim.1482, for the scale.
    """
    unit = float(np.mean(np.diag(errors)))
    known = errors + _RIDGE * unit * np.eye(len(y))
    components = _search(y, x, known, groups, unit, np.ones(len(groups)))
    deviance, _, p, coef, covariance = _parts(y, x, known, groups, components)
    scale = float(y @ p @ y) / max(len(y) - x.shape[1], 1)
    return RandomEffects(y, x, known, tuple(groups), components, coef, covariance, scale, p, deviance, unit)


def shrink(effects: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    r"""Shrink estimated effects towards their mean, by as much as their errors explain of their spread.

    The true effects are taken as a sample from a normal distribution, whose variance is estimated by restricted maximum
    likelihood: effects that differ by no more than their errors are all estimated by their mean.

    Parameters
    ----------
    effects : (n,) array of float
        E.g. of one model's personas.
    covariance : (n, n) array of float
        Of their errors; positive semidefinite, on the scale of the effects.

    Returns
    -------
    estimates, variances : (n,) array of float
        Shrunken effects and the variances of their errors, see `RandomEffects.shrunken`; nan for fewer than three
        effects.

    References
    ----------
    Efron and Morris 1975, Journal of the American Statistical Association 70, 311-319.

    Examples
    --------
    >>> estimates, variances = shrink(np.array([3.0, 0.0, -3.0]), np.eye(3))
    >>> estimates.round(3).tolist()
    [2.667, 0.0, -2.667]
    """
    if len(effects) < _FEWEST:
        return np.full(len(effects), np.nan), np.full(len(effects), np.nan)
    return fit_random_effects(effects, np.ones((len(effects), 1)), covariance, [np.arange(len(effects))]).shrunken()


def _kernel(group: Integers) -> Bools:
    """Mark the pairs of estimates that share a group."""
    return np.asarray(group[:, None] == group[None, :])


def _parts(
    y: Floats, x: Floats, known: Floats, groups: Sequence[Integers], components: Floats
) -> tuple[float, Floats, Floats, Floats, Floats]:
    """Compute the deviance and its gradient, P, the coefficients and their covariance."""
    kernels = [_kernel(group) for group in groups]
    total = known + sum((value * kernel for value, kernel in zip(components, kernels, strict=True)), np.zeros(()))
    factor = linalg.cholesky(total, lower=True)
    inverse = linalg.cho_solve((factor, True), np.eye(len(y)))
    solved = inverse @ x
    information = x.T @ solved
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    p = inverse - solved @ covariance @ solved.T
    left = p @ y
    deviance = float(2 * np.sum(np.log(np.diag(factor))) + np.linalg.slogdet(information)[1] + y @ left)
    gradient = np.array([np.sum(p[kernel]) - left @ (kernel @ left) for kernel in kernels], dtype=np.float64)
    return deviance, gradient, p, covariance @ (solved.T @ y), covariance


def _deviance(
    y: Floats, x: Floats, known: Floats, groups: Sequence[Integers], components: Floats, unit: float
) -> tuple[float, Floats]:
    """Compute the restricted deviance, and its gradient by components in units."""
    deviance, gradient, *_ = _parts(y, x, known, groups, components)
    return deviance, gradient * unit


def _search(y: Floats, x: Floats, known: Floats, groups: Sequence[Integers], unit: float, start: Floats) -> Floats:
    """Find the components that minimise the restricted deviance, from a start in units."""
    if not groups:
        return np.zeros(0)
    found: Any = optimize.minimize(  # type: ignore[call-overload]  # the stubs lack an objective with its gradient
        lambda components: _deviance(y, x, known, groups, components * unit, unit),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(groups),
        options={"ftol": 1e-12, "gtol": 1e-7},
    )
    return np.asarray(found.x * unit, dtype=np.float64)
