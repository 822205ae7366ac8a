"""The commands ``sensitivity``, ``regression`` and ``trend``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, say
from .load import check_one_of, load_counts
from .options import RUN_FACTORS, names, optional
from .runs import print_runs
from .variance import check_variance, print_variance

app = typer.Typer()


@app.command()
def sensitivity(
    results: shared.Results,
    factors: Annotated[str, optional("FACTORS", f"Print these and their pairs; by default all. {RUN_FACTORS}")] = "",
    without: Annotated[
        str, optional("FACTORS", "Leave out these factors of prompts, e.g. template if it has too many levels.")
    ] = "",
    levels: Annotated[
        bool, typer.Option("--levels", help="Print the deviation of each level from the overall rate.")
    ] = False,
    interactions: Annotated[
        str, optional("A,B", "Print two-way interactions of two factors, e.g. model,response_type.")
    ] = "",
    variance: Annotated[
        bool,
        typer.Option(
            "--variance",
            help="Print how the variance of refusals divides among texts, personas, wordings, templates and, with "
            "--factors repeat, sampling.",
        ),
    ] = False,
    replicates: shared.Replicates = 1000,
    seed: shared.Seed = 0,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print the sensitivity index (iota) of each factor with its permutation baseline and confidence interval.

    0 means that refusals do not depend on the factor, 1 that they depend on nothing else. For the whole study, and for
    each model and task.

    Example: `persona-refusal sensitivity results`

    Example: `persona-refusal sensitivity results --interactions persona,response_type`

    Example: `persona-refusal sensitivity results --variance`
    """
    import numpy as np

    from ..columns import run_factors_among
    from ..contracts import DEVIATIONS, INTERACTIONS, SENSITIVITY
    from ..display import print_table
    from ..estimates import describe_no_interactions, estimate_interactions, estimate_sensitivity

    check_one_of({"--levels": levels, "--interactions": interactions, "--variance": variance})
    named, pair = names(factors), names(interactions)
    if pair and len(pair) != 2:
        raise InputError(
            f"--interactions {interactions}: names {len(pair)} factor{'s' * (len(pair) != 1)}; name two, "
            "e.g. model,persona"
        )
    if variance:
        check_variance(named, names(without))
    responses, counts = load_counts(results, [*named, *pair], detector, all_runs=all_runs, exclude=exclude_provider)
    if variance:
        print_variance(responses, counts, named, form)
        return
    asked = counts.where(setting="persona")
    if pair:
        with busy("Comparing combinations"):
            table = estimate_interactions(asked, pair[0], pair[1])
        say([describe_no_interactions(*pair)] * table.empty)
        shown = [str(c) for c in table if c not in {"factor", "other_factor", "p_value", "n_texts"}]
        print_table(table, form, ["factor", "other_factor"], contract=INTERACTIONS, columns=shown)
        return
    with busy("Permuting and resampling"):
        estimated = estimate_sensitivity(
            asked,
            np.random.default_rng(seed),
            run_factors=run_factors_among(named),
            without=names(without),
            n_replicates=replicates,
        )
    say(estimated.notes)
    shown = ["factor", "level", "iota", "estimate", "ci_low", "ci_high", "null_mean", "p_value", "n_levels", "n"]
    table, contract = (estimated.deviations, DEVIATIONS) if levels else (estimated.indices, SENSITIVITY)
    if named:
        table = table[[set(factor.split(":")) <= set(named) for factor in table["factor"]]]
    sections = ["model", "task", "factor"] if levels else ["model", "task"]
    print_table(table, form, sections, contract=contract, columns=shown)


