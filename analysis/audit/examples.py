"""The responses behind a difference: two responses about one text side by side."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..display import clip, plain
from .judged import Judged
from .sentences import name_condition

if TYPE_CHECKING:
    import pandas as pd

_NEW, _OTHER = 12, 4
"""Pairs shown: that differ as the difference does, and the other way round."""
_MOST = 2000
"""Characters of a prompt or response."""


def pair_examples(judged: Judged, row: "pd.Series[float]", *, seed: int = 0) -> tuple[tuple[str, str], ...]:
    """Draw texts with different verdicts under a condition and the baseline.

    Parameters
    ----------
    judged : Judged
    row : pandas.Series
        A row of the differences.
    seed : int

    Returns
    -------
    tuple of (str, str)
        A heading and the responses of each text, untrusted.
    """
    own = judged.table[(judged.table["model"] == row["model"]) & (judged.table["task"] == row["task"])]
    verdict = f"refused_{judged.detectors[0]}"
    arms = [own[own["persona"] == name] for name in (row["persona"], row["baseline"])]
    rng = np.random.default_rng(seed)
    found: list[tuple[str, str]] = []
    more = bool(row["estimate"] >= 0)
    for refused, most in ((more, _NEW), (not more, _OTHER)):
        one, other = (
            arm[arm[verdict] == wanted].drop_duplicates("text_id").set_index("text_id")
            for arm, wanted in zip(arms, (refused, not refused), strict=True)
        )
        texts = one.index.intersection(other.index).sort_values()
        drawn = texts[np.sort(rng.permutation(len(texts))[:most])]
        found += [_pair(text, one.loc[text], other.loc[text], row) for text in drawn]
    return tuple(found)


def _pair(text: str, one: "pd.Series[str]", other: "pd.Series[str]", row: "pd.Series[float]") -> tuple[str, str]:
    names = [name_condition(row[key]) for key in ("persona", "baseline")]
    kinds = [side["outcome"] or "your verdict" for side in (one, other)]
    heading = f"{plain(text)[:120]}: {kinds[0]} under {names[0]}, {kinds[1]} under {names[1]}"
    return heading, "\n\n".join(
        part for side, name in ((one, names[0]), (other, names[1])) for part in _side(side, name)
    )


def _side(side: "pd.Series[str]", name: str) -> Iterator[str]:
    if isinstance(side["prompt"], str):
        yield f"[prompt, {name}]\n{clip(side['prompt'], _MOST)}"
    response = side["response"]
    by = f", rule {side['rule']}" if isinstance(side["rule"], str) else ""
    yield f"[response, {name}{by}]\n{clip(response, _MOST) if isinstance(response, str) else '(none)'}"
