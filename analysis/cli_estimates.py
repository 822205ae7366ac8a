"""The commands that estimate: ``rates``, ``sensitivity``, ``regression``, ``trend`` and ``report``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refusal_metrics.errors import InputError

from .console import busy, say
from .options import (
    RUN_FACTORS,
    AllRuns,
    Detector,
    ExcludeProvider,
    Form,
    LabelColumns,
    LabelValues,
    Models,
    Property,
    Replicates,
    Results,
    Seed,
    names,
)
from .values import Format

if TYPE_CHECKING:
    import pandas as pd

    from .cells import Counts
    from .label_mapping import LabelMap
    from .responses import Responses

app = typer.Typer()


@app.command()
def rates(
    results: Results,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            "--factors",
            metavar="FACTORS",
            help=f"Factors to tell apart besides model, task and setting, e.g. persona,response_type. {RUN_FACTORS}",
            show_default=False,
        ),
    ] = "",
    against: Annotated[
        str,
        typer.Option(
            metavar="BASELINE",
            help="Print each persona's difference from neutral or persona-free prompts, from others (all other "
            "personas), or from a persona.",
            show_default=False,
        ),
    ] = "",
    spread: Annotated[bool, typer.Option("--spread", help="Print how much personas differ beyond noise.")] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels of a sample of the responses (`annotate import`): rates, or differences from --against, are "
            "corrected by them.",
            show_default=False,
        ),
    ] = None,
    columns: LabelColumns = "",
    values: LabelValues = "",
    detector: Detector = None,
    all_runs: AllRuns = False,
    exclude_provider: ExcludeProvider = False,
    seed: Seed = 0,
    form: Form = Format.TABLE,
) -> None:
    """Print refusal rates with 95 % intervals that know which responses share a text.

    Percentages on screen and in Markdown, proportions in CSV and JSON.

    Example: `persona-refusal rates results --by persona`

    Example: `persona-refusal rates results --against neutral`

    Example: `persona-refusal rates results --by persona --labels labels.csv`
    """
    import numpy as np

    from .contrasts import estimate_contrasts
    from .label_mapping import read_label_map
    from .rates import estimate_rates
    from .responses import STUDY_COLUMNS
    from .spread import estimate_spread
    from .tables import print_table

    _check_one_of({"--against": against, "--spread": spread})
    factors = names(by)
    if labels is not None:
        _check_one_of({"--labels": labels, "--spread": spread})
        mapping = read_label_map(columns, values)
        exclude = exclude_provider
        _print_corrected(
            results, labels, mapping, factors, against, detector, all_runs=all_runs, exclude=exclude, form=form
        )
        return
    if against or spread:
        _check_of_runs(factors, "--against and --spread compare")
    _, counts = _load(
        results,
        [*factors, *["persona"] * bool(against or spread)],
        detector,
        all_runs=all_runs,
        exclude=exclude_provider,
    )
    if against:
        with busy("Comparing personas"):
            table = estimate_contrasts(counts, against, apart=factors)
        say([_no_contrast(against)] if table.empty else _not_compared(counts, table, against))
        shown = ["persona", "estimate", "ci_low", "ci_high", "odds_ratio", "p_adjusted", "mde"]
        print_table(table, form, ["model", "task", *factors], signed=True, columns=shown)
    elif spread:
        with busy("Turning texts round"):
            table = estimate_spread(counts, factors, rng=np.random.default_rng(seed))
        say(["No persona task was run."] * table.empty)
        print_table(table, form, ["model"], columns=[str(c) for c in table if c != "n_levels"])
    else:
        columns = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
        with busy("Estimating the rates"):
            table = estimate_rates(counts, columns)
        print_table(table, form, STUDY_COLUMNS if len(columns) > len(STUDY_COLUMNS) else STUDY_COLUMNS[:1])


@app.command()
def sensitivity(
    results: Results,
    factors: Annotated[
        str,
        typer.Option(
            metavar="FACTORS", help=f"Print these and their pairs; by default all. {RUN_FACTORS}", show_default=False
        ),
    ] = "",
    without: Annotated[
        str,
        typer.Option(
            metavar="FACTORS",
            help="Leave these factors of prompts out, e.g. template if it has too many levels.",
            show_default=False,
        ),
    ] = "",
    levels: Annotated[bool, typer.Option("--levels", help="Print each level's distance from the whole.")] = False,
    interactions: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Print how far each combination of two factors is from their sum, e.g. model,response_type.",
            show_default=False,
        ),
    ] = "",
    replicates: Replicates = 1000,
    seed: Seed = 0,
    detector: Detector = None,
    all_runs: AllRuns = False,
    exclude_provider: ExcludeProvider = False,
    form: Form = Format.TABLE,
) -> None:
    """Print how much each factor matters: the sensitivity index iota, what chance makes of it, and its interval.

    0 means that refusing does not depend on the factor, 1 that nothing else matters. For the whole
    study, and for each model and task.

    Example: `persona-refusal sensitivity results`

    Example: `persona-refusal sensitivity results --interactions persona,response_type`
    """
    import numpy as np

    from .interactions import estimate_interactions
    from .sensitivity import estimate_sensitivity
    from .tables import print_table

    _check_one_of({"--levels": levels, "--interactions": interactions})
    named, pair = names(factors), names(interactions)
    if pair and len(pair) != 2:
        raise InputError(
            f"--interactions {interactions}: names {len(pair)} factor{'s' * (len(pair) != 1)}; name two, "
            "e.g. model,persona"
        )
    _, counts = _load(results, [*named, *pair], detector, all_runs=all_runs, exclude=exclude_provider)
    asked = counts.where(setting="persona")
    if pair:
        with busy("Comparing combinations"):
            table = estimate_interactions(asked, pair[0], pair[1])
        say(
            [f"Nothing to compare: {' or '.join(pair)} has one level, or some combination was not asked."] * table.empty
        )
        shown = [str(c) for c in table if c not in {"factor", "other_factor", "p_value", "n_texts"}]
        print_table(table, form, ["factor", "other_factor"], signed=True, columns=shown)
        return
    with busy("Permuting and resampling"):
        estimated = estimate_sensitivity(
            asked,
            np.random.default_rng(seed),
            run_factors=_of_runs(counts, named),
            without=names(without),
            n_replicates=replicates,
        )
    say(estimated.notes)
    shown = ["factor", "level", "iota", "estimate", "ci_low", "ci_high", "null_mean", "p_value", "n_levels", "n"]
    table = estimated.separations if levels else estimated.indices
    if named:
        table = table[[set(factor.split(":")) <= set(named) for factor in table["factor"]]]
    sections = ["model", "task", "factor"] if levels else ["model", "task"]
    print_table(table, form, sections, signed=levels, columns=shown)


@app.command()
def regression(
    results: Results,
    factors: Annotated[
        str,
        typer.Option(
            metavar="FACTORS",
            help=f"Main effects of these factors.  [default: persona,template,task,model]  {RUN_FACTORS}",
            show_default=False,
        ),
    ] = "",
    formula: Annotated[
        str,
        typer.Option(
            metavar="FORMULA",
            help="Instead of --factors: terms and interactions, e.g. 'persona * task + model'.",
            show_default=False,
        ),
    ] = "",
    estimator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="mle, firth or ridge.  [default: mle, and firth where some estimates are infinite]",
            show_default=False,
        ),
    ] = None,
    penalty: Annotated[float, typer.Option(metavar="X", help="Of ridge: 1/C in scikit-learn.")] = 1.0,
    reference: Annotated[
        list[str],
        typer.Option(
            metavar="FACTOR=LEVEL", help="A reference level, e.g. persona=man; may be given again.", show_default=False
        ),
    ] = [],  # noqa: B006 - typer copies it
    effects: Annotated[bool, typer.Option("--effects", help="Print average marginal effects, in points.")] = False,
    wald: Annotated[bool, typer.Option("--wald", help="Print a test of each factor.")] = False,
    detector: Detector = None,
    all_runs: AllRuns = False,
    exclude_provider: ExcludeProvider = False,
    form: Form = Format.TABLE,
) -> None:
    """Print the logistic regression of refusal on the factors, errors clustered by text.

    Example: `persona-refusal regression results`

    Example: `persona-refusal regression results --formula "persona * task" --wald`
    """
    from .cells import count_by_text
    from .estimates import REGRESSED
    from .formula import parse_formula
    from .regression import fit
    from .tables import print_table

    _check_one_of({"--factors": factors, "--formula": formula})
    _check_one_of({"--effects": effects, "--wald": wald})
    named = _words(formula) if formula else names(factors)
    _, counts = _load(results, named, detector, all_runs=all_runs, exclude=exclude_provider)
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
    table = fitted.effects if effects else fitted.wald if wald else fitted.table
    shown = [str(c) for c in table.columns if c not in {"se", "estimator", "separated", "p_value"} or wald]
    print_table(table, form, [] if wald else ["factor"], signed=effects, columns=shown)


@app.command()
def trend(
    results: Results,
    column: Property = "released",
    models: Models = None,
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="FACTORS", help="Factors of runs, e.g. temperature: a trend for each.", show_default=False
        ),
    ] = "",
    each: Annotated[bool, typer.Option("--each", help="Print the spread of persona effects of each model.")] = False,
    detector: Detector = None,
    all_runs: AllRuns = False,
    exclude_provider: ExcludeProvider = False,
    form: Form = Format.TABLE,
) -> None:
    """Print whether personas matter less to newer (or larger, ...) models: slopes with their errors.

    How far a model's personas are apart, and its log odds of refusing, on a property of models, of
    which there must be three at least.

    Example: `persona-refusal trend results --column released`

    Example: `persona-refusal trend results --column size --models sizes.csv`

    Example: `persona-refusal trend results --by temperature`
    """
    from .tables import print_table
    from .trend import estimate_trend

    factors = names(by)
    _check_of_runs(factors, "trend compares")
    _, counts = _load(results, factors, detector, all_runs=all_runs, exclude=exclude_provider)
    with busy("Estimating each model's spread"):
        estimated = estimate_trend(counts.where(setting="persona"), column, models, factors)
    say(estimated.notes)
    if each:
        shown = ["model", *factors, "family", "value", "spread", "ci_low", "ci_high", "n_refused"]
        print_table(estimated.models, form, ["family"], columns=shown)
    else:
        table = estimated.trends
        if form in {Format.TABLE, Format.MARKDOWN}:
            table = table.assign(family=table["family"].replace("", "all"))
        shown = [*factors, "family", "slope", "ci_low", "ci_high", "p_value", "between_sd", "n_models"]
        print_table(table, form, ["outcome"], columns=shown)


@app.command()
def report(
    results: Results,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")],
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is there already.")] = False,
    paper: Annotated[bool, typer.Option("--paper", help="Add the paper's tables in its layout.")] = False,
    compare_published: Annotated[
        bool, typer.Option("--compare-published", help="Set the paper's numbers beside those of its models.")
    ] = False,
    factors: Annotated[
        str, typer.Option(metavar="FACTORS", help=f"Factors of runs to tell apart. {RUN_FACTORS}", show_default=False)
    ] = "",
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels of a sample of responses (`annotate import`): say how well the rules find refusals.",
            show_default=False,
        ),
    ] = None,
    columns: LabelColumns = "",
    values: LabelValues = "",
    figures: Annotated[
        str,
        typer.Option(metavar="FORMATS", help="Write the figures as svg, png, pdf, with commas between, or as none."),
    ] = "svg",
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Leave prompts and responses out of the report.")
    ] = False,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Write the tables and report.md alone, which is faster.")
    ] = False,
    column: Property = "released",
    models: Models = None,
    replicates: Replicates = 1000,
    seed: Seed = 0,
    detector: Detector = None,
    all_runs: AllRuns = False,
    exclude_provider: ExcludeProvider = False,
    form: Form = Format.TABLE,
) -> None:
    """Write `report.html`, a page that opens offline, and its tables, figures and responses; print the main table.

    Beside it stand `report.md`, `tables/*.csv`, `figures/*` and, with texts, `responses.parquet`.

    Example: `persona-refusal report results --out report`

    Example: `persona-refusal report results --out report --figures svg,pdf`

    Example: `persona-refusal report results --out report --paper --compare-published`
    """
    from .estimates import Options
    from .figure import check_formats
    from .label_mapping import read_label_map
    from .logs import load_responses
    from .report import check_out, main_table, write_report
    from .responses import FACTORS, STUDY_COLUMNS
    from .tables import print_readable, print_table, to_markdown

    check_out(out, force=force)
    formats = [] if figures == "none" else names(figures)
    check_formats(formats)
    if tables_only and formats not in ([], ["svg"]):
        raise InputError(f"--figures {figures}: are not written with --tables-only; leave out one of them")
    texts = not (no_texts or tables_only)
    mapping = read_label_map(columns, values)
    run_factors = [name for name in names(factors) if name not in {*STUDY_COLUMNS, *FACTORS}]
    with busy("Reading the responses"):
        # With texts, by which labels of other answers are found.
        with_texts = texts or labels is not None
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors, texts=with_texts)
        responses = _noted(responses, detector, exclude=exclude_provider)
    say(responses.notes)
    options = Options(detector, tuple(run_factors), replicates, seed, column, models)
    with busy("Making every table and figure"):
        added = {"paper": paper, "compare_published": compare_published, "texts": texts, "names": mapping}
        tables = write_report(
            responses, out, options, force=force, labels=labels, formats=formats, page=not tables_only, **added
        )
    table = main_table(tables)
    say(["No persona task was run, so there is no main table."] * table.empty)
    # Of three rules all intervals would not fit 80 columns; they are in the report.
    intervals = [name for name in table.columns if name.endswith("95 %")]
    left_out = ["texts", *intervals[1:]]
    if form in {Format.TABLE, Format.MARKDOWN}:
        shown = table.drop(columns=left_out)
        print(to_markdown(shown), end="") if form is Format.MARKDOWN else print_readable(shown, STUDY_COLUMNS[:1])  # noqa: T201 - the result
    else:
        rates = tables["rates"]
        print_table(rates[rates["setting"] == "persona"], form)
    if tables_only:
        say([f"The tables are in {out / 'tables'}, explained in {out / 'report.md'}."])
    else:
        say([f"Open {out / 'report.html'} in a browser; its tables and figures stand beside it as files."])


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
    """Print rates, or differences, corrected by labels beside the uncorrected ones."""
    from .corrected import FEWEST, estimate_corrected, estimate_corrected_contrasts
    from .label_sums import sum_labels
    from .labels import read_labels
    from .logs import load_responses
    from .responses import FACTORS, STUDY_COLUMNS
    from .tables import print_table

    run_factors = [name for name in factors if name not in {*STUDY_COLUMNS, *FACTORS}]
    with busy("Reading the responses and labels"):
        given = read_labels(labels, names=mapping)
        # With texts, by which labels of other answers are found.
        with_texts = "response" in given.items
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors, texts=with_texts)
        responses = _noted(responses, detector, exclude=exclude)
        summed = sum_labels(responses, given, [*factors, *["persona"] * bool(against)], detector=detector)
    say([*responses.notes, *given.notes, *summed.notes, f"Refusals by the rule {responses.rule(detector)}."])
    if against:
        table, sections = estimate_corrected_contrasts(summed.sums, against), ["model", "task"]
        say([_no_contrast(against)] * table.empty)
    else:
        columns = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
        table = estimate_corrected(summed.sums, columns)
        sections = list(STUDY_COLUMNS if len(columns) > len(STUDY_COLUMNS) else STUDY_COLUMNS[:1])
    n_missing = int(table["estimate"].isna().sum())
    few = f"fewer than {FEWEST} of the responses with either verdict are labelled"
    say([f"{n_missing:,} of {len(table):,} rows are not corrected: {few}."] * (n_missing > 0))
    shown = [*factors, "persona", "setting", "task", "estimate", "ci_low", "ci_high", "uncorrected", "n_labelled"]
    print_table(table, form, sections, signed=bool(against), columns=shown)


def _load(
    results: list[str], factors: Sequence[str], detector: str | None, *, all_runs: bool, exclude: bool
) -> "tuple[Responses, Counts]":
    """Read responses and count the refusals of one rule; say what was left out."""
    from .cells import count_responses
    from .logs import load_responses
    from .responses import FACTORS, STUDY_COLUMNS

    run_factors = [name for name in dict.fromkeys(factors) if name not in {*STUDY_COLUMNS, *FACTORS}]
    with busy("Reading the responses"):
        responses = load_responses(results, all_runs=all_runs, run_factors=run_factors)
        responses = _noted(responses, detector, exclude=exclude)
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


def _noted(responses: "Responses", detector: str | None, *, exclude: bool) -> "Responses":
    """Leave out what the provider refused if that is asked for, and note where responses say too little."""
    from .provider import exclude_provider
    from .usable import note_unusable

    return note_unusable(exclude_provider(responses) if exclude else responses, detector)


def _check_one_of(options: Mapping[str, object]) -> None:
    """Refuse options of which each stands for something else."""
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: mean different tables; give one of them")


def _check_of_runs(factors: Sequence[str], comparing: str) -> None:
    """Refuse to tell apart, within a model and task, what personas are compared over."""
    from .responses import FACTORS, STUDY_COLUMNS

    if wrong := [name for name in factors if name in {*STUDY_COLUMNS, *FACTORS}]:
        raise InputError(
            f"--by {','.join(wrong)}: {comparing} personas within each model, and can tell apart only settings of runs "
            "besides (temperature, ...); leave out --by, or one of them"
        )


def _of_runs(counts: "Counts", factors: Sequence[str]) -> list[str]:
    from .responses import FACTORS, STUDY_COLUMNS

    return [name for name in factors if name not in {*STUDY_COLUMNS, *FACTORS} and name in counts.levels]


def _no_contrast(against: str) -> str:
    wanted = {"neutral": "persona_refusal_neutral", "persona-free": "persona_refusal_persona_free"}.get(against)
    return (
        f"No task was run in both settings: add {wanted} to lm_eval --tasks."
        if wanted
        else "There are no other personas."
    )


def _not_compared(counts: "Counts", table: "pd.DataFrame", against: str) -> Iterable[str]:
    """Name the tasks of which personas were asked and the baseline was not."""
    cells, _ = counts.where(setting="persona").cell(["task"])
    if missing := sorted(set(cells["task"]) - set(table["task"])):
        yield f"Not compared, for nothing was asked in the setting {against}: {', '.join(missing)}."


def _words(formula: str) -> list[str]:
    """List the factors that a formula names."""
    return names("".join(c if c.isalnum() or c in "_-." else "," for c in formula))


def _equation(text: str) -> tuple[str, str]:
    factor, equals, level = text.partition("=")
    if not (factor and equals and level):
        raise InputError(f"--reference {text}: is not of the form FACTOR=LEVEL, e.g. persona=man")
    return factor.strip(), level.strip()
