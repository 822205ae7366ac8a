"""Records of Every Eval Ever, https://github.com/evaleval/every_eval_ever: one JSON file a model.

The datastore files a record under ``data/COLLECTION/DEVELOPER/MODEL/UUID.json``, and its validator checks the path too.
All numbers in ``metric_parameters`` and ``uncertainty`` are numbers; the other details must be texts.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from refusal_metrics import __version__

from ..arrays import CONFIDENCE
from .records import ModelRecord
from .results import CLUSTERED, Result

SCHEMA_VERSION = "0.3.0"
"""The version of their schema to which the records conform."""
COLLECTION = "persona_refusal"

_LOCAL = ("hf", "vllm", "sglang", "gguf", "local-")
"""How the harness's kinds of models begin that run on the evaluator's own machines."""


def make_record(
    record: ModelRecord, model_id: str, *, organization: str, relationship: str, url: str, timestamp: int
) -> dict[str, Any]:
    """Return the record of a model.

    Parameters
    ----------
    record : ModelRecord
    model_id : str
        What the model is called on the Hub, DEVELOPER/MODEL.
    organization, relationship : str
        Who evaluated the model, and what they are to its developer: ``first_party``, ``third_party``,
        ``collaborative`` or ``other``.
    url : str
        A page about the evaluation; may be empty.
    timestamp : int
        When the record is made, in seconds since 1970.

    Returns
    -------
    dict
        For strict JSON: no NaN, and no None.
    """
    dated = {} if record.date is None else {"evaluation_timestamp": record.date}
    weights = {name: version for name, version in record.software.items() if name.startswith("model_")}
    software = {name: version for name, version in record.software.items() if name not in weights}
    library = "unknown" if record.harness is None else "lm_eval"
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{COLLECTION}/{model_id}/{timestamp}",
        **dated,
        "retrieved_timestamp": str(timestamp),
        "source_metadata": {
            "source_name": "persona-refusal",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            **({"source_organization_url": url} if url else {}),
            "evaluator_relationship": relationship,
        },
        "eval_library": {
            "name": library,
            "version": record.harness or "unknown",
            "additional_details": {**software, "analysis": f"persona-refusal {__version__}"},
        },
        "model_info": {
            "name": record.model,
            "id": model_id,
            "developer": model_id.partition("/")[0],
            "additional_details": {
                "deployment_type": _deployment(record.source),
                "model_availability": "unknown",
                **weights,
                **({"harness_model": record.source} if record.source else {}),
            },
        },
        "evaluation_results": [_result(record, result) for result in record.results],
    }


def file_of(made: Mapping[str, Any], folder: str) -> str:
    """Return the path of a record in the datastore.

    Parameters
    ----------
    made : mapping
        A record.
    folder : str
        DEVELOPER/MODEL, as names of folders.

    Returns
    -------
    str
        Its UUID is computed from the results, so that the same results always have the same one.
    """
    told = [made["model_info"]["id"], made["evaluation_results"]]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).digest()
    return f"data/{COLLECTION}/{folder}/{uuid.UUID(bytes=digest[:16], version=4)}.json"


def _deployment(source: str) -> str:
    if not source:
        return "unknown"
    return "self_deployed" if source.startswith(_LOCAL) else "externally_managed"


def _result(record: ModelRecord, result: Result) -> dict[str, Any]:
    metric = result.metric
    place = [result.task, result.setting, *([result.persona] if result.persona is not None else [])]
    named = [*place, metric.id, *([result.baseline] if result.baseline is not None else [])]
    of_baseline = {} if result.baseline is None else {"baseline": result.baseline}
    of_persona = {} if result.persona is None else {"persona": result.persona}
    design = record.designs.get((result.task, result.setting))
    error = {} if result.error is None else {"standard_error": {"value": result.error, "method": CLUSTERED}}
    details = {"n": str(result.n), "n_texts": str(result.n_texts)}
    details |= {name: f"{value:.10g}" for name, value in result.details.items()}
    dated = {} if record.date is None else {"evaluation_timestamp": record.date}
    return {
        "evaluation_result_id": "/".join(named),
        "evaluation_name": "/".join([COLLECTION, *place]),
        "source_data": {
            "dataset_name": f"{COLLECTION}_{result.task}",
            "source_type": "other",
            "additional_details": {"setting": result.setting, **({"design_id": design} if design else {})},
        },
        **dated,
        "metric_config": {
            "evaluation_description": metric.about,
            "metric_id": f"{COLLECTION}.{metric.id}",
            "metric_name": metric.name,
            "metric_kind": metric.id,
            "metric_unit": "proportion",
            "metric_parameters": {**of_persona, **of_baseline, **record.accuracy.as_parameters()},
            "lower_is_better": True,
            "score_type": "continuous",
            "min_score": -1 if metric.is_difference else 0,
            "max_score": 1,
            "additional_details": {
                "detector_validation": record.accuracy.statement,
                "provider_refusals": record.provider,
                **({"best": "0"} if metric.is_difference else {}),
                **({"remarks": " ".join(result.remarks)} if result.remarks else {}),
            },
        },
        "score_details": {
            "score": result.value,
            "details": details,
            "uncertainty": {
                **error,
                "confidence_interval": {
                    "lower": result.low,
                    "upper": result.high,
                    "confidence_level": CONFIDENCE,
                    "method": metric.interval,
                },
                "num_samples": result.n,
            },
        },
        **_generation(record.settings),
    }


def _generation(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of generation that their schema has, as numbers, and the others as texts."""
    numbers: dict[str, float] = {}
    if (temperature := _number(settings.get("temperature"))) is not None:
        numbers["temperature"] = temperature
    if (longest := _number(settings.get("max_gen_toks"))) is not None:
        numbers["max_tokens"] = int(longest)
    others = {name: value for name, value in settings.items() if name not in ("temperature", "max_gen_toks")}
    if not settings:
        return {}
    return {"generation_config": {"generation_args": numbers, "additional_details": others}}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
