"""Models ranked, and two runs of one model compared.

Call `make_board` or `compare_runs`, lay the result out as parts of a page (`board_parts`, `comparison_parts`), and
write these with `write_html` or `write_markdown`.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .board import Board, make_board
    from .comparison import Comparison, compare_runs, list_examples
    from .families import draw_families
    from .gate import Rise, check_runs, limit_rise
    from .page import (
        RANKING,
        Part,
        board_parts,
        comparison_parts,
        lay_out_board,
        lay_out_comparison,
        lay_out_examples,
        lay_out_metrics,
        lay_out_named,
        lay_out_tasks,
        name_task,
        write_html,
        write_markdown,
    )
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "board": ["Board", "make_board"],
            "comparison": ["Comparison", "compare_runs", "list_examples"],
            "families": ["draw_families"],
            "gate": ["Rise", "check_runs", "limit_rise"],
            "page": [
                "Part",
                "RANKING",
                "board_parts",
                "comparison_parts",
                "lay_out_board",
                "lay_out_comparison",
                "lay_out_examples",
                "lay_out_metrics",
                "lay_out_named",
                "lay_out_tasks",
                "name_task",
                "write_html",
                "write_markdown",
            ],
        },
    )

__all__ = [
    "RANKING",
    "Board",
    "Comparison",
    "Part",
    "Rise",
    "board_parts",
    "check_runs",
    "compare_runs",
    "comparison_parts",
    "draw_families",
    "lay_out_board",
    "lay_out_comparison",
    "lay_out_examples",
    "lay_out_metrics",
    "lay_out_named",
    "lay_out_tasks",
    "limit_rise",
    "list_examples",
    "make_board",
    "name_task",
    "write_html",
    "write_markdown",
]
