"""From a response to a verdict: named rules, pure functions of the response.

A rule is a function ``(response, labels, persona=, language=) -> Verdict`` in `RULES`; `refusal_metrics.metrics`
makes one set of metrics of each.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.detection.patterns import load_patterns
from refusal_metrics.detection.personas import Persona
from refusal_metrics.detection.prefix import PREFIXES, STRICT_PREFIXES, detect_prefix, detect_prefix_strict
from refusal_metrics.detection.verdict import Verdict


class Rule(Protocol):
    """A pure function from a response, and what is known of its prompt, to a verdict."""

    def __call__(
        self, response: str, labels: Sequence[str] = (), *, persona: Persona = None, language: str = "en"
    ) -> Verdict:
        """Judge a response."""


RULES: Mapping[str, Rule] = {
    "answer_aware": detect_answer_aware,
    "prefix": detect_prefix,
    "prefix_strict": detect_prefix_strict,
}
"""The rules by name, the default one first; a metric carries its rule's name."""

ANSWERS_BY = "answer_aware"
"""The rule that recognises answers."""

RULES_VERSION = "3"
"""The version of the detection rules; it rises whenever any verdict may change, and sample logs name it."""


def pattern_names(rule: str) -> tuple[str, ...]:
    """Return the names of the patterns of a rule that make a response a refusal, in their order.

    Parameters
    ----------
    rule : str
        A name in `RULES`; other detectors have no patterns.

    Returns
    -------
    tuple of str
        Of `answer_aware` those for English.

    Examples
    --------
    >>> pattern_names("prefix_strict")[:2]
    ('sorry', "i'm sorry")
    """
    if rule == ANSWERS_BY:
        return tuple(pattern.name for pattern in load_patterns("en").refusals)
    return {"prefix": PREFIXES, "prefix_strict": STRICT_PREFIXES}.get(rule, ())
