"""The command ``rates``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, say
from .load import check_one_of, load_counts, noted, said_of_rule
from .options import RUN_FACTORS, names, numbers, optional
from .wordings import check_beyond_wording, not_compared, note_wordings, print_wordings

if TYPE_CHECKING:
    import pandas as pd

    from ..counts import Counts
    from ..labels import LabelMap

app = typer.Typer()

EQUAL, FINITE = "equal", "finite"
"""The values of ``--class-weights`` and ``--population`` besides numbers."""

_FINITE_POPULATION = (
    "Intervals are for the rate over the texts of the source, asked or not, not over all texts like these."
)


@app.command()
def rates(
    results: shared.Results,
    by: Annotated[
        str,
        optional(
            "FACTORS",
            "Break rates down by these factors besides model, task and setting, e.g. persona,response_type. "
            f"{RUN_FACTORS}",
            "--by",
            "--factors",
        ),
    ] = "",
    against: Annotated[
        str,
        optional(
            "BASELINE",
            "Print each persona's difference from neutral or persona-free prompts, from others (all other "
            "personas), or from a persona.",
        ),
    ] = "",
    spread: Annotated[
        bool, typer.Option("--spread", help="Print the variation between personas beyond noise.")
    ] = False,
    beyond_wording: Annotated[
        bool,
        typer.Option(
            "--beyond-wording",
            help="With --against neutral: compare each persona with the spread of wordings, for studies whose personas "
            "have phrases.",
        ),
    ] = False,
    undetermined: Annotated[
        bool,
        typer.Option(
            "--undetermined",
            help="Instead of refusals, print the share of responses that are truncated or unjudged, or with --against "
            "its differences.",
        ),
    ] = False,
    labels: Annotated[
        Path | None,
        optional(
            "FILE",
            "Labels of a sample of the responses (`annotate import`): rates, or differences from --against, are "
            "corrected by them.",
        ),
    ] = None,
    columns: shared.LabelColumns = "",
    values: shared.LabelValues = "",
    class_weights: Annotated[
        str | None,
        optional(
            "WEIGHTS",
            "Show class-standardised rates: `equal`, or a weight for each class, e.g. 1=58,2=17,3=12,4=8,5=5.",
        ),
    ] = None,
    population: Annotated[
        str | None,
        optional(
            "SIZE",
            "Compute intervals for the texts of the source only, not for all texts like these: `finite`, if the "
            "study's record has the number of texts, or that number for each task, e.g. offensiveness=1500.",
        ),
    ] = None,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    seed: shared.Seed = 0,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print refusal rates with 95% confidence intervals clustered by text.

    Percentages on screen and in Markdown, proportions in CSV and JSON.

    Example: `persona-refusal rates results --by persona`

    Example: `persona-refusal rates results --against neutral`

    Example: `persona-refusal rates results --by persona --labels labels.csv`

    Example: `persona-refusal rates results --class-weights equal`
    """
    import numpy as np

    from ..columns import STUDY_COLUMNS, check_run_factors_only
    from ..contracts import SPREAD, UNDETERMINED_SHARES
    from ..display import print_table
    from ..estimates import estimate_rates, estimate_spread, estimate_undetermined
    from ..labels import read_label_map
    from ..responses import read_population

    check_one_of({"--against": against, "--spread": spread})
    check_one_of({"--undetermined": undetermined, "--labels": labels, "--spread": spread})
    check_beyond_wording(against, {"--undetermined": undetermined, "--labels": labels}, wanted=beyond_wording)
    for option, given in {"--class-weights": class_weights, "--population": population}.items():
        for name, value in {"--against": against, "--spread": spread, "--labels": labels}.items():
            check_one_of({option: given, name: value})
        check_one_of({option: given, "--undetermined": undetermined})
    weights, sizes = _class_weights(class_weights), _population(population)
    factors = names(by)
    if labels is not None:
        if against and factors:
            raise InputError(
                f"--by {by}: differences corrected by --labels are not broken down; leave out --by, or --against"
            )
        mapping = read_label_map(columns, values)
        exclude = exclude_provider
        _print_corrected(
            results, labels, mapping, factors, against, detector, all_runs=all_runs, exclude=exclude, form=form
        )
        return
    if against or spread:
        check_run_factors_only("--by", factors, "--against and --spread compare personas within each model")
    responses, counts = load_counts(
        results,
        [*factors, *["persona"] * bool(against or spread)],
        detector,
        all_runs=all_runs,
        exclude=exclude_provider,
    )
    if beyond_wording:
        print_wordings(counts, factors, form)
    elif against:
        _print_contrasts(counts, against, factors, form, undetermined=undetermined)
    elif spread:
        with busy("Running the permutation test"):
            table = estimate_spread(counts, factors, rng=np.random.default_rng(seed))
        say(["No persona task was run."] * table.empty)
        print_table(
            table, form, ["model"], contract=SPREAD, columns=[str(c) for c in table if c not in {"n_levels", "n"}]
        )
    else:
        broken_down = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
        _check_classes(counts, broken_down, class_weights)
        known = read_population(responses) if population == FINITE else sizes
        estimate_own = partial(estimate_rates, class_weights=weights, population=known)
        with busy("Estimating the rates"):
            table = (estimate_undetermined if undetermined else estimate_own)(counts, broken_down)
        sections = STUDY_COLUMNS if len(broken_down) > len(STUDY_COLUMNS) else STUDY_COLUMNS[:1]
        if undetermined:
            print_table(table, form, sections, contract=UNDETERMINED_SHARES)
        else:
            say([_FINITE_POPULATION] * (population is not None))
            _print_rates(table, form, sections, standardised=class_weights is not None)


