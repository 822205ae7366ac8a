"""The formats of other tools."""

from enum import StrEnum


class Tool(StrEnum):
    """Where results are published."""

    EVERY_EVAL_EVER = "every-eval-ever"
    EVAL_RESULTS = "eval-results"
