r"""Tests and intervals of a study that is looked at several times: group sequential tests with error spending.

At look j, a study has the share :math:`t_j` of its planned size and the information :math:`I_j`, the variance of its
score under no difference. The deviates :math:`Z_1, ..., Z_J` of its test are then jointly normal with
:math:`\mathrm{cov}(Z_i, Z_j) = \sqrt{I_i / I_j}` for i < j. The test rejects at the first look with
:math:`|Z_j| \geq c_j`, and the bounds spend its level :math:`\alpha` as O'Brien and Fleming's do:

.. math:: P(|Z_i| < c_i, i < j, |Z_j| \geq c_j) = \alpha(t_j) - \alpha(t_{j-1}), \quad
          \alpha(t) = 4 \, (1 - \Phi(z_{\alpha/4} / \sqrt{t}))

with :math:`z_q` the upper quantile. The level may be spent by the planned share while the correlations come from the
information (Lan and DeMets 1989), so the information of the full study need not be known before its end.

The repeated confidence interval at look j contains the differences d with :math:`|Z_j(d)| < c_j`: it is the usual
interval at the level :math:`1 - 2(1 - \Phi(c_j))`, and covers with the nominal probability at all looks
simultaneously, whatever made the study stop. The repeated p-value is the smallest :math:`\alpha` whose
bound the look reaches.

References
----------
Lan and DeMets 1983, doi:10.1093/biomet/70.3.659; 1989, Statistics in Medicine 8, 1191-1198. Jennison and Turnbull 1989,
Journal of the Royal Statistical Society B 51, 305-361, for repeated confidence intervals. Armitage, McPherson
and Rowe 1969, doi:10.2307/2343787, for the integration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from ..arrays import ALPHA, Floats

_SMALLEST = 1e-12
"""Levels below it are not told from 0: a look that could spend only so much has no bound."""
_FARTHEST = 8.0
"""Standard deviations beyond which a density is 0."""
_LEAST_GAIN = 1e-3
"""The smallest gain of information at a look, relative to all before; smaller ones are taken for so much."""
_NODES, _NODES_PER_SD = 24, 3.0
_LEVELS = np.unique([*np.geomspace(_SMALLEST, 1e-3, 13), *np.geomspace(1.4e-3, 0.3, 28), ALPHA, 2 * ALPHA, 0.45, 0.7])
"""Overall levels at which bounds are computed; between them, they are interpolated."""


def spend(share: ArrayLike, alpha: float) -> Floats:
    """Compute the level that a two-sided test has spent when a share of the planned study is done.

    Parameters
    ----------
    share : array_like of float
        In (0, 1].
    alpha : float
        The level of the whole test.

    Returns
    -------
    array of float
        `alpha` at the share 1.

    References
    ----------
    Lan and DeMets 1983, doi:10.1093/biomet/70.3.659: their first function, for each of the two sides.

    Examples
    --------
    >>> spend([0.2, 0.6, 1.0], 0.05).round(5).tolist()
    [0.0, 0.00762, 0.05]
    """
    z = -special.ndtri(alpha / 4)
    return np.asarray(4 * special.ndtr(-z / np.sqrt(np.asarray(share, dtype=np.float64))))


def find_bounds(shares: Sequence[float], information: Sequence[float], alpha: float) -> Floats:
    """Find the bounds of a group sequential test.

    Parameters
    ----------
    shares : sequence of float
        Of the planned study, at each look so far; increasing, in (0, 1].
    information : sequence of float
        At each look; not decreasing. Only ratios matter.
    alpha : float
        The level of the whole test.

    Returns
    -------
    (n_looks,) array of float
        Of the absolute deviates; infinite at a look without information, or with next to nothing to spend.

    Examples
    --------
    >>> looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    >>> find_bounds(looks, looks, 0.05).round(2).tolist()
    [4.88, 3.36, 2.68, 2.29, 2.03]
    """
    spent = spend(shares, alpha)
    bounds = np.full(len(spent), np.inf)
    walk: _Walk | None = None
    before = 0.0
    for look, now in enumerate(information):
        target = spent[look] - before
        if now <= 0 or target < _SMALLEST:
            continue
        # Looks without a bound leave no trace: the walk goes from bound to bound.
        walk = _Walk.begin(now) if walk is None else walk.step(now)
        bounds[look] = walk.bound(target)
        walk = walk.stopped(bounds[look])
        before = spent[look]
    return bounds


@dataclass(frozen=True)
class _Walk:
    """The score of a test that has not stopped: its density before a look, at nodes of an integration.

    Attributes
    ----------
    information : float
        At the look.
    error : float
        The standard deviation of the gain since the nodes.
    nodes, masses : (n_nodes,) array of float
        Scores after the last look with a bound, and their probabilities.
    """

    information: float
    error: float
    nodes: Floats
    masses: Floats

    @classmethod
    def begin(cls, information: float) -> "_Walk":
        """Begin at the first look."""
        return cls(information, float(np.sqrt(information)), np.zeros(1), np.ones(1))

    def step(self, information: float) -> "_Walk":
        """Move to the next look."""
        gain = max(information - self.information, _LEAST_GAIN * self.information)
        return _Walk(self.information + gain, float(np.sqrt(gain)), self.nodes, self.masses)

    def _beyond(self, bound: float) -> float:
        """Compute the probability that the deviate is outside a bound at this look."""
        limit = bound * np.sqrt(self.information)
        tails = special.ndtr((self.nodes - limit) / self.error) + special.ndtr((-self.nodes - limit) / self.error)
        return float(self.masses @ tails)

    def bound(self, target: float) -> float:
        """Find the bound that is exceeded with a given probability."""
        if target >= self._beyond(0.0):
            return 0.0
        return float(optimize.brentq(lambda bound: self._beyond(bound) - target, 0.0, _FARTHEST + 4, xtol=1e-10))

    def stopped(self, bound: float) -> "_Walk":
        """Keep what is within a bound."""
        scale = np.sqrt(self.information)
        reach = min(bound, _FARTHEST) * scale
        if reach == 0:
            return _Walk(self.information, self.error, np.zeros(1), np.zeros(1))
        # The next gain is not known yet: as fine as the smallest one that is told from none would waste most of it.
        narrowest = min(self.error, scale / 4)
        at, weights = _gauss(_NODES * int(np.ceil(1 + _NODES_PER_SD * 2 * reach / narrowest / _NODES)))
        nodes = reach * at
        density = np.exp(-0.5 * ((nodes[:, None] - self.nodes) / self.error) ** 2) @ self.masses
        masses = reach * weights * density / (self.error * np.sqrt(2 * np.pi))
        return _Walk(self.information, self.error, nodes, masses)


@lru_cache
def _gauss(n_nodes: int) -> tuple[Floats, Floats]:
    """Compute the nodes and weights of an integration over [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return np.asarray(nodes), np.asarray(weights)


@dataclass(frozen=True)
class Looks:
    """The looks at a study that was to stop when a difference is significant.

    Attributes
    ----------
    shares, information : tuple of float
        See `find_bounds`; the last look is the one whose data are analysed.
    """

    shares: tuple[float, ...]
    information: tuple[float, ...]

    @cached_property
    def _bounds(self) -> tuple[Floats, Floats]:
        """Deviates of overall levels, and the bounds at the last look for each, both increasing."""
        # Without information, nothing was tested, and shares stand in for it.
        information = self.information if self.information[-1] > 0 else self.shares
        bounds = np.array([find_bounds(self.shares, information, alpha)[-1] for alpha in _LEVELS[::-1]])
        bounds = np.maximum.accumulate(bounds)
        finite = np.where(np.isfinite(bounds), bounds, -1.0)
        usable = np.diff(finite, prepend=-1.0) > 0
        # On this scale, they are on a straight line at the first look, and nearly so at others.
        return _deviate(_LEVELS[::-1][usable]), bounds[usable]

    def level(self, alpha: ArrayLike) -> Floats:
        """Compute the level of the usual test at the last look, for a level of the whole test.

        Parameters
        ----------
        alpha : array_like of float
            Up to .7.

        Returns
        -------
        array of float
            Smaller than `alpha`, but for a single look; 0 where nothing can be rejected.
        """
        known, bounds = self._bounds
        at = _deviate(alpha)
        if not len(known):
            return np.zeros_like(at)
        return np.asarray(2 * special.ndtr(-np.interp(at, known, bounds, right=np.inf)))

    def repeated_p(self, p: ArrayLike) -> Floats:
        """Compute repeated p-values from those of the usual test at the last look.

        Parameters
        ----------
        p : array_like of float

        Returns
        -------
        array of float
            At most .05 if `p` is at most ``level(0.05)``, and only then; 1 above .7; never below the smallest level
            that can be rejected at this look.
        """
        known, bounds = self._bounds
        p = np.asarray(p, dtype=np.float64)
        if not len(known):
            return np.where(np.isnan(p), np.nan, 1.0)
        z = -special.ndtri(p / 2)
        found = 4 * special.ndtr(-np.interp(z, bounds, known))
        return np.where(np.isnan(z), np.nan, np.where(z < bounds[0], 1.0, np.maximum(found, p)))


def _deviate(alpha: ArrayLike) -> Floats:
    """Compute the deviate that a quarter of a level is beyond, from which `spend` starts."""
    return np.asarray(-special.ndtri(np.asarray(alpha, dtype=np.float64) / 4))
