"""Unusable responses: empty, unjudged, truncated, refused by the provider, or neither answer nor refusal."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from ..columns import STUDY_COLUMNS, name_part
from .sql import identifier
from .table import Responses

UNUSABLE = ("n_empty", "n_unjudged", "n_truncated")
"""Counts of unusable responses."""

MUCH = 0.2
"""A larger share of unusable responses, or of refusals by the provider, is reported; a convention."""

MOST_IN_A_GATE = 0.5
"""A run with a larger share of unusable responses passes no gate; a convention."""

_MOST = 5


def count_usable(responses: Responses, rule: str) -> pd.DataFrame:
    """Count the unusable responses.

    Parameters
    ----------
    responses : Responses
    rule : str
        The rule whose verdicts are counted.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and setting: ``model, task, setting, n``; ``n_empty, n_unjudged,
        n_truncated``, a response being in at most one of them; ``n_provider``; ``n_read``, answers and
        refusals, and ``n_known``, responses of which it is known whether they are. Empty if nothing says
        what responses are.
    """
    columns = [*STUDY_COLUMNS, "n", *UNUSABLE, "n_provider", "n_read", "n_known"]
    if "empty" not in responses.columns and "refused_by" not in responses.columns:
        return pd.DataFrame(columns=columns)
    refused = identifier(f"refused_{rule}")
    flags = {"empty": "empty", "unjudged": "unjudged", "truncated": "truncated", "answered": "answered"}
    if "empty" not in responses.columns:
        flags = dict.fromkeys(flags, "NULL::BOOLEAN")
    provider = "refused_by = 'provider'" if "refused_by" in responses.columns else "false"
    # A rule that does not recognise answers cannot show that there are none.
    known = f"{flags['answered']} IS NOT NULL" if rule == ANSWERS_BY else "false"
    truncated = f"coalesce({flags['truncated']}, false)"
    counts = {
        "n_empty": f"{flags['empty']} AND NOT coalesce({refused}, false) AND NOT {truncated}",
        "n_unjudged": flags["unjudged"],
        "n_truncated": flags["truncated"],
        "n_provider": provider,
        "n_read": f"{refused} OR {flags['answered']}",
        "n_known": known,
    }
    counted = ", ".join(f"coalesce(count_if({condition}), 0)::BIGINT AS {name}" for name, condition in counts.items())
    return responses.query(
        f"SELECT model, task, setting, count(*) AS n, {counted} FROM responses WHERE {refused} IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).df()[columns]


def say_unusable(counted: pd.DataFrame) -> Iterator[str]:
    """Report models and tasks with so many unusable responses that a rate means little.

    Parameters
    ----------
    counted : pandas.DataFrame
        From `count_usable`.

    Yields
    ------
    str
    """
    if counted.empty:
        return
    unusable = counted[list(UNUSABLE)].sum(axis=1)
    much = counted[unusable > MUCH * counted["n"]]
    if len(much):
        yield (
            "Responses that cannot be read count as not refused, and there are many: "
            f"{_listed(_unusable_of(row) for _, row in much.iterrows())}."
        )
    unread = (counted["n_known"] == counted["n"]) & (counted["n_read"] == 0)
    silent = counted[unread & (unusable <= MUCH * counted["n"])]
    if len(silent):
        listed = _listed(f"{_named(row)}: {row['n']:,} of {row['n']:,}" for _, row in silent.iterrows())
        yield f"No response is an answer or a refusal, so the rate says nothing about the model: {listed}."
    by_provider = counted[counted["n_provider"] > MUCH * counted["n"]]
    if len(by_provider):
        listed = _listed(f"{_named(row)}: {row['n_provider']:,} of {row['n']:,}" for _, row in by_provider.iterrows())
        yield (
            f"Refused by the provider, not by the model's own words: {listed}; --exclude-provider leaves these "
            "responses out."
        )


def note_unusable(responses: Responses, detector: str | None = None) -> Responses:
    """Add notes about unusable responses, see `say_unusable`.

    Parameters
    ----------
    responses : Responses
    detector : str, optional
        The rule; by default the first.

    Returns
    -------
    Responses

    Raises
    ------
    InputError
        For an unknown rule.
    """
    said = say_unusable(count_usable(responses, responses.rule(detector)))
    return replace(responses, notes=tuple(dict.fromkeys([*responses.notes, *said])))


def fail_gate(counted: pd.DataFrame) -> list[str]:
    """List the reasons why a run passes no gate, whatever its rates, in sentences.

    Parameters
    ----------
    counted : pandas.DataFrame
        From `count_usable`.

    Returns
    -------
    list of str
        A sentence for each model, task and setting of which more than `MOST_IN_A_GATE` of the responses
        are empty, unjudged, truncated or refused by the provider, or none is an answer or a refusal.
    """
    failed = []
    for _, row in counted.iterrows():
        if row[[*UNUSABLE, "n_provider"]].sum() > MOST_IN_A_GATE * row["n"]:
            failed.append(f"{_unusable_of(row, provider=True)}: too many to compare.")
        elif row["n_known"] == row["n"] and row["n_read"] == 0:
            failed.append(f"{_named(row)}: none of {row['n']:,} responses is an answer or a refusal.")
    return failed


def _unusable_of(row: "pd.Series[int]", *, provider: bool = False) -> str:
    words = {name: name.removeprefix("n_") for name in UNUSABLE}
    words |= {"n_provider": "refused by the provider"} if provider else {}
    n = int(row[list(words)].sum())
    kinds = {word: int(row[name]) for name, word in words.items() if row[name]}
    single = next(iter(kinds)) if len(kinds) == 1 else ""
    which = single or " or ".join(kinds)
    parts = "" if single else f" ({', '.join(f'{number:,} {kind}' for kind, number in kinds.items())})"
    return f"{_named(row)}: {n:,} of {row['n']:,} responses are {which}{parts}"


def _named(row: "pd.Series[int]") -> str:
    return name_part(str(row["model"]), str(row["task"]), str(row["setting"]))


def _listed(parts: Iterable[str]) -> str:
    every = list(parts)
    more = f"; and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return "; ".join(every[:_MOST]) + more
