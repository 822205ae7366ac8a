"""Tables of estimates: percentages on screen and in Markdown, proportions in files."""

import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..columns import NAMED, STANDARDISED, STATES, UNDETERMINED, name_rule
from ..contracts import INTERVALS, PLAIN, Contract
from .levels import name_levels
from .numbers import Format, escape, interval, number, p_text, percent, plain
from .spreadsheets import to_csv

_RARE = STATES
"""Counts that are shown to people only if one of them is above 0."""
_BOUNDS = ("refusal_rate_low", "refusal_rate_high")
"""Columns that are shown to people only if a response was unjudged or truncated."""
_WHOLE = frozenset({"n", "df", "rank", "rank_low", "rank_high", "tp", "fp", "fn", "tn"})
"""Whole numbers besides the columns that begin with n_; pandas converts them to floats if one is missing."""


def readable(table: pd.DataFrame, contract: Contract = PLAIN) -> pd.DataFrame:
    """Format a table of estimates for people.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy; columns that the contract does not have are shown as they are.
    contract : Contract
        Defines which columns are shares, differences or signed, and their headings.

    Returns
    -------
    pandas.DataFrame
        Shares in percent and differences in percentage points, an interval in one column, all values as texts,
        missing ones empty. Counts of responses that were unjudged, truncated or refused by the provider are left out
        if all are 0, and so are bounds of rates if none was unjudged or truncated, and class-standardised rates if no
        row has one.
    """
    left_out = [name for name in _RARE if name in table and not table[name].fillna(0).any()]
    if {*UNDETERMINED} <= {*left_out}:
        left_out += [name for name in _BOUNDS if name in table]
    if not any(table[name].notna().any() for name in STANDARDISED if name in table):
        left_out += [name for name in STANDARDISED if name in table]
    table = name_levels(table.drop(columns=left_out))
    ends = {high for low, (high, _) in INTERVALS.items() if low in table}
    shown: dict[str, list[str]] = {}
    for column in table.columns:
        name, values = str(column), table[column]
        if name in ends:
            continue
        if name in INTERVALS:
            high, heading = INTERVALS[name]
            write = _interval_writer(contract, name)
            texts = [write(a, b) for a, b in zip(values, table[high], strict=True)]
        else:
            heading, texts = contract.heading(name), [_text(name, value, contract) for value in values]
        # A user's column can have the name of another column's heading.
        shown[name if heading in shown else heading] = texts
    return pd.DataFrame(shown, index=table.index)


def show_selected(table: pd.DataFrame) -> pd.DataFrame:
    """Replace the confidence intervals of significant estimates by those that are adjusted for the selection.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns ``estimate, ci_low, ci_high, estimate_shrunken, ci_low_named, ci_high_named``.

    Returns
    -------
    pandas.DataFrame
        Without ``ci_low, ci_high``, the last three after ``estimate``; without shrunken estimates if there are none.
    """
    columns = [str(name) for name in table if name not in {"ci_low", "ci_high", *NAMED}]
    after = columns.index("estimate") + 1
    shown = table[[*columns[:after], *NAMED, *columns[after:]]]
    return shown.drop(columns="estimate_shrunken") if table["estimate_shrunken"].isna().all() else shown


def _interval_writer(contract: Contract, name: str) -> Callable[[float, float], str]:
    if name in contract.shares | contract.differences:
        signed = name in contract.signed
        return lambda low, high: interval(low, high, signed=signed)

    def write(low: float, high: float) -> str:
        if math.isnan(low) and math.isnan(high):
            return ""
        return f"[{'?' if math.isnan(low) else number(low)}, {'?' if math.isnan(high) else number(high)}]"

    return write


def _text(name: str, value: object, contract: Contract) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    is_whole = name in _WHOLE or name.startswith("n_") or name == "differing_personas"
    if isinstance(value, int | np.integer) or (is_whole and isinstance(value, float)):
        return f"{int(value):,}"
    if isinstance(value, float):
        return _float_text(name, value, contract)
    return name_rule(str(value)) if name == "rule" else str(value)


