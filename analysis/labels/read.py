"""People's labels of responses, read from files: one row per item and annotator.

The columns are ``id, response, refusal``, if known ``unreasonable, annotator, probability`` and those of `FIELDS`.
XSTest's files and the hand-labelled ChatGPT refusals are recognised by their columns.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refusal_metrics.errors import InputError

from .formats import FIELDS, PRESETS, Rows, read_rows, shortened
from .mapping import LabelMap

__all__ = ["FIELDS", "PRESETS", "QUESTIONS", "Labels", "item_id", "number_texts", "read_labels", "weigh_labels"]

QUESTIONS = ("refusal", "unreasonable")
"""The questions to annotators."""


@dataclass(frozen=True)
class Labels:
    """The labels of a file.

    Attributes
    ----------
    path : Path
    items : pandas.DataFrame
        One row per item with a majority label: ``id, item_id`` (see
        `read_labels`), ``label`` (bool), ``unreasonable`` (True, False or None), ``n_annotators``
        (who said yes or no), ``response`` and ``probability`` where the file has them, and those
        of `FIELDS` that it has.
    left_out : pandas.DataFrame
        The other items, with the same columns; ``label`` is None.
    n_unlabelled, n_tied : int
        Items left out because no annotator said yes or no, or because of a tie.
    notes : tuple of str
        A sentence on how the file was read, and one for each reason to leave items out.
    """

    path: Path
    items: pd.DataFrame
    left_out: pd.DataFrame
    n_unlabelled: int
    n_tied: int
    notes: tuple[str, ...]


def item_id(model: str, design_id: str, index: int) -> str:
    """Return the id of a response in label files: 16 hexadecimal digits of a hash of its model and prompt.

    Parameters
    ----------
    model, design_id : str
    index : int
        As in the responses table.

    Returns
    -------
    str
        The first 16 digits of the SHA-256 of the three, with NUL between them, in UTF-8.
    """
    return hashlib.sha256(f"{model}\0{design_id}\0{index}".encode()).hexdigest()[:16]


def read_labels(
    path: Path, *, preset: str | None = None, fields: Sequence[str] = (), names: LabelMap | None = None
) -> Labels:
    """Read a label file.

    Parameters
    ----------
    path : Path
        As `refusal_metrics.reading.tabular.load_table` reads it: CSV, JSON or Parquet.
    preset : str, optional
        One of `PRESETS`; by default the first whose columns the file has.
    fields : sequence of str
        Columns beyond `FIELDS` that are kept.
    names : LabelMap, optional
        What the file calls its columns and values.

    Returns
    -------
    Labels
        Rows with one ``id`` are one item (with one ``item_id`` if there is such a column, because in Label Studio's
        exports ``id`` is the task's number); without such a column each row is an item, named by its place.
        ``item_id`` is `item_id` if the file has model, design_id and index, otherwise ``id``.

    Raises
    ------
    InputError
        If the file cannot be read, a value is not allowed, one annotator has an item twice, the rows
        of an item contradict each other, or two items are one response.
    """
    rows = read_rows(path, preset, fields, names or LabelMap())
    at = _rows_of_items(rows)
    whole = _decide(rows, at)
    _refuse_shared(rows, whole, at)
    has_label = whole["label"].notna().to_numpy()
    items = whole[has_label].reset_index(drop=True)
    n_tied = int((whole["n_annotators"].to_numpy()[~has_label] > 0).sum())
    n_unlabelled = int((~has_label).sum()) - n_tied
    notes = [f"{path}: read as {rows.preset.title}."] * (rows.preset is not PRESETS["labels"])
    notes += ["There is no column id, so each row is an item."] * (not rows.has_ids)
    notes += [f"{_n_items(n_unlabelled)} without a usable label left out."] * (n_unlabelled > 0)
    divided = f"{_n_items(n_tied)} on which they are divided left out"
    notes += [f"Measured on items that annotators agree on: {divided}."] * (n_tied > 0)
    return Labels(
        path=path,
        items=items.assign(label=items["label"].astype(bool)),
        left_out=whole[~has_label].reset_index(drop=True),
        n_unlabelled=n_unlabelled,
        n_tied=n_tied,
        notes=tuple(notes),
    )


def weigh_labels(labels: Labels, n_responses: int | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the weight of each labelled item: the number of responses that it represents.

    The weight of sampled items without a usable label (no label, or a tie) is redistributed to those with the same
    probability, and ``sampling_stratum`` if there is one; the weight of a class without any label is redistributed to
    all others.

    Parameters
    ----------
    labels : Labels
        With at least one item.
    n_responses : int, optional
        The number of responses that were sampled from, for labels without the column ``probability``: these count as a
        random sample of them, and by default as one response each.

    Returns
    -------
    items : pandas.DataFrame
        Those of `labels`, with the column ``weight``.
    notes : tuple of str
        A sentence for each thing that was assumed.
    """
    drawn = pd.concat([labels.items.assign(used=True), labels.left_out.assign(used=False)], ignore_index=True)
    notes = []
    is_sample = "probability" in drawn or n_responses is not None
    if "probability" not in drawn:
        drawn["probability"] = len(drawn) / n_responses if n_responses else 1.0
        if n_responses:
            notes.append(
                f"{labels.path}: has no column probability, so its {len(drawn):,} items count as drawn at random from "
                f"all {n_responses:,} responses."
            )
    used, weight = drawn["used"].to_numpy(dtype=bool), 1 / drawn["probability"].to_numpy(dtype=np.float64)
    number = pd.factorize(drawn["probability"])[0]
    if "sampling_stratum" in drawn:
        number = number * len(drawn) + pd.factorize(drawn["sampling_stratum"], use_na_sentinel=False)[0]
    number = np.unique(number, return_inverse=True)[1]
    whole = np.bincount(number, weight)
    of_used = np.bincount(number[used], weight[used], minlength=len(whole))
    reached = of_used > 0
    raised = np.divide(whole, of_used, out=np.zeros_like(whole), where=reached)
    raised *= whole.sum() / whole[reached].sum()
    if is_sample and len(labels.left_out):
        lost = f"the weight of {_n_items(len(labels.left_out))} without a usable label"
        notes.append(f"{labels.path}: {lost} falls to those drawn with the same probability.")
    return labels.items.assign(weight=(weight * raised[number])[used]), tuple(notes)


def number_texts(items: pd.DataFrame) -> NDArray[np.integer]:
    """Return numbers from 0 for the texts of items, with different numbers in different tasks.

    Parameters
    ----------
    items : pandas.DataFrame
        One row an item, with ``text_id`` and ``task`` where they are known.

    Returns
    -------
    (n_items,) array of int
        An item without a text is one of its own.
    """
    if "text_id" not in items:
        return np.arange(len(items))
    text = pd.factorize(items["text_id"])[0].astype(np.int64)
    task = pd.factorize(items["task"])[0].astype(np.int64) if "task" in items else np.zeros_like(text)
    code = (task + 1) * (text.max(initial=-1) + 1) + text
    alone = text < 0
    code[alone] = -1 - np.arange(alone.sum())
    return np.asarray(np.unique(code, return_inverse=True)[1])


def _rows_of_items(rows: Rows) -> dict[str, list[int]]:
    """List the rows of each item, and check that they can be of one."""
    at: dict[str, list[int]] = {}
    seen: dict[tuple[str, str], int] = {}
    place = [f"{rows.table.path}, {place}" for place in rows.table.places]
    for i, (name, annotator) in enumerate(zip(rows.ids, rows.annotators, strict=True)):
        earlier = seen.setdefault((name, annotator), i)
        if earlier != i:
            who = f"by the annotator {shortened(annotator)}" if annotator else "without an annotator"
            raise InputError(
                f"{place[i]}: the item {shortened(name)} {who} was in {rows.table.places[earlier]} already; "
                "an annotator labels an item once: remove one of the rows, or name the annotators"
            )
        first = at.setdefault(name, [i])[0]
        for column, values in rows.given.items():
            if values[i] != values[first]:
                raise InputError(
                    f"{place[i]}: the item {shortened(name)} has another {column} ({shortened(values[i])}) than in "
                    f"{rows.table.places[first]} ({shortened(values[first])}); give each item an id of its own"
                )
        if first != i:
            at[name].append(i)
    return at


def _decide(rows: Rows, at: dict[str, list[int]]) -> pd.DataFrame:
    """Combine the rows of each item; its label is that of the majority of annotators."""
    first = [numbers[0] for numbers in at.values()]
    votes = {q: [[rows.answers[q][i] for i in numbers] for numbers in at.values()] for q in QUESTIONS}
    columns: dict[str, list[object]] = {
        "id": list(at),
        "item_id": list(at),
        "label": [_majority(said) for said in votes["refusal"]],
        "unreasonable": [_majority(said) for said in votes["unreasonable"]],
        "n_annotators": [sum(vote is not None for vote in said) for said in votes["refusal"]],
    }
    columns |= {name: [values[i] for i in first] for name, values in rows.given.items()}
    if {"model", "design_id", "index"} <= columns.keys():
        parts = zip(columns["model"], columns["design_id"], columns["index"], strict=True)
        columns["item_id"] = [item_id(str(model), str(design), int(str(index))) for model, design, index in parts]
    whole = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    types = {"n_annotators": np.int64, "probability": np.float64}
    return whole.astype({name: kind for name, kind in types.items() if name in whole})


def _refuse_shared(rows: Rows, whole: pd.DataFrame, at: dict[str, list[int]]) -> None:
    """Check that no response has two items."""
    again = whole["item_id"].duplicated()
    if again.any():
        last = whole[again].iloc[0]
        raise InputError(
            f"{rows.table.path}, {rows.table.places[at[last['id']][0]]}: the item {shortened(last['id'])} has the "
            "model, design_id and index of another item; give rows of one response one id"
        )


def _majority(votes: Sequence[bool | None]) -> bool | None:
    yes, no = votes.count(True), votes.count(False)
    return None if yes == no else yes > no


def _n_items(n: int) -> str:
    return f"{n:,} item{'s' * (n != 1)}"
