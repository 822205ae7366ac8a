r"""The scatter of several estimates beyond their noise, and its confidence interval.

Estimates :math:`x_1, \dots, x_A` have the deviations :math:`d_a = x_a - \bar x`, which are those of the true values
plus noise with the covariance :math:`\Sigma`. Let S be the standard deviation of the true values. The sum of squares
:math:`Q = \sum_a d_a^2` is a quadratic form of normal variables with the cumulants

.. math::
    \kappa_1 &= (A-1) S^2 + \operatorname{tr} \Sigma \\
    \kappa_2 &= 4 (A-1) S^2 \lambda_1 + 2 \operatorname{tr} \Sigma^2 \\
    \kappa_3 &= 24 (A-1) S^2 \lambda_2 + 8 \operatorname{tr} \Sigma^3

where :math:`\lambda_j = u' \Sigma^j u` for the direction u of the true deviations. It is computed for the direction of
the observed deviations and for the mean over all directions, :math:`\operatorname{tr} \Sigma^j / (A-1)`, and the
larger one is used. Probabilities are those of Pearson's type III distribution with these cumulants.
"""

import numpy as np

from ..arrays import Floats
from .score import upper_tail

_STEPS = 40
"""Halvings when an end of an interval is searched."""


def scatter_interval(deviations: Floats, covariance: Floats, level: float) -> tuple[float, float]:
    """Find the standard deviations of true values that agree with the scatter of their estimates.

    Parameters
    ----------
    deviations : (n,) array of float
        Estimates minus their mean.
    covariance : (n, n) array of float
        Of the deviations.
    level : float
        Confidence level.

    Returns
    -------
    low, high : float
        Standard deviations with n - 1. The lower end is 0 if the scatter is not significantly larger than noise. The
        upper end of a scatter that is smaller than expected from noise alone is that of the expected one. nan if
        there is no noise.

    References
    ----------
    Jackson 2013, Research Synthesis Methods 4, 220-229, inverts a sum of squares in the same way, for a sample of true
    values instead of fixed ones. Imhof 1961, Biometrika 48, 419-426, for the cumulants of quadratic forms.

    Examples
    --------
    Noise that is too small to matter leaves the standard deviation of the values themselves.

    >>> low, high = scatter_interval(np.array([-0.1, 0.0, 0.1]), 1e-12 * np.eye(3), 0.95)
    >>> f"{low:.4f} {high:.4f}"
    '0.1000 0.1000'
    """
    freedom = len(deviations) - 1
    observed = float(deviations @ deviations)
    powers = [covariance, covariance @ covariance, covariance @ covariance @ covariance]
    traces = [float(np.trace(power)) for power in powers]
    if freedom < 1 or not traces[0] > 0:
        return np.nan, np.nan
    along = [float(deviations @ power @ deviations) / observed if observed else 0.0 for power in powers[:2]]
    along = [max(own, trace / freedom) for own, trace in zip(along, traces, strict=False)]

    def tail(squares: float, total: float) -> float:
        """Return the probability of a sum of squares at least this large, if the true squares sum to a total."""
        second = 4 * total * along[0] + 2 * traces[1]
        third = 24 * total * along[1] + 8 * traces[2]
        z = (squares - total - traces[0]) / np.sqrt(second)
        return float(upper_tail(np.array(z), np.array(third / second**1.5)))

    def find(squares: float, probability: float) -> float:
        """Find the true sum of squares from which the observed one has this upper tail."""
        low, high = 0.0, squares + traces[0]
        if tail(squares, low) >= probability:
            return 0.0
        while tail(squares, high) < probability:
            low, high = high, 2 * high
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(squares, middle) < probability else (low, middle)
        return high

    each = (1 - level) / 2
    ends = find(observed, each), find(max(observed, traces[0]), 1 - each)
    low, high = np.sqrt(np.array(ends) / freedom)
    return float(low), float(high)
