"""Interactions of two factors as differences of differences of rates.

The joint index of two factors minus their own indices is no interaction: it is not 0 if the factors are additive. A
difference of differences is.
"""

import numpy as np
import pandas as pd
from scipy import stats

from ..arrays import CONFIDENCE, Floats
from ..contracts import INTERACTIONS
from ..counts import Counts, count_by_text
from ..statistics import clustered_variance, holm, student

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
    levels; its error is text-clustered, its interval t with G - 1 degrees of freedom.

    Parameters
    ----------
    counts : Counts
        Of one setting.
    factor, other : str

    Returns
    -------
    pandas.DataFrame
        Columns of `refusal_metrics.analysis.contracts.INTERACTIONS`, one row a combination; differences of
        probabilities. P-values are adjusted by Holm's method over the combinations. Empty if a factor has one level,
        both factors are the same, or some combination was not asked; without interval and p-value for one text, or if
        no text deviates.

    Raises
    ------
    InputError
        For an unknown factor.
    """
    counts.check_factors([factor, other])
    by_text = count_by_text(counts, [factor, other])
    cells = by_text.cells.dropna(subset=[factor, other])
    shape = (cells[factor].nunique(), cells[other].nunique())
    if factor == other or min(shape) < 2 or len(cells) < shape[0] * shape[1]:
        return pd.DataFrame(columns=_COLUMNS)
    n, k = (values[:, cells.index].toarray() for values in (by_text.n, by_text.n_refused))
    estimate, se, freedom = _differences(n, k, shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = student(CONFIDENCE, freedom) * se
        p_value = 2 * stats.t.sf(np.abs(estimate / se), freedom)
    return pd.DataFrame(
        {
            "factor": factor,
            "level": cells[factor].to_numpy(),
            "other_factor": other,
            "other_level": cells[other].to_numpy(),
            "estimate": estimate,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "p_value": p_value,
            "p_adjusted": holm(p_value),
            "n": cells["n"].to_numpy(),
            "n_texts": cells["n_texts"].to_numpy(),
            "n_refused": cells["n_refused"].to_numpy(),
        }
    )


def _differences(n: Floats, k: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Compute the differences of differences, their errors and degrees of freedom: (n_texts, n_cells) counts."""
    n_texts = int(np.count_nonzero(n.any(axis=1)))
    of_n, of_k = n.sum(axis=0), k.sum(axis=0)
    centre = np.kron(_centred(shape[0]), _centred(shape[1]))
    estimate = centre @ (of_k / of_n)
    # Whole numbers first, so that equal rates give exactly 0.
    scores = (k * of_n - n * of_k) / of_n**2 @ centre.T
    se = np.sqrt(clustered_variance(np.sum(scores**2, axis=0), n_texts))
    # One text has no error, and rounding errors are no variance.
    se = np.where((n_texts > 1) & (se > _ROUNDING), se, np.nan)
    estimate = np.where(np.abs(estimate) > _ROUNDING, estimate, 0.0)
    return estimate, se, np.full(len(estimate), n_texts - 1)


def _centred(size: int) -> Floats:
    return np.eye(size) - 1 / size
