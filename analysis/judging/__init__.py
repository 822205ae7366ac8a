"""Verdicts on responses: by a rule, a classifier or a judge.

Call `make_detector`, then its method ``detect`` for single responses, or `detect` for whole results or files. Besides
`responses` this is the only room that uses DuckDB: it reads and writes whole tables of responses, row by row.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .any_file import Given, read_given
    from .detect_files import detect
    from .registry import make_detector
    from .unknowns import say_unknown
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "any_file": ["Given", "read_given"],
            "detect_files": ["detect"],
            "registry": ["make_detector"],
            "unknowns": ["say_unknown"],
        },
    )

__all__ = ["Given", "detect", "make_detector", "read_given", "say_unknown"]
