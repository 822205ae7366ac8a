"""The verdict of a detector on a response."""

from dataclasses import dataclass

ANSWER, REFUSAL, OTHER, EMPTY = "answer", "refusal", "other", "empty"
TRUNCATED, UNJUDGED = "truncated", "unjudged"
OUTCOMES = (ANSWER, REFUSAL, OTHER, EMPTY, TRUNCATED, UNJUDGED)
"""The outcomes. `TRUNCATED`: cut off before an answer or a refusal; also the cause of an empty response that is a
thought without an end. `UNJUDGED`: in a language without patterns (the cause is then ``language``), labels that
cannot be distinguished (``labels``), or an error in judging (its type)."""

TEXT, PROVIDER = "text", "provider"
"""Who refused: the response's own words, or the provider's envelope (a filter, a refusal field)."""

UNKNOWN = "unknown"
"""The cause of a refusal that gives none."""

CAUSES = ("task", "persona", "general", "inappropriate", "context", UNKNOWN)
"""Why a model refuses: it cannot do the task; cannot take on the persona; will not help and says no
more; finds it inappropriate; lacks context (arXiv 2509.08075, section 3.3)."""


@dataclass(frozen=True)
class Verdict:
    """What a detector says of a response.

    Attributes
    ----------
    outcome : {"answer", "refusal", "other", "empty", "truncated", "unjudged"}
        One of `OUTCOMES`. A response that is neither an answer nor a refusal is "other". The prefix rules know no
        answers.
    rule : str or None
        The pattern that decided.
    causes : tuple of str
        Of a refusal by text, in the order of its words: some of `CAUSES`; by the provider, its reason.
        Of an empty response ``truncated``, where that is known. Of an unjudged response ``language``,
        ``labels``, or the type of the exception.
    answer : str or None
        Of an answer: the label it gives, or None where it gives one that cannot be told.
    by_provider : bool
        Whether the provider refused, and not the response's text.
    """

    outcome: str
    rule: str | None = None
    causes: tuple[str, ...] = ()
    answer: str | None = None
    by_provider: bool = False

    @property
    def refused_by(self) -> str | None:
        """Who refused, `TEXT` or `PROVIDER`; None unless the response is a refusal."""
        if not self.refused:
            return None
        return PROVIDER if self.by_provider else TEXT

    @property
    def refused(self) -> bool:
        """Whether the response is a refusal."""
        return self.outcome == REFUSAL

    @property
    def cause(self) -> str | None:
        """The first of the causes."""
        return self.causes[0] if self.causes else None
