r"""A test of arms against the spread of their wordings.

The rate of wording j of arm a is :math:`p_{aj} = \mu_a + \beta_{f(j)} + \eta_{aj}` and noise, with an effect
:math:`\beta` of its grammatical form f and one of its own, :math:`\eta`, of standard deviation :math:`s_w`. The
difference of two arms is that of :math:`\mu`, and its error is that of a mean of wordings, which are a sample of those
that could have been written. Without this, an effect of one wording counts as one of its arm.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from ..arrays import ALPHA, CONFIDENCE, Bools, Floats, Integers
from .clustered import clustered_variance
from .intervals import student


@dataclass(frozen=True)
class WordingTest:
    """Differences between arms and the first of them, compared with the spread of wordings.

    Attributes
    ----------
    estimate : (n_arms - 1,) array of float
        Differences of rates, in [-1, 1].
    error : (n_arms - 1,) array of float
        Their standard errors, which include the spread of wordings; nan if none can be estimated.
    freedom : int
        Degrees of freedom of the errors.
    p_value : (n_arms - 1,) array of float
        Of no difference beyond the spread of wordings; nan without an error.
    sd_wordings : float
        The standard deviation of wordings' true rates within an arm and form, 0 if noise explains it all; nan if there
        are no degrees of freedom.
    """

    estimate: Floats
    error: Floats
    freedom: int
    p_value: Floats
    sd_wordings: float

    def interval(self) -> tuple[Floats, Floats]:
        """Return the ends of the confidence intervals."""
        half = student(CONFIDENCE, np.full(len(self.error), self.freedom or np.nan)) * self.error
        return np.maximum(self.estimate - half, -1), np.minimum(self.estimate + half, 1)

    def band(self) -> Floats:
        """Return the largest absolute differences that wordings explain, at the level of Bonferroni's correction."""
        tests = max(len(self.error), 1)
        return student(1 - ALPHA / tests, np.full(len(self.error), self.freedom or np.nan)) * self.error


def compare_wordings(n: Floats, k: Floats, arm: Integers, form: Integers) -> WordingTest:
    r"""Compare arms with the first of them, beyond the spread of their wordings.

    .. math:: t_a = \hat d_a / \sqrt{(s^2 + e_a)\, c_a' c_a}, \quad
              \hat d_a = \hat\mu_a - \hat\mu_0 = c_a' p

    where :math:`\hat\mu` are of the least squares fit of :math:`\mu_a + \beta_f` to the rates p of the W wordings,
    :math:`s^2` is its residual variance, with W - rank degrees of freedom, and :math:`c_a' c_a` is 1/r + 1/J for r
    and J wordings of the same forms. The noise of texts is part of :math:`s^2` as far as it differs between the
    wordings of an arm. What all wordings of an arm share is added:

    .. math:: e_a = \max(0, c_a' V c_a / c_a' c_a - \mathrm{tr}(M V) / (W - \mathrm{rank}))

    with V the text-clustered covariance of p and M the residual projection, and at least the mean of the same over
    all arms. The variance of a difference is at least that of independent responses with the rate of
    both arms: a few refusals can be as many in each wording.

    Parameters
    ----------
    n, k : (n_texts, n_wordings) array of float
        Responses and refusals of each text and wording.
    arm : (n_wordings,) array of int
        The arm of each wording, from 0; all arms that are numbered have wordings.
    form : (n_wordings,) array of int
        The grammatical form of each wording, from 0.

    Returns
    -------
    WordingTest

    Raises
    ------
    ValueError
        If a difference cannot be separated from effects of forms, because an arm and the first one share none,
        also not by way of other arms.

    References
    ----------
    Clark 1973, doi:10.1016/S0022-5371(73)80014-3: language materials as a random effect.
    """
    n_arms = int(arm.max()) + 1
    size = n.sum(axis=0)
    rates = k.sum(axis=0) / size
    design = np.hstack([np.eye(n_arms)[arm], np.eye(int(form.max()) + 1)[form]])
    inverse = np.linalg.pinv(design)
    rank = int(np.linalg.matrix_rank(design))
    freedom = len(arm) - rank
    hypothesis = np.zeros((n_arms - 1, design.shape[1]))
    hypothesis[:, 0], hypothesis[:, 1:n_arms] = -1, np.eye(n_arms - 1)
    contrast = hypothesis @ inverse
    if not np.allclose(contrast @ design, hypothesis, atol=1e-6):
        raise ValueError("the forms of two arms cannot be compared")
    estimate = contrast @ rates
    if not freedom:
        none = np.full(n_arms - 1, np.nan)
        return WordingTest(estimate, none, 0, none, np.nan)
    residuals = rates - design @ (inverse @ rates)
    spread = float(residuals @ residuals) / freedom
    scores = (k - n * rates) / size
    n_texts = int((n.sum(axis=1) > 0).sum())
    within = np.square(scores - (scores @ inverse.T) @ design.T).sum()
    noise = float(np.nan_to_num(clustered_variance(within, n_texts))) / freedom
    of_difference = np.nan_to_num(clustered_variance(np.square(scores @ contrast.T).sum(axis=0), n_texts))
    squares = np.square(contrast).sum(axis=1)
    shared = of_difference / squares - noise
    variance = squares * (spread + np.maximum(shared, max(0.0, float(shared.mean()))))
    error = np.sqrt(np.maximum(variance, _binomial(contrast, k.sum(axis=0), size, arm)))
    error = np.where(error > 0, error, np.nan)
    with np.errstate(invalid="ignore"):
        p_value = 2 * special.stdtr(freedom, -np.abs(estimate / error))
    return WordingTest(estimate, error, freedom, p_value, float(np.sqrt(max(0.0, spread - noise))))


def _binomial(contrast: Floats, refused: Floats, size: Floats, arm: Integers) -> Floats:
    """Return the variance of each difference if responses were independent, with the rate of both its arms."""
    arms = np.arange(1, len(contrast) + 1)[:, None]
    own: Bools = (arm == 0) | (arm == arms)
    rate = (own @ refused) / (own @ size)
    return np.square(contrast) @ (1 / size) * rate * (1 - rate)
