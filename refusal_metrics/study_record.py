"""With what a model was run: versions, the model's revision, its chat template, the hardware."""

import hashlib
import importlib.metadata
import os
import platform
from typing import Any

from refusal_metrics.study_answers import OncePerPrompt

_PACKAGES = ("persona-refusal", "lm_eval", "vllm", "transformers", "torch", "datasets")


def describe_run(lm: OncePerPrompt, template: str) -> dict[str, Any]:
    """Say with what a model was run: versions, the model's revision, its chat template, the hardware.

    Parameters
    ----------
    lm : OncePerPrompt
    template : str
        The chat template.

    Returns
    -------
    dict
    """
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    info = lm.get_model_info() if hasattr(lm, "get_model_info") else {}
    return {
        "versions": versions,
        "model_revision": info.get("model_sha") or info.get("model_revision"),
        "model_dtype": str(info["model_dtype"]) if "model_dtype" in info else None,
        "n_parameters": info.get("model_num_parameters"),
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "hardware": _hardware(),
    }


def _hardware() -> dict[str, Any]:
    found: dict[str, Any] = {"machine": platform.machine(), "system": platform.system(), "n_cores": os.cpu_count()}
    try:
        import torch  # noqa: PLC0415
    except ImportError:
        return found
    if torch.cuda.is_available():
        found["accelerators"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found
