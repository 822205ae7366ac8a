"""Figures of refusal rates: by model and task, persona, response type, template and rating."""

from collections.abc import Iterator, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from ..columns import RESPONSE_TYPES, SETTINGS, STUDY
from .figure import Figure
from .marks import draw_cells, draw_curves, draw_points, draw_strips, facet, panels_of, stack, width_of, wrap
from .rows import (
    count_range,
    describe,
    in_order,
    label_levels,
    label_models,
    label_names,
    label_tasks,
    order_personas,
    say_sizes,
    take,
)

Tables = Mapping[str, pd.DataFrame]

_INTERVALS = "Bars: 95% confidence intervals, clustered by text."
_REFUSED = "refusal rate, %"
_KEPT = ("estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused")


def draw_rates(tables: Tables, rules: Sequence[str], run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the refusal rate of each model and task, the detectors side by side."""
    table = asked_as_persona(tables.get("rates"), rules)
    if table is None:
        return
    labels, levels = label_models(table, run_factors, tables)
    series, kinds = label_levels(table["rule"], rules)
    rows = _rows(table, labels, series)
    title = "Refusal rates by model and task"
    caption = (
        f"Raw refusal rate of persona prompts by each detector ({', '.join(kinds)}). {_INTERVALS} If detectors differ "
        "a lot, read "
        f"responses before you trust any. {say_sizes(table)}"
    )
    yield Figure("rates_models_by_tasks", title, caption, _by_task(rows, table, levels, kinds, run_factors), table)


def draw_settings(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the paper's Figure 1: refusal rates by type of prompt, and differences by model."""
    rates, contrasts = (estimated_by(tables.get(name), [rule]) for name in ("rates", "contrasts"))
    if rates is None or contrasts is None:
        return
    families = [*STUDY, *run_factors]
    there = contrasts[families].drop_duplicates()
    rates = rates.merge(there, on=families, how="inner")
    series, kinds = label_levels(rates["setting"], SETTINGS)
    labels, levels = label_models(rates, run_factors, tables)
    upper = _by_task(_rows(rates, labels, series), rates, levels, kinds, run_factors)
    labels, _ = label_models(contrasts, run_factors, tables)
    rows = _rows(contrasts, labels, contrasts["baseline"].astype(str))
    tips = describe(contrasts, "difference", run_factors)
    columns = _columns(contrasts)
    width = width_of(columns["column"].nunique())
    title = "difference, points"
    lower = draw_points(rows.assign(**columns), tips, y=levels, title=title, series=kinds, zero=True, width=width)
    chart = stack({"Refusal rate": upper, "Difference from the baseline": facet(lower)})
    kept = [*families, "rule", *_KEPT]
    table = pd.concat(
        [
            rates[[*kept, "setting"]].assign(drawn="rate"),
            contrasts[[*kept, "baseline", "p_adjusted", "n_baseline", "n_refused_baseline"]].assign(drawn="difference"),
        ],
        ignore_index=True,
    )
    caption = (
        f"Top: refusal rate by type of prompt ({rule}). Bottom: difference from the baseline shown by colour, "
        "within texts; "
        f"persona-free prompts also differ in their wording. {_INTERVALS} {say_sizes(rates)}"
    )
    yield Figure(
        "figure1_persona_against_persona_free", "Persona, neutral and persona-free prompts", caption, chart, table
    )


def draw_personas(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the paper's Figure 2: each persona's rate in each task, over models."""
    table = asked_as_persona(tables.get("rates_by_persona"), [rule], "persona")
    if table is None:
        return
    order = order_personas(tables, table["persona"].unique())
    personas = label_names("persona", order)
    chart, drawn, how = _over_models(
        tables, table, table["persona"].map(personas), list(personas.values()), run_factors
    )
    caption = f"Refusal rate of each persona ({rule}), sorted by group. {how}"
    yield Figure("figure2_personas", "Refusal rates by persona", caption, chart, drawn)


def draw_heat_maps(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the paper's Figures 3, 7, 8 and 9: the rate of each model under each persona."""
    table = asked_as_persona(tables.get("rates_by_persona"), [rule], "persona")
    if table is None:
        return
    personas = label_names("persona", order_personas(tables, table["persona"].unique()))
    models, levels = label_models(table, run_factors, tables)
    tasks, kinds = label_tasks(table)
    highest = max(100 * float(table["estimate"].max()), 1.0)
    cells = pd.DataFrame({"x": table["persona"].map(personas), "y": models, "value": 100 * table["estimate"]})
    tips = describe(table, run_factors=run_factors)
    everywhere = pd.MultiIndex.from_product([personas.values(), levels], names=["x", "y"])
    charts = {}
    for task in kinds:
        at = np.flatnonzero(tasks == task)
        grid = cells.iloc[at].assign(at=at).set_index(["x", "y"]).reindex(everywhere).reset_index()
        texts = take(tips, grid.pop("at").fillna(-1).astype(int))
        charts[task] = draw_cells(grid, texts, x=list(personas.values()), y=levels, highest=highest, title=_REFUSED)
    caption = (
        f"Refusal rate of each model and persona, in percent ({rule}), with the same colours in all tasks. A dash is a "
        "combination without prompts; hover for confidence intervals. "
        f"{say_sizes(table, 'Each cell')}"
    )
    name = "figures3_7_8_9_models_by_personas"
    yield Figure(name, "Refusal rates by model and persona", caption, stack(charts), table)


def draw_response_types(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the paper's Figures 4, 10 and 11: refusal rates by response type, with intervals."""
    table = asked_as_persona(tables.get("rates_by_response_type"), [rule], "response_type")
    if table is None:
        return
    labels, levels = label_models(table, run_factors, tables)
    series, kinds = label_levels(table["response_type"], RESPONSE_TYPES)
    caption = (
        "Refusal rate for open questions (unforced), prompts that ask for the label only (semi-forced), and "
        "prompts that "
        f"require a label (forced) ({rule}). {_INTERVALS} {say_sizes(table)}"
    )
    chart = _by_task(_rows(table, labels, series), table, levels, kinds, run_factors)
    title = "Refusal rates by response type"
    yield Figure("figures4_10_11_models_by_response_types", title, caption, chart, table, is_main=True)


def draw_rules_by_template(tables: Tables, rules: Sequence[str], run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the disagreement of the detectors about each template."""
    table = asked_as_persona(tables.get("rates_by_template"), rules, "template")
    if table is None or table["rule"].nunique() < 2:
        return
    labels, levels = label_levels(table["template"])
    series, kinds = label_levels(table["rule"], rules)
    chart, drawn, how = _over_models(tables, table, labels, levels, run_factors, series, kinds)
    caption = (
        f"Refusal rate of each prompt template by each detector ({', '.join(kinds)}). The gap between detectors "
        f"is a lower bound of the share of responses that they judge differently. {how}"
    )
    yield Figure("rules_by_template", "Disagreement between detectors", caption, chart, drawn)


def draw_strata(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the refusal rate by rating of the text, or by class if texts have classes."""
    table = asked_as_persona(tables.get("rates_by_stratum"), [rule], "stratum")
    if table is None:
        return
    rated = table["stratum"].astype(str).str.fullmatch(r"-?\d+(\.\d+)?")
    rated = rated.groupby(table["task"]).transform("all")
    if rated.any():
        yield _dose_response(tables, table[rated].reset_index(drop=True), rule, run_factors)
    if not rated.all():
        own = table[~rated].reset_index(drop=True)
        classes, _ = label_levels(own["stratum"])
        tasks, kinds = label_tasks(own)
        written = classes if len(kinds) == 1 else tasks + ": " + classes
        chart, drawn, how = _over_models(tables, own, written, in_order(written), run_factors)
        caption = f"Refusal rate by class of the text ({rule}). {how}"
        yield Figure("rates_by_class", "Refusal rates by class of the text", caption, chart, drawn)


def _dose_response(tables: Tables, table: pd.DataFrame, rule: str, run_factors: Sequence[str]) -> Figure:
    models, levels = label_models(table, run_factors, tables)
    tasks, kinds = label_tasks(table)
    strata, ratings = label_levels(table["stratum"])
    rows = pd.DataFrame({"x": strata, "series": tasks, "panel": models}).assign(
        panel_at=models.map(levels.index),
        series_at=tasks.map(kinds.index),
        y=100 * table["estimate"],
        low=100 * table["ci_low"],
        high=100 * table["ci_high"],
    )
    columns = panels_of(levels)
    curves = draw_curves(
        rows,
        describe(table, run_factors=run_factors),
        x=ratings,
        series=kinds,
        titles=("rating of the text", _REFUSED),
        width=width_of(columns),
    )
    plainly = " Refusals of texts rated 1 (not offensive at all) are clearly false."
    caption = (
        f"Refusal rate by human rating of the text, one panel per model ({rule})."
        f"{plainly * bool((table['task'] == 'offensiveness').any())} {_INTERVALS} {say_sizes(table)}"
    )
    return Figure("dose_response", "Refusal rates by rating of the text", caption, wrap(curves, columns), table)


# Shared by several figures.


def estimated_by(table: pd.DataFrame | None, rules: Sequence[str]) -> pd.DataFrame | None:
    """Return the rows of these detectors with an estimate, in their order; None if there are none."""
    if table is None:
        return None
    own = table[table["rule"].isin(list(rules)) & table["estimate"].notna()].reset_index(drop=True)
    return own if len(own) else None


def asked_as_persona(table: pd.DataFrame | None, rules: Sequence[str], level: str | None = None) -> pd.DataFrame | None:
    """Return the rows of the persona setting with an estimate and a level; None if there are none."""
    own = estimated_by(table, rules)
    if own is None:
        return None
    asked = own["setting"] == "persona"
    own = own[asked & own[level].notna() if level else asked].reset_index(drop=True)
    return own if len(own) else None


def say_study(tables: Tables, rule: str) -> str:
    """Return a sentence on the number of responses and texts in the persona setting."""
    rates = asked_as_persona(tables.get("rates"), [rule])
    if rates is None:
        return ""
    texts = int(rates.groupby("task")["n_texts"].max().sum())
    return f"The study has {int(rates['n'].sum()):,} responses about {texts:,} texts or more."


def _columns(table: pd.DataFrame) -> dict[str, "pd.Series[str] | pd.Series[int]"]:
    labels, levels = label_tasks(table)
    return {"column": labels, "column_at": labels.map(levels.index)}


def _rows(table: pd.DataFrame, y: "pd.Series[str]", series: "pd.Series[str]") -> pd.DataFrame:
    numbers = {"x": "estimate", "low": "ci_low", "high": "ci_high"}
    return pd.DataFrame({"y": y, "series": series} | {name: 100 * table[own] for name, own in numbers.items()})


def _by_task(
    rows: pd.DataFrame, table: pd.DataFrame, y: Sequence[str], series: Sequence[str], run_factors: Sequence[str]
) -> alt.FacetChart:
    columns = _columns(table)
    width = width_of(columns["column"].nunique())
    tips = describe(table, run_factors=run_factors)
    drawn = draw_points(rows.assign(**columns), tips, y=y, title=_REFUSED, series=series, width=width)
    return facet(drawn)


def _over_models(
    tables: Tables,
    table: pd.DataFrame,
    y: "pd.Series[str]",
    levels: Sequence[str],
    run_factors: Sequence[str],
    series: "pd.Series[str] | None" = None,
    kinds: Sequence[str] = (),
) -> tuple[alt.FacetChart, pd.DataFrame, str]:
    """Draw rates with intervals for one model, or a dot for each model and their mean.

    Returns
    -------
    chart : altair.FacetChart
    drawn : pandas.DataFrame
        `table`, with means if there are several models.
    how : str
        A description for the caption.
    """
    _, models = label_models(table, run_factors, tables)
    columns = _columns(table)
    width = width_of(columns["column"].nunique())
    own = pd.DataFrame({"y": y, **columns}).assign(x=100 * table["estimate"])
    if series is not None:
        own = own.assign(series=series)
    if len(models) == 1:
        rows = own.assign(low=100 * table["ci_low"], high=100 * table["ci_high"])
        chart = draw_points(
            rows, describe(table, run_factors=run_factors), y=levels, title=_REFUSED, series=kinds, width=width
        )
        return facet(chart), table, f"{_INTERVALS} {say_sizes(table)}"
    places = [c for c in own.columns if c != "x"]
    keys = ["task", "rule", *(c for c in ("persona", "template", "stratum") if c in table)]
    grouped = own.assign(at=range(len(own)), size=1).groupby(places, sort=False)
    means = grouped.agg(x=("x", "mean"), at=("at", "first"), size=("size", "sum")).reset_index()
    of_means = table.iloc[means["at"]][keys].reset_index(drop=True)
    of_means = of_means.assign(model="", estimate=means["x"] / 100, n_models=means["size"])
    drawn = pd.concat([table, of_means], ignore_index=True)
    rows = pd.concat([own.assign(whole=0), means.drop(columns=["at", "size"]).assign(whole=1)], ignore_index=True)
    tips = describe(drawn, run_factors=run_factors)
    tips["model"] = [
        name or f"mean of {count_range(pd.Series([n]), 'model')}"
        for name, n in zip(tips["model"], drawn["n_models"].fillna(0), strict=True)
    ]
    chart = draw_strips(rows, tips, y=levels, title=_REFUSED, series=kinds, width=width)
    how = (
        f"Dots: {len(models)} models; hollow symbols: their mean, without an interval. Hover for confidence intervals. "
        f"{say_sizes(table, 'Each dot')}"
    )
    return facet(chart), drawn, how
