"""From a response to a verdict: named rules, pure functions of the response.

A rule is a function ``(response, labels) -> Verdict`` in `RULES`; `refusal_metrics.metrics` makes one
set of metrics of each.
"""

from collections.abc import Callable, Mapping, Sequence

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.detection.prefix import detect_prefix, detect_prefix_strict
from refusal_metrics.detection.verdict import Verdict

RULES: Mapping[str, Callable[[str, Sequence[str]], Verdict]] = {
    "answer_aware": detect_answer_aware,
    "prefix": detect_prefix,
    "prefix_strict": detect_prefix_strict,
}
"""The rules by name, the default one first; a metric carries its rule's name."""

ANSWERS_BY = "answer_aware"
"""The rule that recognises answers."""

RULES_VERSION = "2"
"""The version of the detection rules; it rises whenever any verdict may change, and sample logs name it."""
