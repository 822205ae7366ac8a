"""What the rule cannot know of responses because a file does not say it, in sentences."""

from collections.abc import Iterator

from refusal_metrics.detection import ANSWERS_BY


def say_unknown(place: str, detector: str, n: int, n_open: int, *, has_personas: bool) -> Iterator[str]:
    """Report what a file lacks, if that makes the rule's verdicts less accurate.

    Parameters
    ----------
    place : str
        The file, or what else the responses come from.
    detector : str
        The name of the detector; only `answer_aware` reads labels and personas.
    n, n_open : int
        The numbers of responses, and of those without labels.
    has_personas : bool
        Whether the persona of each response is known, even if that is none.

    Yields
    ------
    str

    Examples
    --------
    >>> list(say_unknown("a.csv", "prefix", 9, 9, has_personas=False))
    []
    >>> list(say_unknown("a.csv", "answer_aware", 9, 9, has_personas=True))
    ['a.csv: none of the 9 responses has labels, so all are judged as replies to open requests; if the prompts offer \
answers, name them in a column labels.']
    """
    if detector != ANSWERS_BY:
        return
    if n_open:
        how = "judged as replies to open requests; if the prompts offer answers, name them in a column labels"
        yield (
            f"{place}: none of the {n:,} responses has labels, so all are {how}."
            if n_open == n
            else f"{place}: {n_open:,} of {n:,} responses have no labels and are {how}."
        )
    if not has_personas and n_open < n:
        yield (
            f"{place}: names no personas. If the prompts do, refusals are missed that name a persona that is not built "
            "in; add a column persona, or name another one with --persona-column."
        )
