"""Which clauses of a sentence decline, and which may still answer."""

from collections.abc import Iterator

from refusal_metrics.detection.patterns import Patterns


def clauses_beside(sentence: str, span: tuple[int, int], patterns: Patterns, allowed: int) -> list[str]:
    """List the clauses of a sentence that do not belong to what declines in it.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    span : (int, int)
        Where the sentence declines.
    patterns : Patterns
    allowed : int
        Which refusals apply, see `Patterns.allowing`.

    Returns
    -------
    list of str
        A clause that continues a declining one without a joint that turns ("whether it is polite", "because
        it is offensive") belongs to it.

    Examples
    --------
    >>> from refusal_metrics.detection.patterns import load_patterns
    >>> clauses_beside("while i cannot speak for a persona, the text is offensive.", (6, 28), load_patterns("en"), -1)
    ['the text is offensive.']
    """
    kept = []
    declines = False
    for start, end, turns in _clauses(sentence, patterns):
        clause = sentence[start:end].strip()
        if not clause:
            continue
        if (start < span[1] and span[0] < end) or patterns.refusals_in(clause, allowed):
            declines = True
        elif not declines or turns or not patterns.grammar["continues"].match(clause):
            declines = False
            kept.append(clause)
    return kept


def _clauses(sentence: str, patterns: Patterns) -> Iterator[tuple[int, int, bool]]:
    """Split a sentence: where each clause begins and ends, and whether the joint before it turns."""
    start, turns = 0, False
    for joint in patterns.grammar["joint"].finditer(sentence):
        yield start, joint.start(), turns
        start, turns = joint.end(), joint["turn"] is not None
    yield start, len(sentence), turns
