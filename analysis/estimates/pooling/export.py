"""Counts for a Bayesian model of the same question."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ...counts import Counts, count_units_by_text
from .effects import NEUTRAL

TOOLS = ("hibayes",)
"""The tools that counts can be written for."""


def count_for_hibayes(counts: Counts, families: Mapping[str, str]) -> pd.DataFrame:
    """Count the prompts and refusals of each text under each persona, as hibayes names them.

    Parameters
    ----------
    counts : Counts
    families : mapping of str to str
        The family of each model; the others are a family of their own.

    Returns
    -------
    pandas.DataFrame
        Columns ``model, family, task, persona, text, n_correct, n_total``: ``n_correct`` are refusals, ``text`` is a
        number, ``persona`` is ``neutral`` for neutral prompts.

    Raises
    ------
    InputError
        If there are neither personas nor neutral prompts.
    """
    settings = [name for name in ("persona", NEUTRAL) if name in counts.levels["setting"]]
    parts = []
    for setting in settings:
        factors = ["model", "task", *["persona"] * (setting == "persona")]
        found = count_units_by_text(counts.where(setting=setting), factors)
        text, cell, n, refused = found.entries()
        part = found.cells[factors].iloc[cell].reset_index(drop=True).assign(text=text)
        parts.append(part.assign(n_correct=refused, n_total=n.astype(np.int64)))
    if not parts or not sum(map(len, parts)):
        raise InputError("pool --to hibayes: there are no responses with personas or neutral prompts")
    table = pd.concat(parts, ignore_index=True)
    table["persona"] = table["persona"].fillna(NEUTRAL) if "persona" in table else NEUTRAL
    table["family"] = [families.get(model, model) for model in table["model"]]
    whole = bool(np.all(table["n_correct"] % 1 == 0))
    table["n_correct"] = table["n_correct"].astype(np.int64) if whole else table["n_correct"]
    table = table.sort_values(["model", "task", "persona", "text"], ignore_index=True)
    return table[["model", "family", "task", "persona", "text", "n_correct", "n_total"]]
