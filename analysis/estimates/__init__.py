"""Counts in, one tidy table out; each family of estimates has a module.

Call `estimate_rates` first. Like the other functions ``estimate_...`` it takes `Counts` and returns a data frame with
the columns of a contract. `fit` estimates the regression.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .blocks import split_texts
    from .compared import find_baseline, personas_only
    from .contrasts import describe_missing, estimate_contrasts, estimate_setting_contrasts
    from .interactions import describe_no_interactions, estimate_interactions
    from .looks import look_at_contrasts, look_at_strata
    from .model_properties import look_up, look_up_families, read_properties
    from .pooling.differences import average_differences
    from .pooling.export import TOOLS, count_for_hibayes
    from .pooling.mixture import FEWEST_LEVELS, FEWEST_MODELS
    from .pooling.pool import Pool, estimate_pool
    from .rates import estimate_rate_errors, estimate_rates, rate_intervals
    from .regression.design_matrix import parse_formula
    from .regression.fit import Fit, fit
    from .run_trend import RunTrend, estimate_run_trend
    from .sensitivity.estimate import N_THREADS, Sensitivity, estimate_sensitivity
    from .spread import estimate_spread
    from .task_means import average_estimates, average_rates, estimate_persona_differences
    from .trend import estimate_trend
    from .undetermined import estimate_undetermined, estimate_undetermined_contrasts
    from .variance_components import COMPONENTS, REPEAT, describe_detectors, estimate_variance_components
    from .wordings import estimate_wordings, has_phrases
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "blocks": ["split_texts"],
            "compared": ["find_baseline", "personas_only"],
            "contrasts": ["describe_missing", "estimate_contrasts", "estimate_setting_contrasts"],
            "interactions": ["describe_no_interactions", "estimate_interactions"],
            "model_properties": ["look_up", "look_up_families", "read_properties"],
            "pooling.differences": ["average_differences"],
            "pooling.export": ["TOOLS", "count_for_hibayes"],
            "pooling.mixture": ["FEWEST_LEVELS", "FEWEST_MODELS"],
            "pooling.pool": ["Pool", "estimate_pool"],
            "looks": ["look_at_contrasts", "look_at_strata"],
            "rates": ["estimate_rate_errors", "estimate_rates", "rate_intervals"],
            "run_trend": ["RunTrend", "estimate_run_trend"],
            "regression.design_matrix": ["parse_formula"],
            "regression.fit": ["Fit", "fit"],
            "sensitivity.estimate": ["N_THREADS", "Sensitivity", "estimate_sensitivity"],
            "spread": ["estimate_spread"],
            "task_means": ["average_estimates", "average_rates", "estimate_persona_differences"],
            "trend": ["estimate_trend"],
            "undetermined": ["estimate_undetermined", "estimate_undetermined_contrasts"],
            "variance_components": ["COMPONENTS", "REPEAT", "describe_detectors", "estimate_variance_components"],
            "wordings": ["estimate_wordings", "has_phrases"],
        },
    )

__all__ = [
    "COMPONENTS",
    "FEWEST_LEVELS",
    "FEWEST_MODELS",
    "N_THREADS",
    "REPEAT",
    "TOOLS",
    "Fit",
    "Pool",
    "RunTrend",
    "Sensitivity",
    "average_differences",
    "average_estimates",
    "average_rates",
    "count_for_hibayes",
    "describe_detectors",
    "describe_missing",
    "describe_no_interactions",
    "estimate_contrasts",
    "estimate_interactions",
    "estimate_persona_differences",
    "estimate_pool",
    "estimate_rate_errors",
    "estimate_rates",
    "estimate_run_trend",
    "estimate_sensitivity",
    "estimate_setting_contrasts",
    "estimate_spread",
    "estimate_trend",
    "estimate_undetermined",
    "estimate_undetermined_contrasts",
    "estimate_variance_components",
    "estimate_wordings",
    "find_baseline",
    "fit",
    "has_phrases",
    "look_at_contrasts",
    "look_at_strata",
    "look_up",
    "look_up_families",
    "parse_formula",
    "personas_only",
    "rate_intervals",
    "read_properties",
    "split_texts",
]
