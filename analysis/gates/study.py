"""Gates on the results of one study: refusal rates, and differences between personas and a baseline."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from refusal_metrics.errors import InputError

from ..arrays import CONFIDENCE, simultaneous_level
from ..columns import BASELINES, STUDY, name_part
from ..counts import Counts, check_not_empty
from ..estimates import estimate_contrasts, find_baseline, rate_intervals
from ..responses import Responses, count_responses, count_usable, fail_gate
from .conditions import PERSONA_GAP, Condition
from .verdicts import Gate, judge

_DETECTORS = {"refusal_rate_prefix": "prefix", "refusal_rate_prefix_strict": "prefix_strict"}
"""The detectors of metrics that are of one detector; the others are of the detector of the study."""


def check_responses(responses: Responses, conditions: Sequence[Condition], detector: str | None = None) -> Gate:
    """Check the conditions of a gate on a study.

    Parameters
    ----------
    responses : Responses
    conditions : sequence of Condition
        Of `METRICS`. A rate is the refusal rate of the persona prompts of each model and task, over all responses; the
        persona gap is the difference between each persona and the neutral prompts of the same model and task, or the
        other personas if the study has no neutral prompts.
    detector : str, optional
        Of ``refusal_rate`` and the persona gap; by default the first.

    Returns
    -------
    Gate
        Not passed if too many responses are unusable (see `refusal_metrics.analysis.responses.usable.fail_gate`) or
        something has no confidence interval.

    Raises
    ------
    InputError
        For an unknown detector, a metric whose detector has no verdicts, or responses without persona prompts or
        personas.
    """
    rule = responses.rule(detector)
    counts = count_responses(responses)
    needed = {"persona"} | ({BASELINES[0]} if any(one.metric == PERSONA_GAP for one in conditions) else set())
    usable = count_usable(responses, rule)
    return check_counts(counts, rule, conditions, fail_gate(usable[usable["setting"].isin(needed)]))


def check_counts(
    counts: Mapping[str, Counts], rule: str, conditions: Sequence[Condition], reasons: Sequence[str] = ()
) -> Gate:
    """Check the conditions of a gate on the counts of a study; see `check_responses`.

    Parameters
    ----------
    counts : mapping of str to Counts
        By the name of the detector.
    rule : str
    conditions : sequence of Condition
    reasons : sequence of str
        Reasons why the study cannot be judged.

    Returns
    -------
    Gate
    """
    measures = [_find_measure(condition, counts, rule) for condition in conditions]
    # The level depends on the number of intervals, which does not depend on the level.
    n = sum(len(measure(CONFIDENCE)) for measure in measures)
    level = simultaneous_level(n)
    checked = tuple(judge(condition, measure(level)) for condition, measure in zip(conditions, measures, strict=True))
    found = list(reasons)
    for each in checked:
        if each.condition.metric == PERSONA_GAP:
            found += _not_compared(counts[rule], each.table)
    return Gate(checked, tuple(dict.fromkeys(found)))


def _find_measure(condition: Condition, counts: Mapping[str, Counts], rule: str) -> Callable[[float], pd.DataFrame]:
    """Return a function of the confidence level that computes the intervals of a metric."""
    name = _DETECTORS.get(condition.metric, rule)
    if name not in counts:
        raise InputError(
            f"--fail-if {condition.text!r}: the responses have no verdicts of the detector {name}; allowed are the "
            f"metrics of {', '.join(counts)}"
        )
    asked = counts[name].where(setting="persona")
    check_not_empty(asked, "to persona prompts; run a task without _neutral or _persona_free in its name")
    if condition.metric != PERSONA_GAP:
        return lambda level: rate_intervals(asked, STUDY, level)
    if not counts[name].levels.get("persona"):
        raise InputError(f"--fail-if {condition.text!r}: the responses have no column persona; use refusal_rate")
    baseline = find_baseline(counts[name])
    return lambda level: estimate_contrasts(counts[name], baseline, confidence=level)


def _not_compared(counts: Counts, table: pd.DataFrame) -> list[str]:
    """Name the models and tasks whose personas have no baseline."""
    cells, _ = counts.where(setting="persona").cell(STUDY)
    known = set(zip(table["model"], table["task"], strict=True))
    return [
        f"{name_part(model, task, 'persona')}: no persona can be compared with a baseline."
        for model, task in zip(cells["model"], cells["task"], strict=True)
        if (model, task) not in known
    ]
