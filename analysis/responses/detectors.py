"""Detectors behind one interface: many responses in, a verdict for each out."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from refusal_metrics.detection import Verdict

CLASSIFIER, JUDGE = "hf:", "judge:"
"""What the names of detectors that are no rules begin with."""


@dataclass(frozen=True)
class Item:
    """What a detector is given.

    Attributes
    ----------
    response : str or None
        None counts as empty.
    labels : tuple of str
        The answers offered.
    prompt, persona : str or None
        What was asked and as whom, where that is known.
    """

    response: str | None
    labels: tuple[str, ...] = ()
    prompt: str | None = None
    persona: str | None = None


class Detector(Protocol):
    """Anything that says of responses whether they refuse."""

    @property
    def name(self) -> str:
        """What its verdicts go by, ``refused_<name>``: letters, digits and underscores."""

    @property
    def at_once(self) -> int:
        """How many items it is best given at a time."""

    def detect(self, items: Sequence[Item]) -> list[Verdict | None]:
        """Give the verdict of each item; None where there is none to be had."""

    def remarks(self) -> list[str]:
        """Say in a sentence each what is to be known of the verdicts given so far."""


@dataclass(frozen=True)
class DetectorOptions:
    """How detectors that are no rules work; rules have no options.

    Attributes
    ----------
    label_map : str
        Of a classifier: what its labels mean, ``LABEL_1=refusal,LABEL_0=answer``.
    pair : bool
        Whether a classifier is given the prompt before the response.
    batch_size : int
        How many responses a classifier is given at a time.
    judge_model : str or None
        The model that judges; None for the only one that the server has.
    cache : Path or None
        SQLite file of a judge's replies, made where there is none; None to keep none.
    concurrency : int
        How many calls of a judge are under way at a time.
    retries : int
        How often a failed call is tried again.
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
        None for what begins as a list and is none of texts.
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
    """Name a detector by its model, so that a column can bear the name: ``judge_acme_parrot_7b``."""
    return re.sub(r"[^0-9A-Za-z]+", "_", f"{kind}_{model}").strip("_")
