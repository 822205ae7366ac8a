"""The texts, personas and templates of a contrast task, as the settings ask for them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refusal_metrics.prompts.blocks import Blocks, plan_blocks, sample_blocks, sample_texts
from refusal_metrics.prompts.design import Persona, Template
from refusal_metrics.prompts.sampler import Ints, number_labels, order_texts, shuffle_texts
from refusal_metrics.prompts.settings import ORDERS, Settings
from refusal_metrics.prompts.texts import CLASSES, Texts


def fit_blocks(settings: Settings, people: Sequence[Persona], templates: Sequence[Template]) -> tuple[Settings, Blocks]:
    """Plan the blocks of a contrast task.

    Parameters
    ----------
    settings : Settings
    people : sequence of Persona
        The neutral ones last.
    templates : sequence of Template

    Returns
    -------
    settings : Settings
        With the number of personas in a block as `variations`.
    blocks : Blocks

    Raises
    ------
    InputError
        As of `refusal_metrics.prompts.blocks.plan_blocks`.
    """
    n_neutral = sum(persona.neutral for persona in people)
    blocks = plan_blocks(
        settings.design,
        settings.variations,
        settings.neutral_variations or n_neutral,
        n_personas=len(people) - n_neutral,
        n_neutral=n_neutral,
        response_types=[template.response_type for template in templates],
    )
    return replace(settings, variations=blocks.personas), blocks


def draw_contrasts(settings: Settings, texts: Texts, blocks: Blocks) -> tuple[Ints, Ints, list[str]]:
    """Draw the rows of a contrast task, in the order of the study, and the prompts of their blocks.

    Parameters
    ----------
    settings : Settings
    texts : Texts
    blocks : Blocks

    Returns
    -------
    rows : (n_texts,) int
        A row of each text.
    pairs : (n_texts, n_prompts) int
        As of `refusal_metrics.prompts.blocks.sample_blocks`.
    short : list of str
        What is less than requested.
    """
    rows_rng, order_rng, pairs_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(settings.design_seed).spawn(3)
    )
    classes = CLASSES[texts.kind]
    text, stratum = number_labels(texts.text_ids), np.array([classes.index(s) for s in texts.strata])
    rows = sample_texts(text, stratum, settings.rows_per_class, rows_rng)
    is_shuffled = settings.order == ORDERS[1]
    rows = rows[
        shuffle_texts(text[rows], order_rng) if is_shuffled else order_texts(text[rows], stratum[rows], order_rng)
    ]
    there = sorted(set(stratum.tolist()))
    n_drawn = np.bincount(stratum[rows], minlength=len(classes))
    fewer = [f"{n_drawn[s]} in class {classes[s]}" for s in there if n_drawn[s] < settings.rows_per_class]
    wanted = f"of {settings.rows_per_class} rows per class, because each text is used for one class"
    short = [f"only {', '.join(fewer)} {wanted}"] if fewer else []
    return rows, sample_blocks(np.unique(stratum[rows], return_inverse=True)[1], blocks, pairs_rng), short
