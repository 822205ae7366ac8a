"""How a table of estimates is shown: on screen and in Markdown as percentages, in files as proportions."""

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

from .numbers import Format, escape, interval, number, p_text, percent, plain
from .spreadsheets import to_csv

_HEADINGS = {
    "n_texts": "texts",
    "n_refused": "refused",
    "n_labelled": "labelled",
    "n_false": "false",
    "n_missed": "missed",
    "n_answer": "answered",
    "n_other": "other",
    "n_empty": "empty",
    "n_unjudged": "unjudged",
    "n_truncated": "truncated",
    "n_provider": "by provider",
    "n_levels": "levels",
    "n_baseline": "n of baseline",
    "n_refused_baseline": "refused of baseline",
    "p_value": "p",
    "p_adjusted": "adjusted p",
    "mde": "detectable",
    "null_mean": "by chance",
    "iota_corrected": "corrected",
}
_INTERVALS = {
    "ci_low": ("ci_high", "95 % interval"),
    "uncorrected_low": ("uncorrected_high", "95 % uncorrected"),
    "or_low": ("or_high", "95 % of ratio"),
    "equiv_low": ("equiv_high", "90 % interval"),
}
_DIFFERENCES = frozenset({"mde", "equiv_low", "equiv_high"})
"""Columns of contrasts that are shown as percentages where the estimate is."""
_PROPORTIONS = frozenset(
    {"estimate", "observed", "expected", "separation", "corrected", "uncorrected", "published"}
) | {
    *("texts_changed", "refusals_changed"),
}
_RARE = ("n_unjudged", "n_truncated", "n_provider")
"""Counts that are shown to people only if one of them is above 0."""
_COUNTS = frozenset(
    {
        *_RARE,
        *("n", "n_texts", "n_refused", "n_answer", "n_other", "n_empty", "n_levels", "n_baseline"),
        *("n_refused_baseline", "n_labelled", "n_false", "n_missed", "df"),
    }
)


def readable(table: pd.DataFrame, *, signed: bool = False) -> pd.DataFrame:
    """Turn a table of estimates into texts for people.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy, its columns named as in the project's tables. Where there is a column ``estimate`` it
        and its interval are proportions; else intervals are on the scale of what they follow.
    signed : bool
        Whether estimates are differences.

    Returns
    -------
    pandas.DataFrame
        Proportions in percent, an interval in one column, all values as texts, missing ones empty.
        Counts of responses that were unjudged, truncated or refused by the provider are left out if all are 0.
    """
    proportions = "estimate" in table
    table = table.drop(columns=[name for name in _RARE if name in table and not table[name].fillna(0).any()])
    shown = pd.DataFrame(index=table.index)
    ends = {high for high, _ in _INTERVALS.values()}
    for column in table.columns:
        name, values = str(column), table[column]
        if name in ends:
            continue
        if name in _INTERVALS:
            high, heading = _INTERVALS[name]
            write = _interval_writer(percents=proportions and not name.startswith("or_"), signed=signed)
            shown[heading] = [write(a, b) for a, b in zip(values, table[high], strict=True)]
        elif name == "estimate":
            shown["points" if signed else "%"] = [percent(v, signed=signed) for v in values]
        else:
            shown[_heading(name)] = [_text(name, v, proportions=proportions, signed=signed) for v in values]
    return shown


def _heading(column: str) -> str:
    return _HEADINGS.get(column, column.replace("_", " "))


def _interval_writer(*, percents: bool, signed: bool) -> Callable[[float, float], str]:
    if percents:
        return lambda low, high: interval(low, high, signed=signed)

    def write(low: float, high: float) -> str:
        if math.isnan(low) and math.isnan(high):
            return ""
        return f"[{'?' if math.isnan(low) else number(low)}, {'?' if math.isnan(high) else number(high)}]"

    return write


def _text(name: str, value: object, *, proportions: bool, signed: bool) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if isinstance(value, int | np.integer) or (name in _COUNTS and isinstance(value, float)):
        return f"{int(value):,}"
    return _float_text(name, value, proportions=proportions, signed=signed) if isinstance(value, float) else str(value)


def _float_text(name: str, value: float, *, proportions: bool, signed: bool) -> str:
    if name.startswith("p_"):
        return p_text(value)
    if name == "mde" and value > 1:
        return ">100"
    in_percent = name in _PROPORTIONS or (proportions and (name in _DIFFERENCES or name == "null_mean"))
    # Beside a difference stands the same difference before it was corrected.
    return percent(value, signed=signed and name == "uncorrected") if in_percent else number(value)


def to_markdown(table: pd.DataFrame) -> str:
    """Write a table of texts in Markdown; bars and line ends in a cell cannot break it."""
    rows = [[escape(name) for name in table.columns], ["---"] * table.shape[1]]
    rows += [[escape(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def print_table(
    table: pd.DataFrame,
    form: Format,
    sections: Sequence[str] = (),
    *,
    signed: bool = False,
    columns: Sequence[str] | None = None,
) -> None:
    """Print a table of estimates to the standard output.

    Parameters
    ----------
    table : pandas.DataFrame
    form : Format
        CSV and JSON keep column names and proportions; the other two are for reading. In CSV no cell is
        a formula, see `refusal_metrics.analysis.display.spreadsheets`; JSON has all texts as they are.
    sections : sequence of str
        On screen, a table of its own for each combination of these columns.
    signed : bool
        Whether estimates are differences.
    columns : sequence of str, optional
        Those that are shown on screen; by default all.
    """
    if form is Format.CSV:
        print(to_csv(_on_one_line(table) if sys.stdout.isatty() else table), end="")  # noqa: T201 - the result
    elif form is Format.JSON:
        on_terminal = sys.stdout.isatty()
        written = table.to_json(orient="records", force_ascii=on_terminal, indent=1, double_precision=15)
        # On a terminal what is not printable ASCII is escaped, for some of it would be obeyed.
        print(written.replace("\x7f", "\\u007f") if on_terminal else written)  # noqa: T201 - the same
    elif form is Format.MARKDOWN:
        print(to_markdown(readable(table, signed=signed)), end="")  # noqa: T201 - the same
    else:
        shown = table if columns is None else table[[c for c in table.columns if c in {*columns, *sections}]]
        print_readable(readable(shown, signed=signed), [_heading(name) for name in sections])


def _on_one_line(table: pd.DataFrame) -> pd.DataFrame:
    """Write texts so that none can command a terminal, or look like a row of its own."""
    return table.map(lambda value: plain(value) if isinstance(value, str) else value)


def print_readable(shown: pd.DataFrame, sections: Sequence[str] = ()) -> None:
    """Print a table of texts to the standard output, numbers to the right.

    Parameters
    ----------
    shown : pandas.DataFrame
        Of texts, e.g. from `readable`.
    sections : sequence of str
        A table of its own for each combination of these columns; where all are empty it is of the
        whole study.
    """
    if not sections:
        _print_one(shown, None)
        return
    for key, part in shown.groupby(list(sections), sort=False):
        levels = ", ".join(str(level) for level in key if level)
        _print_one(part.drop(columns=list(sections)), levels or "The whole study")


def _broken(name: str, values: Iterable[object]) -> str:
    """Break a heading so that it is no wider than its column needs to be."""
    width = max([cell_len(plain(value)) for value in values], default=0)
    return "\n".join(textwrap.wrap(name, max(width, *map(len, name.split())))) if name.strip() else name


def _print_one(shown: pd.DataFrame, title: str | None) -> None:
    # Text, because names come from files and must not be read as Rich's markup.
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
