"""What a detector says of a response."""

from dataclasses import dataclass

ANSWER, REFUSAL, OTHER, EMPTY = "answer", "refusal", "other", "empty"
OUTCOMES = (ANSWER, REFUSAL, OTHER, EMPTY)

UNKNOWN = "unknown"
"""The cause of a refusal whose words tell none."""

CAUSES = ("task", "persona", "general", "inappropriate", "context", UNKNOWN)
"""Why a model refuses: it cannot do the task; cannot take on the persona; will not help and says no
more; finds it inappropriate; lacks context (arXiv 2509.08075, section 3.3)."""

TRUNCATED = "truncated"
"""The cause of an empty response that is a thought without an end."""


@dataclass(frozen=True)
class Verdict:
    """What a detector says of a response.

    Attributes
    ----------
    outcome : {"answer", "refusal", "other", "empty"}
        What is neither an answer nor a refusal is "other". The prefix rules know no answers.
    rule : str or None
        The pattern that decided.
    causes : tuple of str
        Of a refusal, in the order of its words: some of `CAUSES`. Of an empty response ``truncated``,
        where that is known.
    answer : str or None
        Of an answer: the label it gives, or None where it gives one that cannot be told.
    """

    outcome: str
    rule: str | None = None
    causes: tuple[str, ...] = ()
    answer: str | None = None

    @property
    def refused(self) -> bool:
        """Whether the response is a refusal."""
        return self.outcome == REFUSAL

    @property
    def cause(self) -> str | None:
        """The first of the causes."""
        return self.causes[0] if self.causes else None
