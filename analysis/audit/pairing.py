"""From the rows of a table to responses that are paired by text: what can be compared, and what cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from refusal_metrics.errors import InputError

from ..columns import STUDY
from ..display import counted, plain
from ..responses import LONGEST_PERSONA
from .baseline import NO_PERSONA, find_baseline
from .roles import LONG, Roles, check_conditions
from .rows import Rows, listed

ONLY_MODEL, ONLY_TASK = "The model", "all"
"""The names of the model and task of a table that has no column of them."""

MOST_CONDITIONS = 500
"""The largest number of conditions; a column with more has texts or ids."""


@dataclass(frozen=True)
class Paired:
    """Responses that can be compared.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a response of a condition and a model with texts that also have the baseline: ``row`` (from 1, in the
        file), ``model, task, persona, text_id, template, prompt, labels, response, verdict``, texts or None, and the
        file's ``language`` and ``finish_reason``.
    baseline : str
    unpaired : pandas.DataFrame
        The conditions of a model and task that have no text in common with the baseline: ``model, task, persona, n``.
    notes : tuple of str
        What was guessed and left out.
    """

    table: pd.DataFrame
    baseline: str
    unpaired: pd.DataFrame
    notes: tuple[str, ...]


def pair_rows(rows: Rows, roles: Roles, baseline: str | None) -> Paired:
    """Select the responses that can be compared with the baseline about the same text.

    Parameters
    ----------
    rows : Rows
    roles : Roles
    baseline : str or None
        The name of the condition; None to guess it.

    Returns
    -------
    Paired

    Raises
    ------
    InputError
        If there is one condition only, no baseline, or nothing that can be paired.
    """
    table, notes = _complete(rows, roles)
    check_conditions(rows, roles.columns()["persona"], table["persona"])
    conditions = sorted(table["persona"].dropna().unique())
    n_missing = int(table["persona"].isna().sum())
    name, said = find_baseline(rows.name, conditions, n_missing, baseline)
    notes += said
    if name == NO_PERSONA:
        table["persona"] = table["persona"].fillna(NO_PERSONA)
    elif n_missing:
        notes.append(
            f"{counted(n_missing, 'row')} without a condition left out; pass --baseline '{NO_PERSONA}' to compare the "
            "others with them."
        )
        table = table[table["persona"].notna()]
    if len(conditions) == 1 and name != NO_PERSONA:
        raise InputError(
            f"{rows.name}: the only condition beside rows without one is {listed(conditions)}, so there is nothing to "
            f"compare; pass --baseline '{NO_PERSONA}' to compare it with these rows"
        )
    notes += _alike(conditions)
    kept, unpaired = _paired(table, name)
    if kept.empty:
        raise InputError(
            f"{rows.name}: no text in {roles.text} has both {listed([name])} and another condition, so "
            f"{_sizes(unpaired)} cannot be paired; name another column with --text, or another --baseline"
        )
    notes += _say_unpaired(unpaired, name)
    return Paired(kept.reset_index(drop=True), name, unpaired, tuple(notes))


def _complete(rows: Rows, roles: Roles) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that have a model, text and verdict, each once."""
    table = _by_role(rows, roles)
    _check_names(rows, roles, table)
    notes = []
    copies = pd.DataFrame({name: rows.column(name) for name in rows.columns}).duplicated()
    if n := int(copies.sum()):
        notes.append(f"{counted(n, 'row')} repeat{'s' * (n == 1)} an earlier row in every column: counted once.")
        table = table[~copies]
    needed = ["text", *STUDY, *["verdict"] * (roles.verdict is not None)]
    lost = table[needed].isna().any(axis=1)
    if n := int(lost.sum()):
        lacking = ", ".join(roles.columns().get(role, role) for role in needed if table[role].isna().any())
        notes.append(f"{counted(n, 'row')} without {lacking} left out.")
        table = table[~lost]
    if table.empty:
        raise InputError(f"{rows.name}: no row has all of {', '.join(needed)}; {LONG}")
    if roles.response:
        notes += _say_empty(rows, roles.response, table["response"])
    return _number_prompts(table, notes), notes


def _by_role(rows: Rows, roles: Roles) -> pd.DataFrame:
    """Return the columns under the names of their roles, each of them, with names on one line."""
    columns: dict[str, object] = {role: rows.column(name) for role, name in roles.columns().items()}
    columns |= {name: rows.column(name) for name in ("language", "finish_reason") if name in rows.columns}
    if roles.labels and not roles.labels_column:
        columns["labels"] = roles.labels
    table = pd.DataFrame({"row": range(1, rows.table.num_rows + 1), "model": ONLY_MODEL, "task": ONLY_TASK} | columns)
    for role in ("response", "prompt", "labels", "verdict", "language", "finish_reason"):
        if role not in table:
            table[role] = None
    for role in ("persona", "text", *STUDY):
        table[role] = table[role].map(lambda value: " ".join(value.split()), na_action="ignore")
    return table


