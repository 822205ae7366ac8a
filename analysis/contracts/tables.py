"""The contract of each table of results."""

from collections.abc import Mapping

from ..columns import FACTORS, NAMED, STANDARDISED, STATES, STUDY_COLUMNS, UNDETERMINED
from .contract import Contract
from .pooling import POOLED_TABLES

_CI = ("estimate", "ci_low", "ci_high")
_SIZES = ("n", "n_texts", "n_refused")
_BOUNDS = ("refusal_rate_low", "refusal_rate_high")
_SIGNED = frozenset(_CI)

RATES = Contract(
    keys=("model", "task", "setting", *FACTORS, "rule"),
    estimates=(*_CI, *_SIZES, *STATES, *_BOUNDS, *STANDARDISED),
    shares=frozenset({*_CI, *_BOUNDS, *STANDARDISED}),
    headings={"estimate": "rate", "estimate_standardised": "standardised rate"},
)
CONTRASTS = Contract(
    keys=("model", "task", "persona", "baseline", "rule"),
    estimates=(
        *(*_CI, "odds_ratio", "or_low", "or_high", "p_value", "p_adjusted", "mde_up", "mde_down"),
        *("equiv_low", "equiv_high", *_SIZES, "n_baseline", "n_refused_baseline", "within_texts", *NAMED),
    ),
    differences=frozenset({*_CI, *NAMED, "mde_up", "mde_down", "equiv_low", "equiv_high"}),
    signed=frozenset({*_CI, *NAMED, "equiv_low", "equiv_high"}),
    headings={"estimate": "difference", "mde_up": "min. detectable increase", "mde_down": "min. detectable decrease"},
)
RATES_BY_MODEL = Contract(
    keys=("model", "setting", "rule"),
    estimates=(*_CI, "n_tasks", "n", "n_refused"),
    shares=frozenset(_CI),
    headings={"estimate": "mean rate", "n_tasks": "tasks"},
)
_SHRUNKEN = frozenset({*_CI, "estimate_shrunken"})
PERSONA_DIFFERENCES = Contract(
    keys=("model", "task", "persona", "baseline", "rule"),
    estimates=(*_CI, "estimate_shrunken", "mde_up", "n_tasks", *_SIZES, "n_baseline", "n_refused_baseline"),
    differences=_SHRUNKEN | {"mde_up"},
    signed=_SHRUNKEN,
    headings={"estimate": "difference", "mde_up": "min. detectable increase", "n_tasks": "tasks"},
)
UNDETERMINED_SHARES = Contract(
    keys=(*STUDY_COLUMNS, *FACTORS),
    estimates=(*_CI, "n", "n_texts", "n_undetermined", *UNDETERMINED),
    shares=frozenset(_CI),
    headings={"estimate": "undetermined", "n_undetermined": "number"},
)
UNDETERMINED_CONTRASTS = Contract(
    keys=("model", "task", "persona", "baseline"),
    estimates=tuple(name.replace("n_refused", "n_undetermined") for name in CONTRASTS.estimates),
    differences=CONTRASTS.differences,
    signed=CONTRASTS.signed,
    headings=CONTRASTS.headings,
)
WORDINGS = Contract(
    keys=("model", "task", "persona", "rule"),
    estimates=(
        *(*_CI, "noise_band", "p_value", "p_adjusted", "sd_wordings", "estimate_in_sd", "df"),
        *("n_phrases", "n_phrases_baseline", *_SIZES, "n_baseline", "n_refused_baseline"),
    ),
    differences=frozenset({*_CI, "noise_band", "sd_wordings"}),
    signed=_SIGNED,
    headings={"estimate": "difference", "sd_wordings": "SD of wordings", "estimate_in_sd": "difference in SD"},
)
SPREAD = Contract(
    keys=("model", "task", "rule"),
    estimates=(*_CI, "sd_observed", "sd_under_null", "p_value", "n_levels", *_SIZES),
    differences=frozenset({*_CI, "sd_observed", "sd_under_null"}),
    headings={"estimate": "spread", "n_levels": "personas"},
)
SENSITIVITY = Contract(
    keys=("model", "task", "factor"),
    estimates=(
        *("iota", "ci_low", "ci_high", "null_mean", "p_value", "n_levels", "iota_corrected", "upper_bound_only"),
        *("first_order", "total"),
    ),
)
DEVIATIONS = Contract(
    keys=("model", "task", "factor", "level"),
    estimates=(*(*_CI, "deviation", "null_mean", "deviation_corrected", "p_value", "n", "n_refused", "p_adjusted"),),
    differences=frozenset({*_CI, "deviation", "null_mean", "deviation_corrected"}),
    signed=_SIGNED,
    headings={"estimate": "deviation", "deviation": "size", "deviation_corrected": "size, corrected"},
)
INTERACTIONS = Contract(
    keys=("factor", "level", "other_factor", "other_level"),
    estimates=(*_CI, "p_value", "p_adjusted", *_SIZES, *NAMED),
    differences=frozenset((*_CI, *NAMED)),
    signed=frozenset((*_CI, *NAMED)),
    headings={"estimate": "interaction"},
)
VARIANCE_COMPONENTS = Contract(
    keys=("model", "task", "component"),
    estimates=(*_CI, "variance", "n", "n_texts", "n_refused", "note"),
    shares=frozenset(_CI),
    headings={"estimate": "share of variance"},
)
REGRESSION = Contract(
    keys=("factor", "level"),
    estimates=("coef", "se", "ci_low", "ci_high", "p_value", "p_adjusted", "estimator", "separated"),
)
WALD = Contract(keys=("factor",), estimates=("statistic", "df", "p_value"))
EFFECTS = Contract(
    keys=("factor", "level"),
    estimates=_CI,
    differences=frozenset(_CI),
    signed=_SIGNED,
    headings={"estimate": "effect"},
)
TREND = Contract(
    keys=("outcome", "family", "column"),
    estimates=("slope", "se", "ci_low", "ci_high", "p_value", "between_sd", "n_models", "n_families"),
)
TREND_MODELS = Contract(
    keys=("model", "family", "value"),
    estimates=("variance", "se", "spread", "ci_low", "ci_high", "log_odds", "log_odds_se", *_SIZES),
)
RUN_TRENDS = Contract(
    keys=("model", "task"),
    estimates=("slope", "se", "ci_low", "ci_high", "p_value", "n_runs", "n_texts", "first_date", "last_date"),
    differences=frozenset({"slope", "se", "ci_low", "ci_high"}),
    signed=frozenset({"slope", "ci_low", "ci_high"}),
    headings={"slope": "change per 30 days", "n_runs": "runs", "first_date": "first", "last_date": "last"},
)
LEADERBOARD = Contract(
    keys=("model", "task"),
    estimates=(
        *("rank", "rank_low", "rank_high", *_CI, *_BOUNDS, *_SIZES, "n_other", "spread"),
        *("spread_low", "spread_high", "spread_p", "n_personas"),
        *("differing_personas", "differing_personas_list", "mde"),
    ),
    shares=frozenset({*_CI, *_BOUNDS}),
    differences=frozenset({"spread", "spread_low", "spread_high", "mde"}),
    headings={"estimate": "rate", "n_other": "other"},
)
RUN_COMPARISON = Contract(
    keys=("model", "task", "setting", "persona_group", "persona"),
    estimates=(
        *(*_CI, "p_value", "p_adjusted", *_SIZES, "n_refused_before", "n_newly_refused", "n_no_longer_refused"),
        *NAMED,
    ),
    differences=frozenset((*_CI, *NAMED)),
    signed=frozenset((*_CI, *NAMED)),
    headings={"estimate": "change"},
)
CHANGES = Contract(keys=("model", "task", "setting", "outcome_before", "outcome"), estimates=("n",))
_CORRECTED = (*_CI, "uncorrected", "uncorrected_low", "uncorrected_high")
CORRECTED = Contract(
    keys=("model", "task", "setting", *FACTORS),
    estimates=(*_CORRECTED, *_SIZES, "n_labelled", "n_false", "n_missed"),
    shares=frozenset(_CORRECTED),
    headings={"estimate": "corrected rate", "uncorrected": "uncorrected rate"},
)
CORRECTED_CONTRASTS = Contract(
    keys=("model", "task", "persona", "baseline"),
    estimates=CORRECTED.estimates,
    differences=frozenset(_CORRECTED),
    signed=frozenset(_CORRECTED),
    headings={"estimate": "corrected difference", "uncorrected": "uncorrected difference"},
)
_SHOWN = ("estimate", "shown_low", "shown_high")
AUDIT = Contract(
    keys=("model", "task", "persona", "baseline"),
    estimates=(
        *(*_SHOWN, "decision", "claimed", "error_to_explain", "error_measured", "ci_low", "ci_high"),
        *("p_value", "p_adjusted", "mde_up", "mde_down", *_SIZES, "n_baseline", "n_refused_baseline"),
    ),
    differences=frozenset(
        {*_SHOWN, "ci_low", "ci_high", "claimed", "error_to_explain", "error_measured", "mde_up", "mde_down"}
    ),
    signed=frozenset({*_SHOWN, "ci_low", "ci_high", "claimed"}),
    headings={
        "estimate": "difference",
        "error_to_explain": "error to explain it",
        "error_measured": "error measured",
        "mde_up": "min. detectable increase",
        "mde_down": "min. detectable decrease",
    },
)
LABEL_PLAN = Contract(
    keys=("n_labelled",),
    estimates=("width", "uncorrected_width"),
    differences=frozenset({"width", "uncorrected_width"}),
    headings={"n_labelled": "labels", "width": "95% CI width", "uncorrected_width": "without labels"},
)
VALIDATION = Contract(
    keys=("detector", "factor", "level"),
    estimates=(
        *("n", "n_texts", "n_refusals", "tp", "fp", "fn", "tn", "n_truncated", "n_unjudged"),
        *(f"{name}{end}" for name in ("precision", "recall", "f1", "kappa") for end in ("", "_low", "_high")),
        *("precision_low_wilson", "recall_low_wilson"),
    ),
)
COUNTS = Contract(keys=(*STUDY_COLUMNS, "persona", "template"), estimates=("n",))
OUTCOMES = Contract(
    keys=STUDY_COLUMNS,
    estimates=("n_answer", "n_refused", "n_other", "n_empty", "n_truncated", "n_unjudged", "n"),
)
PUBLISHED = Contract(
    keys=("source", "model", "published_model", "task", "response_type", "term", "rule"),
    estimates=("published", *_CI, "agrees", "note"),
    shares=frozenset({"published", *_CI}),
    headings={"estimate": "measured rate", "published": "published rate"},
)
REPEAT_CHECK = Contract(shares=frozenset({"texts_changed", "refusals_changed"}))
_PLANNED = ("mde_up", "mde_down", "rate_width", "persona_width")
PLAN = Contract(
    keys=("task",),
    estimates=("rate", "n_texts", "n_persona", "n_neutral", "difference", "power", "power_error", *_PLANNED),
    shares=frozenset({"rate", "power", "power_error"}),
    differences=frozenset({"difference", *_PLANNED}),
    signed=frozenset({"difference"}),
    headings={
        "rate": "assumed rate",
        "n_persona": "persona prompts",
        "n_neutral": "neutral prompts",
        "power_error": "MC error",
        "mde_up": "min. detectable increase",
        "mde_down": "min. detectable decrease",
        "rate_width": "rate CI width",
        "persona_width": "persona CI width",
    },
)
POWER_CURVE = Contract(
    keys=("task",),
    estimates=("difference", "power", "power_error"),
    shares=frozenset({"power", "power_error"}),
    differences=frozenset({"difference"}),
    signed=frozenset({"difference"}),
    headings={"power_error": "MC error"},
)
PLAIN = Contract()
"""The contract of any other table: all columns are shown as they are."""

