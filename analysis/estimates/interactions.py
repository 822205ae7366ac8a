r"""Interactions of two factors as differences of differences of rates.

The joint index of two factors minus their own indices is no interaction: it is not 0 if the factors are additive. A
difference of differences is.

Its standard error is the larger of two. The text-clustered one is right for any dependence within texts, but collapses
in a combination with few refusals: without any, the combination's own rate adds nothing to it. The binomial
one has the variance of the combinations' rates if the two factors are additive,

.. math:: \hat\varphi \sum_j c_j^2 \, \tilde p_j (1 - \tilde p_j) / n_j, \quad
          \hat\varphi = \max\Big(1, \frac{\sum_i v_i}{\sum_i b_i}\Big),

with the weight :math:`c_j` of combination j, its responses :math:`n_j` and its rate :math:`\tilde p_j` in an additive
fit that is never 0 or 1. The design effect :math:`\hat\varphi` is common to all combinations of a table:
the sum of their clustered variances :math:`v_i` over that of the binomial ones :math:`b_i` (without
:math:`\hat\varphi`). It matters if several models answer the same prompts.
"""

import numpy as np
import pandas as pd
from scipy import linalg, stats

from ..arrays import CONFIDENCE, Floats
from ..contracts import INTERACTIONS
from ..counts import Counts, count_by_text, count_units_by_text
from ..statistics import cluster_correction, clustered_variance, fit_random_effects, holm, selection_levels, student

_COLUMNS = [*INTERACTIONS.keys, *INTERACTIONS.estimates]
_ROUNDING = 1e-12


def describe_no_interactions(factor: str, other: str) -> str:
    """Describe why there is no interaction of two factors.

    Examples
    --------
    >>> describe_no_interactions("model", "persona")
    'Nothing to compare: model or persona has one level, or some combination was not asked.'
    """
    return f"Nothing to compare: {factor} or {other} has one level, or some combination was not asked."


