"""Outcomes of responses (answers, refusals, neither or empty), counted by model, task and setting."""

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from ..columns import STUDY_COLUMNS
from .sql import identifier
from .table import Responses

OUTCOMES = (*STUDY_COLUMNS, "n_answer", "n_refused", "n_other", "n_empty", "n")
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
        of which it is known whether they are empty. None if outcomes are unknown.
    """
    if "empty" not in responses.columns:
        return None
    refused = identifier(f"refused_{rule}")
    # Only one detector recognises answers; with another, all other responses are neither.
    answered = f"answered AND NOT {refused} AND NOT empty" if rule == ANSWERS_BY else "false"
    return responses.query(
        "SELECT model, task, setting, n_answer, n_refused, n - n_answer - n_refused - n_empty AS n_other, n_empty, "
        f"n FROM (SELECT model, task, setting, count_if({answered})::BIGINT AS n_answer, "
        f"count_if({refused})::BIGINT AS n_refused, count_if(empty)::BIGINT AS n_empty, count(*) AS n "
        # Whether a response is an answer or empty comes from the last detector, which may have judged only some.
        f"FROM responses WHERE {refused} IS NOT NULL AND empty IS NOT NULL GROUP BY ALL) ORDER BY ALL"
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
