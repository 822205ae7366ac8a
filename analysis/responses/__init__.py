"""From logs or tables to one DuckDB view, and queries on it: the only room that knows the harness's files.

Call `load_responses` (or `read_responses` for one table), then `count_responses`. Other rooms ask functions, which
return arrays and data frames; only `judging` uses DuckDB too.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .count import count_responses
    from .designs import load_studies
    from .detectors import (
        CLASSIFIER,
        JUDGE,
        LONGEST_PERSONA,
        Detector,
        DetectorOptions,
        Item,
        column_name,
        read_language,
        read_offered,
        read_words,
    )
    from .harness_metrics import read_metrics
    from .items import find_ambiguous, find_answers, has_item_ids, list_verdicts, match_items, sum_items
    from .label_classes import FLAGGED, LABEL_CLASSES, label_class
    from .logs.load import load_responses
    from .origin import Origin, read_origin, read_population
    from .outcomes import count_others, count_outcomes
    from .pairs import Overlap, Pairs, pair_runs
    from .provider import exclude_provider
    from .rules import RuleDetector
    from .runs import is_log
    from .sample import draw_responses, has_texts
    from .select import select_responses, to_frame
    from .sql import Folder, connect, count_rows, for_spreadsheets, identifier, literal, quoted
    from .strata import count_flagged, count_strata, read_places
    from .table import TABLE_SUFFIXES, Responses, read_responses, write_responses
    from .tables.delimited import copy_delimited
    from .tables.files import is_table
    from .tables.json_copy import copy_json
    from .usable import MUCH, count_usable, fail_gate, note_unusable
    from .verdicts import Detected, Progress, Source, judge_rows
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "count": ["count_responses"],
            "designs": ["load_studies"],
            "detectors": [
                "CLASSIFIER",
                "Detector",
                "DetectorOptions",
                "Item",
                "JUDGE",
                "LONGEST_PERSONA",
                "column_name",
                "read_language",
                "read_offered",
                "read_words",
            ],
            "harness_metrics": ["read_metrics"],
            "items": ["find_ambiguous", "find_answers", "has_item_ids", "list_verdicts", "match_items", "sum_items"],
            "label_classes": ["FLAGGED", "LABEL_CLASSES", "label_class"],
            "logs.load": ["load_responses"],
            "origin": ["Origin", "read_origin", "read_population"],
            "outcomes": ["count_others", "count_outcomes"],
            "pairs": ["Overlap", "Pairs", "pair_runs"],
            "provider": ["exclude_provider"],
            "rules": ["RuleDetector"],
            "runs": ["is_log"],
            "sample": ["draw_responses", "has_texts"],
            "select": ["select_responses", "to_frame"],
            "sql": ["Folder", "connect", "count_rows", "for_spreadsheets", "identifier", "literal", "quoted"],
            "strata": ["count_flagged", "count_strata", "read_places"],
            "table": ["Responses", "TABLE_SUFFIXES", "read_responses", "write_responses"],
            "tables.delimited": ["copy_delimited"],
            "tables.files": ["is_table"],
            "tables.json_copy": ["copy_json"],
            "usable": ["MUCH", "count_usable", "fail_gate", "note_unusable"],
            "verdicts": ["Detected", "Progress", "Source", "judge_rows"],
        },
    )

__all__ = [
    "CLASSIFIER",
    "FLAGGED",
    "JUDGE",
    "LABEL_CLASSES",
    "LONGEST_PERSONA",
    "MUCH",
    "TABLE_SUFFIXES",
    "Detected",
    "Detector",
    "DetectorOptions",
    "Folder",
    "Item",
    "Origin",
    "Overlap",
    "Pairs",
    "Progress",
    "Responses",
    "RuleDetector",
    "Source",
    "column_name",
    "connect",
    "copy_delimited",
    "copy_json",
    "count_flagged",
    "count_others",
    "count_outcomes",
    "count_responses",
    "count_rows",
    "count_strata",
    "count_usable",
    "draw_responses",
    "exclude_provider",
    "fail_gate",
    "find_ambiguous",
    "find_answers",
    "for_spreadsheets",
    "has_item_ids",
    "has_texts",
    "identifier",
    "is_log",
    "is_table",
    "judge_rows",
    "label_class",
    "list_verdicts",
    "literal",
    "load_responses",
    "load_studies",
    "match_items",
    "note_unusable",
    "pair_runs",
    "quoted",
    "read_language",
    "read_metrics",
    "read_offered",
    "read_origin",
    "read_places",
    "read_population",
    "read_responses",
    "read_words",
    "select_responses",
    "sum_items",
    "to_frame",
    "write_responses",
]
