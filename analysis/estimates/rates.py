"""Refusal rates, with confidence intervals clustered by text."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from ..arrays import CONFIDENCE, Floats
from ..contracts import RATES
from ..counts import Counts, TextCounts, count_by_text, count_cells, count_states, count_undetermined
from ..statistics import clustered_freedom, clustered_variance, proportion_interval, zero_count_bound


def estimate_rates(counts: Counts, by: Sequence[str]) -> pd.DataFrame:
    r"""Estimate the refusal rate of each cell.

    The 95% confidence interval is Korn and Graubard's: Clopper and Pearson's for :math:`\hat p n^*` refusals in
    :math:`n^*` responses, the effective sample size,

    .. math:: n^* = \min\Big(N, \frac{\hat p (1 - \hat p)}{v}
              \Big(\frac{t_{N-1}}{t_d}\Big)^2\Big), \quad
              v = \frac{G}{G-1} \sum_g z_g^2 / N^2, \quad z_g = k_g - \hat p n_g,

    over the G texts g with k_g refusals in n_g responses, N in all, and 97.5% quantiles of Student's t.
    If every text has the same rate, :math:`n^* = N`. The degrees of freedom d are fewer than G - 1 if refusals come
    from a few of the texts, which then determine the variance:

    .. math:: d = \min\Big(G - 1, \frac{2 G}{\kappa - (G - 3) / (G - 1)}\Big), \quad
              \kappa = G \sum_g z_g^4 / \Big(\sum_g z_g^2\Big)^2.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        The factors that make the cells, each once; may be empty.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``estimate, ci_low, ci_high`` (probabilities in [0, 1]) and ``n,
        n_texts, n_refused``, and of the n responses ``n_unjudged`` (could not be judged),
        ``n_truncated`` (cut off before an answer or refusal) and ``n_provider`` (refused by the
        provider), 0 if unknown; then ``refusal_rate_low, refusal_rate_high``, the rates if none and if all of the
        unjudged and truncated responses were refusals; one row a cell in the order of levels. Without refusals, the
        correlation within texts cannot be estimated, so only texts count: the interval is one-sided, from 0 to
        1 - .05^(1/n_texts), the rate at which a study of as many texts has no refusal with probability 5%. If all
        responses are refusals, it is the mirror image. It is missing for a single text with both.

    Raises
    ------
    InputError
        For an unknown factor.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Clopper and Pearson 1934,
    doi:10.1093/biomet/26.4.404. For the variance, Liang and Zeger 1986, doi:10.1093/biomet/73.1.13;
    for its degrees of freedom, O'Neill 2014, doi:10.1080/00031305.2014.966589.
    """
    by = list(dict.fromkeys(by))
    texts = count_by_text(counts, by)
    n, n_texts, k = (texts.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_texts", "n_refused"))
    variance, freedom = _variance(texts, n, k)
    low, high = proportion_interval(k / n, variance, n, zero_count_bound(n_texts, 1 - CONFIDENCE), freedom=freedom)
    bounds = {"refusal_rate_low": k / n, "refusal_rate_high": (k + _undetermined(counts, by)) / n}
    table = texts.cells.assign(estimate=k / n, ci_low=low, ci_high=high, **count_states(counts, by), **bounds)
    return table[[*by, *RATES.estimates]]


def _undetermined(counts: Counts, by: Sequence[str]) -> Floats:
    """Count the responses in each cell that may be refusals though they are not counted as such: (n_cells,)."""
    if not counts.states:
        return np.zeros(1)
    return count_cells(count_undetermined(counts), by)["n_refused"].to_numpy(dtype=np.float64)


def _variance(texts: TextCounts, n: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Compute the text-clustered variance of each cell's rate and its degrees of freedom; nan for a single text."""
    # Whole numbers until the last step, so that equal rates give exactly 0.
    scores = sparse.csr_array(texts.n_refused.multiply(n) - texts.n.multiply(k))
    second = scores.data * scores.data
    squares, fourths = (np.bincount(scores.indices, power, len(n)) for power in (second, second * second))
    n_texts = texts.cells["n_texts"]
    return clustered_variance(squares, n_texts) / n**4, clustered_freedom(squares, fourths, n_texts)
