"""Personas and templates from YAML, validated with the file and key in every error.

The defaults are those of arXiv 2509.08075, Tables 2 to 4, in ``tasks/design/``.
"""

from collections.abc import Collection
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

from refusal_metrics.errors import InputError, has_control, quoted
from refusal_metrics.prompts.design import (
    KINDS,
    N_OPTIONS,
    RESPONSE_TYPES,
    TEXT_FIELDS,
    Design,
    Persona,
    Template,
    fold_name,
)
from refusal_metrics.prompts.phrases import check_phrases, read_phrases, split_article, with_forms_of
from refusal_metrics.reading import load_yaml


def load_design(personas: Path | None = None, templates: Path | None = None) -> Design:
    """Load a design; the package's own if no file is named.

    A user's persona file without neutral personas gets the package's neutral ones, so that
    its neutral tasks have a baseline: with phrases of the same forms, if its personas have phrases.

    Parameters
    ----------
    personas, templates : Path, optional
        YAML files in the form of ``tasks/design/personas.yaml`` (with phrases: ``paraphrases.yaml``) and
        ``templates.yaml``.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        With the file and the key that is missing, unknown or wrong.
    """
    packaged = _packaged()
    people, rare_people = packaged.personas, packaged.personas_on_request
    if personas is not None:
        people, rare_people = _personas(personas)
    if not any(p.neutral for p in people):
        people = _neutral_like(people) + people
    _check_names(personas, people)
    check_phrases(str(personas), people)
    instructions, rare_instructions = packaged.templates, packaged.templates_on_request
    if templates is not None:
        instructions, rare_instructions = _templates(templates)
    return Design(people, instructions, rare_people, rare_instructions)


@cache
def _folder() -> Path:
    return Path(str(files("refusal_metrics.tasks"))) / "design"


def _neutral_like(people: tuple[Persona, ...]) -> tuple[Persona, ...]:
    """Return the package's neutral personas for a file without its own."""
    if not any(persona.phrases for persona in people):
        return _packaged().personas_for("neutral")
    return with_forms_of((p for p in _personas(_folder() / "paraphrases.yaml")[0] if p.neutral), people)


@cache
def _packaged() -> Design:
    folder = _folder()
    people, rare_people = _personas(folder / "personas.yaml")
    instructions, rare_instructions = _templates(folder / "templates.yaml")
    return Design(people, instructions, rare_people, rare_instructions)


def _load_yaml(path: Path, key: str) -> dict[str, Any]:
    content = load_yaml(path, "the path of a YAML file")
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"{path}: the top-level key {key!r} is missing; the package's own file shows the form")
    return content


def _keys(found: object) -> str:
    """List the keys of a value, or quote it."""
    if not isinstance(found, dict):
        return quoted(found)
    return ", ".join(name if _is_short(name) else quoted(name) for name in list(found)[:12])


