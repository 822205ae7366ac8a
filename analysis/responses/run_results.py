"""The results files of runs: models, settings, weights and software."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from refusal_metrics.studies import MACHINERY, SECRET

_NAMES_OF_MODELS = frozenset({"pretrained", "model", "tokenizer", "gguf_file", "path", "base_url", "engine"})
"""Arguments that identify the model and are not settings."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_REMOTE = re.compile(r"[a-z][a-z0-9+]+://")

_APIS = re.compile(r"completions|^(anthropic|openai|textsynth|watsonx|ibm|gemini|bedrock|litellm|gguf|ggml)")
"""The harness's models that send a temperature to a server and drop `do_sample`."""

_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""One setting under several names, in the harness's order."""

_OF_SAMPLING = frozenset({"temperature", "top_p", "top_k", "min_p", "typical_p", "do_sample"})

_WEIGHTS = ("model_sha", "model_revision", "model_num_parameters", "model_dtype")
_PACKAGES = ("persona-refusal", "lm_eval", "vllm", "transformers", "torch", "datasets", "rules")
_LONGEST = 100
"""How many characters of a version are kept."""


@dataclass(frozen=True)
class Facts:
    """The contents of a run's results file.

    Attributes
    ----------
    model : str or None
        Its name, as it was given.
    source : str
        The harness's kind of model: ``hf``, ``vllm``, ``local-chat-completions``.
    settings : mapping of str to str
        Arguments on which its answers depend besides the docs and the arguments of generation.
    generation : mapping of str to object
        The arguments of generation that were asked for.
    own_design : bool
        Whether its personas or templates come from a file of the user's.
    checksum : str or None
        BLAKE2b of the sample log as it was written.
    weights : mapping of str to str
        What identifies the model's weights.
    software : mapping of str to str
        Versions of packages and of the detection rules.
    git_hash : str or None
        Of the folder in which the harness ran.
    task_version : str or None
    chat_template : str or None
        SHA-256 of the chat template.
    n_asked, n_docs : int or None
        How many docs of the task were asked, and how many there are.
    limited : bool
        Whether the run was made with a limit.
    unreadable : bool
        Whether there is a results file that cannot be read.
    of_study : bool
        Whether `persona-refusal run` wrote it; it seeds each shard separately, so its seed is not a setting.
    """

    model: str | None = None
    source: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    own_design: bool = False
    checksum: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    git_hash: str | None = None
    task_version: str | None = None
    chat_template: str | None = None
    n_asked: int | None = None
    n_docs: int | None = None
    limited: bool = False
    unreadable: bool = False
    of_study: bool = False


