"""How numbers, tables and untrusted text are shown to people.

`print_table` prints a table of results in a `Format`, and `readable` turns it into texts; `percent`, `interval` and
`plain` write single numbers and names. Text of others passes through `visible` on a page and `guard` in a spreadsheet.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .html import clip, embed, load_template, visible
    from .levels import name_levels
    from .numbers import Format, escape, interval, number, p_text, percent, plain, points
    from .sentences import counted
    from .spreadsheets import guard, guard_in_sql, seen, to_csv, unguard, unguard_in_sql
    from .tables import print_readable, print_table, readable, show_selected, to_markdown
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "html": ["clip", "embed", "load_template", "visible"],
            "levels": ["name_levels"],
            "numbers": ["Format", "escape", "interval", "number", "p_text", "percent", "plain", "points"],
            "sentences": ["counted"],
            "spreadsheets": ["guard", "guard_in_sql", "seen", "to_csv", "unguard", "unguard_in_sql"],
            "tables": ["print_readable", "print_table", "readable", "show_selected", "to_markdown"],
        },
    )

__all__ = [
    "Format",
    "clip",
    "counted",
    "embed",
    "escape",
    "guard",
    "guard_in_sql",
    "interval",
    "load_template",
    "name_levels",
    "number",
    "p_text",
    "percent",
    "plain",
    "points",
    "print_readable",
    "print_table",
    "readable",
    "seen",
    "show_selected",
    "to_csv",
    "to_markdown",
    "unguard",
    "unguard_in_sql",
    "visible",
]
