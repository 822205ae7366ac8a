"""The command ``leaderboard``: compare models, or two runs of one model."""

# The analysis is imported inside the command, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from .console import busy, say
from .gates import end_gate, print_gate, print_gated
from .options import Detector, ExcludeProvider, Force, Form, Models, Property, Results, Seed, between, optional

if TYPE_CHECKING:
    import pandas as pd

    from ..gates import Condition, Gate
    from ..leaderboard import Board, Comparison, Part, Rise
    from ..responses import Pairs

app = typer.Typer()

_ENDINGS = (".md", ".csv", ".html")
_FAILED = 1


@app.command()
def leaderboard(
    results: Results,
    by: Annotated[str, optional("task", "Also print a table for each task.", "--by")] = "",
    metrics: Annotated[
        list[str],
        optional("FOLDER", "More results of the same models (mmlu, ...), in addition to RESULTS; can be repeated."),
    ] = [],  # noqa: B006 - typer copies it
    baseline: Annotated[
        list[str], optional("RESULTS", "Compare RESULTS with this earlier run on the same prompts; can be repeated.")
    ] = [],  # noqa: B006 - the same
    margin: Annotated[
        str | None,
        optional(
            "MARGIN",
            "With --baseline: a gate. 2pp allows changes of each refusal rate by up to 2 percentage points, +2pp "
            "allows any decrease too. PASS (exit code 0): all simultaneous 95% intervals are within the margin. FAIL "
            "(3): one is outside. INCONCLUSIVE (4): neither, or RESULTS cannot be judged.",
        ),
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="With --baseline: exit code 1 if a task's refusal rate rose by significantly more than this many "
            "percentage points (the whole 95% interval is above, adjusted p at most .05), or if RESULTS cannot be "
            "judged: a model, task or more than a tenth of the prompts of the baseline are missing, or too many "
            "responses are empty, unjudged, truncated or refused by the provider.",
            callback=between("--fail-above", 0, 100),
            show_default=False,
        ),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            min=0, max=100, metavar="N", help="With --baseline: number of examples to show for each kind of change."
        ),
    ] = 3,
    show_texts: Annotated[
        bool, typer.Option("--show-texts", help="With --baseline: also show texts of the offensiveness task.")
    ] = False,
    column: Property = "released",
    models: Models = None,
    out: Annotated[Path | None, optional("FILE", "Write a page (.html, .md) or the table (.csv).")] = None,
    force: Force = False,
    seed: Seed = 0,
    detector: Detector = None,
    exclude_provider: ExcludeProvider = False,
    form: Form = Format.TABLE,
) -> None:
    """Rank models by how rarely they refuse, with the uncertainty of the ranks; or compare two runs of one model.

    Rank 1 refuses least. Ranks are by the mean over tasks with equal weights. Other metrics in the same results (mmlu,
    ...) become columns. Exit codes 3 and 4: see --margin; 1: see --fail-above.

    Example: `persona-refusal leaderboard results`

    Example: `persona-refusal leaderboard results --by task --out board.html`

    Example: `persona-refusal leaderboard results --baseline results --margin 2pp`
    """
    condition = _check(by, metrics, baseline, margin, fail_above)
    if out:
        _check_out(out, figures=not baseline, force=force)
    if baseline:
        from ..leaderboard import check_runs, limit_rise

        n_examples = 0 if out is None and form in _DATA else examples
        pairs = _pair(results, baseline, detector, texts=n_examples > 0, exclude=exclude_provider)
        comparison, shown = _compare(pairs, seed, n_examples, show_texts=show_texts)
        gate = None if condition is None else check_runs(pairs, comparison, condition)
        _print_comparison(comparison, shown, form, gate)
        if out:
            _write_comparison(out, comparison, shown, gate, force=force)
        if fail_above is not None:
            _end(limit_rise(pairs, comparison, fail_above), fail_above)
        end_gate(gate)
    else:
        board = _rank(results, metrics, detector, seed, exclude=exclude_provider)
        _print_board(board, form, each=by == "task")
        if out:
            _write_board(out, board, column, models, force=force)


_DATA = (Format.CSV, Format.JSON)


