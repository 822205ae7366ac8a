"""Refusal rates, with confidence intervals clustered by text."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from ..arrays import CONFIDENCE, Floats
from ..contracts import RATES
from ..counts import Counts, TextCounts, count_by_text, count_cells, count_states, count_undetermined
from ..statistics import clustered_interval, clustered_variance, totals
from .populations import asked_shares, finite_variance, within_variance
from .standardised import standardise, standardised_error


def estimate_rates(
    counts: Counts,
    by: Sequence[str],
    *,
    class_weights: Mapping[str, float] | None = None,
    population: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    r"""Estimate the refusal rate of each cell.

    The 95% confidence interval is Korn and Graubard's: Clopper and Pearson's for :math:`\hat p n^*` refusals in
    :math:`n^* = N / D` responses, the effective sample size. The design effect D is estimated from the G texts g with
    k_g refusals in n_g responses, N in all,

    .. math:: \hat D = \frac{v N}{\hat p (1 - \hat p)}, \quad
              v = \frac{G}{G-1} \sum_g z_g^2 / N^2, \quad z_g = k_g - \hat p n_g,

    and is then widened in two ways, of which the larger counts: by quantiles of Student's t with few degrees of
    freedom d, if refusals come from a few of the texts, and towards the worst case :math:`D_0 = N / G`, in which each
    text is refused always or never, if few texts m have a refusal. Neither widens it beyond the worst case:

    .. math:: D = \min\Big(\max\Big(\hat D \frac{t_d^2}{t_{N-1}^2},\; \max(\hat D, 1) + (D_0 - 1)
              \frac{5}{5 + m}\Big),\; \max(D_0, \hat D)\Big) \ge 1.

    .. math:: d = \min\Big(G - 1, \frac{2 G}{\kappa - (G - 3) / (G - 1)}\Big), \quad
              \kappa = G \sum_g z_g^4 / \Big(\sum_g z_g^2\Big)^2.

    The upper limit is never below that of fewer refusals, see
    `refusal_metrics.analysis.statistics.text_rates.clustered_interval`.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        The factors that make the cells, each once; may be empty.
    class_weights : mapping of str to float, optional
        The relative weights of the classes in class-standardised rates, see
        `refusal_metrics.analysis.estimates.standardised.standardise`; by default equal.
    population : mapping of str to int, optional
        The number of texts of each task's source: intervals are for the rate over these texts, see
        `refusal_metrics.analysis.estimates.populations`. By default they are for all texts like those asked.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``estimate, ci_low, ci_high`` (probabilities in [0, 1]) and ``n,
        n_texts, n_refused``, and of the n responses ``n_unjudged`` (could not be judged),
        ``n_truncated`` (cut off before an answer or refusal) and ``n_provider`` (refused by the
        provider), 0 if unknown; then ``refusal_rate_low, refusal_rate_high``, the rates if none and if all of the
        unjudged and truncated responses were refusals; and ``estimate_standardised, ci_low_standardised,
        ci_high_standardised``, the class-standardised rate; one row a cell in the order of levels. Both tails of
        the interval are 2.5% for any number of refusals. Without refusals, only texts count: it is 0 to
        1 - .025^(1/n_texts), the rate at which a study of as many texts has no refusal with a probability of 2.5%. If
        all responses are refusals, it is the mirror image. It is missing for a single text with both.

    Raises
    ------
    InputError
        For an unknown factor, class weights that do not fit, or an unknown size of the population.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Clopper and Pearson 1934,
    doi:10.1093/biomet/26.4.404. For the variance, Liang and Zeger 1986, doi:10.1093/biomet/73.1.13;
    for its degrees of freedom, O'Neill 2014, doi:10.1080/00031305.2014.966589.
    """
    by = list(dict.fromkeys(by))
    texts = count_by_text(counts, by)
    n, k = (texts.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused"))
    shares = None if population is None else asked_shares(counts, texts.cells, population)
    low, high = _interval(texts, shares)
    bounds = {"refusal_rate_low": k / n, "refusal_rate_high": (k + _undetermined(counts, by)) / n}
    standardised = standardise(counts, texts, by, weights=class_weights, shares=shares)
    columns = {"estimate": k / n, "ci_low": low, "ci_high": high} | count_states(counts, by) | bounds | standardised
    table = texts.cells.assign(**columns)
    return table[[*by, *RATES.estimates]]


def estimate_rate_errors(counts: Counts, by: Sequence[str]) -> pd.DataFrame:
    r"""Estimate the standard error of the refusal rate of each cell, clustered by text: :math:`\sqrt v` of the rates.

    It is the error that the harness prints. Intervals are not this error times a quantile: those of `estimate_rates`
    are wider for few texts or refusals, and not symmetric.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        The factors that make the cells, each once; may be empty.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``se`` and ``se_standardised`` (of the class-standardised rate); one row a cell in the order
        of levels, as of `estimate_rates`. nan if there is no rate, no or all responses are refusals, or a single text.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13.
    """
    by = list(dict.fromkeys(by))
    texts = count_by_text(counts, by)
    _, cell, n, k = texts.entries()
    all_n, all_k, n_texts = (texts.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused", "n_texts"))
    scores = (k - (all_k / all_n)[cell] * n) / all_n[cell]
    error = np.sqrt(clustered_variance(totals(cell, scores**2, len(all_n)), n_texts))
    # Without a refusal, or another response, the variance is unknown and not 0.
    is_known = (all_k > 0) & (all_k < all_n)
    errors = {"se": error, "se_standardised": standardised_error(counts, texts, by)}
    return texts.cells[by].assign(**{name: np.where(is_known, se, np.nan) for name, se in errors.items()})


def rate_intervals(counts: Counts, by: Sequence[str], level: float) -> pd.DataFrame:
    """Estimate the refusal rate of each cell, with intervals of another confidence level.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        As in `estimate_rates`.
    level : float
        The confidence level in (0, 1).

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``estimate, ci_low, ci_high, n, n_texts, n_refused``, as of `estimate_rates` if the level
        is 0.95.
    """
    by = list(dict.fromkeys(by))
    texts = count_by_text(counts, by)
    low, high = _interval(texts, None, level)
    rate = texts.cells["n_refused"] / texts.cells["n"]
    table = texts.cells.assign(estimate=rate, ci_low=low, ci_high=high)
    return table[[*by, "estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused"]]


def _undetermined(counts: Counts, by: Sequence[str]) -> Floats:
    """Count the responses in each cell that may be refusals though they are not counted as such: (n_cells,)."""
    if not counts.states:
        return np.zeros(1)
    return count_cells(count_undetermined(counts), by)["n_refused"].to_numpy(dtype=np.float64)


def _interval(texts: TextCounts, shares: Floats | None, level: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Compute the interval of each cell."""
    _, cell, n, n_refused = texts.entries()
    adjust = None
    if shares is not None:
        within = within_variance(texts, 1 / texts.cells["n"].to_numpy(dtype=np.float64))
        adjust = partial(finite_variance, within=within, share=shares)
    return clustered_interval(n_refused, n, cell, len(texts.cells), level=level, adjust=adjust)
