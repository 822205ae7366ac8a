"""Outcomes of responses: one stacked bar a model."""

from collections.abc import Iterator, Mapping

import altair as alt
import pandas as pd

from ..columns import STUDY_COLUMNS, name_rule
from ..display import percent
from .figure import Figure
from .marks import band, make_data, tooltips
from .rows import count_range, label_models

Tables = Mapping[str, pd.DataFrame]

OUTCOMES = {
    "n_answer": "answer",
    "n_text": "refusal by text",
    "n_provider": "refusal by the provider\N{RIGHT SINGLE QUOTATION MARK}s filter",
    "n_other": "other",
    "n_empty": "empty",
    "n_truncated": "cut off",
    "n_unjudged": "not judged",
}
"""The counts of outcomes and how they are written, in the order of a bar."""

_WIDTH, _ROW = 560, 18


def draw_outcomes(tables: Tables, rule: str) -> Iterator[Figure]:
    """Draw the shares of the outcomes of each model's responses to persona prompts, all tasks together."""
    table = _count(tables, rule)
    if table is None:
        return
    labels, levels = label_models(table, (), tables)
    kinds = {name: said for name, said in OUTCOMES.items() if (table[name] > 0).any()}
    parts = []
    for at, (name, said) in enumerate(kinds.items()):
        share = table[name] / table["n"]
        parts.append(pd.DataFrame({"y": labels, "series": said, "at": at, "x": 100 * share, "n": table[name]}))
    rows = pd.concat(parts, ignore_index=True)
    tips = {
        "model": rows["y"].tolist(),
        "outcome": rows["series"].tolist(),
        "share": [f"{percent(share / 100)}%" for share in rows["x"]],
        "responses": [f"{int(n):,}" for n in rows.pop("n")],
    }
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(OUTCOMES.values()), range="category"),
        legend=alt.Legend(title=None, labelLimit=260, values=list(kinds.values()), columns=4),
    )
    x = alt.X("x:Q", stack="zero", title="share of responses, %", scale=alt.Scale(domain=[0, 100], nice=False))
    bars = (
        alt.Chart(make_data(rows, tips))
        .mark_bar(height={"band": 0.75})
        .encode(y=band(levels), x=x, color=colour, order=alt.Order("at:Q"), tooltip=tooltips(tips))
        .properties(width=_WIDTH, height=alt.Step(_ROW))
    )
    caption = (
        f"What the {count_range(table['n'], 'response')} of each model to persona prompts are, all tasks together "
        f"({name_rule(rule)}). The bars count these responses; rates with their intervals are in the table of models."
    )
    yield Figure("outcomes_by_model", "What models respond", caption, bars, table, is_main=True)


def _count(tables: Tables, rule: str) -> pd.DataFrame | None:
    """Add up the outcomes of each model over its tasks, refusals by text and by the provider apart."""
    outcomes = tables.get("outcomes")
    if outcomes is None:
        return None
    asked = outcomes[outcomes["setting"] == "persona"]
    if asked.empty or not asked["n"].sum():
        return None
    rates = tables.get("rates")
    provider = pd.DataFrame(columns=[*STUDY_COLUMNS, "n_provider"])
    if rates is not None:
        own = rates[rates["rule"] == rule]
        provider = own.groupby(list(STUDY_COLUMNS), as_index=False)[["n_provider"]].sum()
    table = asked.merge(provider, how="left", on=list(STUDY_COLUMNS))
    table["n_provider"] = table["n_provider"].fillna(0).astype(int).clip(upper=table["n_refused"])
    table["n_text"] = table["n_refused"] - table["n_provider"]
    summed = table.groupby("model", sort=False, as_index=False)[[*OUTCOMES, "n"]].sum()
    return summed[summed["n"] > 0].reset_index(drop=True)
