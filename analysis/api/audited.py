"""Audits of any table of answers in a notebook."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from refusal_metrics.errors import InputError

from ..audit import Audit, Roles, audit_file, write_audit
from .arguments import AnyPath, as_file

_FRAME = "the data frame"


class TableAudit(Audit):
    """What an audit found; see `audit`.

    Examples
    --------
    >>> import pandas as pd
    >>> import refusal_metrics as rm
    >>> verdicts = {"a pilot": 1, "a person": 0}
    >>> rows = [(text, who, refused) for text in range(40) for who, refused in verdicts.items()]
    >>> found = rm.audit(pd.DataFrame(rows, columns=["text_id", "persona", "refused"]), verdict="refused")
    >>> found.differences[["persona", "baseline", "decision"]].values.tolist()
    [['a pilot', 'a person', 'hangs on the detector']]
    """

    def write(self, out: AnyPath, *, force: bool = False) -> list[Path]:
        """Write a page, tables and the judged responses into a folder.

        Parameters
        ----------
        out : path
        force : bool
            Whether to replace an audit in the folder.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            If the folder cannot be written.

        Examples
        --------
        >>> import pandas as pd
        >>> import refusal_metrics as rm
        >>> verdicts = {"a pilot": 1, "a person": 0}
        >>> rows = [(text, who, refused) for text in range(40) for who, refused in verdicts.items()]
        >>> found = rm.audit(pd.DataFrame(rows, columns=["text_id", "persona", "refused"]), verdict="refused")
        >>> sorted(path.name for path in found.write(folder / "audit") if path.suffix in {".html", ".md"})
        ['audit.html', 'audit.md']
        """
        return write_audit(self, Path(out), force=force)


def audit(
    table: AnyPath | pd.DataFrame,
    *,
    response: str | None = None,
    persona: str | None = None,
    text: str | None = None,
    model: str | None = None,
    task: str | None = None,
    prompt: str | None = None,
    labels: str | None = None,
    verdict: str | None = None,
    baseline: str | None = None,
    claimed: float | Mapping[str, float] | None = None,
) -> TableAudit:
    """Audit any table of answers: judge, pair by text, compare with a baseline, and decide what each difference is.

    Parameters
    ----------
    table : path or pandas.DataFrame
        One row a response.
    response, persona, text, model, task, prompt : str, optional
        The columns; those not named are guessed, which `notes` says. ``text`` is the text that a prompt is about or
        any id of it, and serves to pair responses.
    labels : str, optional
        The answers that the prompts offer, ``"yes|no"``, or the column of them.
    verdict : str, optional
        A column of verdicts, which then decide.
    baseline : str, optional
        The condition that the others are compared with.
    claimed : float or mapping of str to float, optional
        Claimed differences in percentage points, for all conditions or by condition.

    Returns
    -------
    TableAudit

    Raises
    ------
    InputError
        If a column is missing or ambiguous, there is one condition only, or nothing can be paired.

    Examples
    --------
    >>> import pandas as pd
    >>> import refusal_metrics as rm
    >>> said = {"a pilot": "I'm sorry, but I cannot help with that.", "a person": "It is polite."}
    >>> rows = [(text, who, said[who]) for text in range(40) for who in said]
    >>> found = rm.audit(pd.DataFrame(rows, columns=["text_id", "persona", "response"]))
    >>> found.differences[["persona", "estimate", "decision"]].values.tolist()
    [['a pilot', 1.0, 'holds']]
    """
    roles = Roles(response, persona, text, model, task, prompt, labels, verdict)
    claims = _claims(claimed)
    with as_file(table, _FRAME) as path:
        name = _FRAME if isinstance(table, pd.DataFrame) else None
        found = audit_file(path, roles, baseline=baseline, claims=claims, name=name)
    return TableAudit(**vars(found))


def _claims(claimed: object) -> dict[str, float]:
    given = {} if claimed is None else claimed if isinstance(claimed, Mapping) else {"": claimed}
    sizes = {}
    for condition, size in given.items():
        if isinstance(size, bool) or not isinstance(size, int | float) or not -100 <= size <= 100:
            where = f" of {condition}" if condition else ""
            raise InputError(f"claimed: the difference{where} is {size!r}; give percentage points, from -100 to 100")
        sizes[str(condition)] = float(size) / 100
    return sizes
