"""The page: it holds all it needs, runs its own scripts alone, and shows whatever it is given as text."""

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest
from refusal_metrics.analysis.display import visible
from refusal_metrics.analysis.figures import draw_figures, draw_rates
from refusal_metrics.analysis.gates import Gate
from refusal_metrics.analysis.report.html import page as html_page
from refusal_metrics.analysis.report.html.content import Content
from refusal_metrics.analysis.report.html.explorer import draw_sample
from refusal_metrics.analysis.report.html.page import write_html
from refusal_metrics.analysis.report.study_tables import ReportOptions
from refusal_metrics.analysis.report.write import estimate_responses
from refusal_metrics.analysis.responses import load_responses, read_origin, read_responses

VOID = {"meta", "input", "line", "circle", "br"}


class Page(HTMLParser):
    """A page as a browser reads it, as far as is asked here."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.headings, self.texts = [], [], [], [], []
        self._open = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts[-1][1] += data
        elif inside != "style":
            self.texts.append(data)
        if inside in {"h1", "h2", "h3"}:
            self.headings.append((inside, data))

    def get(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


def content(results, **extra):
    responses = load_responses(results, texts=True) if isinstance(results, list) else results
    estimates = estimate_responses(responses, ReportOptions(n_replicates=20))
    figures = draw_figures(estimates.tables, estimates.rules, estimates.rule)
    files = [f"figures/{figure.name}.csv" for figure in figures]
    sample = draw_sample(responses, estimates.rule) if "response" in responses.columns else None
    made = {"figures": figures, "figure_files": files, "sample": sample, **extra}
    return Content(estimates, read_origin(responses), **made)


@pytest.fixture(scope="module", autouse=True)
def bundle():
    """In place of the charts' library, which takes seconds to make; the browser's tests have the real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_page, "_bundle", lambda: "window.vegaEmbed = null;")
        yield


@pytest.fixture(scope="module")
def small(logs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for setting in ("persona", "neutral", "persona-free"):
        logs.write_run(folder, "RNA RAA RAE", setting=setting)
    return content([folder])


@pytest.fixture(scope="module")
def page(small):
    return Page(write_html(small))


def test_the_parts_stand_in_order_and_headings_leave_out_no_level(page):
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "In short",
        "Models and personas",
        "Responses",
        "For statisticians",
        "Methods",
        "Runs and versions",
        "How to cite",
    ]
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_verdict_of_a_gate_is_the_first_line(small, page):
    gated = Page(write_html(replace(small, gate=Gate((), ("Nothing was compared.",)))))
    title = "False refusals under persona prompts"
    # After the button for colours, which has no text, and before all else.
    assert f"{title} INCONCLUSIVE: the results cannot be judged" in gated.text
    assert "INCONCLUSIVE" not in page.text


