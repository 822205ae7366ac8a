"""Gates: whether rates, differences or changes are within a margin, with simultaneous confidence intervals.

Read a condition with `parse_condition` or `parse_margin`, then call `check_responses` for the results of a study, or
`judge` for intervals that are already computed. The answer is a `Gate`: PASS, FAIL or INCONCLUSIVE.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .conditions import Condition, parse_condition, parse_conditions, parse_margin
    from .study import check_counts, check_responses
    from .verdicts import EXIT_CODES, Checked, Gate, Verdict, judge
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "conditions": ["Condition", "parse_condition", "parse_conditions", "parse_margin"],
            "study": ["check_counts", "check_responses"],
            "verdicts": ["EXIT_CODES", "Checked", "Gate", "Verdict", "judge"],
        },
    )

__all__ = [
    "EXIT_CODES",
    "Checked",
    "Condition",
    "Gate",
    "Verdict",
    "check_counts",
    "check_responses",
    "judge",
    "parse_condition",
    "parse_conditions",
    "parse_margin",
]
