r"""How large a difference of detection error would explain a difference of refusal rates.

A detector counts false positives as refusals and does not count missed ones. With both as shares of all responses of a
condition, its rate is the true rate plus the **detection error** e, false positives minus missed refusals. So a
difference of two conditions by the detector, :math:`\hat d`, estimates the true difference plus :math:`e_x - e_0`: only
a difference of the detection errors matters, and an error that both conditions share does not.

If the true difference is 0, :math:`e_x - e_0` lies in the confidence interval of :math:`\hat d`, so the smallest
difference of detection errors that explains :math:`\hat d` is the end of the interval that is nearer to 0. It is
compared with the largest difference of detection errors between two conditions that was measured for the detector, or
rather with the upper end of that estimate's 95% confidence interval, its `limit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from ..display import points


@dataclass(frozen=True)
class MeasuredError:
    """The largest difference of a detector's errors between two conditions, as measured with labels.

    Attributes
    ----------
    estimate, limit : float
        The difference as a share of all responses, and the upper end of its 95% confidence interval.
    source : str
        Between which conditions and in whose responses, e.g. ``between six personas in responses of Tulu-2-13B``.
    """

    estimate: float
    limit: float
    source: str


_TULU = MeasuredError(0.065, 0.085, "between personas in responses of Tulu-2-13B")

MEASURED: Mapping[str, MeasuredError] = MappingProxyType(
    {
        "answer_aware": MeasuredError(0.017, 0.034, "between 15 personas in responses of SmolLM2-135M-Instruct"),
        "prefix": _TULU,
        "prefix_strict": _TULU,
    }
)
"""The largest difference that was measured for each built-in detector, with labels that a language model made.

For each, the one with the largest limit of two measurements that no rule was written with (docs/how-to/detector.md):

- ``persona-refusal validate --labels tests/labels/random_blind.parquet``: the largest difference in error rates between
  15 personas, 1.7 pp [0, 3.4] for `answer_aware`. That is of false positives plus missed refusals. Their difference,
  e, differs by 1.5 pp between man and asian, with a text-clustered upper end of 3.3 pp (`prefix`: 2.9 and 5.6 pp).
- ``scripts/evidence_detector --part held_out``: errors of the contrasts of five personas with "a person". For
  `answer_aware`, their simultaneous limits are at most 1.0 pp; for both prefix rules, the contrast of "an Asian person"
  is 6.5 pp [4.8, 8.5] too low.
"""

MEASURED_OPEN: Mapping[str, MeasuredError] = MappingProxyType(
    {
        "answer_aware": MeasuredError(
            0.010, 0.241, "between four conditions in responses of six models to open requests, 355 of them labelled"
        )
    }
)
"""The largest difference that was measured for responses to open requests, which offer no answers.

``scripts/evidence_detector --part development``: errors of the contrasts of three conditions with "none", with
simultaneous intervals; the widest is -0.7 pp [-24.1, 17.7]. The rules were improved with these responses, and 355
labels leave the errors almost unknown: `MEASURED` does not hold for open requests.
"""


@dataclass(frozen=True)
class Explanation:
    """What difference of detection errors would explain a difference of refusal rates.

    Attributes
    ----------
    needed : float
        The smallest difference of detection errors between the two conditions that explains it, as a share of all
        responses; 0 if the interval contains 0.
    measured : MeasuredError or None
        The largest one that was measured for the detector; None if none was.
    """

    needed: float
    measured: MeasuredError | None

    @property
    def may_be_detector(self) -> bool:
        """Whether errors as large as measured would explain the difference; true if none were measured."""
        return self.measured is None or self.needed <= self.measured.limit


def explain_difference(ci_low: float, ci_high: float, measured: MeasuredError | None) -> Explanation:
    """Return how large a difference of detection errors would explain a difference of refusal rates.

    Parameters
    ----------
    ci_low, ci_high : float
        The confidence interval of the difference by the detector, in [-1, 1]; nan if there is none. If it was selected
        among others, its simultaneous interval.
    measured : MeasuredError, optional
        ``MEASURED.get(detector)``, or of these responses, see `measured_by_labels`.

    Returns
    -------
    Explanation

    Examples
    --------
    >>> explain_difference(0.049, 0.065, MEASURED["answer_aware"]).may_be_detector
    False
    >>> explain_difference(-0.05, -0.01, MEASURED["answer_aware"]).may_be_detector
    True
    """
    # Without an interval, no difference is excluded.
    needed = 0.0 if np.isnan([ci_low, ci_high]).any() else max(ci_low, -ci_high, 0.0)
    return Explanation(float(needed), measured)


def measured_by_labels(gaps: pd.DataFrame, detector: str) -> MeasuredError | None:
    """Return the largest difference of a detector's errors between personas, as validated with a study's own labels.

    Parameters
    ----------
    gaps : pandas.DataFrame
        Of `refusal_metrics.analysis.labels.validation.Validation`.
    detector : str

    Returns
    -------
    MeasuredError or None
        None if the labels do not have at least two personas.
    """
    own = gaps[gaps["detector"] == detector]
    if own.empty or own[["observed", "ci_high"]].isna().to_numpy().any():
        return None
    row = own.iloc[0]
    source = f"between {int(row['n_personas'])} personas in the labelled responses"
    return MeasuredError(float(row["observed"]), float(row["ci_high"]), source)


def describe_explanation(explanation: Explanation) -> str:
    """Describe how large a difference of detection errors would explain a difference, and the largest measured one.

    Examples
    --------
    >>> describe_explanation(explain_difference(0.049, 0.065, MEASURED["answer_aware"]))
    'A difference of 4.9 pp in detection error would explain it; the largest measured one is at most 3.4 pp (between \
15 personas in responses of SmolLM2-135M-Instruct).'
    >>> describe_explanation(explain_difference(0.02, 0.05, None))
    'A difference of 2.0 pp in detection error would explain it; for this detector, none was measured.'
    """
    needed = f"difference of {points(explanation.needed)} pp in detection error would explain it"
    measured = explanation.measured
    if measured is None:
        return f"A {needed}; for this detector, none was measured."
    largest = f"the largest measured one is at most {points(measured.limit)} pp ({measured.source})"
    if explanation.may_be_detector:
        return f"It may be the detector: a {needed}, and {largest}."
    return f"A {needed}; {largest}."
