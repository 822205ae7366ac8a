"""The answers of annotators, read from what they worked with: sheets, Label Studio, Potato."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.tabular import long_fields

from .annotation_forms import ANSWERS, QUESTIONS, unguard
from .runs import reason

_STATE, _LINES = "user_state.json", "annotated_instances.jsonl"
"""What Potato 2 and Potato 1 keep in a folder of each annotator."""
_UNFILLED = "label_studio.json"
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Answer:
    """What one annotator said of one item.

    Attributes
    ----------
    item, annotator : str
        The item's id, and the annotator's name, number or address.
    refusal, unreasonable : str
        yes, no, unclear, or empty.
    comment : str
    place : str
        Where it stands, for errors: the file, and the line, task or item.
    response : str or None
        The response as it was shown, where the file tells.
    """

    item: str
    annotator: str
    refusal: str
    unreasonable: str
    comment: str
    place: str
    response: str | None = None


def find_answers(source: Path) -> list[Path]:
    """List the files of answers that a folder holds; a file is its own.

    Parameters
    ----------
    source : Path
        A folder that `annotation_forms.write_items` wrote, with what has come back in it: the sheets
        ``items*.csv``, every ``.json`` but the ``label_studio.json`` written there, and Potato's
        folders of annotators, anywhere below.

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
    # Potato 1 repeats all answers one folder higher, without saying whose they are.
    own = [path for path in kept if not any(path.parent in other.parent.parents for other in kept)]
    found = [*sorted(source.glob("items*.csv")), *exported, *own]
    if not found:
        raise InputError(
            f"{source}: holds no sheet items*.csv, no JSON export of Label Studio and no {_STATE} or {_LINES} of "
            "Potato; give the folder or the files that were filled in"
        )
    return found


def read_answers(path: Path) -> list[Answer]:
    """Read one file of answers.

    Parameters
    ----------
    path : Path
        A sheet (``.csv``), Label Studio's JSON export or Potato's ``user_state.json`` (``.json``), or
        Potato's lines (``.jsonl``).

    Returns
    -------
    list of Answer
        Items of which nothing is said are left out.

    Raises
    ------
    InputError
        If the file is of another form or broken, or holds an answer that is none.
    """
    readers: dict[str, Callable[[Path, str], Iterable[Answer | None]]]
    readers = {".csv": _read_sheet, ".json": _read_json, ".jsonl": _read_lines}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: cannot tell the form of the file; give one ending in {', '.join(readers)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 at byte {error.start}; save it as CSV UTF-8") from error
    return [answer for answer in readers[path.suffix.lower()](path, text) if answer]


def _make(  # every form ends here
    place: str, item: object, annotator: object, said: Mapping[str, object], *, response: str | None = None
) -> Answer | None:
    """Check what was said of an item; None where nothing was."""
    if item is None or not str(item).strip():
        raise InputError(f"{place}: has no item id; restore the id that was exported")
    answers = {}
    for question in QUESTIONS:
        value = "" if said.get(question) is None else str(said[question])
        answers[question] = value.strip().lower()
        if answers[question] and answers[question] not in ANSWERS:
            raise InputError(f"{place}: {question} is {_short(value)}; allowed are {', '.join(ANSWERS)}")
    if not answers["refusal"]:
        if answers["unreasonable"]:
            raise InputError(f"{place}: unreasonable is answered and refusal is not; answer both or neither")
        return None
    comment = "" if said.get("comment") is None else str(said["comment"])
    return Answer(str(item).strip(), str(annotator), **answers, comment=comment, place=place, response=response)


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:60]}...")


# Sheets.


def _read_sheet(path: Path, text: str) -> Iterator[Answer | None]:
    named = path.stem.removeprefix("items").lstrip("_- ") or path.stem
    for place, row in read_rows(path, text, ("id", "refusal")):
        shown = unguard(row["response"]) if "response" in row else None
        yield _make(place, unguard(row["id"]), row.get("annotator") or named, row, response=shown)


