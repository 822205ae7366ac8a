"""From settings to the harness's docs, and from a doc to its prompt."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from datasets.table import InMemoryTable

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.prompts import (
    CLASSES,
    CONTRAST,
    KINDS,
    LANGUAGE,
    N_OPTIONS,
    ORDERS,
    PLACEMENTS,
    SETTINGS,
    TEXT_FIELDS,
    Ints,
    Persona,
    Settings,
    Template,
    Texts,
    draw_contrasts,
    fit_blocks,
    hash_design,
    load_design,
    load_texts,
    number_labels,
    order_texts,
    parse_settings,
    sample_balanced,
    sample_iid,
    sample_rows,
    shard_bounds,
    shuffle_texts,
)

PHRASE = ("phrase", "phrase_form")
"""The fields of a doc with the wording of its persona and its grammatical form, if the personas have phrases."""
SYSTEM = "system"
"""The field of a doc with the system message, if that contains the persona."""
BLOCK = "block"
"""The field of a doc with the number of its block, in a contrast task."""

# A child of the harness's logger: the only one whose messages `lm_eval` shows.
log = logging.getLogger("lm_eval.persona_refusal")

_people: dict[str, dict[str, Persona]] = {}
_templates: dict[str, dict[str, Template]] = {}
_texts: dict[str, dict[str, Any]] = {}
# By design_id. A doc names its persona and template by id, and the harness hands `doc_to_text`
# only the doc, while a user's own YAML file may define the ids.


def build_docs(
    *,
    kind: str,
    labels: list[str],
    setting: str,
    version: float | str = 0,
    config_source: str = "inline",
    **metadata: object,
) -> dict[str, Dataset]:
    """Build the docs of one task: the harness's ``custom_dataset``.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    labels : list of str
        The answers offered in the prompt.
    setting : {"persona", "persona-free", "neutral", "contrast"}
        Docs of a contrast task are of the settings persona and neutral.
    version : float or str
        The task's version.
    config_source : str
        The task's YAML file, which the harness names.
    **metadata
        The study's settings, see `refusal_metrics.prompts.settings.Settings`; all other keys are ignored.

    Returns
    -------
    dict
        ``{"test": docs}``. The fields of a doc: ``index, design_id, text_id, row_id``, the text
        fields of the kind, ``label, stratum, labels, persona, persona_group, persona_words, template,
        response_type, setting, kind, language``; ``block``, the number of the doc's text and template, in a
        contrast task; ``phrase, phrase_form``, if the personas have phrases; and ``system``, the system message,
        where the study puts personas there.

    Raises
    ------
    InputError
        For any mistake in the settings, the design files or the data.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if setting not in (*SETTINGS, CONTRAST):
        raise unknown_name("setting", setting, (*SETTINGS, CONTRAST))
    if len(labels) != N_OPTIONS[kind]:
        raise InputError(f"labels {labels!r}: the templates of {kind} offer {N_OPTIONS[kind]}; give as many")
    _check_setting(setting, config_source)
    settings = parse_settings(kind, metadata, setting)
    design = load_design(settings.personas_file, settings.templates_file)
    people = design.personas_for(setting, settings.personas)
    has_phrases = any(persona.phrases for persona in people)
    is_apart = settings.placement != PLACEMENTS[0]
    # A persona in the system message is not repeated in the question.
    templates = design.templates_for(kind, "persona-free" if is_apart else setting, settings.templates)
    texts = load_texts(kind, settings.source, settings.columns, settings.data_dir)
    task = {"kind": kind, "setting": setting, "labels": labels, "version": version}
    task |= {"placement": settings.placement} if is_apart else {}
    text = number_labels(texts.text_ids)
    # Each phrase of a persona is drawn as often as those of the others.
    wordings = tuple(worded for persona in people for worded in persona.wordings)
    blocks = None
    if setting == CONTRAST:
        settings, blocks = fit_blocks(settings, wordings, templates)
        rows, pairs, short = draw_contrasts(settings, texts, blocks)
    else:
        # Without personas, each template is a pair, as with a single persona.
        rows, pairs, short = _sample(settings, texts, text, setting, max(1, len(wordings)), len(templates))
    is_drawn = pairs >= 0
    row_of_doc, pair_of_doc = np.repeat(rows, is_drawn.sum(axis=1)), pairs[is_drawn]
    design_id = hash_design(settings, texts.checksum, task, people, templates, shares_pool=not is_drawn.all())
    _people[design_id] = {p.id: p for p in people}
    _templates[design_id] = {t.id: t for t in templates}
    _texts[design_id] = {
        "source": settings.source,
        "checksum": texts.checksum,
        "n_texts": len(set(texts.text_ids)),
    }

    start, stop = _shard(settings.shard, text[rows], is_drawn.sum(axis=1), kind)
    docs = _table(texts, row_of_doc[start:stop], pair_of_doc[start:stop], wordings, templates)
    same = {"design_id": design_id, "labels": labels, "setting": setting, "kind": kind, "language": LANGUAGE}
    docs |= {name: pa.repeat(pa.scalar(value), stop - start) for name, value in same.items()}
    docs["index"] = pa.array(np.arange(start, stop))
    if blocks is not None:
        docs[BLOCK] = pa.array(np.arange(start, stop) // blocks.size)
        settings_of = pa.array(["neutral" if p.neutral else "persona" for p in wordings])
        docs["setting"] = settings_of.take(pa.array(pair_of_doc[start:stop] // len(templates)))
    if is_apart:
        docs[SYSTEM] = _system_messages(docs, people)
    n_texts = len(np.unique(text[row_of_doc[start:stop]]))
    asked = [f"{stop - start:,} prompts about {n_texts:,} texts", *short]
    if stop - start < len(pair_of_doc):
        asked.insert(1, f"a shard of {len(pair_of_doc):,}")
    in_effect = json.dumps(settings.as_metadata())
    log.info("%s, %s: %s; design_id %s, %s", kind, setting, "; ".join(asked), design_id, in_effect)
    fields = (*doc_fields(kind), *[BLOCK] * (blocks is not None), *PHRASE * has_phrases, *[SYSTEM] * is_apart)
    table = InMemoryTable.from_pydict({name: docs[name] for name in fields})
    return {"test": Dataset(table, fingerprint=f"{design_id}-{start}-{stop}")}


def doc_fields(kind: str) -> tuple[str, ...]:
    """Return the names of the fields that every doc has, in their order.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}

    Returns
    -------
    tuple of str
    """
    ids = ("index", "design_id", "text_id", "row_id")
    asked = ("label", "stratum", "labels", "persona", "persona_group", "persona_words", "template", "response_type")
    return (*ids, *TEXT_FIELDS[kind], *asked, "setting", "kind", "language")


def describe_texts(design_id: str) -> dict[str, Any]:
    """Return the source of the texts of a design.

    Parameters
    ----------
    design_id : str
        Of docs that `build_docs` built in this process.

    Returns
    -------
    dict
        ``source``, as the settings name it; ``checksum``, of the texts' file, see
        `refusal_metrics.prompts.texts.Texts`; ``n_texts``, the number of texts in the source, asked or not.

    Raises
    ------
    KeyError
        If this process did not build the design.
    """
    return dict(_texts[design_id])


def render_prompt(doc: Mapping[str, Any]) -> str:
    """Write the prompt of a doc: the harness's ``doc_to_text``.

    Parameters
    ----------
    doc : mapping
        A doc that `build_docs` built in this process.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If this process did not build the doc's design.
    """
    design_id = doc["design_id"]
    if design_id not in _templates:
        raise InputError(f"design {design_id} was not built in this process: call build_docs with its settings first")
    worded = doc.get(PHRASE[0])
    persona = worded or (_people[design_id][doc["persona"]] if doc["persona"] is not None else None)
    return _templates[design_id][doc["template"]].render(persona, doc["labels"], doc)


def _sample(
    settings: Settings, texts: Texts, text: Ints, setting: str, n_personas: int, n_templates: int
) -> tuple[Ints, Ints, list[str]]:
    """Draw the rows, in the order of the study, and their pairs: (n_rows,), (n_rows, variations), -1 for none.

    Also report what is less than requested.
    """
    rows_rng, order_rng, pairs_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(settings.design_seed).spawn(3)
    )
    classes = CLASSES[texts.kind]
    stratum = np.array([classes.index(s) for s in texts.strata])
    counts = zip(classes, np.bincount(stratum, minlength=len(classes)).tolist(), strict=True)
    fewer = [f"{count} in class {name}" for name, count in counts if count < settings.rows_per_class]
    short = [f"only {', '.join(fewer)} of {settings.rows_per_class} rows per class"] if fewer else []
    rows = sample_rows(stratum, settings.rows_per_class, rows_rng)
    is_shuffled = settings.order == ORDERS[1]
    rows = rows[
        shuffle_texts(text[rows], order_rng) if is_shuffled else order_texts(text[rows], stratum[rows], order_rng)
    ]
    pool = n_personas * n_templates
    variations = (settings.neutral_variations if setting == "neutral" else None) or settings.variations
    if settings.design == "iid":
        return rows, sample_iid(len(rows), variations, pool, pairs_rng), short
    if pool < variations:
        short.append(f"{pool} prompts per row, not {variations}: only {pool} persona-template combinations exist")
    blocks = rows if texts.kind == "nli" else text[rows]
    strata = np.unique(stratum[rows], return_inverse=True)[1]
    pairs = sample_balanced(blocks, strata, variations, n_personas, n_templates, pairs_rng)
    if n_sharing := len(np.unique(blocks[(pairs < 0).any(axis=1)])):
        short.append(f"{n_sharing:,} texts have several rows, which share the {pool} persona-template combinations")
    return rows, pairs, short


def _table(
    texts: Texts, row: Ints, pair: Ints, people: tuple[Persona, ...], templates: tuple[Template, ...]
) -> dict[str, pa.Array]:
    """Compute the columns that differ between docs; `row` and `pair` are (n_docs,)."""
    persona, template = np.divmod(pair, len(templates))
    columns = {
        name: pa.array(values).take(pa.array(row))
        for name, values in (
            {"text_id": texts.text_ids, "row_id": texts.row_ids, "label": texts.strata, "stratum": texts.strata}
            | texts.fields
        ).items()
    }
    # Persona-free docs have no persona; taking from nothing but a null gives them nulls.
    ids = pa.array([p.id for p in people] if people else [None], pa.string())
    groups = pa.array([p.group for p in people] if people else [None], pa.string())
    words = pa.array([list(p.words) for p in people] if people else [[]], pa.list_(pa.string()))
    columns |= {"persona": ids.take(pa.array(persona)), "persona_group": groups.take(pa.array(persona))}
    columns["persona_words"] = words.take(pa.array(persona))
    for place, name in enumerate(PHRASE if any(p.phrases for p in people) else ()):
        of_phrase = pa.array([(p.phrases[0].text, p.phrases[0].form)[place] for p in people])
        columns[name] = of_phrase.take(pa.array(persona))
    columns["template"] = pa.array([t.id for t in templates]).take(pa.array(template))
    columns["response_type"] = pa.array([t.response_type for t in templates]).take(pa.array(template))
    return columns


def _system_messages(docs: Mapping[str, pa.Array], people: Iterable[Persona]) -> pa.Array:
    """Name the persona of each doc, or its phrase, in a system message; empty without a persona."""
    named = {p.id: str(p) for p in people}
    worded = docs.get(PHRASE[0], pa.array([named.get(persona) for persona in docs["persona"].to_pylist()]))
    return pa.array([f"You are {one}." if one else "" for one in worded.to_pylist()])


def _shard(shard: tuple[int, int], text_of_row: Ints, n_docs_of_row: Ints, kind: str) -> tuple[int, int]:
    """Return where a shard begins and ends; it is cut by rows, so that all settings of a study have its texts."""
    try:
        bounds = shard_bounds(text_of_row, *shard)
    except ValueError as error:
        n_texts = len(np.unique(text_of_row))
        raise InputError(
            f"shard={shard[0]}/{shard[1]}: the {kind} study has only {n_texts} texts; take K up to {n_texts}"
        ) from error
    n_docs_before = np.concatenate([[0], np.cumsum(n_docs_of_row)])
    return int(n_docs_before[bounds[0]]), int(n_docs_before[bounds[1]])


def _check_setting(setting: str, config_source: str) -> None:
    """Check that the setting is not changed on the command line, which would run one task under the name of another."""
    leaf = Path(config_source)
    own = re.search(r"^\s+setting: *(\S+)", leaf.read_text(encoding="utf-8"), re.MULTILINE) if leaf.is_file() else None
    if own and own[1] != setting:
        raise InputError(
            f"setting={setting!r} cannot be set: {leaf.stem} is a {own[1]} task; run the task or group whose name ends "
            "in _neutral, _persona_free or _contrast for the others"
        )
