"""The figures of a report, in the order of its page."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from .effects import draw_contrasts, draw_detectable
from .factors import draw_deviations, draw_effects, draw_regression
from .figure import Figure
from .heat_map import draw_heat_map
from .outcomes import draw_outcomes
from .rates import (
    draw_heat_maps,
    draw_personas,
    draw_rates,
    draw_response_types,
    draw_rules_by_template,
    draw_settings,
    draw_strata,
)
from .sensitivity import draw_sensitivity
from .trend import draw_trend
from .variance import draw_variance


def draw_figures(
    tables: Mapping[str, pd.DataFrame], rules: Sequence[str], rule: str, run_factors: Sequence[str] = ()
) -> list[Figure]:
    """Draw every figure for which the tables have data.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `refusal_metrics.analysis.report.study_tables.StudyEstimates`.
    rules : sequence of str
        The detectors for which rates are drawn.
    rule : str
        The rule of all other figures.
    run_factors : sequence of str
        Settings of runs that the tables are broken down by.

    Returns
    -------
    list of Figure
        In the order of the page: first what every reader sees, then what is for statisticians. Figures are omitted if
        their table is missing, empty or without estimates.
    """
    found = dict(tables)
    if "rates_by_model" in found:
        # All figures have the models in the order of these rates.
        found["rates_by_model"] = found["rates_by_model"][found["rates_by_model"]["rule"] == rule]
    return list(_draw(found, rules, rule, run_factors))


def _draw(
    tables: Mapping[str, pd.DataFrame], rules: Sequence[str], rule: str, run_factors: Sequence[str]
) -> Iterator[Figure]:
    yield from draw_heat_map(tables, rule, run_factors)
    yield from draw_contrasts(tables, rule, run_factors)
    yield from draw_response_types(tables, rule, run_factors)
    yield from draw_outcomes(tables, rule)
    yield from draw_rates(tables, rules, run_factors)
    yield from draw_settings(tables, rule, run_factors)
    yield from draw_personas(tables, rule, run_factors)
    yield from draw_heat_maps(tables, rule, run_factors)
    yield from draw_detectable(tables, rule, run_factors)
    yield from draw_sensitivity(tables, rule)
    yield from draw_variance(tables, rules, rule, run_factors)
    yield from draw_deviations(tables, rule)
    yield from draw_regression(tables, rule)
    yield from draw_effects(tables, rule)
    yield from draw_rules_by_template(tables, rules, run_factors)
    yield from draw_strata(tables, rule, run_factors)
    yield from draw_trend(tables, rule, run_factors)