def _float_text(name: str, value: float, contract: Contract) -> str:
    if name in ("p_value", "p_adjusted"):
        return p_text(value)
    if name.startswith("mde") and value > 1:
        return ">100"
    if name in contract.shares | contract.differences:
        return percent(value, signed=name in contract.signed)
    return number(value)


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table of texts as Markdown; bars and line ends in a cell are escaped."""
    rows = [[escape(name) for name in table.columns], ["---"] * table.shape[1]]
    rows += [[escape(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def print_table(
    table: pd.DataFrame,
    form: Format,
    sections: Sequence[str] = (),
    *,
    contract: Contract = PLAIN,
    columns: Sequence[str] | None = None,
) -> None:
    """Print a table of estimates to the standard output.

    Parameters
    ----------
    table : pandas.DataFrame
    form : Format
        CSV and JSON keep column names and proportions; the other two are for people. In CSV, no cell is a formula, see
        `refusal_metrics.analysis.display.spreadsheets`; JSON has all texts unchanged.
    sections : sequence of str
        On screen, a separate table for each combination of these columns.
    contract : Contract
        See `readable`.
    columns : sequence of str, optional
        The columns shown on screen; by default all.
    """
    if form is Format.CSV:
        print(to_csv(_on_one_line(table) if sys.stdout.isatty() else table), end="")  # noqa: T201 - the result
    elif form is Format.JSON:
        on_terminal = sys.stdout.isatty()
        written = table.to_json(orient="records", force_ascii=on_terminal, indent=1, double_precision=15)
        # On a terminal, all but printable ASCII is escaped, because control sequences would be obeyed.
        print(written.replace("\x7f", "\\u007f") if on_terminal else written)  # noqa: T201 - the same
    elif form is Format.MARKDOWN:
        print(to_markdown(readable(table, contract)), end="")  # noqa: T201 - the same
    else:
        shown = table if columns is None else table[[c for c in table.columns if c in {*columns, *sections}]]
        print_readable(readable(shown, contract), [contract.heading(name) for name in sections])


def _on_one_line(table: pd.DataFrame) -> pd.DataFrame:
    """Make texts safe for a terminal, so that none can control it or look like another row."""
    return table.map(lambda value: plain(value) if isinstance(value, str) else value)


def print_readable(shown: pd.DataFrame, sections: Sequence[str] = ()) -> None:
    """Print a table of texts to the standard output, numbers to the right.

    Parameters
    ----------
    shown : pandas.DataFrame
        Of texts, e.g. from `readable`.
    sections : sequence of str
        A separate table for each combination of these columns; if all are empty, it is for the whole study.
    """
    if not sections:
        _print_one(shown, None)
        return
    for key, part in shown.groupby(list(sections), sort=False):
        levels = ", ".join(str(level) for level in key if level)
        _print_one(part.drop(columns=list(sections)), levels or "The whole study")


def _broken(name: str, values: Iterable[object]) -> str:
    """Break a heading into lines that fit the width of its column."""
    width = max([cell_len(plain(value)) for value in values], default=0)
    return "\n".join(textwrap.wrap(name, max(width, *map(len, name.split())))) if name.strip() else name


def _print_one(shown: pd.DataFrame, title: str | None) -> None:
    # Text, because names come from files and must not be interpreted as Rich markup.
    screen = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        title=Text(plain(title)) if title else None,
        title_justify="left",
        title_style="bold",
    )
    for name in shown.columns:
        numeric = shown[name].astype(str).str.match(r"^([-+<.∞\[\d].*)?$").all()
        screen.add_column(
            Text(_broken(plain(name).replace("_", " "), shown[name])),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=bool(numeric),
        )
    for row in shown.itertuples(index=False):
        screen.add_row(*(Text(plain(value)) for value in row))
    console = Console()
    console.print(screen)
    console.print()
