"""The report's page: what is said of a study, in which order, and that names in it are names only."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from refusal_metrics.analysis.report.markdown import main_table, write_markdown
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import estimate_responses
from refusal_metrics.analysis.responses import Origin, read_responses


def origin(*files, notes=()):
    """Make an origin of which only files and notes are known."""
    return Origin(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), None, None, files=files, notes=tuple(notes))


ORIGIN = origin(Path("responses.parquet"))
PERSONAS = ("atheist", "black", "man", "woman")


def study(folder, *, settings=("persona", "neutral"), effect=0.6):
    """Estimate a study of one model and task: a woman is refused in 8 of 10, others in 2, the neutral person in 3."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "model": "acme/parrot",
            "task": "offensiveness",
            "setting": setting,
            "persona": persona,
            "template": template,
            "response_type": response_type,
            "stratum": str(x % 5 + 1),
            "text_id": f"t{x}",
            "refused": int(rng.random() < (0.2 + effect * (persona == "woman") if setting == "persona" else 0.3)),
        }
        for setting in settings
        for x in range(80)
        for persona in (PERSONAS if setting == "persona" else ("person",))
        for template, response_type in (("p1", "unforced"), ("p7", "forced"))
    ]
    file = folder / "responses.parquet"
    pd.DataFrame(rows).to_parquet(file, index=False)
    return estimate_responses(read_responses([file]), ReportOptions(n_replicates=20))


@pytest.fixture(scope="module")
def estimates(tmp_path_factory):
    return study(tmp_path_factory.mktemp("page"))


def parse(page):
    """Read a page as a browser would: (heading, kind, text) of each paragraph, list item and cell, and all kinds."""
    found, kinds, heading, item, kind = [], set(), "", False, ""
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        kinds.add(token.type)
        if token.type in {"list_item_open", "list_item_close"}:
            item = token.type == "list_item_open"
        elif token.type.endswith("_open"):
            kind = token.type.removesuffix("_open")
        elif token.type == "inline":
            kinds |= {child.type for child in token.children}
            text = "".join(" " if child.type == "softbreak" else child.content for child in token.children).strip()
            heading = text if kind == "heading" else heading
            found.append((heading, "item" if item else kind, text))
    return found, kinds


def items(page, heading):
    """Give the list items under a heading."""
    return [text for under, kind, text in parse(page)[0] if (under, kind) == (heading, "item")]


def headings(page):
    return [text for _, kind, text in parse(page)[0] if kind == "heading"]


# In short.


def test_what_was_found_stands_first_and_how_to_read_it_last(estimates):
    assert headings(write_markdown(ORIGIN, estimates, {})) == [
        "False refusals under persona prompts",
        "In short",
        "Refusal rates",
        "Persona against neutral and persona-free prompts",
        "By persona",
        "Which factor matters how much",
        "Logistic regression",
        "Across models",
        "By response type",
        "By rating or class of the text",
        "Prompts per persona and template",
        "How to read the numbers",
    ]


def test_the_findings_come_first(estimates):
    # The woman is refused in 8 of 10; without the template's effect of the draws, nobody else differs much.
    first = items(write_markdown(ORIGIN, estimates, {}), "In short")
    assert first == list(estimates.findings)
    assert first[0].startswith(
        "Asked as 'a woman' (one wording), acme/parrot refuses much more often than with neutral"
    )


# Other parts.


def test_no_more_than_20_personas_are_shown(estimates):
    row = estimates.tables["contrasts_by_persona"].query("persona == 'woman' and baseline == 'neutral'")
    many = pd.concat([row] * 25, ignore_index=True).assign(persona=[f"p{i}" for i in range(25)], p_adjusted=0.01)
    page = write_markdown(ORIGIN, replace(estimates, tables=estimates.tables | {"contrasts_by_persona": many}), {})
    text = page.split("## By persona")[1].split("Between-persona variation")[0]
    assert "25 of 25 differences" in text
    assert "The 20 largest; all rows: `tables/contrasts_by_persona.csv`." in text
    assert text.count("| acme/parrot |") == 20


def test_what_responses_are_stands_before_how_to_read_where_it_is_known(estimates):
    outcomes = pd.DataFrame(
        {
            "model": ["m"],
            "setting": ["persona"],
            "n_answer": [1],
            "n_refused": [2],
            "n_other": [3],
            "n_empty": [4],
            "n": 10,
        }
    )
    page = write_markdown(ORIGIN, replace(estimates, tables=estimates.tables | {"outcomes": outcomes}), {})
    assert headings(page)[-2:] == ["Types of responses", "How to read the numbers"]
    found = [text for under, _, text in parse(page)[0] if under == "Types of responses"]
    assert found[1:] == [
        "Detector: your `refused` column.",
        *["model", "setting", "answered", "refused", "other", "empty", "n"],
        *["m", "persona", "1", "2", "3", "4", "10"],
    ]


def test_the_rules_that_were_used_are_explained(estimates):
    of_table = items(write_markdown(ORIGIN, estimates, {}), "How to read the numbers")

    def explained(rule):
        rates = {name: table.assign(rule=rule) for name, table in estimates.tables.items() if "rule" in table}
        of_rule = replace(estimates, rule=rule, rules=(rule,), tables=estimates.tables | rates)
        return items(write_markdown(ORIGIN, of_rule, {}), "How to read the numbers")

    of_paper, of_default = explained("prefix"), explained("answer_aware")
    assert any(item.startswith("your refused column contains the verdicts") for item in of_table)
    assert not any(item.startswith("prefix is the paper") for item in of_table)
    assert any(item.startswith("prefix is the paper") for item in of_paper)
    assert not any(item.startswith("answer_aware is the detector") for item in of_paper)
    assert any(item.startswith("answer_aware is the detector") for item in of_default)
    assert not any(item.startswith("prefix is the paper") for item in of_default)


