"""Shared input and checks of the estimating commands."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from .console import busy, say

if TYPE_CHECKING:
    from ..counts import Counts
    from ..responses import Responses


def load_counts(
    results: list[str], factors: Sequence[str], detector: str | None, *, all_runs: bool, exclude: bool
) -> "tuple[Responses, Counts]":
    """Read responses and count the refusals by one detector; report what was left out."""
    from ..columns import run_factors_among
    from ..responses import count_responses, load_responses

    run_factors = run_factors_among(factors)
    with busy("Reading the responses"):
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors)
        responses = noted(responses, detector, exclude=exclude)
        rule = responses.rule(detector)
        counts = count_responses(responses, [*run_factors, *["run"] * (all_runs and "run" not in run_factors)])[rule]
    for name in factors:
        if name not in counts.levels:
            raise InputError(
                f"{', '.join(results)}: lacks the column {name}; it can be broken down by {', '.join(counts.levels)}"
            )
    say([*responses.notes, said_of_rule(rule)])
    return responses, counts


def said_of_rule(rule: str) -> str:
    """Describe which detector's verdicts are counted."""
    from ..columns import GIVEN, name_rule

    return f"Refusals as in {name_rule(rule)}." if rule == GIVEN else f"Refusals by the detector {rule}."


def noted(responses: "Responses", detector: str | None, *, exclude: bool) -> "Responses":
    """Exclude refusals by the provider if requested, and add notes about unusable responses."""
    from ..responses import exclude_provider, note_unusable

    return note_unusable(exclude_provider(responses) if exclude else responses, detector)


def check_one_of(options: Mapping[str, object]) -> None:
    """Check that at most one of several exclusive options is given."""
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: mean different tables; give one of them")
