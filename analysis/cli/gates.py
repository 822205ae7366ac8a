"""The result of a gate on the terminal, in JSON, and as an exit code."""

# The analysis is imported inside the functions, so that help does not wait for pandas and DuckDB.
# ruff: noqa: PLC0415

import io
import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import typer

from ..display import Format
from .console import say

if TYPE_CHECKING:
    import pandas as pd

    from ..contracts import Contract
    from ..gates import Gate


def print_gate(gate: "Gate | None", form: Format) -> None:
    """Print the verdict of a gate, and what failed or is not known.

    Parameters
    ----------
    gate : Gate or None
        None if there is none.
    form : Format
        The verdict is a result, and is printed to the standard output before a table for people; CSV has no place for
        it, so it is printed to the standard error.
    """
    from ..display import escape, plain

    if gate is None or form is Format.JSON:
        return
    if form is Format.CSV:
        say([gate.line, *gate.details])
        return
    if form is Format.MARKDOWN:
        print(f"**{escape(gate.line)}**\n")  # noqa: T201 - the command's result
    else:
        print(f"{plain(gate.line)}\n")  # noqa: T201 - the command's result
    say(gate.details)


def print_gated(table: "pd.DataFrame", form: Format, gate: "Gate | None", *, contract: "Contract") -> None:
    """Print a table for programs; with a gate, JSON is an object of the gate and the rows of the table.

    Parameters
    ----------
    table : pandas.DataFrame
    form : Format
    gate : Gate or None
    contract : Contract
    """
    from ..display import print_table

    print_gate(gate, form)
    if gate is None or form is not Format.JSON:
        print_table(table, form, contract=contract)
        return
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_table(table, form, contract=contract)
    on_terminal = sys.stdout.isatty()
    found = {"gate": gate.to_dict(), "rows": json.loads(printed.getvalue())}
    written = json.dumps(found, indent=1, allow_nan=False, ensure_ascii=on_terminal)
    # On a terminal, all but printable ASCII is escaped, because control sequences would be obeyed.
    print(written.replace("\x7f", "\\u007f") if on_terminal else written)  # noqa: T201 - the command's result


def end_gate(gate: "Gate | None") -> None:
    """End the command with the exit code of a gate, if it did not pass."""
    if gate is not None and gate.exit_code:
        raise typer.Exit(gate.exit_code)
