"""An audit of any table of answers, from its file to its findings."""

from collections.abc import Mapping
from pathlib import Path

from ..responses import Progress
from .claims import check_claims
from .compare import compare, count_conditions
from .judged import judge
from .pairing import pair_rows
from .result import Audit
from .roles import Roles, find_roles
from .rows import Rows, read_rows
from .sentences import list_findings


def audit_file(
    path: Path,
    roles: Roles | None = None,
    *,
    baseline: str | None = None,
    claims: Mapping[str, float] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit a table of answers: judge, pair by text, compare with a baseline, and decide what each difference is.

    Parameters
    ----------
    path : Path
        CSV, JSON records or Parquet, one row a response.
    roles : Roles, optional
        The columns; those not named are guessed.
    baseline : str, optional
        The condition that the others are compared with; by default the one whose name says so.
    claims : mapping of str to float, optional
        Differences that were claimed, see `refusal_metrics.analysis.audit.claims.read_claims`.
    name : str, optional
        What messages call the table.
    progress : callable, optional
        Receives the number of judged responses, and the total.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing or ambiguous, there is one condition only, nothing can be
        paired, or an argument names what does not occur.
    """
    return audit_rows(read_rows(path, name), roles or Roles(), baseline, claims or {}, progress)


def audit_rows(
    rows: Rows, given: Roles, baseline: str | None, claims: Mapping[str, float], progress: Progress | None
) -> Audit:
    """Audit the rows of a table; see `audit_file`."""
    roles, guessed = find_roles(rows, given)
    paired = pair_rows(rows, roles, baseline)
    compared = paired.table["persona"][paired.table["persona"] != paired.baseline]
    check_claims(claims, sorted({*compared, *paired.unpaired["persona"]}))
    judged = judge(
        rows,
        paired,
        has_responses=roles.response is not None,
        has_verdicts=roles.verdict is not None,
        progress=progress,
    )
    differences, by_rule = compare(paired, judged, claims)
    columns = roles.columns() | ({"labels": roles.labels} if roles.labels else {})
    return Audit(
        name=rows.name,
        columns=columns,
        baseline=paired.baseline,
        findings=list_findings(differences, by_rule, judged.measured),
        differences=differences,
        by_rule=by_rule,
        conditions=count_conditions(judged),
        judged=judged,
        notes=(*rows.notes, *guessed, *paired.notes, *judged.notes),
    )
