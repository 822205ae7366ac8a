r"""What a planned study may find: refusals of a model whose texts differ, and whose personas differ between texts.

The log-odds of a refusal are :math:`\mu_x + \sigma z_g + \tau z_{gx}` for text g and persona x, with independent
standard normal numbers :math:`z`; neutral prompts have no :math:`\tau`. So verdicts about one text are correlated, and
the effect of a persona varies between texts without changing its mean.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from ..arrays import Floats
from ..statistics import find_shift
from .layout import Layout

TEXT_SD = 1.5
"""Standard deviation of texts' log-odds without a pilot, as in studies of real models."""
OVERDISPERSION = 1.15
"""Overdispersion of contrasts without a pilot: the middle of 1.0 to 1.3, which was found for effects that vary between
texts."""

_LARGEST_SD = 4.0
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Truth:
    """The assumptions of a plan, for one task.

    Attributes
    ----------
    rate : float
        Refusal rate of neutral prompts, and of personas without an effect.
    text_sd : float
        Standard deviation of texts' log-odds.
    overdispersion : float
        The ratio of the variance of a contrast to its variance if effects were equal in all texts; at least 1.
    limits : (float, float), optional
        The lower and the upper confidence limit of the rate, if it is from a pilot.
    """

    rate: float
    text_sd: float = TEXT_SD
    overdispersion: float = OVERDISPERSION
    limits: tuple[float, float] | None = None

    def room(self, sign: int) -> float:
        """Return the largest possible increase (1) or decrease (-1), also at the nearer confidence limit."""
        low, high = self.limits or (self.rate, self.rate)
        return 1 - high if sign > 0 else low

    @property
    def within(self) -> float:
        """The variance of verdicts about one text, the mean of p (1 - p) over texts."""
        chance = special.expit(shift(self.rate, self.text_sd) + self.text_sd * _POINTS)
        return float(_WEIGHTS @ (chance * (1 - chance)))

    @property
    def correlation(self) -> float:
        """The correlation of two verdicts about one text."""
        return 1 - self.within / (self.rate * (1 - self.rate))

    def persona_sd(self, layout: Layout) -> float:
        r"""Find the standard deviation of text-by-persona log-odds that causes the overdispersion.

        If the difference of a persona varies with the variance :math:`v` between texts, and verdicts within texts with
        :math:`s^2`, the ratio of the expected squared scores to their expected variance under random assignment is
        :math:`\sum_g (w_g s^2 + w_g^2 v) / \sum_b (w_b s^2 + w_b^2 v / (n_b - 1))`, with :math:`w_g` the sum of the
        weights of a text's blocks b, which are whole texts if prompts are not asked in blocks.

        Parameters
        ----------
        layout : Layout

        Returns
        -------
        float
            At most 4; the largest if none causes it.
        """
        w, n = layout.weights, layout.n + layout.n_baseline[:, None]
        squares = float((w**2 / np.maximum(n - 1, 1)).sum())
        room = float((layout.by_text(w) ** 2).sum()) - self.overdispersion * squares
        if self.overdispersion <= 1 or room <= 0:
            return 0.0 if self.overdispersion <= 1 else _LARGEST_SD
        wanted = (self.overdispersion - 1) * float(w.sum()) / room * self.within

        def excess(sd: float) -> float:
            own = shift(self.rate, float(np.hypot(self.text_sd, sd)))
            chance = special.expit(own + self.text_sd * _POINTS[:, None] + sd * _POINTS)
            base = special.expit(shift(self.rate, self.text_sd) + self.text_sd * _POINTS)
            return float(_WEIGHTS @ ((chance - base[:, None]) ** 2 @ _WEIGHTS)) - wanted

        return float(optimize.brentq(excess, 0, _LARGEST_SD)) if excess(_LARGEST_SD) > 0 else _LARGEST_SD


def in_points(share: float) -> str:
    """Write a proportion in percent or percentage points: with one decimal, or more if rounding would change it by 2%.

    Examples
    --------
    >>> in_points(0.05), in_points(0.0125), in_points(-0.0001), in_points(0)
    ('5.0', '1.25', '0.01', '0.0')
    """
    value = 100 * abs(share)
    return next(
        f"{value:.{n}f}" for n in (*range(1, 12), 12) if n == 12 or abs(round(value, n) - value) <= 0.02 * value
    )


def text_sd_of(rate: float, correlation: float) -> float:
    """Find the standard deviation of texts' log-odds that causes a correlation of verdicts within texts."""

    def excess(sd: float) -> float:
        return Truth(rate, sd).correlation - correlation

    if excess(_LARGEST_SD) < 0:
        return _LARGEST_SD
    return 0.0 if correlation <= 0 else float(optimize.brentq(excess, 0, _LARGEST_SD))


@lru_cache(maxsize=1024)
def shift(rate: float, sd: float) -> float:
    """Find the mean log-odds at which normal log-odds of a standard deviation have a mean probability."""
    if rate <= 0 or rate >= 1:
        return float(np.copysign(np.inf, rate - 0.5))
    return find_shift(sd * _POINTS, _WEIGHTS, rate)


def chances(rate: float, sd: float, deviations: ArrayLike) -> Floats:
    """Compute probabilities of refusal: the mean log-odds of `shift` plus each deviation."""
    return np.asarray(special.expit(shift(rate, sd) + np.asarray(deviations, dtype=np.float64)), dtype=np.float64)
