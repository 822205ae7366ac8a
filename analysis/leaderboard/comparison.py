r"""Two runs of one model on the same prompts: changes, and whether they are statistically significant.

Responses are paired by prompt. The unit is the text, because each text is in many prompts: with :math:`D_g` the
refusals of text g in the new run minus those in the old one, in :math:`n_g` prompts,
the difference of rates is :math:`\hat d = \sum_g D_g / \sum_g n_g`.

If the two runs differ only by noise, the sign of each :math:`D_g` is random. The p-value is that of a sign-flip test by
text: the share of sign flips with a difference as large. If at most 12 texts changed, all flips are enumerated;
otherwise they are drawn, and the observed signs are included. Inverting the test gives the interval: the differences
:math:`\delta` that it does not reject with :math:`D_g - \delta n_g` in place of
:math:`D_g`. They are found without a search: for texts with signs that sum to A of the D and B of the n, the test
statistic is as large as observed for :math:`\delta` between
:math:`(D - A) / (N - B)` and :math:`(D + A) / (N + B)`, the differences within the two halves of the
texts. If few texts changed, this interval is too short, and the text-clustered one of Student's t with its effective
degrees of freedom is wider. The reported interval is the union of both.

References
----------
Sign flips of whole texts: Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060; Canay, Romano
and Shaikh 2017, doi:10.3982/ECTA13081. Drawn signs: Phipson and Smyth 2010,
doi:10.2202/1544-6115.1585. The interval: Hartigan 1969, doi:10.1080/01621459.1969.10501057. Degrees
of freedom: O'Neill 2014, doi:10.1080/00031305.2014.966589.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import ALPHA, CONFIDENCE, Floats, simultaneous_level
from ..columns import NAMED, STUDY_COLUMNS
from ..contracts import CHANGES, RUN_COMPARISON
from ..responses import Pairs
from ..statistics import (
    adjust,
    cluster_correction,
    flip_texts,
    monte_carlo_p,
    selection_levels,
    shrink,
    student,
    variance_of_scores,
    zero_count_bound,
)

COLUMNS = (*RUN_COMPARISON.keys, *RUN_COMPARISON.estimates)
"""The columns of a comparison."""

EXAMPLES = (
    *("model", "task", "setting", "persona", "template", "index", "outcome_before", "outcome", "response_before"),
    *("response", "prompt"),
)

HIDDEN = "(hidden: may contain an offensive text)"

_ESTIMATES = ("estimate", "ci_low", "ci_high", "p_value", "n", "n_texts")
_SIZES = ("n_refused", "n_refused_before", "n_newly_refused", "n_no_longer_refused")
_ENUMERATED = 12
"""The largest number of texts for which all sign flips are enumerated."""
_DRAWN = 500
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """The changes between two runs.

    Attributes
    ----------
    table : pandas.DataFrame
        See `compare_runs`.
    changes : pandas.DataFrame
        Changes of outcomes: ``model, task, setting, outcome_before, outcome, n``; empty if outcomes are unknown.
    rule : str
    notes : tuple of str
    simultaneous : pandas.DataFrame
        The changes of whole tasks, ``model, task, setting, estimate, ci_low, ci_high, n_texts``, with intervals that
        contain all of the true changes together with 95% confidence (Bonferroni).
    """

    table: pd.DataFrame
    changes: pd.DataFrame
    rule: str
    notes: tuple[str, ...]
    simultaneous: pd.DataFrame

    def worse(self, points: float) -> pd.DataFrame:
        """Return the rows of whole tasks whose rate rose by more than a bound, in percentage points.

        These are the rows whose whole interval is above the bound, and whose p-value, adjusted for all compared tasks
        and settings, is at most .05. Without the second condition, with many tasks one would fail too often without any
        change.
        """
        whole = self.table[self.table["persona_group"].isna() & self.table["persona"].isna()]
        return whole[(whole["ci_low"] > points / 100) & (whole["p_adjusted"] <= ALPHA)]


def compare_runs(pairs: Pairs, rng: np.random.Generator, *, n_flips: int = 9999) -> Comparison:
    """Estimate how the refusal rate changed, for each task, persona group and persona.

    Parameters
    ----------
    pairs : Pairs
        See `refusal_metrics.analysis.responses.pairs.pair_runs`.
    rng : numpy.random.Generator
    n_flips : int
        How often signs are drawn.

    Returns
    -------
    Comparison
        Its table: ``model, task, setting, persona_group, persona`` (the last two missing in the rows of whole
        tasks and settings, the last one in those of groups), ``estimate, ci_low, ci_high``, the new run's rate minus
        the old one's in [-1, 1], ``p_value, p_adjusted`` (adjusted, by
        `refusal_metrics.analysis.statistics.multiplicity.adjust`, apart for whole tasks, a model being a family,
        for groups and for personas, a model and task being a family), ``estimate_shrunken, ci_low_named,
        ci_high_named`` for the changes that are significant, as of
        `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`, ``n, n_texts``, prompts
        and texts compared, ``n_refused, n_refused_before, n_newly_refused, n_no_longer_refused``. If no text has a
        difference, the interval is from -b to b, b = 1 - .025^(1/texts), as for contrasts. One
        text gives no interval.
    """
    known = pairs.columns
    levels: list[tuple[str, ...]] = [()]
    levels += [("persona_group",)] * ("persona_group" in known)
    levels += [tuple(name for name in ("persona_group", "persona") if name in known)] * ("persona" in known)
    parts = []
    simultaneous = pd.DataFrame()
    for level in levels:
        part, drawn = _compare(pairs, level, rng, n_flips)
        family = [key if level else key[:1] for key in part[list(STUDY_COLUMNS)].itertuples(index=False, name=None)]
        part["p_adjusted"] = adjust(part["p_value"], family)
        errors = iter(selection_levels(part["p_adjusted"], family))
        selected = [of_study.select(np.array([next(errors) for _ in of_study.estimate])) for of_study in drawn]
        part[list(NAMED)] = np.concatenate([np.zeros((0, len(NAMED))), *selected])
        parts.append(part)
        if not level:
            simultaneous = _simultaneous(part, drawn)
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    changes = pairs.count_changes()
    return Comparison(
        table=table.reindex(columns=list(COLUMNS)),
        changes=changes[[*CHANGES.keys, *CHANGES.estimates]],
        rule=pairs.rule,
        notes=pairs.notes,
        simultaneous=simultaneous,
    )


def _simultaneous(whole: pd.DataFrame, drawn: Sequence["_Differences"]) -> pd.DataFrame:
    """Replace the intervals of whole tasks, one of each study, by simultaneous ones."""
    alpha = np.array([1 - simultaneous_level(len(whole))])
    ends = np.concatenate([np.zeros((2, 0)), *(of_study.interval(alpha) for of_study in drawn)], axis=1)
    changed = whole.assign(ci_low=ends[0], ci_high=ends[1])
    return changed[[*STUDY_COLUMNS, "estimate", "ci_low", "ci_high", "n_texts"]]


def _compare(
    pairs: Pairs, level: tuple[str, ...], rng: np.random.Generator, n_flips: int
) -> tuple[pd.DataFrame, list["_Differences"]]:
    """Compare the runs within each level of some factors; return also the differences of each study."""
    factors = [*STUDY_COLUMNS, *level]
    rows, found = [], []
    # One by one, because tables by text and persona take much memory.
    for study in pairs.list_studies(level):
        of_study = pairs.count_texts(study, level)
        text, texts = pd.factorize(of_study["text_id"])
        cell = of_study.groupby(list(level), sort=False).ngroup().to_numpy() if level else np.zeros_like(text)
        names = of_study[list(level)].drop_duplicates().itertuples(index=False, name=None) if level else [()]
        wide = np.zeros((2, len(texts), int(cell.max()) + 1))
        wide[:, text, cell] = of_study["n"], of_study["k"] - of_study["k_before"]
        found.append(_estimate(wide[0], wide[1], rng, n_flips))
        estimates = found[-1].tabulate()
        sums = of_study.groupby(cell)[["k", "k_before", "newly", "no_longer"]].sum()
        for place, name in enumerate(names):
            sizes = dict(zip(_SIZES, map(int, sums.loc[place]), strict=True))
            rows.append(dict(zip(factors, (*study, *name), strict=True)) | estimates.loc[place].to_dict() | sizes)
    table = pd.DataFrame(rows, columns=[*factors, *_ESTIMATES, *_SIZES])
    return table.astype({"n": np.int64, "n_texts": np.int64}), found


def estimate_differences(n: Floats, d: Floats, rng: np.random.Generator, *, n_flips: int = 9999) -> pd.DataFrame:
    """Estimate differences of two runs' rates from the counts of each text.

    Parameters
    ----------
    n : (n_texts, n_cells) array of float
        Prompts about each text in each cell; 0 where there are none.
    d : (n_texts, n_cells) array of float
        Refusals of the new run minus those of the old one.
    rng : numpy.random.Generator
    n_flips : int

    Returns
    -------
    pandas.DataFrame
        One row a cell: ``estimate, ci_low, ci_high, p_value, n, n_texts``, see `compare_runs`.
    """
    return _estimate(n, d, rng, n_flips).tabulate()


@dataclass(frozen=True)
class _Differences:
    """The differences of one study's cells.

    Attributes
    ----------
    estimate, p_value, n, n_texts, freedom : (n_cells,) array of float
    tails : (2, n_kept, n_cells) array of float
        The smallest and the largest ends of the intervals that random signs give, from the outermost.
    n_drawn : int
        How many there are in all.
    moves : (n_cells,) array of bool
        Whether some text has a difference.
    covariance : (n_cells, n_cells) array of float
        Clustered by text.
    """

    estimate: Floats
    p_value: Floats
    n: Floats
    n_texts: Floats
    freedom: Floats
    tails: Floats
    n_drawn: int
    moves: NDArray[np.bool_]
    covariance: Floats

    def interval(self, alpha: Floats) -> Floats:
        """Compute confidence intervals at the levels 1 - alpha, at most the usual one: (2, n_cells)."""
        place = np.floor(alpha * (1 + self.n_drawn) + _ROUNDING).astype(np.int64) - 1
        low, high = np.take_along_axis(self.tails, np.maximum(place, 0)[None, None], axis=1)[:, 0]
        # At a smaller level than random signs can give, no difference is excluded.
        low, high = np.where(place < 0, [[-1.0], [1.0]], [low, high])
        half = student(1 - alpha, self.freedom) * np.sqrt(np.diag(self.covariance))
        low, high = np.fmin(low, self.estimate - half), np.fmax(high, self.estimate + half)
        unseen = zero_count_bound(self.n_texts, alpha / 2)
        ends = np.where(self.moves, (low, high), (-unseen, unseen))
        return np.asarray(np.where(self.n_texts > 1, np.clip(ends, -1, 1), np.nan), dtype=np.float64)

    def tabulate(self) -> pd.DataFrame:
        """Return the columns of `estimate_differences`."""
        low, high = self.interval(np.full(len(self.estimate), 1 - CONFIDENCE))
        columns = (self.estimate, low, high, self.p_value, self.n, self.n_texts)
        return pd.DataFrame(dict(zip(_ESTIMATES, columns, strict=True)))

    def select(self, alpha: Floats) -> Floats:
        """Estimate the columns of `NAMED`, nan without an error level: (n_cells, 3)."""
        is_named = ~np.isnan(alpha)
        low, high = np.where(is_named, self.interval(np.where(is_named, alpha, 1 - CONFIDENCE)), np.nan)
        shrunken = np.full(len(alpha), np.nan)
        known = (self.n_texts > 1) & (np.diag(self.covariance) > 0)
        if is_named.any():
            shrunken[known] = shrink(self.estimate[known], self.covariance[np.ix_(known, known)])[0]
        return np.stack([np.where(is_named, shrunken, np.nan), low, high], axis=1)


def _estimate(n: Floats, d: Floats, rng: np.random.Generator, n_flips: int) -> _Differences:
    """Estimate differences, their p-values and what their intervals need."""
    total, change = n.sum(axis=0), d.sum(axis=0)
    n_texts = np.count_nonzero(n, axis=0)
    estimate = change / total
    signs = np.concatenate(list(_turn(n, d, rng, n_flips)))
    tails, p = _invert(signs, total, change), _share(signs[:, 0], change)
    for cell in range(n.shape[1]):
        changed = d[d[:, cell] != 0, cell]
        if len(changed) <= _ENUMERATED:
            p[cell] = _enumerate(changed)
    scores = d - n * estimate
    _, freedom = variance_of_scores(scores, n_texts)
    scaled = scores * np.sqrt(cluster_correction(n_texts)) / total
    moves = (d != 0).any(axis=0)
    return _Differences(
        estimate, p, total, n_texts, freedom, tails, len(signs), moves, np.asarray(scaled.T @ scaled, dtype=np.float64)
    )


def _turn(n: Floats, d: Floats, rng: np.random.Generator, n_flips: int) -> Iterator[Floats]:
    """Sum differences and prompts with random signs of texts: (n_drawn, 2, n_cells)."""
    # Whole numbers of this size are exact in single precision, and sums are twice as fast.
    both = np.concatenate([d, n], axis=1).astype(np.float32)
    for signs in flip_texts(rng, n_flips, len(n), at_once=_DRAWN):
        yield (signs @ both).astype(np.float64).reshape(-1, 2, n.shape[1])


def _share(drawn: Floats, change: Floats) -> Floats:
    """Compute the share of random sign flips with as large a difference, including the observed signs."""
    as_large = np.count_nonzero(np.abs(drawn) >= np.abs(change) - _ROUNDING, axis=0)
    return monte_carlo_p(as_large, len(drawn))


def _enumerate(d: Floats) -> float:
    """Compute the same share among all sign flips; texts without a difference do not matter."""
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= abs(d.sum()) - _ROUNDING))


def _invert(drawn: Floats, total: Floats, change: Floats) -> Floats:
    """Find the ends of intervals that the test does not reject at its usual or smaller levels: (2, n_kept, n_cells)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = np.stack(
            [(change - drawn[:, 0]) / (total - drawn[:, 1]), (change + drawn[:, 0]) / (total + drawn[:, 1])]
        )
    # If one half is empty, as for the observed signs, every difference is as large.
    whole = np.isnan(halves).any(axis=0)
    low, high = np.where(whole, -1.0, halves.min(axis=0)), np.where(whole, 1.0, halves.max(axis=0))
    n_kept = max(int((1 - CONFIDENCE) * (1 + len(drawn)) + _ROUNDING), 1)
    return np.stack([np.sort(low, axis=0)[:n_kept], np.sort(high, axis=0)[::-1][:n_kept]])


