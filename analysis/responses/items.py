"""Responses identified as in label files: by model, design and index."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pandas as pd

from ..columns import STUDY_COLUMNS
from .label_classes import label_class
from .sql import identifier
from .table import Responses

ITEM_ID = 'left(sha256(model || chr(0) || design_id || chr(0) || "index"::VARCHAR), 16)'
"""`refusal_metrics.analysis.labels.read.item_id` of a response, as SQL."""


def has_item_ids(responses: Responses) -> bool:
    """Return whether responses can be identified as in label files: by model, design_id and index.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    bool
    """
    return {"design_id", "index"} <= set(responses.columns)


def find_ambiguous(responses: Responses) -> tuple[str, str, int] | None:
    """Find a response that no label can identify, because it lacks an id or shares one.

    Parameters
    ----------
    responses : Responses
        Of which `has_item_ids` is true.

    Returns
    -------
    tuple of (model, design_id, index) or None
        The first; None if there is none.
    """
    found: tuple[str, str, int] | None = responses.query(
        'SELECT model, design_id, "index" FROM responses GROUP BY ALL '
        'HAVING count(*) > 1 OR design_id IS NULL OR "index" IS NULL ORDER BY ALL LIMIT 1'
    ).fetchone()
    return found


def match_items(responses: Responses, item_ids: Sequence[str]) -> pd.DataFrame:
    """Find the responses of items, and their verdicts.

    Parameters
    ----------
    responses : Responses
        Of which `has_item_ids` is true.
    item_ids : sequence of str
        Each once.

    Returns
    -------
    pandas.DataFrame
        One row an item, in the order given: ``n``, how many responses it could be (0 if it is none of
        these, more than 1 if several runs answered its prompt), and the verdict of each detector
        R on them, ``refused_R``: True, False, or None where there is none.
    """
    flags = [f"refused_{rule}" for rule in responses.rules]
    columns = ", ".join(map(identifier, flags))
    verdicts = ", ".join(f"any_value({identifier(flag)})" for flag in flags)
    with _registered(responses, asked_items=_frame(item_ids)):
        found = responses.query(
            f"SELECT item_id, count(found), {verdicts} FROM asked_items LEFT JOIN "
            f"(SELECT {columns}, 1 AS found, {ITEM_ID} AS item_id FROM responses) USING (item_id) GROUP BY item_id"
        ).fetchall()
    rows = {item: values for item, *values in found}
    return pd.DataFrame([rows[item] for item in item_ids], columns=["n", *flags]).astype(dict.fromkeys(flags, object))


def find_answers(responses: Responses, item_ids: Sequence[str], *, texts: bool) -> dict[str, list[str]]:
    """Find the texts of items among the responses.

    Parameters
    ----------
    responses : Responses
        Of which `has_item_ids` is true.
    item_ids : sequence of str
    texts : bool
        Whether the texts are read; else they are empty.

    Returns
    -------
    dict of str to list of str
        Of the items that exist; several texts if several runs answered.
    """
    text = "coalesce(response::VARCHAR, '')" if texts else "''"
    with _registered(responses, asked_items=_frame(item_ids)):
        found = responses.query(
            f"SELECT item_id, list(answer) FROM (SELECT {ITEM_ID} AS item_id, {text} AS answer FROM responses) "
            "JOIN asked_items USING (item_id) GROUP BY item_id"
        ).fetchall()
    return dict(found)


def list_verdicts(responses: Responses, rule: str) -> set[bool]:
    """List the verdicts that a detector gave.

    Parameters
    ----------
    responses : Responses
    rule : str

    Returns
    -------
    set of bool
    """
    flag = identifier(f"refused_{rule}")
    found = responses.query(f"SELECT DISTINCT {flag} FROM responses WHERE {flag} IS NOT NULL").fetchall()
    return {bool(verdict) for (verdict,) in found}


def sum_items(
    responses: Responses, rule: str, labelled: pd.DataFrame, sums: Mapping[str, str], factors: Sequence[str] = ()
) -> pd.DataFrame:
    """Join labels to responses and sum both over texts.

    Parameters
    ----------
    responses : Responses
        Of which `has_item_ids` is true.
    rule : str
        The detector whose verdicts are ``refused``; responses without one are left out.
    labelled : pandas.DataFrame
        One row a labelled item: ``item_id, label`` (whether it is a refusal), ``weight``.
    sums : mapping of str to str
        What is summed, as SQL of ``refused, label_class, label, weight``, by the names of the columns.
    factors : sequence of str
        Columns to keep apart besides model, task and setting.

    Returns
    -------
    pandas.DataFrame
        One row a text and combination of factors: the factors as texts, ``text_id`` (with its task before it), `sums`.
    """
    kept = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
    named = ", ".join(map(identifier, kept))
    as_text = ", ".join(f"{identifier(name)}::VARCHAR AS {identifier(name)}" for name in kept)
    verdict = f"{identifier(f'refused_{rule}')} AS refused, {label_class(responses, rule)} AS label_class"
    judged = f"SELECT {as_text}, text_id, {verdict}, {ITEM_ID} AS item_id"
    summed = ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
    with _registered(responses, labels_frame=labelled):
        return responses.query(
            f"SELECT {named}, task || '/' || text_id AS text_id, {summed} FROM ({judged} FROM responses) "
            "LEFT JOIN labels_frame USING (item_id) WHERE refused IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).df()


def _frame(item_ids: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"item_id": pd.Series(item_ids, dtype=object)})


@contextmanager
def _registered(responses: Responses, **frames: pd.DataFrame) -> Iterator[None]:
    """Register data frames with the database under their names."""
    for name, frame in frames.items():
        responses.connection.register(name, frame)
    try:
        yield
    finally:
        for name in frames:
            responses.connection.unregister(name)
