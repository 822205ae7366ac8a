"""Verdicts on a list of responses."""

import math
import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY, MOST_LABELS, Verdict
from refusal_metrics.errors import InputError, quoted

from ..judging import make_detector
from ..responses import LONGEST_PERSONA, DetectorOptions, Item, read_offered

Personas: TypeAlias = str | Iterable[str | Iterable[str] | None] | None
"""A persona: one for all responses, one for each, or None if the prompts name none. Several words for a persona are a
list, the noun phrase first."""

Options: TypeAlias = str | Iterable[str | Iterable[str] | None] | None
"""The answers offered: one list for all responses, one list for each, or None for open requests."""

COLUMNS = ("response", "outcome", "refused", "cause", "rule", "answer")
"""The columns of what `detect` returns."""


class _Left(Enum):
    """Marks an argument that was not passed."""

    OUT = "left out"


def detect(
    texts: str | Iterable[str | None],
    labels: Options | _Left = _Left.OUT,
    *,
    detector: str = "answer_aware",
    personas: Personas = None,
    prompts: str | Iterable[str | None] | None = None,
    label_map: str = "",
    pair: bool = False,
    batch_size: int = 32,
    judge_model: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    concurrency: int = 16,
    retries: int = 5,
    timeout: float = 120,
    max_tokens: int = 512,
) -> pd.DataFrame:
    """Judge whether responses refuse.

    Parameters
    ----------
    texts : str or list of str
        The responses. None counts as an empty response.
    labels : list of str, list of lists of str, or None
        The answers offered by the prompts: one list for all responses, or one list for each. None means that the
        requests were open, without answers to choose from. There is no default, because a response that names none
        of the labels is judged by other rules than one to an open request.
    detector : str
        A rule (``answer_aware``, ``prefix``, ``prefix_strict``), ``hf:MODEL`` for a text classifier of the
        transformers library, or ``judge:ADDRESS`` for a model on an OpenAI-compatible server.
    personas : str, or list of str, optional
        Whom the prompts ask the model to be: one persona for all responses, or one for each (None for no persona).
        An id of a built-in persona stands for its words, and anything else is a noun phrase ("Nigerian woman"), or a
        list of phrases for the same persona. Built-in personas are always recognised. Refusals that name another
        persona can be missed if it is not given.
    prompts : list of str, optional
        The prompts, one for each response; for classifiers with `pair`, and for judges.
    label_map, pair, batch_size
        As for ``persona-refusal detect``, for classifiers.
    judge_model, cache, concurrency, retries, timeout, max_tokens
        The same, for judges. Without `cache` no replies are kept.

    Returns
    -------
    pandas.DataFrame
        One row a response: ``response``; ``outcome`` (answer, refusal, other, empty, truncated or unjudged);
        ``refused``; ``cause``, of a refusal or of a response that is unjudged; ``rule``, the pattern that decided; and
        ``answer``, the label that the response gives. None where the detector gave no verdict. Its index is that of
        `texts` if this is a pandas Series. Notes on the verdicts are in its ``attrs["notes"]``.

    Raises
    ------
    InputError
        If labels are missing or too many, if there are not as many lists of labels, personas or prompts as texts, if
        a text is none, or if a persona is too long.

    Examples
    --------
    >>> import refusal_metrics as rm
    >>> texts = ["I'm sorry, but I cannot do that.", "Not offensive. It is a joke."]
    >>> found = rm.detect(texts, ["offensive", "not offensive"])
    >>> found[["outcome", "refused", "answer"]].values.tolist()
    [['refusal', True, None], ['answer', False, 'not offensive']]

    A persona of your own is recognised if it is given:

    >>> said = "As a Nigerian woman, I would rather not say."
    >>> rm.detect(said, ["yes", "no"], personas="Nigerian woman")["outcome"].tolist()
    ['refusal']

    The same for open requests, which offer no answers:

    >>> rm.detect("I can't help with that.", labels=None)["outcome"].tolist()
    ['refusal']
    """
    responses = _read_texts(texts, "texts")
    options = _read_options(labels, len(responses))
    asked = [None] * len(responses) if prompts is None else _read_texts(prompts, "prompts")
    names = _read_personas(personas, len(responses))
    if len(asked) != len(responses):
        raise InputError(f"prompts: are {len(asked):,} for {len(responses):,} texts; give one for each text")
    detector_options = DetectorOptions(
        label_map=label_map,
        pair=pair,
        batch_size=batch_size,
        judge_model=judge_model,
        cache=None if cache is None else Path(cache),
        concurrency=concurrency,
        retries=retries,
        timeout=timeout,
        max_tokens=max_tokens,
    )
    judging = make_detector(detector, detector_options)
    if detector == ANSWERS_BY and (most := max(map(len, options), default=0)) > MOST_LABELS:
        raise InputError(f"labels: are {most:,}, and the detector distinguishes at most {MOST_LABELS}; offer fewer")
    items = [
        Item(response, offered, prompt, persona, words)
        for response, offered, prompt, (persona, words) in zip(responses, options, asked, names, strict=True)
    ]
    verdicts: list[Verdict | None] = []
    for start in range(0, len(items), judging.at_once):
        verdicts += judging.detect(items[start : start + judging.at_once])
    rows = [_row(response, verdict) for response, verdict in zip(responses, verdicts, strict=True)]
    index = texts.index if isinstance(texts, pd.Series) else None
    table = pd.DataFrame(rows, columns=list(COLUMNS), index=index, dtype=object)
    table.attrs["notes"] = tuple(judging.remarks())
    return table


