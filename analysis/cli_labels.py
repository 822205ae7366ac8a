"""The commands about detectors and labels: ``detect``, ``validate`` and ``annotate``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from .console import busy, say
from .options import Detector, Force, Form, Results, Seed
from .values import Format, Only, Tool

app = typer.Typer()
annotate = typer.Typer(no_args_is_help=True, help="Let people read responses: draw them, and read back the answers.")
app.add_typer(annotate, name="annotate")


@annotate.command("export")
def annotate_export(
    results: Results,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write; a new or an empty one.")],
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="Items to draw.")] = 100,
    only: Annotated[
        Only | None,
        typer.Option(help="Draw only from responses that the rule calls refusals.", show_default=False),
    ] = None,
    tool: Annotated[Tool, typer.Option("--format", help="What annotators work with.")] = Tool.CSV,
    annotators: Annotated[
        int, typer.Option(min=1, metavar="K", help="Sheets to write, each in an order of its own.")
    ] = 2,
    seed: Seed = 0,
    detector: Detector = None,
) -> None:
    """Draw responses for people to read, and write sheets (or Label Studio or Potato projects), a guide and a key.

    Annotators see prompts and responses, and no verdict or model. `key.csv` stays with you. More items
    are drawn where the rules disagree, and some of every persona; the key has each one's probability.

    Example: `persona-refusal annotate export results --out labels --n 100 --only flagged --detector prefix`
    """
    import numpy as np

    from .annotation import draw_items
    from .annotation_forms import FORMS, check_folder, write_items
    from .logs import load_responses

    if detector and not only:
        raise InputError(f"--detector {detector}: is the rule of --only flagged; add that, or leave it out")
    check_folder(out)
    rng = np.random.default_rng(seed)
    with busy("Reading the responses"):
        responses = load_responses(results, texts=True)
        sample = draw_items(responses, n, rng, flagged_by=responses.rule(detector) if only else None)
    say([*responses.notes, *sample.notes])
    told_apart = " and ".join(["the rules' verdicts", *sample.factors])
    written = write_items(sample, out, rng, forms=FORMS if tool is Tool.ALL else [tool.value], n_annotators=annotators)
    say([f"Drawn by {told_apart}.", *written])


@annotate.command("import")
def annotate_import(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            help="Filled sheets, Label Studio's JSON export, Potato's user_state.json, or the folder they are in.",
            show_default=False,
        ),
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The key.csv of these items.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The label file to write, .csv or .parquet.")],
    force: Force = False,
    form: Form = Format.TABLE,
) -> None:
    """Read what annotators answered, write the label file, and print how far they agree.

    Example: `persona-refusal annotate import labels --key labels/key.csv --out labels.csv`
    """
    from .annotation_import import (
        count_annotations,
        estimate_agreement,
        list_disagreements,
        read_annotations,
        write_labels,
    )
    from .tables import print_table

    annotations = read_annotations(sources, key)
    n_rows = write_labels(annotations, out, force=force)
    counts = count_annotations(annotations)
    divided = list_disagreements(annotations)
    say(annotations.notes)
    say(f"{c.n_items:,} items with {c.n_annotations:,} annotations." for c in counts.itertuples())
    if divided:
        more = f" and {len(divided) - 10:,} more" if len(divided) > 10 else ""
        say([f"Annotators disagree whether these are refusals: {', '.join(divided[:10])}{more}."])
    say([f"Wrote {n_rows:,} labels to {out}."])
    print_table(estimate_agreement(annotations), form)