def _is_short(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= 40


def _on_request(path: Path, content: dict[str, Any], ids: Collection[str]) -> frozenset[str]:
    """Read the ids that are used only if a study names them."""
    listed = content.get("on_request") or []
    if not isinstance(listed, list):
        raise InputError(f"{path}: on_request must be a list of ids, found {quoted(listed)}")
    for name in listed:
        if not isinstance(name, str) or name not in ids:
            raise InputError(
                f"{path}: on_request has {quoted(name)}, which is no id in this file; remove or correct it"
            )
    return frozenset(listed)


_OTHER_NAMES = ("plural", "adjective")
"""What else a persona may be called in a response: "Kenyans", "Kenyan"."""


_NAMED = ("noun_phrase", "article")
"""How an entry words its persona, unless it has phrases."""


def _personas(path: Path) -> tuple[tuple[Persona, ...], frozenset[str]]:
    content = _load_yaml(path, "personas")
    entries = content["personas"]
    fields = ("id", "group", *_NAMED)
    people: list[Persona] = []
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: personas must be a list of {{{', '.join(fields)}}}, found {quoted(entries)}")
    for i, entry in enumerate(entries):
        has_phrases = isinstance(entry, dict) and "phrases" in entry
        wanted = ("id", "group", "phrases") if has_phrases else fields
        if not isinstance(entry, dict) or not set(wanted) <= set(entry) <= {*wanted, *_OTHER_NAMES}:
            found, optional = _keys(entry), " and ".join(_OTHER_NAMES)
            raise InputError(
                f"{path}: personas[{i}] must have the keys {', '.join(wanted)}, and may have {optional}, found {found}"
            )
        for field in entry:
            if field == "phrases":
                continue
            if not isinstance(entry[field], str) or not entry[field].strip():
                raise InputError(f"{path}: personas[{i}].{field} must be a text, found {quoted(entry[field])}")
            if has_control(entry[field]):
                raise InputError(
                    f"{path}: personas[{i}].{field} must be without control characters, found {quoted(entry[field])}"
                )
        if has_phrases:
            phrases = read_phrases(f"{path}: personas[{i}].phrases", entry["phrases"])
            article, noun_phrase = split_article(phrases[0].text)
            entry = entry | {"phrases": phrases, "article": article, "noun_phrase": noun_phrase}  # noqa: PLW2901 (read)
        people.append(Persona(**entry))
    return tuple(people), _on_request(path, content, {p.id for p in people})


def _check_names(path: Path | None, people: tuple[Persona, ...]) -> None:
    """Check that every id, in any spelling, names one persona and no group."""
    groups = {fold_name(p.group): p.group for p in people}
    seen: dict[str, str] = {}
    for persona in people:
        key = fold_name(persona.id)
        if key in seen or key in groups:
            other = f"the id {seen[key]}" if key in seen else f"the group {groups[key]}"
            raise InputError(
                f"{path}: the id {persona.id!r} is spelt like {other}; ids must differ, also from those of the "
                "neutral personas that a file without its own gets"
            )
        seen[key] = persona.id


def _response_types(path: Path, content: dict[str, Any]) -> dict[str, str]:
    """Read which response type each template is of."""
    types: dict[str, str] = {}
    for response_type, ids in _section(path, content, "response_types", RESPONSE_TYPES).items():
        where = f"{path}: response_types.{response_type}"
        if not isinstance(ids, list):
            raise InputError(f"{where} must be a list of template ids, found {quoted(ids)}")
        for name in ids:
            if not isinstance(name, str):
                raise InputError(f"{where} must contain texts, found {quoted(name)}; put quotes around it")
            if has_control(name):
                raise InputError(f"{where} must be without control characters, found {quoted(name)}")
            if name in types:
                raise InputError(f"{where} has {quoted(name)}, which is listed under {types[name]} too; keep one")
            types[name] = response_type
    return types


def _templates(path: Path) -> tuple[dict[tuple[str, str], tuple[Template, ...]], frozenset[str]]:
    content = _load_yaml(path, "templates")
    types = _response_types(path, content)
    inputs = _section(path, content, "inputs", KINDS)
    by_kind = _section(path, content, "templates", KINDS)
    loaded: dict[tuple[str, str], tuple[Template, ...]] = {}
    for kind in KINDS:
        _check_fields(path, f"inputs.{kind}", inputs[kind], set(TEXT_FIELDS[kind]))
        options = {f"l{i + 1}" for i in range(N_OPTIONS[kind])}
        settings = _section(path, by_kind, f"templates.{kind}", ("persona", "persona-free"))
        for setting, instructions in settings.items():
            where = f"templates.{kind}.{setting}"
            if not isinstance(instructions, dict) or not instructions:
                raise InputError(f"{path}: {where} must map template ids to instructions, found {quoted(instructions)}")
            for name, instruction in instructions.items():
                if name not in types:
                    raise InputError(f"{path}: {where}.{name} has no response type; list it under response_types")
                wanted = options | ({"persona"} if setting == "persona" else set())
                _check_fields(path, f"{where}.{name}", instruction, wanted)
            loaded[kind, setting] = tuple(
                Template(name, kind, types[name], instruction, inputs[kind])
                for name, instruction in instructions.items()
            )
    return loaded, _on_request(path, content, {t.id for some in loaded.values() for t in some})


def _section(path: Path, content: dict[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    section = content.get(name.rpartition(".")[2])
    if not isinstance(section, dict) or set(section) != set(keys):
        found = _keys(section)
        raise InputError(f"{path}: {name} must have the keys {', '.join(keys)}, found {found}")
    return section


def _check_fields(path: Path, where: str, text: object, wanted: set[str]) -> None:
    try:
        # A format or conversion, as in {l1:d}, is part of the name here, for none is allowed.
        found = {
            field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            for _, field, spec, conversion in Formatter().parse(str(text))
            if field is not None
        }
    except ValueError as error:
        raise InputError(f"{path}: {where} has an unpaired brace; write a plain one as {{{{ or }}}}") from error
    if not isinstance(text, str) or found != wanted:
        shown = ", ".join(f"{{{f}}}" for f in sorted(wanted))
        raise InputError(f"{path}: {where} must be a text with exactly the fields {shown}, found {quoted(text)}")
