"""Figures of the report as charts of a notebook."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import altair as alt
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from ..columns import BASELINES, OTHERS, STUDY_COLUMNS
from ..counts import Counts
from ..estimates import (
    Fit,
    Sensitivity,
    average_rates,
    estimate_contrasts,
    estimate_persona_differences,
    estimate_rates,
    estimate_setting_contrasts,
)
from ..figures import (
    Figure,
    draw_contrasts,
    draw_detectable,
    draw_effects,
    draw_heat_map,
    draw_personas,
    draw_rates,
    draw_regression,
    draw_sensitivity,
    draw_settings,
    theme,
)

Tables: TypeAlias = Mapping[str, pd.DataFrame]

_BROKEN_DOWN = {
    "rates": (),
    "rates_by_persona": ("persona_group", "persona"),
    "rates_by_template": ("template",),
    "rates_by_response_type": ("response_type",),
    "rates_by_stratum": ("stratum",),
}


def tables_of_rates(counts: Counts, rule: str) -> dict[str, pd.DataFrame]:
    """Return the tables of rates from which figures take the order of personas and the size of a study."""
    tables = {}
    for name, factors in _BROKEN_DOWN.items():
        if not factors or factors[-1] in counts.levels:
            by = [*STUDY_COLUMNS, *(factor for factor in factors if factor in counts.levels)]
            tables[name] = estimate_rates(counts, by).assign(rule=rule)
    tables["rates_by_model"] = average_rates(tables["rates"])
    return tables


def to_chart(figures: Iterable[Figure], nothing: str) -> alt.VConcatChart:
    """Join figures in one chart with the colours of the report.

    Parameters
    ----------
    figures : iterable of Figure
    nothing : str
        The error message if there is no figure.

    Returns
    -------
    altair.VConcatChart
        Its description contains the captions.

    Raises
    ------
    InputError
        If there is no figure.
    """
    drawn = list(figures)
    if not drawn:
        raise InputError(nothing)
    # A TopLevelMixin is what all of Altair's charts are.
    charts = [alt.vconcat(figure.chart, title=figure.title) for figure in drawn]  # type: ignore[arg-type]
    chart = alt.vconcat(*charts) if len(charts) > 1 else charts[0]
    chart["config"] = theme() | {"background": "white"}
    chart["description"] = " ".join(f"{figure.title}. {figure.caption}" for figure in drawn)
    return chart


def draw_study(kind: str, counts: Counts, rule: str) -> alt.VConcatChart:
    """Draw one kind of figure of a study.

    Raises
    ------
    InputError
        For an unknown kind, or if there is nothing to draw.
    """
    drawers: dict[str, Callable[[Tables, str], Iterable[Figure]]] = {
        "contrasts": draw_contrasts,
        "detectable": draw_detectable,
        "heat_map": draw_heat_map,
        "personas": draw_personas,
        "rates": lambda tables, rule: draw_rates(tables, [rule]),
        "settings": draw_settings,
    }
    if kind not in drawers:
        raise unknown_name("kind of figure", kind, drawers)
    tables = tables_of_rates(counts, rule)
    tables["contrasts"] = estimate_setting_contrasts(counts, *BASELINES).assign(rule=rule)
    if "persona" in counts.levels:
        tables["contrasts_by_persona"] = estimate_contrasts(counts, "neutral", OTHERS).assign(rule=rule)
        tables["persona_differences"] = estimate_persona_differences(counts).assign(rule=rule)
    return to_chart(drawers[kind](tables, rule), f"this study has nothing to draw as {kind!r}; see its rates()")


def draw_indices(found: Sensitivity, counts: Counts, rule: str) -> alt.VConcatChart:
    """Draw sensitivity indices, of the whole study and of each model and task."""
    tables = tables_of_rates(counts, rule) | {"sensitivity": found.indices}
    return to_chart(draw_sensitivity(tables, rule), "no sensitivity index could be estimated; see the notes")


def draw_fit(fitted: Fit, counts: Counts, rule: str, *, effects: bool) -> alt.VConcatChart:
    """Draw the coefficients of a regression, or its average marginal effects."""
    tables = tables_of_rates(counts, rule) | {"regression": fitted.table, "regression_effects": fitted.effects}
    drawn = draw_effects(tables, rule) if effects else draw_regression(tables, rule)
    return to_chart(drawn, "the regression has no estimate to draw; see its notes")
