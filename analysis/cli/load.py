"""What the commands that estimate read and refuse in common."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from .console import busy, say

if TYPE_CHECKING:
    from ..counts import Counts
    from ..responses.table import Responses


def load_counts(
    results: list[str], factors: Sequence[str], detector: str | None, *, all_runs: bool, exclude: bool
) -> "tuple[Responses, Counts]":
    """Read responses and count the refusals of one rule; say what was left out."""
    from ..responses.count import count_responses
    from ..responses.logs.load import load_responses
    from ..responses.table import FACTORS, STUDY_COLUMNS

    run_factors = [name for name in dict.fromkeys(factors) if name not in {*STUDY_COLUMNS, *FACTORS}]
    with busy("Reading the responses"):
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors)
        responses = noted(responses, detector, exclude=exclude)
        rule = responses.rule(detector)
        counts = count_responses(responses, [*run_factors, *["run"] * (all_runs and "run" not in run_factors)])[rule]
    for name in factors:
        if name not in counts.levels:
            raise InputError(
                f"{', '.join(results)}: lacks the column {name}, which tells responses apart; it can be told apart by "
                f"{', '.join(counts.levels)}"
            )
    say([*responses.notes, f"Refusals by the rule {rule}."])
    return responses, counts


def noted(responses: "Responses", detector: str | None, *, exclude: bool) -> "Responses":
    """Leave out what the provider refused if that is asked for, and note where responses say too little."""
    from ..responses.provider import exclude_provider
    from ..responses.usable import note_unusable

    return note_unusable(exclude_provider(responses) if exclude else responses, detector)


def check_one_of(options: Mapping[str, object]) -> None:
    """Refuse options of which each stands for something else."""
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: mean different tables; give one of them")


def check_of_runs(factors: Sequence[str], comparing: str) -> None:
    """Refuse to tell apart, within a model and task, what personas are compared over."""
    from ..responses.table import FACTORS, STUDY_COLUMNS

    if wrong := [name for name in factors if name in {*STUDY_COLUMNS, *FACTORS}]:
        raise InputError(
            f"--by {','.join(wrong)}: {comparing} personas within each model, and can tell apart only settings of runs "
            "besides (temperature, ...); leave out --by, or one of them"
        )


def of_runs(counts: "Counts", factors: Sequence[str]) -> list[str]:
    """List the factors that are settings of runs."""
    from ..responses.table import FACTORS, STUDY_COLUMNS

    return [name for name in factors if name not in {*STUDY_COLUMNS, *FACTORS} and name in counts.levels]