class ResultsFiles:
    """The results files of runs, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[dict[str, Any], bool]] = {}

    def of(self, folder: str, date: str, task: str) -> Facts:
        """Read the results of a log's run.

        Parameters
        ----------
        folder, date, task : str
            Of the log, as its path names them.

        Returns
        -------
        Facts
        """
        key = (folder, date)
        if key not in self._read:
            self._read[key] = _load(folder, date)
        run, is_damaged = self._read[key]
        return _facts(run, task, is_damaged=is_damaged)


def settings_in_effect(facts: Facts, asked: Mapping[str, Any] | None, *, is_chat: bool = False) -> dict[str, str]:
    """Return the effective settings as a flat mapping.

    Parameters
    ----------
    facts : Facts
    asked : mapping or None
        The generation arguments of a sample; None if its log does not have them.
    is_chat : bool
        Whether the sample was asked with a list of messages.

    Returns
    -------
    dict of str to str

    Notes
    -----
    The harness decodes greedily if ``do_sample`` is false, whatever the temperature; chat APIs drop ``do_sample``
    and use the temperature (``lm_eval.models.utils.normalize_gen_kwargs``).
    """
    given = {**facts.generation, **(asked or {})}
    if facts.of_study:
        given.pop("seed", None)
    is_api = bool(_APIS.search(facts.source)) or (is_chat and facts.source in ("", "dummy"))
    return {**facts.settings, **_shown(_generation(given, is_api=is_api))}


def _generation(given: dict[str, Any], *, is_api: bool) -> dict[str, Any]:
    order = ("max_tokens", *_LENGTHS) if is_api else _LENGTHS
    lengths = [given[name] for name in order if given.get(name) is not None]
    for name in _LENGTHS:
        given.pop(name, None)
    if lengths:
        given["max_gen_toks"] = lengths[0]
    until = given.pop("until", None)
    if until:
        given["until"] = json.dumps([until] if isinstance(until, str) else until, ensure_ascii=False, default=str)
    sampled = given.pop("do_sample", None)
    if is_api or (sampled is None and "temperature" not in given):
        return given
    is_greedy = str(sampled).lower() == "false" or (sampled is None and _is_zero(given["temperature"]))
    if is_greedy:
        return {name: value for name, value in given.items() if name not in _OF_SAMPLING} | {"temperature": 0}
    return given | ({} if sampled is None else {"do_sample": sampled})


def _is_zero(value: object) -> bool:
    try:
        return float(str(value)) == 0
    except ValueError:
        return False


def _shown(given: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: _plain(str(value))
        for name, value in given.items()
        if isinstance(value, str | int | float) and name not in _NAMES_OF_MODELS | MACHINERY and not SECRET.search(name)
    }


def _load(folder: str, date: str) -> tuple[dict[str, Any], bool]:
    """Read the results of a run, and whether there are some that cannot be read."""
    is_damaged = False
    for text in _far_texts(folder, date) if _REMOTE.match(folder) else _near_texts(folder, date):
        try:
            run = json.loads(text)
        except (ValueError, RecursionError):
            is_damaged = True
            continue
        if isinstance(run, dict):
            return run, False
        is_damaged = True
    return {}, is_damaged


def _far_texts(folder: str, date: str) -> list[str]:
    try:
        rows = duckdb.connect().execute("SELECT content FROM read_text($1)", [f"{folder}/*_{date}.json"]).fetchall()
    except duckdb.Error:
        return []  # the logs may be readable where the results are not
    return [text for (text,) in rows]


def _near_texts(folder: str, date: str) -> Iterable[str]:
    for path in sorted(Path(folder).iterdir()):
        if path.name.endswith(f"_{date}.json") and not path.name.startswith("samples_") and path.is_file():
            with suppress(OSError):
                yield path.read_text(encoding="utf-8", errors="replace")


def _facts(run: Mapping[str, Any], task: str, *, is_damaged: bool) -> Facts:
    config = _mapping(run.get("config"))
    of_task = _mapping(_mapping(run.get("configs")).get(task))
    # The task's own arguments, then the command line's, which most versions have merged into them.
    generation = _arguments(of_task.get("generation_kwargs")) | _arguments(config.get("gen_kwargs"))
    settings = _arguments(config.get("model_args"))
    named = {"system_prompt": run.get("system_instruction"), "chat_template": run.get("chat_template_sha")}
    # What `persona-refusal run` adds to the harness's results.
    named |= {name: run[name] for name in ("repeat", "placement") if isinstance(run.get(name), str | int)}
    left_out = _NAMES_OF_MODELS | MACHINERY
    shown = {
        name: str(value)
        for name, value in settings.items()
        if isinstance(value, str | int | float) and name not in left_out and not SECRET.search(name)
    }
    if "repeat" in run:
        shown.pop("seed", None)
    shown |= {name: str(value) for name, value in named.items() if value}
    model = run.get("model_name")
    checksum = run.get("samples_blake2b")
    metadata = _mapping(of_task.get("metadata")) | _mapping(config.get("metadata"))
    template = run.get("chat_template_sha")
    sizes = _mapping(_mapping(run.get("n-samples")).get(task))
    return Facts(
        model=(model.rstrip("/") or model) if isinstance(model, str) and model else None,
        source=str(config.get("model") or run.get("model_source") or ""),
        settings=shown,
        generation=generation,
        own_design=any(str(metadata.get(name)).endswith((".yaml", ".yml")) for name in ("personas", "templates")),
        checksum=checksum if isinstance(checksum, str) else None,
        weights=_weights(run, config),
        software=_software(run),
        git_hash=_version(run.get("git_hash")),
        task_version=_version(_mapping(run.get("versions")).get(task)),
        chat_template=template if isinstance(template, str) else None,
        n_asked=_whole(sizes.get("effective")),
        n_docs=_whole(sizes.get("original")),
        limited=bool(config.get("limit")),
        unreadable=is_damaged,
        of_study="repeat" in run,
    )


def _version(value: object) -> str | None:
    return str(value)[:_LONGEST] if isinstance(value, str | int | float) and value != "" else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _weights(run: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    known = {name: run.get(name) or config.get(name) for name in _WEIGHTS} | {
        f"model_{name.removeprefix('model_')}": value
        for name, value in _mapping(run.get("versions")).items()
        if name in ("model_revision", "model_dtype", "model_sha", "weights")
    }
    return {name: version for name, value in known.items() if (version := _version(value))}


def _software(run: Mapping[str, Any]) -> dict[str, str]:
    # The harness's own `versions` are those of tasks.
    told = _mapping(run.get("versions"))
    known = {name: told[name] for name in _PACKAGES if name in told}
    for name in ("lm_eval", "transformers"):
        known.setdefault(name, run.get(f"{name}_version"))
    return {name: version for name, value in known.items() if (version := _version(value))}


def differing_facts(facts: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """List the names whose values differ, with all of their values.

    Parameters
    ----------
    facts : sequence of mapping of str to str

    Returns
    -------
    dict of str to list of str
        Names, each with at least two values, sorted.
    """
    values: dict[str, set[str]] = {}
    for told in facts:
        for name, value in told.items():
            values.setdefault(name, set()).add(value)
    return {name: sorted(found) for name, found in values.items() if len(found) > 1}


def _mapping(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _arguments(given: object) -> dict[str, Any]:
    """Read arguments that are logged as a mapping or as ``a=1,b=2``."""
    if isinstance(given, str):
        parts = (part.strip().split("=", 1) for part in given.split(",") if "=" in part)
        return {part[0].strip(): part[1].strip() for part in parts}
    return {str(name): value for name, value in _mapping(given).items() if value is not None}


def _plain(value: str) -> str:
    """Normalise a value: 0.0 and 0 are the same temperature, True and true the same choice."""
    if _NUMBER.fullmatch(value):
        return f"{float(value):.15g}"
    return value.capitalize() if value.lower() in {"true", "false", "none"} else value
