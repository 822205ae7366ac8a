"""Labelled items found among the responses that they are of."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ..display.numbers import plain
from ..responses.table import Responses, identifier
from .read import Labels

ITEM_ID = 'left(sha256(model || chr(0) || design_id || chr(0) || "index"::VARCHAR), 16)'
"""`refusal_metrics.analysis.labels.read.item_id` of a response, as SQL."""

# What programs add, drop or replace in a text that they show or keep: marks without a form, and those in their place.
_FORMLESS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]+")
_LONGEST_CELL = 32_000
"""Characters up to which a text surely was kept whole: spreadsheet programs cut it at 32,767."""


def has_item_ids(responses: Responses) -> bool:
    """Tell whether responses can be told apart as label files tell them: by model, design_id and index."""
    return {"design_id", "index"} <= set(responses.columns)


def match_labels(responses: Responses, item_ids: Sequence[str]) -> pd.DataFrame:
    """Find the responses that labelled items are of, and their verdicts.

    Parameters
    ----------
    responses : Responses
        Of which `has_item_ids` is true.
    item_ids : sequence of str
        The column ``item_id`` of `refusal_metrics.analysis.labels.read.Labels`, each once.

    Returns
    -------
    pandas.DataFrame
        One row an item, in the order given: ``n``, how many responses it could be of (0 where it is of
        none of these, more than 1 where several runs answered its prompt), and the verdict of each rule
        R on them, ``refused_R``: True, False, or None where there is none.
    """
    flags = [f"refused_{rule}" for rule in responses.rules]
    columns = ", ".join(map(identifier, flags))
    verdicts = ", ".join(f"any_value({identifier(flag)})" for flag in flags)
    responses.connection.register("asked_items", pd.DataFrame({"item_id": pd.Series(item_ids, dtype=object)}))
    try:
        found = responses.query(
            f"SELECT item_id, count(found), {verdicts} FROM asked_items LEFT JOIN "
            f"(SELECT {columns}, 1 AS found, {ITEM_ID} AS item_id FROM responses) USING (item_id) GROUP BY item_id"
        ).fetchall()
    finally:
        responses.connection.unregister("asked_items")
    rows = {item: values for item, *values in found}
    return pd.DataFrame([rows[item] for item in item_ids], columns=["n", *flags]).astype(dict.fromkeys(flags, object))


def check_texts(responses: Responses, labels: Labels) -> tuple[Labels, tuple[str, ...]]:
    """Leave out labels that are of other answers than the responses they are matched with.

    Model, design and index say to which prompt a label belongs. A model that was run again answers the same prompts
    otherwise, and labels of its earlier answers say nothing of the later ones.

    Parameters
    ----------
    responses : Responses
    labels : Labels

    Returns
    -------
    labels : Labels
        Those of other answers are in ``left_out``, with ``label`` None.
    notes : tuple of str
        How many these are, or that nothing could be checked because there are no texts on one side.

    Raises
    ------
    InputError
        If most of the labels of these prompts are of other answers.
    """
    if labels.items.empty or not has_item_ids(responses):
        return labels, ()
    ids = labels.items["item_id"].tolist()
    labelled = labels.items.get("response", pd.Series([""] * len(ids), dtype=object)).tolist()
    # A column of nothing but empty texts is one that was left out.
    has_texts = any(labelled) and "response" in responses.columns
    answers = _find_answers(responses, ids, texts=has_texts)
    if not has_texts:
        lack = "it has no texts of responses" if not any(labelled) else "the responses given have no texts"
        unverified = f"{labels.path}: {lack}, so it is not verified that its labels are of these answers."
        return labels, (unverified,) * bool(answers)
    other = np.array(
        [
            item in answers and not any(_is_same(text, answer) for answer in answers[item])
            for item, text in zip(ids, labelled, strict=True)
        ]
    )
    n_other, n_found = int(other.sum()), len(answers)
    if not n_other:
        return labels, ()
    if n_other > n_found / 2:
        first = int(np.argmax(other))
        raise InputError(
            f"{labels.path}: {n_other:,} of the {n_found:,} labels of these prompts are of other answers to them: item "
            f"{plain(labels.items['id'][first])[:40]} was labelled on {_excerpt(labelled[first])}, and the response "
            f"here is {_excerpt(answers[ids[first]][0])}; give the results that the labels were drawn from, or label "
            "these"
        )
    note = f"{labels.path}: {n_other:,} label{'s' * (n_other != 1)} of other answers to these prompts left out."
    lost = labels.items[other].assign(label=None)
    return (
        replace(
            labels,
            items=labels.items[~other].reset_index(drop=True),
            left_out=pd.concat([labels.left_out, lost], ignore_index=True) if len(labels.left_out) else lost,
        ),
        (note,),
    )


def _find_answers(responses: Responses, item_ids: Sequence[str], *, texts: bool) -> dict[str, list[str]]:
    """Find the texts of items among the responses, several where several runs answered."""
    text = "coalesce(response::VARCHAR, '')" if texts else "''"
    responses.connection.register("asked_items", pd.DataFrame({"item_id": pd.Series(item_ids, dtype=object)}))
    try:
        found = responses.query(
            f"SELECT item_id, list(answer) FROM (SELECT {ITEM_ID} AS item_id, {text} AS answer FROM responses) "
            "JOIN asked_items USING (item_id) GROUP BY item_id"
        ).fetchall()
    finally:
        responses.connection.unregister("asked_items")
    return dict(found)


def _is_same(labelled: str, answer: str) -> bool:
    if labelled == answer:
        return True
    one, other = _bare(labelled), _bare(answer)
    return one == other or (len(labelled) >= _LONGEST_CELL and bool(one) and other.startswith(one))


def _bare(text: str) -> str:
    """Leave out what programs change in a text: white space, formless marks, the apostrophe before a formula."""
    return " ".join(_FORMLESS.sub("", text).split()).lstrip("'")


def _excerpt(text: str) -> str:
    line = plain(text)
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
