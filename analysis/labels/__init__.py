"""What people said of responses, and what it says of detectors and rates.

Call `read_labels`, then `validate` for the errors of detectors, or `sum_labels` and `estimate_corrected` for rates that
are corrected by the labels.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .arms import FEWEST
    from .controls import CONTROLS, LABELLED_CONTROLS, add_labels, describe_controls, estimate_controls
    from .corrected import estimate_corrected, estimate_corrected_contrasts
    from .detection_errors import estimate_validation
    from .expected import ANTICIPATED, expect_width, label_deviation
    from .explained import (
        MEASURED,
        MEASURED_OPEN,
        Explanation,
        MeasuredError,
        describe_explanation,
        explain_difference,
        measured_by_labels,
    )
    from .formats import FIELDS, SMALLEST, read_number
    from .mapping import LabelMap, read_label_map, suggest_values
    from .match import check_texts
    from .persona_limits import BOUNDS, estimate_contrast_errors, estimate_persona_limits
    from .read import Labels, item_id, read_labels, weigh_labels
    from .sums import LabelSums, sum_labels, sum_rows
    from .tables import (
        readable_confusion,
        readable_gaps,
        readable_patterns,
        readable_slices,
        readable_validation,
    )
    from .validation import Validation, validate
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "arms": ["FEWEST"],
            "controls": ["CONTROLS", "LABELLED_CONTROLS", "add_labels", "describe_controls", "estimate_controls"],
            "corrected": ["estimate_corrected", "estimate_corrected_contrasts"],
            "detection_errors": ["estimate_validation"],
            "expected": ["ANTICIPATED", "expect_width", "label_deviation"],
            "explained": [
                "MEASURED",
                "MEASURED_OPEN",
                "Explanation",
                "MeasuredError",
                "describe_explanation",
                "explain_difference",
                "measured_by_labels",
            ],
            "formats": ["FIELDS", "SMALLEST", "read_number"],
            "mapping": ["LabelMap", "read_label_map", "suggest_values"],
            "match": ["check_texts"],
            "persona_limits": ["BOUNDS", "estimate_contrast_errors", "estimate_persona_limits"],
            "read": ["Labels", "item_id", "read_labels", "weigh_labels"],
            "sums": ["LabelSums", "sum_labels", "sum_rows"],
            "tables": [
                "readable_confusion",
                "readable_gaps",
                "readable_patterns",
                "readable_slices",
                "readable_validation",
            ],
            "validation": ["Validation", "validate"],
        },
    )

__all__ = [
    "ANTICIPATED",
    "BOUNDS",
    "CONTROLS",
    "FEWEST",
    "FIELDS",
    "LABELLED_CONTROLS",
    "MEASURED",
    "MEASURED_OPEN",
    "SMALLEST",
    "Explanation",
    "LabelMap",
    "LabelSums",
    "Labels",
    "MeasuredError",
    "Validation",
    "add_labels",
    "check_texts",
    "describe_controls",
    "describe_explanation",
    "estimate_contrast_errors",
    "estimate_controls",
    "estimate_corrected",
    "estimate_corrected_contrasts",
    "estimate_persona_limits",
    "estimate_validation",
    "expect_width",
    "explain_difference",
    "item_id",
    "label_deviation",
    "measured_by_labels",
    "read_label_map",
    "read_labels",
    "read_number",
    "readable_confusion",
    "readable_gaps",
    "readable_patterns",
    "readable_slices",
    "readable_validation",
    "suggest_values",
    "sum_labels",
    "sum_rows",
    "validate",
    "weigh_labels",
]
