"""Exclusion of refusals by providers."""

from dataclasses import replace

from refusal_metrics.detection import PROVIDER
from refusal_metrics.errors import InputError

from .table import Responses


def exclude_provider(responses: Responses) -> Responses:
    """Exclude the responses that the provider refused, from refusals and from the total.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    Responses
        The same database; a note says how many were left out.

    Raises
    ------
    InputError
        If no response is left.
    """
    if "refused_by" not in responses.columns:
        note = "Who refused is unknown (no column refused_by): --exclude-provider leaves nothing out."
        return replace(responses, notes=(*responses.notes, note))
    n, n_all = responses.query(
        f"SELECT count(*) FILTER (refused_by = '{PROVIDER}'), count(*) FROM responses"
    ).fetchall()[0]
    if n == n_all:
        raise InputError(f"--exclude-provider: the provider refused all {n_all:,} responses; none is left")
    note = f"{n:,} of {n_all:,} responses were refused by the provider and left out (--exclude-provider)."
    responses.query("ALTER VIEW responses RENAME TO all_responses")
    responses.query(f"CREATE VIEW responses AS FROM all_responses WHERE refused_by IS DISTINCT FROM '{PROVIDER}'")
    return replace(responses, notes=(*responses.notes, note), table=None)
