"""Classes of responses that differ in how often a detector errs: what labels are sampled and weighed by.

Most refusals that a rule misses are responses without a recognised answer, above all those whose opening denies
something in the first person, or that another detector flags. Most false refusals are flagged by one detector alone.
"""

from ..columns import FLAGS
from .sql import identifier, quoted
from .table import Responses

LABEL_CLASSES = ("agreed", "alone", "disputed", "hedged", "open", "answered")
"""A response is of the first class that fits it: ``agreed`` if the rule and all other detectors flag it, ``alone`` if
the rule does; ``answered`` if an answer was recognised; ``disputed`` if another detector flags it, ``hedged`` if its
opening denies something in the first person; ``open`` otherwise."""

FLAGGED = LABEL_CLASSES[:2]
"""The classes of responses that the rule calls refusals."""

OPENING = 80
"""The number of characters of a response that are searched for a denial."""

_APOSTROPHE = "\u2019"
_DENIAL = r"\b(not|no|never|cannot|unable|without|nothing|nor)\b|n't\b"
_FIRST_PERSON = r"\b(i|me|my|we)\b"


def label_class(responses: Responses, rule: str) -> str:
    """Return the label class of a response as SQL.

    Parameters
    ----------
    responses : Responses
        Without texts no response is ``hedged``, and without outcomes none is ``answered``: both are then ``open``.
    rule : str
        The detector whose rate is corrected.

    Returns
    -------
    str
        One of `LABEL_CLASSES`; null without a verdict of the rule.
    """
    own = identifier(f"refused_{rule}")
    others = [identifier(f"refused_{name}") for name in responses.rules if name != rule]
    agreed = " AND ".join([f"coalesce({other}, true)" for other in others] or ["true"])
    disputed = " OR ".join([f"coalesce({other}, false)" for other in others] or ["false"])
    answered = "coalesce(answered, false)" if set(FLAGS) <= set(responses.columns) else "false"
    hedged = "false"
    if "response" in responses.columns:
        opening = f"left(lower(coalesce(response::VARCHAR, '')), {OPENING})"
        opening = f"replace({opening}, {quoted(_APOSTROPHE)}, {quoted(chr(39))})"
        hedged = " AND ".join(f"regexp_matches({opening}, {quoted(words)})" for words in (_DENIAL, _FIRST_PERSON))
    unflagged = f"WHEN {answered} THEN 'answered' WHEN {disputed} THEN 'disputed' WHEN {hedged} THEN 'hedged'"
    return (
        f"CASE WHEN {own} AND {agreed} THEN 'agreed' WHEN {own} THEN 'alone' "
        f"WHEN NOT {own} THEN CASE {unflagged} ELSE 'open' END END"
    )
