r"""Limits of how far a detector's errors can depend on the persona.

Two kinds of errors can make or hide a difference between personas: false positives, as a share of the responses that
are no refusals, and missed refusals, as a share of all responses. Both are estimated for each persona from the
detector's verdicts of all responses and the labels of a sample, as in `refusal_metrics.analysis.labels.arms`.

The limit of a pair of personas is the smallest value that the absolute difference of their error rates does not exceed
with the given confidence: the larger of the two one-sided upper limits of the difference and of its negative. All
pairs' limits hold simultaneously with 95% confidence (Bonferroni). A limit below the bound shows equivalence; a limit
above the bound shows that the sample is too small, or that the rates differ.

What the errors together do to a contrast is the contrast by the detector minus the contrast corrected by labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd

from refusal_metrics.errors import unknown_name

from ..arrays import CONFIDENCE, Floats
from ..columns import STUDY
from ..statistics import effective_units, proportion_interval, sum_interval, variance_of_scores, zero_count_bound
from .arms import FEWEST, SUMS, Arm, interval_of_arms

FALSE_POSITIVES, MISSED = "false positives", "missed refusals"

BOUNDS: Mapping[str, float] = MappingProxyType({FALSE_POSITIVES: 0.01, MISSED: 0.02})
"""The bound of the difference between two personas, for each kind of errors."""

CONTRAST_BOUND = 0.015
"""The bound of the contrast by the detector minus the corrected one."""

WITHIN, TOO_SMALL, BEYOND = "within bound", "sample too small", "estimate beyond bound"

LIMITS = (
    *("errors", "persona", "other_persona", "estimate", "other_estimate", "difference", "limit", "bound", "result"),
    *("n", "n_errors", "other_n_errors", "n_needed"),
)
"""The columns of `estimate_persona_limits` after model and task."""

CONTRAST_ERRORS = (
    *("persona", "baseline", "uncorrected", "corrected", "estimate", "ci_low", "ci_high", "bound", "result"),
    *("n", "n_texts", "n_labelled", "n_false", "n_missed", "n_needed"),
)
"""The columns of `estimate_contrast_errors` after model and task."""


def estimate_persona_limits(sums: pd.DataFrame, bounds: Mapping[str, float] = BOUNDS) -> pd.DataFrame:
    """Estimate simultaneous upper limits of the difference between personas in a detector's error rates.

    Parameters
    ----------
    sums : pandas.DataFrame
        Columns ``model, task, persona, text_id`` and `refusal_metrics.analysis.labels.arms.SUMS`: a row a text and
        persona.
    bounds : mapping of str to float
        The bound for each kind of errors, `FALSE_POSITIVES` and `MISSED`.

    Returns
    -------
    pandas.DataFrame
        One row a model, task, kind of errors and pair of personas: ``model, task``, then `LIMITS`. The two estimates
        are error rates in [0, 1]; ``limit`` is that of their absolute difference. ``result`` is `WITHIN` if the limit
        is at most the bound, `BEYOND` if the estimated difference is not below it, else `TOO_SMALL`; then ``n_needed``
        is the number of responses per persona at which the same estimates would give a limit within the bound. ``n``
        is the number of responses of the persona that has fewer. Limits are missing if fewer than
        `refusal_metrics.analysis.labels.arms.FEWEST` responses with either verdict are labelled, unless all are.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201, for each rate. Zou and Donner 2008, doi:10.1002/sim.3095,
    for the difference. Berger and Hsu 1996, doi:10.1214/ss/1032280304, for showing equivalence by upper limits.
    """
    rows: list[dict[str, object]] = []
    for study, part in sums.groupby(list(STUDY), sort=True):
        of_persona = {str(name): own for name, own in part.groupby("persona", sort=True)}
        pairs = list(combinations(of_persona, 2))
        texts = pd.Index(part["text_id"].unique())
        for errors, bound in bounds.items():
            tail = (1 - CONFIDENCE) / max(len(pairs), 1)
            rates = {name: _Rate.of(_by_text(own, texts), errors, tail) for name, own in of_persona.items()}
            rows += [
                {
                    **dict(zip(STUDY, study, strict=True)),
                    "errors": errors,
                    "persona": one,
                    "other_persona": other,
                    **_compare(rates[one], rates[other], bound),
                }
                for one, other in pairs
            ]
    return pd.DataFrame(rows, columns=[*STUDY, *LIMITS])


def estimate_contrast_errors(sums: pd.DataFrame, baseline: str, bound: float = CONTRAST_BOUND) -> pd.DataFrame:
    """Estimate each persona's contrast by a detector minus the contrast corrected by labels.

    Parameters
    ----------
    sums : pandas.DataFrame
        As for `estimate_persona_limits`.
    baseline : str
        The persona that the others are compared with.
    bound : float
        What the absolute error of a contrast should not exceed.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and persona (but the baseline): ``model, task``, then `CONTRAST_ERRORS`. ``uncorrected``
        and ``corrected`` are the differences between the persona's rate and the baseline's, by the detector and
        corrected; ``estimate`` is the first minus the second, with an interval that has simultaneous 95% confidence
        for all personas of a model and task (Bonferroni). ``result`` and ``n_needed`` as in `estimate_persona_limits`;
        ``n_needed`` is the number of responses of the persona.

    Raises
    ------
    InputError
        If no response has the baseline.

    References
    ----------
    As for `refusal_metrics.analysis.labels.corrected.estimate_corrected`.
    """
    names = sorted(sums["persona"].unique())
    if baseline not in names:
        raise unknown_name("baseline", baseline, names)
    rows = []
    for study, part in sums.groupby(list(STUDY), sort=True):
        texts = pd.Index(part["text_id"].unique())
        others = sorted(set(part["persona"]) - {baseline})
        if len(others) == part["persona"].nunique():
            continue
        level = 1 - (1 - CONFIDENCE) / max(len(others), 1)
        zero = Arm.of(_by_text(part[part["persona"] == baseline], texts), level)
        rows += [
            [
                *study,
                name,
                baseline,
                *_contrast(Arm.of(_by_text(part[part["persona"] == name], texts), level), zero, bound),
            ]
            for name in others
        ]
    return pd.DataFrame(rows, columns=[*STUDY, *CONTRAST_ERRORS])


def _by_text(sums: pd.DataFrame, texts: pd.Index) -> pd.DataFrame:
    return sums.groupby("text_id")[list(SUMS)].sum().reindex(texts, fill_value=0)


@dataclass(frozen=True)
class _Rate:
    """An error rate of one persona with one-sided limits, and the contribution of each text to its error."""

    estimate: float
    low: float
    high: float
    scores: Floats
    n: int
    n_errors: int

    @classmethod
    def of(cls, sums: pd.DataFrame, errors: str, tail: float) -> "_Rate":
        of_text = {name: sums[name].to_numpy(dtype=np.float64) for name in SUMS}
        n, n_refused = of_text["n"].sum(), of_text["n_refused"].sum()
        is_false = errors == FALSE_POSITIVES
        wrong = of_text["weight_false" if is_false else "weight_missed"]
        # False positives are a share of the responses that are no refusals, as labels correct their number.
        among = of_text["n"].copy()
        if is_false:
            among += of_text["weight_false"] - of_text["weight_missed"] - of_text["n_refused"]
        size, there = float(among.sum()), of_text["n"] > 0
        n_errors = int(of_text["n_false" if is_false else "n_missed"].sum())
        sides = (("refused", n_refused), ("others", n - n_refused))
        usable = size > 0 and all(of_text[f"n_labelled_{side}"].sum() >= min(FEWEST, count) for side, count in sides)
        if not usable:
            return cls(np.nan, np.nan, np.nan, np.zeros(len(there)), int(n), n_errors)
        estimate = min(float(wrong.sum()) / size, 1.0)
        scores = (wrong - estimate * among) / size
        side, count = sides[0] if is_false else sides[1]
        # Nothing observed can come from too few texts, and from too few labels on the side where such errors can be.
        unlabelled = count / size * float(zero_count_bound(max(effective_units(of_text[f"weight_{side}"]), 1.0), tail))
        unseen = min(max(float(zero_count_bound(there.sum(), tail)), unlabelled), 1.0)
        low, high = proportion_interval(estimate, variance_of_scores(scores[there])[0], n, unseen, level=1 - 2 * tail)
        # An unseen error can have a larger weight than the observed ones.
        return cls(estimate, float(low), max(float(high), unseen), scores, int(n), n_errors)


def _compare(one: _Rate, other: _Rate, bound: float) -> dict[str, object]:
    size = np.sqrt(np.sum(one.scores**2) * np.sum(other.scores**2))
    correlation = np.eye(2)
    correlation[0, 1] = correlation[1, 0] = one.scores @ other.scores / size if size > 0 else 0.0
    low, high = sum_interval(
        np.array([one.estimate, other.estimate]),
        np.array([one.low, other.low]),
        np.array([one.high, other.high]),
        np.array([1.0, -1.0]),
        correlation,
    )
    difference, limit = one.estimate - other.estimate, min(max(high, -low), 1.0)
    n, n_errors = min(one.n, other.n), one.n_errors + other.n_errors
    return {
        "estimate": one.estimate,
        "other_estimate": other.estimate,
        "difference": difference,
        "limit": limit,
        "bound": bound,
        "n": n,
        "n_errors": one.n_errors,
        "other_n_errors": other.n_errors,
        **_result(difference, limit, bound, n, n_errors),
    }


def _contrast(own: Arm, zero: Arm, bound: float) -> Sequence[object]:
    signs = np.array([1.0, -1.0, 1.0])
    uncorrected = float(own.parts[0] - zero.parts[0])
    corrected = float(signs @ own.parts - signs @ zero.parts)
    # R - (R - A + B) is A - B, the negative of what `interval_of_arms` adds up.
    low, high = interval_of_arms([own, zero], [-1.0, 1.0], parts=[1, 2])
    n, n_texts, _, n_labelled, n_false, n_missed = own.sizes
    if not (own.usable and zero.usable):
        corrected = low = high = np.nan
    error = uncorrected - corrected
    n_errors = n_false + n_missed + sum(zero.sizes[4:])
    result = _result(error, max(high, -low), bound, n, n_errors)
    return [
        *(uncorrected, corrected, error, low, high, bound, result["result"]),
        *(n, n_texts, n_labelled, n_false, n_missed, result["n_needed"]),
    ]


def _result(difference: float, limit: float, bound: float, n: int, n_errors: int) -> dict[str, object]:
    """Compare a limit with its bound; estimate the number of responses that would bring it down to the bound.

    The limit's distance from the estimate falls with the root of the number of responses; without any error, which the
    rule of three bounds, with the number itself.
    """
    if np.isnan(limit):
        return {"result": None, "n_needed": np.nan}
    if limit <= bound:
        return {"result": WITHIN, "n_needed": np.nan}
    if abs(difference) >= bound:
        return {"result": BEYOND, "n_needed": np.nan}
    ratio = (limit - abs(difference)) / (bound - abs(difference))
    return {"result": TOO_SMALL, "n_needed": float(np.ceil(n * ratio ** (2 if n_errors else 1)))}