def test_the_policy_allows_the_pages_own_scripts_by_their_checksums_and_nothing_else(page):
    policy = next(
        value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "src" in value
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    run = [text for attributes, text in page.scripts if "type" not in attributes]
    hashes = {f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run}
    assert set(rules.pop("script-src").split()) == hashes
    assert len(hashes) == 2
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_is_loaded_from_outside_and_no_attribute_holds_code(page):
    assert not [a for a in page.attributes if a[1] in {"src", "srcset", "action", "poster"} or a[1].startswith("on")]
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    outside = {link for link in page.get("a", "href") if not link.startswith("#") and ":" in link}
    assert all(link.startswith("https://doi.org/") for link in outside)


def test_every_link_and_label_within_the_page_leads_somewhere(page):
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {link[1:] for link in page.get("a", "href") if link.startswith("#")}
    targets |= {value for _, name, value in page.attributes if name in {"aria-labelledby", "data-spec", "data-table"}}
    assert targets <= set(ids)


def test_every_figure_has_its_caption_its_specification_and_its_file(small, page):
    assert len(small.figures) > 5
    specs = {attributes["id"]: json.loads(text) for attributes, text in page.scripts if "id" in attributes}
    for figure in small.figures:
        assert figure.title in page.text
        assert " ".join(figure.caption.split()) in page.text
        assert "config" not in specs[f"spec-{figure.name}"]
        assert f"figures/{figure.name}.csv" in page.get("a", "href")
    assert set(specs["configs"]) == {"light", "dark"}


def test_every_table_with_rows_is_there_with_its_file(small, page):
    filled = {f"tables/{name}.csv" for name, table in small.estimates.tables.items() if len(table)}
    assert filled <= set(page.get("a", "href"))


def test_rules_and_versions_are_explained_as_they_were_used(page):
    assert "Detector answer_aware" in page.text
    assert "Detectors prefix and prefix_strict" in page.text
    assert "Your refused column" not in page.text
    assert "@software{persona_refusal" in page.text


def test_cautions_stand_on_the_first_screen_and_where_they_belong(page):
    assert page.text.count("The detector's accuracy on this model is unknown") == 2
    assert page.text.count("Few texts: ") == 1


# Bad input.


@pytest.mark.parametrize("settings", [("persona",), ("neutral",), ("persona-free",), ("persona", "persona-free")])
def test_a_study_of_fewer_settings_has_its_page(logs, tmp_path, settings):
    for setting in settings:
        logs.write_run(tmp_path, "RNA RAA", setting=setting)
    page = Page(write_html(content([tmp_path])))
    assert ("No persona task was run" in page.text) == ("persona" not in settings)
    assert ("No neutral task was run:" in page.text) == ("persona" in settings)


def test_one_response_has_its_page(logs, tmp_path):
    logs.write_run(tmp_path, "A")
    assert "1 response by 1 model" in Page(write_html(content([tmp_path]))).text


def table_of(folder, **columns):
    rows = {"model": ["m"] * 4, "task": ["nli"] * 4, "text_id": list("aabb"), "refused": [0, 1, 0, 0]}
    pd.DataFrame(rows | columns).to_parquet(folder / "t.parquet", index=False)
    return read_responses([folder / "t.parquet"])


def test_a_table_without_texts_still_shows_rates(tmp_path):
    page = Page(write_html(content(table_of(tmp_path), without="There are no texts.")))
    assert "There are no texts." in page.text
    assert "25.00" in page.text
    assert "Your refused column" in page.text
    assert "No column persona, so there are no results by it." in page.text


def test_a_table_with_columns_nobody_knows_has_its_page(tmp_path):
    added = {
        "score": [0.1, None, 2.0, 3.0],
        "<b>": ["x"] * 4,
        "refused_other": [0, 1, 1, 1],
        "refused_new": [1, 1, None, 0],
    }
    page = Page(write_html(content(table_of(tmp_path, **added))))
    assert "gave no verdict for 1 of 4 responses" in page.text


def test_lines_without_verdicts_are_judged_from_their_text_and_that_is_said(logs, tmp_path):
    lines = logs.samples("RNA RAA")
    for line in lines[:2]:
        del line["answer_rate"]
    logs.write_run(tmp_path, lines)
    assert "2 lines without the metrics of this version: judged from" in Page(write_html(content([tmp_path]))).text


HOSTILE = [
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror=alert(1)>',
    "</script></title></style><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' onfocus='alert(1)",
    "a\u202eb\0c\u2028d",
    "-->]]>&lt;b&gt;",
    "__proto__",
    "Ünïcode 模型 نموذج",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_be_more_than_text(small, page, name):
    def fill(table):
        return table.replace({"acme/parrot-7b": name, "woman": name})

    tables = {stem: fill(table) for stem, table in small.estimates.tables.items()}
    columns = {
        key: value | {"levels": [visible(name) if level == "woman" else level for level in value["levels"]]}
        for key, value in small.sample.columns.items()
    }
    hostile = replace(
        small,
        estimates=replace(small.estimates, tables=tables),
        origin=replace(small.origin, runs=small.origin.runs.assign(model=name), notes=(f"{name} was left out.",)),
        figures=list(draw_rates(tables, small.estimates.rules)),
        sample=replace(small.sample, columns=columns, responses=[visible(name)] * small.sample.n),
    )
    text = write_html(hostile)
    found = Page(text)
    assert set(found.tags) == set(page.tags)
    assert len(found.scripts) == len(page.scripts) - len(small.figures) + 1
    assert not [a for a in found.attributes if a[1].startswith("on") or a[1] in {"src", "style"}]
    assert not re.search("[\0\u202e\u2028]", text)
    for attributes, script in found.scripts:
        if "type" in attributes:
            json.loads(script)
