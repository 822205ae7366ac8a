"""The sizes that a study of a design can have, from the smallest to the largest."""

import math
from collections.abc import Mapping

import numpy as np

from refusal_metrics.prompts import ANCHORED, BLOCK_DESIGNS, sample_texts

from .layout import Size, Source

VARIATIONS = 10
"""Prompts per row with personas, until all rows are used; personas in a block, if there are so many."""


def study_rng(design_seed: int) -> np.random.Generator:
    """Return the generator with which a study of this seed draws its rows."""
    return np.random.default_rng(np.random.SeedSequence(design_seed).spawn(1)[0])


def list_sizes(
    design: str, sources: Mapping[str, Source], design_seed: int, neutral_variations: int | None = None
) -> list[Size]:
    """List the sizes of a study: rows are added first, then prompts per row.

    Compared with K personas, a baseline is best with the square root of K times the prompts of each (Dunnett 1955).

    Parameters
    ----------
    design : str
        A name in `refusal_metrics.analysis.planning.layout.LAYOUTS`.
    sources : mapping of str to Source
        By task; the personas are the same in all.
    design_seed : int
        Of the study, which decides its texts.
    neutral_variations : int, optional
        Neutral prompts per row; by default the best number.

    Returns
    -------
    list of Size
        At least one.
    """
    every = list(sources.values())
    share = 1 / math.sqrt(max(source.n_personas for source in every))
    phrases: float = math.inf
    if design in BLOCK_DESIGNS:
        people = min(source.n_phrases for source in every)
        phrases = min(source.n_neutral_phrases for source in every)
        asked = list(range(min(VARIATIONS, people), people + 1)) if design == ANCHORED else [people]
        rows = max(_most_rows_in_blocks(source, design_seed) for source in every)
    else:
        asked = list(range(VARIATIONS, max(VARIATIONS, *(source.pool for source in every)) + 1))
        rows = max(int(np.bincount(source.stratum).max()) for source in every)
    steps = [(n, asked[0]) for n in range(1, rows + 1)] + [(rows, n) for n in asked[1:]]
    return [Size(n, own, neutral_variations or int(min(phrases, math.ceil(own * share)))) for n, own in steps]


def _most_rows_in_blocks(source: Source, design_seed: int) -> int:
    """Return the number of rows per class that uses all texts."""
    rows = sample_texts(source.text, source.stratum, len(source.text), study_rng(design_seed))
    return int(np.bincount(source.stratum[rows]).max())
