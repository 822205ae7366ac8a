"""Class-standardised refusal rates: each class of texts has a fixed weight, however many of its rows were drawn."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from refusal_metrics.errors import InputError, unknown_name

from ..arrays import CONFIDENCE, Bools, Floats, Integers, number_combinations
from ..columns import STANDARDISED
from ..counts import Counts, TextCounts, count_by_text
from ..statistics import (
    cluster_correction,
    clustered_freedom,
    proportion_interval,
    shrink_design_effect,
    totals,
    zero_count_bound,
)
from .populations import finite_variance, tasks_of, within_variance

CLASS = "stratum"
"""The factor whose levels are the classes."""

_ROUNDING = 1e-9


def standardise(
    counts: Counts,
    texts: TextCounts,
    by: Sequence[str],
    *,
    weights: Mapping[str, float] | None = None,
    shares: Floats | None = None,
) -> dict[str, Floats]:
    r"""Estimate the class-standardised refusal rate of each cell.

    .. math:: \hat p_s = \sum_c \pi_c \hat p_c, \quad
              v_s = \sum_g \Big(\sum_c \sqrt{\tfrac{G_c}{G_c - 1}}\,
              \pi_c \frac{k_{gc} - \hat p_c n_{gc}}{N_c}\Big)^2

    over the classes c of the cell's task, with the rate :math:`\hat p_c` of :math:`N_c` responses about :math:`G_c`
    texts, and texts g with :math:`k_{gc}` refusals in :math:`n_{gc}` responses. A text can have rows of several
    classes; it is still one cluster. Degrees of freedom are those of :math:`G - C + 1` texts for C classes.
    The interval is Korn and Graubard's, as of raw rates, with :math:`1 / \sum_c (\pi_c^2 / N_c)` in place of N, and
    the worst case :math:`D_0 = \sum_c (\pi_c^2 / G_c) / \sum_c (\pi_c^2 / N_c)` of the design effect.

    Parameters
    ----------
    counts : Counts
    texts : TextCounts
        Of `counts` by the factors `by`.
    by : sequence of str
        The factors that make the cells.
    weights : mapping of str to float, optional
        The relative weight of each class, above 0; they are divided by their sum over the classes of a task. By
        default all classes of a task have the same weight.
    shares : (n_cells,) array of float, optional
        The share of a finite population's texts that each cell has, see
        `refusal_metrics.analysis.estimates.populations`; by default texts are a sample of all texts like these.

    Returns
    -------
    dict of str to (n_cells,) array of float
        `STANDARDISED`, in [0, 1]. nan if the class of a response in the cell is unknown, if the cell has no response of
        some class of its task in `counts`, if it has several tasks, or if the cells are broken down by class. The
        interval is also nan if a class has a single text, whose deviation from the rate of its class is always 0.
        Without refusals the interval is 0 to :math:`1 - .025^{1/G^*}`, which more refusals do not lower, with the
        effective number of texts :math:`G^* = \min_c G_c / \pi_c`; here a text counts in the :math:`G_c` of its classes
        by its share of responses.

    Raises
    ------
    InputError
        For weights that are not above 0 or do not name the classes, or if classes are unknown.

    References
    ----------
    Direct standardisation: Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 19,
    doi:10.1002/0471445428. The variance of a poststratified mean from clusters: Särndal, Swensson and Wretman 1992,
    doi:10.1007/978-1-4612-4378-6, section 7.6. The effective number of responses: Kish 1965, Survey Sampling.
    """
    _check_weights(counts, by, weights)
    n_cells = len(texts.cells)
    if CLASS not in counts.levels or CLASS in by:
        return {name: np.full(n_cells, np.nan) for name in STANDARDISED}
    fine, cell, weight = _by_class(counts, by, weights)
    is_known = _has_all_classes(fine, cell, weight, n_cells)
    n, k = (fine.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused"))
    all_n, all_k, n_texts = (texts.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused", "n_texts"))
    # Sums of weights may miss 0 and 1 by a rounding error.
    rate = np.select([all_k == 0, all_k == all_n], [0.0, 1.0], totals(cell, weight * k / n, n_cells))
    scores = _scores(fine, weight, n, k, cell, n_cells)
    second = scores.data * scores.data
    squares, fourths = (np.bincount(scores.indices, power, n_cells) for power in (second, second * second))
    is_single = totals(cell, np.asarray(fine.cells["n_texts"] < 2, dtype=np.float64), n_cells) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.where(is_known, 1 / totals(cell, weight**2 / n, n_cells), 1)
        worst = most * totals(cell, weight**2 / fine.cells["n_texts"].to_numpy(dtype=np.float64), n_cells)
        independent = rate * (1 - rate) / most
        estimated = np.where(is_single, np.nan, squares) / independent
        freedom = clustered_freedom(squares, fourths, n_texts - np.bincount(cell, minlength=n_cells) + 1)
        variance = independent * shrink_design_effect(estimated, worst, _texts_with(texts), most, freedom)
    if shares is not None:
        variance = finite_variance(variance, totals(cell, within_variance(fine, weight / n), n_cells), shares)
    unseen = zero_count_bound(_effective_texts(fine, weight, cell, n_cells), (1 - CONFIDENCE) / 2)
    low, high = proportion_interval(rate, variance, most, unseen)
    # More refusals do not lower the upper limit, nor fewer raise the lower one.
    low, high = np.minimum(low, 1 - unseen), np.maximum(high, unseen)
    return {name: np.where(is_known, end, np.nan) for name, end in zip(STANDARDISED, (rate, low, high), strict=True)}


def standardised_error(counts: Counts, texts: TextCounts, by: Sequence[str]) -> Floats:
    r"""Estimate the text-clustered standard error of class-standardised rates, :math:`\sqrt{v_s}` of `standardise`.

    Parameters
    ----------
    counts : Counts
    texts : TextCounts
        Of `counts` by the factors `by`.
    by : sequence of str
        The factors that make the cells.

    Returns
    -------
    (n_cells,) array of float
        With equal weights of the classes. nan if there is no class-standardised rate or a class has a single text, and
        0 if all responses of each class have the same verdict.
    """
    n_cells = len(texts.cells)
    if CLASS not in counts.levels or CLASS in by:
        return np.full(n_cells, np.nan)
    fine, cell, weight = _by_class(counts, by, None)
    n, k = (fine.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused"))
    scores = _scores(fine, weight, n, k, cell, n_cells)
    is_single = totals(cell, np.asarray(fine.cells["n_texts"] < 2, dtype=np.float64), n_cells) > 0
    error = np.sqrt(np.bincount(scores.indices, scores.data * scores.data, n_cells))
    return np.where(_has_all_classes(fine, cell, weight, n_cells) & ~is_single, error, np.nan)


def _by_class(
    counts: Counts, by: Sequence[str], weights: Mapping[str, float] | None
) -> tuple[TextCounts, Integers, Floats]:
    """Count the classes of each cell: the counts, the cell of each, and its weight there."""
    fine = count_by_text(counts, [*by, CLASS])
    return fine, _cells_of(fine.cells, by), _class_weights(counts, fine.cells, weights)


def _has_all_classes(fine: TextCounts, cell: Integers, weight: Floats, n_cells: int) -> Bools:
    """Return whether each cell has responses of every class of its only task, and of no unknown class."""
    unknown = totals(cell, np.asarray(fine.cells[CLASS].isna(), dtype=np.float64), n_cells)
    return np.asarray((np.abs(totals(cell, weight, n_cells) - 1) < _ROUNDING) & (unknown == 0), dtype=np.bool_)


def _check_weights(counts: Counts, by: Sequence[str], weights: Mapping[str, float] | None) -> None:
    if weights is None:
        return
    if CLASS not in counts.levels:
        raise InputError("class weights: need the column stratum, which the responses lack; leave them out")
    if CLASS in by:
        raise InputError("class weights: a rate by stratum is of one class; leave out the weights, or stratum")
    classes = counts.levels[CLASS]
    for name, weight in weights.items():
        if name not in classes:
            raise unknown_name("class", name, classes)
        if not (math.isfinite(weight) and weight > 0):
            raise InputError(f"class weights: {name}={weight:g}: must be a number above 0; give one")
    if missing := [name for name in classes if name not in weights]:
        raise InputError(f"class weights: lack {', '.join(missing)}; give each of {', '.join(classes)}")


def _cells_of(fine: pd.DataFrame, by: Sequence[str]) -> Integers:
    """Return the number of the cell to which each combination of a cell and a class belongs."""
    if not by:
        return np.zeros(len(fine), dtype=np.int64)
    # Both are in the order of levels, so cells appear in their order.
    return fine.groupby(list(by), sort=False, dropna=False).ngroup().to_numpy(dtype=np.int64)


def _class_weights(counts: Counts, fine: pd.DataFrame, weights: Mapping[str, float] | None) -> Floats:
    """Return the weight of each class in its task, the sum over the classes of a task being 1; 0 if it is unknown."""
    classes = counts.once(("classes",), lambda: counts.cell(["task", CLASS])[0]).dropna()
    relative = classes[CLASS].map(lambda name: 1.0 if weights is None else weights[name]).astype(float)
    parts = relative / relative.groupby(classes["task"]).transform("sum")
    known = dict(zip(zip(classes["task"], classes[CLASS], strict=True), parts, strict=True))
    pairs = zip(tasks_of(counts, fine), fine[CLASS], strict=True)
    return np.array([known.get(pair, 0.0) for pair in pairs], dtype=np.float64)


def _scores(fine: TextCounts, weight: Floats, n: Floats, k: Floats, cell: Integers, n_cells: int) -> sparse.csr_array:
    """Compute what each text adds to the error of each cell's rate: (n_texts, n_cells)."""
    weight = weight * np.sqrt(np.nan_to_num(cluster_correction(fine.cells["n_texts"])))
    by_class = fine.n_refused @ sparse.diags_array(weight / n) - fine.n @ sparse.diags_array(weight * k / n**2)
    into_cells = sparse.csr_array((np.ones(len(cell)), (np.arange(len(cell)), cell)), shape=(len(cell), n_cells))
    return sparse.csr_array(by_class @ into_cells)


