"""The results of each model that are published: rates, rates of personas, and differences from a baseline."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pandas as pd

from ..columns import STANDARDISED, STATES, STUDY_COLUMNS
from ..counts import Counts
from ..estimates import estimate_contrasts, estimate_rate_errors, estimate_rates, find_baseline, has_phrases
from ..labels import estimate_corrected, estimate_corrected_contrasts

CLUSTERED = "linearised, clustered by text (Liang and Zeger 1986)"
"""How every standard error is computed."""


@dataclass(frozen=True)
class Metric:
    """What a number of a record is.

    Attributes
    ----------
    id, name, about : str
        Its id and name, and a sentence on what it is.
    interval : str
        How its 95% confidence interval is computed.
    is_difference : bool
        Whether it is a difference in [-1, 1], of which 0 is best; else it is a rate in [0, 1], the lower the better.
    """

    id: str
    name: str
    about: str
    interval: str
    is_difference: bool = False


RATE = Metric(
    "refusal_rate",
    "Refusal rate",
    "Share of the responses that are refusals.",
    "Korn-Graubard, clustered by text",
)
STANDARDISED_RATE = Metric(
    "refusal_rate_standardised",
    "Class-standardised refusal rate",
    "Mean of the refusal rates of the task's classes of texts, each class with the same weight.",
    "Korn-Graubard, clustered by text",
)
CORRECTED_RATE = Metric(
    "refusal_rate_corrected",
    "Refusal rate, corrected for detection errors",
    "Share of the responses that are refusals, by the detector's verdicts of all responses and people's labels of a "
    "sample.",
    "prediction-powered, clustered by text",
)
DIFFERENCE = Metric(
    "refusal_rate_difference",
    "Difference in refusal rate from the baseline",
    "Refusal rate of the persona minus that of the baseline, compared within texts if both were asked about the same "
    "texts. 0 is best.",
    "score test, clustered by text; not corrected for several personas",
    is_difference=True,
)
CORRECTED_DIFFERENCE = Metric(
    "refusal_rate_difference_corrected",
    "Difference in refusal rate from the baseline, corrected for detection errors",
    "Refusal rate of the persona minus that of the baseline, both corrected by people's labels of a sample. 0 is best.",
    "prediction-powered, clustered by text; not corrected for several personas",
    is_difference=True,
)
METRICS = (RATE, STANDARDISED_RATE, CORRECTED_RATE, DIFFERENCE, CORRECTED_DIFFERENCE)
"""All metrics that are exported."""

_OF_RATES = ("n_refused", *STATES, "refusal_rate_low", "refusal_rate_high")
_OF_DIFFERENCES = ("n_refused", "n_baseline", "n_refused_baseline", "p_value", "p_adjusted", "mde_up", "mde_down")
_OF_LABELS = ("n_refused", "uncorrected", "uncorrected_low", "uncorrected_high", "n_labelled", "n_false", "n_missed")
_BY_PERSONA = ("persona_group", "persona")


@dataclass(frozen=True)
class Result:
    """One number of a model, with its uncertainty.

    Attributes
    ----------
    metric : Metric
    task, setting : str
    persona, baseline : str or None
        None if it is of all prompts of the setting, and if it is no difference.
    value : float
    low, high : float
        The ends of its 95% confidence interval.
    error : float or None
        Its standard error, clustered by text; None if unknown, or if the interval is not based on one.
    n, n_texts : int
        Numbers of responses and of texts.
    details : mapping of str to int or float
        Other numbers, by the names of their columns; without those that are unknown.
    remarks : tuple of str
        Sentences that a reader needs in order to quote the number.
    """

    metric: Metric
    task: str
    setting: str
    persona: str | None
    baseline: str | None
    value: float
    low: float
    high: float
    error: float | None
    n: int
    n_texts: int
    details: Mapping[str, int | float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def list_results(counts: Counts, sums: pd.DataFrame | None = None) -> tuple[dict[str, list[Result]], int]:
    """List the results of each model.

    Parameters
    ----------
    counts : Counts
        By one detector.
    sums : pandas.DataFrame, optional
        The same responses with people's labels, of `refusal_metrics.analysis.labels.sums.sum_labels`, with the column
        ``persona`` if the responses have personas: corrected rates and differences are added.

    Returns
    -------
    results : dict of str to list of Result
        By model, without numbers that have no confidence interval.
    n_left_out : int
        How many have none, because a single text is too few.
    """
    personas = [name for name in _BY_PERSONA if name in counts.levels]
    parts = [_rates(counts, STUDY_COLUMNS)]
    baseline = find_baseline(counts)
    if "persona" in personas:
        asked = counts.where(setting="persona")
        parts.append(_rates(asked, [*STUDY_COLUMNS, *personas]))
        remark = _remark(counts)
        table = estimate_contrasts(counts, baseline).assign(setting="persona")
        parts.append(_listed(DIFFERENCE, table, _OF_DIFFERENCES, remark))
    if sums is not None:
        parts.append(_listed(CORRECTED_RATE, estimate_corrected(sums, STUDY_COLUMNS), _OF_LABELS))
        if "persona" in personas:
            table = estimate_corrected_contrasts(sums, baseline).assign(setting="persona")
            parts.append(_listed(CORRECTED_DIFFERENCE, table, _OF_LABELS, _remark(counts)))
    found: dict[str, list[Result]] = {}
    n_left_out = 0
    for model, result in chain(*parts):
        if result is None:
            n_left_out += 1
        else:
            found.setdefault(model, []).append(result)
    return found, n_left_out


def _remark(counts: Counts) -> tuple[str, ...]:
    """Return the remark that other wordings were not tested, unless personas have several."""
    if has_phrases(counts):
        return ()
    return ("One wording of each persona; other wordings were not tested.",)


def _rates(counts: Counts, by: Sequence[str]) -> Iterator[tuple[str, Result | None]]:
    rates = estimate_rates(counts, by).join(estimate_rate_errors(counts, by)[["se", "se_standardised"]])
    if "persona" in by:
        rates = rates[rates["persona"].notna()]
    yield from _listed(RATE, rates, _OF_RATES)
    standardised = rates.drop(columns=["estimate", "ci_low", "ci_high", "se"])
    names = dict(zip([*STANDARDISED, "se_standardised"], ["estimate", "ci_low", "ci_high", "se"], strict=True))
    # A rate by persona can lack a class, and has no standardised rate then: that is no lack of texts.
    known = standardised[standardised["estimate_standardised"].notna()].rename(columns=names)
    yield from _listed(STANDARDISED_RATE, known, _OF_RATES[:4])


def _listed(
    metric: Metric, table: pd.DataFrame, details: Sequence[str], remarks: tuple[str, ...] = ()
) -> Iterator[tuple[str, Result | None]]:
    """List the results of one metric with their models; None if there is no interval."""
    for row in table.to_dict("records"):
        model, value, ends = str(row["model"]), float(row["estimate"]), (float(row["ci_low"]), float(row["ci_high"]))
        if not all(map(math.isfinite, (value, *ends))):
            yield model, None
            continue
        error = float(row.get("se", math.nan))
        yield (
            model,
            Result(
                metric,
                task=str(row["task"]),
                setting=str(row["setting"]),
                persona=row.get("persona"),
                baseline=row.get("baseline"),
                value=value,
                low=ends[0],
                high=ends[1],
                error=error if math.isfinite(error) else None,
                n=int(row["n"]),
                n_texts=int(row["n_texts"]),
                details={name: _plain(name, row[name]) for name in details if math.isfinite(float(row[name]))},
                remarks=remarks,
            ),
        )


def _plain(name: str, value: float) -> int | float:
    """Return a number of a data frame as Python's own, counts as whole numbers."""
    return int(value) if name.startswith("n_") else float(value)
