"""The versions recorded in a shard's results, so that shards from other versions are noticed."""

from collections.abc import Mapping
from typing import Any

from refusal_metrics.detection import RULES_VERSION

_ANSWERS_DEPEND_ON = ("lm_eval", "vllm", "sglang", "transformers", "torch")


def shard_versions(described: Mapping[str, Any]) -> dict[str, str]:
    """List the versions that a shard was run and judged with.

    Parameters
    ----------
    described : mapping
        From `refusal_metrics.studies.environment.describe_run`.

    Returns
    -------
    dict of str to str
        Of packages by their names; ``rules``, of the detection rules; ``model_revision``,
        ``model_dtype``, ``weights`` (their checksum) and ``hardware``, where they are known.
    """
    hardware = described.get("hardware") or {}
    devices = hardware.get("accelerators")
    named = {
        "model_revision": described.get("model_revision"),
        "model_dtype": described.get("model_dtype"),
        "weights": described.get("weights"),
        "hardware": ", ".join(devices) if devices else hardware.get("machine"),
    }
    versions = {"rules": RULES_VERSION, **described.get("versions", {}), **named}
    return {name: str(value) for name, value in versions.items() if value is not None}


def answers_depend_on(described: Mapping[str, Any]) -> dict[str, object]:
    """List what a model's responses depend on besides its arguments and prompts.

    Parameters
    ----------
    described : mapping
        From `refusal_metrics.studies.environment.describe_run`.

    Returns
    -------
    dict
    """
    versions = described.get("versions", {})
    return {
        **{name: versions[name] for name in _ANSWERS_DEPEND_ON if name in versions},
        **{name: described.get(name) for name in ("model_revision", "model_dtype", "weights", "chat_template_sha256")},
    }
