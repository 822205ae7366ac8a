"""The key figure: a heat map of models by personas, of the differences from the baseline averaged over tasks."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from ..columns import ALL_TASKS, name_rule
from ..display import interval, percent
from .figure import Figure
from .marks import Tips, band, make_data, tooltips
from .rates import estimated_by
from .rows import describe, label_models, label_names, natural, take

Tables = Mapping[str, pd.DataFrame]

WIDE = 0.05
"""Models whose intervals all lie this close to 0 are folded, and cells whose study detects only more are hatched."""

AGAINST = {"neutral": "neutral prompts", "others": "the other personas"}

_CELL, _ROW = 32, 20
_RATES = 104
_HATCH = "M-1,.2L.2,-1M-1,1L1,-1M-.2,1L1,-.2"
"""Three diagonals of a cell."""
_LEAST_SCALE = 5.0
"""The colour scale reaches at least this many points to each side, so that noise stays pale."""
_STRONG = 0.55  # above this share of the colour scale, numbers have the background's colour
_LINE = 96
_SCALE = "refused less often \N{LEFTWARDS ARROW} percentage points \N{RIGHTWARDS ARROW} more often"


def differences_of(tables: Tables, rule: str, *, over_tasks: bool) -> pd.DataFrame | None:
    """Return the differences between personas and the baseline, over all tasks or of each; None if there are none."""
    table = estimated_by(tables.get("persona_differences"), [rule])
    if table is None:
        return None
    own = table[(table["task"] == ALL_TASKS) == over_tasks].reset_index(drop=True)
    return own if len(own) else None


def find_significant(table: pd.DataFrame) -> "pd.Series[bool]":
    """Mark the differences whose simultaneous interval does not contain 0."""
    return (table["ci_low"] > 0) | (table["ci_high"] < 0)


def sort_personas(tables: Tables, rule: str) -> list[str]:
    """Sort personas by their mean difference over the models, the one that is refused more than others first."""
    over_tasks, of_tasks = (differences_of(tables, rule, over_tasks=whole) for whole in (True, False))
    table = of_tasks if over_tasks is None else over_tasks
    if table is None:
        return []
    means = table.groupby("persona")["estimate"].mean()
    return sorted(map(str, means.index), key=lambda name: (-means[name], natural(name)))


def draw_heat_map(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw each model's difference between each persona and the baseline, averaged over tasks."""
    table = differences_of(tables, rule, over_tasks=True)
    if table is None:
        return
    baseline = AGAINST.get(str(table["baseline"].iloc[0]), str(table["baseline"].iloc[0]))
    personas = label_names("persona", sort_personas(tables, rule))
    models, levels = label_models(table, run_factors, tables)
    folded = _find_folded(table, models, levels)
    shown = [level for level in levels if level not in folded]
    kept = models.isin(shown)
    rates = _print_rates(tables, rule, run_factors)
    cells = _cells(table[kept], models[kept], personas, shown)
    tips = describe(table[kept].drop(columns="task"), "difference", run_factors)
    tips["95% CI, simultaneous"] = tips.pop("95% CI")
    for title, column in {"shrunken": "estimate_shrunken", "min. detectable increase": "mde_up"}.items():
        signed = column == "estimate_shrunken"
        tips[title] = [f"{percent(x, signed=signed)} points" if pd.notna(x) else "" for x in table.loc[kept, column]]
    chart = _draw(cells, take(tips, cells.pop("at")), list(personas.values()), shown, rates)
    note = " ".join([*_say_folded(folded, rates), *_say_fewer_tasks(table, models)])
    lines = textwrap.wrap(note, _LINE, break_long_words=False, break_on_hyphens=False)
    below = alt.TitleParams(text=lines, style="fold", orient="bottom", anchor="start")
    yield Figure(
        "models_by_personas",
        f"Who is refused more often, compared with {baseline}",
        _caption(table, baseline, rule),
        chart.properties(title=below) if note else chart,
        table,
        is_main=True,
        on_page=chart,
        note=note,
    )


def _find_folded(table: pd.DataFrame, models: "pd.Series[str]", levels: Sequence[str]) -> list[str]:
    """List the models whose simultaneous intervals all lie close to 0, unless no other, or only one, is there."""
    is_close = (table["ci_low"] >= -WIDE) & (table["ci_high"] <= WIDE)
    of_model = is_close.groupby(models).all()
    close = [level for level in levels if of_model[level]]
    return close if 1 < len(close) < len(levels) else []


def _print_rates(tables: Tables, rule: str, run_factors: Sequence[str]) -> dict[str, str]:
    """Format the mean rate of each model with its interval, by the labels of models."""
    rates = estimated_by(tables.get("rates_by_model"), [rule])
    if rates is None:
        return {}
    rates = rates[rates["setting"] == "persona"].reset_index(drop=True)
    labels, _ = label_models(rates, run_factors, tables)
    ends = zip(labels, rates["estimate"], rates["ci_low"], rates["ci_high"], strict=True)
    return {label: f"{percent(rate)} {interval(low, high)}".strip() for label, rate, low, high in ends}


