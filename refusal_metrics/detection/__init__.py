"""From a response to a verdict.

`RULES` has the detector of each name: call it with a response and the options to choose from. `read_response` first
makes text of what a model returned.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .answers import MOST_LABELS
    from .patterns import known_languages
    from .personas import words_for
    from .reply import Reply
    from .response import read_response, writable
    from .rules import ANSWERS_BY, RULES, RULES_VERSION, Rule, pattern_names
    from .thoughts import strip_thought
    from .verdict import (
        ANSWER,
        CAUSES,
        EMPTY,
        OTHER,
        OUTCOMES,
        PROVIDER,
        REFUSAL,
        TEXT,
        TRUNCATED,
        UNJUDGED,
        UNKNOWN,
        Verdict,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "answers": ["MOST_LABELS"],
            "patterns": ["known_languages"],
            "thoughts": ["strip_thought"],
            "reply": ["Reply"],
            "response": ["read_response", "writable"],
            "personas": ["words_for"],
            "rules": ["ANSWERS_BY", "RULES", "RULES_VERSION", "Rule", "pattern_names"],
            "verdict": [
                "ANSWER",
                "CAUSES",
                "EMPTY",
                "OTHER",
                "OUTCOMES",
                "PROVIDER",
                "REFUSAL",
                "TEXT",
                "TRUNCATED",
                "UNJUDGED",
                "UNKNOWN",
                "Verdict",
            ],
        },
    )

__all__ = [
    "ANSWER",
    "ANSWERS_BY",
    "CAUSES",
    "EMPTY",
    "MOST_LABELS",
    "OTHER",
    "OUTCOMES",
    "PROVIDER",
    "REFUSAL",
    "RULES",
    "RULES_VERSION",
    "TEXT",
    "TRUNCATED",
    "UNJUDGED",
    "UNKNOWN",
    "Reply",
    "Rule",
    "Verdict",
    "known_languages",
    "pattern_names",
    "read_response",
    "strip_thought",
    "words_for",
    "writable",
]
