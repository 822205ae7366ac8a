"""The columns of each table of results, and the names that no factor may have.

A table of results has a contract: its keys, its estimates, which of these are shares, differences or signed, and the
headings. Commands, pages and figures show a table according to its contract. All names of these columns are
reserved: a factor of the same name would overwrite the column, so it is refused, or renamed if the user cannot rename
it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from refusal_metrics.errors import InputError, quoted

from .columns import FACTORS, FLAGS, STANDARDISED, STATES, STUDY_COLUMNS, UNDETERMINED


@dataclass(frozen=True)
class Contract:
    """The columns of a table of results.

    Attributes
    ----------
    keys : tuple of str
        The columns that identify a row; a table has those that its study has, and the run factors.
    estimates : tuple of str
        The columns after the keys, in their order.
    shares : frozenset of str
        Estimates that are proportions: percentages on screen.
    differences : frozenset of str
        Estimates on the scale of differences of proportions: percentage points on screen.
    signed : frozenset of str
        The differences that are shown with a sign.
    headings : mapping of str to str
        Headings of this table's columns on screen, if they differ from the general ones.
    """

    keys: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()
    shares: frozenset[str] = frozenset()
    differences: frozenset[str] = frozenset()
    signed: frozenset[str] = frozenset()
    headings: Mapping[str, str] = field(default_factory=dict)

    def heading(self, name: str) -> str:
        """Return the heading of a column on screen, with its unit if that differs from the file."""
        written = self.headings.get(name) or HEADINGS.get(name) or name.replace("_", " ")
        return f"{written} (%)" if name in self.shares else f"{written} (pp)" if name in self.differences else written


HEADINGS = {
    "n_texts": "texts",
    "n_refused": "refused",
    "n_labelled": "labelled",
    "n_false": "false",
    "n_missed": "missed",
    "n_answer": "answered",
    "n_other": "other",
    "n_empty": "empty",
    "n_unjudged": "unjudged",
    "n_truncated": "truncated",
    "n_provider": "by provider",
    "n_undetermined": "undetermined",
    "n_undetermined_baseline": "baseline undetermined",
    "n_levels": "levels",
    "n_baseline": "baseline n",
    "n_refused_baseline": "baseline refused",
    "n_newly_refused": "newly refused",
    "n_no_longer_refused": "no longer refused",
    "p_value": "p",
    "p_adjusted": "adjusted p",
    "mde": "min. detectable",
    "null_mean": "null mean",
    "iota_corrected": "iota, corrected",
    "sd_observed": "observed SD",
    "sd_under_null": "SD under null",
    "coef": "log odds ratio",
    "se": "SE",
    "log_odds_se": "log odds SE",
    "between_sd": "between-model SD",
    "differing_personas": "differing personas",
}
"""Headings of columns on screen; other columns are headed by their names."""

INTERVALS = {
    "ci_low": ("ci_high", "95% CI"),
    "uncorrected_low": ("uncorrected_high", "uncorrected 95% CI"),
    "or_low": ("or_high", "95% CI of odds ratio"),
    "equiv_low": ("equiv_high", "90% CI"),
    "answered_low": ("answered_high", "95% CI of answered"),
    "obeyed_low": ("obeyed_high", "95% CI of obeyed"),
    "reading_low": ("reading_high", "95% CI of reading"),
    "refusal_rate_low": ("refusal_rate_high", "bounds (%)"),
    "ci_low_standardised": ("ci_high_standardised", "standardised 95% CI"),
}
"""The lower end of each interval: the column of its upper end, and the heading of both."""

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
        *("equiv_low", "equiv_high", *_SIZES, "n_baseline", "n_refused_baseline", "within_texts"),
    ),
    differences=frozenset({*_CI, "mde_up", "mde_down", "equiv_low", "equiv_high"}),
    signed=frozenset({*_CI, "equiv_low", "equiv_high"}),
    headings={"estimate": "difference", "mde_up": "min. detectable increase", "mde_down": "min. detectable decrease"},
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
SPREAD = Contract(
    keys=("model", "task", "rule"),
    estimates=("estimate", "sd_observed", "sd_under_null", "p_value", "n_levels", *_SIZES),
    differences=frozenset({"estimate", "sd_observed", "sd_under_null"}),
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
    estimates=(*_CI, "p_value", "p_adjusted", *_SIZES),
    differences=frozenset(_CI),
    signed=_SIGNED,
    headings={"estimate": "interaction"},
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
LEADERBOARD = Contract(
    keys=("model", "task"),
    estimates=(
        *("rank", "rank_low", "rank_high", *_CI, *_BOUNDS, *_SIZES, "n_other", "spread", "n_personas"),
        *("differing_personas", "differing_personas_list", "mde"),
    ),
    shares=frozenset({*_CI, *_BOUNDS}),
    differences=frozenset({"spread", "mde"}),
    headings={"estimate": "rate", "n_other": "other"},
)
RUN_COMPARISON = Contract(
    keys=("model", "task", "setting", "persona_group", "persona"),
    estimates=(*_CI, "p_value", "p_adjusted", *_SIZES, "n_refused_before", "n_newly_refused", "n_no_longer_refused"),
    differences=frozenset(_CI),
    signed=_SIGNED,
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
PLAIN = Contract()
"""The contract of any other table: all columns are shown as they are."""

TABLES: Mapping[str, Contract] = {
    "rates": RATES,
    "rates_by_persona": RATES,
    "rates_by_response_type": RATES,
    "rates_by_template": RATES,
    "rates_by_stratum": RATES,
    "contrasts": CONTRASTS,
    "contrasts_by_persona": CONTRASTS,
    "persona_spread": SPREAD,
    "undetermined_by_persona": UNDETERMINED_SHARES,
    "undetermined_contrasts": UNDETERMINED_CONTRASTS,
    "sensitivity": SENSITIVITY,
    "deviations": DEVIATIONS,
    "interactions": INTERACTIONS,
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

_OTHER_CONTRACTS = (LEADERBOARD, RUN_COMPARISON, CHANGES, CORRECTED, CORRECTED_CONTRASTS)
_IDS = ("text_id", "row_id", "item_id", "index", "design_id")
_OF_RESPONSES = ("refused_by", "cause", "rules", "answer", "label", "weight", "outcome_before", *FLAGS)
_OF_FIGURES_AND_PAGES = ("drawn", "other", "others", "texts", "cell", "refused")
_COLUMNS_OF_RESULTS = {
    name for contract in (*TABLES.values(), *_OTHER_CONTRACTS) for name in (*contract.keys, *contract.estimates)
} - {*STUDY_COLUMNS, *FACTORS}
RESERVED = frozenset({*_COLUMNS_OF_RESULTS, *_IDS, *_OF_RESPONSES, *_OF_FIGURES_AND_PAGES})
"""The names that no run factor may have, whatever their case."""


def is_reserved(name: str) -> bool:
    """Return whether a run factor of this name would be mistaken for a column of a table.

    Examples
    --------
    >>> is_reserved("n"), is_reserved("N Texts"), is_reserved("refused_mine"), is_reserved("temperature")
    (True, True, True, False)
    """
    folded = _fold(name)
    return folded in RESERVED or folded.startswith("refused") or ":" in name


def free_name(name: str) -> str:
    """Return a name that a factor can have instead of a reserved one.

    Examples
    --------
    >>> free_name("n"), free_name("top-p: high")
    ('run_n', 'run_top_p_high')
    """
    return f"run_{re.sub(r'[^0-9A-Za-z]+', '_', name).strip('_') or 'factor'}"


def check_run_factors(names: Iterable[str]) -> None:
    """Check that no run factor has a reserved name.

    Raises
    ------
    InputError
        With a name to choose instead.
    """
    for name in names:
        if ":" in name:
            raise InputError(
                f"the factor {quoted(name)} cannot be used, for a colon joins two factors; rename the column, e.g. to "
                f"{free_name(name)}"
            )
        if is_reserved(name):
            raise InputError(
                f"the factor {quoted(name)} cannot be used, for tables of results have a column of that name; rename "
                f"the column, e.g. to {free_name(name)}"
            )


def name_settings(settings: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Choose column names for the settings in a log, which its reader cannot rename.

    Parameters
    ----------
    settings : iterable of str
        Their names in the log.
    taken : iterable of str
        Names of other columns, besides the reserved ones.

    Returns
    -------
    dict of str to str
        Setting to column: the same name, or ``run_NAME`` where that is reserved, taken or no single word.

    Examples
    --------
    >>> name_settings(["temperature", "n", "N", "top-p"])
    {'temperature': 'temperature', 'n': 'run_n', 'N': 'run_N_2', 'top-p': 'run_top_p'}
    """
    used = {name.lower() for name in taken}
    columns = {}
    for setting in dict.fromkeys(settings):
        name, again = setting, 1
        while not name.isidentifier() or is_reserved(name) or name.lower() in used:
            name = free_name(setting) + f"_{again}" * (again > 1)
            again += 1
        used.add(name.lower())
        columns[setting] = name
    return columns


def _fold(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip().lower())
