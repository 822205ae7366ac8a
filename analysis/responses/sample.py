"""Samples of responses for reading that include every kind of response."""

from dataclasses import dataclass

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from .sql import count_rows, identifier
from .table import Responses

_READ = 20_000
"""The number of characters that are read of a text."""
_SHOWN = (
    *("model", "task", "setting", "persona", "template", "response_type", "stratum"),
    *("text_id", "row_id", "design_id", "index"),
)
_IDENTITY = ("model", "design_id", "index", "run")
"""The columns that identify responses in sample logs, and in tables written from them."""
_ELSE = (
    *("model", "task", "setting", "persona", "template", "text_id", "row_id", "language", "temperature", "run"),
    *("response_type", "response"),
)


@dataclass(frozen=True)
class DrawnResponses:
    """Responses that were drawn.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row per response, balanced over kinds: its columns, ``outcome``, ``disagree`` (whether the
        detectors do), its verdicts ``refused_R``, ``response`` and ``prompt``, cut, ``n_response`` (the characters that
        it has), ``labels``, and ``cause`` if the responses have it.
    n_all, n_kinds : int
        How many responses there are to draw from, and of how many kinds.
    """

    rows: pd.DataFrame
    n_all: int
    n_kinds: int


def has_texts(responses: Responses) -> bool:
    """Return whether the responses come with their texts."""
    return "response" in responses.columns and bool(
        count_rows(
            responses.connection, "SELECT count(*) FROM (SELECT 1 FROM responses WHERE response IS NOT NULL LIMIT 1)"
        )
    )


def draw_responses(responses: Responses, rule: str, *, most: int, seed: int) -> DrawnResponses:
    """Draw a sample of responses, with equal numbers of each kind if there are enough.

    A kind is a model, task, setting and outcome, and whether the detectors disagree. Within a kind the order is that of
    the MD5 of the seed and the identifying columns, so that the same responses are drawn again from
    the same responses.

    Parameters
    ----------
    responses : Responses
        With texts, see `has_texts`.
    rule : str
        The detector of the outcomes.
    most, seed : int

    Returns
    -------
    DrawnResponses
    """
    n_all, n_kinds = _pick(responses, rule, most, seed)
    return DrawnResponses(_read(responses, rule, most, seed), n_all, n_kinds)


def _outcome(responses: Responses, rule: str) -> str:
    """Return the outcome of a response as SQL; if it is unknown which are empty, it is a refusal or not."""
    refused = identifier(f"refused_{rule}")
    if "empty" not in responses.columns:
        return f"CASE WHEN {refused} THEN 'refusal' WHEN NOT {refused} THEN 'no refusal' ELSE 'no verdict' END"
    # A detector that does not recognise answers leaves them unflagged.
    answered = "WHEN answered THEN 'answer' WHEN NOT empty THEN 'other'" if rule == ANSWERS_BY else ""
    known = f"WHEN {refused} IS NULL THEN 'no verdict' WHEN empty THEN 'empty' WHEN {refused} THEN 'refusal'"
    return f"CASE {known} {answered} ELSE 'no refusal' END"


def _disagree(responses: Responses) -> str:
    listed = ", ".join(identifier(f"refused_{rule}") for rule in responses.rules)
    return f"len(list_distinct([{listed}])) > 1"


def _key(responses: Responses, seed: int) -> str:
    names = _IDENTITY if {"design_id", "index"} <= set(responses.columns) else _ELSE
    known = [f"{identifier(name)}::VARCHAR" for name in names if name in responses.columns]
    return f"md5_number_lower(concat_ws(chr(31), '{seed:d}', {', '.join(known)}))"


def _pick(responses: Responses, rule: str, most: int, seed: int) -> tuple[int, int]:
    """Create the table ``picked`` of the drawn keys, and count the responses and their kinds."""
    kinds = [name for name in ("model", "task", "setting") if name in responses.columns]
    told = f"{', '.join(kinds)}, {_outcome(responses, rule)} AS outcome, {_disagree(responses)} AS disagree"
    responses.query(
        "CREATE OR REPLACE TEMP TABLE kinds AS "
        f"SELECT {', '.join(kinds)}, outcome, disagree, count(*) AS n, min(key, {most:d}) AS keys "
        f"FROM (SELECT {told}, {_key(responses, seed)} AS key FROM responses WHERE response IS NOT NULL) "
        f"GROUP BY {', '.join(kinds)}, outcome, disagree"
    )
    responses.query(
        # Responses that cannot be distinguished share a key.
        "CREATE OR REPLACE TEMP TABLE picked AS SELECT key, min(place) AS place FROM (SELECT unnest(keys) AS key, "
        f"generate_subscripts(keys, 1) AS place FROM kinds) GROUP BY key ORDER BY place, key LIMIT {most:d}"
    )
    row = responses.query("SELECT sum(n)::BIGINT, count(*) FROM kinds").fetchall()[0]
    return int(row[0]), int(row[1])


def _read(responses: Responses, rule: str, most: int, seed: int) -> pd.DataFrame:
    """Read the picked responses in their order."""
    columns = responses.columns
    shown = [identifier(name) for name in _SHOWN if name in columns]
    shown += ["cause"] * ("cause" in columns)
    shown += [f"{_outcome(responses, rule)} AS outcome", f"{_disagree(responses)} AS disagree"]
    shown += [identifier(f"refused_{name}") for name in responses.rules]
    shown += [f"left(response, {_READ}) AS response", "length(response) AS n_response"]
    for name, sql in {"prompt": f"left(prompt, {_READ})", "labels": "labels"}.items():
        shown.append(f"{sql if name in columns else 'NULL::VARCHAR'} AS {name}")
    return responses.query(
        f"SELECT {', '.join(shown)} FROM responses JOIN picked ON picked.key = {_key(responses, seed)} "
        f"WHERE response IS NOT NULL ORDER BY place, picked.key LIMIT {most:d}"
    ).df()
