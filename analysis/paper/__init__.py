"""The paper's printed numbers, and measured ones in its layout.

Call `load_published` for the printed numbers, `compare_published` to set measured rates beside them, and `paper_tables`
or `paper_figures` for measured ones in the paper's layout.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .compare import compare_published
    from .figures import paper_figures
    from .published import REFERENCES, load_published, match_model
    from .tables import paper_tables
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "compare": ["compare_published"],
            "figures": ["paper_figures"],
            "published": ["REFERENCES", "load_published", "match_model"],
            "tables": ["paper_tables"],
        },
    )

__all__ = ["REFERENCES", "compare_published", "load_published", "match_model", "paper_figures", "paper_tables"]
