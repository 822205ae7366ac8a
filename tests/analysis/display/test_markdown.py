"""Tables in Markdown, also where names are hostile."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from refusal_metrics.analysis.display.tables import to_markdown


def render(markdown):
    """Read a Markdown table as a browser would: its rows of plain texts, and the kinds of all inline tokens."""
    rows, kinds = [], set()
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append("".join(child.content for child in token.children))
            kinds |= {child.type for child in token.children}
        else:
            kinds |= {token.type} - TABLE_TOKENS
    return rows, kinds


TABLE_TOKENS = {f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")}


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("a|b", r"a\|b"),
        ("a\nb", "a b"),
        ("a\r\n\n# b", "a # b"),
        ("a\\b", r"a\\b"),
        ("a\\|b", r"a\\\|b"),
        ("<script>", "&lt;script>"),
    ],
)
def test_what_could_break_a_markdown_table_is_escaped(cell, written):
    assert to_markdown(pd.DataFrame({"x": [cell]})).splitlines()[2] == f"| {written} |"


NAMES = [
    "a|b",
    "a\\b",
    "<script>alert(1)</script>",
    "a <b> c",
    "`a",
    "a`|`b",
    "`a`",
    "*a*",
    "__a__",
    "[a](http://example.org)",
    "![a](http://example.org/a.png)",
    "&lt;",
    "__work__main__.cache__parrot",  # the folder of a model given by path
]


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_of_a_markdown_table_reads_as_what_it_holds_and_nothing_else(name):
    rows, kinds = render(to_markdown(pd.DataFrame({"x": [name], "y": ["end"]})))
    assert rows == [["x", "y"], [name, "end"]]
    assert kinds <= {"text", "text_special"}


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("|`\\<>\n\r*[]()!&"), max_size=8), min_size=1
    )
)
def test_no_cell_can_change_the_shape_of_a_markdown_table_or_bring_html(names):
    table = pd.DataFrame({"name": names, "n": ["7"] * len(names)})
    rows, kinds = render(to_markdown(table))
    assert [len(row) for row in rows] == [2] * (1 + len(names))
    assert [row[1] for row in rows] == ["n", *["7"] * len(names)]
    assert not {kind for kind in kinds if kind.startswith("html")}
