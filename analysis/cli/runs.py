"""The option ``trend --by date``: the refusal rates of runs over time."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refusal_metrics.errors import InputError

from ..display import Format
from .console import busy, say
from .load import load_counts

if TYPE_CHECKING:
    from ..figures import Figure

_FORMATS = ("svg", "png")


def print_runs(
    results: list[str],
    factors: Sequence[str],
    detector: str | None,
    form: Format,
    others: Mapping[str, object],
    out: Path | None,
    *,
    each: bool,
    exclude: bool,
    force: bool,
) -> None:
    """Print the slope of each model and task over the dates of its runs, and the rates of these.

    Parameters
    ----------
    results : list of str
    factors : sequence of str
        Of ``--by``.
    detector : str or None
    form : Format
        CSV and JSON have one table: the slopes, or the rates if they are to be printed each.
    others : mapping of str to object
        Options that mean nothing here, and their values.
    out : Path or None
        The folder of the figure.
    each, exclude, force : bool
    """
    from ..contracts import RATES, RUN_TRENDS
    from ..display import print_table
    from ..estimates import estimate_run_trend
    from ..figures import draw_runs

    if len(factors) > 1:
        raise InputError(f"--by {','.join(factors)}: date cannot be combined with other factors; give --by date")
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{' and '.join(given)}: cannot be combined with --by date; leave it out")
    if out is not None:
        _check_new(out, force=force)
    responses, counts = load_counts(results, ["date"], detector, all_runs=False, exclude=exclude)
    with busy("Estimating the rates of the runs"):
        trend = estimate_run_trend(counts.where(setting="persona"))
    say(trend.notes)
    rates = ["date", "estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused"]
    is_data = form in {Format.CSV, Format.JSON}
    if each or not is_data:
        print_table(trend.rates, form, ["model", "task"], contract=RATES, columns=rates)
    if not (each and is_data):
        shown = ["task", "slope", "ci_low", "ci_high", "p_value", "n_runs", "first_date", "last_date"]
        print_table(trend.slopes, form, ["model"], contract=RUN_TRENDS, columns=shown)
    if out is not None:
        _write(draw_runs(trend.rates, trend.slopes, responses.rule(detector)), out)


def _check_new(out: Path, *, force: bool) -> None:
    """Check, before anything is read, that the figure may be written."""
    from ..files import check_new

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; name a folder")
    for ending in ("csv", *_FORMATS):
        check_new(out / f"runs.{ending}", force=force)


def _write(figure: "Figure", out: Path) -> None:
    from ..figures import write_figures

    written = write_figures([figure], out, _FORMATS)
    say([f"Wrote {', '.join(map(str, written))}."])
