"""Chance-corrected agreement of two or more judges of the same items."""

import krippendorff
import numpy as np
from numpy.typing import ArrayLike


def cohen_kappa(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Compute Cohen's kappa of two judges, :math:`(p_o - p_e) / (1 - p_e)`.

    Parameters
    ----------
    a, b : (n_items,) array
        The judgement of each item by each judge: verdicts, class names, numbers.
    weights : (n_items,) array of float, optional
        The weight of each item, e.g. 1 / inclusion probability.

    Returns
    -------
    float
        At most 1; 0 if the observed agreement equals the expected agreement. nan without items, or if both gave one and
        the same judgement throughout.

    References
    ----------
    Cohen 1960, doi:10.1177/001316446002000104.
    """
    one, other = np.asarray(a), np.asarray(b)
    weight = np.ones(len(one)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(one):
        return float("nan")
    classes, code = np.unique(np.concatenate([one, other]), return_inverse=True)
    shares = [
        np.bincount(part, weights=weight, minlength=len(classes)) / weight.sum() for part in np.split(code.ravel(), 2)
    ]
    if len(classes) == 1:
        return float("nan")
    by_chance = float(shares[0] @ shares[1])
    observed = float(weight[one == other].sum() / weight.sum())
    return (observed - by_chance) / (1 - by_chance)


def krippendorff_alpha(table: ArrayLike) -> float:
    """Compute Krippendorff's alpha for classes without an order.

    The package ``krippendorff`` computes it.

    Parameters
    ----------
    table : (n_items, n_annotators) array of float
        Numbers that stand for classes; nan where an annotator did not judge an item.

    Returns
    -------
    float
        At most 1; 0 if the observed disagreement equals the expected disagreement. nan if no item has two annotations,
        or if all annotations are of one class.

    References
    ----------
    Krippendorff 2011, Computing Krippendorff's Alpha-Reliability,
    https://repository.upenn.edu/asc_papers/43. Krippendorff 2004, Content Analysis, chapter 11.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"table has {values.ndim} dimensions; rows are items, columns annotators")
    values = values[np.sum(~np.isnan(values), axis=1) >= 2]
    # The package refuses data of one class, for which alpha is not defined.
    if len(np.unique(values[~np.isnan(values)])) < 2:
        return float("nan")
    return float(krippendorff.alpha(values.T, level_of_measurement="nominal"))
