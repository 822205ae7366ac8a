"""From a source of texts and a design to what is asked.

Call `load_texts` and `load_design`, and one of the functions ``sample_...`` for the combinations of persona and
template that each text is asked with.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .blocks import ANCHORED, BLOCK_DESIGNS, plan_blocks, sample_blocks, sample_texts
    from .contrasts import draw_contrasts, fit_blocks
    from .design import (
        CONTRAST,
        KINDS,
        LANGUAGE,
        N_OPTIONS,
        RESPONSE_TYPES,
        SETTINGS,
        TEXT_FIELDS,
        Design,
        Persona,
        Template,
        fold_name,
    )
    from .design_files import load_design
    from .design_id import hash_design
    from .sampler import (
        Ints,
        number_labels,
        order_texts,
        sample_balanced,
        sample_iid,
        sample_rows,
        shard_bounds,
        shuffle_texts,
    )
    from .settings import NAMES, ORDERS, PLACEMENT_OF_STUDY, PLACEMENTS, Settings, parse_settings
    from .texts import CLASSES, Texts, fetch_texts, load_texts
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "blocks": ["ANCHORED", "BLOCK_DESIGNS", "plan_blocks", "sample_blocks", "sample_texts"],
            "contrasts": ["draw_contrasts", "fit_blocks"],
            "design": [
                "CONTRAST",
                "Design",
                "KINDS",
                "LANGUAGE",
                "N_OPTIONS",
                "Persona",
                "RESPONSE_TYPES",
                "SETTINGS",
                "TEXT_FIELDS",
                "Template",
                "fold_name",
            ],
            "design_files": ["load_design"],
            "design_id": ["hash_design"],
            "sampler": [
                "Ints",
                "number_labels",
                "order_texts",
                "sample_balanced",
                "sample_iid",
                "sample_rows",
                "shard_bounds",
                "shuffle_texts",
            ],
            "settings": ["NAMES", "ORDERS", "PLACEMENTS", "PLACEMENT_OF_STUDY", "Settings", "parse_settings"],
            "texts": ["CLASSES", "Texts", "fetch_texts", "load_texts"],
        },
    )

__all__ = [
    "ANCHORED",
    "BLOCK_DESIGNS",
    "CLASSES",
    "CONTRAST",
    "KINDS",
    "LANGUAGE",
    "NAMES",
    "N_OPTIONS",
    "ORDERS",
    "PLACEMENTS",
    "PLACEMENT_OF_STUDY",
    "RESPONSE_TYPES",
    "SETTINGS",
    "TEXT_FIELDS",
    "Design",
    "Ints",
    "Persona",
    "Settings",
    "Template",
    "Texts",
    "draw_contrasts",
    "fetch_texts",
    "fit_blocks",
    "fold_name",
    "hash_design",
    "load_design",
    "load_texts",
    "number_labels",
    "order_texts",
    "parse_settings",
    "plan_blocks",
    "sample_balanced",
    "sample_blocks",
    "sample_iid",
    "sample_rows",
    "sample_texts",
    "shard_bounds",
    "shuffle_texts",
]
