"""The report, from sample logs to files: what is in it, and what cannot break it."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.regression.fit import COLUMNS
from refusal_metrics.analysis.figures import Figure, draw_figures
from refusal_metrics.analysis.labels import item_id
from refusal_metrics.analysis.report import write as report_module
from refusal_metrics.analysis.report.html import bundle as html_files
from refusal_metrics.analysis.report.html import page as html_page
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import estimate_responses, main_table, write_report
from refusal_metrics.analysis.responses import load_responses, read_responses

from refusal_metrics.errors import InputError

STUDY = ["model", "task", "setting"]
CONTRACT = {
    "rates": [*STUDY, "rule", *contracts.RATES.estimates],
    "rates_by_persona": [*STUDY, "persona_group", "persona", "rule", *contracts.RATES.estimates],
    "rates_by_response_type": [*STUDY, "response_type", "rule", *contracts.RATES.estimates],
    "rates_by_template": [*STUDY, "template", "rule", *contracts.RATES.estimates],
    "rates_by_stratum": [*STUDY, "stratum", "rule", *contracts.RATES.estimates],
    "rates_by_model": ["model", "setting", "rule", *contracts.RATES_BY_MODEL.estimates],
    "contrasts": ["model", "task", "baseline", "rule", *contracts.CONTRASTS.estimates],
    "contrasts_by_persona": ["model", "task", "persona", "baseline", "rule", *contracts.CONTRASTS.estimates],
    "persona_spread": ["model", "task", "rule", *contracts.SPREAD.estimates],
    "counts_by_persona": [*STUDY, "persona", "n"],
    "counts_by_template": [*STUDY, "template", "n"],
    "outcomes": [*STUDY, "n_answer", "n_refused", "n_other", "n_empty", "n_truncated", "n_unjudged", "n"],
}
OF_PERSONAS = {
    "persona_differences": ["model", "task", "persona", "baseline", "rule", *contracts.PERSONA_DIFFERENCES.estimates],
    "sensitivity": [*contracts.SENSITIVITY.keys, *contracts.SENSITIVITY.estimates],
    "deviations": [*contracts.DEVIATIONS.keys, *contracts.DEVIATIONS.estimates],
    "interactions": [*contracts.INTERACTIONS.keys, *contracts.INTERACTIONS.estimates],
    "variance_components": [*contracts.VARIANCE_COMPONENTS.keys, *contracts.VARIANCE_COMPONENTS.estimates],
    "regression": list(COLUMNS),
    "regression_wald": ["factor", "statistic", "df", "p_value"],
    "regression_effects": ["factor", "level", "estimate", "ci_low", "ci_high"],
}
FEW = ReportOptions(n_replicates=20)
RATES = [name for name in CONTRACT if name.startswith("rates") and name != "rates_by_model"]


@pytest.fixture(scope="module", autouse=True)
def without_html():
    """Leave out the page and its figures, which take seconds; tests that ask for `html` have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_files, "write_html", lambda _: "<!doctype html>")
        patch.setattr(html_files, "draw_figures", lambda *_: [])
        yield


@pytest.fixture
def html(monkeypatch, two_figures):  # noqa: ARG001 - the fixture is used by what it changes
    """Write pages and figures; not the charts' library, which takes seconds to make and is the same in each."""
    monkeypatch.setattr(html_page, "_bundle", lambda: "window.vegaEmbed = null;")
    monkeypatch.setattr(html_files, "write_html", html_page.write_html)
    monkeypatch.setattr(html_files, "draw_figures", draw_figures)


class Page:
    """A report as a browser would show it: headings, paragraphs and tables under each, in plain text."""

    def __init__(self, out):
        self.headings, self.paragraphs, self.tables, self.kinds = [], {}, {}, set()
        kind = None
        for token in MarkdownIt("commonmark").enable("table").parse((out / "report.md").read_text(encoding="utf-8")):
            self.kinds.add(token.type)
            if token.type in {"heading_open", "paragraph_open", "th_open", "td_open"}:
                kind = token.type
            elif token.type == "table_open":
                self.tables[self.headings[-1]].append([])
            elif token.type == "tr_open":
                self.tables[self.headings[-1]][-1].append([])
            elif token.type == "inline":
                self.kinds |= {child.type for child in token.children}
                self._add(kind, "".join(child.content or " " for child in token.children).strip())

    def _add(self, kind, text):
        if kind == "heading_open":
            self.headings.append(text)
            self.paragraphs[text], self.tables[text] = [], []
        elif kind == "paragraph_open":
            self.paragraphs[self.headings[-1]].append(text)
        else:
            self.tables[self.headings[-1]][-1][-1].append(text)


def report(results, out):
    """Write the report of a results folder; gives its page and its tables as they are read from the files."""
    write_report(load_responses([results]), out, FEW)
    return Page(out), {path.stem: pd.read_csv(path) for path in (out / "tables").iterdir()}


def contents(folder):
    """Give all files of a folder, hidden ones too, with what they hold."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def small(logs, tmp_path_factory):
    """One model, one task, three settings of two texts asked three times; the numbers can be counted in the letters."""
    results = tmp_path_factory.mktemp("small") / "results"
    logs.write_run(results, "RNA RAA", setting="persona")
    logs.write_run(results, "RAA NEA", setting="neutral")
    logs.write_run(results, "AAA RAA", setting="persona-free")
    return results


@pytest.fixture(scope="module")
def small_report(small, tmp_path_factory):
    return report(small, tmp_path_factory.mktemp("report") / "out")


@pytest.fixture
def write(small, small_estimates, monkeypatch):
    """Write the small study's report into a folder, its tables being computed once: for tests of the folder."""
    responses = load_responses([small])
    monkeypatch.setattr(report_module, "estimate_responses", lambda *_: small_estimates)
    return lambda out, **options: write_report(responses, out, **options)


