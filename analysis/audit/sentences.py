"""An audit in sentences: the condition that differs most first, and what its difference amounts to."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..arrays import ALPHA
from ..columns import name_level
from ..display import counted, plain, points
from ..labels import MeasuredError, describe_explanation, explain_difference
from .decide import DECISIONS, FALLS, HANGS, HOLDS, UNDECIDED

_WORDS = {
    HOLDS: ("holds", "hold"),
    HANGS: ("hangs on the detector", "hang on the detector"),
    FALLS: ("falls", "fall"),
    UNDECIDED: ("is undecided", "are undecided"),
}
_PARTS = {"prefix": "the prefix rule", "prefix_strict": "the strict prefix rule"}
_LONGEST = 80
"""Characters of a condition in a sentence."""


def list_findings(differences: pd.DataFrame, by_rule: pd.DataFrame, measured: MeasuredError | None) -> list[str]:
    """Write an audit's findings.

    Parameters
    ----------
    differences : pandas.DataFrame
        From `refusal_metrics.analysis.audit.compare.compare`, in its order.
    by_rule : pandas.DataFrame
        The differences of each detector.
    measured : MeasuredError or None
        The largest difference of detection error that was measured.

    Returns
    -------
    list of str
        Plain text, with unescaped names.
    """
    first, in_task = differences.iloc[0], has_tasks(differences)
    rest = [explain(first, measured), *_by_prefix(first, by_rule)]
    return [lead(first, in_task=in_task), " ".join(rest), _count(differences), _how_sure(differences)]


def has_tasks(differences: pd.DataFrame) -> bool:
    """Return whether the differences are of several tasks, so that sentences name them."""
    return bool((differences["task"] != differences["task"].iloc[0]).any())


def lead(row: "pd.Series[Any]", *, in_task: bool = False) -> str:
    """Write the sentence about the condition that differs most.

    Parameters
    ----------
    row : pandas.Series
        A row of the differences.
    in_task : bool
        Whether to name the task.

    Returns
    -------
    str
    """
    said = say_difference(row, in_task=in_task)
    if row["p_adjusted"] <= ALPHA:
        return f"{said}: this {word_of(row)}."
    if pd.isna(row["estimate"]):
        return explain(row, None)
    what = "The largest difference is undecided" if row["decision"] == UNDECIDED else "The claim falls"
    return f"No condition differs significantly from {name_condition(row['baseline'])}. {what}: {said}."


def word_of(row: "pd.Series[Any]") -> str:
    """Return what a difference amounts to, as a verb: holds, hangs on the detector, falls, is undecided."""
    return _WORDS[str(row["decision"])][0]


def say_difference(row: "pd.Series[Any]", *, in_task: bool = False) -> str:
    """Write a difference as a clause: who refuses how much more often under which wording."""
    task = f" in {plain(name_level('task', row['task']))}" if in_task else ""
    more = "more" if row["estimate"] >= 0 else "less"
    return (
        f"{plain(row['model'])} refuses {points(abs(row['estimate']))} pp {_interval(row)} {more} often under the "
        f"wording {name_condition(row['persona'])} than under {name_condition(row['baseline'])}{task} "
        f"({_rate(row, '')} compared with {_rate(row, '_baseline')})"
    )


def _rate(row: "pd.Series[Any]", arm: str) -> str:
    return f"{points(row[f'n_refused{arm}'] / row[f'n{arm}'])}%"


def explain(row: "pd.Series[Any]", measured: MeasuredError | None) -> str:
    """Explain what a difference amounts to.

    Parameters
    ----------
    row : pandas.Series
        A row of the differences.
    measured : MeasuredError or None
        The largest difference of detection error that was measured.

    Returns
    -------
    str
        One sentence or two.
    """
    decision = str(row["decision"])
    if decision == FALLS:
        side = "smaller" if abs(row["estimate"]) < abs(row["claimed"]) else "larger"
        if row["estimate"] * row["claimed"] < 0:
            side = "in the other direction"
        claimed = points(row["claimed"], signed=True)
        return f"It falls: the interval excludes the claimed {claimed} pp; the difference is {side}."
    if pd.isna(row["estimate"]):
        return (
            f"It is undecided: no text has both {name_condition(row['persona'])} and {name_condition(row['baseline'])}."
        )
    if decision == UNDECIDED:
        return f"It is undecided: {_detectable(row)}."
    said = describe_explanation(explain_difference(float(row["shown_low"]), float(row["shown_high"]), measured))
    return f"{said} Label a sample of these responses to decide it." if decision == HANGS else said


def name_condition(name: object) -> str:
    """Return a condition as it is written in a sentence."""
    line = plain(name)
    return f"'{line if len(line) <= _LONGEST else line[:_LONGEST] + chr(8230)}'"


def _interval(row: "pd.Series[Any]") -> str:
    """Return the interval in the direction of the difference, as the sentence gives its size."""
    if pd.isna(row["shown_low"]):
        return "(one text only, no interval)"
    ends = (row["shown_low"], row["shown_high"])
    low, high = ends if row["estimate"] >= 0 else (-ends[1], -ends[0])
    return f"[{points(low)}, {points(high)}]"


def _detectable(row: "pd.Series[Any]") -> str:
    if pd.isna(row["mde_up"]):
        return (
            f"{counted(int(row['n_texts']), 'text')} {'is' if row['n_texts'] == 1 else 'are'} too few for an interval"
        )
    if row["mde_up"] >= 1:
        return f"no increase could be detected with {counted(int(row['n_texts']), 'text')}"
    return (
        f"the interval contains 0, or does after correction; with {counted(int(row['n_texts']), 'text')}, an increase "
        f"of {points(row['mde_up'])} pp would be detected with 80% power"
    )


def _by_prefix(row: "pd.Series[Any]", by_rule: pd.DataFrame) -> Iterator[str]:
    """Report the difference by the prefix rule, which has no influence on the decision."""
    same = (by_rule[["model", "task", "persona"]] == row[["model", "task", "persona"]].to_list()).all(axis=1)
    for _, own in by_rule[same & (by_rule["rule"] == "prefix")].iterrows():
        yield (
            f"With the prefix rule, the difference is {points(own['estimate'], signed=True)} pp "
            f"[{points(own['ci_low'], signed=True)}, {points(own['ci_high'], signed=True)}]."
        )


def _count(differences: pd.DataFrame) -> str:
    times = {str(word): int(n) for word, n in differences["decision"].value_counts().items()}
    parts = [f"{times[word]:,} {_WORDS[word][times[word] > 1]}" for word in DECISIONS if word in times]
    return f"Of {counted(len(differences), 'difference')}, {', '.join(parts)}. Other wordings were not tested."


def _how_sure(differences: pd.DataFrame) -> str:
    detectable = differences["mde_up"].dropna()
    if detectable.empty:
        return "The smallest detectable difference is unknown: too few texts, or no refusal."
    median = float(detectable.median())
    size = "100" if median >= 1 else points(median)
    return (
        f"Corrected for {counted(len(detectable), 'comparison')}; the median minimum detectable increase is {size} pp "
        "(80% power)."
    )
