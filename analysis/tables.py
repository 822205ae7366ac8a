"""How a table of estimates is shown: on screen and in Markdown as percentages, in files as proportions."""

import math
import re
from collections.abc import Sequence
from enum import StrEnum

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_INTERVAL = ["estimate", "ci_low", "ci_high"]
_HEADINGS = {"n_texts": "texts", "n_refused": "refused", "n_empty": "empty"}


class Format(StrEnum):
    """The forms in which a command prints its table."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"


def percent(value: float, *, signed: bool = False) -> str:
    """Write a proportion as a percentage, or a difference of proportions as signed points.

    Parameters
    ----------
    value : float
        Proportion; nan gives an empty text.
    signed : bool

    Returns
    -------
    str
        With two decimals, as in the paper's tables.
    """
    # Adding 0 makes a rounded -0.0 positive.
    return "" if math.isnan(value) else f"{round(100 * value, 2) + 0.0:{'+' if signed else ''}.2f}"


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """Write an interval of proportions in percent, or an empty text where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{percent(low, signed=signed)}, {percent(high, signed=signed)}]"


def readable(table: pd.DataFrame, *, signed: bool = False) -> pd.DataFrame:
    """Turn a table of estimates into texts for people.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``estimate, ci_low, ci_high`` as proportions.
    signed : bool
        Whether estimates are differences.

    Returns
    -------
    pandas.DataFrame
        The estimate and its interval in percent, all values as texts, missing ones empty.
    """
    shown = pd.DataFrame(index=table.index)
    for name in table.columns:
        if name == "estimate":
            shown["points" if signed else "%"] = [percent(v, signed=signed) for v in table[name]]
            shown["95 % interval"] = [
                interval(low, high, signed=signed) for low, high in zip(table["ci_low"], table["ci_high"], strict=True)
            ]
        elif name not in _INTERVAL:
            heading = _HEADINGS.get(str(name), str(name).replace("_", " "))
            shown[heading] = ["" if pd.isna(v) else f"{v:,}" if isinstance(v, int) else str(v) for v in table[name]]
    return shown


def to_markdown(table: pd.DataFrame) -> str:
    """Write a table of texts in Markdown; bars and line ends in a cell cannot break it."""
    rows = [[_cell(name) for name in table.columns], ["---"] * table.shape[1]]
    rows += [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _cell(value: object) -> str:
    text = re.sub(r"[\\`*~|]", r"\\\g<0>", plain(value))
    # An underscore inside a word is no emphasis, and a bracket alone no link: prefix_strict, [0.00, 1.00].
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text).replace("](", "]\\(")
    return text.replace("&", "&amp;").replace("<", "&lt;")


def plain(value: object) -> str:
    """Write a value as one line of printable characters, so that no name can command a terminal or page."""
    line = " ".join(str(value).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def print_table(table: pd.DataFrame, form: Format, sections: Sequence[str] = ()) -> None:
    """Print a table of estimates to the standard output.

    Parameters
    ----------
    table : pandas.DataFrame
    form : Format
        CSV and JSON keep column names and proportions; the other two are for reading.
    sections : sequence of str
        On screen, a table of its own for each combination of these columns.
    """
    if form is Format.CSV:
        print(table.to_csv(index=False), end="")  # noqa: T201 - the command's result
    elif form is Format.JSON:
        print(table.to_json(orient="records", force_ascii=False, indent=1))  # noqa: T201 - the command's result
    elif form is Format.MARKDOWN:
        print(to_markdown(readable(table)), end="")  # noqa: T201 - the command's result
    else:
        print_readable(readable(table), sections)


def print_readable(shown: pd.DataFrame, sections: Sequence[str] = ()) -> None:
    """Print a table of texts to the standard output, numbers to the right.

    Parameters
    ----------
    shown : pandas.DataFrame
        Of texts, e.g. from `readable`.
    sections : sequence of str
        A table of its own for each combination of these columns.
    """
    if not sections:
        _print_one(shown, None)
        return
    for key, part in shown.groupby(list(sections), sort=False):
        _print_one(part.drop(columns=list(sections)), ", ".join(str(level) for level in key if level))


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
        numeric = shown[name].astype(str).str.match(r"^([-+\[\d].*)?$").all()
        screen.add_column(
            Text(plain(name).replace("_", " ")),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=bool(numeric),
        )
    for row in shown.itertuples(index=False):
        screen.add_row(*(Text(plain(value)) for value in row))
    console = Console()
    console.print(screen)
    console.print()
