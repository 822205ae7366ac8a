"""The interface for notebooks, ``import refusal_metrics as rm``: `load`, `detect` and what they return."""

from refusal_metrics.errors import InputError

from .audited import TableAudit, audit
from .judged import detect
from .loading import load
from .planned import StudyPlan, plan
from .results import DetectorValidation, RegressionFit, SensitivityIndices
from .study import Study

__all__ = [
    "DetectorValidation",
    "InputError",
    "RegressionFit",
    "SensitivityIndices",
    "Study",
    "StudyPlan",
    "TableAudit",
    "audit",
    "detect",
    "load",
    "plan",
]
