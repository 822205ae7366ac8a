"""One record a model: its results, how it was run, and how often the detector is right on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError

from ..labels import LabelMap, Validation, read_labels, sum_labels, validate
from ..responses import Responses, RuleDetector, count_responses, read_origin
from .detector import Accuracy, find_accuracy
from .results import Result, list_results

_SOFTWARE = ("persona_refusal", "rules", "vllm", "transformers", "torch", "model_revision", "model_sha", "model_dtype")
"""The columns of the origin that a record names besides the version of the harness."""


@dataclass(frozen=True)
class Labelled:
    """A file of people's labels.

    Attributes
    ----------
    path : Path
        See `refusal_metrics.analysis.labels.read.read_labels`.
    names : LabelMap, optional
        What the file calls its columns and values.
    """

    path: Path
    names: LabelMap | None = None


@dataclass(frozen=True)
class ModelRecord:
    """What is published of one model.

    Attributes
    ----------
    model : str
        Its name in the responses.
    results : sequence of Result
    accuracy : Accuracy
        Of the detector, on this model.
    date : str or None
        Of its last run: ``2026-01-02``.
    harness : str or None
        The version of lm-evaluation-harness; several are separated by commas. None if unknown.
    source : str
        The harness's kind of model: ``hf``, ``vllm``; empty if unknown.
    software, settings : mapping of str to str
        Versions of other software and of weights, and the settings that all of its runs have.
    designs : mapping of (str, str) to str
        By task and setting, the id of the design that says which prompts were asked.
    provider : str
        Whether refusals by the provider are ``counted`` or ``excluded``.
    """

    model: str
    results: Sequence[Result]
    accuracy: Accuracy
    date: str | None = None
    harness: str | None = None
    source: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    designs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    provider: str = "counted"


def collect_records(
    responses: Responses,
    *,
    detector: str | None = None,
    labelled: Labelled | None = None,
    provider_excluded: bool = False,
) -> tuple[list[ModelRecord], tuple[str, ...]]:
    """Compute what is published of each model of a study.

    Parameters
    ----------
    responses : Responses
        With texts, if there are labels.
    detector : str, optional
        Whose verdicts count; by default the first.
    labelled : Labelled, optional
        Labels of a sample of the responses: the detector is compared with them, and rates and differences are
        corrected by them too.
    provider_excluded : bool
        Whether refusals by the provider were excluded from `responses`.

    Returns
    -------
    records : list of ModelRecord
        In the order of the models' names.
    notes : tuple of str

    Raises
    ------
    InputError
        For an unknown detector, or labels that cannot be read.
    """
    rule = responses.rule(detector)
    validation, sums, notes = _read_labels(responses, rule, labelled) if labelled else (None, None, ())
    counts = count_responses(responses)[rule]
    found, n_left_out = list_results(counts, sums)
    if n_left_out:
        notes += (
            f"{n_left_out:,} estimates have no confidence interval, and are left out: they are of a single text.",
        )
    accuracy = find_accuracy(rule, sorted(found), validation)
    origin = read_origin(responses)
    records = [
        ModelRecord(
            model,
            found[model],
            accuracy[model],
            date=max(filter(None, runs["date"]), default=None),
            harness=_versions(runs["lm_eval_version"]),
            source=_only(log.facts.source for log in responses.logs if log.model == model) or "",
            software={name: known for name in _SOFTWARE if name in runs and (known := _versions(runs[name]))},
            settings=_shared([log.settings for log in responses.logs if log.model == model]),
            designs=_designs(origin.designs),
            provider="excluded" if provider_excluded else "counted",
        )
        for model in sorted(found)
        for runs in [origin.runs[origin.runs["model"] == model]]
    ]
    return records, notes


def _read_labels(
    responses: Responses, rule: str, labelled: Labelled
) -> tuple[Validation, pd.DataFrame | None, tuple[str, ...]]:
    """Compare the detector with the labels, and join these to the responses if they are of them."""
    detectors = [RuleDetector(rule)] if rule in RULES else []
    validation = validate(labelled.path, detectors, by=None, responses=responses, names=labelled.names)
    notes = validation.notes
    if not validation.n_matched:
        return validation, None, notes
    factors = ["persona"] if "persona" in responses.columns else []
    try:
        summed = sum_labels(responses, read_labels(labelled.path, names=labelled.names), factors, detector=rule)
    except InputError as error:
        return validation, None, (*notes, f"Rates are not corrected by the labels: {str(error).rstrip('.')}.")
    return validation, summed.sums, tuple(dict.fromkeys((*notes, *summed.notes)))


def _versions(values: pd.Series) -> str | None:
    return ", ".join(dict.fromkeys(str(value) for value in values.dropna())) or None


def _only(values: Iterable[str]) -> str | None:
    """Return the only value; None if there are several or none."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _shared(settings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the settings that all runs have."""
    if not settings:
        return {}
    return {name: value for name, value in settings[0].items() if all(own.get(name) == value for own in settings)}


def _designs(designs: pd.DataFrame) -> dict[tuple[str, str], str]:
    if "design_id" not in designs:
        return {}
    known = designs.dropna(subset="design_id")
    return {
        (str(task), str(setting)): ", ".join(sorted(set(own["design_id"])))
        for (task, setting), own in known.groupby(["task", "setting"])
    }