def list_examples(pairs: Pairs, rng: np.random.Generator, n: int, *, show_texts: bool = False) -> pd.DataFrame:
    """Draw responses that are newly refused, and as many that are no longer refused.

    Parameters
    ----------
    pairs : Pairs
    rng : numpy.random.Generator
    n : int
        At most so many of each.
    show_texts : bool
        Whether prompts of the offensiveness task are shown, and responses to them that are neither
        refusal nor answer and may repeat a text.

    Returns
    -------
    pandas.DataFrame
        Columns ``model, task, setting, persona, template, index, outcome_before, outcome, response_before, response,
        prompt``; those refused now first. Texts that were not read are missing, those not to be shown are `HIDDEN`.
    """
    places: list[int] = []
    for now in (True, False):
        changed = pairs.find_changed(refused=now)
        places += sorted(map(int, rng.choice(changed, min(n, len(changed)), replace=False))) if changed else []
    rows = pairs.read_places(places)
    rows = rows.reindex(columns=[*EXAMPLES, "refused", "refused_before"]).astype(dict.fromkeys(EXAMPLES[-3:], object))
    if not show_texts:
        offensive = rows["task"] == "offensiveness"
        rows.loc[offensive & rows["prompt"].notna(), "prompt"] = HIDDEN
        for after in ("", "_before"):
            told = rows[f"outcome{after}"].isin(["refusal", "answer"]) | rows[f"refused{after}"].astype(bool)
            rows.loc[offensive & ~told & rows[f"response{after}"].notna(), f"response{after}"] = HIDDEN
    return rows[list(EXAMPLES)]