def _print_contrasts(
    counts: "Counts", against: str, factors: Sequence[str], form: Format, *, undetermined: bool
) -> None:
    """Print personas' differences from a baseline, of refusals or of undetermined responses."""
    from ..columns import STUDY
    from ..contracts import CONTRASTS, UNDETERMINED_CONTRASTS
    from ..display import print_table
    from ..estimates import describe_missing, estimate_contrasts, estimate_undetermined_contrasts

    estimate = estimate_undetermined_contrasts if undetermined else estimate_contrasts
    with busy("Comparing personas"):
        table = estimate(counts, against, run_factors=factors)
    say([describe_missing([against])] if table.empty else not_compared(counts, table, against))
    say([] if undetermined else _undetermined_by_persona(counts, against, factors))
    say([] if undetermined or table.empty else note_wordings(counts, against))
    shown = ["persona", "estimate", "ci_low", "ci_high", "odds_ratio", "p_adjusted", "mde_up"]
    contract = UNDETERMINED_CONTRASTS if undetermined else CONTRASTS
    print_table(table, form, [*STUDY, *factors], contract=contract, columns=shown)


def _check_classes(counts: "Counts", factors: Sequence[str], class_weights: str | None) -> None:
    """Check that rates can be class-standardised if that is wanted."""
    if class_weights is not None and not counts.levels.get("stratum"):
        raise InputError("--class-weights: needs the column stratum, which the responses lack; leave it out")
    if class_weights is not None and "stratum" in factors:
        raise InputError("--class-weights: a rate by stratum is of one class; leave out --class-weights, or stratum")


def _class_weights(given: str | None) -> dict[str, float] | None:
    """Read the weights of classes; None for equal ones."""
    if given is None or given == EQUAL:
        return None
    return numbers("--class-weights", given, f"{EQUAL}, or weights such as 1=0.6,2=0.4")


def _population(given: str | None) -> dict[str, int] | None:
    """Read the numbers of texts; None if they are in the study's record, or not wanted."""
    if given is None or given == FINITE:
        return None
    sizes = numbers("--population", given, f"{FINITE}, or numbers of texts such as offensiveness=1500")
    for task, size in sizes.items():
        if size < 1 or size != int(size):
            raise InputError(f"--population {given}: {task}={size:g} is not a number of texts; give a whole number")
    return {task: int(size) for task, size in sizes.items()}


