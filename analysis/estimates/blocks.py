"""Blocks of prompts, within which arms are compared if a text has several."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Integers
from ..counts import Counts


def split_texts(counts: Counts) -> tuple[Counts, Integers | None]:
    """Split the texts of a study into blocks.

    Parameters
    ----------
    counts : Counts

    Returns
    -------
    counts : Counts
        The same entries, with blocks in the place of texts.
    text : (n_blocks,) array of int, or None
        The text of each block; None if blocks are texts.
    """
    block = counts.block
    if block is None:
        return counts, None

    def find() -> tuple[Integers, dict[Hashable, Any] | None]:
        text = np.full(int(block.max(initial=-1)) + 1, -1)
        text[block] = counts.text
        return text, None if counts.found is None else {}

    text, found = counts.once("texts of blocks", find)
    return replace(counts, text=block, n_texts=len(text), block=None, found=found), text
