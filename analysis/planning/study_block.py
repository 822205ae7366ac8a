"""The study file of a plan: what `persona-refusal run` reads."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from refusal_metrics.errors import InputError, quoted, unknown_name
from refusal_metrics.prompts import KINDS
from refusal_metrics.reading import load_yaml

from .layout import Size

_GROUP = "persona_refusal"
TASKS = (_GROUP, *(f"{_GROUP}_{kind}" for kind in KINDS))
"""The tasks that can be planned; each stands for itself and its neutral baseline."""

BACKENDS = ("hf", "vllm")
"""The backends whose models are named by their folder or their place on the Hugging Face Hub alone."""


def name_tasks(tasks: Iterable[str]) -> list[str]:
    """Return tasks and their neutral baselines, as a study file names them.

    Examples
    --------
    >>> name_tasks(["persona_refusal_nli"])
    ['persona_refusal_nli', 'persona_refusal_nli_neutral']

    Raises
    ------
    InputError
        For a task that cannot be planned.
    """
    chosen = list(dict.fromkeys(tasks))
    for task in chosen:
        if task not in TASKS:
            raise unknown_name("task to plan", task, TASKS)
    return [*chosen, *(f"{task}_neutral" for task in chosen)]


def find_kinds(tasks: Iterable[str]) -> list[str]:
    """Find the kinds of a study's tasks that are asked with personas, and check that they are asked neutrally too.

    Examples
    --------
    >>> find_kinds(["persona_refusal", "persona_refusal_neutral"])
    ['nli', 'politeness', 'offensiveness']

    Raises
    ------
    InputError
        If there is none, or one lacks its neutral baseline.
    """
    named = set(tasks)
    kinds = [kind for kind in KINDS if named & {_GROUP, f"{_GROUP}_{kind}"}]
    if not kinds:
        raise InputError(f"tasks: none of {', '.join(TASKS)} is among them; a plan needs one")
    for kind in kinds:
        if not named & {f"{_GROUP}_neutral", f"{_GROUP}_{kind}_neutral"}:
            raise InputError(
                f"tasks: {_GROUP}_{kind} lacks its baseline; add {_GROUP}_{kind}_neutral, with which personas are "
                "compared"
            )
    return kinds


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
    settings = dict(study.get("settings") or {})
    settings |= size.as_settings() | {"design": design}
    written = {name: value for name, value in study.items() if name not in ("settings", "models")}
    written |= {"settings": settings, "models": study["models"]}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
