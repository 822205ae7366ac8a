"""From the results of a study to the formats in which others publish results.

Call `collect_records` with the responses, then `write_export` with a `Target`.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .records import Labelled, ModelRecord, collect_records
    from .tools import Tool
    from .write import Target, check_target, write_export
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "records": ["Labelled", "ModelRecord", "collect_records"],
            "tools": ["Tool"],
            "write": ["Target", "check_target", "write_export"],
        },
    )

__all__ = ["Labelled", "ModelRecord", "Target", "Tool", "check_target", "collect_records", "write_export"]
