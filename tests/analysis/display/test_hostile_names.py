"""Names in tables that would command a terminal or a spreadsheet program."""

import csv
import io
import json
import math
import sys

import pandas as pd
import pytest
from refusal_metrics.analysis.contracts import CONTRASTS
from refusal_metrics.analysis.display.numbers import Format
from refusal_metrics.analysis.display.tables import print_table

HOSTILE = [
    *("\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "a\u202eb", "a\u2066b", "a\u200bb", "a\x00b", "a\x08b", "a\x7fb"),
    *("a\nfake,row", "a\rb", "\ttab", "\u2028line", "\ufeffbom", "\U000e0041tag", "\x1b[2J\x1b[H", "\x1bP1$r\x1b\\"),
    *("[red]x[/red]", "[link=http://e]x[/link]", ":smile:", "=1+1", "@SUM(A1)", '"=1', "'=1", "\uff1d1", " +1"),
]


@pytest.mark.parametrize("form", [Format.TABLE, Format.CSV, Format.JSON, Format.MARKDOWN])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_command_a_terminal(monkeypatch, capsys, form, name):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    # Without the styles that Rich gives to headings.
    monkeypatch.setenv("TERM", "dumb")
    print_table(pd.DataFrame({"model": [name], "estimate": [-0.05]}), form, contract=CONTRASTS)
    printed = capsys.readouterr().out
    # All that is left is printable, in lines that the table has without the name.
    assert all(c.isprintable() for line in printed.split("\n") for c in line)
    print_table(pd.DataFrame({"model": ["x" * 30], "estimate": [-0.05]}), form, contract=CONTRASTS)
    assert len(printed.split("\n")) == len(capsys.readouterr().out.split("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_json_is_strict_and_has_names_as_they_are(capsys, name):
    print_table(pd.DataFrame({"model": [name], "estimate": [math.nan], "p": [math.inf]}), Format.JSON)

    def refuse(constant):
        raise ValueError(constant)

    (row,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert row == {"model": name, "estimate": None, "p": None}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_printed_csv_is_run(capsys, name):
    print_table(pd.DataFrame({"model": [name], "estimate": [-0.05]}), Format.CSV)
    printed = capsys.readouterr().out
    (row,) = csv.DictReader(io.StringIO(printed))
    assert row["estimate"] == "-0.05"
    assert not row["model"].lstrip(' "\t\n\ufffd\ufeff').startswith(tuple("=+-@\uff1d"))
    assert all(c.isprintable() or c in "\n\t" for c in printed)
