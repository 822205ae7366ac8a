r"""Refusal rates corrected by a labelled sample, and differences of them.

A detector makes errors, possibly more under one persona than another. Its verdicts of all responses and labels of a
sample that was drawn with known probabilities give rates that are right for any detector: prediction-powered inference
with a power-tuned weight of the verdicts and text-clustered intervals, see `refusal_metrics.analysis.labels.tuned`.

With few errors among the labels, neither linearisation nor a bootstrap is adequate: among 300 labels without a missed
refusal, both give an interval of width 0, although one in a hundred may be missed. So errors have intervals of
proportions, which are never narrower than that without an error.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from refusal_metrics.errors import unknown_name

from ..arrays import CONFIDENCE, Floats
from ..columns import BASELINES, OTHERS, STUDY
from ..contracts import CORRECTED
from ..statistics import (
    Strata,
    clustered_interval,
    compare_between,
    compare_within,
    interval_of_difference,
    join_strata,
    pool_overdispersion,
)
from .arms import SUMS
from .tuned import CLASS_SUMS, Tuned, interval_of_tuned

_ALL = [*SUMS, *CLASS_SUMS]


def estimate_corrected(sums: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Estimate the corrected refusal rate of each cell.

    Parameters
    ----------
    sums : pandas.DataFrame
        From `refusal_metrics.analysis.labels.sums.sum_labels`: a row a text and combination of factors.
    by : sequence of str
        The factors that make the cells; may be empty.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then `CORRECTED`: ``estimate, ci_low, ci_high`` (corrected, in [0, 1]; what
        lies beyond is cut off), ``uncorrected`` with its interval (as by
        `refusal_metrics.analysis.estimates.rates.estimate_rates`), ``n, n_texts, n_refused`` (by the detector),
        ``n_labelled``, and of these ``n_false`` (flagged as refusals, not labelled so) and ``n_missed``. The corrected
        columns are missing if fewer than `FEWEST` of the responses with either verdict are labelled, unless all are.

    Raises
    ------
    InputError
        For an unknown factor.

    References
    ----------
    Angelopoulos et al. 2023, doi:10.1126/science.adi6000, for prediction-powered inference. Angelopoulos, Duchi and
    Zrnic 2023, arXiv:2311.01453, for its power tuning. Särndal, Swensson and Wretman 1992,
    doi:10.1007/978-1-4612-4378-6, chapter 7, for post-stratification. Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    for name in by:
        if name not in sums:
            raise unknown_name("factor", name, _factors(sums))
    rows = []
    for levels, part in _cells(sums, by):
        of_text = part.groupby("text_id", dropna=False)[_ALL].sum()
        rate = Tuned.of(of_text)
        one_cell = np.zeros(len(of_text), dtype=np.int64)
        n_refused, n = (of_text[name].to_numpy(dtype=np.float64) for name in ("n_refused", "n"))
        (low,), (high,) = clustered_interval(n_refused, n, one_cell, 1)
        ends = (float(low), float(high))
        corrected = [rate.estimate, *interval_of_tuned([rate], [1.0], ends)] if rate.usable else [np.nan] * 3
        rows.append([*levels, *np.clip(corrected, 0, 1), rate.uncorrected, *ends, *_sizes(of_text)])
    return pd.DataFrame(rows, columns=[*by, *CORRECTED.estimates])


def estimate_corrected_contrasts(sums: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Estimate the difference between each persona's corrected rate and a baseline.

    As by `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`, personas are compared within texts: a text
    with n responses of the persona and n_0 of the baseline has the weight n n_0 / (n + n_0) in both rates. Labels
    correct these weighted rates, for there are too few of them to compare labels within texts. If no text has both,
    the two rates are compared. If texts have several blocks, personas are compared within these. Unlike there, each
    response counts, also to a prompt that was sent twice.

    Parameters
    ----------
    sums : pandas.DataFrame
        As for `estimate_corrected`, with the columns ``setting`` and ``persona``, and ``block`` if there are blocks.
    baseline : str
        ``neutral`` or ``persona-free``, that setting's responses; ``others``, all other personas' of the same
        model and task; or a persona.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and persona (but the baseline itself), without models and tasks that
        lack the baseline. Columns: ``model, task, persona, baseline``, then `CORRECTED` as in
        `estimate_corrected`, of differences in [-1, 1] and of the persona's responses. Corrected
        columns are missing if there are too few labels of either rate.

    Raises
    ------
    InputError
        For an unknown baseline, or without personas.
    """
    if "persona" not in sums or "setting" not in sums:
        raise unknown_name("factor", "persona", _factors(sums))
    sums, keys = _split_texts(sums)
    asked = sums[(sums["setting"] == "persona") & sums["persona"].notna()]
    allowed = [*BASELINES, OTHERS, *sorted(asked["persona"].unique())]
    if baseline not in allowed:
        raise unknown_name("baseline", baseline, allowed)
    rows = []
    for study, part in _cells(sums, STUDY):
        mine = part[(part["setting"] == "persona") & part["persona"].notna()]
        personas, pairs = [], []
        for (persona,), own in _cells(mine, ["persona"]):
            if baseline in BASELINES:
                other = part[part["setting"] == baseline]
            else:
                other = mine[mine["persona"] != persona] if baseline == OTHERS else mine[mine["persona"] == baseline]
            if persona == baseline or other.empty:
                continue
            personas.append(persona)
            pairs.append(_Pair(own, other, keys))
        rows += [
            [*study, persona, baseline, *values]
            for persona, values in zip(personas, _compare(pairs) if pairs else [], strict=True)
        ]
    return pd.DataFrame(rows, columns=[*STUDY, "persona", "baseline", *CORRECTED.estimates])


