"""The table of ``sensitivity --variance``."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from ..display import Format
from .console import busy, say

if TYPE_CHECKING:
    from ..counts import Counts
    from ..responses import Responses


def check_variance(named: Sequence[str], without: Sequence[str]) -> None:
    """Check that the variance is broken down by settings of runs only, and no factor is left out."""
    from ..columns import check_run_factors_only

    check_run_factors_only("--factors", named, "--variance divides the variance among all factors of prompts")
    if without:
        raise InputError("--without: --variance divides the variance among all factors of prompts; leave out --without")


def print_variance(responses: "Responses", counts: "Counts", run_factors: Sequence[str], form: Format) -> None:
    """Print the components of the variance of each model and task, and the detectors' rates as a note."""
    from ..contracts import VARIANCE_COMPONENTS
    from ..display import print_table
    from ..estimates import describe_detectors, estimate_variance_components
    from ..responses import count_responses

    with busy("Comparing pairs of responses"):
        table = estimate_variance_components(counts, run_factors)
        say(describe_detectors(count_responses(responses)))
    shown = ["component", "estimate", "ci_low", "ci_high", "variance", "n_texts", "note"]
    print_table(table, form, ["model", "task"], contract=VARIANCE_COMPONENTS, columns=shown)
