"""Measure false refusals of language models under persona prompts.

``import refusal_metrics as rm`` gives a notebook `load`, `detect` and what they return. Nothing heavy is imported
until one of them is used.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from refusal_metrics.analysis.api import (
        DetectorValidation,
        InputError,
        RegressionFit,
        SensitivityIndices,
        Study,
        StudyPlan,
        TableAudit,
        audit,
        detect,
        load,
        plan,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "analysis.api": [
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
        },
    )

__version__ = "0.1.0"

__all__ = [
    "DetectorValidation",
    "InputError",
    "RegressionFit",
    "SensitivityIndices",
    "Study",
    "StudyPlan",
    "TableAudit",
    "__version__",
    "audit",
    "detect",
    "load",
    "plan",
]
