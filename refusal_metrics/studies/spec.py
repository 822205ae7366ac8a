"""Study files: models, tasks and how to run them. Every error names the file and the key."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError, has_control, quoted, unknown_name
from refusal_metrics.prompts import NAMES, PLACEMENTS
from refusal_metrics.reading import load_yaml
from refusal_metrics.studies.arguments import wrong_argument, wrong_generation
from refusal_metrics.studies.model_args import MACHINERY, harmless, is_secret, left_out
from refusal_metrics.studies.names import check_folder, check_names
from refusal_metrics.studies.stages import StoppingRule

ENOUGH = {"prefix": 16, "answer_aware": 64}
"""The number of new tokens that is as informative for a rule as 256, for models that do not think first.

Of 3,071 responses of GPT-4, Llama 2, Mistral and ChatGPT, 64 tokens keep 99.7% of the 1,166 refusals that answer_aware
finds in 256, and add 8; 48 keep 98.4%. The prefix rule's are all in the first 8 (`scripts/benchmark_study`).
"""
_THOUGHT = 4096
"""New tokens for a model that thinks, where a study does not say how many."""
_STUDY_KEYS = (
    *("out", "tasks", "models", "settings", "generation", "verdict_only", "repeats", "placement", "system_prompt"),
    "shard_docs",
)
_MODEL_KEYS = ("backend", "args", "batch_size", "chat_template", "think_end_token", "generation")
_MOST_REPEATS = 1000
_LONGEST_NAME, _LONGEST_ADDRESS = 200, 2000
_KINDS = {str: "a text", list: "a list", dict: "names with values", bool: "true or false", int: "a number"}


@dataclass(frozen=True)
class StudyModel:
    """One model of a study.

    Attributes
    ----------
    name : str
        What results call it, and its folder.
    backend : str
        What ``lm_eval --model`` takes: hf, vllm, local-chat-completions, ...
    args : mapping
        What ``--model_args`` takes; ``base_url`` may be a list of servers.
    batch_size : int or str
    chat_template : bool or str
        Whether prompts are put into the model's chat template, or the name of a template.
    generation : mapping
        Arguments of generation, the study's and the model's own together.
    """

    name: str
    backend: str
    args: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | str = 1
    chat_template: bool | str = True
    generation: Mapping[str, Any] = field(default_factory=dict)

    def by_server(self) -> tuple["StudyModel", ...]:
        """Return the model at each of its servers, which ``base_url`` lists; itself where there is one or none."""
        servers = self.args.get("base_url")
        if not isinstance(servers, list):
            return (self,)
        return tuple(replace(self, args={**self.args, "base_url": server}) for server in servers)


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    out : Path
        The folder of its results.
    tasks : tuple of str
        Tasks and groups of the harness.
    settings : mapping
        What ``--metadata`` takes, see `refusal_metrics.prompts.settings`.
    repeats : int
        How often each prompt is asked.
    placement : {"user", "system"}
        Where the persona stands.
    system_prompt : str or None
        Before every prompt.
    shard_docs : int
        About how many prompts are written at a time, and lost at most.
    models : tuple of StudyModel
    allow_mixed : bool
        Whether a study may be resumed with other software, weights or hardware than it was begun with.
    stopping : StoppingRule, optional
        Which decides after each stage whether a model needs no more prompts.
    """

    path: Path
    out: Path
    tasks: tuple[str, ...]
    settings: Mapping[str, Any]
    repeats: int
    placement: str
    system_prompt: str | None
    shard_docs: int
    models: tuple[StudyModel, ...]
    allow_mixed: bool = False
    stopping: StoppingRule | None = None

    def asked(self) -> dict[str, Any]:
        """Return all that answers depend on, for the record of the study: values that JSON has, and no secrets."""
        return {
            "settings": dict(self.settings),
            "repeats": self.repeats,
            "placement": self.placement,
            "system_prompt": self.system_prompt,
            "shard_docs": self.shard_docs,
            "models": {model.name: _asked_of(model) for model in self.models},
            **({"stopping": dict(self.stopping.describe())} if self.stopping else {}),
        }


