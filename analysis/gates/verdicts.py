r"""Whether simultaneous confidence intervals are within a margin: PASS, FAIL or INCONCLUSIVE.

All m intervals of a gate have the level :math:`1 - .05 / m` (Bonferroni), so they contain all true values together with
a probability of at least 95%. A gate passes only if every interval is within its margin, and fails if one is
outside. A gate whose true values are all within their margins fails with a probability of at most 5%. A gate with a
true value at or beyond a margin passes with a probability of at most 5%: nominally of :math:`2.5\% / m`, because only
one tail of its interval counts; the tails of few and skewed data are not exactly equal.

References
----------
Dunn 1961, doi:10.1080/01621459.1961.10482090. A test of equivalence by an interval within a margin: Westlake 1972,
doi:10.1002/jps.2600610845.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Floats, simultaneous_level
from ..columns import name_level, name_part
from ..display import interval, percent
from .conditions import Condition


class Verdict(StrEnum):
    """The result of a gate, or of one of its intervals."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 3, Verdict.INCONCLUSIVE: 4}
"""The exit code of a command with a gate."""

KEYS = ("model", "task", "setting", "persona", "baseline")
"""The columns that name an interval, if a table has them."""

_MOST = 5
"""The number of intervals that are named one by one."""


def judge(condition: Condition, table: pd.DataFrame) -> "Checked":
    """Compare confidence intervals with a margin.

    Parameters
    ----------
    condition : Condition
    table : pandas.DataFrame
        One row an interval: some of `KEYS`, then ``estimate, ci_low, ci_high``, at the level of `simultaneous_level`.

    Returns
    -------
    Checked

    Examples
    --------
    >>> from refusal_metrics.analysis.gates import parse_margin
    >>> ends = [(0.0, -0.01, 0.01), (0.05, 0.03, 0.07), (0.02, 0.01, 0.03)]
    >>> ends = pd.DataFrame(ends, columns=["estimate", "ci_low", "ci_high"])
    >>> [str(verdict) for verdict in judge(parse_margin("2pp"), ends).table["verdict"]]
    ['PASS', 'FAIL', 'INCONCLUSIVE']
    """
    low, high = (table[name].to_numpy(dtype=np.float64) for name in ("ci_low", "ci_high"))
    verdicts = [_judge_one(condition, *ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]
    columns = [*(name for name in KEYS if name in table), "estimate", "ci_low", "ci_high"]
    kept = table[columns].reset_index(drop=True)
    return Checked(condition, kept.assign(verdict=pd.Series(verdicts, dtype=object)))


def _judge_one(condition: Condition, low: float, high: float) -> Verdict:
    if low > condition.high or high < condition.low:
        return Verdict.FAIL
    # No comparison with nan is true.
    return Verdict.PASS if condition.low <= low and high <= condition.high else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Checked:
    """A condition, and the intervals compared with it.

    Attributes
    ----------
    condition : Condition
    table : pandas.DataFrame
        One row an interval: some of `KEYS`, ``estimate, ci_low, ci_high, verdict``.
    """

    condition: Condition
    table: pd.DataFrame

    def count(self, verdict: Verdict) -> int:
        """Count the intervals with a verdict."""
        return int((self.table["verdict"] == verdict).sum())

    def list_rows(self, verdict: Verdict) -> list[str]:
        """Name the intervals with a verdict, those that are farthest beyond the margin first."""
        rows = self.table[self.table["verdict"] == verdict]
        order = np.argsort(-self._beyond(rows), kind="stable")
        return [self._name(row) for _, row in rows.iloc[order].iterrows()]

    def _beyond(self, rows: pd.DataFrame) -> Floats:
        """Compute how far estimates are beyond the margin; missing ones are last."""
        estimate = rows["estimate"].to_numpy(dtype=np.float64)
        return np.nan_to_num(np.maximum(estimate - self.condition.high, self.condition.low - estimate), nan=-math.inf)

    def _name(self, row: "pd.Series[Any]") -> str:
        parts = [name_part(str(row["model"]), str(row["task"]), str(row.get("setting", "persona")))]
        if "persona" in row.index and pd.notna(row["persona"]):
            parts.append(name_level("persona", str(row["persona"])))
        signed = not self.condition.is_rate
        unit = "%" if self.condition.is_rate else " pp"
        low, high = float(row["ci_low"]), float(row["ci_high"])
        ends = interval(low, high, signed=signed) or "(no confidence interval)"
        return f"{', '.join(parts)}: {percent(float(row['estimate']), signed=signed)}{unit} {ends}"

    def to_dict(self) -> dict[str, Any]:
        """Return the condition and its intervals as JSON's types, without NaN and infinity."""
        records = self.table.astype(object).where(self.table.notna(), None).to_dict(orient="records")
        bounds = {"low": self.condition.low, "high": self.condition.high}
        return {
            "condition": self.condition.text,
            "metric": self.condition.metric,
            "allowed": {name: None if math.isinf(value) else value for name, value in bounds.items()},
            "verdict": str(self.verdict),
            "intervals": [{name: _plain(value) for name, value in record.items()} for record in records],
        }

    @property
    def verdict(self) -> Verdict:
        """The verdict of this condition."""
        if self.count(Verdict.FAIL):
            return Verdict.FAIL
        n_passed = self.count(Verdict.PASS)
        return Verdict.PASS if n_passed and n_passed == len(self.table) else Verdict.INCONCLUSIVE


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Gate:
    """The result of a gate.

    Attributes
    ----------
    checked : tuple of Checked
        For each condition.
    reasons : tuple of str
        A sentence for each reason why the results cannot be judged.
    """

    checked: tuple[Checked, ...]
    reasons: tuple[str, ...] = ()

    @property
    def n_intervals(self) -> int:
        """The number of simultaneous intervals."""
        return sum(len(each.table) for each in self.checked)

    @property
    def verdict(self) -> Verdict:
        """PASS only if all intervals are within their margins and all could be judged; FAIL if one is outside."""
        verdicts = [each.verdict for each in self.checked]
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        passed = bool(verdicts) and not self.reasons and all(verdict == Verdict.PASS for verdict in verdicts)
        return Verdict.PASS if passed else Verdict.INCONCLUSIVE

    @property
    def exit_code(self) -> int:
        """0 for PASS, 3 for FAIL, 4 for INCONCLUSIVE."""
        return EXIT_CODES[self.verdict]

    @property
    def line(self) -> str:
        """One sentence that begins with the verdict."""
        n = self.n_intervals
        intervals = f"simultaneous 95% confidence interval{'s' * (n != 1)}"
        if self.verdict == Verdict.PASS:
            allowed = "; ".join(each.condition.allowed for each in self.checked)
            return f"PASS: {allowed} ({f'all {n:,}' if n != 1 else 'the'} {intervals})."
        if self.verdict == Verdict.FAIL:
            worst = next(each for each in self.checked if each.verdict == Verdict.FAIL)
            n_failed = sum(each.count(Verdict.FAIL) for each in self.checked)
            outside = f"{n_failed:,} of {n:,} {intervals} {'is' if n_failed == 1 else 'are'} outside the margin"
            return f"FAIL: {worst.condition.violated} in {worst.list_rows(Verdict.FAIL)[0]}; {outside}."
        n_open = sum(each.count(Verdict.INCONCLUSIVE) for each in self.checked)
        if n_open:
            margins = "; ".join(each.condition.allowed for each in self.checked if each.verdict != Verdict.PASS)
            are = "is" if n_open == 1 else "are"
            said = f"{n_open:,} of {n:,} {intervals} {are} only partly within the margin ({margins})"
            more = "" if self.reasons else "; a larger study can decide"
            return f"INCONCLUSIVE: {said}, and none is outside{more}."
        return f"INCONCLUSIVE: the results cannot be judged, although no {intervals.rstrip('s')} is outside the margin."

    @property
    def details(self) -> tuple[str, ...]:
        """Sentences about what failed or is not known: intervals, then reasons."""
        found: list[str] = []
        for verdict, what in ((Verdict.FAIL, "outside"), (Verdict.INCONCLUSIVE, "not decided")):
            for each in self.checked:
                rows = each.list_rows(verdict)
                found += [f"{row}, {what} ({each.condition.allowed})." for row in rows[:_MOST]]
                if len(rows) > _MOST:
                    found.append(f"{len(rows) - _MOST:,} more are {what} ({each.condition.allowed}).")
        return (*found, *self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as JSON's types: verdict, exit code, conditions with their intervals, and reasons."""
        return {
            "verdict": str(self.verdict),
            "exit_code": self.exit_code,
            "summary": self.line,
            "n_intervals": self.n_intervals,
            "confidence_level": simultaneous_level(self.n_intervals),
            "conditions": [each.to_dict() for each in self.checked],
            "reasons": list(self.reasons),
        }