def _texts_with(texts: TextCounts) -> Floats:
    """Count the texts with a refusal in each cell or, if fewer, those with another response: (n_cells,)."""
    _, cell, n, k = texts.entries()
    with_refusal, with_other = (totals(cell, is_one.astype(np.float64), len(texts.cells)) for is_one in (k > 0, k < n))
    return np.minimum(with_refusal, with_other)


def _effective_texts(fine: TextCounts, weight: Floats, cell: Integers, n_cells: int) -> Floats:
    """Compute the effective number of texts of each cell: the fewest texts of a class for its weight.

    If a share x_c of the texts of class c is refused, no refusal has at most the probability
    prod_c (1 - x_c)^G_c <= (1 - sum_c pi_c x_c)^G* for G* = min_c G_c / pi_c, because the logarithm is concave.
    """
    text, of_entry, n, _ = fine.entries()
    of_text = number_combinations([text, cell[of_entry]])
    of_class = totals(of_entry, n / totals(of_text, n)[of_text], len(cell))
    with np.errstate(divide="ignore"):
        ratio = np.where(weight > 0, of_class / weight, np.inf)
    fewest = np.full(n_cells, np.inf)
    np.minimum.at(fewest, cell, ratio)
    return np.where(np.isfinite(fewest), fewest, 1.0)
