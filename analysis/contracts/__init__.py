"""The columns of each table of results, and the names that no factor may have.

A table of results has a `Contract`: its keys, its estimates, which of these are shares, differences or signed, and the
headings. Commands, pages and figures show a table according to its contract; `TABLES` are those of a report. All names
of these columns are reserved: a factor of the same name would overwrite the column, so `check_run_factors` refuses it,
and `name_settings` renames it if the user cannot rename it.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .contract import HEADINGS, INTERVALS, Contract
    from .pooling import POOLED, POOLED_MODELS, POOLED_SPREAD
    from .reserved import RESERVED, check_run_factors, free_name, is_reserved, name_settings
    from .tables import (
        CHANGES,
        CONTRASTS,
        CORRECTED,
        CORRECTED_CONTRASTS,
        COUNTS,
        DEVIATIONS,
        EFFECTS,
        INTERACTIONS,
        LABEL_PLAN,
        LEADERBOARD,
        OTHER_TABLES,
        OUTCOMES,
        PLAIN,
        PUBLISHED,
        RATES,
        REGRESSION,
        REPEAT_CHECK,
        RUN_COMPARISON,
        SENSITIVITY,
        SPREAD,
        TABLES,
        TREND,
        TREND_MODELS,
        UNDETERMINED_CONTRASTS,
        UNDETERMINED_SHARES,
        VALIDATION,
        VARIANCE_COMPONENTS,
        WALD,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "contract": ["HEADINGS", "INTERVALS", "Contract"],
            "pooling": ["POOLED", "POOLED_MODELS", "POOLED_SPREAD"],
            "reserved": ["RESERVED", "check_run_factors", "free_name", "is_reserved", "name_settings"],
            "tables": [
                "CHANGES",
                "CONTRASTS",
                "CORRECTED",
                "CORRECTED_CONTRASTS",
                "COUNTS",
                "DEVIATIONS",
                "EFFECTS",
                "INTERACTIONS",
                "LABEL_PLAN",
                "LEADERBOARD",
                "OTHER_TABLES",
                "OUTCOMES",
                "PLAIN",
                "PUBLISHED",
                "RATES",
                "REGRESSION",
                "REPEAT_CHECK",
                "RUN_COMPARISON",
                "SENSITIVITY",
                "SPREAD",
                "TABLES",
                "TREND",
                "TREND_MODELS",
                "UNDETERMINED_CONTRASTS",
                "UNDETERMINED_SHARES",
                "VALIDATION",
                "VARIANCE_COMPONENTS",
                "WALD",
            ],
        },
    )

__all__ = [
    "CHANGES",
    "CONTRASTS",
    "CORRECTED",
    "CORRECTED_CONTRASTS",
    "COUNTS",
    "DEVIATIONS",
    "EFFECTS",
    "HEADINGS",
    "INTERACTIONS",
    "INTERVALS",
    "LABEL_PLAN",
    "LEADERBOARD",
    "OTHER_TABLES",
    "OUTCOMES",
    "PLAIN",
    "POOLED",
    "POOLED_MODELS",
    "POOLED_SPREAD",
    "PUBLISHED",
    "RATES",
    "REGRESSION",
    "REPEAT_CHECK",
    "RESERVED",
    "RUN_COMPARISON",
    "SENSITIVITY",
    "SPREAD",
    "TABLES",
    "TREND",
    "TREND_MODELS",
    "UNDETERMINED_CONTRASTS",
    "UNDETERMINED_SHARES",
    "VALIDATION",
    "VARIANCE_COMPONENTS",
    "WALD",
    "Contract",
    "check_run_factors",
    "free_name",
    "is_reserved",
    "name_settings",
]
