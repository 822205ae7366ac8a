"""When a running study may stop: rules that look at its results after whole shards.

`UntilWidth` and `UntilDecided` are the rules that `persona-refusal run` hands to `studies`; `judge_width` and
`judge_differences` are what they decide by.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .rules import UntilDecided, UntilWidth, judge_differences, judge_width
else:
    __getattr__, __dir__ = lazy(__name__, {"rules": ["UntilDecided", "UntilWidth", "judge_differences", "judge_width"]})

__all__ = ["UntilDecided", "UntilWidth", "judge_differences", "judge_width"]