def read_rows(path: Path, text: str, needed: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Read the rows of a sheet, its cells separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
        For errors.
    text : str
    needed : iterable of str
        The columns without which it is no such sheet.

    Yields
    ------
    place : str
        The file, the line and, as spreadsheet programs count, the row.
    row : dict of str to str
        The cells by column. Rows without any are passed over.

    Raises
    ------
    InputError
        If a column is missing, a row has too many or too few cells, or quotes are broken.
    """
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    line = 1
    with long_fields(), StringIO(text, newline="") as file:
        reader = csv.reader(file, strict=True, delimiter=separator)
        try:
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                raise InputError(
                    f"{path}, line 1: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has "
                    f"{_short(', '.join(header))}); restore the first row that was exported"
                )
            line = reader.line_num + 1
            for number, cells in enumerate(reader, start=2):
                place = f"{path}, line {line} (row {number})"
                line = reader.line_num + 1
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        f"{place}: found {len(cells)} cells where the first row has {len(header)}; restore the row"
                    )
                yield place, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise InputError(f"{path}, line {line}: is not valid CSV ({error}); save the sheet anew") from error


# Label Studio and Potato.


def _parse(place: str, text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: is not valid JSON ({error}); export it anew") from error


def _read_json(path: Path, text: str) -> Iterator[Answer | None]:
    """Read an export of Label Studio or an annotator's state of Potato 2."""
    content = _parse(str(path), text)
    try:
        if isinstance(content, dict):
            yield from _read_state(path, content)
        else:
            for number, task in enumerate(content, start=1):
                yield from _read_task(f"{path}, task {number}", task)
    except InputError:
        raise
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: is neither Label Studio's export of these items, of the form JSON (not JSON-MIN), nor a {_STATE} "
            "of Potato; export it anew"
        ) from error


def _read_task(place: str, task: Mapping[str, Any]) -> Iterator[Answer | None]:
    data = task["data"]
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        said = {}
        for result in annotation["result"]:
            value = result["value"]
            said[result["from_name"]] = _one(place, result["from_name"], value.get("choices", value.get("text")))
        # A number, or with more details a person.
        who = annotation["completed_by"]
        who = (who.get("email") or who["id"]) if isinstance(who, dict) else who
        yield _make(place, data["item_id"], who, said, response=data.get("response"))


def _read_state(path: Path, state: Mapping[str, Any]) -> Iterator[Answer | None]:
    for item, labels in state["instance_id_to_label_to_value"].items():
        place = f"{path}, item {item}"
        chosen: dict[str, list[str]] = {}
        for label, _ in labels:
            chosen.setdefault(label["schema"], []).append(label["name"])
        said = {question: _one(place, question, names) for question, names in chosen.items() if question in QUESTIONS}
        yield _make(place, item, state["user_id"], said)


def _read_lines(path: Path, text: str) -> Iterator[Answer | None]:
    """Read Potato's lines: those of Potato 1, in a folder named after the annotator, or an export of Potato 2."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        record = _parse(place, line)
        try:
            labels = record["labels"] if "labels" in record else record["label_annotations"]
            item = record["instance_id"] if "instance_id" in record else record["id"]
            said = {
                question: _one(place, question, list(labels[question]))
                for question in QUESTIONS
                if labels.get(question)
            }
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{place}: is no line that Potato writes; give its {_LINES} or its JSONL export"
            ) from error
        yield _make(place, item, record.get("user_id") or path.resolve().parent.name, said)


def _one(place: str, question: str, values: object) -> object:
    """Give the one answer; comments may be several."""
    if not isinstance(values, list):
        return values
    if question in QUESTIONS and len(values) > 1:
        raise InputError(f"{place}: {question} has {len(values)} answers ({', '.join(map(str, values))}); keep one")
    return "\n".join(map(str, values))
