"""The interface of detectors: from many responses to a verdict for each."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from refusal_metrics.detection import Verdict, known_languages
from refusal_metrics.prompts import LANGUAGE

LONGEST_PERSONA = 1_000
"""The largest number of characters in the words for a persona; a noun phrase is far shorter."""

CLASSIFIER, JUDGE = "hf:", "judge:"
"""Prefixes of the names of detectors other than rules."""


@dataclass(frozen=True)
class Item:
    """The input of a detector.

    Attributes
    ----------
    response : str or None
        None counts as empty.
    options : tuple of str
        The answers offered.
    prompt, persona : str or None
        The prompt and the persona, if known. A persona is an id of the packaged design, or a noun phrase.
    persona_words : tuple of str
        What the persona is called, the noun phrase first, where that is known; empty to take `persona`.
    language : str
        Of the response.
    finish_reason : str or None
        Why generation ended, in the provider's words (``length``), if known.
    """

    response: str | None
    options: tuple[str, ...] = ()
    prompt: str | None = None
    persona: str | None = None
    persona_words: tuple[str, ...] = ()
    language: str = LANGUAGE
    finish_reason: str | None = None


class Detector(Protocol):
    """A detector of refusals."""

    @property
    def name(self) -> str:
        """The name in the column of its verdicts, ``refused_<name>``: letters, digits and underscores."""

    @property
    def at_once(self) -> int:
        """The preferred number of items per call."""

    def detect(self, items: Sequence[Item]) -> list[Verdict | None]:
        """Return the verdict of each item; None if there is none."""

    def remarks(self) -> list[str]:
        """Return notes on the verdicts so far, as sentences."""


@dataclass(frozen=True)
class DetectorOptions:
    """Options of detectors; rules have none.

    Attributes
    ----------
    label_map : str
        For a classifier: the meaning of its labels, ``LABEL_1=refusal,LABEL_0=answer``.
    pair : bool
        Whether a classifier is given the prompt before the response.
    batch_size : int
        The batch size of a classifier.
    judge_model : str or None
        The model that judges; None for the only one that the server has.
    cache : Path or None
        SQLite file of a judge's replies, created if it does not exist; None to cache nothing.
    concurrency : int
        The number of concurrent calls of a judge.
    retries : int
        The number of retries of a failed call.
    timeout : float
        Seconds of silence after which a call has failed.
    backoff : float
        Seconds before the first retry; doubled each time, plus a random delay of up to the same length.
    max_tokens : int
        The longest reply of a judge.
    """

    label_map: str = ""
    pair: bool = False
    batch_size: int = 32
    judge_model: str | None = None
    cache: Path | None = None
    concurrency: int = 16
    retries: int = 5
    timeout: float = 120.0
    backoff: float = 1.0
    max_tokens: int = 512


def read_offered(text: str) -> tuple[str, ...] | None:
    """Read the answers offered: a JSON list of texts, or texts between bars (|).

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of str or None
        None for a list that does not contain only texts.
    """
    if not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split("|") if part.strip())
    try:
        offered = json.loads(text)
    except ValueError:
        return None
    is_texts = isinstance(offered, list) and all(isinstance(part, str) for part in offered)
    return tuple(offered) if is_texts else None


@lru_cache(maxsize=4096)
def read_words(text: str | None) -> tuple[str, ...]:
    """Read what a persona is called: a JSON list of texts, as sample logs have it.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    tuple of str
        Empty for anything else.

    Examples
    --------
    >>> read_words('["Nigerian woman", "Nigerian women"]'), read_words(None), read_words("woman")
    (('Nigerian woman', 'Nigerian women'), (), ())
    """
    return (read_offered(text) or ()) if text is not None and text.lstrip().startswith("[") else ()


@lru_cache(maxsize=4096)
def read_language(text: str | None) -> str:
    """Read the language that a table names.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    str
        The code of a language with patterns, whatever its case and region; else the text itself.

    Examples
    --------
    >>> read_language(None), read_language("EN"), read_language("en-GB"), read_language("Klingon")
    ('en', 'en', 'en', 'Klingon')
    """
    named = (text or "").strip()
    code = named.lower().replace("_", "-")
    known = known_languages()
    return next((name for name in (named, code, code.split("-")[0]) if name in known), named or LANGUAGE)


def column_name(kind: str, model: str) -> str:
    """Return a detector's name, from its model, that a column can have: ``judge_acme_parrot_7b``."""
    return re.sub(r"[^0-9A-Za-z]+", "_", f"{kind}_{model}").strip("_")
