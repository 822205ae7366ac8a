"""What a reader would quote of a study: at most four findings, in sentences.

Call `list_findings` with `Evidence`; `strength_of` is the rule by which a difference is called slight, clear or large,
a `Strength`.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .sentences import Evidence, list_findings
    from .words import Strength, strength_of
else:
    __getattr__, __dir__ = lazy(
        __name__, {"sentences": ["Evidence", "list_findings"], "words": ["Strength", "strength_of"]}
    )

__all__ = ["Evidence", "Strength", "list_findings", "strength_of"]
