"""Selections of responses, and responses as a data frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError, unknown_name

from ..columns import FLAGS, is_verdict
from .sql import Folder, connect, count_rows, identifier, quoted
from .table import Responses, written_columns

if TYPE_CHECKING:
    import pandas as pd

OF_PERSONAS = ("persona", "persona_group")
"""Columns that select only among persona prompts; other settings stay as baselines."""


def select_responses(responses: Responses, levels: Mapping[str, Sequence[str]]) -> Responses:
    """Select the responses of some levels.

    Parameters
    ----------
    responses : Responses
    levels : mapping of str to sequence of str
        The levels to keep of each column. Levels of a persona, or of a group of them, are of what was asked as a
        persona; neutral and persona-free prompts stay.

    Returns
    -------
    Responses
        A database of their own; a note says how many there are.

    Raises
    ------
    InputError
        For an unknown column or level, or if no response is left.
    """
    allowed = [name for name in responses.columns if not is_verdict(name) and name not in FLAGS]
    conditions = []
    for name, kept in levels.items():
        if name not in allowed:
            raise unknown_name("column", name, allowed)
        asked = "setting = 'persona'" if name in OF_PERSONAS else "true"
        found = responses.query(
            f"SELECT DISTINCT {identifier(name)}::VARCHAR AS level FROM responses "
            f"WHERE level IS NOT NULL AND {asked} ORDER BY level"
        ).fetchall()
        known = [level for (level,) in found]
        if not kept:
            raise InputError(f"{name}: no level is given; give some of {', '.join(known)}")
        for level in kept:
            if level not in known:
                raise unknown_name(name, level, known)
        chosen = f"{identifier(name)}::VARCHAR IN ({', '.join(map(quoted, kept))})"
        conditions.append(f"({chosen} OR NOT {asked})" if name in OF_PERSONAS else chosen)
    if not conditions:
        return responses
    folder = Folder()
    path = folder.path / "selected.parquet"
    where = " AND ".join(conditions)
    responses.query(f"COPY (SELECT * FROM responses WHERE {where}) TO {quoted(path)} (FORMAT parquet)")
    connection = connect()
    connection.execute(f"CREATE VIEW responses AS FROM read_parquet({quoted(path)})")
    n, n_all = (count_rows(of, "SELECT count(*) FROM responses") for of in (connection, responses.connection))
    listed = " and ".join(f"{name} {' or '.join(kept)}" for name, kept in levels.items())
    if not n:
        raise InputError(f"no response has {listed}; leave out one of them")
    note = f"{n:,} of {n_all:,} responses selected: {listed}."
    keep = (folder, responses.keep)
    return replace(responses, connection=connection, notes=(*responses.notes, note), table=None, keep=keep)


def to_frame(responses: Responses, detector: str | None = None) -> "pd.DataFrame":
    """Return the responses as a data frame, with the columns that `write_responses` writes.

    Parameters
    ----------
    responses : Responses
    detector : str, optional
        The rule whose verdicts are the column ``refused``; by default the first.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        For an unknown rule.
    """
    columns = written_columns(responses, responses.rule(detector))
    return responses.query(f"SELECT {columns} FROM responses").df()
