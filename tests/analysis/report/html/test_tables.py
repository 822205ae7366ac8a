"""Tables on a page: texts for people, bounded, the rows that matter first."""

import pandas as pd
from refusal_metrics.analysis.report.html import tables as html_tables
from refusal_metrics.analysis.report.html.tables import lay_out, lay_out_tables


def rates(n=1, **columns):
    row = {
        "model": "m",
        "task": "nli",
        "setting": "persona",
        "rule": "prefix",
        "estimate": 0.125,
        "ci_low": 0.1,
        "ci_high": 0.15,
        "n": 1200,
        "n_texts": 30,
        "n_refused": 150,
    }
    return pd.DataFrame([row | columns] * n)


def test_proportions_are_percentages_and_an_interval_is_one_column():
    table = lay_out("tables/rates.csv", rates(), "prefix")
    assert [column["name"] for column in table.columns][4:] == ["rate (%)", "95% CI", "n", "texts", "refused"]
    assert table.rows == [["m", "NLI", "persona", "prefix", "12.50", "[10.00, 15.00]", "1,200", "30", "150"]]
    assert [column["numeric"] for column in table.columns] == [False] * 4 + [True] * 5
    assert table.file == "tables/rates.csv"


def test_a_difference_has_its_sign():
    table = lay_out("tables/contrasts.csv", rates(), "prefix")
    assert table.rows[0][4] == "+12.50"


def test_a_big_table_is_bounded_the_reports_rule_first_and_the_surest_differences(monkeypatch):
    monkeypatch.setattr(html_tables, "MOST_ROWS", 3)
    rows = [("other", 0.001), ("own", 0.9), ("own", 0.01), ("own", 0.5), ("other", 0.002)]
    table = pd.concat([rates(rule=rule, p_adjusted=p) for rule, p in rows], ignore_index=True)
    laid = lay_out("tables/contrasts.csv", table, "own")
    assert laid.n == 5
    assert [row[3] for row in laid.rows] == ["own"] * 3
    assert [row[-1] for row in laid.rows] == [".010", ".500", ".900"]


def test_a_table_that_fits_keeps_its_order():
    table = pd.concat([rates(rule="other"), rates(rule="own")], ignore_index=True)
    assert [row[3] for row in lay_out("tables/rates.csv", table, "own").rows] == ["other", "own"]


def test_tables_stand_in_groups_and_empty_ones_are_left_out():
    files = {"tables/outcomes.csv": rates(), "tables/contrasts.csv": rates(), "tables/rates.csv": rates()}
    laid = lay_out_tables({**files, "tables/trend.csv": rates().head(0)}, "prefix")
    assert [(table.group, table.name) for table in laid] == [
        ("Rates", "rates"),
        ("Differences", "contrasts"),
        ("Responses", "outcomes"),
    ]


def test_a_table_of_the_paper_is_shown_as_it_is():
    table = lay_out("tables/paper/table1_prefix.csv", pd.DataFrame({"Model": ["a", None], "NLI": ["1.0", "2.0"]}), "x")
    assert (table.group, table.title) == ("The paper", "table1 prefix")
    assert table.rows == [["a", "1.0"], ["", "2.0"]]


def test_names_in_cells_are_visible_and_cut():
    table = lay_out("tables/rates.csv", rates(model="a\u202eb" + "c" * 500), "prefix")
    assert table.rows[0][0].startswith("a\\u202ebccc")
    assert "[... cut here: 508 characters in all]" in table.rows[0][0]