def test_the_page_says_what_was_read_and_what_was_left_out(estimates):
    where = origin(Path("a"), "s3://b", notes=["3 lines repeated a doc.", "Another thing."])
    page = write_markdown(where, estimates, {})
    assert "800 responses (`acme/parrot`), read from 2 files." in page
    assert items(page, "False refusals under persona prompts") == ["3 lines repeated a doc.", "Another thing."]


def test_how_a_study_was_run_is_taken_from_the_origin(estimates):
    studies, asked = pd.DataFrame({"model": ["m"], "engine": ["vllm 1"]}), pd.DataFrame({"task": ["t"], "n_docs": [9]})
    page = write_markdown(replace(ORIGIN, studies=studies, asked=asked), estimates, {})
    assert "How it was run" in headings(page)
    assert "| m | vllm 1 |" in re.sub(" +", " ", page)
    assert "How it was run" not in headings(write_markdown(ORIGIN, estimates, {}))


def test_significant_interactions_are_shown_and_others_counted(estimates):
    table = estimates.tables["interactions"]
    named = int((table["p_adjusted"] <= 0.05).sum())
    page = write_markdown(ORIGIN, estimates, {})
    assert f"Two-way interactions: {named} of {len(table)} are significant" in page
    all_named = replace(estimates, tables=estimates.tables | {"interactions": table.assign(p_adjusted=0.01)})
    assert "The 5 largest:" in write_markdown(ORIGIN, all_named, {})


def test_settings_of_runs_are_distinguished_in_rates_and_differences(estimates):
    # Wherever their columns stand.
    told = {
        name: table.assign(temperature="0")
        for name, table in estimates.tables.items()
        if name.startswith(("rates", "contrasts"))
    }
    of_runs = replace(estimates, tables=estimates.tables | told, run_factors=("temperature",))
    page = write_markdown(ORIGIN, of_runs, {})
    assert "| model | task | temperature | baseline |" in page
    assert "of a model, a task and a temperature" in page
    assert "temperature" in main_table(of_runs.tables, of_runs.run_factors)


def test_published_numbers_are_judged_by_the_papers_own_rule(estimates):
    row = {
        "source": "Table 1",
        "model": "m",
        "published_model": "Gemma-2B",
        "task": "nli",
        "response_type": None,
        "term": None,
        "published": 0.1,
        "estimate": 0.1,
        "ci_low": 0.0,
        "ci_high": 0.2,
        "note": "",
    }
    published = pd.DataFrame(
        [row | {"rule": "prefix", "agrees": True}, row | {"rule": "prefix_strict", "agrees": False}]
    )
    page = write_markdown(ORIGIN, estimates, {"published": published})
    assert "1 of 1 published numbers are within the confidence intervals" in page


def test_the_main_table_is_empty_without_persona_prompts(tmp_path):
    neutral = study(tmp_path, settings=("neutral",))
    assert main_table(neutral.tables).empty
    assert "In short" not in headings(write_markdown(ORIGIN, neutral, {}))


def test_the_main_table_is_class_standardised_where_classes_are_known_and_says_so(estimates):
    (row,) = estimates.tables["rates"].query("setting == 'persona'").to_dict("records")
    assert main_table(estimates.tables)["your `refused` column (%)"].tolist() == [
        f"{100 * row['estimate_standardised']:.2f}"
    ]
    assert "Rates are class-standardised" in write_markdown(ORIGIN, estimates, {})
    raw = estimates.tables["rates"].assign(estimate=0.123, estimate_standardised=float("nan"))
    unknown = replace(estimates, tables=estimates.tables | {"rates": raw})
    assert main_table(unknown.tables)["your `refused` column (%)"].tolist() == ["12.30"]
    assert "Rates are raw" in write_markdown(ORIGIN, unknown, {})


# Hostile names.


HOSTILE = [
    "<script>alert(1)</script>",
    "# Refusals: none",
    "1. none",
    "- none",
    "> none",
    "[x]: http://example.org",
    "[a](http://example.org)",
    "![a](http://example.org/a.png)",
    "a|b",
    "*a* __b__ `c` ~~d~~",
    "evil\n\n# Refusals: none\n",
    "evil\n\n```\n",
    "</p><!--",
    "===",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_note_or_level_or_rule_can_be_more_than_text(estimates, name):
    def fill(table):
        return table.replace({"acme/parrot": name, "woman": name, "given": name}).assign(
            **{"rule": name} if "rule" in table else {}
        )

    hostile = replace(
        estimates,
        tables={stem: fill(table) for stem, table in estimates.tables.items()},
        rule=name,
        rules=(name,),
        notes=dict.fromkeys(estimates.notes, (f"{name} left out: it was not asked.",)),
        fit=replace(estimates.fit, references={"persona": name}, table=fill(estimates.fit.table)),
    )
    page = write_markdown(replace(ORIGIN, notes=(f"{name} was left out.",)), hostile, {})
    found, kinds = parse(page)
    harmless = write_markdown(replace(ORIGIN, notes=("m was left out.",)), estimates, {})
    assert headings(page) == headings(harmless)
    assert not {
        kind for kind in kinds if kind.startswith(("html", "fence", "code_block", "image", "link", "hr", "block"))
    }
    assert f"{' '.join(name.split())} was left out." in [text for _, kind, text in found if kind == "item"]
