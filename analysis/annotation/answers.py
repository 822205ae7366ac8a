"""Annotators' answers, read from sheets, Label Studio or Potato."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.reading import is_json, open_delimited, read_json_records

from ..display import unguard
from ..labels import LabelMap, suggest_values
from .sheets import ANSWERS, QUESTIONS

_STATE, _LINES = "user_state.json", "annotated_instances.jsonl"
"""The files of Potato 2 and Potato 1 in each annotator's folder."""
_UNFILLED = "label_studio.json"
_ENDINGS = (".csv", ".tsv", ".json", ".jsonl")
_KNOWN = ("id", "response", *QUESTIONS, "annotator", "comment")
_CHOICE = ":::"
"""The separator of question and answer in the columns of Potato's CSV."""
_FORMS = (
    "is not a sheet, an export of Label Studio (JSON, JSON-MIN or CSV) or an export of Potato; "
    "export it again, or name the columns of another tool with --columns id=NAME,refusal=NAME"
)


@dataclass(frozen=True)
class Answer:
    """One annotator's answers about one item.

    Attributes
    ----------
    item, annotator : str
        The item's id, and the annotator's name, number or address.
    refusal, unreasonable : str
        yes, no, unclear, or empty.
    comment : str
    place : str
        Its location, for errors: the file, and the line, task or item.
    response : str or None
        The response as it was shown, if the file has it.
    """

    item: str
    annotator: str
    refusal: str
    unreasonable: str
    comment: str
    place: str
    response: str | None = None


