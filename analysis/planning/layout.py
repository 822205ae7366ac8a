"""How many prompts each persona and the neutral baseline get in each text or block, by a design, before a run.

A design is an entry of `LAYOUTS`: a function from the available rows and a size to the numbers of prompts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.prompts import (
    BLOCK_DESIGNS,
    CLASSES,
    Ints,
    load_design,
    load_texts,
    number_labels,
    parse_settings,
    plan_blocks,
    sample_blocks,
    sample_rows,
    sample_texts,
)

from ..arrays import Floats


@dataclass(frozen=True)
class Source:
    """The rows, personas and templates from which a task's prompts are drawn.

    Attributes
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    text : (n_rows,) array of int
        Text of each row, from 0.
    block : (n_rows,) array of int
        Rows of the same block share the pool of distinct prompts: those of a text; for NLI, each row is one.
    stratum : (n_rows,) array of int
        Class of each row, from 0.
    n_personas, n_neutral : int
        Personas, and neutral phrases.
    n_templates : int
    phrases, neutral_phrases : tuple of int
        The number of phrases of each persona, and of each neutral one; empty if each has one.
    response_types : tuple of str
        Of each template, which the designs in blocks need.
    """

    kind: str
    text: Ints
    block: Ints
    stratum: Ints
    n_personas: int
    n_neutral: int
    n_templates: int
    phrases: tuple[int, ...] = ()
    neutral_phrases: tuple[int, ...] = ()
    response_types: tuple[str, ...] = ()

    @property
    def n_phrases(self) -> int:
        """The number of phrases of all personas."""
        return sum(self.phrases) or self.n_personas

    @property
    def n_neutral_phrases(self) -> int:
        """The number of neutral phrases."""
        return sum(self.neutral_phrases) or self.n_neutral

    @property
    def pool(self) -> int:
        """The number of distinct prompts of a row with a persona."""
        return self.n_phrases * self.n_templates

    @property
    def neutral_pool(self) -> int:
        """The number of distinct neutral prompts of a row."""
        return self.n_neutral_phrases * self.n_templates


@dataclass(frozen=True)
class Size:
    """The settings that determine how large a study is.

    Attributes
    ----------
    rows_per_class : int
    variations : int
        Prompts per row with personas; in a block, different personas.
    neutral_variations : int or None
        The same for neutral prompts; None for as many as with personas.
    """

    rows_per_class: int
    variations: int
    neutral_variations: int | None = None

    def as_settings(self) -> dict[str, int]:
        """Return the settings of a study of this size."""
        named = {"rows_per_class": self.rows_per_class, "variations": self.variations}
        return named | ({} if self.neutral_variations is None else {"neutral_variations": self.neutral_variations})


@dataclass(frozen=True)
class Layout:
    """Prompts by text, or by block if prompts are asked in blocks.

    Attributes
    ----------
    n : (n_rows, n_personas) array of float
        Prompts with each persona.
    n_baseline : (n_rows,) array of float
        Neutral prompts.
    text : (n_rows,) array of int, optional
        The text of each row, from 0, ascending; None if each row is a text of its own.
    """

    n: Floats
    n_baseline: Floats
    text: Ints | None = None

    @property
    def n_prompts(self) -> int:
        """The number of prompts put to each model, with personas and neutral."""
        return int(self.n.sum() + self.n_baseline.sum())

    @property
    def n_texts(self) -> int:
        """The number of texts."""
        return len(self.n) if self.text is None else int(self.text[-1]) + 1

    @cached_property
    def weights(self) -> Floats:
        """The weight of each row in the contrast of each persona with neutral: (n_rows, n_personas) float."""
        both = self.n + self.n_baseline[:, None]
        return np.asarray(self.n * self.n_baseline[:, None] / np.maximum(both, 1), dtype=np.float64)

    def by_text(self, values: Floats, axis: int = 0) -> Floats:
        """Add up values of the rows of each text."""
        if self.text is None:
            return values
        return np.add.reduceat(values, np.flatnonzero(np.diff(self.text, prepend=-1)), axis=axis)


def load_source(kind: str, settings: Mapping[str, object], setting: str = "persona") -> Source:
    """Load the texts of a task and count its personas and templates.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    settings : mapping
        As of `refusal_metrics.prompts.settings.parse_settings`.
    setting : {"persona", "contrast"}
        Of the task, which decides the designs that are allowed.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        For any mistake in the settings, the design files or the data, or if there are too few personas or texts.
    """
    parsed = parse_settings(kind, settings, setting)
    design = load_design(parsed.personas_file, parsed.templates_file)
    texts = load_texts(kind, parsed.source, parsed.columns, parsed.data_dir)
    text = number_labels(texts.text_ids)
    if text.max() < 1:
        raise InputError(f"source={parsed.source}: has only one text; a plan needs at least two")
    classes = CLASSES[kind]
    people, neutral = (design.personas_for(of, parsed.personas) for of in ("persona", "neutral"))
    templates = design.templates_for(kind, "persona", parsed.templates)
    return Source(
        kind=kind,
        text=text,
        block=np.arange(len(text), dtype=np.int64) if kind == "nli" else text,
        stratum=np.unique([classes.index(name) for name in texts.strata], return_inverse=True)[1].astype(np.int64),
        n_personas=len(people),
        n_neutral=len(neutral),
        n_templates=len(templates),
        phrases=tuple(len(persona.wordings) for persona in people),
        neutral_phrases=tuple(len(persona.wordings) for persona in neutral),
        response_types=tuple(template.response_type for template in templates),
    )


def lay_out(design: str, source: Source, size: Size, rng: np.random.Generator) -> Layout:
    """Draw the numbers of prompts of a study.

    Parameters
    ----------
    design : str
        A name in `LAYOUTS`.
    source : Source
    size : Size
    rng : numpy.random.Generator
        Draws the rows first: seeded like the rows of a study, it draws the same ones.

    Returns
    -------
    Layout

    Raises
    ------
    InputError
        For an unknown design.
    """
    if design not in LAYOUTS:
        raise unknown_name("design to plan", design, LAYOUTS)
    return LAYOUTS[design](source, size, rng)


def _balanced(source: Source, size: Size, rng: np.random.Generator) -> Layout:
    """Deal personas to the prompts of a text from one deck for each class; no prompt of a text is repeated."""
    rows = sample_rows(source.stratum, size.rows_per_class, rng)
    rows = rows[np.argsort(rng.permutation(source.text.max() + 1)[source.text[rows]], kind="stable")]
    text = number_labels(source.text[rows].tolist())
    n_texts = int(text.max()) + 1
    persona = _share_pool(source.block[rows], size.variations, source.pool)
    neutral = _share_pool(source.block[rows], size.neutral_variations or size.variations, source.neutral_pool)
    n = np.zeros((n_texts, source.n_personas))
    for stratum in np.unique(source.stratum):
        here = source.stratum[rows] == stratum
        of_prompt = np.repeat(text[here], persona[here])
        n_decks = -(-len(of_prompt) // source.n_personas)
        deck = rng.permuted(np.tile(np.arange(source.n_personas), (n_decks, 1)), axis=1).ravel()
        np.add.at(n, (of_prompt, deck[: len(of_prompt)]), 1)
    return Layout(n, np.bincount(text, weights=neutral, minlength=n_texts).astype(np.float64))


def _share_pool(block: Ints, variations: int, pool: int) -> Ints:
    """Return the prompts of each row: as many as wanted, or an equal part of the pool of its block."""
    _, at, n_rows = np.unique(block, return_inverse=True, return_counts=True)
    rows = n_rows[at]
    order = np.argsort(at, kind="stable")
    turn = np.empty(len(block), dtype=np.int64)
    turn[order] = np.arange(len(block)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    part = pool // rows + (turn < pool % rows)
    return np.asarray(np.where(rows * variations <= pool, variations, part), dtype=np.int64)


def _in_blocks(design: str, source: Source, size: Size, rng: np.random.Generator) -> Layout:
    """Draw the blocks of a contrast task by its sampler: each text is used once, with one template or three."""
    rows = sample_texts(source.text, source.stratum, size.rows_per_class, rng)
    blocks = plan_blocks(
        design,
        size.variations,
        size.neutral_variations or source.n_neutral_phrases,
        n_personas=source.n_phrases,
        n_neutral=source.n_neutral_phrases,
        response_types=source.response_types,
    )
    persona = np.repeat(np.arange(source.n_personas), source.phrases or 1)
    n_blocks = len(rows) * blocks.n_a_text
    if blocks.personas == blocks.n_personas:
        n = np.tile(np.bincount(persona), (n_blocks, 1))
    else:
        stratum = np.unique(source.stratum[rows], return_inverse=True)[1].astype(np.int64)
        pairs = sample_blocks(stratum, blocks, rng).reshape(n_blocks, blocks.size)[:, blocks.phrases :]
        n = np.zeros((n_blocks, source.n_personas), dtype=np.int64)
        np.add.at(n, (np.arange(n_blocks)[:, None], persona[pairs // source.n_templates]), 1)
    text = np.repeat(np.arange(len(rows), dtype=np.int64), blocks.n_a_text) if blocks.n_a_text > 1 else None
    return Layout(n.astype(np.float64), np.full(n_blocks, float(blocks.phrases)), text)


LAYOUTS: dict[str, Callable[[Source, Size, np.random.Generator], Layout]] = {
    "balanced": _balanced,
    **{design: partial(_in_blocks, design) for design in BLOCK_DESIGNS},
}
"""The designs that can be planned."""
