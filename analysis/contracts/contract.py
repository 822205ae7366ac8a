"""What a contract of a table says: its keys, its estimates, and how they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    "n_phrases": "phrases",
    "n_phrases_baseline": "baseline phrases",
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
    "spread_p": "p of spread",
    "log_odds_se": "log odds SE",
    "estimate_shrunken": "shrunken",
    "between_sd": "between-model SD",
    "differing_personas": "differing personas",
}
"""Headings of columns on screen; other columns are headed by their names."""

INTERVALS = {
    "ci_low": ("ci_high", "95% CI"),
    "shown_low": ("shown_high", "interval"),
    "ci_low_named": ("ci_high_named", "95% CI, adjusted for selection"),
    "uncorrected_low": ("uncorrected_high", "uncorrected 95% CI"),
    "spread_low": ("spread_high", "95% CI of spread"),
    "unpooled_low": ("unpooled_high", "unpooled 95% CI"),
    "or_low": ("or_high", "95% CI of odds ratio"),
    "equiv_low": ("equiv_high", "90% CI"),
    "answered_low": ("answered_high", "95% CI of answered"),
    "obeyed_low": ("obeyed_high", "95% CI of obeyed"),
    "reading_low": ("reading_high", "95% CI of reading"),
    "refusal_rate_low": ("refusal_rate_high", "bounds (%)"),
    "ci_low_standardised": ("ci_high_standardised", "standardised 95% CI"),
}
"""The lower end of each interval: the column of its upper end, and the heading of both."""
