"""What an audit found."""

from dataclasses import dataclass

import pandas as pd

from .judged import Judged


@dataclass(frozen=True)
class Audit:
    """An audit of a table of answers.

    Attributes
    ----------
    name : str
        The table.
    columns : dict of str to str
        The column of each role: ``response``, ``persona``, ``text``, ....
    baseline : str
        The condition that the others are compared with.
    findings : list of str
        Sentences; the first names the condition that differs most.
    differences : pandas.DataFrame
        One row a model, task and condition, the largest significant difference first: ``estimate`` (a difference of
        proportions) with the interval ``shown_low, shown_high``, ``decision`` (holds, hangs on the detector, falls or
        undecided), and what it is based on.
    by_rule : pandas.DataFrame
        The differences by each detector.
    conditions : pandas.DataFrame
        The number of responses of each model and condition, and their outcomes.
    notes : tuple of str
        What was guessed and left out.
    """

    name: str
    columns: dict[str, str]
    baseline: str
    findings: list[str]
    differences: pd.DataFrame
    by_rule: pd.DataFrame
    conditions: pd.DataFrame
    judged: Judged
    notes: tuple[str, ...]

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors; the first one decides."""
        return self.judged.detectors

    @property
    def responses(self) -> pd.DataFrame:
        """The responses that were compared, with their verdicts."""
        return self.judged.table

    def __str__(self) -> str:
        """Return the findings, one a line."""
        return "\n".join(self.findings)
