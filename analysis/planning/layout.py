"""How many prompts each persona and the neutral baseline get about each text: by a design, before anything is asked.

A design is an entry of `LAYOUTS`: a function from the available rows and a size to the numbers of prompts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.prompts import CLASSES, Ints, load_design, load_texts, number_labels, parse_settings, sample_rows

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
    n_phrases, n_neutral_phrases : int
        Phrases of all personas, and of the neutral ones; 0 if each has one.
    """

    kind: str
    text: Ints
    block: Ints
    stratum: Ints
    n_personas: int
    n_neutral: int
    n_templates: int
    n_phrases: int = 0
    n_neutral_phrases: int = 0

    @property
    def pool(self) -> int:
        """The number of distinct prompts of a row with a persona."""
        return (self.n_phrases or self.n_personas) * self.n_templates

    @property
    def neutral_pool(self) -> int:
        """The number of distinct neutral prompts of a row."""
        return (self.n_neutral_phrases or self.n_neutral) * self.n_templates

    @property
    def most_rows(self) -> int:
        """The number of rows per class that uses all rows."""
        return int(np.bincount(self.stratum).max())

    @property
    def most_variations(self) -> int:
        """The number of distinct prompts of a row with a persona."""
        return self.pool


@dataclass(frozen=True)
class Size:
    """The settings that determine how large a study is.

    Attributes
    ----------
    rows_per_class, variations : int
    neutral_variations : int or None
        Neutral prompts per row; None for as many as with personas.
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
    """Prompts by text.

    Attributes
    ----------
    n : (n_texts, n_personas) array of float
        Prompts with each persona.
    n_baseline : (n_texts,) array of float
        Neutral prompts.
    """

    n: Floats
    n_baseline: Floats

    @property
    def n_prompts(self) -> int:
        """The number of prompts put to each model, with personas and neutral."""
        return int(self.n.sum() + self.n_baseline.sum())

    @cached_property
    def weights(self) -> Floats:
        """The weight of each text in the contrast of each persona with neutral: (n_texts, n_personas) float."""
        both = self.n + self.n_baseline[:, None]
        return np.asarray(self.n * self.n_baseline[:, None] / np.maximum(both, 1), dtype=np.float64)


def load_source(kind: str, settings: Mapping[str, object]) -> Source:
    """Load the texts of a task and count its personas and templates.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    settings : mapping
        As of `refusal_metrics.prompts.settings.parse_settings`.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        For any mistake in the settings, the design files or the data, or if there are too few personas or texts.
    """
    parsed = parse_settings(kind, settings)
    design = load_design(parsed.personas_file, parsed.templates_file)
    texts = load_texts(kind, parsed.source, parsed.columns, parsed.data_dir)
    text = number_labels(texts.text_ids)
    if text.max() < 1:
        raise InputError(f"source={parsed.source}: has only one text; a plan needs at least two")
    classes = CLASSES[kind]
    people, neutral = (design.personas_for(setting, parsed.personas) for setting in ("persona", "neutral"))
    return Source(
        kind=kind,
        text=text,
        block=np.arange(len(text), dtype=np.int64) if kind == "nli" else text,
        stratum=np.unique([classes.index(name) for name in texts.strata], return_inverse=True)[1].astype(np.int64),
        n_personas=len(people),
        n_neutral=len(neutral),
        n_templates=len(design.templates_for(kind, "persona", parsed.templates)),
        n_phrases=sum(len(persona.wordings) for persona in people),
        n_neutral_phrases=sum(len(persona.wordings) for persona in neutral),
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


LAYOUTS: dict[str, Callable[[Source, Size, np.random.Generator], Layout]] = {"balanced": _balanced}
"""The designs that can be planned."""
