"""The study file of a plan: what `persona-refusal run` reads."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from refusal_metrics.errors import InputError, quoted, unknown_name
from refusal_metrics.prompts import CONTRAST, KINDS
from refusal_metrics.reading import load_yaml

from .layout import Size

_WIDTH = 80
"""Of the lines of a study file, as of a terminal."""
_GROUP = "persona_refusal"
_USUAL = (_GROUP, *(f"{_GROUP}_{kind}" for kind in KINDS))
_CONTRAST = tuple(f"{task}_{CONTRAST}" for task in _USUAL)
TASKS = (*_USUAL, *_CONTRAST)
"""The tasks that can be planned. The first ones stand for themselves and their neutral baselines."""

BACKENDS = ("hf", "vllm")
"""The backends whose models are named by their folder or their place on the Hugging Face Hub alone."""


def name_tasks(tasks: Iterable[str]) -> list[str]:
    """Return tasks and their neutral baselines, as a study file names them; contrast tasks contain theirs.

    Examples
    --------
    >>> name_tasks(["persona_refusal_nli"])
    ['persona_refusal_nli', 'persona_refusal_nli_neutral']
    >>> name_tasks(["persona_refusal_nli_contrast"])
    ['persona_refusal_nli_contrast']

    Raises
    ------
    InputError
        For a task that cannot be planned.
    """
    chosen = list(dict.fromkeys(tasks))
    for task in chosen:
        if task not in TASKS:
            raise unknown_name("task to plan", task, TASKS)
    return [*chosen, *(f"{task}_neutral" for task in chosen if task in _USUAL)]


def find_kinds(tasks: Iterable[str]) -> tuple[list[str], str]:
    """Find the kinds of a study's tasks that are asked with personas, and check that they are asked neutrally too.

    Returns
    -------
    kinds : list of str
    setting : {"persona", "contrast"}
        Whether they are contrast tasks.

    Examples
    --------
    >>> find_kinds(["persona_refusal", "persona_refusal_neutral"])
    (['nli', 'politeness', 'offensiveness'], 'persona')
    >>> find_kinds(["persona_refusal_nli_contrast"])
    (['nli'], 'contrast')

    Raises
    ------
    InputError
        If there is none, one lacks its neutral baseline, or contrast tasks are mixed with others.
    """
    named = set(tasks)
    kinds = [kind for kind in KINDS if named & {_GROUP, f"{_GROUP}_{kind}"}]
    in_blocks = [kind for kind in KINDS if named & {f"{_GROUP}_{CONTRAST}", f"{_GROUP}_{kind}_{CONTRAST}"}]
    if kinds and in_blocks:
        raise InputError(
            f"tasks: {_GROUP}_{in_blocks[0]}_{CONTRAST} and {_GROUP}_{kinds[0]} cannot be analysed together; plan a "
            "study of the contrast tasks or one of the others"
        )
    if in_blocks:
        return in_blocks, CONTRAST
    if not kinds:
        raise InputError(f"tasks: none of {', '.join(TASKS)} is among them; a plan needs one")
    for kind in kinds:
        if not named & {f"{_GROUP}_neutral", f"{_GROUP}_{kind}_neutral"}:
            raise InputError(
                f"tasks: {_GROUP}_{kind} lacks its baseline; add {_GROUP}_{kind}_neutral, with which personas are "
                "compared"
            )
    return kinds, "persona"


def name_contrast_tasks(kinds: Sequence[str]) -> str:
    """Return the contrast task of a kind, or the group of all of them."""
    return f"{_GROUP}_{CONTRAST}" if set(kinds) == set(KINDS) else ",".join(f"{_GROUP}_{k}_{CONTRAST}" for k in kinds)


def read_study(path: Path) -> dict[str, Any]:
    """Read the keys and values of a study file, its tasks as a list.

    Parameters
    ----------
    path : Path
        Checked by `refusal_metrics.studies.load_study`.
    """
    read: dict[str, Any] = load_yaml(path, "the YAML file of a study")
    tasks = read["tasks"]
    return read | {"tasks": [tasks] if isinstance(tasks, str) else list(tasks)}


def name_models(names: Iterable[str], backend: str) -> dict[str, dict[str, Any]]:
    """Return the entries of models in a study file.

    Parameters
    ----------
    names : iterable of str
        Folders, or places on the Hugging Face Hub.
    backend : {"hf", "vllm"}

    Returns
    -------
    dict of str to dict
        By the last part of the name.

    Raises
    ------
    InputError
        For another backend, or two models of the same name.
    """
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    models: dict[str, dict[str, Any]] = {}
    for name in names:
        short = name.rstrip("/").rpartition("/")[2]
        if short in models or not short:
            raise InputError(
                f"--models {quoted(name)}: {'is a name twice' if short else 'is no name'}; use a study file"
            )
        models[short] = {"backend": backend, "args": {"pretrained": name}, "batch_size": "auto"}
    return models


def write_block(study: Mapping[str, Any], size: Size, design: str) -> str:
    """Write a study file with the size of a plan.

    Parameters
    ----------
    study : mapping
        Its keys and values, as `persona-refusal run` reads them.
    size : Size
    design : str

    Returns
    -------
    str
        YAML.
    """
    settings = _Lines(study.get("settings") or {})
    settings |= size.as_settings() | {"design": design}
    written = {name: value for name, value in study.items() if name not in ("settings", "models")}
    written |= {"settings": settings, "models": study["models"]}
    return yaml.dump(
        written, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )


class _Lines(dict[str, Any]):
    """A mapping that is written with one entry per line."""


class _Dumper(yaml.SafeDumper):
    """Writes mappings of `_Lines` in block style."""


def _write_lines(dumper: yaml.SafeDumper, data: _Lines) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", dict(data), flow_style=False)


_Dumper.add_representer(_Lines, _write_lines)
