"""Check that a study is resumed under the conditions that it began with, so that different responses are not mixed.

A change that can change responses is an error: of the harness, the engine and its arithmetic, the weights, the chat
template, the accelerator, the version of the tasks, or this package, which writes the prompts. A change that affects
only verdicts is reported, because logs of another version of the rules are judged again when they are read.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.studies.spec import Study, StudyModel

_ALWAYS = ("persona-refusal", "lm_eval")
_ENGINES = {
    "hf": ("transformers", "torch"),
    "vllm": ("vllm", "transformers", "torch"),
    "sglang": ("sglang", "transformers", "torch"),
    "dummy": (),
    "gguf": (),
    "textsynth": (),
}
"""The packages that compute the answers of a backend, by how its name begins; those of other backends: all."""
_EVERY_ENGINE = ("vllm", "sglang", "transformers", "torch")
_SERVED = ("completions", "anthropic", "-chat", "watsonx", "litellm", "textsynth", "gguf")
"""In the names of backends that compute nothing on this machine."""
_NO_ANSWERS = ("run.log",)


def check_resumed(
    study: Study,
    models: Iterable[StudyModel],
    tasks: Mapping[str, Mapping[str, Any]],
    record: Mapping[str, Any],
    now: Mapping[str, str],
) -> list[str]:
    """Check, before anything is loaded, that a study is resumed with the software that it was begun with.

    Parameters
    ----------
    study : Study
    models : iterable of StudyModel
        Those that have prompts left.
    tasks : mapping of str to mapping
        What is known of each task now, with its ``version``.
    record : mapping
        Of the study, see `refusal_metrics.studies.folder.StudyFolder.record`.
    now : mapping of str to str
        Versions, see `refusal_metrics.studies.environment.versions`.

    Returns
    -------
    list of str
        What is to be said, a sentence each.

    Raises
    ------
    InputError
        If something that can change answers is another, and the study does not allow it.
    """
    where = study.out
    said: dict[str, None] = {}
    for model in models:
        begun = record.get("runs", {}).get(model.name, {}).get("versions")
        if not isinstance(begun, Mapping) or not has_answers(where, model.name):
            continue
        differs = _differing(begun, now, _packages(model.backend))
        before = record.get("tasks", {})
        differs += [
            f"{name} version {_version(before[name])} (now {_version(task)})"
            for name, task in tasks.items()
            if name in before and _version(before[name]) not in (None, _version(task))
        ]
        if (rules := _edited_rules(begun, now)) is not None:
            differs += rules
            if not rules:
                said[
                    f"{where}: begun with detection rules {begun['rules']}, and these are {now['rules']}; responses "
                    "judged by the former are judged again when they are read."
                ] = None
        _refuse_or_say(f"{where}: {model.name}", differs, said, allow_mixed=study.allow_mixed)
    return list(said)


def join_runs(
    study: Study, model: StudyModel, described: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Check that a model that has been loaded is what the record says, and give what is to be recorded.

    Parameters
    ----------
    study : Study
    model : StudyModel
    described : mapping
        See `refusal_metrics.studies.environment.describe_run`.
    known : mapping
        The record of the model's run so far; empty at first.

    Returns
    -------
    dict
        `described`, with ``mixed``, a list of what the model was run with before, where that differs.

    Raises
    ------
    InputError
        If something that can change answers is another, and the study does not allow it.
    """
    where, backend = study.out, model.backend
    if not known.get("versions") or not has_answers(where, model.name):
        return dict(described)
    differs = _differing(known["versions"], described["versions"], _packages(backend))
    rules = _edited_rules(known["versions"], described["versions"])
    differs += rules or []
    names = {"model_revision": "revision", "model_dtype": "dtype", "weights": "weights (checksum)"}
    if not is_served(backend):
        names["n_parameters"] = "number of parameters"
        names["chat_template_sha256"] = "chat template (sha256)"
    for field, name in names.items():
        was, is_now = known.get(field), described.get(field)
        if was is not None and is_now is not None and was != is_now:
            differs.append(f"{name} {_shown(was)} (now {_shown(is_now)})")
    if not is_served(backend):
        was, is_now = _accelerators(known), _accelerators(described)
        if was != is_now:
            differs.append(f"hardware {was} (now {is_now})")
    _refuse_or_say(f"{where}: {model.name}", differs, {}, allow_mixed=study.allow_mixed)
    mixed = list(known.get("mixed", []))
    if differs or rules is not None:
        fields = ("versions", *names, "hardware")
        mixed.append({field: known[field] for field in fields if field in known})
    return {**described, **({"mixed": mixed} if mixed else {})}


def has_answers(where: Path, model: str) -> bool:
    """Return whether anything has been kept of a model's answers.

    Parameters
    ----------
    where : Path
    model : str

    Returns
    -------
    bool
    """
    try:
        return any(file.is_file() and file.name not in _NO_ANSWERS for file in (where / model).rglob("*"))
    except OSError:
        return True


def is_served(backend: str) -> bool:
    """Return whether a backend asks a server, so that this machine's engines and hardware change nothing.

    Parameters
    ----------
    backend : str

    Returns
    -------
    bool
    """
    return any(part in backend for part in _SERVED)


def _packages(backend: str) -> tuple[str, ...]:
    if is_served(backend):
        return _ALWAYS
    found = (packages for begin, packages in _ENGINES.items() if backend.startswith(begin))
    return (*_ALWAYS, *next(found, _EVERY_ENGINE))


def _differing(begun: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """List the packages of another version; one that is not recorded was not installed.

    Records without rules are older, and name fewer packages.
    """
    names = [name for name in names if name in begun or "rules" in begun]
    return [
        f"{name} {_shown(begun.get(name, 'not installed'))} (now {_shown(now.get(name, 'not installed'))})"
        for name in names
        if begun.get(name) != now.get(name)
    ]


def _edited_rules(begun: Mapping[str, Any], now: Mapping[str, Any]) -> list[str] | None:
    """Return None for the same rules, an empty text for another version, and the change for an edited version.

    Logs name the version alone, so that verdicts of an edited rule could not be distinguished.
    """
    was, is_now = str(begun.get("rules", "")), str(now.get("rules", ""))
    if not was or was == is_now:
        return None
    is_version = was.partition("+")[0] != is_now.partition("+")[0]
    return [] if is_version else [f"detection rules {was} (now {is_now})"]


def _refuse_or_say(where: str, differs: list[str], said: dict[str, None], *, allow_mixed: bool) -> None:
    if not differs:
        return
    found = f"{where} was begun with {'; '.join(differs)}"
    if not allow_mixed:
        raise InputError(
            f"{found}; answers of both must not mix: name another folder with --out, restore what it was begun with, "
            "or pass --allow-mixed"
        )
    said[f"{found}; both are recorded."] = None


def _version(task: Mapping[str, Any]) -> object:
    return task.get("version") if isinstance(task, Mapping) else None


def _accelerators(described: Mapping[str, Any]) -> str:
    """Name the kinds of accelerators, or of the processor, however many there are."""
    hardware = described.get("hardware") or {}
    return ", ".join(sorted(set(hardware.get("accelerators", ())))) or f"{hardware.get('machine')} processor"


def _shown(value: object) -> str:
    return str(value)[:40]
