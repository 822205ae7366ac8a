"""The formats of label files, and how their values are read."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.reading import Table, load_table

from ..display import unguard
from ..responses import read_offered
from .mapping import LabelMap, suggest_values

FIELDS = (
    *("model", "task", "setting", "persona", "persona_group", "template", "response_type", "text_id", "row_id"),
    *("design_id", "index", "prompt", "labels", "persona_words", "language", "sampling_stratum", "frame"),
)
"""Columns of an item besides its response and its probability."""

COLUMNS = ("id", "response", "refusal", "unreasonable", "annotator", "probability", "comment")
"""The columns of a label file besides `FIELDS`."""

SMALLEST = 1e-9
"""The smallest probability: an item with a smaller one would represent more responses than any study has."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)

_YES_NO: Mapping[str, bool | None] = {
    **dict.fromkeys(("yes", "true", "1", "1.0"), True),
    **dict.fromkeys(("no", "false", "0", "0.0"), False),
    **dict.fromkeys(("", "unclear"), None),
}
_WRONG = "wrong"


@dataclass(frozen=True)
class Preset:
    """A source of labels, and how its files are read.

    Attributes
    ----------
    title : str
    needed : tuple of str
        The columns by which such a file is recognised.
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
    "labels": Preset(
        "refusal labels", ("refusal",), "response", "refusal", _YES_NO, "yes, no, unclear, true, false, 1, 0"
    ),
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
        The source of the labels.
    ids, annotators : list of str
        An empty text if there is no annotator.
    answers : mapping of str to list of bool or None
        ``refusal`` and ``unreasonable``.
    given : mapping of str to list
        Data of the item: the available `FIELDS`, ``probability``, ``response``.
    has_ids : bool
        Whether a column identifies the items.
    """

    table: Table
    preset: Preset
    ids: list[str]
    annotators: list[str]
    answers: Mapping[str, list[bool | None]]
    given: Mapping[str, list[object]]
    has_ids: bool


def read_rows(path: Path, preset: str | None, fields: Sequence[str], names: LabelMap) -> Rows:
    """Read and check a label file; see `refusal_metrics.analysis.labels.read.read_labels`."""
    table = names.rename(_load(path), (*COLUMNS, *FIELDS))
    source = _preset(table, preset)
    for name in fields:
        table.column(name)
    asked = [source.refusal, *["unreasonable"] * ("unreasonable" in table.columns)]
    answers = {"refusal": _read(table, source.refusal, source.values, source.allowed, names)}
    answers["unreasonable"] = (
        _read(table, "unreasonable", _YES_NO, PRESETS["labels"].allowed, names)
        if "unreasonable" in table.columns
        else [None] * len(table)
    )
    names.check_used(path, (_one(value) for name in asked for value in table.columns[name]))
    id_column = _id_column(table, names)
    ids = [text_of(value).strip() for value in table.columns[id_column]] if id_column else list(table.places)
    if "" in ids:
        raise _wrong(table, ids.index(""), id_column or "id", "names of items")
    known = [name for name in dict.fromkeys((*FIELDS, *fields)) if name in table.columns]
    given: dict[str, list[object]] = {name: _field(table, name) for name in known}
    if "probability" in table.columns:
        given["probability"] = _probabilities(table)
    if source.response in table.columns:
        given["response"] = _responses(table, source.response)
    annotators = [_person(value) for value in table.columns.get("annotator", [""] * len(table))]
    return Rows(table, source, ids, annotators, answers, given, has_ids=id_column is not None)


def _id_column(table: Table, names: LabelMap) -> str | None:
    """Choose the column that identifies items: in Label Studio's exports, ``id`` is the number of the task."""
    if "id" in names.columns:
        return "id"
    return next((name for name in ("item_id", "id") if name in table.columns), None)


def _person(value: object) -> str:
    """Return an annotator's name; some exports contain an object with an address."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return text_of(value)


def _load(path: Path) -> Table:
    table = load_table(path)
    if path.suffix.lower() != ".csv":
        return table
    # Files written by this package, with guarded texts.
    read = {name: [unguard(v) if isinstance(v, str) else v for v in of] for name, of in table.columns.items()}
    return replace(table, columns={unguard(name): values for name, values in read.items()})


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
        f"a label file has the column {wanted}; name the column of another file with --columns refusal=NAME"
    )


def _wrong(table: Table, row: int, column: str, allowed: str) -> InputError:
    found = table.columns[column][row]
    return InputError(
        f"{table.path}, {table.places[row]}: column {column!r} is {shortened(found)}; allowed are {allowed}"
    )


def _read(
    table: Table, column: str, values: Mapping[str, bool | None], allowed: str, names: LabelMap
) -> list[bool | None]:
    """Read yes, no or no answer from each row."""
    # Mapped values are read as this project's own values.
    own = {value: _YES_NO[meaning] for value, meaning in names.values.items()}
    told = [names.mean(text) if text.strip().lower() in own else text for text in map(_one, table.columns[column])]
    known = {**values, **_YES_NO} if own else values
    read = [known.get(text.strip().lower(), _WRONG) for text in told]
    if _WRONG in read:
        row = read.index(_WRONG)
        unknown = [text for text, value in zip(told, read, strict=True) if value == _WRONG]
        more = f"{allowed}, or nothing if there is no label; {suggest_values(unknown)}"
        raise _wrong(table, row, column, more)
    return [value for value in read if not isinstance(value, str)]


def _one(value: object) -> str:
    """Return an answer as text; a list of one answer, as annotation tools export it, is that answer."""
    if isinstance(value, dict) and set(value) == {"choices"}:
        value = value["choices"]
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else ""
    return text_of(value)


def _field(table: Table, name: str) -> list[object]:
    """Read a column of data of the items."""
    values = table.columns[name]
    if name == "index":
        return [_index(table, i, value) for i, value in enumerate(values)]
    if name == "labels":
        return [_offered(table, i, value) for i, value in enumerate(values)]
    # In CSV, a missing value is an empty text.
    return [text_of(value) or None for value in values]


def _index(table: Table, row: int, value: object) -> int:
    text = text_of(value).strip().removesuffix(".0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _wrong(table, row, "index", "whole numbers from 0")
    return int(text)


def _offered(table: Table, row: int, value: object) -> tuple[str, ...]:
    """Read the offered answers, from a text or, if the file format has lists, from a list."""
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
        probability = read_number(text_of(value), decimal_comma=table.decimal_comma)
        if not SMALLEST <= probability <= 1:
            raise _wrong(table, i, "probability", f"numbers from {SMALLEST:g} to 1, with a decimal point")
        read.append(probability)
    return read


def read_number(text: str, *, decimal_comma: bool = False) -> float:
    """Read a decimal number.

    Parameters
    ----------
    text : str
    decimal_comma : bool
        Whether "0,5" is one.

    Returns
    -------
    float
        nan if it is not a number.

    Examples
    --------
    >>> read_number("0,25", decimal_comma=True), read_number("0,25")
    (0.25, nan)
    """
    if decimal_comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text.strip()) else math.nan


def _responses(table: Table, column: str) -> list[object]:
    read: list[object] = []
    for i, value in enumerate(table.columns[column]):
        if text_of(value) and not isinstance(value, str):
            raise _wrong(table, i, column, "texts")
        read.append(text_of(value))
    return read


def text_of(value: object) -> str:
    """Return a value as in CSV; a missing value, None and nan are an empty text."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def shortened(value: object) -> str:
    """Return a value as in Python, on one line of at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
