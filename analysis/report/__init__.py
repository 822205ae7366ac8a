"""Everything about one study, on one page and as files.

Call `write_report` with the responses, a folder and `ReportOptions`.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .files import find_report
    from .findings import describe_undetermined
    from .markdown import describe_main_table, main_table
    from .study_tables import ReportOptions, StudyEstimates
    from .wordings import ONE_WORDING
    from .write import check_out, write_report
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "files": ["find_report"],
            "findings": ["describe_undetermined"],
            "markdown": ["describe_main_table", "main_table"],
            "study_tables": ["ReportOptions", "StudyEstimates"],
            "wordings": ["ONE_WORDING"],
            "write": ["check_out", "write_report"],
        },
    )

__all__ = [
    "ONE_WORDING",
    "ReportOptions",
    "StudyEstimates",
    "check_out",
    "describe_main_table",
    "describe_undetermined",
    "find_report",
    "main_table",
    "write_report",
]