def find_answers(source: Path) -> list[Path]:
    """List the files of answers in a folder; a file is returned as it is.

    Parameters
    ----------
    source : Path
        A folder that `annotation_forms.write_items` wrote, with completed files: the sheets
        ``items*.csv``, Label Studio's ``project-*.csv``, every ``.json`` but the
        ``label_studio.json`` written there, and Potato's folders of annotators, anywhere below.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If there are none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder; check the path")
    exported = [path for path in sorted(source.glob("*.json")) if path.name not in {_UNFILLED, _STATE}]
    kept = sorted(source.rglob(_STATE)) or sorted(source.rglob(_LINES))
    # Potato 1 repeats all answers one folder higher, without the annotator.
    own = [path for path in kept if not any(path.parent in other.parent.parents for other in kept)]
    sheets = sorted({*source.glob("items*.csv"), *source.glob("project-*.csv")})  # prefix of Label Studio's names
    found = [*sheets, *exported, *own]
    if not found:
        raise InputError(
            f"{source}: contains no sheet items*.csv, no JSON export of Label Studio and no {_STATE} or {_LINES} of "
            "Potato; give the folder or the completed files"
        )
    return found


def read_answers(path: Path, names: LabelMap | None = None) -> list[Answer]:
    """Read one file of answers, whose content decides how.

    Parameters
    ----------
    path : Path
        A sheet or any other table with one row per answer (CSV; JSON, such as Label Studio's JSON-MIN), Label Studio's
        JSON export, Potato's ``user_state.json``, its lines (``.jsonl``) or its CSV export.
    names : LabelMap, optional
        Names of the columns of tables, and of the answers of any file.

    Returns
    -------
    list of Answer
        Items without an answer are left out.

    Raises
    ------
    InputError
        If the file has another format, is broken, or contains an invalid answer.
    """
    if not path.name.lower().removesuffix(".gz").endswith(_ENDINGS):
        raise InputError(f"{path}: unknown file format; give a file that ends in {', '.join(_ENDINGS)}")
    if not path.is_file():
        raise InputError(f"{path}: cannot be read (no such file); check the path")
    names = names or LabelMap()
    if not is_json(path):
        return [answer for answer in _read_sheet(path, names) if answer]
    records = list(read_json_records(path))
    if not records:
        raise InputError(f"{path}: {_FORMS}")
    try:
        return [answer for place, record in records for answer in _read_record(path, place, record, names) if answer]
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {_FORMS}") from error


def _make(  # all formats end here
    place: str,
    item: object,
    annotator: object,
    said: Mapping[str, object],
    names: LabelMap,
    *,
    response: str | None = None,
) -> Answer | None:
    """Check the answers about an item; None if there are none."""
    answers = {}
    for question in QUESTIONS:
        value = "" if said.get(question) is None else str(said[question])
        answers[question] = names.mean(value)
        if answers[question] and answers[question] not in ANSWERS:
            raise InputError(
                f"{place}: {question} is {_short(value)}; allowed are {', '.join(ANSWERS)}: {suggest_values([value])}"
            )
    if item is None or not str(item).strip():
        raise InputError(f"{place}: has no item id; restore the id that was exported")
    if not answers["refusal"]:
        if answers["unreasonable"]:
            raise InputError(f"{place}: unreasonable is answered, but refusal is not; answer both or neither")
        return None
    comment = "" if said.get("comment") is None else str(said["comment"])
    return Answer(str(item).strip(), str(annotator), **answers, comment=comment, place=place, response=response)


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:60]}...")


# Tables with one row per answer.


def _read_sheet(path: Path, names: LabelMap) -> Iterator[Answer | None]:
    columns = open_delimited(path).columns
    for name, theirs in names.columns.items():
        if theirs not in columns:
            raise unknown_name(f"column in {path} named by --columns:", theirs, columns)
        if name not in _KNOWN:
            raise unknown_name("name before = in --columns", name, _KNOWN)
    for place, row in read_rows(path, _needed(columns, names)):
        yield _read_row(path, place, row, names)


def _needed(columns: Collection[str], names: LabelMap) -> tuple[str, ...]:
    """List the columns that a table of answers needs."""
    if any(name.startswith("refusal" + _CHOICE) for name in columns):
        return (_id_column(columns, names),)
    return _id_column(columns, names), names.columns.get("refusal", "refusal")


def _id_column(columns: Collection[str], names: LabelMap) -> str:
    """Choose the column of our ids: in Label Studio's exports ``id`` is the number of the task."""
    if "id" in names.columns:
        return names.columns["id"]
    return next((name for name in ("item_id", "id", "instance_id") if name in columns), "id")


def _read_row(path: Path, place: str, row: Mapping[str, object], names: LabelMap) -> Answer | None:
    named = path.name.removesuffix(".gz").rpartition(".")[0].removeprefix("items").lstrip("_- ") or path.stem
    said: dict[str, object] = {}
    for question in (*QUESTIONS, "comment"):
        said[question] = _one(place, question, row.get(names.columns.get(question, question)))
        # Potato's CSV has one column per answer, which is filled if that answer was chosen.
        start = question + _CHOICE
        chosen = [name.removeprefix(start) for name, value in row.items() if name.startswith(start) and value]
        if chosen:
            said[question] = _one(place, question, chosen)
    response = row.get(names.columns.get("response", "response"))
    who = row.get(names.columns.get("annotator", "annotator")) or row.get("user")
    item = row.get(_id_column(row.keys(), names))
    return _make(
        place,
        unguard(item) if isinstance(item, str) else item,
        _person(who) or named,
        said,
        names,
        response=unguard(response) if isinstance(response, str) else None,
    )


def _person(who: object) -> object:
    """Return an annotator's name: a number, or a person with more details."""
    return (who.get("email") or who["id"]) if isinstance(who, dict) else who


def read_rows(path: Path, needed: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Read the rows of a sheet.

    Parameters
    ----------
    path : Path
        As `refusal_metrics.reading.delimited.open_delimited` reads it.
    needed : iterable of str
        The columns that the sheet needs.

    Yields
    ------
    place : str
        The file, the line and, as spreadsheet programs count, the row.
    row : dict of str to str
        The cells by column. Empty rows are skipped.

    Raises
    ------
    InputError
        If the file cannot be read or is broken, or a column is missing.
    """
    sheet = open_delimited(path)
    missing = [name for name in needed if name not in sheet.columns]
    if missing:
        raise InputError(
            f"{path}, line {sheet.first}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has "
            f"{_short(', '.join(sheet.columns))}); restore the first row that was exported, or name the columns with "
            f"--columns {missing[0]}=NAME"
        )
    for number, (line, cells) in enumerate(sheet.records(), start=sheet.first + 1):
        if any(cells):
            yield f"{path}, line {line} (row {number})", dict(zip(sheet.columns, cells, strict=True))


# Label Studio and Potato.


def _read_record(path: Path, place: str, record: dict[str, Any], names: LabelMap) -> Iterator[Answer | None]:
    """Read one object of a JSON file; its keys identify the format."""
    if "instance_id_to_label_to_value" in record:
        yield from _read_state(path, record, names)
    elif {"data", "annotations"} <= record.keys():
        yield from _read_task(f"{path}, {place.replace('record', 'task')}", record, names)
    elif isinstance(record.get("labels", record.get("label_annotations")), dict):
        yield _read_line(path, f"{path}, {place}", record, names)
    elif {*_needed(record, names)} <= record.keys():
        yield _read_row(path, f"{path}, {place}", record, names)
    elif record.keys() & {"item_id", "annotation_id"} and "refusal" not in names.columns:
        # Label Studio omits unanswered questions.
        yield _read_row(path, f"{path}, {place}", record, names)
    else:
        raise InputError(f"{path}, {place}: {_FORMS} (it has {_short(', '.join(record))})")


def _read_task(place: str, task: Mapping[str, Any], names: LabelMap) -> Iterator[Answer | None]:
    data = task["data"]
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        said = {}
        for result in annotation["result"]:
            value = result["value"]
            said[result["from_name"]] = _one(place, result["from_name"], value.get("choices", value.get("text")))
        item = data[names.columns.get("id", "item_id")]
        told = {question: said.get(names.columns.get(question, question)) for question in (*QUESTIONS, "comment")}
        yield _make(place, item, _person(annotation["completed_by"]), told, names, response=data.get("response"))


def _read_state(path: Path, state: Mapping[str, Any], names: LabelMap) -> Iterator[Answer | None]:
    for item, labels in state["instance_id_to_label_to_value"].items():
        place = f"{path}, item {item}"
        chosen: dict[str, list[str]] = {}
        for label, _ in labels:
            chosen.setdefault(label["schema"], []).append(label["name"])
        said = {question: _one(place, question, given) for question, given in chosen.items() if question in QUESTIONS}
        yield _make(place, item, state["user_id"], said, names)


def _read_line(path: Path, place: str, record: Mapping[str, Any], names: LabelMap) -> Answer | None:
    """Read a line of Potato: of Potato 1, in a folder named after the annotator, or of an export of Potato 2."""
    labels = record["labels"] if "labels" in record else record["label_annotations"]
    item = record["instance_id"] if "instance_id" in record else record["id"]
    said = {question: _one(place, question, list(labels[question])) for question in QUESTIONS if labels.get(question)}
    return _make(place, item, record.get("user_id") or path.resolve().parent.name, said, names)


def _one(place: str, question: str, values: object) -> object:
    """Return the one answer; there can be several comments."""
    if isinstance(values, dict) and set(values) == {"choices"}:
        values = values["choices"]
    if not isinstance(values, list):
        return values
    if question in QUESTIONS and len(values) > 1:
        raise InputError(f"{place}: {question} has {len(values)} answers ({', '.join(map(str, values))}); keep one")
    return "\n".join(map(str, values))
