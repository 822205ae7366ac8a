"""The id of a study: it is the same only if the study asks the same."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from .design import CONTRAST, Persona, Template
from .settings import ORDERS, Settings


def hash_design(
    settings: Settings,
    checksum: str,
    task: Mapping[str, Any],
    people: Iterable[Persona],
    templates: Iterable[Template],
    *,
    shares_pool: bool,
) -> str:
    """Return the id of a study: a hash of everything that determines its docs, but not of paths or shards.

    The half before the hyphen is of the sample alone, which the settings of one study share: the
    analysis compares them only where it is the same.

    Parameters
    ----------
    settings : Settings
    checksum : str
        Of the texts.
    task : mapping
        What the leaf says: kind, labels, setting, version.
    people : iterable of Persona
    templates : iterable of Template
    shares_pool : bool
        Whether rows share the pool of their text. Earlier versions gave them prompts that the text already had; the
        half after the hyphen distinguishes the two designs.

    Returns
    -------
    str
        Two hexadecimal numbers of eight digits, with a hyphen between them.
    """
    sample = {
        "texts": [task["kind"], checksum, dict(settings.columns or {})],
        "sample": [settings.rows_per_class, settings.variations, settings.design, settings.design_seed],
        "templates": [t.id for t in templates],
        # Studies in the default order keep the ids that they had before there was another one.
        **({"order": settings.order} if settings.order != ORDERS[0] else {}),
    }
    asked: dict[str, Any] = {
        "task": task,
        "personas": [p.asked for p in people],
        "templates": [asdict(t) for t in templates],
    }
    if shares_pool:
        asked["rows_share_pool"] = True
    if task["setting"] in ("neutral", CONTRAST) and settings.neutral_variations not in (None, settings.variations):
        # Not of the sample: persona prompts do not depend on it, and both settings have the same texts.
        asked["neutral_variations"] = settings.neutral_variations
    return f"{_digest(sample)}-{_digest(sample | asked)}"


def _digest(what: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]
