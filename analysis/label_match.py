"""Labelled items found among the responses that they are of."""

from collections.abc import Sequence

import pandas as pd

from .responses import Responses, identifier

ITEM_ID = 'left(sha256(model || chr(0) || design_id || chr(0) || "index"::VARCHAR), 16)'
"""`refusal_metrics.analysis.labels.item_id` of a response, as SQL."""


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
        The column ``item_id`` of `refusal_metrics.analysis.labels.Labels`, each once.

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
