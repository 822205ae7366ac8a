"""Results for model repositories of the Hugging Face Hub.

``.eval_results/*.yaml`` has one value a task of a benchmark dataset, and no place for intervals but its notes
(https://huggingface.co/docs/hub/eval-results). ``model-index`` is metadata of the model card, with arguments of each
metric (https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
"""

from typing import Any

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from ..arrays import CONFIDENCE
from ..columns import name_level
from .records import ModelRecord
from .results import CLUSTERED, CORRECTED_RATE, RATE, Result

RESULTS_FILE = ".eval_results/persona_refusal.yaml"
INDEX_FILE = "model-index.yaml"

_TASK = "text-generation"
_UNLISTED = "persona_refusal"
"""What the dataset is called if it is not on the Hub."""


def task_id(result: Result) -> str:
    """Return the id of a task, which is the harness's: ``persona_refusal_nli_neutral``."""
    suffix = "" if result.setting == "persona" else f"_{result.setting.replace('-', '_')}"
    return f"persona_refusal_{result.task}{suffix}"


def list_eval_results(record: ModelRecord, dataset: str, url: str, name: str) -> list[dict[str, Any]]:
    """Return the entries of ``.eval_results/*.yaml``: the refusal rate of each task.

    Parameters
    ----------
    record : ModelRecord
    dataset : str
        The id of the benchmark dataset on the Hub.
    url, name : str
        A page about the evaluation, and what it is called; may be empty.

    Returns
    -------
    list of dict
        With labels, the corrected rates.
    """
    metric = CORRECTED_RATE if any(result.metric is CORRECTED_RATE for result in record.results) else RATE
    return [
        {
            "dataset": {"id": dataset, "task_id": task_id(result)},
            "value": result.value,
            **({} if record.date is None else {"date": record.date}),
            **({"source": {"url": url, **({"name": name} if name else {})}} if url else {}),
            "notes": _notes(record, result),
        }
        for result in record.results
        if result.metric is metric and result.persona is None
    ]


def make_model_index(record: ModelRecord, name: str, dataset: str, url: str, source: str) -> list[dict[str, Any]]:
    """Return the ``model-index`` of a model card: all results, with intervals and the detector as arguments.

    Parameters
    ----------
    record : ModelRecord
    name : str
        The model's name on its card.
    dataset : str
        The id of the dataset on the Hub; may be empty.
    url, source : str
        A page about the evaluation, and what it is called; may be empty.

    Returns
    -------
    list of dict
    """
    results = [
        EvalResult(
            task_type=_TASK,
            task_name="False refusals under persona prompts",
            dataset_type=dataset or _UNLISTED,
            dataset_name=f"persona-refusal: {name_level('task', result.task)} ({result.setting} prompts)",
            dataset_config=task_id(result),
            metric_type=result.metric.id,
            metric_name=_title(result),
            metric_value=result.value,
            metric_args=_arguments(record, result),
            source_url=url or None,
            source_name=source or None if url else None,
        )
        for result in record.results
    ]
    index: list[dict[str, Any]] = eval_results_to_model_index(name, results)
    return index


def _title(result: Result) -> str:
    """Name a result for people."""
    persona = "" if result.persona is None else f", {name_level('persona', result.persona)}"
    baseline = "" if result.baseline is None else f" compared with {result.baseline}"
    return f"{result.metric.name}{persona}{baseline}"


def _arguments(record: ModelRecord, result: Result) -> dict[str, Any]:
    error = {} if result.error is None else {"standard_error": result.error, "standard_error_method": CLUSTERED}
    return {
        **({} if result.persona is None else {"persona": result.persona}),
        **({} if result.baseline is None else {"baseline": result.baseline}),
        **error,
        "ci_low": result.low,
        "ci_high": result.high,
        "confidence_level": CONFIDENCE,
        "interval_method": result.metric.interval,
        "n": result.n,
        "n_texts": result.n_texts,
        **result.details,
        **record.accuracy.as_parameters(),
        "detector_validation": record.accuracy.statement,
        "provider_refusals": record.provider,
        **({"remarks": " ".join(result.remarks)} if result.remarks else {}),
    }


def _notes(record: ModelRecord, result: Result) -> str:
    """Write what must not be lost with the value: interval, texts, and detector."""
    corrected = "corrected by labels, " if result.metric is CORRECTED_RATE else ""
    return (
        f"Share of the responses that are refusals ({corrected}95% CI [{result.low:.4f}, {result.high:.4f}], "
        f"clustered by text, {result.n:,} responses, {result.n_texts:,} texts). {record.accuracy.statement}"
    )