TABLES: Mapping[str, Contract] = {
    "rates": RATES,
    "rates_by_persona": RATES,
    "rates_by_response_type": RATES,
    "rates_by_template": RATES,
    "rates_by_stratum": RATES,
    "rates_by_model": RATES_BY_MODEL,
    "contrasts": CONTRASTS,
    "contrasts_by_persona": CONTRASTS,
    "persona_differences": PERSONA_DIFFERENCES,
    "wordings": WORDINGS,
    "persona_spread": SPREAD,
    "undetermined_by_persona": UNDETERMINED_SHARES,
    "undetermined_contrasts": UNDETERMINED_CONTRASTS,
    "sensitivity": SENSITIVITY,
    "deviations": DEVIATIONS,
    "interactions": INTERACTIONS,
    "variance_components": VARIANCE_COMPONENTS,
    "regression": REGRESSION,
    "regression_wald": WALD,
    "regression_effects": EFFECTS,
    "trend": TREND,
    "trend_models": TREND_MODELS,
    "outcomes": OUTCOMES,
    "counts_by_persona": COUNTS,
    "counts_by_template": COUNTS,
    "validation": VALIDATION,
    "published": PUBLISHED,
}
"""The tables of a report by the names of their files."""

OTHER_TABLES = (
    *(LEADERBOARD, RUN_TRENDS, RUN_COMPARISON, CHANGES, CORRECTED, CORRECTED_CONTRASTS, LABEL_PLAN, AUDIT),
    *(PLAN, POWER_CURVE, REPEAT_CHECK),
    *POOLED_TABLES,
)
"""The contracts of other commands' tables."""
