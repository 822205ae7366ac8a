r"""Log odds ratios of personas against neutral prompts within texts, with what each text adds to their errors.

For each model, task and persona the difference of rates within texts is that of the contrasts (Mantel and Haenszel),
:math:`\hat\delta = \sum_g w_g d_g / W`, with :math:`d_g = k_{ga}/n_{ga} - k_{g0}/n_{g0}`,
:math:`w_g = n_{ga} n_{g0} / (n_{ga} + n_{g0})` and :math:`W = \sum_g w_g`, 0 being the neutral prompts. The persona's
refusals if it had been asked about the texts of the neutral prompts are :math:`k' = n_a (\hat p_0 + \hat\delta)`, moved
into :math:`[0, n_a]`, and

.. math:: \hat d = \log\frac{k' + 1/2}{n_a - k' + 1/2} - \log\frac{k_0 + 1/2}{n_0 - k_0 + 1/2}.

So the texts that a persona happened to be asked about, which are the same in all models, do not matter. With
:math:`\tilde p = (k + 1/2) / (n + 1)` and :math:`b = 1 / (\tilde p (1 - \tilde p))`, text g adds to the error of
:math:`\hat d`

.. math:: \varphi_g = b_a \frac{w_g (d_g - \hat\delta)}{W} + (b_a - b_0) \frac{k_{g0} - n_{g0} \hat p_0}{n_0} .

The variance :math:`\tfrac{G}{G-1} \sum_g \varphi_g^2` collapses where a persona was refused once or never. It is
therefore at least the binomial one without an effect,

.. math:: r \Big(\frac{b_a}{n_a + 1} + \frac{b_0}{n_0 + 1}\Big) \frac{1 / W}{1 / n_a + 1 / n_0},

r being the share of the variance of verdicts that is within texts,
:math:`r = \sum_g \tfrac{s_g (n_g - s_g)}{n_g - 1} / \sum_g n_g` over :math:`\tilde p (1 - \tilde p)`, with all
:math:`s_g` refusals in :math:`n_g` prompts of text g. If no text has both arms, :math:`\hat\delta` is the difference of
the two rates, and r is 1.

References
----------
Greenland and Robins 1985, doi:10.2307/2530643.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from ...arrays import Bools, Floats, Integers
from ...counts import TextCounts
from ...statistics import Strata, cluster_correction, totals

SIZES = ("n", "n_refused", "n_baseline", "n_refused_baseline")

PRIOR = 200.0


@dataclass(frozen=True)
class LogOdds:
    r"""Log odds ratios against neutral prompts; (n_cells,) array of float each, but `scores`.

    Attributes
    ----------
    estimates
        :math:`\hat d`.
    neutral
        The log odds of the neutral prompts.
    extra
        What is added to the text-clustered variance.
    ratio
        The ratio of the variance to the binomial one of independent prompts.
    expected
        How many refusals, or other responses, are to be expected of the smaller arm without an effect.
    sizes : mapping of str to array
        By the names of `SIZES`.
    scores : (n_texts, n_cells) sparse array of float
        :math:`\varphi`.
    differences, extra_of_differences
        :math:`\hat\delta`, and what is added to its text-clustered variance: it is at least that of independent
        responses without an effect.
    scores_of_differences : (n_texts, n_cells) sparse array of float
        What text g adds to the error of :math:`\hat\delta`, :math:`w_g (d_g - \hat\delta) / W`.
    """

    estimates: Floats
    neutral: Floats
    extra: Floats
    ratio: Floats
    expected: Floats
    sizes: Mapping[str, Floats]
    scores: sparse.csc_array
    differences: Floats
    extra_of_differences: Floats
    scores_of_differences: sparse.csc_array

    def take(self, keep: Bools) -> "LogOdds":
        """Select the marked cells."""
        named = ("estimates", "neutral", "extra", "ratio", "expected", "differences", "extra_of_differences")
        arrays = {name: getattr(self, name)[keep] for name in named}
        sizes = {name: values[keep] for name, values in self.sizes.items()}
        scores = {name: getattr(self, name)[:, np.flatnonzero(keep)] for name in ("scores", "scores_of_differences")}
        return LogOdds(**arrays, sizes=sizes, **scores)

    def variances(self, log_odds_ratios: Floats) -> Floats:
        """Return the variances of the estimates at given log odds ratios."""
        rate, base = special.expit(self.neutral + log_odds_ratios), special.expit(self.neutral)
        arm = 1 / ((self.sizes["n"] + 1) * rate * (1 - rate))
        return np.asarray(self.ratio * (arm + 1 / ((self.sizes["n_baseline"] + 1) * base * (1 - base))))


def compare_with_baselines(
    arms: TextCounts, baselines: TextCounts, at: Integers, of_row: Integers | None = None
) -> LogOdds:
    """Compare each cell with its baseline within texts.

    Parameters
    ----------
    arms, baselines : TextCounts
        Of the same texts.
    at : (n_arms,) array of int
        The baseline of each cell; -1 if it has none, and then its numbers mean nothing.
    of_row : (n_rows,) array of int, optional
        The text of each row of the counts, if rows are blocks: arms are compared within blocks, and scores are added up
        by text.

    Returns
    -------
    LogOdds
    """
    n_of_text, k_of_text = _dense(baselines.n), _dense(baselines.n_refused)
    n0, k0 = n_of_text.sum(axis=0)[at], k_of_text.sum(axis=0)[at]
    asked = sparse.csc_array(arms.n)
    # A sum has the same positions in the same order, and is exact.
    own_k = sparse.csc_array(arms.n_refused + arms.n).data - asked.data
    n_cells = asked.shape[1]
    text, cell = asked.indices, np.repeat(np.arange(n_cells), np.diff(asked.indptr))
    own_n, other_n, other_k = asked.data, n_of_text[text, at[cell]], k_of_text[text, at[cell]]
    n, k = totals(cell, own_n, n_cells), totals(cell, own_k, n_cells)
    strata = Strata(cell, own_n, own_k, other_n, other_k, n_cells)
    weights = strata.total(strata.weights)
    within = weights > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        own_rate, rate0 = k / n, k0 / n0
        difference = np.where(within, strata.mean_differences(), own_rate - rate0)
        share = np.where(
            within[cell],
            strata.residuals(difference) / weights[cell],
            (own_k - own_n * own_rate[cell]) / n[cell],
        )
        adjusted = np.clip(n * (rate0 + difference), 0, n)
        arm_rate, base_rate = (adjusted + 0.5) / (n + 1), (k0 + 0.5) / (n0 + 1)
        slope, slope0 = 1 / (arm_rate * (1 - arm_rate)), 1 / (base_rate * (1 - base_rate))
        of_neutral = sparse.csc_array(k_of_text - n_of_text * (k_of_text.sum(axis=0) / n_of_text.sum(axis=0)))
    # Without common texts, the neutral texts' whole error counts.
    factor = np.where(within, slope - slope0, -slope0) / n0
    scores = sparse.csc_array((slope[cell] * share, (text, cell)), shape=asked.shape)
    scores = _by_text(sparse.csc_array(scores + of_neutral[:, at] @ sparse.diags_array(factor)), of_row)
    pooled, inside = _within_texts(arms, n_of_text, k_of_text, at)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(within, inside * (1 / weights) / (1 / n + 1 / n0), 1.0)
    null = loss * (slope / (n + 1) + slope0 / (n0 + 1))
    per_rate = loss * (1 / (slope * n) + 1 / (slope0 * n0))
    is_asked = np.any(n_of_text > 0, axis=1) | (np.asarray(arms.n.sum(axis=1)).ravel() > 0)
    n_texts = len(np.unique((np.arange(len(is_asked)) if of_row is None else of_row)[is_asked]))
    of_rate = _by_text(sparse.csc_array((share, (text, cell)), shape=asked.shape), of_row)
    spread = float(cluster_correction(n_texts)) * np.asarray(of_rate.power(2).sum(axis=0), dtype=np.float64)
    # Without common texts, the difference has the error of the neutral texts as well.
    alone = sparse.diags_array(np.where(within, 0.0, -1 / n0))
    of_difference = sparse.csc_array(of_rate + _by_text(sparse.csc_array(of_neutral[:, at] @ alone), of_row))
    observed_spread = float(cluster_correction(n_texts)) * np.asarray(of_difference.power(2).sum(axis=0))
    ratio = loss * _overdispersion(spread, per_rate, np.minimum(k, n - k), at)
    observed = float(cluster_correction(n_texts)) * np.asarray(scores.power(2).sum(axis=0), dtype=np.float64)
    return LogOdds(
        special.logit(arm_rate) - special.logit(base_rate),
        special.logit(base_rate),
        np.maximum(null - observed, 0),
        ratio,
        np.minimum(n, n0) * np.minimum(pooled, 1 - pooled),
        dict(zip(SIZES, (n, k, n0, k0), strict=True)),
        scores,
        difference,
        np.maximum(per_rate - observed_spread, 0),
        of_difference,
    )


def _overdispersion(observed: Floats, null: Floats, refusals: Floats, at: Integers) -> Floats:
    """Return the ratio of the observed variances to those without an effect, shrunken to that of the model and task."""
    known = at >= 0
    sums = [totals(at[known], values[known]) for values in (observed, null)]
    weight = refusals / (refusals + PRIOR)
    # Without a verdict of either kind there is no variance to compare with.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(weight * observed / null + (1 - weight) * (sums[0] / sums[1])[at], nan=1.0)


def _within_texts(arms: TextCounts, n_of_text: Floats, k_of_text: Floats, at: Integers) -> tuple[Floats, Floats]:
    """Return each cell's pooled rate in its model and task, and the share of the variance that is within texts."""
    n_baselines = n_of_text.shape[1]
    known = np.flatnonzero(at >= 0)
    shape = (len(at), n_baselines)
    of_baseline = sparse.csr_array((np.ones(len(known)), (known, at[known])), shape=shape)
    n, k = n_of_text + _dense(arms.n @ of_baseline), k_of_text + _dense(arms.n_refused @ of_baseline)
    rate = (k.sum(axis=0) + 0.5) / (n.sum(axis=0) + 1)
    several = n > 1
    inside = np.sum(np.where(several, k * (n - k) / np.maximum(n - 1, 1), 0), axis=0)
    total = np.sum(n * several, axis=0)
    # If no text was asked about twice, it is not known, and 1 gives the larger variance.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, np.clip(inside / total / (rate * (1 - rate)), 0, 1), 1.0)
    return rate[at], share[at]


def _by_text(scores: sparse.csc_array, of_row: Integers | None) -> sparse.csc_array:
    """Add up the scores of the blocks of each text."""
    if of_row is None:
        return scores
    rows = np.flatnonzero(of_row >= 0)
    add_up = sparse.csr_array((np.ones(len(rows)), (of_row[rows], rows)), shape=(int(of_row.max()) + 1, len(of_row)))
    return sparse.csc_array(add_up @ scores)


def _dense(counted: sparse.csr_array) -> Floats:
    return np.asarray(counted.toarray(), dtype=np.float64)