def _check(
    by: str, metrics: Sequence[str], baseline: Sequence[str], margin: str | None, fail_above: float | None
) -> "Condition | None":
    """Check options that do not go together, and read the margin."""
    from ..gates import parse_margin

    if by not in {"", "task"}:
        raise InputError(f"--by {by}: only task is allowed; give --by task or leave it out")
    if margin is not None and not baseline:
        raise InputError("--margin: is the allowed change since an earlier run; add --baseline RESULTS")
    if fail_above is not None and not baseline:
        raise InputError("--fail-above: says how much worse than an earlier run is too bad; add --baseline RESULTS")
    if margin is not None and fail_above is not None:
        raise InputError("--margin and --fail-above: are two gates; give one of them")
    if baseline and (by or metrics):
        raise InputError("--baseline: compares two runs; leave out --by and --metrics")
    return None if margin is None else parse_margin(margin)


def _check_out(out: Path, *, figures: bool, force: bool) -> None:
    """Check, before anything is read, that the page and its figures may be written."""
    from ..files import check_new

    if out.suffix not in _ENDINGS:
        raise InputError(f"{out}: ends in {out.suffix or 'nothing'}; give a file that ends in {', '.join(_ENDINGS)}")
    check_new(out, force=force)
    if figures and out.suffix != ".csv" and _figures(out).exists() and not force:
        raise InputError(f"{_figures(out)}: already exists; name another file, or add --force to replace it")


def _rank(results: Sequence[str], metrics: Sequence[str], detector: str | None, seed: int, *, exclude: bool) -> "Board":
    import numpy as np

    from ..leaderboard import make_board
    from ..responses import exclude_provider, load_studies

    with busy("Reading the responses"):
        studies = load_studies(results)
        studies = tuple(map(exclude_provider, studies)) if exclude else studies
    with busy("Ranking the models"):
        board = make_board(studies, np.random.default_rng(seed), detector=detector, metrics=[*results, *metrics])
    say(board.notes)
    return board


def _print_board(board: "Board", form: Format, *, each: bool) -> None:
    from ..display import print_table
    from ..leaderboard import RANKING, lay_out_board, lay_out_metrics, lay_out_tasks, name_task

    if form in _DATA:
        print_table(board.table, form)
        return
    # Short names, because the screen is narrow.
    first, short = board.tasks[0], form is Format.TABLE
    tables: list[tuple[str, pd.DataFrame]] = [(name_task(first), lay_out_board(board, first, short=short))]
    if each:
        tables += [(name_task(task), lay_out_board(board, task, short=short)) for task in board.tasks[1:]]
    elif len(board.tasks) > 1:
        tables.append(("Each task, % (rank)", lay_out_tasks(board, short=short)))
    tables += [("Other metrics", table) for table in lay_out_metrics(board, short=short)]
    _print_texts(tables, form)
    say([f"By the detector {board.rule}. {RANKING}"])


def _print_texts(tables: "Sequence[tuple[str, pd.DataFrame]]", form: Format, sections: Sequence[str] = ()) -> None:
    from ..display import escape, print_readable, to_markdown

    for heading, table in tables:
        if form is Format.MARKDOWN:
            print(f"**{escape(heading)}**\n\n{to_markdown(table)}")  # noqa: T201 - the command's result
        else:
            own = [name for name in sections if name in table.columns]
            print_readable(table.assign(**{"": heading}), ["", *own])


def _write_board(out: Path, board: "Board", column: str, models: Path | None, *, force: bool) -> None:
    from ..display import to_csv
    from ..figures import write_figures
    from ..leaderboard import board_parts, draw_families

    if out.suffix == ".csv":
        _write(out, to_csv(board.table), force=force)
        return
    figure, notes = draw_families(board, column, models)
    say(notes)
    folder = _figures(out).name
    with _replaced(out, force=force) as made, busy("Drawing the families of models"):
        files = write_figures([figure], made / folder, ["svg", "png"]) if figure else []
        svg = next((file.read_text(encoding="utf-8") for file in files if file.suffix == ".svg"), None)
        said = [
            f"{board.n_responses:,} responses to persona prompts, by the detector {board.rule}.",
            *board.notes,
            *notes,
        ]
        parts = board_parts(board, figure, svg)
        page = _page("Refusals under persona prompts: leaderboard", said, parts, out, f"{folder}/families.svg")
        (made / out.name).write_text(page, encoding="utf-8")


