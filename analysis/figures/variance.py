"""The figure of the components of variance: a stacked bar for each model and task, the detectors' rates beside it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from ..columns import STUDY
from .figure import Figure
from .marks import legend_of, make_data, tooltips
from .rates import asked_as_persona, say_study
from .rows import describe, label_levels, label_models, label_tasks, take, write_factor

Tables = Mapping[str, pd.DataFrame]

_STACKED = (
    "text",
    "text:persona",
    "text:template",
    "persona",
    "persona:template",
    "wording",
    "template",
    "seed",
    "rest",
)
"""The components of a bar from left to right."""
_COLOURED = (
    *("text", "persona", "template", "wording", "none", "seed"),
    *("text:persona", "persona:template", "text:template", "no", "nor", "rest"),
)
"""The components in the order of the theme's six colours, in full and then faint; three have names of no component."""
_LEAST_REFUSED = 30
"""The least number of refusals, and of other responses, of which a bar is drawn."""
_NAMES = {"seed": "sampling seed", "rest": "rest"}
_OWN: Literal["independent"] = "independent"
_FAINT = 0.5
_WIDTH, _WIDTH_OF_RATES = 420, 140
_LEGEND_COLUMNS = 4
_COLOURS = 6


def draw_variance(tables: Tables, rules: Sequence[str], rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the shares of the components of variance, and the rate by each detector."""
    table = tables.get("variance_components")
    if table is None:
        return
    apart = [name for name in run_factors if name in table]
    table = table[table["estimate"].notna() & (table["component"] != "total")]
    asked = table[table["component"] == "rest"]
    few = asked[[*STUDY, *apart]][np.minimum(asked["n_refused"], asked["n"] - asked["n_refused"]) < _LEAST_REFUSED]
    is_few = pd.MultiIndex.from_frame(table[[*STUDY, *apart]]).isin(pd.MultiIndex.from_frame(few))
    table = table[~is_few].reset_index(drop=True)
    if table.empty:
        return
    rows = _stack(table, [*STUDY, *apart])
    rates = _rates(tables, rules, table, apart)
    labels, levels = label_models(table, apart, tables)
    tasks, kinds = label_tasks(table)
    names = [_name(component) for component in _COLOURED]
    shown = [name for name in names if name in set(rows["series"])]
    tips = {"component": list(rows["series"]), **_tips(table, apart)}
    panels: list[alt.HConcatChart] = []
    for kind in kinds:
        own = np.flatnonzero(tasks == kind)
        here = [level for level in levels if level in set(labels.iloc[own])]
        first, last = not panels, kind == kinds[-1]
        bar = _draw_bar(
            rows.iloc[own].assign(y=labels.iloc[own].to_numpy()), take(tips, own), here, names, shown, first, last
        )
        beside = _draw_rates(rates[rates["task"].eq(kind)], here, first=first, last=last)
        panel: alt.HConcatChart = alt.hconcat(bar.properties(title=kind), beside)
        panels.append(panel.resolve_scale(color=_OWN, shape=_OWN, opacity=_OWN))
    stacked: alt.VConcatChart = alt.vconcat(*panels, spacing=16)
    chart = stacked.resolve_scale(color=_OWN, shape=_OWN, opacity=_OWN)
    omitted = f" {len(few)} with fewer than {_LEAST_REFUSED} refusals or other responses are omitted."
    caption = (
        f"Left: shares of the variance of refusals ({rule}), negative estimates as 0; hover for the 95% CIs. Right: "
        f"refusal rates by detector, whose differences are not part of the variance.{omitted * bool(len(few))} "
        f"{say_study(tables, rule)}"
    )
    yield Figure("variance_components", "Where refusals vary", caption, chart, table)


def _name(component: str) -> str:
    return _NAMES.get(component, write_factor(component))


def _stack(table: pd.DataFrame, study: Sequence[str]) -> pd.DataFrame:
    """Place the components of each bar end to end, in percent; the rest fills the bar, and no bar is longer."""
    bar = table.groupby(list(study), sort=False, dropna=False).ngroup().to_numpy()
    place = table["component"].map(_STACKED.index).to_numpy()
    is_rest = (table["component"] == "rest").to_numpy()
    share = np.where(is_rest, 0, 100 * table["estimate"].clip(lower=0))
    known = np.bincount(bar, weights=share)[bar]
    share = np.where(is_rest, np.maximum(0, 100 - known), share * np.minimum(1, 100 / np.maximum(known, 100)))
    at = np.lexsort([place, bar])
    high = np.empty(len(table))
    high[at] = np.cumsum(share[at]) - 100.0 * bar[at]
    return pd.DataFrame({"low": high - share, "high": high, "series": table["component"].map(_name)})


def _tips(table: pd.DataFrame, run_factors: Sequence[str]) -> dict[str, list[str]]:
    told = describe(table.drop(columns="n_refused"), "rate", run_factors)
    return {"share, %" if title == "refused, %" else title: texts for title, texts in told.items()}


def _rates(tables: Tables, rules: Sequence[str], table: pd.DataFrame, run_factors: Sequence[str]) -> pd.DataFrame:
    """Return the rate of each detector in the rows of the bars; repeats are pooled."""
    keys = [*STUDY, *run_factors]
    rates = asked_as_persona(tables.get("rates"), rules)
    if rates is None:
        return pd.DataFrame(columns=["task", "y", "x", "series"])
    sums = rates.groupby([*keys, "rule"], sort=False, dropna=False, as_index=False)[["n", "n_refused"]].sum()
    sums = sums.merge(table[keys].drop_duplicates(), on=keys)
    x, series = 100 * sums["n_refused"] / sums["n"], label_levels(sums["rule"], rules)[0]
    return pd.DataFrame(
        {"task": label_tasks(sums)[0], "y": label_models(sums, run_factors, tables)[0], "x": x, "series": series}
    )


def _draw_bar(
    rows: pd.DataFrame,
    tips: Mapping[str, Sequence[str]],
    levels: Sequence[str],
    names: Sequence[str],
    shown: Sequence[str],
    first: bool,
    last: bool,
) -> alt.Chart:
    legend = alt.Legend(title=None, columns=_LEGEND_COLUMNS, values=list(shown), symbolType="square") if first else None
    opacities = [_FAINT if place >= _COLOURS else 1 for place in range(len(names))]
    scale = alt.Scale(domain=[0, 100], nice=False)
    # Else Vega-Lite would interpolate between the first and the last; of a nominal field it warns.
    opaque = alt.Scale(type="ordinal", domain=list(names), range=opacities)
    y = alt.Y(
        "y:N", scale=alt.Scale(domain=list(levels)), axis=alt.Axis(title=None, labelLimit=260, labelOverlap=False)
    )
    chart: alt.Chart = (
        alt.Chart(make_data(rows, tips))
        .mark_bar()
        .encode(
            y=y,
            x=alt.X("low:Q", title="share of the variance, %" if last else None, scale=scale),
            x2="high",
            color=alt.Color("series:N", scale=alt.Scale(domain=list(names)), legend=legend),
            opacity=alt.Opacity("series:O", scale=opaque, legend=legend),
            tooltip=tooltips(tips),
        )
        .properties(width=_WIDTH, height=alt.Step(18))
    )
    return chart


def _draw_rates(rates: pd.DataFrame, levels: Sequence[str], *, first: bool, last: bool) -> alt.Chart:
    looks = legend_of(list(dict.fromkeys(rates["series"])))
    if not first:
        looks = {channel: look.copy() for channel, look in looks.items()}
        for look in looks.values():
            look.legend = None
    tips = {"detector": list(rates["series"]), "refused, %": [f"{x:.2f}" for x in rates["x"]]}
    chart: alt.Chart = (
        alt.Chart(make_data(rates[["y", "x", "series"]], tips))
        .mark_point(style="estimate")
        .encode(
            y=alt.Y("y:N", scale=alt.Scale(domain=list(levels)), axis=None),
            x=alt.X("x:Q", title="refusal rate, %" if last else None, scale=alt.Scale(zero=True)),
            tooltip=tooltips(tips),
            **looks,
        )
        .properties(width=_WIDTH_OF_RATES, height=alt.Step(18))
    )
    return chart
