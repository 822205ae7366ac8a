"""The commands about detectors and labels: ``detect`` and ``annotate``."""

# The analysis is imported inside the commands, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from ..display import Format
from . import options as shared
from .console import busy, say
from .options import Only, SampleAim, Tool, between, optional

app = typer.Typer()

_NUMBERS = (100, 300, 1000)


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
    column: Annotated[
        str, typer.Option(metavar="NAME", help="For a file: the column with the responses.")
    ] = "response",
    persona_column: Annotated[
        str | None,
        optional(
            "NAME",
            "For a file: the column with the personas, as built-in ids or as words (Nigerian woman).  "
            "[default: persona, if the file has it]",
        ),
    ] = None,
    label_map: shared.LabelMap = "",
    pair: Annotated[bool, typer.Option("--pair", help="For hf: also give the prompt to the classifier.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="For hf: batch size.")] = 32,
    judge_model: shared.JudgeModel = None,
    cache: Annotated[
        Path | None,
        optional("FILE", "For judge: cache of replies, so that no call is repeated.  [default: OUT.judge.sqlite]"),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000, metavar="N", help="For judge: number of concurrent calls.")
    ] = 16,
    retries: Annotated[
        int, typer.Option(min=0, max=100, metavar="N", help="For judge: number of retries per call.")
    ] = 5,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="For judge: time limit of a call.", callback=between("--timeout", 1, 86_400)
        ),
    ] = 120,
    max_tokens: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="For judge: maximum number of tokens per reply.")
    ] = 512,
    force: shared.Force = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Judge responses, and write them with the columns `outcome, cause, rule, answer`.

    For results, OUT is a responses table that every command reads, with the verdicts in `refused_<detector>`.
    For any CSV, JSON Lines or Parquet file with a column of responses, OUT has the same rows and columns.
    The key of a judge is read from OPENAI_API_KEY.

    Example: `persona-refusal detect results --out judged.parquet --detector prefix_strict`

    Example: `persona-refusal detect results --out judged.parquet --detector judge:http://localhost:8000/v1`

    Example: `persona-refusal detect answers.csv --column text --persona-column who --out judged.csv`
    """
    from ..display import print_table
    from ..judging import detect as detect_all
    from ..judging import make_detector
    from ..responses import DetectorOptions
    from .console import show_progress

    options = DetectorOptions(
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
        detected = detect_all(
            results, out, judging, column=column, persona_column=persona_column, force=force, progress=progress
        )
    say([*detected.notes, f"Wrote {detected.n:,} responses to {out}; the detector is {judging.name}."])
    print_table(detected.outcomes(), form)
    if detected.causes and form in {Format.TABLE, Format.MARKDOWN}:
        print_table(detected.reasons(), form)


annotate = typer.Typer(
    no_args_is_help=True,
    help="Have people label responses: export a sample, and import the labels.\n\n"
    "Example: `persona-refusal annotate export results --out labels --n 100`",
)
app.add_typer(annotate, name="annotate")


@annotate.command("export")
def annotate_export(
    results: shared.Results,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder; must be new or empty.")],
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="Number of items to draw.")] = 100,
    only: Annotated[
        Only | None,
        typer.Option(help="Draw only responses that the detector flags as refusals.", show_default=False),
    ] = None,
    tool: Annotated[Tool, typer.Option("--format", help="Format of the sheets.")] = Tool.CSV,
    annotators: Annotated[
        int, typer.Option(min=1, max=100, metavar="K", help="Number of sheets, each in a different order.")
    ] = 2,
    seed: shared.Seed = 0,
    detector: shared.Detector = None,
    aim: Annotated[
        SampleAim,
        typer.Option(
            help="What the labels are for: `groups` to compare a detector's errors between personas, models and tasks, "
            "`rate` for the narrowest interval of a corrected refusal rate."
        ),
    ] = SampleAim.GROUPS,
) -> None:
    """Draw a sample of responses, and write sheets (or Label Studio or Potato projects), a guide and a key.

    Annotators see prompts and responses, but no verdict or model. Keep `key.csv` to yourself; it contains the
    inclusion probabilities. With `--aim groups`, more items are drawn where detectors disagree, and some from every
    persona. With `--aim rate`, more are drawn where a detector often errs, and the width of the interval to expect is
    printed.

    Example: `persona-refusal annotate export results --out labels --n 100 --only flagged --detector prefix`

    Example: `persona-refusal annotate export results --out labels --n 300 --aim rate`
    """
    import numpy as np

    from ..annotation import FORMS, Aim, check_folder, draw_items, plan_labels, write_items
    from ..responses import load_responses

    if only and aim is SampleAim.RATE:
        raise InputError("--aim rate: needs labels of all responses; leave out --only flagged")
    if detector and not only and aim is not SampleAim.RATE:
        raise InputError(f"--detector {detector}: needs --only flagged or --aim rate; add one, or leave out --detector")
    check_folder(out)
    rng = np.random.default_rng(seed)
    with busy("Reading the responses"):
        responses = load_responses(results, texts=True)
        flagged_by = responses.rule(detector) if only else None
        sample = draw_items(responses, n, rng, flagged_by=flagged_by, aim=Aim(aim.value), detector=detector)
    say([*responses.notes, *sample.notes])
    strata = ["the detectors' verdicts", *sample.factors, *["how they open"] * (aim is SampleAim.RATE)]
    written = write_items(sample, out, rng, forms=FORMS if tool is Tool.ALL else [tool.value], n_annotators=annotators)
    say([f"Stratified by {' and '.join(strata)}.", *written])
    if aim is SampleAim.RATE:
        row = plan_labels(responses, [len(sample.items)], np.random.default_rng(seed), detector=detector).iloc[0]
        uncorrected = f"without labels, which ignores the detector's errors, {100 * row['uncorrected_width']:.1f} pp"
        say(
            [f"Expect a 95% CI of the corrected refusal rate that is {100 * row['width']:.1f} pp wide ({uncorrected})."]
        )


@annotate.command("plan")
def annotate_plan(
    results: shared.Results,
    n: Annotated[
        list[int] | None,
        typer.Option("--n", min=1, metavar="N", help="Number of labels; can be repeated.  [default: 100, 300, 1000]"),
    ] = None,
    seed: shared.Seed = 0,
    detector: shared.Detector = None,
    form: shared.Form = Format.TABLE,
) -> None:
    """Print the width of a corrected rate's confidence interval to expect, before anyone labels.

    The width is that of all responses together, if they are drawn with `annotate export --aim rate`, and the detector
    errs somewhat more often than in its validation.

    Example: `persona-refusal annotate plan results --n 100 --n 300`
    """
    import numpy as np

    from ..annotation import plan_labels
    from ..contracts import LABEL_PLAN
    from ..display import print_table
    from ..responses import load_responses

    with busy("Reading the responses"):
        responses = load_responses(results, texts=True)
        default = [number for number in _NUMBERS if number <= responses.n] or [responses.n]
        table = plan_labels(responses, n or default, np.random.default_rng(seed), detector=detector)
    say(responses.notes)
    print_table(table, form, contract=LABEL_PLAN)


@annotate.command("import")
def annotate_import(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            help="Completed sheets, exports of Label Studio (JSON, JSON-MIN, CSV) or Potato (JSON, JSONL, CSV), "
            "any table with one row per annotation, or a folder of these.",
            show_default=False,
        ),
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The key.csv of the sample.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output file, .csv or .parquet.")],
    columns: shared.LabelColumns = "",
    values: shared.LabelValues = "",
    force: shared.Force = False,
    form: shared.Form = Format.TABLE,
) -> None:
    """Import annotations, write a label file, and print the agreement between annotators.

    Example: `persona-refusal annotate import labels --key labels/key.csv --out labels.csv`

    Example: `persona-refusal annotate import doccano.jsonl --key key.csv --out labels.csv --columns refusal=label`
    """
    from ..annotation import count_annotations, estimate_agreement, list_disagreements, read_annotations, write_labels
    from ..display import print_table
    from ..labels import read_label_map

    annotations = read_annotations(sources, key, read_label_map(columns, values))
    n_rows = write_labels(annotations, out, force=force)
    counts = count_annotations(annotations)
    divided = list_disagreements(annotations)
    say(annotations.notes)
    say(f"{c.n_items:,} items with {c.n_annotations:,} annotations." for c in counts.itertuples())
    if divided:
        more = f" and {len(divided) - 10:,} more" if len(divided) > 10 else ""
        say([f"Annotators disagree on whether these are refusals: {', '.join(divided[:10])}{more}."])
    say([f"Wrote {n_rows:,} labels to {out}."])
    print_table(estimate_agreement(annotations), form)