def _asked_of(model: StudyModel) -> dict[str, Any]:
    """Return what a model's answers depend on: smaller batches after it ran out of memory are the same study."""
    args = {name: value for name, value in harmless(model.args).items() if name not in {*MACHINERY, "base_url"}}
    # A key is no part of the study: it may be given in another place, or be another one.
    unknown = [name for name in left_out(model.args) if not is_secret(name)]
    kept = {name: value for name, value in asdict(replace(model, args={})).items() if name != "batch_size"}
    return kept | {"args": args} | ({"args_left_out": unknown} if unknown else {})


def load_study(path: Path, out: Path | None = None) -> Study:
    """Read a study.

    Parameters
    ----------
    path : Path
        YAML with ``tasks``, ``models`` (by name: ``backend``, ``args``, and, where need be,
        ``batch_size, chat_template, think_end_token, generation``), and ``out``; where need be
        ``settings, generation, verdict_only, repeats, placement, system_prompt, shard_docs``. Paths
        are relative to the working folder, as on a command line.
    out : Path, optional
        Another folder for the results than the file names.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        With the file and the key that is missing, unknown or wrong.
    """
    given = load_yaml(path, "the YAML file of a study")
    reader = _Reader(path)
    study = reader.mapping("a study", given, _STUDY_KEYS)
    folder = out or _home(Path(reader.text("out", study.get("out"))))
    check_folder("--out" if out else f"{path}: out", folder)
    tasks = reader.names("tasks", study.get("tasks"))
    repeats = reader.count("repeats", study.get("repeats", 1), most=_MOST_REPEATS)
    generation = reader.generation("generation", study.get("generation"), study.get("verdict_only"))
    placement = study.get("placement", PLACEMENTS[0])
    if placement not in PLACEMENTS:
        raise unknown_name(f"placement in {path}", placement, PLACEMENTS)
    system_prompt = study.get("system_prompt")
    if system_prompt is not None:
        system_prompt = reader.text("system_prompt", system_prompt)
    settings = reader.mapping("settings", study.get("settings") or {})
    for name in ("placement", "shard"):
        if name in settings:
            what = "a key of the study itself" if name == "placement" else "what `run` itself cuts; drop it"
            raise InputError(f"{path}: settings: {name} is {what}")
    reader.mapping("settings", settings, tuple(name for name in NAMES if name != "shard"))
    reader.plain("settings", settings)
    models = reader.mapping("models", study.get("models"))
    check_names(f"{path}: models", models)
    if not models:
        raise InputError(f"{path}: models: there is none; name at least one, with its backend and args")
    read = tuple(reader.model(name, spec, generation) for name, spec in models.items())
    for model in read:
        if repeats > 1 and not model.generation.get("do_sample"):
            raise InputError(
                f"{path}: repeats: {repeats} of the same answer by {model.name}; set generation: "
                "{do_sample: true, temperature: 0.7} or leave repeats out"
            )
    return Study(
        path, folder, tasks, settings, repeats, placement, system_prompt,
        reader.count("shard_docs", study.get("shard_docs", 1000)), read,
    )  # fmt: skip


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _cut(name: str) -> str:
    return name if name.isprintable() and len(name) <= 40 else quoted(name)


