"""The option ``rates --beyond-wording``, and what differences without it are said to be of."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from ..display import Format
from .console import busy, say
from .load import check_one_of

if TYPE_CHECKING:
    import pandas as pd

    from ..counts import Counts

_NEUTRAL = "neutral"


def check_beyond_wording(against: str, others: Mapping[str, object], *, wanted: bool) -> None:
    """Check that the option goes with the others.

    Raises
    ------
    InputError
        If the baseline is not the neutral one, or with an option that it excludes.
    """
    for name, value in others.items():
        check_one_of({"--beyond-wording": wanted, name: value})
    if wanted and against != _NEUTRAL:
        raise InputError(
            f"--beyond-wording: compares personas with neutral phrases, and --against is {against or 'missing'}; use "
            f"--against {_NEUTRAL}"
        )


def print_wordings(counts: "Counts", factors: Sequence[str], form: Format) -> None:
    """Print differences from neutral prompts beyond the spread of wordings."""
    from ..columns import STUDY
    from ..contracts import WORDINGS
    from ..display import print_table
    from ..estimates import describe_missing, estimate_wordings

    with busy("Comparing personas"):
        table = estimate_wordings(counts, factors)
    say([describe_missing([_NEUTRAL])] if table.empty else not_compared(counts, table, _NEUTRAL))
    shown = ["persona", "estimate", "ci_low", "ci_high", "noise_band", "p_adjusted", "sd_wordings", "estimate_in_sd"]
    print_table(table, form, [*STUDY, *factors], contract=WORDINGS, columns=shown)


def note_wordings(counts: "Counts", against: str) -> Iterable[str]:
    """Report what differences from neutral prompts are of, as far as wordings go."""
    from ..estimates import has_phrases
    from ..report import ONE_WORDING

    if against == _NEUTRAL:
        beyond = "Add --beyond-wording to compare personas with the spread of wordings."
        yield beyond if has_phrases(counts) else ONE_WORDING


def not_compared(counts: "Counts", table: "pd.DataFrame", against: str) -> Iterable[str]:
    """Report the tasks with personas but without the baseline."""
    cells, _ = counts.where(setting="persona").cell(["task"])
    if missing := sorted(set(cells["task"]) - set(table["task"])):
        yield f"Not compared, because there are no prompts in the setting {against}: {', '.join(missing)}."
