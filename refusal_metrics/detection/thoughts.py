"""What a model thinks before it answers is no part of its answer."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import yaml

from refusal_metrics.detection.characters import first_drawn
from refusal_metrics.detection.patterns import holds_any, load_patterns


def strip_thought(response: str, language: str = "en") -> str | None:
    """Leave out a model's thought.

    Parameters
    ----------
    response : str
    language : str
        Whose sentences may mark a thought; tags and tokens mark one in every language.

    Returns
    -------
    str or None
        What follows the last thought; None for a thought that never ended. Linear in the response.

    Examples
    --------
    >>> strip_thought("<THINK>I cannot decide.</THINK> Offensive")
    ' Offensive'
    >>> strip_thought("[THINK]I cannot decide") is None
    True
    """
    needs, opening, closing = _marks(language)
    if not holds_any(response, needs):
        return response
    end = 0
    for found in closing.finditer(response):
        end = found.end()
    return None if opening.match(response, first_drawn(response, end)) else response[end:]


@cache
def _marks(language: str) -> tuple[tuple[str, ...], re.Pattern[str], re.Pattern[str]]:
    """List what a thought needs, and match where one begins, and where it ends."""
    text = (files("refusal_metrics.detection.data") / "marks.yaml").read_text(encoding="utf-8")
    marks = [*yaml.safe_load(text), *load_patterns(language).thoughts]
    needs = tuple(dict.fromkeys(need for mark in marks for need in mark["needs"]))
    return needs, _any(mark["opening"] for mark in marks), _any(mark["closing"] for mark in marks)


def _any(expressions: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expression})" for expression in expressions), re.IGNORECASE)
