"""Verdicts on a list of responses."""

import math
import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from refusal_metrics.detection import Verdict
from refusal_metrics.errors import InputError, quoted

from ..judging import make_detector
from ..responses import DetectorOptions, Item, read_offered

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
        ``refused``; ``cause`` of a refusal; ``rule``, the pattern that decided; and ``answer``, the label that the
        response gives. None where the detector gave no verdict. Its index is that of `texts` if this is a pandas
        Series.

    Raises
    ------
    InputError
        If labels are missing or are not as many lists as texts, or if a text is none.

    Examples
    --------
    >>> import refusal_metrics as rm
    >>> texts = ["I'm sorry, but I cannot do that.", "Not offensive. It is a joke."]
    >>> found = rm.detect(texts, ["offensive", "not offensive"])
    >>> found[["outcome", "refused", "answer"]].values.tolist()
    [['refusal', True, None], ['answer', False, 'not offensive']]

    The same for open requests, which offer no answers:

    >>> rm.detect("I can't help with that.", labels=None)["outcome"].tolist()
    ['refusal']
    """
    responses = _read_texts(texts, "texts")
    options = _read_options(labels, len(responses))
    asked = [None] * len(responses) if prompts is None else _read_texts(prompts, "prompts")
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
    items = [Item(*fields) for fields in zip(responses, options, asked, strict=True)]
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
        if text is None or (isinstance(text, float) and math.isnan(text)) or text is pd.NA:
            texts.append(None)
        elif isinstance(text, str):
            texts.append(text)
        else:
            raise InputError(f"{what}: item {place:,} is {quoted(text)}; give a text, or None for an empty response")
    return texts


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