def _cells(
    table: pd.DataFrame, models: "pd.Series[str]", personas: Mapping[str, str], shown: Sequence[str]
) -> pd.DataFrame:
    """Return one row a model and persona, those without an estimate, too; ``at`` is the row of the table or -1."""
    found = pd.DataFrame({"x": table["persona"].map(personas), "y": models})
    found["value"] = 100 * table["estimate_shrunken"].fillna(table["estimate"])
    found["significant"] = find_significant(table).astype(int)
    # What nothing is known of is not drawn as certain.
    found["hatched"] = (~(table["mde_up"] <= WIDE)).astype(int)
    everywhere = pd.MultiIndex.from_product([personas.values(), shown], names=["x", "y"])
    cells = found.assign(at=np.arange(len(found))).set_index(["x", "y"]).reindex(everywhere).reset_index()
    counted = {name: cells[name].fillna(fill).astype(int) for name, fill in _WITHOUT.items()}
    cells = cells.assign(**counted)
    most = max(float(cells["value"].abs().max()), _LEAST_SCALE)
    shade = (cells["value"].abs() > _STRONG * most).astype(int)
    number = [f"{value:+.0f}".replace("-", "\N{MINUS SIGN}") if abs(value) >= 0.5 else "" for value in cells["value"]]
    return cells.assign(shade=shade, number=number)


_WITHOUT = {"at": -1, "significant": 0, "hatched": -1}


def _draw(
    cells: pd.DataFrame, tips: Tips, x: Sequence[str], y: Sequence[str], rates: Mapping[str, str]
) -> "alt.HConcatChart | alt.LayerChart":
    most = max(float(cells["value"].abs().max()), _LEAST_SCALE)
    axis = alt.Axis(title=None, orient="top", labelAngle=-45, labelLimit=140, labelOverlap=False, grid=False)
    across = alt.X("x:N", scale=alt.Scale(domain=list(x), paddingInner=0.04), axis=axis)
    down = alt.Y("y:N", scale=alt.Scale(domain=list(y)), axis=None) if rates else band(y)
    base = alt.Chart().encode(x=across, y=down)
    there = base.transform_filter(alt.FieldGTEPredicate(field="hatched", gte=0))
    colour = alt.Color(
        "value:Q",
        scale=alt.Scale(domain=[-most, most], domainMid=0, interpolate="lab"),
        legend=alt.Legend(title=_SCALE, gradientLength=220, tickCount=5, titleLimit=300),
    )
    hints = tooltips(tips)
    layers = [there.mark_rect().encode(color=colour, tooltip=hints)]
    if (cells["hatched"] == 1).any():
        hatched = base.transform_filter(alt.FieldEqualPredicate(field="hatched", equal=1))
        layers.append(hatched.mark_point(style="hatch", shape=_HATCH, size=(_ROW - 4) ** 2).encode(tooltip=hints))
    if (cells["hatched"] == -1).any():
        absent = base.transform_filter(alt.FieldEqualPredicate(field="hatched", equal=-1))
        layers.append(absent.mark_text(style="absent", text="\N{EN DASH}"))
    for shade, ink in {0: "number-low", 1: "number-high"}.items():
        told = (cells["significant"] == 1) & (cells["shade"] == shade)
        if told.any():
            own = base.transform_filter(alt.FieldEqualPredicate(field="significant", equal=1))
            own = own.transform_filter(alt.FieldEqualPredicate(field="shade", equal=shade))
            layers.append(own.mark_text(style=ink, dx=-3).encode(text="number:N", tooltip=hints))
            dot = own.mark_text(style=ink, text="\N{BULLET}", dx=_CELL / 2 - 6, dy=-_ROW / 4)
            layers.append(dot.encode(tooltip=hints))
    step = {"width": alt.Step(_CELL), "height": alt.Step(_ROW)}
    heat = alt.LayerChart(layer=layers, data=make_data(cells, tips)).properties(**step)
    if not rates:
        return heat
    printed = pd.DataFrame({"y": list(y), "rate": [rates.get(level, "") for level in y]})
    column = (
        alt.Chart(printed)
        .mark_text(style="printed")
        .encode(y=band(y, grid=False), text="rate:N", x=alt.value(0))
        .properties(width=_RATES, height=alt.Step(_ROW), title=alt.TitleParams(text="mean rate, %", style="fold"))
    )
    return alt.hconcat(column, heat, spacing=4)


def _say_folded(folded: Sequence[str], rates: Mapping[str, str]) -> Iterator[str]:
    if not folded:
        return
    named = "; ".join(f"{label} {rates[label]}".strip() if label in rates else label for label in folded)
    yield (
        f"Folded: {len(folded)} models whose differences all lie within {100 * WIDE:.0f} points of 0 (simultaneous 95% "
        f"CIs), with their rates in percent: {named}."
    )


def _say_fewer_tasks(table: pd.DataFrame, models: "pd.Series[str]") -> Iterator[str]:
    most = table["n_tasks"].max()
    fewer = list(dict.fromkeys(models[table["n_tasks"] < most]))
    if fewer:
        yield f"Averaged over fewer than the {most} tasks of the others: {', '.join(fewer)}."


def _caption(table: pd.DataFrame, baseline: str, rule: str) -> str:
    most = int(table["n_tasks"].max())
    over = f", averaged over {most} tasks" if most > 1 else ""
    shrunken = " and shrunken towards the mean of the model" if table["estimate_shrunken"].notna().any() else ""
    return (
        f"Refusal rate of each persona minus that of {baseline}, in percentage points{over}{shrunken} "
        f"({name_rule(rule)}). Dot and number: significant (the simultaneous 95% CI excludes 0); hatched: increases of "
        f"{100 * WIDE:.0f} points may go undetected."
    )
