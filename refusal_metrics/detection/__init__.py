"""From a response to a verdict.

`RULES` has the detector of each name: call it with a response and the options to choose from. `read_response` first
makes text of what a model returned.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .normalise import strip_thought
    from .reply import Reply
    from .response import read_response, writable
    from .rules import ANSWERS_BY, RULES, RULES_VERSION
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
            "normalise": ["strip_thought"],
            "reply": ["Reply"],
            "response": ["read_response", "writable"],
            "rules": ["ANSWERS_BY", "RULES", "RULES_VERSION"],
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
    "Verdict",
    "read_response",
    "strip_thought",
    "writable",
]
