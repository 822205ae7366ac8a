"""Anyone's table of answers: judged, paired by text, compared, and each difference named for what it amounts to.

Call `audit_file` with the `Roles` of the columns that are known, and `write_audit` for its page and files.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .claims import read_claims
    from .result import Audit
    from .roles import Roles
    from .run import audit_file
    from .write import PAGE, check_out, shown_columns, write_audit
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "claims": ["read_claims"],
            "result": ["Audit"],
            "roles": ["Roles"],
            "run": ["audit_file"],
            "write": ["PAGE", "check_out", "shown_columns", "write_audit"],
        },
    )

__all__ = ["PAGE", "Audit", "Roles", "audit_file", "check_out", "read_claims", "shown_columns", "write_audit"]
