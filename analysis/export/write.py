"""Writing records for other tools."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from refusal_metrics.errors import InputError, has_control, quoted, unknown_name

from ..files import check_folder, replace_folder
from . import every_eval_ever, hub
from .records import ModelRecord
from .tools import Tool

RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
"""What an evaluator can be to a model's developer, in the words of Every Eval Ever."""

_FORBIDDEN = frozenset('<>:"\\|?*')
"""Characters that not every file system allows in a name."""
_RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})


@dataclass(frozen=True)
class Target:
    """Where results are published, and what the other side has to know.

    Attributes
    ----------
    tool : Tool
    organization : str
        Who evaluated the models; needed by Every Eval Ever.
    relationship : str
        What they are to the models' developers, one of `RELATIONSHIPS`.
    dataset : str
        For the Hub: the benchmark dataset. Without it there is no ``.eval_results``.
    url : str
        A page about the evaluation.
    model_ids : mapping of str to str
        By the names of models in the responses, what they are called on the Hub.
    """

    tool: Tool
    organization: str = ""
    relationship: str = "third_party"
    dataset: str = ""
    url: str = ""
    model_ids: Mapping[str, str] = field(default_factory=dict)


def check_target(target: Target, out: Path, *, force: bool) -> None:
    """Check, before anything is read, what an export needs.

    Raises
    ------
    InputError
        If the folder cannot be written, the evaluator is missing, or an id is none of the Hub.
    """
    check_folder(out, force=force, find_ours=_none)
    if target.tool is Tool.EVERY_EVAL_EVER and not target.organization.strip():
        raise InputError("--to every-eval-ever: needs --organization, the name of who evaluated the models; add it")
    if target.tool is Tool.EVERY_EVAL_EVER and target.dataset:
        raise InputError("--dataset: is of --to eval-results only; leave it out")
    if target.relationship not in RELATIONSHIPS:
        raise unknown_name("relationship", target.relationship, RELATIONSHIPS)
    if target.dataset:
        _check_id(f"--dataset {target.dataset}", target.dataset)
    for model, named in target.model_ids.items():
        _check_id(f"--model-ids {model}={named}", named)
    for option, value in {"--organization": target.organization, "--url": target.url}.items():
        if has_control(value):
            raise InputError(f"{option} {quoted(value)}: has control characters; remove them")
    if target.url and not target.url.startswith(("http://", "https://")):
        raise InputError(f"--url {quoted(target.url)}: is no address; give one that starts with https://")


def write_export(records: Sequence[ModelRecord], target: Target, out: Path, *, force: bool = False) -> list[Path]:
    """Write records to a folder.

    Parameters
    ----------
    records : sequence of ModelRecord
        See `refusal_metrics.analysis.export.records.collect_records`.
    target : Target
    out : Path
        A folder that does not exist or is empty; with `force` one that was written before, whose files are replaced.
    force : bool

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If the folder cannot be written, a name in ``model_ids`` is of no model, or a model's name cannot be that of a
        folder.
    """
    check_target(target, out, force=force)
    models = [record.model for record in records]
    for model in target.model_ids:
        if model not in models:
            raise unknown_name("model", model, models)
    ids = {model: target.model_ids.get(model, model) for model in models}
    folders = {model: _folder(ids[model]) for model in models}
    if doubled := [model for model in models if list(folders.values()).count(folders[model]) > 1]:
        raise InputError(
            f"{', '.join(doubled)}: would be written to the same folder, {folders[doubled[0]]}; give each an id of its "
            "own with --model-ids"
        )
    written = []
    with replace_folder(out, force=force, find_ours=_none) as made:
        for record in records:
            for name, text in _files(record, target, ids[record.model], folders[record.model]):
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_text(text, encoding="utf-8")
                written.append(out / name)
    return written


def _files(record: ModelRecord, target: Target, model_id: str, folder: str) -> Iterator[tuple[str, str]]:
    """List the files of a model: their paths and contents."""
    if target.tool is Tool.EVERY_EVAL_EVER:
        if "/" not in model_id:
            raise InputError(
                f"{record.model}: names no developer, which Every Eval Ever needs; give its id on the Hub, e.g. "
                f"--model-ids {record.model}=DEVELOPER/{record.model}"
            )
        made = every_eval_ever.make_record(
            record,
            model_id,
            organization=target.organization,
            relationship=target.relationship,
            url=target.url,
            timestamp=int(time.time()),
        )
        text = json.dumps(made, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        yield every_eval_ever.file_of(made, folder), text
        return
    index = hub.make_model_index(record, model_id.rpartition("/")[2], target.dataset, target.url, target.organization)
    yield f"{folder}/{hub.INDEX_FILE}", _yaml({"model-index": index})
    if target.dataset:
        entries = hub.list_eval_results(record, target.dataset, target.url, target.organization)
        yield f"{folder}/{hub.RESULTS_FILE}", _yaml(entries)


def _yaml(content: object) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def _folder(model_id: str) -> str:
    """Return the folder of a model, DEVELOPER/MODEL, of which MODEL has no slash.

    The names are those that the validator of Every Eval Ever expects.
    """
    developer, _, model = model_id.partition("/")
    parts = [developer, model.replace("/", "_")] if model else [developer]
    parts = [part.replace(":", "_") for part in parts]
    for part in parts:
        _check_part(f"model {quoted(model_id)}", part, "; give its id on the Hub with --model-ids")
    return "/".join(parts)


def _check_id(what: str, named: str) -> None:
    """Check that an id has the form OWNER/NAME."""
    owner, slash, name = named.partition("/")
    if not (slash and owner and name):
        raise InputError(f"{what}: is not OWNER/NAME, as on the Hub; give e.g. acme/parrot-7b")
    for part in (owner, *name.split("/")):
        _check_part(what, part, "; give its id on the Hub")


def _check_part(what: str, part: str, advice: str) -> None:
    if (
        not part.strip()
        or part in {".", "..", "data"}
        or part.lower() == "unknown"
        or part.endswith((".", " "))
        or part != part.strip()
        or has_control(part)
        or _FORBIDDEN & set(part.replace(":", ""))
        or part.partition(".")[0].upper() in _RESERVED
    ):
        raise InputError(f"{what}: cannot be the name of a folder{advice}")


def _none(_: Path) -> None:
    """List no files of earlier versions, which wrote no exports."""
