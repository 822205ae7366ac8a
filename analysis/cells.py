"""Counts of responses and refusals, by cell and text: all that the estimates need."""

from collections.abc import Sequence

import pandas as pd

from refusal_metrics.detectors import RULES
from refusal_metrics.errors import unknown_name

from .logs import Responses

STUDY_COLUMNS = ("model", "task", "setting")
"""What every table tells apart."""

FACTORS = ("persona", "persona_group", "template", "response_type", "stratum", "language")
"""What a table may tell apart besides."""


def check_factors(factors: Sequence[str]) -> None:
    """Check the names of factors.

    Raises
    ------
    InputError
        For a name that is neither in `FACTORS` nor in `STUDY_COLUMNS`.
    """
    for factor in factors:
        if factor not in (*FACTORS, *STUDY_COLUMNS):
            raise unknown_name("factor", factor, FACTORS)


def check_detector(detector: str) -> None:
    """Check the name of a detection rule.

    Raises
    ------
    InputError
        For a name that is not in `refusal_metrics.detectors.RULES`.
    """
    if detector not in RULES:
        raise unknown_name("detector", detector, RULES)


def count_by_text(responses: Responses, factors: Sequence[str], detector: str) -> pd.DataFrame:
    """Count responses and refusals of each text in each cell.

    Parameters
    ----------
    responses : Responses
    factors : sequence of str
        The columns whose combinations are the cells, e.g. ``["model", "task", "persona"]``.
    detector : str
        The rule whose verdicts count.

    Returns
    -------
    pandas.DataFrame
        Columns: the factors, ``text_id, n, n_refused, n_empty``. One row a text and cell, sorted.
    """
    columns = ", ".join(f'"{name}"' for name in (*factors, "text_id"))
    return responses.query(
        f"""
        SELECT {columns}, count(*) AS n, count_if(refused_{detector})::BIGINT AS n_refused,
            count_if(empty)::BIGINT AS n_empty
        FROM responses GROUP BY ALL ORDER BY ALL
        """
    ).df()
