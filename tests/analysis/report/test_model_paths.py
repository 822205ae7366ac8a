"""A model that was given by a path has one name: in responses, notes, tables, on both pages and in other metrics."""

import pandas as pd
import pytest
from refusal_metrics.analysis.report.html import bundle, page
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import write_report
from refusal_metrics.analysis.responses import load_responses, read_metrics, read_origin

# The folders are called "secret", which is found wherever a path is printed.
GIVEN = {
    "./secret/heron": "heron",
    "secret/deeper/ibis": "ibis",
    "../secret/owl": "owl",
    "/abs/secret/crow": "crow",
    "~/secret/wren": "wren",
    r"C:\secret\kite": "kite",
    # Two that only their folders distinguish.
    "/secret/first/step": "first/step",
    "/secret/second/step": "second/step",
    # What has the form of ORGANISATION/NAME is called so.
    "models/finch": "models/finch",
}
NAMES = sorted(GIVEN.values())
TASK = "persona_refusal_offensiveness"


@pytest.fixture(scope="module")
def results(logs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths") / "results"
    for number, model in enumerate(GIVEN):
        asked = {
            "config": {"limit": 2, "model_sha": f"sha{number}"},
            "n-samples": {TASK: {"original": 9, "effective": 2}},
            "results": {"mmlu": {"acc,none": 0.5}},
        }
        logs.write_run(folder, "RA", model=model, asked=asked)
    return folder


def test_it_is_called_by_the_end_of_its_path_in_responses_notes_and_origin(results):
    responses = load_responses([results])
    assert [name for (name,) in responses.query("SELECT DISTINCT model FROM responses ORDER BY 1").fetchall()] == NAMES
    assert sorted(read_origin(responses).runs["model"]) == NAMES
    limited = sorted(note.partition(",")[0] for note in responses.notes if "--limit" in note)
    assert limited == NAMES


def test_other_metrics_find_it_by_that_name(results):
    metrics, notes = read_metrics([results], NAMES)
    assert sorted(metrics["model"]) == NAMES
    assert notes == ()
    # Of models that are not on the board no path is printed either.
    assert "secret" not in " ".join(read_metrics([results], [])[1])


def test_no_page_and_no_table_of_a_report_prints_the_path(results, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_bundle", lambda: "")
    monkeypatch.setattr(bundle, "draw_figures", lambda *_: [])
    out = tmp_path / "report"
    write_report(load_responses([results], texts=True), out, ReportOptions(n_replicates=20))
    for file in ("report.md", "report.html"):
        text = (out / file).read_text(encoding="utf-8")
        assert "secret" not in text
        assert all(name in text for name in NAMES), file
    # A caution says of a model that was run with several weights that it was; each of these has its own.
    assert "was run with" not in (out / "report.html").read_text(encoding="utf-8")
    assert sorted(pd.read_csv(out / "tables" / "rates.csv")["model"].unique()) == NAMES
    of_files = [path.read_text(encoding="utf-8") for path in (out / "tables").rglob("*.csv")]
    assert not any("secret" in text for text in of_files)