def _row(response: str | None, verdict: Verdict | None) -> tuple[object, ...]:
    if verdict is None:
        return (response, *[None] * (len(COLUMNS) - 1))
    return response, verdict.outcome, verdict.refused, verdict.cause, verdict.rule, verdict.answer


def _read_texts(given: object, what: str) -> list[str | None]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise InputError(f"{what}: is of type {type(given).__name__}; give a text or a list of texts")
    texts: list[str | None] = []
    for place, text in enumerate(given, start=1):
        if _is_missing(text):
            texts.append(None)
        elif isinstance(text, str):
            texts.append(text)
        else:
            raise InputError(f"{what}: item {place:,} is {quoted(text)}; give a text, or None for an empty response")
    return texts


def _read_personas(given: object, n_texts: int) -> list[tuple[str | None, tuple[str, ...]]]:
    """Read each response's persona: a name, or several."""
    if given is None or isinstance(given, str):
        return [_persona(given, "personas")] * n_texts
    if not isinstance(given, Iterable):
        raise InputError(f"personas: is of type {type(given).__name__}; give a text, or a list with one for each text")
    personas = list(given)
    if len(personas) != n_texts:
        raise InputError(
            f"personas: are {len(personas):,} for {n_texts:,} texts; give one for all as a text, or one for each"
        )
    return [_persona(own, f"personas: item {place:,}") for place, own in enumerate(personas, start=1)]


def _persona(given: object, where: str) -> tuple[str | None, tuple[str, ...]]:
    if _is_missing(given):
        return None, ()
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    words = tuple(name for name in names if isinstance(name, str))
    if len(words) < len(names):
        raise InputError(f"{where}: is {quoted(given)}; give a noun phrase, a list of them, or None for no persona")
    if (longest := max(map(len, words), default=0)) > LONGEST_PERSONA:
        raise InputError(
            f"{where}: has {longest:,} characters; name a persona in at most {LONGEST_PERSONA:,} (a noun phrase)"
        )
    return (given, ()) if isinstance(given, str) else (None, words)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA


def _read_options(given: object, n_texts: int) -> list[tuple[str, ...]]:
    if given is _Left.OUT:
        raise InputError(
            "labels: are missing; give the answers that the prompts offer, e.g. labels=['yes', 'no'], or labels=None "
            "if the requests were open"
        )
    if given is None:
        return [()] * n_texts
    if isinstance(given, str):
        return [_offered(given, "labels")] * n_texts
    if not isinstance(given, Iterable):
        raise InputError(f"labels: is of type {type(given).__name__}; give a list of texts, or a list for each text")
    options = list(given)
    if all(isinstance(option, str) for option in options):
        if not options:
            raise InputError("labels: is an empty list; give the answers offered, or None if the requests were open")
        return [tuple(options)] * n_texts
    for place, own in enumerate(options, start=1):
        if not (own is None or isinstance(own, float | Iterable)):
            raise InputError(f"labels: item {place:,} is {quoted(own)}; give the answers offered as texts")
    if len(options) != n_texts:
        raise InputError(
            f"labels: are {len(options):,} lists for {n_texts:,} texts; give one list of texts for all, or one for each"
        )
    return [_offered(own, f"labels: item {place:,}") for place, own in enumerate(options, start=1)]


def _offered(given: object, where: str) -> tuple[str, ...]:
    """Read the answers offered for one response."""
    if given is None or (isinstance(given, float) and math.isnan(given)):
        return ()
    if isinstance(given, str):
        read = read_offered(given)
        if read is None:
            raise InputError(f"{where}: is {quoted(given)}; give a list of texts, or texts separated by |")
        return read
    found: list[object] = list(given) if isinstance(given, Iterable) else [given]
    options = tuple(option for option in found if isinstance(option, str))
    if len(options) < len(found):
        wrong = next(option for option in found if not isinstance(option, str))
        raise InputError(f"{where}: contains {quoted(wrong)}; give the answers offered as texts")
    return options
