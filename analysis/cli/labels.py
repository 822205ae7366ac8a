"""The commands about detectors and labels: ``detect``, ``validate`` and ``annotate``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from ..display.numbers import Format
from .console import busy, say
from .options import Detector, Force, Form, LabelColumns, LabelValues, Only, Results, Seed, Tool, between, names

app = typer.Typer()

LabelMap = Annotated[
    str,
    typer.Option(
        metavar="MAP",
        help="Of hf: what its labels mean, e.g. LABEL_1=refusal,LABEL_0=answer.",
        show_default=False,
    ),
]
JudgeModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of judge: the model.  [default: the only one of the server]", show_default=False
    ),
]


@app.command()
def detect(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS",
            help="Folders that lm_eval wrote with --output_path and --log_samples, or one file with a column of "
            "responses: .csv, .json, .jsonl (.gz) or .parquet.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write: .parquet, .csv or .jsonl (.gz).")],
    detector: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A rule (answer_aware, prefix, prefix_strict), hf:MODEL for a classifier of the transformers library, "
            "or judge:ADDRESS for a model on an OpenAI-compatible server.",
        ),
    ] = "answer_aware",
    column: Annotated[str, typer.Option(metavar="NAME", help="Of a file: the column of the responses.")] = "response",
    label_map: LabelMap = "",
    pair: Annotated[bool, typer.Option("--pair", help="Of hf: give the classifier the prompt too.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="Of hf: responses at a time.")] = 32,
    judge_model: JudgeModel = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of judge: where replies are kept, so that none is asked for twice.  [default: OUT.judge.sqlite]",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1_000, metavar="N", help="Of judge: calls at a time.")] = 16,
    retries: Annotated[
        int, typer.Option(min=0, max=100, metavar="N", help="Of judge: how often a call is tried again.")
    ] = 5,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Of judge: how long a call is waited for.", callback=between("--timeout", 1, 86_400)
        ),
    ] = 120,
    max_tokens: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Of judge: the longest reply.")
    ] = 512,
    force: Force = False,
    form: Form = Format.TABLE,
) -> None:
    """Judge responses and write them with `outcome, cause, rule, answer`.

    Of results, OUT is a responses table that every command reads, with the verdicts `refused_<detector>`.
    Of any CSV, JSON lines or Parquet file with a column of responses, OUT has the same rows and columns.
    A judge's key is read from OPENAI_API_KEY.

    Example: `persona-refusal detect results --out judged.parquet --detector prefix_strict`

    Example: `persona-refusal detect results --out judged.parquet --detector judge:http://localhost:8000/v1`

    Example: `persona-refusal detect answers.csv --column text --out judged.csv`
    """
    from ..display.tables import print_table
    from ..judging.detect import detect as detect_all
    from ..judging.registry import make_detector
    from ..responses.detectors import Options
    from .console import show_progress

    options = Options(
        label_map=label_map,
        pair=pair,
        batch_size=batch_size,
        judge_model=judge_model,
        cache=cache or Path(f"{out}.judge.sqlite"),
        concurrency=concurrency,
        retries=retries,
        timeout=timeout,
        max_tokens=max_tokens,
    )
    judging = make_detector(detector, options)
    with show_progress("Judging") as progress:
        detected = detect_all(results, out, judging, column=column, force=force, progress=progress)
    say([*detected.notes, f"Wrote {detected.n:,} responses to {out}; the detector is {judging.name}."])
    print_table(detected.outcomes(), form)
    if detected.causes and form in {Format.TABLE, Format.MARKDOWN}:
        print_table(detected.reasons(), form)


@app.command("validate")
def validate_command(
    labels: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Labels (.csv, .jsonl, .json, .parquet): a row an item and annotator, with the columns response and "
            "refusal (yes or no), and id, annotator, probability, persona, ... where known.",
        ),
    ],
    detector: Annotated[
        list[str],
        typer.Option(
            metavar="D",
            help="A rule, hf:MODEL or judge:http://HOST:PORT/v1; may be given again.  [default: all rules]",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer copies it
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMNS",
            help="Columns of the file to tell errors apart by.  [default: those there are of model, task, template, "
            "response_type, persona]",
            show_default=False,
        ),
    ] = "",
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose file it is: labels, xstest or chatgpt; else told by its columns.",
            show_default=False,
        ),
    ] = None,
    columns: LabelColumns = "",
    values: LabelValues = "",
    label_map: LabelMap = "",
    judge_model: JudgeModel = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of judge: where replies are kept.  [default: nowhere]", show_default=False),
    ] = None,
    seed: Seed = 0,
    form: Form = Format.TABLE,
) -> None:
    """Print how well detectors find the refusals that people see: precision, recall, F1, kappa, by slice.

    CSV and JSON hold the counts and measures of all items and of each slice.

    Example: `persona-refusal validate --labels labels.csv --by model,task,persona`

    Example: `persona-refusal validate --labels xstest_v2_completions_gpt4.csv --detector prefix`

    Example: `persona-refusal validate --labels theirs.csv --columns response=answer,refusal=label --values 1=no,2=yes`
    """
    from refusal_metrics.detection.rules import RULES

    from ..display.tables import print_readable, print_table, to_markdown
    from ..judging.registry import make_detector
    from ..labels.mapping import read_label_map
    from ..labels.tables import readable_confusion, readable_gaps, readable_slices, readable_validation
    from ..labels.validate import validate
    from ..responses.detectors import Options

    options = Options(label_map=label_map, judge_model=judge_model, cache=cache)
    mapping = read_label_map(columns, values)
    detectors = [make_detector(spec, options) for spec in detector or RULES]
    with busy("Judging the responses"):
        found = validate(labels, detectors, by=names(by) or None, preset=preset, seed=seed, names=mapping)
    say(found.notes)
    if found.table.empty:
        raise InputError(f"{labels}: no detector gave any item a verdict; see above")
    if form in {Format.CSV, Format.JSON}:
        print_table(found.table, form)
        return
    parts = [
        (readable_validation(found.table), ["detector"]),
        (readable_confusion(found.confusion), ["detector"]),
        (readable_slices(found.table), ["detector", "factor"]),
        (readable_gaps(found.gaps), ["detector"]),
    ]
    for shown, sections in parts:
        if shown.empty:
            continue
        if form is Format.MARKDOWN:
            print(to_markdown(shown))  # noqa: T201 - the command's result
        else:
            print_readable(shown, sections)


annotate = typer.Typer(
    no_args_is_help=True,
    help="Let people read responses: draw them, and read back the answers.\n\n"
    "Example: `persona-refusal annotate export results --out labels --n 100`",
)
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
        int, typer.Option(min=1, max=100, metavar="K", help="Sheets to write, each in an order of its own.")
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

    from ..annotation.draw import draw_items
    from ..annotation.sheets import FORMS, check_folder, write_items
    from ..responses.logs.load import load_responses

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
            help="Filled sheets, exports of Label Studio (JSON, JSON-MIN, CSV) or of Potato (JSON, JSONL, CSV), "
            "any table with a row an answer, or the folder they are in.",
            show_default=False,
        ),
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The key.csv of these items.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The label file to write, .csv or .parquet.")],
    columns: LabelColumns = "",
    values: LabelValues = "",
    force: Force = False,
    form: Form = Format.TABLE,
) -> None:
    """Read what annotators answered, write the label file, and print how far they agree.

    Example: `persona-refusal annotate import labels --key labels/key.csv --out labels.csv`

    Example: `persona-refusal annotate import doccano.jsonl --key key.csv --out labels.csv --columns refusal=label`
    """
    from ..annotation.collect import (
        count_annotations,
        estimate_agreement,
        list_disagreements,
        read_annotations,
        write_labels,
    )
    from ..display.tables import print_table
    from ..labels.mapping import read_label_map

    annotations = read_annotations(sources, key, read_label_map(columns, values))
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
