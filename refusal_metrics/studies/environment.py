"""Describe how a model was run: versions, detection rules, weights, chat template, hardware."""

import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from refusal_metrics.detection import RULES_VERSION
from refusal_metrics.studies.once_per_prompt import OncePerPrompt

_PACKAGES = ("persona-refusal", "lm_eval", "vllm", "sglang", "transformers", "torch", "datasets")
_WEIGHTS = ("pretrained", "model", "peft", "delta", "lora_local_path", "tokenizer", "gguf_file", "path")
"""Arguments of models that may name a file or folder on this machine."""
_NO_WEIGHTS = (".md", ".txt.bak", ".gitattributes", ".lock", ".log", ".png", ".jpg", ".svg")
_PART = 1 << 20
_HASH_DIGITS = 12


def describe_run(lm: OncePerPrompt, template: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe how a model is run.

    Parameters
    ----------
    lm : OncePerPrompt
    template : str
        The chat template.
    args : mapping, optional
        The model's arguments, to find its weights.

    Returns
    -------
    dict
        ``versions`` (of packages, and ``rules``), ``model_revision``, ``model_dtype``, ``n_parameters``,
        ``weights`` (of local files), ``chat_template_sha256``, ``hardware``.
    """
    info = lm.get_model_info() if hasattr(lm, "get_model_info") else {}
    return {
        "versions": installed_versions(),
        "model_revision": info.get("model_sha") or info.get("model_revision") or _revision_in_cache(args or {}),
        "model_dtype": str(info["model_dtype"]) if "model_dtype" in info else None,
        "n_parameters": info.get("model_num_parameters"),
        "weights": checksum_weights(args or {}),
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "hardware": _hardware(),
    }


def installed_versions() -> dict[str, str]:
    """Return the versions of packages that answers depend on, and of the rules of detection.

    Returns
    -------
    dict of str to str
        ``rules`` is `rules.RULES_VERSION`, a plus sign, and a checksum of the rules and of the
        code that applies them, so that an edited rule is noticed.
    """
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"rules": f"{RULES_VERSION}+{_checksum_rules()}"}


def checksum_weights(args: Mapping[str, Any]) -> str | None:
    """Compute a checksum of a model's local files; copies have the same checksum.

    Parameters
    ----------
    args : mapping
        The model's arguments.

    Returns
    -------
    str or None
        Of names, sizes and the first, middle and last MiB of each file; None where no argument names a local path.
    """
    digest, found = hashlib.blake2b(digest_size=16), False
    for name in _WEIGHTS:
        given = args.get(name)
        if not isinstance(given, str) or not given or "\0" in given:
            continue
        path = Path(given).expanduser()
        for file in _files(path):
            found = True
            inside = file.relative_to(path).as_posix() if path.is_dir() else ""
            size = file.stat().st_size
            digest.update(f"{name}\0{inside}\0{size}\0".encode("utf-8", errors="surrogateescape"))
            with file.open("rb") as content:
                for start in sorted({0, max(0, size // 2 - _PART // 2), max(0, size - _PART)}):
                    content.seek(start)
                    digest.update(content.read(_PART))
    return digest.hexdigest() if found else None


def _files(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        found = path.rglob("*") if path.is_dir() else ()
        # Hidden ones are what a hub's client keeps beside the files.
        return sorted(
            file
            for file in found
            if not any(part.startswith((".", "__")) for part in file.relative_to(path).parts)
            and not file.name.lower().endswith(_NO_WEIGHTS)
            and file.is_file()
        )
    except OSError:
        return []


def _checksum_rules() -> str:
    digest = hashlib.blake2b(digest_size=4)
    room = Path(str(files("refusal_metrics.detection")))
    for part in sorted(part for ending in ("*.py", "*.yaml") for part in room.rglob(ending)):
        digest.update(part.name.encode() + b"\0" + part.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def _revision_in_cache(args: Mapping[str, Any]) -> str | None:
    """Find the commit of a model of the hub, which engines that do not know it took from the cache."""
    name, revision = args.get("pretrained"), args.get("revision")
    if not isinstance(name, str) or name.count("/") != 1 or Path(name).exists():
        return None
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - for these models alone
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    try:
        found = try_to_load_from_cache(name, "config.json", revision=str(revision) if revision else None)
    except (HFValidationError, OSError):
        return None
    return Path(found).parent.name if isinstance(found, str) else None


def _hardware() -> dict[str, Any]:
    found: dict[str, Any] = {"machine": platform.machine(), "system": platform.system(), "n_cores": os.cpu_count()}
    # Engines have imported it by now; what does without it uses no accelerator, and need not wait for it.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["accelerators"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found
