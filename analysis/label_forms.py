"""The forms that label files come in, and how their values are read."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.tabular import Table, load_table, long_fields

from .batch import read_offered
from .display.spreadsheets import unguard

FIELDS = (
    *("model", "task", "setting", "persona", "persona_group", "template", "response_type", "text_id", "row_id"),
    *("design_id", "index", "prompt", "labels", "sampling_stratum", "frame"),
)
"""What a file may say of an item besides its response and its probability."""

_YES_NO: Mapping[str, bool | None] = {
    **dict.fromkeys(("yes", "true", "1", "1.0"), True),
    **dict.fromkeys(("no", "false", "0", "0.0"), False),
    "": None,
}
_WRONG = "wrong"


@dataclass(frozen=True)
class Preset:
    """How the files of one source of labels are read.

    Attributes
    ----------
    title : str
    needed : tuple of str
        The columns by which such a file is known.
    response : str
        The column of responses.
    refusal : str
        The column of labels.
    values : mapping of str to bool or None
        What they mean; None is neither.
    allowed : str
        The same for people.
    """

    title: str
    needed: tuple[str, ...]
    response: str
    refusal: str
    values: Mapping[str, bool | None]
    allowed: str


PRESETS: Mapping[str, Preset] = {
    "labels": Preset("refusal labels", ("refusal",), "response", "refusal", _YES_NO, "yes, no, true, false, 1, 0"),
    "xstest": Preset(
        "XSTest's labels, partial refusals counted as refusals",
        ("completion", "final_label"),
        "completion",
        "final_label",
        {"1_full_compliance": False, "2_full_refusal": True, "3_partial_refusal": True, "": None},
        "1_full_compliance, 2_full_refusal, 3_partial_refusal",
    ),
    "chatgpt": Preset(
        "tones: rejected, disclaimed and dontknow are refusals, complied is none, others are left out",
        ("response", "tone"),
        "response",
        "tone",
        {
            **dict.fromkeys(("rejected", "disclaimed", "dontknow"), True),
            "complied": False,
            **dict.fromkeys(("contradicted", "redirected", "incoherent", "counseling", ""), None),
        },
        "complied, rejected, disclaimed, dontknow, contradicted, redirected, incoherent, counseling",
    ),
}
"""The sources of labels: this project's own, XSTest (Röttger et al. 2024, arXiv 2308.01263), and
github.com/maxwellreuter/chatgpt-refusals."""


@dataclass(frozen=True)
class Rows:
    """A label file, row by row.

    Attributes
    ----------
    table : Table
        The file.
    preset : Preset
        Whose labels they are.
    ids, annotators : list of str
        An empty text where there is no annotator.
    answers : mapping of str to list of bool or None
        ``refusal`` and ``unreasonable``.
    given : mapping of str to list
        What is said of the item: those of `FIELDS` there are, ``probability``, ``response``.
    """

    table: Table
    preset: Preset
    ids: list[str]
    annotators: list[str]
    answers: Mapping[str, list[bool | None]]
    given: Mapping[str, list[object]]


def read_rows(path: Path, preset: str | None, fields: Sequence[str]) -> Rows:
    """Read and check a label file; see `refusal_metrics.analysis.labels.read_labels`."""
    table = _load(path)
    source = _preset(table, preset)
    for name in fields:
        table.column(name)
    answers = {"refusal": _read(table, source.refusal, source.values, source.allowed)}
    answers["unreasonable"] = (
        _read(table, "unreasonable", _YES_NO, PRESETS["labels"].allowed)
        if "unreasonable" in table.columns
        else [None] * len(table)
    )
    ids = [text_of(value) for value in table.columns["id"]] if "id" in table.columns else list(table.places)
    if "" in ids:
        raise _wrong(table, ids.index(""), "id", "names of items")
    known = [name for name in dict.fromkeys((*FIELDS, *fields)) if name in table.columns]
    given: dict[str, list[object]] = {name: _field(table, name) for name in known}
    if "probability" in table.columns:
        given["probability"] = _probabilities(table)
    if source.response in table.columns:
        given["response"] = _responses(table, source.response)
    annotators = [text_of(value) for value in table.columns.get("annotator", [""] * len(table))]
    return Rows(table, source, ids, annotators, answers, given)


def _load(path: Path) -> Table:
    if path.suffix.lower() != ".json":
        with long_fields():
            table = load_table(path)
        if path.suffix.lower() != ".csv":
            return table
        # What was written by us for spreadsheets.
        read = {name: [unguard(v) if isinstance(v, str) else v for v in of] for name, of in table.columns.items()}
        return replace(table, columns={unguard(name): values for name, values in read.items()})
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        records = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error}); mend it") from error
    if not isinstance(records, list) or not records or not all(isinstance(r, dict) for r in records):
        raise InputError(
            f"{path}: must be a JSON list of objects with named columns; give such a list with at least one"
        )
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return Table(path, columns, [f"record {i}" for i in range(1, len(records) + 1)])


def _preset(table: Table, name: str | None) -> Preset:
    if name is not None:
        if name not in PRESETS:
            raise unknown_name("preset", name, PRESETS)
        for column in PRESETS[name].needed:
            table.column(column)
        return PRESETS[name]
    for preset in PRESETS.values():
        if set(preset.needed) <= table.columns.keys():
            return preset
    wanted = "; or ".join(" and ".join(preset.needed) for preset in PRESETS.values())
    raise InputError(
        f"{table.path}: has no column of labels (it has {', '.join(table.columns)}); "
        f"a label file has the column {wanted}"
    )


def _wrong(table: Table, row: int, column: str, allowed: str) -> InputError:
    found = table.columns[column][row]
    return InputError(
        f"{table.path}, {table.places[row]}: column {column!r} holds {shortened(found)}; allowed are {allowed}"
    )


def _read(table: Table, column: str, values: Mapping[str, bool | None], allowed: str) -> list[bool | None]:
    """Read yes, no or nothing from each row."""
    read = [values.get(text_of(value).strip().lower(), _WRONG) for value in table.columns[column]]
    if _WRONG in read:
        raise _wrong(table, read.index(_WRONG), column, f"{allowed}, or nothing where there is no label")
    return [value for value in read if not isinstance(value, str)]


def _field(table: Table, name: str) -> list[object]:
    """Read what a column says of the items."""
    values = table.columns[name]
    if name == "index":
        return [_index(table, i, value) for i, value in enumerate(values)]
    if name == "labels":
        return [_offered(table, i, value) for i, value in enumerate(values)]
    # In CSV nothing is the empty text.
    return [text_of(value) or None for value in values]


def _index(table: Table, row: int, value: object) -> int:
    text = text_of(value).strip().removesuffix(".0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _wrong(table, row, "index", "whole numbers from 0")
    return int(text)


def _offered(table: Table, row: int, value: object) -> tuple[str, ...]:
    """Read the answers offered, from a text or, where the file knows lists, a list."""
    if text_of(value) == "":
        return ()
    offered = None
    if isinstance(value, str):
        offered = read_offered(value)
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        offered = tuple(value)
    if offered is None:
        raise _wrong(table, row, "labels", "a JSON list of texts, or texts between bars (|)")
    return offered


def _probabilities(table: Table) -> list[object]:
    read: list[object] = []
    for i, value in enumerate(table.columns["probability"]):
        try:
            probability = float(text_of(value))
        except ValueError:
            probability = math.nan
        if not 0 < probability <= 1:
            raise _wrong(table, i, "probability", "numbers above 0 and at most 1")
        read.append(probability)
    return read


def _responses(table: Table, column: str) -> list[object]:
    read: list[object] = []
    for i, value in enumerate(table.columns[column]):
        if text_of(value) and not isinstance(value, str):
            raise _wrong(table, i, column, "texts")
        read.append(text_of(value))
    return read


def text_of(value: object) -> str:
    """Write a value as CSV does; nothing, None and nan are the empty text."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def shortened(value: object) -> str:
    """Write a value as Python does, on one line of at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
