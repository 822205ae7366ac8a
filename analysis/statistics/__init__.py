"""Textbook statistics on arrays: no column name, no response.

Call `clustered_interval` for a rate, `proportion_interval` for a proportion with a known variance, `compare_within` or
`compare_between` for a difference, and `adjust` for many p-values. `maximise` fits a logistic regression; `flip_texts`
tests by sign flips.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .agreement import cohen_kappa, krippendorff_alpha
    from .clustered import cluster_correction, clustered_freedom, clustered_variance, variance_of_scores
    from .differences import (
        Difference,
        compare_between,
        compare_within,
        interval_of_difference,
        pool_overdispersion,
        text_scores,
    )
    from .intervals import (
        effective_units,
        interval_of_means,
        mid_p_interval,
        proportion_interval,
        student,
        sum_interval,
        totals,
        wilson,
        zero_count_bound,
    )
    from .iota import explain_variance, index_of, remove_noise, split_shares
    from .logit import Estimator, clustered_covariance, find_shift, independent_columns, log_likelihood_of, maximise
    from .multiplicity import adjust, count_selected, holm, selection_levels
    from .random_effects import RandomEffects, fit_random_effects, shrink
    from .ranks import RANKS, estimate_ranks
    from .scatter import scatter_interval
    from .score import PRIOR_TEXTS, Score, detectable, detection_power, overdispersion, score_interval, score_p
    from .separation import Separation, find_separation
    from .sequential import Looks, find_bounds, spend
    from .sign_flips import draw_signs, flip_texts, monte_carlo_p
    from .strata import Strata, join_strata
    from .text_rates import clustered_interval, shrink_design_effect
    from .variance_components import LEAST_CLUSTERS, HalfDifference, Pairs, estimate_share
    from .wordings import WordingTest, compare_wordings
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "agreement": ["cohen_kappa", "krippendorff_alpha"],
            "clustered": ["cluster_correction", "clustered_freedom", "clustered_variance", "variance_of_scores"],
            "differences": [
                "Difference",
                "compare_between",
                "compare_within",
                "interval_of_difference",
                "pool_overdispersion",
                "text_scores",
            ],
            "intervals": [
                "effective_units",
                "interval_of_means",
                "mid_p_interval",
                "proportion_interval",
                "student",
                "sum_interval",
                "totals",
                "wilson",
                "zero_count_bound",
            ],
            "iota": ["explain_variance", "index_of", "remove_noise", "split_shares"],
            "logit": [
                "Estimator",
                "clustered_covariance",
                "find_shift",
                "independent_columns",
                "log_likelihood_of",
                "maximise",
            ],
            "multiplicity": ["adjust", "count_selected", "holm", "selection_levels"],
            "random_effects": ["RandomEffects", "fit_random_effects", "shrink"],
            "ranks": ["RANKS", "estimate_ranks"],
            "scatter": ["scatter_interval"],
            "score": [
                "PRIOR_TEXTS",
                "Score",
                "detectable",
                "detection_power",
                "overdispersion",
                "score_interval",
                "score_p",
            ],
            "separation": ["Separation", "find_separation"],
            "sequential": ["Looks", "find_bounds", "spend"],
            "sign_flips": ["draw_signs", "flip_texts", "monte_carlo_p"],
            "strata": ["Strata", "join_strata"],
            "text_rates": ["clustered_interval", "shrink_design_effect"],
            "variance_components": ["LEAST_CLUSTERS", "HalfDifference", "Pairs", "estimate_share"],
            "wordings": ["WordingTest", "compare_wordings"],
        },
    )

__all__ = [
    "LEAST_CLUSTERS",
    "PRIOR_TEXTS",
    "RANKS",
    "Difference",
    "Estimator",
    "HalfDifference",
    "Looks",
    "Pairs",
    "RandomEffects",
    "Score",
    "Separation",
    "Strata",
    "WordingTest",
    "adjust",
    "cluster_correction",
    "clustered_covariance",
    "clustered_freedom",
    "clustered_interval",
    "clustered_variance",
    "cohen_kappa",
    "compare_between",
    "compare_within",
    "compare_wordings",
    "count_selected",
    "detectable",
    "detection_power",
    "draw_signs",
    "effective_units",
    "estimate_ranks",
    "estimate_share",
    "explain_variance",
    "find_bounds",
    "find_separation",
    "find_shift",
    "fit_random_effects",
    "flip_texts",
    "holm",
    "independent_columns",
    "index_of",
    "interval_of_difference",
    "interval_of_means",
    "join_strata",
    "krippendorff_alpha",
    "log_likelihood_of",
    "maximise",
    "mid_p_interval",
    "monte_carlo_p",
    "overdispersion",
    "pool_overdispersion",
    "proportion_interval",
    "remove_noise",
    "scatter_interval",
    "score_interval",
    "score_p",
    "selection_levels",
    "shrink",
    "shrink_design_effect",
    "spend",
    "split_shares",
    "student",
    "sum_interval",
    "text_scores",
    "totals",
    "variance_of_scores",
    "wilson",
    "zero_count_bound",
]