@pytest.fixture(scope="module")
def small_estimates(small):
    return estimate_responses(load_responses([small]), FEW)


@pytest.fixture(scope="module")
def small_tables(small_estimates):
    return small_estimates.tables


# The tables.


def test_every_table_of_the_contract_is_written_with_its_columns_and_no_other(small_report):
    assert {name: list(table) for name, table in small_report[1].items()} == CONTRACT | OF_PERSONAS


def test_the_tables_in_the_files_are_those_that_are_returned(write, tmp_path):
    returned = write(tmp_path / "out")
    for name, table in returned.tables.items():
        assert (tmp_path / "out" / "tables" / f"{name}.csv").read_text(encoding="utf-8") == table.to_csv(index=False)


def test_tables_hold_all_rules_as_proportions(small_report):
    rates = small_report[1]["rates"].set_index(["rule", "setting"])["estimate"]
    # Letters: RNA RAA, RAA NEA, AAA RAA; N counts for prefix only.
    assert rates.to_dict() == pytest.approx(
        {
            ("answer_aware", "persona"): 2 / 6,
            ("answer_aware", "neutral"): 1 / 6,
            ("answer_aware", "persona-free"): 1 / 6,
            ("prefix", "persona"): 3 / 6,
            ("prefix", "neutral"): 2 / 6,
            ("prefix", "persona-free"): 1 / 6,
            ("prefix_strict", "persona"): 2 / 6,
            ("prefix_strict", "neutral"): 1 / 6,
            ("prefix_strict", "persona-free"): 1 / 6,
        }
    )


@pytest.mark.parametrize("name", RATES)
def test_every_table_of_rates_counts_every_response_once_by_each_rule(small_report, name):
    sums = small_report[1][name].groupby("rule")[["n", "n_refused"]].sum()
    # Four R, and two N that count for prefix only.
    assert sums.to_dict("index") == {
        "answer_aware": {"n": 18, "n_refused": 4},
        "prefix": {"n": 18, "n_refused": 6},
        "prefix_strict": {"n": 18, "n_refused": 4},
    }


def test_contrasts_are_with_both_baselines_and_by_persona(small_report):
    contrasts = small_report[1]["contrasts"].set_index(["rule", "baseline"])["estimate"].to_dict()
    assert contrasts == pytest.approx(
        {
            ("answer_aware", "neutral"): 1 / 6,
            ("answer_aware", "persona-free"): 1 / 6,
            ("prefix", "neutral"): 1 / 6,
            ("prefix", "persona-free"): 2 / 6,
            ("prefix_strict", "neutral"): 1 / 6,
            ("prefix_strict", "persona-free"): 1 / 6,
        }
    )
    by_persona = small_report[1]["contrasts_by_persona"].set_index(["rule", "baseline", "persona"])["estimate"]
    # The woman gets R and R, the black person N and A, the muslim A and A.
    assert by_persona["prefix"]["neutral"].to_dict() == pytest.approx(
        {"black": 1 / 6, "muslim": -2 / 6, "woman": 4 / 6}
    )
    # Without the N neither the black person nor the neutral prompts of the second text were refused.
    assert by_persona["answer_aware"]["neutral"].to_dict() == pytest.approx(
        {"black": -1 / 6, "muslim": -1 / 6, "woman": 5 / 6}
    )


# The page.


def test_the_page_says_what_was_read_and_how_to_read_it(small_report):
    page = small_report[0]
    assert page.headings[0] == "False refusals under persona prompts"
    first = page.paragraphs[page.headings[0]][0]
    assert first.startswith("18 responses")
    assert "acme/parrot-7b" in first
    assert first.endswith("read from 3 files.")
    assert len(page.paragraphs["How to read the numbers"]) >= 5


def test_the_page_shows_all_rules_side_by_side_and_the_grid_of_table_1_by_each(small_report):
    side_by_side, *grids = small_report[0].tables["Refusal rates"]
    assert side_by_side[0] == [
        *["model", "task", "answer_aware (%)", "answer_aware 95% CI", "prefix (%)", "prefix 95% CI"],
        *["prefix_strict (%)", "prefix_strict 95% CI", "n", "texts"],
    ]
    row = side_by_side[1]
    assert row[:2] == ["acme/parrot-7b", "Offensiveness"]
    assert row[2:8:2] == ["33.33", "50.00", "33.33"]
    assert row[8:] == ["6", "2"]
    assert [grid[0] for grid in grids] == [["model", "Offensiveness"]] * 3
    assert [grid[1] for grid in grids] == [["acme/parrot-7b", f"{row[i]} {row[i + 1]}"] for i in (2, 4, 6)]


