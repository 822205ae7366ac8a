"""All tables of a study's report, computed from its counts.

Only counts and outcomes are used, not the database.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from refusal_metrics.errors import InputError, unknown_name

from ..columns import BASELINES, OTHERS, REGRESSED, STUDY, STUDY_COLUMNS
from ..counts import Counts, count_by_text, count_cells, count_undetermined, share
from ..estimates import (
    N_THREADS,
    Fit,
    average_rates,
    estimate_contrasts,
    estimate_persona_differences,
    estimate_rates,
    estimate_sensitivity,
    estimate_setting_contrasts,
    estimate_spread,
    estimate_trend,
    estimate_undetermined,
    estimate_undetermined_contrasts,
    estimate_variance_components,
    estimate_wordings,
    fit,
    has_phrases,
    read_properties,
)
from .estimators import ESTIMATORS
from .layout import headline_rates

Estimated = TypeVar("Estimated")
Job: TypeAlias = Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class ReportOptions:
    """Options of a report.

    Attributes
    ----------
    detector : str, optional
        The detector of the tables that use only one: sensitivity, regression and trend. By default the first.
    run_factors : tuple of str
        Settings of runs that all tables are broken down by.
    n_replicates, seed : int
        Of permutations and bootstrap samples.
    column : str
        The property of models for the trend.
    properties : Path, optional
        The CSV file with that property; by default the table of the paper's models.
    """

    detector: str | None = None
    run_factors: tuple[str, ...] = ()
    n_replicates: int = 1000
    seed: int = 0
    column: str = "released"
    properties: Path | None = None


@dataclass(frozen=True)
class StudyEstimates:
    """All estimates of a study.

    Attributes
    ----------
    tables : dict of str to pandas.DataFrame
        File stem to tidy table. Those of rates and contrasts contain all detectors, in the column ``rule``; the others
        use one detector.
    rule : str
        That detector.
    rules : tuple of str
    notes : dict of str to tuple of str
        Notes about the tables ``wordings``, ``sensitivity``, ``regression`` and ``trend``.
    fit : Fit or None
        The regression.
    run_factors : tuple of str
        Settings of runs that the tables are broken down by.
    findings : tuple of str
        What a reader would quote, see `refusal_metrics.analysis.findings.sentences.list_findings`.
    """

    tables: dict[str, pd.DataFrame]
    rule: str
    rules: tuple[str, ...]
    notes: dict[str, tuple[str, ...]]
    fit: Fit | None
    run_factors: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def estimate_study(
    counts: Mapping[str, Counts], outcomes: pd.DataFrame | None = None, options: ReportOptions = ReportOptions()
) -> StudyEstimates:
    """Compute every table of the report.

    Parameters
    ----------
    counts : mapping of str to Counts
        By the names of the detectors, with the factors of runs in `options`; see
        `refusal_metrics.analysis.responses.count.count_responses`.
    outcomes : pandas.DataFrame, optional
        Outcomes of the responses by the detector of `options`, see
        `refusal_metrics.analysis.responses.outcomes.count_outcomes`.
    options : ReportOptions

    Returns
    -------
    StudyEstimates

    Raises
    ------
    InputError
        For an unknown detector or property of models. Tables that cannot be estimated are reported in notes.
    """
    rule = options.detector or next(iter(counts))
    if rule not in counts:
        raise unknown_name("detector", rule, list(counts))
    read_properties(options.column, options.properties)  # report mistakes there early
    asked = counts[rule].where(setting="persona")
    jobs = _rates_jobs(counts, options.run_factors) | _contrast_jobs(counts, options)
    jobs |= _undetermined_jobs(counts[rule], options.run_factors)
    jobs |= _difference_jobs(counts[rule], rule, options.run_factors)
    notes: dict[str, tuple[str, ...]] = {}
    wordings, why_no_wordings = _attempt(partial(_estimate_wordings, counts, options.run_factors))
    fitted = None
    # The regression and the trend need it in two threads; if both began to import it, one would see half of it.
    importlib.import_module("formulaic.parser")
    # A table has a thread. Those of a matrix product would wait in a loop, for longer than the product takes.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(N_THREADS) as threads:
        if len(asked.n):
            jobs |= {estimator.name: partial(estimator.estimate, asked) for estimator in ESTIMATORS}
            if (asked.codes.get("persona", np.zeros(0)) >= 0).any():
                jobs["variance_components"] = partial(estimate_variance_components, counts[rule], options.run_factors)
            regression = threads.submit(_attempt, partial(fit_study, asked, options.run_factors))
            trended = (options.column, options.properties, options.run_factors)
            trend = threads.submit(_attempt, partial(estimate_trend, asked, *trended))
        # The longest first, so that all threads end at about the same time.
        made = {name: threads.submit(jobs[name]) for name in sorted(jobs, key="contrasts_by_persona".__ne__)}
        if len(asked.n):
            # Prepared meanwhile, and drawn last.
            sensitivity, notes["sensitivity"] = _attempt(
                partial(
                    estimate_sensitivity,
                    asked,
                    np.random.default_rng(options.seed),
                    run_factors=options.run_factors,
                    n_replicates=options.n_replicates,
                    threads=threads,
                )
            )
        tables = {name: made[name].result() for name in jobs} | _count_tables(counts[rule], outcomes)
        tables["rates_by_model"] = average_rates(headline_rates(tables["rates"]), options.run_factors)
        tables |= {} if wordings is None or wordings.empty else {"wordings": wordings}
        notes |= {"wordings": why_no_wordings} if why_no_wordings else {}
    if len(asked.n):
        fitted, notes["regression"] = regression.result()
        if fitted:
            tables |= {
                "regression": fitted.table,
                "regression_wald": fitted.wald,
                "regression_effects": fitted.effects,
            }
            notes["regression"] = fitted.notes
        found, notes["trend"] = trend.result()
        if found:
            tables |= {"trend": found.trends, "trend_models": found.models}
            notes["trend"] = found.notes
        if sensitivity:
            tables |= {"sensitivity": sensitivity.indices, "deviations": sensitivity.deviations}
            notes["sensitivity"] = sensitivity.notes
    return StudyEstimates(tables, rule, tuple(counts), notes, fitted, options.run_factors)


def fit_study(counts: Counts, run_factors: Sequence[str] = ()) -> Fit:
    """Fit the paper's regression with the available factors, and with run factors.

    Raises
    ------
    InputError
        If there are no refusals, only refusals, or no factor.
    """
    factors = [name for name in (*REGRESSED, *run_factors) if name in counts.levels]
    return fit(count_by_text(counts, factors), factors)


def _attempt(estimate: Callable[[], Estimated]) -> tuple[Estimated | None, tuple[str, ...]]:
    """Compute an estimate, or note why it cannot be computed, so that the others still are."""
    try:
        return estimate(), ()
    except InputError as error:
        return None, (f"Not estimated: {str(error).rstrip('.')}.",)


def _rates_jobs(counts: Mapping[str, Counts], run_factors: Sequence[str]) -> dict[str, Job]:
    levels = next(iter(counts.values())).levels
    study = [*STUDY_COLUMNS, *run_factors]
    by = {
        "rates": [],
        "rates_by_persona": ["persona_group", "persona"],
        "rates_by_response_type": ["response_type"],
        "rates_by_template": ["template"],
        "rates_by_stratum": ["stratum"],
    }
    jobs: dict[str, Job] = {}
    for name, extra in by.items():
        # The last one names the table; a group without its personas would have the wrong meaning.
        if not extra or extra[-1] in levels:
            own = [*study, *(factor for factor in extra if factor in levels)]
            jobs[name] = partial(_by_rule, counts, partial(estimate_rates, by=own), own)
    return jobs


def _contrast_jobs(counts: Mapping[str, Counts], options: ReportOptions) -> dict[str, Job]:
    run_factors = options.run_factors

    def over_settings(of_rule: Counts) -> pd.DataFrame:
        return estimate_setting_contrasts(of_rule, *BASELINES, run_factors=run_factors)

    def over_personas(of_rule: Counts) -> pd.DataFrame:
        return estimate_contrasts(of_rule, *BASELINES, OTHERS, run_factors=run_factors)

    def spread(of_rule: Counts) -> pd.DataFrame:
        return estimate_spread(of_rule, run_factors, rng=np.random.default_rng(options.seed))

    by = [*STUDY, *run_factors]
    jobs: dict[str, Job] = {"contrasts": partial(_by_rule, counts, over_settings, [*by, "baseline"])}
    if "persona" in next(iter(counts.values())).levels:
        jobs["contrasts_by_persona"] = partial(_by_rule, counts, over_personas, [*by, "persona", "baseline"])
        jobs["persona_spread"] = partial(_by_rule, counts, spread, by)
    return jobs


def _difference_jobs(counts: Counts, rule: str, run_factors: Sequence[str]) -> dict[str, Job]:
    """Compare the personas of each model with a baseline, if there are personas."""
    if "persona" not in counts.levels or not len(counts.where(setting="persona").n):
        return {}

    def differences() -> pd.DataFrame:
        table = estimate_persona_differences(counts, run_factors=run_factors)
        table.insert(list(table.columns).index("baseline") + 1, "rule", rule)
        return table

    return {"persona_differences": differences}


def _estimate_wordings(counts: Mapping[str, Counts], run_factors: Sequence[str]) -> pd.DataFrame | None:
    """Compare personas beyond their wordings, if they have phrases."""
    if not any(map(has_phrases, counts.values())):
        return None
    estimate = partial(estimate_wordings, run_factors=run_factors)
    return _by_rule(counts, estimate, [*STUDY, *run_factors, "persona"])


def _undetermined_jobs(counts: Counts, run_factors: Sequence[str]) -> dict[str, Job]:
    """List the tables of truncated and unjudged responses, if there are such responses and personas."""
    if "persona" not in counts.levels or not count_undetermined(counts).n_refused.any():
        return {}
    by = [*STUDY_COLUMNS, *run_factors, *(name for name in ("persona_group", "persona") if name in counts.levels)]
    baselines = (*BASELINES, OTHERS)
    return {
        "undetermined_by_persona": partial(estimate_undetermined, counts, by),
        "undetermined_contrasts": partial(estimate_undetermined_contrasts, counts, *baselines, run_factors=run_factors),
    }


def _by_rule(
    counts: Mapping[str, Counts], estimate: Callable[[Counts], pd.DataFrame], by: Sequence[str]
) -> pd.DataFrame:
    """Estimate by each detector; its column, ``rule``, comes after the other factors, before the estimates."""
    parts = [estimate(of_rule).assign(rule=rule) for rule, of_rule in share(counts).items()]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return table[[*by, "rule", *(c for c in table.columns if c not in {*by, "rule"})]]


def _count_tables(counts: Counts, outcomes: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    tables = {}
    for name in ("persona", "template"):
        if name in counts.levels:
            cells = count_cells(counts, [*STUDY_COLUMNS, name])
            tables[f"counts_by_{name}"] = cells.dropna(subset=name)[[*STUDY_COLUMNS, name, "n"]].reset_index(drop=True)
    return tables if outcomes is None else tables | {"outcomes": outcomes}
