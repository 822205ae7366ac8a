"""The command ``pool``."""

# The analysis is imported inside the command, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refusal_metrics.errors import InputError, unknown_name

from ..display import Format
from . import options as shared
from .console import busy, say
from .load import check_one_of, load_counts
from .options import names, optional

if TYPE_CHECKING:
    from ..counts import Counts

app = typer.Typer()

_TITLES = {
    "studied": "Average over the models studied",
    "similar": "Models like these",
    "new": "A new model (95% prediction interval)",
}


@app.command()
def pool(
    results: shared.Results,
    groups: Annotated[bool, typer.Option("--groups", help="Pool persona groups instead of personas.")] = False,
    by: Annotated[
        str, optional("FACTORS", "Pool separately by task, or by settings of runs such as temperature.", "--by")
    ] = "",
    each: Annotated[
        bool, typer.Option("--each", help="Print each model's differences, shrunken towards those of all models.")
    ] = False,
    spread: Annotated[
        bool, typer.Option("--spread", help="Print how much effects vary between personas, models and families.")
    ] = False,
    models: Annotated[
        Path | None,
        optional("FILE", "CSV with the columns model and family.  [default: the families of the paper's models]"),
    ] = None,
    to: Annotated[
        str, optional("TOOL", "Instead of estimates, write counts for another tool to --out: hibayes.", "--to")
    ] = "",
    out: Annotated[Path | None, optional("FILE", "The CSV file for --to.")] = None,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    force: shared.Force = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print which personas are refused more often than neutral prompts over all models and tasks.

    A meta-analysis: the average over the models studied, an estimate for models like these, and a prediction for a new
    model (from 8 models of 5 families on). Differences are in percentage points at each model's neutral rate. Needs at
    least two models, and neutral prompts.

    Example: `persona-refusal pool results`

    Example: `persona-refusal pool results --groups --by task`

    Example: `persona-refusal pool results --each --format csv`
    """
    from ..columns import check_run_factors_only
    from ..contracts import POOLED, POOLED_MODELS, POOLED_SPREAD
    from ..display import print_table
    from ..estimates import FEWEST_LEVELS, FEWEST_MODELS, estimate_pool

    check_one_of({"--each": each, "--spread": spread, "--to": to})
    factors = names(by)
    check_run_factors_only("--by", factors, "pool compares personas over models", besides="task")
    if bool(to) != (out is not None):
        raise InputError("--to and --out: are given together, e.g. --to hibayes --out counts.csv")
    level = "persona_group" if groups else "persona"
    _, counts = load_counts(results, [*factors, level], detector, all_runs=all_runs, exclude=exclude_provider)
    if out is not None:
        if any(out.resolve() == Path(one).resolve() for one in results):
            raise InputError(f"--out {out}: is read, and would be overwritten; name another file")
        _export(counts, to, models, out, force=force)
        return
    with busy("Pooling the effects"):
        pooled = estimate_pool(counts, level, models, factors, spread=spread)
    say(pooled.notes)
    if spread and pooled.spread.empty:
        raise InputError(
            f"--spread: needs at least {FEWEST_MODELS} models and {FEWEST_LEVELS} levels of {level} that can be used; "
            "add results, or leave out --spread"
        )
    if each:
        shown = [level, "estimate", "ci_low", "ci_high", "odds_ratio", "unpooled", "neutral_rate"]
        print_table(pooled.models, form, [*factors, "model"], contract=POOLED_MODELS, columns=shown)
    elif spread:
        print_table(pooled.spread, form, factors, contract=POOLED_SPREAD)
    else:
        table = pooled.pooled
        if form in {Format.TABLE, Format.MARKDOWN}:
            table = table.assign(scope=table["scope"].replace(_TITLES))
        shown = [level, "estimate", "ci_low", "ci_high", "odds_ratio", "p_adjusted", "n_models"]
        print_table(table, form, [*factors, "scope"], contract=POOLED, columns=shown)


def _export(counts: "Counts", tool: str, models: Path | None, out: Path, *, force: bool) -> None:
    """Write counts for another tool."""
    from ..display import to_csv
    from ..estimates import TOOLS, count_for_hibayes, look_up_families
    from ..files import check_new, write_file

    if tool not in TOOLS:
        raise unknown_name("tool", tool, TOOLS)
    check_new(out, force=force)
    table = count_for_hibayes(counts, look_up_families(counts.levels["model"], models))
    write_file(out, to_csv(table), force=force)
    say([f"Wrote {len(table):,} rows to {out}; n_correct are refusals."])
