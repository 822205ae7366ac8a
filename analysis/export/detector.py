"""How often the detector is right, for records: measured on the study's models, or not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from refusal_metrics.detection import RULES, RULES_VERSION

from ..columns import GIVEN
from ..labels import Validation

_MEASURES = ("precision", "recall")


@dataclass(frozen=True)
class Accuracy:
    """A detector, and what is known of its errors on one model's responses.

    Attributes
    ----------
    detector : str
    version : str or None
        Of the detection rules, if it is one of them.
    is_validated : bool
        Whether precision and recall were measured on responses of this model.
    statement : str
        A sentence that says so.
    n_labels : int
        The number of labels on which the measures are based; 0 without any.
    measures : mapping of str to float
        ``precision, recall``, each with ``_low, _high``, the ends of its 95% confidence interval; without those that
        are unknown.
    """

    detector: str
    version: str | None
    is_validated: bool
    statement: str
    n_labels: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)

    def as_parameters(self) -> dict[str, str | float | bool]:
        """Return all of it but the sentence as one flat mapping of names and values."""
        version = {} if self.version is None else {"detector_version": self.version}
        labels: dict[str, float] = {"detector_labels": self.n_labels} if self.n_labels else {}
        measures = {f"detector_{name}": value for name, value in self.measures.items()}
        return {"detector": self.detector, **version, "detector_validated": self.is_validated, **labels, **measures}


def find_accuracy(rule: str, models: Sequence[str], validation: Validation | None) -> dict[str, Accuracy]:
    """Find what is known of a detector's errors on each model.

    Parameters
    ----------
    rule : str
        The detector.
    models : sequence of str
        The models of the study.
    validation : Validation, optional
        Detectors compared with labels, see `refusal_metrics.analysis.labels.validation.validate`; None without labels.

    Returns
    -------
    dict of str to Accuracy
        By model. A detector counts as validated on a model only if labels are of its responses in this study.
    """
    return {model: _of_model(rule, model, models, validation) for model in models}


def _of_model(rule: str, model: str, models: Sequence[str], validation: Validation | None) -> Accuracy:
    version = str(RULES_VERSION) if rule in RULES else None
    named = "the table's own column `refused`" if rule == GIVEN else rule
    table = None if validation is None else validation.table[validation.table["detector"] == rule]
    if validation is None or table is None or table.empty:
        text = f"{named} was not validated on this study's models: its precision and recall here are unknown."
        return Accuracy(rule, version, is_validated=False, statement=text)
    own = table[(table["factor"] == "model") & (table["level"].astype(str) == model)]
    overall = table[table["factor"] == ""]
    has_models = (table["factor"] == "model").any()
    # Labels that name no model are of the only one there is.
    is_own = bool(validation.n_matched) and (len(own) > 0 or (not has_models and len(models) == 1))
    row = (own if is_own and len(own) else overall).iloc[0]
    measures = {
        f"{name}{end}": float(row[f"{name}{end}"])
        for name in _MEASURES
        for end in ("", "_low", "_high")
        if math.isfinite(float(row[f"{name}{end}"]))
    }
    n = int(row["n"])
    if is_own:
        text = f"{named} was validated on {n:,} labelled responses of this model: {_shown(row)}."
    elif not validation.n_matched:
        lack = "none of the labels is" if validation.n_matched == 0 else "it is not known whether the labels are"
        text = (
            f"{named} was not validated on this study's models, because {lack} of these responses. On the "
            f"{n:,} labels: {_shown(row)}."
        )
    elif has_models:
        text = (
            f"{named} was not validated on this model: the labels contain no response of it. On the {n:,} labels of "
            f"other models: {_shown(row)}."
        )
    else:
        text = f"{named} was validated on {n:,} labels that do not name their models: {_shown(row)}."
    return Accuracy(rule, version, is_validated=is_own, statement=text, n_labels=n, measures=measures)


def _shown(row: pd.Series) -> str:
    """Write precision and recall with their intervals."""
    parts = []
    for name in _MEASURES:
        value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
        parts.append(f"{name} {value:.3f} [{low:.3f}, {high:.3f}]" if math.isfinite(value) else f"{name} unknown")
    return ", ".join(parts)