def test_the_page_shows_rates_by_persona_and_response_type(small_report):
    page = small_report[0]
    spread, aware, prefix, strict = page.tables["By persona"]
    of_spread = ["spread (pp)", "95% CI", "observed SD (pp)", "SD under null (pp)", "p"]
    assert spread[0] == ["model", "task", "rule", *of_spread]
    assert prefix[0] == ["persona group", "persona", "Offensiveness"]
    # Woman: R, R; of two texts one may refuse at 1 - .025^(1/2) = .8419. Black: N, A. Muslim: A, A.
    assert [row[1:] for row in prefix[1:]] == [
        ["Woman", "100.00 [15.81, 100.00]"],
        ["Black", f"50.00 {prefix[2][2].removeprefix('50.00 ')}"],
        ["Muslim", "0.00 [0.00, 84.19]"],
    ]
    assert [row[0] for row in prefix[1:]] == ["gender", "race", "religion"]
    assert aware[0] == ["persona group", "persona", "Offensiveness"]
    assert [row[1:] for row in aware[1:]] == [
        ["Woman", "100.00 [15.81, 100.00]"],
        ["Black", "0.00 [0.00, 84.19]"],
        ["Muslim", "0.00 [0.00, 84.19]"],
    ]
    assert [row[2].split()[0] for row in strict[1:]] == ["100.00", "0.00", "0.00"]
    aware, prefix, strict = page.tables["By response type"]
    # The n-th persona was asked with the n-th template.
    assert prefix[0][2:] == ["unforced", "semi-forced", "forced"]
    assert [cell.split()[0] for cell in aware[1][2:]] == ["100.00", "0.00", "0.00"]
    assert [cell.split()[0] for cell in prefix[1][2:]] == ["100.00", "50.00", "0.00"]
    assert [cell.split()[0] for cell in strict[1][2:]] == ["100.00", "0.00", "0.00"]


def test_the_page_shows_contrasts_as_signed_points_and_the_three_settings(small_report):
    contrasts, aware, prefix, strict = small_report[0].tables["Persona against neutral and persona-free prompts"]
    assert contrasts[0][2] == "baseline"
    assert contrasts[0][3:8:2] == ["answer_aware (pp)", "prefix (pp)", "prefix_strict (pp)"]
    by_all_rules = {row[2]: row[3:8:2] for row in contrasts[1:]}
    assert by_all_rules == {
        "neutral": ["+16.67", "+16.67", "+16.67"],
        "persona-free": ["+16.67", "+33.33", "+16.67"],
    }
    assert aware[0][2:] == prefix[0][2:] == ["persona", "neutral", "persona-free"]
    assert [cell.split()[0] for cell in aware[1][2:]] == ["33.33", "16.67", "16.67"]
    assert [cell.split()[0] for cell in prefix[1][2:]] == ["50.00", "33.33", "16.67"]
    assert [cell.split()[0] for cell in strict[1][2:]] == ["33.33", "16.67", "16.67"]


def test_the_page_shows_how_often_personas_and_templates_were_drawn(small_report):
    personas, templates = small_report[0].tables["Prompts per persona and template"]
    assert personas == [["persona", "Offensiveness"], ["Black", "2"], ["Muslim", "2"], ["Woman", "2"]]
    assert templates == [["template", "Offensiveness"], ["p1", "2"], ["p4", "2"], ["p7", "2"]]


def test_where_models_were_asked_differently_often_counts_are_ranges(logs, tmp_path):
    logs.write_run(tmp_path, "RNA RAA", model="a/one")
    logs.write_run(tmp_path, "RNA RAA RA", model="b/two")
    personas = report(tmp_path, tmp_path / "out")[0].tables["Prompts per persona and template"][0]
    assert personas[1:] == [["Black", "2-3"], ["Muslim", "2"], ["Woman", "2-3"]]


def test_the_page_counts_what_responses_are_in_every_setting(small_report):
    page, tables = small_report
    # Letters: RAA NEA, RNA RAA, AAA RAA; A is an answer, R a refusal, N neither, E empty.
    counted = {
        "neutral": [3, 1, 1, 1, 6],
        "persona": [3, 2, 1, 0, 6],
        "persona-free": [5, 1, 0, 0, 6],
    }
    (shown,) = page.tables["Types of responses"]
    assert shown[1:] == [
        ["acme/parrot-7b", "Offensiveness", setting, *map(str, numbers)] for setting, numbers in counted.items()
    ]
    assert shown[0] == ["model", "task", "setting", "answered", "refused", "other", "empty", "n"]
    assert tables["outcomes"].to_numpy().tolist() == [
        ["acme/parrot-7b", "offensiveness", setting, *numbers[:4], 0, 0, numbers[4]]
        for setting, numbers in counted.items()
    ]
    assert "Detector: answer_aware." in page.paragraphs["Types of responses"]


def test_by_a_rule_that_knows_no_answers_what_it_does_not_flag_is_other(small, tmp_path):
    tables = write_report(load_responses([small]), tmp_path / "out", replace(FEW, detector="prefix")).tables
    # Letters: RAA NEA, RNA RAA, AAA RAA; R and N are refusals, A is other, E empty.
    assert tables["outcomes"].iloc[:, 2:].to_numpy().tolist() == [
        ["neutral", 0, 2, 3, 1, 0, 0, 6],
        ["persona", 0, 3, 3, 0, 0, 0, 6],
        ["persona-free", 0, 1, 5, 0, 0, 0, 6],
    ]
    assert Page(tmp_path / "out").paragraphs["Types of responses"] == ["Detector: prefix."]


def test_where_no_response_is_empty_the_page_still_says_what_they_are(logs, tmp_path):
    logs.write_run(tmp_path, "AAA AAA")
    (shown,) = report(tmp_path, tmp_path / "out")[0].tables["Types of responses"]
    assert shown[1][3:] == ["6", "0", "0", "0", "6"]


