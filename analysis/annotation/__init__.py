"""Responses drawn for people to label, and their answers collected.

Call `draw_items` and `write_items`; when the answers are back, `read_annotations` and `write_labels`.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .collect import count_annotations, estimate_agreement, list_disagreements, read_annotations, write_labels
    from .draw import Aim, draw_items
    from .plan import PLAN, plan_labels
    from .sheets import FORMS, check_folder, write_items
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "collect": [
                "count_annotations",
                "estimate_agreement",
                "list_disagreements",
                "read_annotations",
                "write_labels",
            ],
            "draw": ["Aim", "draw_items"],
            "plan": ["PLAN", "plan_labels"],
            "sheets": ["FORMS", "check_folder", "write_items"],
        },
    )

__all__ = [
    "FORMS",
    "PLAN",
    "Aim",
    "check_folder",
    "count_annotations",
    "draw_items",
    "estimate_agreement",
    "list_disagreements",
    "plan_labels",
    "read_annotations",
    "write_items",
    "write_labels",
]
