"""The contracts of the tables of persona effects that are pooled over models and tasks."""

from .contract import Contract

_CI = ("estimate", "ci_low", "ci_high")
_ODDS = ("odds_ratio", "or_low", "or_high")
_SIZES = ("n", "n_refused", "n_baseline", "n_refused_baseline")
_UNPOOLED = ("unpooled", "unpooled_low", "unpooled_high")

POOLED = Contract(
    keys=("scope", "persona", "persona_group"),
    estimates=(*_CI, *_ODDS, "p_value", "p_adjusted", "neutral_rate", "n_models", *_SIZES),
    shares=frozenset({"neutral_rate"}),
    differences=frozenset(_CI),
    signed=frozenset(_CI),
    headings={"estimate": "difference", "neutral_rate": "neutral rate"},
)
POOLED_MODELS = Contract(
    keys=("model", "persona", "persona_group"),
    estimates=(*_CI, *_ODDS, *_UNPOOLED, "unpooled_odds_ratio", "neutral_rate", *_SIZES),
    shares=frozenset({"neutral_rate"}),
    differences=frozenset({*_CI, *_UNPOOLED}),
    signed=frozenset({*_CI, *_UNPOOLED}),
    headings={"estimate": "shrunken difference", "unpooled": "unpooled difference", "neutral_rate": "neutral rate"},
)
POOLED_SPREAD = Contract(
    keys=("component",), estimates=(*_CI, "n_levels"), headings={"estimate": "SD of log odds ratios"}
)
POOLED_TABLES = (POOLED, POOLED_MODELS, POOLED_SPREAD)
"""The tables of the command ``pool``."""