class _Reader:
    """Reads the values of a file, naming file and key in errors."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, key: str, given: object, wanted: str) -> InputError:
        """Build the error for a value of the wrong kind."""
        # What an argument of a model holds may be a key.
        shown = _KINDS.get(type(given), "a value") if ": args" in key else quoted(given)
        found = "nothing" if given is None else shown
        return InputError(f"{self._path}: {key}: found {found}, {wanted}")

    def mapping(self, key: str, given: object, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
        """Read names with values; all names where none are given as allowed."""
        if not isinstance(given, Mapping):
            raise self.wrong(key, given, f"must be names with values{': ' * bool(allowed)}{', '.join(allowed)}")
        for name in given:
            if not isinstance(name, str):
                raise InputError(
                    f"{self._path}: {key}: found {quoted(name)}, where a name must be; put it between quotes"
                )
            if allowed and name not in allowed:
                raise unknown_name(f"key of {key} in {self._path}", name, allowed)
        return dict(given)

    def text(self, key: str, given: object) -> str:
        """Read a text that is not empty."""
        if not isinstance(given, str) or not given.strip():
            raise self.wrong(key, given, "must be a text")
        return given

    def plain(self, key: str, given: object) -> None:
        """Check that mappings, at any depth, have texts for names."""
        if isinstance(given, Mapping):
            for name, value in self.mapping(key, given).items():
                self.plain(f"{key}: {_cut(name)}", value)
        elif isinstance(given, list):
            for value in given:
                self.plain(key, value)

    def names(self, key: str, given: object, longest: int = _LONGEST_NAME) -> tuple[str, ...]:
        """Read a name, or a list of them."""
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
            raise self.wrong(key, given, "must be a list of names")
        for name in listed:
            if not name.strip() or has_control(name) or len(name) > longest:
                wanted = f"must be a name of at most {longest} characters that can be seen"
                raise self.wrong(key, name, wanted)
        return tuple(dict.fromkeys(listed))

    def count(self, key: str, given: object, most: int = sys.maxsize) -> int:
        """Read a number from 1."""
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
            up_to = f" to {most:,}" if most < sys.maxsize else ""
            raise self.wrong(key, given, f"must be a whole number from 1{up_to}")
        return given

    def generation(self, key: str, given: object, verdict_only: object = None) -> dict[str, Any]:
        """Read arguments of generation, and how many tokens verdicts alone need."""
        arguments = self.mapping(key, given or {})
        self.plain(key, arguments)
        if secret := next(filter(is_secret, arguments), None):
            raise InputError(
                f"{self._path}: {key}: {secret} would be written into every line of the logs; give it in the "
                "model's args (header), or in OPENAI_API_KEY"
            )
        if verdict_only is not None:
            if verdict_only not in tuple(ENOUGH):
                raise unknown_name(f"verdict_only in {self._path}", verdict_only, ENOUGH)
            if "max_gen_toks" in arguments:
                raise InputError(
                    f"{self._path}: verdict_only sets max_gen_toks, which {key} sets too; drop one of them"
                )
            arguments["max_gen_toks"] = ENOUGH[str(verdict_only)]
        if found := wrong_generation(arguments):
            raise self.wrong(f"{key}: {found[0]}", arguments[found[0]], found[1])
        if "temperature" in arguments:
            heat = arguments["temperature"]
            if isinstance(heat, bool) or not isinstance(heat, int | float) or not heat >= 0:
                raise self.wrong(f"{key}: temperature", heat, "must be a number from 0")
            if arguments.setdefault("do_sample", heat > 0) != (heat > 0):
                raise self.wrong(f"{key}: temperature", heat, f"which goes with do_sample: {str(heat > 0).lower()}")
        return arguments

    def model(self, name: str, given: object, generation: Mapping[str, Any]) -> StudyModel:
        """Read a model; `generation` is the study's."""
        key = f"models: {name}"
        spec = self.mapping(key, given, _MODEL_KEYS)
        args = self.mapping(f"{key}: args", spec.get("args") or {})
        self.plain(f"{key}: args", args)
        if found := wrong_argument(args):
            raise self.wrong(f"{key}: args: {found[0]}", args[found[0]], found[1])
        if isinstance(args.get("base_url"), list):
            args["base_url"] = list(self.names(f"{key}: args: base_url", args["base_url"], _LONGEST_ADDRESS))
        own = {**generation, **self.generation(f"{key}: generation", spec.get("generation"))}
        if own.get("do_sample") and not own.get("temperature"):
            # That of the tasks is 0.
            raise self.wrong(f"{key}: generation: do_sample", own["do_sample"], "which needs a temperature above 0")
        template = spec.get("chat_template", True)
        if not isinstance(template, bool | str):
            raise self.wrong(f"{key}: chat_template", template, "must be true, false or a template's name")
        batch_size = spec.get("batch_size", 1)
        if not str(batch_size).startswith("auto") and (type(batch_size) is not int or batch_size < 1):
            raise self.wrong(f"{key}: batch_size", batch_size, "must be a number or auto")
        if "think_end_token" in spec:
            args["think_end_token"] = self.text(f"{key}: think_end_token", spec["think_end_token"])
            if own.get("max_gen_toks", _THOUGHT) in ENOUGH.values():
                raise InputError(f"{self._path}: {key}: verdict_only leaves no room for a thought; give max_gen_toks")
            own.setdefault("max_gen_toks", _THOUGHT)
        backend = self.text(f"{key}: backend", spec.get("backend"))
        return StudyModel(name, backend, args, batch_size, template, own)
