"""Outcomes of responses, counted by model, task and setting."""

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from ..columns import STUDY_COLUMNS
from .sql import identifier
from .table import Responses

OUTCOMES = (*STUDY_COLUMNS, "n_answer", "n_refused", "n_other", "n_empty", "n_truncated", "n_unjudged", "n")
"""The columns of the table of outcomes."""


def count_outcomes(responses: Responses, rule: str) -> pd.DataFrame | None:
    """Count the outcomes of responses.

    Parameters
    ----------
    responses : Responses
    rule : str
        The detector of the refusals.

    Returns
    -------
    pandas.DataFrame or None
        Columns `OUTCOMES`, one row a model, task and setting, of the responses on which the detector gave a verdict and
        of which it is known whether they are empty; each is in one of the counts. A thought without an end is empty.
        None if outcomes are unknown.
    """
    if "empty" not in responses.columns:
        return None
    refused = identifier(f"refused_{rule}")
    # Only one detector recognises answers; with another, all other responses are neither.
    answered = f"answered AND NOT {refused} AND NOT empty" if rule == ANSWERS_BY else "false"
    counts = {
        "n_answer": answered,
        "n_refused": refused,
        "n_empty": "empty",
        "n_truncated": f"truncated AND NOT {refused} AND NOT empty",
        "n_unjudged": f"unjudged AND NOT {refused}",
    }
    counted = ", ".join(f"count_if({condition})::BIGINT AS {name}" for name, condition in counts.items())
    return responses.query(
        f"SELECT {', '.join(OUTCOMES)} FROM (SELECT *, n - {' - '.join(counts)} AS n_other "
        f"FROM (SELECT model, task, setting, {counted}, count(*) AS n "
        # Whether a response is an answer or empty comes from the last detector, which may have judged only some.
        f"FROM responses WHERE {refused} IS NOT NULL AND empty IS NOT NULL GROUP BY ALL)) ORDER BY ALL"
    ).df()


def count_others(responses: Responses, rule: str) -> pd.DataFrame | None:
    """Count responses to persona prompts that are neither refusal nor answer.

    Parameters
    ----------
    responses : Responses
    rule : str

    Returns
    -------
    pandas.DataFrame or None
        Columns ``model, task, n_other``, one row a model and task of which it is known of all responses. None if
        nothing says which are answers, or the detector knows none.
    """
    if rule != ANSWERS_BY or "answered" not in responses.columns:
        return None
    refused = identifier(f"refused_{rule}")
    return responses.query(
        f"SELECT model, task, count_if(NOT {refused} AND NOT answered)::BIGINT AS n_other FROM responses "
        f"WHERE setting = 'persona' AND {refused} IS NOT NULL GROUP BY ALL HAVING count(*) = count(answered)"
    ).df()
