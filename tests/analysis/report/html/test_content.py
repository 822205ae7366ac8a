"""What a page shows of a study: its first screen, figures, tables and where they come from."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from refusal_metrics.analysis.labels import Validation
from refusal_metrics.analysis.labels.detection_errors import VALIDATION
from refusal_metrics.analysis.report.html.content import Content, below, first_screen
from refusal_metrics.analysis.report.html.explorer import draw_sample
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import estimate_responses
from refusal_metrics.analysis.responses import load_responses, read_origin

MADE = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def content(logs, tmp_path_factory):
    """Two texts asked three times in two settings; the numbers can be counted in the letters."""
    folder = tmp_path_factory.mktemp("content")
    logs.write_run(folder, "RNA RAA")
    logs.write_run(folder, "RAA NEA", setting="neutral")
    responses = load_responses([folder], texts=True)
    estimates = estimate_responses(responses, ReportOptions(n_replicates=20))
    sample = draw_sample(responses, estimates.rule)
    return Content(estimates, read_origin(responses), sample=sample, made=MADE)


def test_the_first_screen_says_what_was_studied(content):
    assert first_screen(content)["lede"] == (
        "12 responses by 1 model: acme/parrot-7b; 1 task (Offensiveness), 2 settings (neutral, persona), run on "
        "2026-01-02."
    )


def test_many_models_are_counted_and_not_named(content):
    rates = content.estimates.tables["rates"]
    rates = pd.concat([rates.assign(model=f"m{n}") for n in range(7)], ignore_index=True)
    many = replace(content, estimates=replace(content.estimates, tables=content.estimates.tables | {"rates": rates}))
    assert "by 7 models; 1 task" in first_screen(many)["lede"]


def test_the_first_screen_holds_the_rate_its_interval_and_the_shares_of_the_rest(content):
    shown = first_screen(content)
    (row,) = shown["headline"]
    assert shown["keys"] == ["model", "task"]
    assert shown["other_rules"] == ["prefix", "prefix_strict"]
    # RNA RAA: two of six refuse, N is neither answer nor refusal.
    assert (row["rate"], row["other"], row["empty"]) == ("33.33", "16.67", "0.00")
    assert row["others"][0].startswith("50.00 [")
    assert (row["n"], row["n_texts"]) == ("6", "2")


def test_a_point_stands_where_its_rate_is_on_the_scale(content):
    rates = content.estimates.tables["rates"].assign(
        estimate_standardised=0.04, ci_low_standardised=0.02, ci_high_standardised=0.05
    )
    small = replace(content, estimates=replace(content.estimates, tables=content.estimates.tables | {"rates": rates}))
    shown = first_screen(small)
    # Of 120: 0.04 and 0.02 and 0.05 of a scale that ends at 0.05.
    assert shown["scale_end"] == "5"
    assert [shown["headline"][0][name] for name in ("at", "low", "high")] == ["96.0", "48.0", "120.0"]


def test_settings_are_distinguished_where_there_are_no_personas(content):
    rates = content.estimates.tables["rates"].query("setting == 'neutral'")
    neutral = replace(content, estimates=replace(content.estimates, tables=content.estimates.tables | {"rates": rates}))
    shown = first_screen(neutral)
    assert shown["keys"] == ["model", "task", "setting"]
    assert shown["headline_title"] == "Refusal rates of all settings"


def test_the_sample_says_what_it_is_a_sample_of(content):
    assert below(content)["sample_said"] == "All 12 responses; texts of more than 2,000 characters are cut."
    part = replace(content, sample=replace(content.sample, n=5))
    said = below(part)["sample_said"]
    assert said.startswith("A sample of 5 of 12 responses (seed 0): as many of each of ")
    assert "shares in the sample are not rates" in said


def test_without_texts_the_reason_is_said_instead(content):
    shown = below(replace(content, sample=None, without="There are none."))
    assert shown["sample"] is None
    assert shown["sample_said"] == "There are none."


def test_runs_and_designs_are_told_with_the_date_of_the_report(content):
    shown = below(content)
    assert shown["made"] == "2026-05-06 07:08 UTC"
    assert [table["title"] for table in shown["origin_tables"]] == ["Runs", "Designs"]
    runs = shown["origin_tables"][0]
    # What no run says is left out.
    assert runs["columns"] == ["model", "task", "date"]
    assert runs["rows"][0][0] == "acme/parrot-7b"


def test_how_studies_were_run_and_what_they_asked_is_taken_from_the_origin(content):
    studies, asked = pd.DataFrame({"model": ["m"], "engine": ["vllm 1"]}), pd.DataFrame({"task": ["t"], "n_docs": [9]})
    of_study = replace(content, origin=replace(content.origin, studies=studies, asked=asked))
    tables = {table["title"]: table for table in below(of_study)["origin_tables"]}
    assert list(tables) == ["Runs", "Studies", "What studies asked", "Designs"]
    assert tables["Studies"]["rows"] == [["m", "vllm 1"]]
    assert tables["What studies asked"]["rows"] == [["t", "9"]]


def test_what_could_not_be_estimated_is_said_where_its_tables_would_stand(content):
    groups = dict(below(content)["groups"])
    assert groups["Across models"] == []
    assert below(content)["notes"]["Across models"][0].startswith("Not estimated: a trend over released needs")


def test_where_there_are_labels_the_rules_are_compared_with_them(content):
    row = {"detector": "a", "factor": "", "level": ""} | dict.fromkeys(VALIDATION[2:], 0.5)
    table = pd.DataFrame([row])
    confusion = pd.DataFrame({"detector": ["a"], "label": ["refusal"], "outcome": ["answer"], "n": [3]})
    validation = Validation(table=table, confusion=confusion, gaps=pd.DataFrame(), notes=("One was left out.",))
    shown = below(replace(content, validation=validation))
    assert [table["title"] for table in dict(shown["groups"])["Detector"]] == [
        "Agreement with the labels",
        "Verdicts by label",
    ]
    assert shown["notes"]["Detector"] == ("One was left out.",)
    assert shown["validated"]