def estimate_interactions(counts: Counts, factor: str, other: str) -> pd.DataFrame:
    r"""Estimate the deviation of each combination's rate from the sum of the two factors' effects.

    :math:`p_{xz} - \bar p_{x\cdot} - \bar p_{\cdot z} + \bar p_{\cdot\cdot}` with plain means over
    levels; its error is the larger of the text-clustered and the binomial one, its interval t with G - 1 degrees
    of freedom.

    Parameters
    ----------
    counts : Counts
        Of one setting.
    factor, other : str

    Returns
    -------
    pandas.DataFrame
        Columns of `refusal_metrics.analysis.contracts.INTERACTIONS`, one row a combination; differences of
        probabilities. P-values are adjusted by Holm's method over the combinations; ``estimate_shrunken`` (towards 0),
        ``ci_low_named, ci_high_named`` are as in `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`.
        Empty if a factor has one level,
        both factors are the same, or some combination was not asked; without interval and p-value for one text, or if
        nothing or everything was refused.

    Raises
    ------
    InputError
        For an unknown factor.

    References
    ----------
    Leone, Nelson and Nottingham 1961, doi:10.1080/00401706.1961.10489974. For errors at rates under the null
    hypothesis, Farrington and Manning 1990, doi:10.1002/sim.4780091208; for the design effect, Rao and Scott 1992,
    doi:10.2307/2532311; for the added responses, Agresti and Coull 1998, doi:10.1080/00031305.1998.10480550.
    """
    counts.check_factors([factor, other])
    by_text = count_by_text(counts, [factor, other])
    cells = by_text.cells.dropna(subset=[factor, other])
    shape = (cells[factor].nunique(), cells[other].nunique())
    if factor == other or min(shape) < 2 or len(cells) < shape[0] * shape[1]:
        return pd.DataFrame(columns=_COLUMNS)
    n, k = (values[:, cells.index].toarray() for values in (by_text.n, by_text.n_refused))
    n_units = count_units_by_text(counts, [factor, other]).cells["n"].to_numpy(dtype=np.float64)[cells.index]
    estimate, se, freedom, scores = _differences(n, k, n_units, shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = student(CONFIDENCE, freedom) * se
        p_value = 2 * stats.t.sf(np.abs(estimate / se), freedom)
    p_adjusted = holm(p_value)
    named = selection_levels(p_adjusted, [0] * len(estimate))
    half_named = student(1 - named, freedom) * se
    shrunken = _shrink(estimate, scores, se, shape) if (named > 0).any() else np.nan
    table = pd.DataFrame(
        {
            "factor": factor,
            "level": cells[factor].to_numpy(),
            "other_factor": other,
            "other_level": cells[other].to_numpy(),
            "estimate": estimate,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "estimate_shrunken": np.where(np.isnan(named), np.nan, shrunken),
            "ci_low_named": estimate - half_named,
            "ci_high_named": estimate + half_named,
            "p_value": p_value,
            "p_adjusted": p_adjusted,
            "n": cells["n"].to_numpy(),
            "n_texts": cells["n_texts"].to_numpy(),
            "n_refused": cells["n_refused"].to_numpy(),
        }
    )
    return table[_COLUMNS]


def _differences(
    n: Floats, k: Floats, n_units: Floats, shape: tuple[int, int]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Compute the differences of differences, their errors and degrees of freedom, and the texts' scores.

    Counts n, k are (n_texts, n_cells); distinct prompts are (n_cells,).
    """
    n_texts = int(np.count_nonzero(n.any(axis=1)))
    of_n, of_k = n.sum(axis=0), k.sum(axis=0)
    centre = np.kron(_centred(shape[0]), _centred(shape[1]))
    estimate = centre @ (of_k / of_n)
    # Whole numbers first, so that equal rates give exactly 0.
    scores = (k * of_n - n * of_k) / of_n**2 @ centre.T
    clustered = clustered_variance(np.sum(scores**2, axis=0), n_texts)
    rates = _additive_rates((of_k / of_n).reshape(shape), n_units.reshape(shape)).ravel()
    binomial = centre**2 @ (rates * (1 - rates) / n_units)
    with np.errstate(divide="ignore", invalid="ignore"):
        design_effect = np.fmax(1, clustered.sum() / binomial.sum())
    se = np.sqrt(np.maximum(clustered, design_effect * binomial))
    # One text has no error, and rounding errors are no variance.
    se = np.where((n_texts > 1) & (se > _ROUNDING), se, np.nan)
    estimate = np.where(np.abs(estimate) > _ROUNDING, estimate, 0.0)
    scores *= np.sqrt(cluster_correction(n_texts))
    return estimate, se, np.full(len(estimate), n_texts - 1), scores


def _shrink(estimate: Floats, scores: Floats, se: Floats, shape: tuple[int, int]) -> Floats:
    """Shrink the differences of differences towards 0, by as much as their errors explain of their size."""
    covariance = scores.T @ scores
    at = np.diag_indices(len(estimate))
    covariance[at] = np.maximum(covariance[at], se**2)
    # They sum to 0 over the levels of each factor: in this basis no combination of them is known beforehand.
    basis = np.kron(linalg.helmert(shape[0]), linalg.helmert(shape[1]))
    free = basis @ estimate
    no_mean = np.zeros((len(free), 0))
    fitted = fit_random_effects(free, no_mean, basis @ covariance @ basis.T, [np.arange(len(free))])
    return np.asarray(fitted.shrunken()[0] @ basis, dtype=np.float64)


def _additive_rates(rates: Floats, n: Floats) -> Floats:
    r"""Fit additive rates within (0, 1) to the rates of (n_levels, n_other_levels) combinations.

    The mean rate p of all combinations is 0 or 1 only if nothing or everything was refused. The mean
    rate of a level is drawn toward it by 1 / (p (1 - p)) additional responses of rate p: at a small p one refusal,
    at p = .5 two refusals and two others. So a level without refusals has a rate above 0. If one level is above p and
    the other below it, the additive rate is between the rates of the two levels. If both are below p, the additive rate
    may be negative, and the rates multiply instead: p (p_x / p) (p_z / p). If both are above p, the shares of responses
    that are not refusals multiply.
    """
    p = rates.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        added = 1 / (p * (1 - p))
        x, z = (
            (rates.mean(axis=axis, keepdims=True) - p) * size / (size + added)
            for axis, size in ((1, n.sum(axis=1, keepdims=True)), (0, n.sum(axis=0, keepdims=True)))
        )
        both = np.select([(x < 0) & (z < 0), (x > 0) & (z > 0)], [x * z / p, -x * z / (1 - p)], 0.0)
    return np.asarray(p + x + z + both, dtype=np.float64)


def _centred(size: int) -> Floats:
    return np.eye(size) - 1 / size
