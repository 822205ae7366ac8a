"""Measured numbers in the layout of the paper's tables."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from ..columns import TASKS
from ..display import percent
from .published import REFERENCES, load_published, match_model


def paper_tables(
    rates_tables: Mapping[str, pd.DataFrame],
    counts_tables: Mapping[str, pd.DataFrame],
    regression: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    """Tabulate measured numbers in the paper's layout, for the persona setting only.

    Parameters
    ----------
    rates_tables : mapping of str to pandas.DataFrame
        ``rates`` (``model, task, setting, rule, estimate, ...``).
    counts_tables : mapping of str to pandas.DataFrame
        ``counts_by_persona`` (``model, task, setting, persona, n``) and ``counts_by_template`` (the
        same with ``template``).
    regression : pandas.DataFrame, optional
        ``factor, level, coef, p_value, ...``.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables of texts, for what was given: ``table1_<rule>`` (models by tasks in percent; the last row
        is the unweighted mean over models), ``table5`` and ``table6`` (how often each persona and
        template was drawn for each task; a range if models differ), ``table7_<rule>`` (coefficients,
        the largest in size first, with a star at p < .01). Without a column ``rule`` the name has none.
        Blank if nothing was measured.
    """
    tables: dict[str, pd.DataFrame] = {}
    if "rates" in rates_tables:
        tables |= _per_rule("table1", of_personas(rates_tables["rates"]), _table1)
    for name, factor in (("table5", "persona"), ("table6", "template")):
        counts = counts_tables.get(f"counts_by_{factor}")
        if counts is not None:
            tables[name] = _count_table(of_personas(counts), factor, _printed_order(name, factor))
    if regression is not None:
        tables |= _per_rule("table7", of_personas(regression), _table7)
    return tables


def _per_rule(
    name: str, table: pd.DataFrame, lay_out: Callable[[pd.DataFrame], pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    if "rule" not in table:
        return {name: lay_out(table)}
    return {f"{name}_{rule}": lay_out(part) for rule, part in table.groupby("rule", sort=False)}


def _printed_order(name: str, column: str) -> list[str]:
    return list(load_published(name)[column].unique())


def _in_order(names: Iterable[str], printed: Sequence[str], known: Callable[[str], str | None] = str) -> list[str]:
    place = {name: i for i, name in enumerate(printed)}
    return sorted(names, key=lambda name: (place.get(known(name) or "", len(place)), name))


def _table1(rates: pd.DataFrame) -> pd.DataFrame:
    # Unlike pivot_table, pivot raises an error for a second rate in one cell.
    wide = rates.pivot(index="model", columns="task", values="estimate").reindex(columns=list(TASKS))  # noqa: PD010
    wide = wide.loc[_in_order(wide.index, _printed_order("models", "model"), match_model)]
    wide.loc["Mean"] = wide.mean()
    shown = wide.map(percent).rename(columns=TASKS)
    return shown.rename_axis(index="Model", columns=None).reset_index()


def _count_table(counts: pd.DataFrame, factor: str, printed: Sequence[str]) -> pd.DataFrame:
    levels = _in_order(counts[factor].dropna().unique(), printed)
    columns = {factor.capitalize(): levels}
    for task, heading in TASKS.items():
        of_task = counts[counts["task"] == task]
        # A model with the task but never with this level counts as 0.
        wide = of_task.pivot_table(index=factor, columns="model", values="n", aggfunc="sum").reindex(levels).fillna(0)
        columns[heading] = [_range(row.min(), row.max()) if len(row) else "" for _, row in wide.iterrows()]
    return pd.DataFrame(columns)


def _range(low: float, high: float) -> str:
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def _table7(regression: pd.DataFrame) -> pd.DataFrame:
    # The paper's table has no intercept.
    terms = regression[regression["factor"].isin(list(REFERENCES))]
    order = {factor: place for place, factor in enumerate(REFERENCES)}
    terms = terms.assign(place=terms["factor"].map(order), size=terms["coef"].abs())
    terms = terms.sort_values(["place", "size", "level"], ascending=[True, False, True])
    values = [
        "" if math.isnan(coef) else f"{round(coef, 2) + 0.0:.2f}{'*' if p < 0.01 else ''}"
        for coef, p in zip(terms["coef"], terms["p_value"], strict=True)
    ]
    factors = ["prompt" if factor == "template" else factor for factor in terms["factor"]]
    return pd.DataFrame({"Factor": factors, "Term": list(terms["level"]), "Coefficient": values})


def of_personas(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of the persona setting."""
    return table[table["setting"] == "persona"] if "setting" in table else table
