"""The command ``export``."""

# The analysis is imported inside the command, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from refusal_metrics.errors import InputError

from ..export import Tool
from . import options as shared
from .console import busy, say
from .load import noted, said_of_rule
from .options import optional

app = typer.Typer()


@app.command()
def export(
    results: shared.Results,
    to: Annotated[Tool, typer.Option("--to", help="The format.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder.")],
    organization: Annotated[
        str, optional("NAME", "Who evaluated the models, e.g. 'Acme AI'. Required for every-eval-ever.")
    ] = "",
    relationship: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="For every-eval-ever: the evaluator's relationship to the models' developers: first_party, "
            "third_party, collaborative or other.",
        ),
    ] = "third_party",
    dataset: Annotated[
        str,
        optional("ID", "For eval-results: the benchmark dataset on the Hub, OWNER/NAME; without it, only model-index."),
    ] = "",
    url: Annotated[str, optional("URL", "A page about the evaluation, as its source.")] = "",
    model_ids: Annotated[
        str, optional("MAP", "IDs of models on the Hub, e.g. parrot=acme/parrot-7b.  [default: their names]")
    ] = "",
    labels: Annotated[
        Path | None,
        optional(
            "FILE",
            "Labels of a sample of the responses (`annotate import`): adds the detector's precision and recall, and "
            "corrected rates.",
        ),
    ] = None,
    columns: shared.LabelColumns = "",
    values: shared.LabelValues = "",
    detector: shared.Detector = None,
    exclude_provider: shared.ExcludeProvider = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the export in an existing folder.")] = False,
) -> None:
    """Write results with their intervals for Every Eval Ever, or for model repositories of the Hugging Face Hub.

    `every-eval-ever` writes one record a model, `data/persona_refusal/DEVELOPER/MODEL/UUID.json`. `eval-results` writes
    `DEVELOPER/MODEL/model-index.yaml` and, with `--dataset`, `DEVELOPER/MODEL/.eval_results/persona_refusal.yaml`.

    Each number has its 95% confidence interval, its standard error clustered by text, and the numbers of responses and
    texts. Each record says whether the detector was validated on this model.

    Example: `persona-refusal export results --to every-eval-ever --organization 'Acme AI' --model-ids
    SmolLM2-135M-Instruct=HuggingFaceTB/SmolLM2-135M-Instruct --out records`

    Example: `persona-refusal export results --to eval-results --dataset acme/persona-refusal --out cards`

    Example: `persona-refusal export results --to eval-results --labels labels.csv --out cards`
    """
    from ..export import Labelled, Target, check_target, collect_records, write_export
    from ..labels import read_label_map
    from ..responses import load_responses

    target = Target(to, organization, relationship, dataset, url, _read_ids(model_ids))
    check_target(target, out, force=force)
    labelled = None if labels is None else Labelled(labels, read_label_map(columns, values))
    with busy("Reading the responses"):
        # With texts, to find labels of other answers.
        responses = load_responses(results, texts=labels is not None)
        responses = noted(responses, detector, exclude=exclude_provider)
    say([*responses.notes, said_of_rule(responses.rule(detector))])
    with busy("Estimating the results"):
        records, notes = collect_records(
            responses, detector=detector, labelled=labelled, provider_excluded=exclude_provider
        )
    if not records:
        raise InputError(f"{', '.join(results)}: no result has a confidence interval; more than one text is needed")
    written = write_export(records, target, out, force=force)
    say(notes)
    say(dict.fromkeys(record.accuracy.statement for record in records if not record.accuracy.is_validated))
    if to is Tool.EVAL_RESULTS and not dataset:
        say(["Only model-index was written: .eval_results needs the benchmark dataset on the Hub; add --dataset."])
    for file in written:
        print(file)  # noqa: T201 - the command's result


def _read_ids(given: str) -> dict[str, str]:
    """Read the ids of models: ``parrot=acme/parrot-7b,...``."""
    found: dict[str, str] = {}
    for part in filter(None, map(str.strip, given.split(","))):
        name, equals, named = map(str.strip, part.partition("="))
        if not (name and equals and named):
            raise InputError(f"--model-ids {given}: {part} is not NAME=OWNER/NAME; give e.g. parrot=acme/parrot-7b")
        if name in found:
            raise InputError(f"--model-ids {given}: names {name} twice; give one id for each model")
        found[name] = named
    return found
