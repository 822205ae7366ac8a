"""Designs in blocks: personas and neutral phrases with the same text and the same template.

A *block* is a text with a template. All prompts of a block differ only in the persona, so the differences between
personas within a block do not contain the differences between texts and between templates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refusal_metrics.errors import InputError
from refusal_metrics.prompts.design import RESPONSE_TYPES
from refusal_metrics.prompts.sampler import Ints

ANCHORED, PAIRED, FACTORIAL = "anchored", "paired", "factorial"
BLOCK_DESIGNS = (ANCHORED, PAIRED, FACTORIAL)
"""The designs of the contrast tasks, the default first."""
NEUTRAL_PHRASES = 3
"""How many neutral phrases a block has by default."""

_NOISE = 1 << 62


@dataclass(frozen=True)
class Blocks:
    """What the blocks of a study are drawn from.

    Attributes
    ----------
    n_personas, n_neutral : int
        Personas, and neutral phrases, which are numbered after them.
    personas, phrases : int
        How many of them a block has.
    response_types : tuple of str
        Of each template.
    is_factorial : bool
        Whether a text has a block for each response type, instead of one block.
    """

    n_personas: int
    n_neutral: int
    personas: int
    phrases: int
    response_types: tuple[str, ...]
    is_factorial: bool

    @property
    def size(self) -> int:
        """The number of prompts in a block."""
        return self.phrases + self.personas

    @property
    def n_a_text(self) -> int:
        """The number of blocks of a text."""
        return len(RESPONSE_TYPES) if self.is_factorial else 1


def plan_blocks(
    design: str,
    variations: int,
    neutral_variations: int,
    *,
    n_personas: int,
    n_neutral: int,
    response_types: Sequence[str],
) -> Blocks:
    """Check that a design has the personas and templates that it needs.

    Parameters
    ----------
    design : {"anchored", "paired", "factorial"}
    variations : int
        Personas in a block; 0 for all of them.
    neutral_variations : int
        Neutral phrases in a block.
    n_personas, n_neutral : int
        How many there are.
    response_types : sequence of str
        Of each template.

    Returns
    -------
    Blocks

    Raises
    ------
    InputError
        If there are fewer personas, neutral phrases or templates than the design needs, or if the design has all
        personas in a block and another number is given.
    """
    if design != ANCHORED and variations not in (0, n_personas):
        raise InputError(
            f"design={design} has all {n_personas} personas in each block, but variations={variations}; leave out "
            f"variations, or set design={ANCHORED}"
        )
    if variations > n_personas:
        raise InputError(
            f"design={design} has variations={variations} different personas in each block, but there "
            f"{_count(n_personas, 'persona')}; set variations={n_personas} or less, or design={PAIRED}"
        )
    if neutral_variations > n_neutral:
        raise InputError(
            f"design={design} has neutral_variations={neutral_variations} different neutral phrases in each block, but "
            f"there {_count(n_neutral, 'neutral phrase')}; set neutral_variations={n_neutral} or less, or add phrases"
        )
    missing = [name for name in RESPONSE_TYPES if name not in response_types]
    if design == FACTORIAL and missing:
        raise InputError(
            f"design={FACTORIAL} has a template of each response type for each text, but no template is "
            f"{' or '.join(missing)}; add such a template to templates, or set design={PAIRED}"
        )
    return Blocks(
        n_personas, n_neutral, variations or n_personas, neutral_variations, tuple(response_types), design == FACTORIAL
    )


def _count(n: int, what: str) -> str:
    return f"is only {n} {what}" if n == 1 else f"are only {n} {what}s"


def sample_texts(texts: Ints, strata: Ints, rows_per_class: int, rng: np.random.Generator) -> Ints:
    """Draw one row of each text, with at most `rows_per_class` rows of each class.

    Texts are taken in random order. Each is used for the class that has the fewest rows so far, of the classes of its
    rows that are not complete.

    Parameters
    ----------
    texts, strata : (n_rows,) int
        Text and class of each row, from 0.
    rows_per_class : int
    rng : numpy.random.Generator

    Returns
    -------
    (n_sampled,) int
        Row indices, ascending. Classes have fewer than `rows_per_class` rows if there are not enough texts; their
        numbers then differ as little as this rule allows.
    """
    by_text = np.split(np.argsort(texts, kind="stable"), np.cumsum(np.bincount(texts))[:-1])
    n_rows = np.bincount(strata).tolist()
    n_drawn = [0] * len(n_rows)
    drawn = []
    for text in rng.permutation(len(by_text)).tolist():
        rows = by_text[text]
        # Ties go to the rarer class.
        wanted = sorted((n_drawn[s], n_rows[s], s) for s in {*strata[rows].tolist()} if n_drawn[s] < rows_per_class)
        if wanted:
            stratum = wanted[0][2]
            n_drawn[stratum] += 1
            drawn.append(rng.choice(rows[strata[rows] == stratum]))
    return np.sort(np.array(drawn, dtype=np.int64))


def sample_blocks(strata: Ints, blocks: Blocks, rng: np.random.Generator) -> Ints:
    """Draw the templates, personas and neutral phrases of each text's blocks.

    Each is dealt: it is the one, at random among equals, that its stratum has had least often. Equals are first
    distinguished by how often they were drawn with the block's template, then by how often they were drawn in all.

    Parameters
    ----------
    strata : (n_texts,) int
        Class of each text, from 0, in the order of the study.
    blocks : Blocks
    rng : numpy.random.Generator

    Returns
    -------
    (n_texts, n_blocks * size) int
        Pair numbers, ``persona * n_templates + template``, block after block, neutral phrases first in each. Within a
        stratum, the counts of personas and those of neutral phrases differ by at most 1 in every prefix; templates are
        in the same number of blocks or in one more or less, those of one response type if the design is factorial.
    """
    types = blocks.response_types
    decks = [[t for t, of in enumerate(types) if of == name] for name in RESPONSE_TYPES]
    if not blocks.is_factorial:
        decks = [[*range(len(types))]]
    n_strata = int(strata.max()) + 1
    templates = _Deck(len(types), n_strata, len(types))
    people = (
        (_Deck(blocks.n_neutral, n_strata, len(types)), blocks.phrases, blocks.n_personas),
        (_Deck(blocks.n_personas, n_strata, len(types)), blocks.personas, 0),
    )
    drawn = np.empty((len(strata), blocks.n_a_text, blocks.size), dtype=np.int64)
    for row, stratum in enumerate(strata.tolist()):
        for place, deck in enumerate(decks):
            (template,) = templates.deal(1, stratum, None, rng, of=deck)
            some = [
                first + one for cards, n, first in people for one in cards.deal(n, stratum, template, rng)
            ]  # fmt: skip
            drawn[row, place] = np.array(some) * len(types) + template
    return drawn.reshape(len(strata), -1)


class _Deck:
    """How often each persona or template was dealt: by stratum, with each template, and in all."""

    def __init__(self, n: int, n_strata: int, n_templates: int) -> None:
        self._by_stratum = np.zeros((n_strata, n), dtype=np.int64)
        self._by_template = np.zeros((n_templates, n), dtype=np.int64)

    def deal(
        self, n: int, stratum: int, template: int | None, rng: np.random.Generator, of: Sequence[int] | None = None
    ) -> list[int]:
        """Deal `n` different ones, those that were dealt least often first."""
        own, every = self._by_stratum[stratum], self._by_stratum.sum(axis=0)
        together = every if template is None else self._by_template[template]
        order = np.lexsort((rng.integers(_NOISE, size=len(own)), every, together, own))
        chosen = order[np.isin(order, of)][:n] if of is not None else order[:n]
        self._by_stratum[stratum, chosen] += 1
        if template is not None:
            self._by_template[template, chosen] += 1
        dealt: list[int] = chosen.tolist()
        return dealt