def _print_rates(table: "pd.DataFrame", form: Format, sections: Sequence[str], *, standardised: bool) -> None:
    """Print rates; on screen, what may change them is a table of its own, because one table would be too wide."""
    from ..columns import STANDARDISED, UNDETERMINED
    from ..contracts import RATES, Contract
    from ..display import print_table

    # Next to the standardised rates there is no room for the number of refusals.
    hidden = ["n_refused"] if standardised else [*STANDARDISED]
    if form is Format.MARKDOWN and not standardised:
        table = table.drop(columns=[*STANDARDISED])
    not_read = [*UNDETERMINED, "refusal_rate_low", "refusal_rate_high", *hidden]
    n_missing = int(table["estimate_standardised"].isna().sum()) if standardised else 0
    missing = (
        f"{n_missing:,} of {len(table):,} rates have no class-standardised rate: the class (stratum) of a response is "
        "unknown, or a class has no responses there."
    )
    say([missing] * (n_missing > 0))
    has_bounds = bool(table[[*UNDETERMINED]].to_numpy().any())
    said = (
        "Truncated and unjudged responses count as not refused. The bounds are the rates if none, or all, of them "
        "were refusals; compare their shares between personas with --undetermined --against neutral."
    )
    say([said] * has_bounds)
    print_table(table, form, sections, contract=RATES, columns=[str(c) for c in table if c not in not_read])
    if has_bounds and form is Format.TABLE:
        shares = {name.removeprefix("n_"): table[name] / table["n"] for name in reversed(UNDETERMINED)}
        levels, bounds = [str(c) for c in table if c not in RATES.estimates], not_read[2:4]
        contract = Contract(shares=frozenset({*shares, *bounds}))
        print_table(table[levels].assign(**shares, **table[bounds]), form, sections, contract=contract)


def _undetermined_by_persona(counts: "Counts", against: str, factors: Sequence[str]) -> Iterable[str]:
    """Report whether personas differ in truncated and unjudged responses, if there are any."""
    from ..counts import count_undetermined
    from ..estimates import estimate_undetermined_contrasts
    from ..report import describe_undetermined

    if count_undetermined(counts).n_refused.any():
        with busy("Comparing truncated and unjudged responses"):
            table = estimate_undetermined_contrasts(counts, against, run_factors=factors)
        yield from describe_undetermined(table, against)


def _print_corrected(
    results: list[str],
    labels: Path,
    mapping: "LabelMap",
    factors: Sequence[str],
    against: str,
    detector: str | None,
    *,
    all_runs: bool,
    exclude: bool,
    form: Format,
) -> None:
    """Print rates, or differences, corrected by labels, with the uncorrected ones."""
    from ..columns import STUDY, STUDY_COLUMNS, run_factors_among
    from ..contracts import CORRECTED, CORRECTED_CONTRASTS
    from ..display import print_table
    from ..estimates import describe_missing
    from ..labels import FEWEST, estimate_corrected, estimate_corrected_contrasts, read_labels, sum_labels
    from ..responses import load_responses

    run_factors = run_factors_among(factors)
    with busy("Reading the responses and labels"):
        given = read_labels(labels, names=mapping)
        # With texts, to find labels of other answers.
        with_texts = "response" in given.items
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors, texts=with_texts)
        responses = noted(responses, detector, exclude=exclude)
        summed = sum_labels(responses, given, [*factors, *["persona"] * bool(against)], detector=detector)
    say([*responses.notes, *given.notes, *summed.notes, said_of_rule(responses.rule(detector))])
    if against:
        table, sections = estimate_corrected_contrasts(summed.sums, against), list(STUDY)
        say([describe_missing([against])] * table.empty)
    else:
        columns = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
        table = estimate_corrected(summed.sums, columns)
        sections = list(STUDY_COLUMNS if len(columns) > len(STUDY_COLUMNS) else STUDY_COLUMNS[:1])
    n_missing = int(table["estimate"].isna().sum())
    few = f"fewer than {FEWEST} of the responses with either verdict are labelled"
    say([f"{n_missing:,} of {len(table):,} rows are not corrected: {few}."] * (n_missing > 0))
    shown = [*factors, "persona", "setting", "task", "estimate", "ci_low", "ci_high", "uncorrected", "n_labelled"]
    contract = CORRECTED_CONTRASTS if against else CORRECTED
    print_table(table, form, sections, contract=contract, columns=shown)
