"""Annotators' answers, joined to the key of the sample."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError
from refusal_metrics.reading import open_delimited

from ..display import to_csv, unguard
from ..files import check_new, replace_file
from ..labels import FIELDS, SMALLEST, LabelMap, read_number
from ..statistics import krippendorff_alpha
from .answers import Answer, find_answers, read_answers, read_rows
from .sheets import QUESTIONS

AGREEMENT = ("question", "n", "n_items", "unclear", "alpha", "n_disagreed")
"""The columns of `estimate_agreement`."""

_FIRST = ("id", "response", *QUESTIONS, "annotator", "probability")
_PROOF = 60
"""The number of letters and digits of a response that are compared to check that a row of a sheet is intact."""


@dataclass(frozen=True)
class Annotations:
    """Annotators' answers about items.

    Attributes
    ----------
    answers : pandas.DataFrame
        One row an item and annotator: ``id, annotator, refusal, unreasonable`` (yes, no, unclear, or
        empty if the question does not apply) and ``comment``.
    key : pandas.DataFrame
        One row an item, as `annotation_forms.write_items` wrote it.
    notes : tuple of str
        A sentence for each thing that is missing or was left out.
    """

    answers: pd.DataFrame
    key: pd.DataFrame
    notes: tuple[str, ...]

    def labels(self) -> pd.DataFrame:
        """Return the label file: one row per item and annotator, with "unclear" as no label.

        Returns
        -------
        pandas.DataFrame
            Columns: ``id, response, refusal, unreasonable`` (yes, no or empty), ``annotator,
            probability``, the other columns of the key except the detectors' verdicts, and ``comment``.
        """
        answered = self.answers.assign(**{q: self.answers[q].replace("unclear", "") for q in QUESTIONS})
        joined = answered.merge(self.key, on="id", how="left", validate="many_to_one")
        # Items without answers stay, so that their weight is not lost.
        unread = self.key[~self.key["id"].isin(answered["id"])]
        unread = unread.assign(**dict.fromkeys((*QUESTIONS, "annotator", "comment"), ""))
        joined = pd.concat([joined, unread], ignore_index=True) if len(unread) else joined
        known = [name for name in dict.fromkeys((*FIELDS, "frame")) if name in joined]
        return joined[[*_FIRST, *known, "comment"]]


def read_annotations(sources: Sequence[Path], key: Path, names: LabelMap | None = None) -> Annotations:
    """Read annotators' answers.

    Parameters
    ----------
    sources : sequence of Path
        Filled sheets (``.csv``; commas, semicolons or tabs), whose annotator is the column
        ``annotator`` or what follows ``items_`` in the file's name; Label Studio's exports JSON, JSON-MIN and CSV;
        Potato's ``user_state.json``, ``annotated_instances.jsonl``, JSONL or CSV export; any table with one row per
        answer. Or folders of these.
    key : Path
        The ``key.csv`` of these items.
    names : LabelMap, optional
        Names of columns and answers in other tools' files.

    Returns
    -------
    Annotations

    Raises
    ------
    InputError
        If a file cannot be read, an item is unknown, an answer is invalid, or one annotator answered about an item
        twice.
    """
    items = _read_key(key)
    notes: list[str] = []
    answers: list[Answer] = []
    for source in sources:
        for path in find_answers(source):
            read = read_answers(path, names)
            answers += read
            notes += [f"{path}: no question has been answered."] * (not read)
    if not answers:
        raise InputError(f"{', '.join(map(str, sources))}: no question has been answered; give completed files")
    places: dict[tuple[str, str], str] = {}
    for answer in answers:
        _check(answer, items, key)
        who = (answer.item, answer.annotator)
        if who in places:
            raise InputError(
                f"{answer.place}: annotator {answer.annotator} has already answered item {answer.item} "
                f"({places[who]}); keep one of the two"
            )
        places[who] = answer.place
    notes += _missing(answers, len(items))
    rows = [
        # Only refusals can be unreasonable.
        (a.item, a.annotator, a.refusal, a.unreasonable if a.refusal == "yes" else "", a.comment)
        for a in answers
    ]
    n_moot = sum(a.refusal != "yes" and a.unreasonable != "" for a in answers)
    if n_moot:
        notes.append(
            f"{n_moot:,} answer{'s' * (n_moot > 1)} to 'unreasonable' left out, because the response is not "
            "labelled as a refusal."
        )
    table = pd.DataFrame(list(items.values())).astype({"probability": np.float64})
    return Annotations(pd.DataFrame(rows, columns=["id", "annotator", *QUESTIONS, "comment"]), table, tuple(notes))


def _read_key(path: Path) -> dict[str, dict[str, str]]:
    """Read the key's data of each item, by id."""
    if not path.is_file():
        raise InputError(f"{path}: cannot be read (no such file); give the key.csv that was exported")
    decimal_comma = open_delimited(path).separator != ","
    items: dict[str, dict[str, str]] = {}
    for place, row in read_rows(path, ("id", "response", "probability")):
        known = {name: unguard(value) for name, value in row.items()}
        probability = read_number(known["probability"], decimal_comma=decimal_comma)
        usable = SMALLEST <= probability <= 1
        if not usable or known["id"] in items:
            found = f"the id {known['id']} again" if usable else f"the probability {known['probability']!r}"
            raise InputError(f"{place}: found {found}; give the key.csv as it was exported")
        items[known["id"]] = known | {"probability": repr(probability)}
    if not items:
        raise InputError(f"{path}: contains no items; give the key.csv that was exported")
    return items