def _factors(sums: pd.DataFrame) -> list[str]:
    return [str(name) for name in sums if name not in {"text_id", "block", *_ALL}]


def _split_texts(sums: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that identify what is compared within: blocks if a text has several, as in contrasts."""
    if "block" not in sums:
        return sums, ["text_id"]
    is_whole = sums["block"].isna().groupby(sums["text_id"]).transform("any")
    sums = sums.assign(block=sums["block"].astype(object).mask(is_whole, ""))
    several = sums.groupby("text_id")["block"].nunique().max() > 1
    return sums, ["text_id", "block"] if several else ["text_id"]


def _cells(sums: pd.DataFrame, by: Sequence[str]) -> "list[tuple[tuple[object, ...], pd.DataFrame]]":
    """Split a table by the levels of factors; None if a factor has no level."""
    if not by:
        return [((), sums)]
    parts = sums.groupby(list(by), sort=True, dropna=False)
    return [(tuple(map(_level, levels)), part) for levels, part in parts]


def _level(level: object) -> object:
    # Missing values in pandas can be None or nan.
    return None if pd.isna(level) else level  # type: ignore[call-overload]


def _sizes(of_text: pd.DataFrame) -> list[int]:
    """Count: the last columns of `CORRECTED`."""
    total = of_text[list(SUMS)].sum()
    labelled = total["n_labelled_refused"] + total["n_labelled_others"]
    sizes = [total["n"], len(of_text), total["n_refused"], labelled, total["n_false"], total["n_missed"]]
    return [int(size) for size in sizes]


class _Pair:
    """A persona's responses and a baseline's by text or block, and the weights with which they are compared."""

    def __init__(self, own: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> None:
        arms = [part.groupby(keys, dropna=False)[_ALL].sum() for part in (own, other)]
        self.sizes = _sizes(arms[0].groupby("text_id", dropna=False).sum())
        rows = arms[0].index.union(arms[1].index)
        self.arms = [arm.reindex(rows, fill_value=0.0) for arm in arms]
        self.text = None if len(keys) == 1 else pd.factorize(rows.get_level_values("text_id"))[0]
        self.n, self.n_baseline = (arm["n"].to_numpy(dtype=np.float64) for arm in self.arms)
        self.shared = (self.n > 0) & (self.n_baseline > 0)
        self.is_within = bool(self.shared.any())

    def strata(self) -> Strata:
        """Return the detector's refusals in the texts that are compared."""
        kept = self.shared if self.is_within else np.ones(len(self.n), dtype=bool)
        k, k_baseline = (arm["n_refused"].to_numpy(dtype=np.float64)[kept] for arm in self.arms)
        contrast = np.zeros(int(kept.sum()), dtype=np.int64)
        text = None if self.text is None else self.text[kept]
        return Strata(contrast, self.n[kept], k, self.n_baseline[kept], k_baseline, 1, text=text)

    def correct(self, ends: tuple[float, float]) -> list[float]:
        """Estimate the corrected difference and its interval, given that of the detector's rates."""
        weights: list[Floats | None] = [None, None]
        if self.is_within:
            total = self.n + self.n_baseline
            weights = [np.where(self.shared, n / total, 0.0) for n in (self.n_baseline, self.n)]
        rates = [Tuned.of(arm, weight, self.text) for arm, weight in zip(self.arms, weights, strict=True)]
        if not all(rate.usable for rate in rates):
            return [np.nan] * 3
        return [rates[0].estimate - rates[1].estimate, *interval_of_tuned(rates, [1.0, -1.0], ends)]


def _compare(pairs: Sequence[_Pair]) -> list[list[object]]:
    """Compare the pairs of one model and task: the values of `CORRECTED` of each."""
    whole = join_strata([pair.strata() for pair in pairs])
    is_within = np.array([pair.is_within for pair in pairs])
    of_within = is_within[whole.contrast]
    differences = compare_within(whole.take(of_within)).where(is_within, compare_between(whole.take(~of_within)))
    differences, phi = pool_overdispersion(differences, is_within.astype(np.int64))
    low, high = interval_of_difference(differences, phi, CONFIDENCE)
    rows = []
    for pair, estimate, *ends in zip(pairs, differences.score.estimate, low, high, strict=True):
        ends_of_detector = (float(ends[0]), float(ends[1]))
        corrected = np.clip(pair.correct(ends_of_detector), -1, 1)
        rows.append([*corrected, float(estimate), *ends_of_detector, *pair.sizes])
    return rows