def _say_empty(rows: Rows, column: str, responses: "pd.Series[str]") -> Iterator[str]:
    """Report how many responses are empty, if not all are."""
    empty = int(responses.isna().sum())
    if empty == len(responses):
        raise InputError(
            f"{rows.name}: the column {column} contains no response; name the column of the responses with --response"
        )
    if empty:
        yield f"{counted(empty, 'row')} without a response: empty, which is not a refusal."


def _number_prompts(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Add the number of each distinct prompt about a text under a condition, by which repeated answers are found."""
    prompts = table["prompt"].fillna("")
    codes = pd.Series(pd.factorize(prompts)[0], index=table.index)
    template = codes.groupby([table[name].fillna("") for name in ("model", "task", "persona", "text")]).rank("dense")
    found = table.assign(template=template.astype(int).astype(str), text_id=table["text"]).drop(columns="text")
    of_prompt = ["model", "task", "persona", "text_id", "template"]
    if again := int(found.duplicated(of_prompt).sum()):
        notes.append(
            f"{counted(again, 'response')} repeat{'s' * (again == 1)} a prompt (same model, condition and text); the "
            "responses to one prompt count once, with the mean of their verdicts."
        )
    return found


def _check_names(rows: Rows, roles: Roles, table: pd.DataFrame) -> None:
    """Check that conditions are names, and that models and tasks are, too."""
    for role in ("persona", *STUDY):
        longest = table[role].dropna().str.len().max()
        if longest > LONGEST_PERSONA:
            raise InputError(
                f"{rows.name}: the column {roles.columns()[role]} has values of {int(longest):,} characters; name each "
                f"{'condition' if role == 'persona' else role} in at most {LONGEST_PERSONA:,}, or name another column "
                f"with --{role}"
            )
    if (n := table["persona"].nunique()) > MOST_CONDITIONS:
        raise InputError(
            f"{rows.name}: the column {roles.persona} has {n:,} different values, and at most {MOST_CONDITIONS} "
            "conditions can be compared; name the column of conditions with --persona"
        )


def _alike(conditions: list[str]) -> Iterator[str]:
    folded: dict[str, list[str]] = {}
    for condition in conditions:
        folded.setdefault(condition.casefold(), []).append(condition)
    for group in folded.values():
        if len(group) > 1:
            yield f"The conditions {listed(group)} differ in case only: different conditions here."


def _paired(table: pd.DataFrame, baseline: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the rows into those of texts with the baseline and another condition, and conditions without any."""
    is_baseline = table["persona"] == baseline
    of_text = [*STUDY, "text_id"]
    beside = table[is_baseline][of_text].drop_duplicates().assign(beside=True)
    merged = table.merge(beside, how="left", on=of_text)
    merged["beside"] = merged["beside"].eq(True)  # noqa: FBT003 - a value that is compared
    others = merged[merged["persona"] != baseline]
    found = others.groupby([*STUDY, "persona"], sort=True)["beside"].agg(["any", "size"]).reset_index()
    unpaired = found[~found["any"]].rename(columns={"size": "n"})[[*STUDY, "persona", "n"]].reset_index(drop=True)
    compared = others[others["beside"]][of_text].drop_duplicates()
    kept = merged[merged["beside"]].drop(columns="beside").merge(compared, on=of_text)
    return kept.sort_values("row", kind="stable"), unpaired


def _sizes(unpaired: pd.DataFrame) -> str:
    named = [
        f"the {counted(int(n), 'response')} of {listed([persona])}"
        for persona, n in unpaired.groupby("persona", sort=False)["n"].sum().head(3).items()
    ]
    more = unpaired["persona"].nunique() - len(named)
    return ", ".join(named) + (f" and {counted(more, 'other condition')}" if more else "")


def _say_unpaired(unpaired: pd.DataFrame, baseline: str) -> Iterator[str]:
    for key, part in unpaired.groupby(list(STUDY), sort=True):
        study = tuple(map(str, key))
        where = "" if study == (ONLY_MODEL, ONLY_TASK) else f" for {plain(', '.join(study))}"
        n = int(part["n"].sum())
        yield (
            f"{listed(part['persona'])} never occur{'s' * (len(part) == 1)} beside {listed([baseline])}{where}: "
            f"{counted(n, 'response')} cannot be paired and {'is' if n == 1 else 'are'} not compared."
        )
