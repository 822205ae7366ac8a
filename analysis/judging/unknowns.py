"""What the rule cannot know of responses because a file does not say it, in sentences."""

from collections.abc import Iterator

from refusal_metrics.detection import ANSWERS_BY


def say_unknown(place: str, detector: str, n: int, n_open: int, *, has_personas: bool, option: str) -> Iterator[str]:
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
    option : str
        How the command is told the column of personas.

    Yields
    ------
    str

    Examples
    --------
    >>> list(say_unknown("a.csv", "prefix", 9, 9, has_personas=False, option=""))
    []
    >>> [note.partition(",")[0] for note in say_unknown("a.csv", "answer_aware", 9, 5, has_personas=True, option="")]
    ['a.csv: no labels for 5 of 9 responses']
    """
    if detector != ANSWERS_BY:
        return
    if n_open:
        yield (
            f"{place}: no labels for {n_open:,} of {n:,} responses, which are judged as replies to open requests; if "
            "the prompts offer answers, name them in a column labels."
        )
    if not has_personas and n_open < n:
        yield (
            f"{place}: no column of personas; refusals that name a persona which is not built in are missed. If the "
            f"prompts name personas, add a column persona, or name another column with {option}."
        )