def _pair(
    results: Sequence[str], baseline: Sequence[str], detector: str | None, *, texts: bool, exclude: bool
) -> "Pairs":
    from ..responses import exclude_provider, load_responses, pair_runs

    with busy("Reading the responses of both runs"):
        new, old = (load_responses(paths, texts=texts) for paths in (results, baseline))
        if exclude:
            new, old = exclude_provider(new), exclude_provider(old)
        return pair_runs(new, old, detector)


def _compare(pairs: "Pairs", seed: int, n_examples: int, *, show_texts: bool) -> "tuple[Comparison, pd.DataFrame]":
    import numpy as np

    from ..leaderboard import compare_runs, list_examples

    rng = np.random.default_rng(seed)
    with busy("Running the permutation test"):
        comparison = compare_runs(pairs, rng)
    say(comparison.notes)
    return comparison, list_examples(pairs, rng, n_examples, show_texts=show_texts)


def _print_comparison(comparison: "Comparison", shown: "pd.DataFrame", form: Format, gate: "Gate | None") -> None:
    from ..contracts import CHANGES, RUN_COMPARISON
    from ..display import readable
    from ..leaderboard import lay_out_comparison, lay_out_examples, lay_out_named

    if form in _DATA:
        print_gated(comparison.table, form, gate, contract=RUN_COMPARISON)
        return
    print_gate(gate, form)
    said, named = lay_out_named(comparison)
    tables = [("New run minus baseline, in percentage points", lay_out_comparison(comparison))]
    narrow = named.drop(columns=["newly refused", "no longer refused"])
    tables += [("Personas and persona groups", narrow)] * (len(named) > 0)
    tables += [("Changes of outcomes", readable(comparison.changes, CHANGES))] * (len(comparison.changes) > 0)
    tables += [("Examples", lay_out_examples(shown))] * (len(shown) > 0)
    # Columns with the same value in all rows are left out to save room.
    _print_texts(tables, form, ["model", "setting"])
    say([f"By the detector {comparison.rule}. {said}"])


def _write_comparison(
    out: Path, comparison: "Comparison", shown: "pd.DataFrame", gate: "Gate | None", *, force: bool
) -> None:
    from ..display import to_csv
    from ..leaderboard import comparison_parts

    if out.suffix == ".csv":
        _write(out, to_csv(comparison.table), force=force)
        return
    judged = [] if gate is None else [gate.line, *gate.details]
    said = [*judged, f"By the detector {comparison.rule}.", *comparison.notes]
    parts = comparison_parts(comparison, shown)
    _write(out, _page("Refusals under persona prompts: two runs compared", said, parts, out, ""), force=force)


def _end(rise: "Rise", points: float) -> None:
    """Report whether the new run passes, with exit code 1 if it does not."""
    say(f"FAIL: {sentence}" for sentence in (*rise.worse, *rise.unjudged))
    if not rise.passed:
        raise typer.Exit(_FAILED)
    say([f"PASS: no task's refusal rate rose by significantly more than {points:g} points."])


def _page(title: str, said: Sequence[str], parts: "Sequence[Part]", out: Path, figure: str) -> str:
    from ..leaderboard import write_html, write_markdown

    return write_html(title, said, parts) if out.suffix == ".html" else write_markdown(title, said, parts, figure)


def _figures(out: Path) -> Path:
    return out.with_name(f"{out.stem}_figures")


@contextmanager
def _replaced(out: Path, *, force: bool) -> Iterator[Path]:
    """Return a temporary folder for a page and its figures, which replace those of an earlier page."""
    from ..files import replace_files

    # A page of the other format, or a table, can be in the same folder.
    shared = out.suffix == ".csv" or any(out.with_suffix(e).exists() for e in (".md", ".html") if e != out.suffix)
    earlier = [f"{_figures(out).name}/families.{form}" for form in ("csv", "png", "svg")] * (not shared)
    with replace_files(out, force=force, earlier=earlier) as made:
        yield made
        files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
    say([f"Wrote {', '.join(str(out.parent / name) for name in sorted(files, key=lambda name: len(name.parts)))}."])


def _write(out: Path, content: str, *, force: bool) -> None:
    with _replaced(out, force=force) as made:
        (made / out.name).write_text(content, encoding="utf-8")
