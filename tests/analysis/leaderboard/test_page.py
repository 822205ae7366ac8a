"""How a leaderboard and a comparison are shown."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from refusal_metrics.analysis.leaderboard.board import ALL_TASKS, make_board
from refusal_metrics.analysis.leaderboard.comparison import compare_runs, list_examples
from refusal_metrics.analysis.leaderboard.page import (
    Part,
    board_parts,
    comparison_parts,
    lay_out_board,
    lay_out_examples,
    lay_out_metrics,
    lay_out_named,
    lay_out_tasks,
    write_html,
    write_markdown,
)
from refusal_metrics.analysis.responses import load_responses, load_studies, pair_runs

HOSTILE = "<script>alert(1)</script>\u202e{{ 7 * 7 }}|`x`"


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def board(logs, tmp_path):
    """Two models of two tasks, whose names differ before and after a slash."""
    for model, nli in (("acme/parrot", "RAA AAA"), ("zoo/crow", "RRR AAE")):
        logs.write_run(tmp_path, nli, model=model, kind="nli")
        logs.write_run(tmp_path, "AAA", model=model)
    return make_board(load_studies([tmp_path]), np.random.default_rng(0))


@pytest.fixture
def compared(logs, tmp_path):
    def make(new, **described):
        logs.write_run(tmp_path / "old", "AAA " * 8, **described)
        logs.write_run(tmp_path / "new", new, **described)
        pairs = pair_runs(*(load_responses([tmp_path / name], texts=True) for name in ("new", "old")))
        rng = np.random.default_rng(0)
        return compare_runs(pairs, rng, n_flips=199), list_examples(pairs, rng, 3)

    return make


def test_a_board_is_laid_out_in_percent_with_the_interval_of_each_rank(board):
    shown = lay_out_board(board, "nli")
    assert list(shown.columns) == [
        "rank, 95% CI",
        "model",
        "rate (%)",
        "95% CI",
        "other (%)",
        "spread (pp)",
        "95% CI of spread",
        "p of spread",
        "differing",
    ]
    # A screen has no room.
    assert "p of spread" not in lay_out_board(board, "nli", short=True)
    # 1 and 3 of 6 prompts; the crow has an empty answer. Two texts tell nothing apart.
    assert shown["rank, 95% CI"].tolist() == ["1 [1, 2]", "2 [1, 2]"]
    assert shown["model"].tolist() == ["acme/parrot", "zoo/crow"]
    assert shown["rate (%)"].tolist() == ["16.67", "50.00"]
    assert shown["other (%)"].tolist() == ["0.0", "16.7"]
    assert shown["differing"].tolist() == ["0/3", "0/3"]


def test_names_are_short_only_where_that_distinguishes_models(board):
    assert lay_out_board(board, ALL_TASKS, short=True)["model"].tolist() == ["parrot", "crow"]
    board.table["model"] = board.table["model"].replace({"zoo/crow": "zoo/parrot"})
    assert lay_out_board(board, ALL_TASKS, short=True)["model"].tolist() == ["acme/parrot", "zoo/parrot"]


def test_tasks_are_side_by_side_with_their_ranks(board):
    shown = lay_out_tasks(board)
    assert shown.to_dict("list") == {
        "model": ["acme/parrot", "zoo/crow"],
        "NLI": ["16.67 (1)", "50.00 (2)"],
        "Offensiveness": ["0.00 (1)", "0.00 (1)"],
    }


def test_other_metrics_are_cut_into_tables_that_fit_a_screen(board):
    names = tuple(f"a_long_benchmark_{i}/acc" for i in range(4))
    for name in names:
        board.table[name], board.table[f"{name}_stderr"] = 0.5, [0.01] * 3 + [np.nan] * 3
    object.__setattr__(board, "metrics", names)
    tables = list(lay_out_metrics(board))
    assert len(tables) == 2
    assert sum(table.shape[1] - 1 for table in tables) == 4
    assert tables[0].iloc[0, 1] == "0.500 ± 0.010"


def test_personas_that_differ_are_listed_by_their_names(board):
    # In the table, as in CSV, ids; a persona of the user has only its id.
    found = "non_binary +12.00, my_uncle -3.00"
    table = board.table.assign(differing_personas_list=np.where(board.table["task"] == "nli", found, ""))
    (part,) = (part for part in board_parts(replace(board, table=table)) if part.heading == "Personas that differ")
    assert part.table["personas"].tolist() == ["Non-binary +12.00, my_uncle -3.00"] * 2
    assert part.table["task"].tolist() == ["NLI"] * 2


def test_a_page_holds_no_script_and_asks_for_nothing(board):
    text = write_html("Board", board.notes, board_parts(board))
    page = Page(text)
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name in {"src", "href"} or name.startswith("on")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'") in (
        page.attributes
    )
    assert not re.search(r"https?://", text)


def test_names_are_text_whatever_they_hold(board):
    board.table["model"] = board.table["model"].replace({"zoo/crow": HOSTILE})
    parts = [*board_parts(board), Part(HOSTILE, (HOSTILE,), folded=((HOSTILE, HOSTILE),))]
    text = write_html(HOSTILE, [HOSTILE], parts)
    page = Page(text)
    assert "script" not in page.tags
    assert "\u202e" not in text
    assert "49" not in "".join(page.texts).replace("{{ 7 * 7 }}", "")
    # As the heading of the page and its title, a note, a model in three tables, and three times in the last part;
    # its long text keeps its lines, and says which characters it holds.
    assert "".join(page.texts).count("<script>alert(1)</script>\N{REPLACEMENT CHARACTER}{{ 7 * 7 }}|`x`") == 9
    markdown = write_markdown(HOSTILE, [HOSTILE], parts)
    kinds = {token.type for token in MarkdownIt("commonmark").enable("table").parse(markdown)}
    assert "html_block" not in kinds
    assert "code_block" not in kinds


def test_a_figure_stands_in_the_page_as_it_is():
    text = write_html("Board", (), [Part("Families", figure='<svg><text x="1">a</text></svg>')])
    assert '<figure tabindex="0" role="img" aria-label="Families"><svg><text x="1">a</text></svg></figure>' in text
    assert "![Families](<f/a.svg>)" in write_markdown("Board", (), [Part("Families", figure="<svg/>")], "f/a.svg")


def test_personas_that_changed_are_named_with_their_groups(compared):
    # 8 of 8 texts one way: 2 in 256, for 3 personas 6 in 256.
    said, named = lay_out_named(compared("RAA " * 8)[0])
    assert said == "2 of 6 changes of a persona or persona group are significant (adjusted p at most 0.05)."
    assert named["persona"].tolist() == ["(all)", "Woman"]
    assert named["change (pp)"].tolist() == ["+100.00"] * 2


def test_the_page_of_a_comparison_folds_its_prompts(compared):
    comparison, examples = compared("RAA " * 8, kind="nli")
    text = write_html("Two runs", comparison.notes, comparison_parts(comparison, examples))
    assert text.count("<details>") == 3
    assert "<pre>Given a premise and a hypothesis, would a woman classify" in text
    headings = [part.heading for part in comparison_parts(comparison, examples)]
    assert headings[-2:] == ["Changes of outcomes", "Examples"]


def test_the_page_of_runs_that_are_alike_has_no_changes(compared):
    headings = [part.heading for part in comparison_parts(*compared("AAA " * 8))]
    assert headings == ["Refusal rates: new run minus baseline", "Personas and persona groups"]


def test_a_long_response_is_shortened(compared):
    _, examples = compared("RAA " * 8, kind="nli")
    examples["response"] = "word " * 1000
    examples.loc[0, "response_before"] = None
    shown = lay_out_examples(examples, longest=9)
    assert shown["now"].tolist() == ["refusal: word word…"] * 3
    assert shown.loc[0, "before"] == "answer: (not read)"
    assert isinstance(shown, pd.DataFrame)