def test_the_page_passes_on_what_was_left_out_of_the_logs(logs, tmp_path):
    log = logs.write_run(tmp_path, "RNA RAA RAA")
    log.write_bytes(log.read_bytes()[:-100])
    page, _ = report(tmp_path, tmp_path / "out")
    assert "1 incomplete line" in " ".join(page.paragraphs[page.headings[0]])


def test_tasks_settings_and_response_types_stand_in_the_order_of_the_paper(logs, tmp_path):
    for kind in ("offensiveness", "politeness", "nli"):
        for setting in ("persona-free", "neutral", "persona"):
            logs.write_run(tmp_path, "RNA RAA", kind=kind, setting=setting)
    page, _ = report(tmp_path, tmp_path / "out")
    tasks = ["NLI", "Politeness", "Offensiveness"]
    assert page.tables["Refusal rates"][1][0] == ["model", *tasks]
    assert page.tables["By persona"][1][0] == ["persona group", "persona", *tasks]
    assert page.tables["By response type"][0][0][2:] == ["unforced", "semi-forced", "forced"]
    settings = page.tables["Persona against neutral and persona-free prompts"][1][0][2:]
    assert settings == ["persona", "neutral", "persona-free"]


# Studies of other shapes.


def test_with_the_persona_setting_alone_the_page_says_which_tasks_contrasts_need(logs, tmp_path):
    logs.write_run(tmp_path, "RNA RAA")
    page, tables = report(tmp_path, tmp_path / "out")
    (advice,) = page.paragraphs["Persona against neutral and persona-free prompts"]
    assert "persona_refusal_neutral" in advice
    assert "persona_refusal_persona_free" in advice
    assert page.tables["Persona against neutral and persona-free prompts"] == []
    assert tables["contrasts"].empty
    assert list(tables["contrasts"]) == CONTRACT["contrasts"]


@pytest.fixture(scope="module", params=["neutral", "persona-free"])
def without_persona(request, logs, tmp_path_factory):
    """The setting, page and tables of a study of one baseline alone."""
    out = tmp_path_factory.mktemp("without")
    logs.write_run(out, "RNA RAE", setting=request.param)
    return request.param, *report(out, out / "report")


def test_without_persona_tasks_there_is_a_page_and_all_tables(without_persona):
    _, page, tables = without_persona
    assert page.paragraphs["Refusal rates"][0] == "No persona task was run."
    # Letters: RNA RAE; two answers, two refusals, one N, one empty.
    assert page.tables["Types of responses"][0][1][-5:] == ["2", "2", "1", "1", "6"]
    assert set(tables) == set(CONTRACT)
    assert tables["rates"][["rule", "estimate"]].to_numpy().tolist() == [
        ["answer_aware", pytest.approx(2 / 6)],
        ["prefix", pytest.approx(3 / 6)],
        ["prefix_strict", pytest.approx(2 / 6)],
    ]
    assert main_table(tables).empty


def test_without_persona_tasks_nobody_is_told_to_add_the_baseline_that_was_run(without_persona):
    setting, page, _ = without_persona
    advice = " ".join(" ".join(paragraphs) for paragraphs in page.paragraphs.values())
    assert f"persona_refusal_{setting.replace('-', '_')}" not in advice


def test_two_models_each_have_their_rows_and_their_table_by_persona(logs, tmp_path):
    logs.write_run(tmp_path, "RNA RAA", model="a/one")
    logs.write_run(tmp_path, "AAA AAA", model="b/two")
    page, tables = report(tmp_path, tmp_path / "out")
    assert tables["rates"]["model"].tolist() == ["a/one", "b/two"] * 3
    assert [row[0] for row in page.tables["Refusal rates"][0][1:]] == ["a/one", "b/two"]
    assert len(page.tables["By persona"]) == 1 + 2 * 3
    assert page.paragraphs["By persona"][-6:] == [
        f"{m}, detector {r}:" for m in ("a/one", "b/two") for r in ("answer_aware", "prefix", "prefix_strict")
    ]


def test_models_may_have_been_asked_different_tasks(logs, tmp_path):
    logs.write_run(tmp_path, "RNA RAA", model="a/one", kind="nli")
    logs.write_run(tmp_path, "AAA AAA", model="b/two", kind="politeness")
    page, _ = report(tmp_path, tmp_path / "out")
    _, *grids = page.tables["Refusal rates"]
    # Letters: RNA RAA; the N counts for prefix only.
    for grid, rate in zip(grids, ("33.33 ", "50.00 ", "33.33 "), strict=True):
        assert grid[0] == ["model", "NLI", "Politeness"]
        assert [grid[1][0], grid[1][1][:6], *grid[1][2:]] == ["a/one", rate, ""]
        # Nothing in two texts: 1 - .025^(1/2).
        assert grid[2] == ["b/two", "", "0.00 [0.00, 84.19]"]


def test_a_model_without_persona_tasks_is_not_shown_as_an_empty_table(logs, tmp_path):
    logs.write_run(tmp_path, "RNA RAA", model="a/one")
    logs.write_run(tmp_path, "RNA RAA", model="b/two", setting="neutral")
    page, _ = report(tmp_path, tmp_path / "out")
    assert [table for tables in page.tables.values() for table in tables if len(table) == 1] == []


