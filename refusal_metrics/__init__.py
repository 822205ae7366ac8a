"""Measure false refusals of language models under persona prompts.

``import refusal_metrics as rm`` gives a notebook `load`, `detect` and what they return. Nothing heavy is imported
until one of them is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refusal_metrics.analysis.api import (
        DetectorValidation,
        InputError,
        RegressionFit,
        SensitivityIndices,
        Study,
        detect,
        load,
    )

__version__ = "0.1.0"

__all__ = [
    "DetectorValidation",
    "InputError",
    "RegressionFit",
    "SensitivityIndices",
    "Study",
    "__version__",
    "detect",
    "load",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has its type above
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from refusal_metrics.analysis import api  # noqa: PLC0415 - what this is for

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