def _check(answer: Answer, items: dict[str, dict[str, str]], key: Path) -> None:
    """Check that an answer is about a known item, and that the cells of its row still belong together."""
    if answer.item not in items:
        raise InputError(
            f"{answer.place}: item {answer.item[:40]!r} is not in {key}; restore the id, or give the key.csv of these "
            "items"
        )
    if answer.response is not None and _proof(answer.response) != _proof(items[answer.item]["response"]):
        raise InputError(
            f"{answer.place}: the response differs from that of item {answer.item}: columns were sorted separately, or "
            "the text was changed; restore the columns id and response"
        )


def _proof(text: str) -> str:
    # Programs change white space and punctuation, but no letters.
    letters: Iterator[str] = (c for c in text if c.isalnum())
    return "".join(islice(letters, _PROOF)).lower()


def _missing(answers: Sequence[Answer], n_items: int) -> list[str]:
    """Report which annotators have not answered about all items."""
    n_answered = Counter(answer.annotator for answer in answers)
    return [
        f"Annotator {annotator}: {n_items - n:,} of {n_items:,} items without an answer."
        for annotator, n in n_answered.items()
        if n < n_items
    ]


def write_labels(annotations: Annotations, out: Path, *, force: bool = False) -> int:
    """Write the label file.

    Parameters
    ----------
    annotations : Annotations
    out : Path
        Ends in ``.csv`` or ``.parquet``. Its texts are unchanged; in a CSV, a text that begins like a formula gets an
        apostrophe before it, which `refusal_metrics.analysis.labels.read.read_labels` removes.
    force : bool
        Whether to replace an existing file.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, has another ending, or cannot be written.
    """
    if out.suffix not in {".csv", ".parquet"}:
        raise InputError(f"{out}: a label file must end in .csv or .parquet; choose another name")
    check_new(out, force=force)
    table = annotations.labels()
    with replace_file(out, force=force) as made:
        if out.suffix == ".parquet":
            table.to_parquet(made, index=False)
        else:
            made.write_text(to_csv(table, exact=True), encoding="utf-8", newline="")
    return len(table)


def estimate_agreement(annotations: Annotations) -> pd.DataFrame:
    """Estimate the agreement between annotators.

    Parameters
    ----------
    annotations : Annotations

    Returns
    -------
    pandas.DataFrame
        One row a question. Columns: ``question``, ``n`` (answers), ``n_items`` (of how many items),
        ``unclear`` (share of the answers), ``alpha`` (Krippendorff's, of yes and no; missing if no item has two of
        these, or all are the same), ``n_disagreed`` (items with both).
    """
    rows = []
    for question in QUESTIONS:
        said = annotations.answers[annotations.answers[question] != ""]
        row, ids = pd.factorize(said["id"])
        column, annotators = pd.factorize(said["annotator"])
        table = np.full((len(ids), len(annotators)), np.nan)
        table[row, column] = said[question].map({"yes": 1.0, "no": 0.0})
        rows.append(
            {
                "question": question,
                "n": len(said),
                "n_items": len(ids),
                "unclear": float((said[question] == "unclear").mean()) if len(said) else np.nan,
                "alpha": krippendorff_alpha(table),
                "n_disagreed": len(list_disagreements(annotations, question)),
            }
        )
    return pd.DataFrame(rows, columns=list(AGREEMENT))


def list_disagreements(annotations: Annotations, question: str = "refusal") -> list[str]:
    """List the ids of items to which one annotator said yes and another no, in the order of the key."""
    answers = annotations.answers
    said = {answer: set(answers.loc[answers[question] == answer, "id"]) for answer in ("yes", "no")}
    return [item for item in annotations.key["id"] if item in said["yes"] & said["no"]]


def count_annotations(annotations: Annotations) -> pd.DataFrame:
    """Count the items with each number of annotations: columns ``n_annotations, n_items``, from 0."""
    n = annotations.answers["id"].value_counts().reindex(annotations.key["id"], fill_value=0)
    counts = n.value_counts().sort_index()
    return pd.DataFrame({"n_annotations": counts.index.to_numpy(), "n_items": counts.to_numpy()})