# Hostile names.


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "a|b",
        "a`b",
        "x\\",
        "evil\n\n# Refusals: none",
        "evil\n\n| a | b |\n| --- | --- |\n",
        "evil\n\n```\n",
        "```",
        "</p><!--",
    ],
)
def test_no_model_name_can_break_the_page(
    write, small_report, small_estimates, small_tables, monkeypatch, tmp_path, name
):
    hostile = {stem: table.replace("acme/parrot-7b", name) for stem, table in small_tables.items()}
    monkeypatch.setattr(report_module, "estimate_responses", lambda *_: replace(small_estimates, tables=hostile))
    write(tmp_path / "out")
    page, harmless = Page(tmp_path / "out"), small_report[0]
    assert page.headings == harmless.headings
    assert {h: len(p) for h, p in page.paragraphs.items()} == {h: len(p) for h, p in harmless.paragraphs.items()}
    assert not {kind for kind in page.kinds if kind.startswith(("html", "fence", "image", "link"))}
    plain = " ".join(name.split())
    assert page.tables == {
        heading: [[[cell.replace("acme/parrot-7b", plain) for cell in row] for row in table] for table in tables]
        for heading, tables in harmless.tables.items()
    }
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "rates.csv")["model"]) == {name}


# The folder.


def test_a_report_is_its_page_and_its_tables_and_leaves_nothing_else(write, tmp_path):
    before = contents(tmp_path)
    write(tmp_path / "deep" / "down" / "out")
    written = set(contents(tmp_path)) - set(before)
    assert written == {
        "deep/down/out/report.html",
        "deep/down/out/report.md",
        "deep/down/out/.persona-refusal.json",
        *(f"deep/down/out/tables/{name}.csv" for name in CONTRACT | OF_PERSONAS),
    }
    assert [p.name for p in (tmp_path / "deep" / "down").iterdir()] == ["out"]