@app.command()
def regression(
    results: shared.Results,
    factors: Annotated[
        str,
        optional("FACTORS", f"Main effects of these factors.  [default: persona,template,task,model]  {RUN_FACTORS}"),
    ] = "",
    formula: Annotated[
        str, optional("FORMULA", "Instead of --factors: terms and interactions, e.g. 'persona * task + model'.")
    ] = "",
    estimator: Annotated[
        str | None, optional("NAME", "mle, firth or ridge.  [default: mle, or firth for complete separation]")
    ] = None,
    penalty: Annotated[float, typer.Option(metavar="X", help="For ridge: 1/C in scikit-learn.")] = 1.0,
    reference: Annotated[
        list[str], optional("FACTOR=LEVEL", "A reference level, e.g. persona=man; can be repeated.")
    ] = [],  # noqa: B006 - typer copies it
    effects: Annotated[
        bool, typer.Option("--effects", help="Print average marginal effects, in percentage points.")
    ] = False,
    wald: Annotated[bool, typer.Option("--wald", help="Print a test of each factor.")] = False,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print a logistic regression of refusal on the factors, with standard errors clustered by text.

    Example: `persona-refusal regression results`

    Example: `persona-refusal regression results --formula "persona * task" --wald`
    """
    from ..columns import REGRESSED
    from ..contracts import EFFECTS, REGRESSION, WALD
    from ..counts import count_by_text
    from ..display import print_table
    from ..estimates import fit, parse_formula

    check_one_of({"--factors": factors, "--formula": formula})
    check_one_of({"--effects": effects, "--wald": wald})
    named = _words(formula) if formula else names(factors)
    _, counts = load_counts(results, named, detector, all_runs=all_runs, exclude=exclude_provider)
    given = formula or named or [name for name in REGRESSED if name in counts.levels]
    terms = parse_formula(given, list(counts.levels))
    used = list(dict.fromkeys(name for term in terms for name in term))
    references = dict(_equation(text) for text in reference)
    with busy("Fitting the regression"):
        fitted = fit(
            count_by_text(counts.where(setting="persona"), used),
            given,
            estimator=estimator,  # type: ignore[arg-type]  # checked by fit
            references=references,
            penalty=penalty,
        )
    compared = ", ".join(f"{factor} {level}" for factor, level in fitted.references.items())
    say([*fitted.notes, f"Compared with {compared}. Pseudo R2 {fitted.pseudo_r2:.4f}, {fitted.n_texts:,} texts."])
    tables = {"effects": (fitted.effects, EFFECTS), "wald": (fitted.wald, WALD), "": (fitted.table, REGRESSION)}
    table, contract = tables["effects" if effects else "wald" if wald else ""]
    shown = [str(c) for c in table.columns if c not in {"se", "estimator", "separated", "p_value"} or wald]
    print_table(table, form, [] if wald else ["factor"], contract=contract, columns=shown)


@app.command()
def trend(
    results: shared.Results,
    column: shared.Property = "released",
    models: shared.Models = None,
    by: Annotated[
        str,
        optional(
            "FACTORS",
            "Settings of runs, e.g. temperature: one trend for each level. date: the refusal rates of runs over time.",
            "--by",
        ),
    ] = "",
    each: Annotated[
        bool, typer.Option("--each", help="Print the spread of persona effects of each model, or the rate of each run.")
    ] = False,
    out: Annotated[Path | None, optional("FOLDER", "With --by date: write a figure and its data there.")] = None,
    force: shared.Force = False,
    detector: shared.Detector = None,
    all_runs: shared.AllRuns = False,
    exclude_provider: shared.ExcludeProvider = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print whether personas matter less to newer (or larger, ...) models: slopes with their errors.

    The spread of a model's persona effects, and its log-odds of refusal, regressed on a property of models. At least
    three models are needed.

    Example: `persona-refusal trend results --column released`

    Example: `persona-refusal trend results --column size --models sizes.csv`

    Example: `persona-refusal trend results --by temperature`

    Example: `persona-refusal trend nightly --by date --out trend`
    """
    from ..columns import check_run_factors_only
    from ..contracts import TREND, TREND_MODELS
    from ..display import print_table
    from ..estimates import estimate_trend

    factors = names(by)
    if "date" in factors:
        print_runs(
            results, factors, detector, form, {"--models": models, "--all-runs": all_runs}, out, each=each,
            exclude=exclude_provider, force=force,
        )  # fmt: skip
        return
    if out is not None:
        raise InputError(f"--out {out}: is the folder of the figure of --by date; add --by date, or leave out --out")
    check_run_factors_only("--by", factors, "trend compares personas within each model")
    _, counts = load_counts(results, factors, detector, all_runs=all_runs, exclude=exclude_provider)
    with busy("Estimating each model's spread"):
        estimated = estimate_trend(counts.where(setting="persona"), column, models, factors)
    say(estimated.notes)
    if each:
        shown = ["model", *factors, "family", "value", "spread", "ci_low", "ci_high", "n_refused"]
        print_table(estimated.models, form, ["family"], contract=TREND_MODELS, columns=shown)
    else:
        table = estimated.trends
        if form in {Format.TABLE, Format.MARKDOWN}:
            table = table.assign(family=table["family"].replace("", "all"))
        shown = [*factors, "family", "slope", "ci_low", "ci_high", "p_value", "between_sd", "n_models"]
        print_table(table, form, ["outcome"], contract=TREND, columns=shown)


def _words(formula: str) -> list[str]:
    """List the factors that a formula names."""
    return names("".join(c if c.isalnum() or c in "_-." else "," for c in formula))


def _equation(text: str) -> tuple[str, str]:
    factor, equals, level = text.partition("=")
    if not (factor and equals and level):
        raise InputError(f"--reference {text}: is not of the form FACTOR=LEVEL, e.g. persona=man")
    return factor.strip(), level.strip()
