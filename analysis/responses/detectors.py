"""The interface of detectors: from many responses to a verdict for each."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from refusal_metrics.detection import Verdict

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
        The prompt and the persona, if known.
    """

    response: str | None
    options: tuple[str, ...] = ()
    prompt: str | None = None
    persona: str | None = None


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


def column_name(kind: str, model: str) -> str:
    """Return a detector's name, from its model, that a column can have: ``judge_acme_parrot_7b``."""
    return re.sub(r"[^0-9A-Za-z]+", "_", f"{kind}_{model}").strip("_")