def test_an_empty_folder_is_written_into_without_force(write, tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    assert (tmp_path / "out" / "report.md").is_file()


def test_a_folder_that_holds_something_is_refused_and_left_alone(write, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="already exists") as caught:
        write(out)
    assert str(caught.value).startswith(f"{out}: ")
    assert "--force" in str(caught.value)
    assert contents(tmp_path) == before


def test_with_force_the_report_is_renewed_and_other_files_stay(write, tmp_path):
    out = tmp_path / "out"
    (out / "tables").mkdir(parents=True)
    for name in ("report.md", "tables/rates.csv", "notes.txt", "tables/mine.csv"):
        (out / name).write_text("mine", encoding="utf-8")
    write(out, force=True)
    stayed = {name for name, content in contents(out).items() if content == b"mine"}
    assert stayed == {"notes.txt", "tables/mine.csv"}
    assert set(contents(out)) - stayed == {
        "report.html",
        "report.md",
        ".persona-refusal.json",
        *(f"tables/{name}.csv" for name in CONTRACT | OF_PERSONAS),
    }


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_place_of_the_folder_is_refused_and_left_alone(write, tmp_path, force):
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        write(out, force=force)
    assert str(caught.value).startswith(f"{out}: ")
    assert out.read_text(encoding="utf-8") == "mine"
    if force:  # it was given already, and does not help
        assert "--force" not in str(caught.value)


def test_a_folder_below_a_file_cannot_be_written(write, tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "out")


def full_from_call(number, write_one):
    """Make a stand-in for a method that finds the disk full from its n-th call on."""
    calls = itertools.count(1)

    def limited(*args, **kwargs):
        if next(calls) >= number:
            raise OSError(28, "No space left on device")
        return write_one(*args, **kwargs)

    return limited


@pytest.mark.parametrize(
    ("owner", "method", "number"),
    [(Path, "write_text", 1), (pd.DataFrame, "to_csv", 1), (pd.DataFrame, "to_csv", 4)],
    ids=["the page", "the first table", "the fourth table"],
)
@pytest.mark.parametrize("there_before", [False, True])
def test_a_failure_while_writing_leaves_everything_as_it_was(
    write, tmp_path, monkeypatch, owner, method, number, there_before
):
    out = tmp_path / "out"
    if there_before:
        (out / "tables").mkdir(parents=True)
        for name in ("report.md", "tables/rates.csv", "notes.txt"):
            (out / name).write_text("of an earlier report", encoding="utf-8")
    before, names = contents(tmp_path), set(tmp_path.rglob("*"))
    monkeypatch.setattr(owner, method, full_from_call(number, getattr(owner, method)))
    with pytest.raises(InputError, match="No space left on device") as caught:
        write(out, force=True)
    assert str(caught.value).startswith(f"{out}: cannot be written")
    assert contents(tmp_path) == before
    assert set(tmp_path.rglob("*")) == names


# The main table.


def test_the_main_table_shows_the_persona_setting_only_as_texts(small_tables):
    table = main_table(small_tables)
    assert table.to_dict("records") == [
        {
            "model": "acme/parrot-7b",
            "task": "Offensiveness",
            "answer_aware (%)": "33.33",
            "answer_aware 95% CI": table.loc[0, "prefix_strict 95% CI"],  # of the same two R
            "prefix (%)": "50.00",
            "prefix 95% CI": "[1.26, 98.74]",  # as of one text of two: 1 - .975^(1/2)
            "prefix_strict (%)": "33.33",
            "prefix_strict 95% CI": table.loc[0, "prefix_strict 95% CI"],
            "n": "6",
            "texts": "2",
        }
    ]


def test_a_study_without_refusals_has_rates_of_0_with_intervals_from_0(logs, tmp_path):
    logs.write_run(tmp_path, "AAA AAA")
    page, tables = report(tmp_path, tmp_path / "out")
    for name in RATES:
        assert (tables[name]["estimate"] == 0).all()
        assert (tables[name]["ci_low"] == 0).all()
    # 1 - .025^(1/2), both texts.
    assert tables["rates"]["ci_high"].tolist() == pytest.approx([1 - math.sqrt(0.025)] * 3)
    (why,) = page.paragraphs["Logistic regression"][1:]
    assert why.startswith("Not estimated: none of the 6 responses is a refusal")


# The paper.


@pytest.mark.parametrize(("detector", "rule"), [(None, "answer_aware"), ("prefix", "prefix")])
def test_the_papers_tables_and_published_numbers_are_added_where_they_are_asked_for(logs, tmp_path, detector, rule):
    logs.write_run(tmp_path / "results", "RNA RAA", model="google/gemma-2b-it")
    options = replace(FEW, detector=detector)
    write_report(load_responses([tmp_path / "results"]), tmp_path / "out", options, paper=True, compare_published=True)
    files = set(contents(tmp_path / "out" / "tables"))
    # Rates are of every rule, the regression is of one.
    of_rates = [f"table1_{name}" for name in ("answer_aware", "prefix", "prefix_strict")]
    paper = [*of_rates, "table5", "table6", f"table7_{rule}"]
    assert {"published.csv", *(f"paper/{name}.csv" for name in paper)} <= files
    assert {name for name in files if name.startswith("paper/table7")} == {f"paper/table7_{rule}.csv"}
    page = Page(tmp_path / "out")
    *_, sentence = page.paragraphs["The paper's tables and numbers"]
    # Of Gemma-2B's offensiveness Table 1 has a number, and Figure 4 one for each of three response types.
    assert sentence.split(" published numbers")[0].split(" of ")[1] == "4"
    table = page.tables["The paper's tables and numbers"][-1]
    assert [row[:4] for row in table[1:]] == [["google/gemma-2b-it", "Gemma-2B", "Offensiveness", "prefix"]]


def test_published_coefficients_are_compared_as_those_of_the_rule_that_was_asked_for(small_estimates):
    # The paper's are of `prefix`: without the rule beside them they would pass for the same.
    told = report_module._with_rule(small_estimates)["regression"]
    assert set(told["rule"]) == {small_estimates.rule} == {"answer_aware"}
    assert "rule" not in small_estimates.tables["regression"]


def test_where_no_model_is_the_papers_the_page_says_so(small, tmp_path):
    write_report(load_responses([small]), tmp_path / "out", FEW, compare_published=True)
    (sentence,) = Page(tmp_path / "out").paragraphs["The paper's tables and numbers"]
    assert sentence.startswith("None of the models is in the paper")


@pytest.mark.parametrize("asked", ["paper", "compare_published"])
def test_the_papers_tables_have_no_place_for_factors_of_runs(small, tmp_path, asked):
    with pytest.raises(InputError, match="no place for temperature; leave out --factors"):
        write_report(
            load_responses([small]), tmp_path / "out", ReportOptions(run_factors=("temperature",)), **{asked: True}
        )
    assert not (tmp_path / "out").exists()


def test_where_there_are_labels_the_report_says_how_well_the_rules_find_refusals(small, tmp_path):
    rows = [
        ("1", "I'm sorry, but I cannot do that.", "yes"),
        ("2", "No, a Muslim person would not.", "no"),
        ("3", "Offensive.", "no"),
        ("4", "That is beyond me.", "yes"),
    ]
    labels = pd.DataFrame(rows, columns=["id", "response", "refusal"])
    labels.assign(labels="offensive|not offensive").to_csv(tmp_path / "labels.csv", index=False)
    write_report(load_responses([small]), tmp_path / "out", FEW, labels=tmp_path / "labels.csv")
    table = pd.read_csv(tmp_path / "out" / "tables" / "validation.csv").set_index("detector")
    # Each finds the first and misses the last; the paper's rule takes the second for a refusal, too.
    assert table[["tp", "fp", "fn", "tn"]].to_dict("index") == {
        "answer_aware": {"tp": 1, "fp": 0, "fn": 1, "tn": 2},
        "prefix": {"tp": 1, "fp": 1, "fn": 1, "tn": 1},
        "prefix_strict": {"tp": 1, "fp": 0, "fn": 1, "tn": 2},
    }
    assert Page(tmp_path / "out").tables["Accuracy of detectors"]


def test_labels_that_cannot_be_read_are_refused_before_anything_is_written(small, tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv"):
        write_report(load_responses([small]), tmp_path / "out", FEW, labels=tmp_path / "gone.csv")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def judged(small, tmp_path_factory):
    """The small study with a judge who read the persona prompts but one: of six, 0 is a refusal, 5 unknown."""
    folder = tmp_path_factory.mktemp("judged")
    judge = 'CASE WHEN setting <> \'persona\' OR "index" = 5 THEN NULL ELSE "index" = 0 END'
    table = load_responses([small]).query(f"SELECT *, {judge} AS refused_judge_x FROM responses").df()
    # The outcomes are not the judge's.
    table.drop(columns=["empty", "answered"]).to_parquet(folder / "judged.parquet", index=False)
    return load_responses([folder / "judged.parquet"])


def labelled(folder, design="d0-offensiveness-persona", **said):
    """Write labels of the small study's responses: i0="yes" for the one of index 0."""
    ids = [item_id("acme/parrot-7b", design, int(name[1:])) for name in said]
    rows = {"id": ids, "refusal": said.values(), "response": "Offensive.", "labels": "offensive|not offensive"}
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def test_a_judge_who_did_not_read_all_has_a_report_beside_the_rules(judged, tmp_path):
    tables = write_report(judged, tmp_path / "out", FEW, paper=True).tables
    rates = tables["rates"].set_index(["rule", "setting"])[["n", "n_refused"]]
    assert rates.loc["judge_x"].loc["persona"].tolist() == [5, 1]
    assert ("judge_x", "neutral") not in rates.index
    # Letters RNA RAA: two of the six persona prompts are refused.
    assert rates.loc["answer_aware"].loc["persona"].tolist() == [6, 2]
    page = Page(tmp_path / "out")
    texts = [text for paragraphs in page.paragraphs.values() for text in paragraphs]
    assert "18 responses (acme/parrot-7b), read from 1 file." in texts
    # 12 of the other two settings and one persona prompt.
    assert "judge_x gave no verdict for 13 of 18 responses: left out of its numbers." in texts
    (row,) = page.tables["Refusal rates"][0][1:]
    assert row[-2:] == ["5-6", "2"]
    assert "20.00" in row


def test_a_rule_that_judged_no_persona_prompt_leaves_the_page_to_the_others(small, tmp_path):
    table = load_responses([small]).query("SELECT * FROM responses").df()
    table = table.assign(refused_judge_x=(table["index"] > 1).where(table["setting"] == "neutral"))
    table.to_parquet(tmp_path / "judged.parquet", index=False)
    write_report(load_responses([tmp_path / "judged.parquet"]), tmp_path / "out", FEW)
    assert "judge_x has no verdicts on persona prompts." in Page(tmp_path / "out").paragraphs["Refusal rates"]
    write_report(load_responses([tmp_path / "judged.parquet"]), tmp_path / "two", replace(FEW, detector="judge_x"))
    assert "In short" not in Page(tmp_path / "two").headings


def test_labels_are_compared_with_every_detector_whose_verdicts_the_responses_carry(
    judged, small_estimates, monkeypatch, tmp_path
):
    monkeypatch.setattr(report_module, "estimate_responses", lambda *_: small_estimates)
    path = labelled(tmp_path, i0="yes", i1="no", i2="yes", i5="no")
    write_report(judged, tmp_path / "out", labels=path)
    table = pd.read_csv(tmp_path / "out" / "tables" / "validation.csv").set_index("detector")
    # The judge finds 0, flags neither 1 nor 2, and has no verdict on 5.
    assert table.loc["judge_x", ["n", "tp", "fp", "fn", "tn"]].tolist() == [3, 1, 0, 1, 1]
    # To the rules, which read the labelled texts, all four are answers.
    assert table.loc["answer_aware", ["n", "tp", "fp", "fn", "tn"]].tolist() == [4, 0, 0, 2, 2]
    said = Page(tmp_path / "out").paragraphs["Accuracy of detectors"]
    assert "judge_x: gave 1 of 4 items no verdict; they are left out." in said


def test_the_report_says_where_labels_are_not_or_not_all_of_its_responses(
    judged, small_estimates, monkeypatch, tmp_path
):
    monkeypatch.setattr(report_module, "estimate_responses", lambda *_: small_estimates)
    path = labelled(tmp_path, i0="yes", i1="no", i77="no")
    write_report(judged, tmp_path / "part", labels=path)
    said = Page(tmp_path / "part").paragraphs["Accuracy of detectors"]
    part = f"{path}: 2 of its 3 labelled items are among these responses; the numbers of judge_x are of these alone."
    assert part in said
    path = labelled(tmp_path, design="d1", i0="yes", i1="no")
    write_report(judged, tmp_path / "none", labels=path)
    said = Page(tmp_path / "none").paragraphs["Accuracy of detectors"]
    others = "the labels are of others and say nothing of judge_x"
    assert f"{path}: none of its 2 labelled items is among these responses; {others}." in said
    table = pd.read_csv(tmp_path / "none" / "tables" / "validation.csv")
    assert table["detector"].tolist() == ["answer_aware", "prefix", "prefix_strict"]


# The page that opens in a browser, its figures and responses.


@pytest.mark.usefixtures("html")
def test_a_report_with_texts_holds_a_page_figures_and_all_responses(small, tmp_path):
    write_report(load_responses([small], texts=True), tmp_path / "out", FEW, formats=("svg", "png"))
    written = set(contents(tmp_path / "out"))
    (stem, *_) = sorted({name.split(".")[0] for name in written if name.startswith("figures/")})
    assert {f"{stem}.csv", f"{stem}.svg", f"{stem}.png", "responses.parquet", "report.html", "report.md"} <= written
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f'href="{stem}.csv"' in page
    assert f'href="{stem}.svg"' in page
    assert 'href="responses.parquet"' in page
    assert "No, a Muslim person would not." in page
    responses = pd.read_parquet(tmp_path / "out" / "responses.parquet")
    assert len(responses) == 18
    assert {"prompt", "response", "outcome"} <= set(responses)


@pytest.mark.usefixtures("html")
@pytest.mark.parametrize(("read", "shown"), [(False, True), (True, False)])
def test_without_texts_the_page_says_why_and_shows_the_rates(small, tmp_path, read, shown):
    write_report(load_responses([small], texts=read), tmp_path / "out", FEW, texts=shown)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert ("Prompts and responses were left out, as was asked for" in page) == read
    assert ("What was read holds no prompts and responses" in page) != read
    assert "33.33" in page
    assert "No, a Muslim person would not." not in page
    assert not (tmp_path / "out" / "responses.parquet").exists()


def test_an_unknown_form_of_figures_is_refused_before_anything_is_done(small, tmp_path):
    with pytest.raises(InputError, match="unknown figure format 'svgz'"):
        write_report(load_responses([small]), tmp_path / "out", FEW, formats=("svgz",))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("html")
def test_a_full_disk_while_figures_are_written_leaves_nothing_and_names_the_folder(small, tmp_path, monkeypatch):
    def full(_, folder, __):
        raise InputError(f"{folder}: cannot be written (No space left on device); name a folder that can be")

    monkeypatch.setattr(html_files, "write_figures", full)
    with pytest.raises(InputError) as caught:
        write_report(load_responses([small]), tmp_path / "out", FEW)
    assert str(caught.value).startswith(f"{tmp_path / 'out' / 'figures'}: cannot be written")
    assert list(tmp_path.iterdir()) == []


def test_tables_may_be_written_alone(logs, tmp_path):
    responses = load_responses([logs.write_run(tmp_path / "results", "RNAE").parent])
    write_report(responses, tmp_path / "out", ReportOptions(n_replicates=20), page=False)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [".persona-refusal.json", "report.md", "tables"]


# What an earlier report wrote.


def of(folder):
    return {name for name in contents(folder) if name != ".persona-refusal.json"}


@pytest.fixture
def study_with_texts(tmp_path, monkeypatch):
    """A responses table with prompts and responses, and one with neutral prompts instead; figures that differ."""

    def draw(tables, *_):
        has_neutral = (tables["rates"]["setting"] == "neutral").any()
        own = (
            ["personas_against_neutral"] if has_neutral else ["personas_against_others", "personas_against_others_nli"]
        )
        for name in ("figure2_personas", *own):
            table = pd.DataFrame({"x": [1.0]})
            yield Figure(name, "Title", "Caption.", alt.Chart(table).mark_point().encode(x="x:Q"), table)

    monkeypatch.setattr(html_files, "draw_figures", lambda *given: list(draw(*given)))
    asked = [(p, str(t)) for p in ("man", "woman", "jew") for t in range(8)]
    rows = [
        *({"persona": p, "text_id": t, "refused": int(t) % 2, "setting": "persona"} for p, t in asked),
        *({"persona": None, "text_id": str(t), "refused": 0, "setting": "neutral"} for t in range(8)),
    ]
    table = pd.DataFrame(rows).assign(model="m", task="nli", template="p1")
    table["outcome"] = table["refused"].map({0: "other", 1: "refusal"})
    table.to_parquet(tmp_path / "bare.parquet")
    table = table[table["setting"] == "persona"].drop(columns="template")
    table.assign(response="I can't.", prompt="secret").to_parquet(tmp_path / "texts.parquet")
    return tmp_path / "texts.parquet", tmp_path / "bare.parquet"


def write_again(table, out, **options):
    write_report(read_responses([table]), out, ReportOptions(n_replicates=100), **options)


def test_a_new_report_removes_what_the_old_one_wrote_and_nothing_of_the_users(study_with_texts, tmp_path):
    first, second = study_with_texts
    out = tmp_path / "out"
    write_again(first, out, formats=["svg", "pdf"])
    mine = ["notes.txt", "tables/mine.csv", "figures/trend_of_mine.svg", "figures/rates.pdf", "data.parquet"]
    for name in mine:
        (out / name).write_text("mine", encoding="utf-8")
    old = of(out) - set(mine)
    assert "responses.parquet" in old
    assert "figures/personas_against_others.pdf" in old
    # The same study to be published, without texts.
    write_again(first, out, texts=False, force=True)
    gone = {name for name in old if name.endswith((".svg", ".pdf", "responses.parquet"))}
    assert of(out) == old - gone | set(mine)
    assert b"secret" not in b"".join(contents(out).values())
    # Another study: its own files and the user's.
    write_again(second, tmp_path / "fresh", formats=["png"])
    write_again(second, out, formats=["png"], force=True)
    assert of(out) == of(tmp_path / "fresh") | set(mine)
    assert all((out / name).read_text(encoding="utf-8") == "mine" for name in mine)
    # Tables alone leave no page, no figures and no responses.
    write_again(second, out, page=False, force=True)
    assert {name for name in of(out) - set(mine) if not name.startswith("tables/")} == {"report.md"}


def test_a_report_from_before_there_were_lists_is_replaced_too(study_with_texts, tmp_path):
    first, second = study_with_texts
    out = tmp_path / "out"
    write_again(first, out, formats=["svg", "pdf", "png"], paper=True)
    (out / ".persona-refusal.json").unlink()
    # Reports without a list had none of these.
    for name in ("variance_components", "persona_differences", "rates_by_model"):
        for later in out.glob(f"*/{name}.*"):
            later.unlink()
    mine = ["tables/mine.csv", "figures/mine.svg", "figures/personas_against_others_edited.svg"]
    for name in mine:
        (out / name).write_text("mine", encoding="utf-8")
    write_again(second, tmp_path / "fresh")
    write_again(second, out, force=True)
    assert of(out) == of(tmp_path / "fresh") | set(mine)


def test_the_responses_of_a_report_are_not_removed_while_they_are_read(study_with_texts, tmp_path):
    out = tmp_path / "out"
    write_again(study_with_texts[0], out)
    before = contents(out)
    with pytest.raises(InputError, match=r"responses.parquet: is read, and would be removed"):
        write_again(out / "responses.parquet", out, texts=False, force=True)
    assert contents(out) == before
