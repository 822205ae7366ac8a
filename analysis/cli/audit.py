"""The command ``audit``."""

# The analysis is imported inside the command, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from ..display import Format
from . import options as shared
from .console import say, show_progress
from .options import optional

app = typer.Typer()


@app.command()
def audit(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A table with one row per response: .csv, .tsv, .json, .jsonl (.gz) or .parquet.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder.")],
    response: Annotated[str | None, optional("COL", "Column of the responses.", "--response")] = None,
    persona: Annotated[str | None, optional("COL", "Column of the conditions (personas).", "--persona")] = None,
    text: Annotated[
        str | None, optional("COL", "Column of the text that a prompt is about, or any id of it.", "--text")
    ] = None,
    model: Annotated[str | None, optional("COL", "Column of the models.", "--model")] = None,
    task: Annotated[
        str | None, optional("COL", "Column of the tasks, which are compared separately.", "--task")
    ] = None,
    prompt: Annotated[str | None, optional("COL", "Column of the prompts.", "--prompt")] = None,
    labels: Annotated[
        str | None,
        optional("LABELS", "The answers that the prompts offer, e.g. 'yes|no', or their column.", "--labels"),
    ] = None,
    verdict: Annotated[
        str | None, optional("COL", "Column of verdicts (1 or 0), which then decide.", "--verdict")
    ] = None,
    baseline: Annotated[
        str | None, optional("VALUE", "The condition that the others are compared with.", "--baseline")
    ] = None,
    claimed: Annotated[
        list[str] | None,
        optional("POINTS", "A claimed difference in points: 15 for all conditions, or 'CONDITION=15'.", "--claimed"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the audit in an existing folder.")] = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Audit any table of answers: which condition is refused more often, and whether the difference holds.

    Judges the responses, compares each condition with a baseline within texts, corrects for multiple comparisons, and
    names each difference: it holds, hangs on the detector, falls, or is undecided. Columns that are not named are
    guessed, and the guesses are printed. Writes `audit.html`, a page with the responses behind each difference,
    `audit.md`, `audit.json`, `differences.csv`, `rules.csv`, `conditions.csv` and `responses.parquet`.

    Example: `persona-refusal audit answers.csv --out audit`

    Example: `persona-refusal audit answers.parquet --text row --labels '1|2|3|4|5' --baseline 'a person' --out audit`

    Example: `persona-refusal audit answers.jsonl --claimed 'a black person=15' --out audit`
    """
    from ..audit import PAGE, Roles, audit_file, check_out, read_claims, shown_columns, write_audit
    from ..contracts import AUDIT
    from ..display import plain, print_table

    check_out(out, force=force)
    claims = read_claims(claimed or [])
    roles = Roles(response, persona, text, model, task, prompt, labels, verdict)
    with show_progress("Judging the responses") as progress:
        found = audit_file(file, roles, baseline=baseline, claims=claims, progress=progress)
    say(found.notes)
    write_audit(found, out, force=force)
    if form in {Format.TABLE, Format.MARKDOWN}:
        for sentence in found.findings:
            print(plain(sentence))  # noqa: T201 - the result
        print()  # noqa: T201 - the same
        columns = [name for name in shown_columns(found.differences) if name not in {"model", "task"}]
        sections = [name for name in ("model", "task") if name in shown_columns(found.differences)]
        print_table(found.differences[[*sections, *columns]], form, sections, contract=AUDIT)
    else:
        say(found.findings)
        print_table(found.differences, form, contract=AUDIT)
    say([f"Audit written to {out / PAGE}."])
