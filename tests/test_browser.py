"""The report's page in a browser: it opens offline, draws, filters, sorts, all can read it, and nothing else runs."""

import re
import shutil
import time
import zlib

import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.report import ReportOptions, write_report
from refusal_metrics.analysis.responses import load_responses
from typer.testing import CliRunner

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright (the extra dev)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core (the extra dev)")

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package) on the path"),
]

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'><svg onload=window.hacked=1>",
    "</script><script>window.hacked = 1</script>",
    "</textarea></template></dd><iframe srcdoc='<script>parent.hacked = 1</script>'>",
    "javascript:window.hacked=1 {{ 7 * 7 }} {% for x in y %} ${window.hacked = 1}",
    "turned \u202e around \u2066 and \u2028 split \0 null \ufffd broken",
    "<a href='https://example.org/x.png'>link</a> <link rel=stylesheet href=https://example.org/x.css>",
    "long " + "x" * 1_000_000,
]
EVIL = "<img src=x onerror=window.hacked=1>\u202eevil"
LONGEST_WAIT = 20
"""Seconds, on a slow machine; what is waited for is there in one or two."""


@pytest.fixture(scope="module")
def report(logs, tmp_path_factory):
    """Two models, one with a hostile name, two tasks and settings; the hostile responses are of the first model."""
    folder = tmp_path_factory.mktemp("browser")
    words = "RNAE RRAN AAAE NRAR ARAA RANR"
    for kind in ("nli", "offensiveness"):
        for setting in ("persona", "neutral"):
            logs.write_run(folder / "results", words, kind=kind, setting=setting)
            logs.write_run(folder / "results", words[::-1], kind=kind, setting=setting, model=EVIL)
    lines = logs.said(*HOSTILE, kind="politeness", setting="persona-free")
    log = logs.write_run(folder / "results", lines, kind="politeness", setting="persona-free")
    with log.open("ab") as file:
        file.write(b'{"doc": "\xff\xfe broken UTF-8"}\n')
    responses = load_responses([folder / "results"], texts=True)
    write_report(responses, folder / "out", ReportOptions(n_replicates=20))
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        # As root, as in a container, Chromium starts without its sandbox alone.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page that was opened from its file, and all that it did."""

    def __init__(self, browser, file, **how):
        self.context = browser.new_context(
            **{"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **how}
        )
        self.page = self.context.new_page()
        self.requests, self.errors, self.dialogs = [], [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.set_default_timeout(1000 * LONGEST_WAIT)
        self.page.goto(file.as_uri())
        self.wait("document.querySelector('#cards').children.length > 0")

    def wait(self, condition):
        """Wait until something holds; Playwright's own way evaluates text, which the page's policy forbids."""
        end = time.monotonic() + LONGEST_WAIT
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(30)

    def wait_for_figures(self):
        self.wait("[...document.querySelectorAll('.chart')].every((chart) => chart.classList.contains('drawn'))")

    def found(self):
        return self.page.locator("#found").inner_text()


@pytest.fixture
def open_page(chromium, report):
    opened = []

    def start(**how):
        opened.append(Opened(chromium, report, **how))
        return opened[-1]

    yield start
    for one in opened:
        one.context.close()


@pytest.fixture(scope="module")
def shared(chromium, report):
    """A page for tests that leave it as it was."""
    opened = Opened(chromium, report)
    opened.wait_for_figures()
    yield opened
    opened.context.close()


def test_the_page_opens_offline_without_errors_and_draws_every_figure(open_page, report):
    opened = open_page(offline=True)
    opened.wait_for_figures()
    charts = opened.page.locator(".chart")
    assert charts.count() > 8
    for number in range(charts.count()):
        # Something is drawn: at least a mark or text.
        assert charts.nth(number).locator("svg path, svg text").count() > 3
    assert opened.requests == [report.as_uri()]
    assert opened.errors == []


def test_figures_far_below_are_drawn_without_scrolling_so_that_they_can_be_printed(shared):
    last = shared.page.locator(".chart").last
    assert last.locator("svg").count() == 1
    assert shared.page.evaluate("scrollY") == 0


def test_a_mark_tells_its_numbers_when_it_is_pointed_at(open_page):
    opened = open_page()
    opened.wait_for_figures()
    mark = opened.page.locator(".chart").first.locator(".mark-symbol path").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    opened.wait("document.querySelector('#vg-tooltip-element.visible') !== null")
    assert re.search(r"\d", opened.page.locator("#vg-tooltip-element").inner_text())


def test_every_file_that_the_page_names_is_there(shared, report):
    links = shared.page.evaluate("[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))")
    files = [link for link in links if not link.startswith(("#", "https://"))]
    assert len(files) > 20
    assert [file for file in files if not (report.parent / file).is_file()] == []


# Tables.


def open_table(page, title):
    place = page.locator("details.table", has=page.locator("summary", has_text=re.compile(f"^{title}"))).first
    place.locator("summary").click()
    place.locator("tbody tr").first.wait_for()
    return place


def cells(place, column):
    return place.locator(f"tbody tr td:nth-child({column})").all_inner_texts()


def test_a_table_is_sorted_by_numbers_either_way_and_by_names(open_page):
    place = open_table(open_page().page, "Refusal rates")
    heads = [text.strip() for text in place.locator("thead th").all_inner_texts()]
    column = heads.index("rate (%)") + 1
    button = place.locator(f"thead th:nth-child({column}) button")
    button.click()
    numbers = [float(text) for text in cells(place, column)]
    assert numbers == sorted(numbers)
    assert max(numbers) > 9 > min(numbers)  # as texts "10" would come before "9"
    assert place.locator(f"thead th:nth-child({column})").get_attribute("aria-sort") == "ascending"
    button.click()
    assert [float(text) for text in cells(place, column)] == numbers[::-1]
    assert place.locator("th[aria-sort=descending]").count() == 1
    place.locator("thead th:nth-child(4) button").click()
    assert cells(place, 4) == sorted(cells(place, 4))


def test_a_table_shows_the_rows_with_the_words_that_are_typed(open_page):
    place = open_table(open_page().page, "Rates by persona")
    n_all = place.locator("tbody tr").count()
    place.locator("input[type=search]").fill("MUSLIM")
    rows = place.locator("tbody tr").all_inner_texts()
    assert 0 < len(rows) < n_all
    assert all("Muslim" in row for row in rows)
    assert place.locator("output").inner_text() == f"{len(rows)} of {len(rows)} rows shown"


def test_the_table_of_the_first_screen_is_sorted_too(open_page):
    table = open_page().page.locator("#board table")
    table.locator("thead th:nth-child(2) button").click()
    assert cells(table, 2) == sorted(cells(table, 2))


# Responses.


def test_responses_are_filtered_by_what_is_known_of_them(open_page):
    opened = open_page()
    n_all = int(re.search(r"of (\d+) responses", opened.found())[1])
    filters = opened.page.locator("#filters")
    filters.get_by_label("Verdict", exact=True).select_option(label="refusal")
    filters.get_by_label("task", exact=True).select_option(label="NLI")
    filters.get_by_label("persona", exact=True).select_option(label="Woman")
    n_some = int(re.search(r"of (\d+) responses", opened.found())[1])
    assert 0 < n_some < n_all
    for tags in opened.page.locator(".card .tags").all_inner_texts():
        assert tags.startswith("refusal")
        assert "NLI" in tags
        assert "Woman" in tags
    filters.get_by_label("cause", exact=True).select_option(label="general")
    assert opened.page.locator(".card").count() > 0


def test_responses_on_which_the_rules_disagree_can_be_had_alone(open_page):
    opened = open_page()
    opened.page.get_by_role("checkbox", name="Detectors disagree").check()
    tags = opened.page.locator(".card .tags").all_inner_texts()
    assert tags
    assert all("Detectors disagree (answer_aware: no refusal, prefix: refusal" in text for text in tags)


def test_where_nothing_is_like_that_the_page_says_so_and_pages_can_be_turned(open_page):
    opened = open_page()
    assert opened.found().startswith("1 to 20 of ")
    opened.page.get_by_role("button", name="Next").click()
    assert opened.found().startswith("21 to ")
    opened.page.get_by_label("Search text").fill("nobody said this")
    assert opened.found() == "No response of the sample is like that."
    assert opened.page.locator(".card").count() == 0


def test_offensive_texts_are_folded_until_they_are_asked_for(open_page):
    opened = open_page()
    opened.page.get_by_label("task", exact=True).select_option(label="Offensiveness")
    card = opened.page.locator(".card").first
    assert card.locator("dd").count() == 0
    card.locator("summary").click()
    card.locator("dd").first.wait_for()
    assert "offensive or not offensive?" in card.locator("dd").first.inner_text()


def test_a_hostile_response_is_text_and_runs_nothing(open_page, report):
    opened = open_page()
    opened.wait_for_figures()
    opened.page.get_by_label("task", exact=True).select_option(label="Politeness")
    shown = opened.page.locator(".card dd:last-child").all_inner_texts()
    assert len(shown) == len(HOSTILE)
    for text in HOSTILE[:5]:
        assert text in shown
    assert "turned \\u202e around \\u2066 and \\u2028 split \\u0000 null \ufffd broken" in shown
    assert [text for text in shown if "cut here: 1,000,005 characters in all" in text]
    for name in ("Refusal rates", "Rates by persona"):
        open_table(opened.page, name)
    opened.page.locator("#theme").click()
    opened.wait_for_figures()
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.evaluate("document.querySelectorAll('img, iframe, a[href*=example]').length") == 0
    assert (opened.dialogs, opened.errors, opened.requests) == ([], [], [report.as_uri()])


def test_broken_lines_are_said(shared):
    assert "1 line left out: no doc" in shared.page.locator("#short").inner_text()


def test_a_hostile_name_of_a_model_is_shown_with_what_is_hidden_in_it(shared):
    assert "<img src=x onerror=window.hacked=1>\\u202eevil" in shared.page.locator("#board table").inner_text()


def test_the_policy_stops_a_script_that_is_not_the_pages_own(open_page):
    opened = open_page()
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        " document.body.append(s); }"
    )
    assert opened.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in error for error in opened.errors)


# Who reads it, and on what.


def serious(page):
    # What is inside a chart is hidden from screen readers, which read its caption and table.
    violations = axe.Axe().run(page, {"exclude": [[".chart svg"]]}).response["violations"]
    return [
        (found["id"], node["target"], node["failureSummary"])
        for found in violations
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 380)])
def test_there_is_no_serious_barrier_in_light_or_dark_on_wide_or_narrow_screens(open_page, scheme, width):
    opened = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    opened.wait_for_figures()
    open_table(opened.page, "Difference from baselines")
    opened.page.locator(".card summary").first.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(opened.page) == []


def colours(opened):
    return opened.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, "
        "document.querySelector('.chart svg text').getAttribute('fill')]"
    )


def test_the_page_is_dark_where_the_system_is_and_can_be_turned(open_page):
    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    for opened in (light, dark):
        opened.wait_for_figures()
    in_light, in_dark = colours(light), colours(dark)
    assert in_light[0] == "rgb(255, 255, 255)"
    assert in_light[0] != in_dark[0]
    assert in_light[1] != in_dark[1]
    light.page.get_by_role("button", name="Dark page").click()
    light.wait(f"document.querySelector('.chart svg text').getAttribute('fill') === '{in_dark[1]}'")
    assert colours(light) == in_dark
    assert light.page.get_by_role("button", name="Light page").count() == 1


def test_a_dark_page_is_printed_as_a_light_one(open_page):
    printed = []
    for scheme in ("light", "dark"):
        opened = open_page(color_scheme=scheme)
        opened.wait_for_figures()
        pdf = opened.page.pdf()
        streams = [
            zlib.decompressobj().decompress(s)  # a stream can end in what looks like an end of line
            for s in re.findall(rb"FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
            if s[:1] == b"x"
        ]
        fills = {fill for stream in streams for fill in re.findall(rb"([.\d]+ [.\d]+ [.\d]+) rg", stream)}
        printed.append(fills)
        before = "rgb(255, 255, 255)" if scheme == "light" else "rgb(16, 21, 27)"
        assert colours(opened)[0] == before
    assert len(printed[0]) > 3
    assert printed[0] == printed[1]


def test_the_keyboard_reaches_the_page_and_sorts_with_enter(open_page):
    opened = open_page()
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        if page.evaluate("document.activeElement.matches('#board th:nth-child(2) button')"):
            break
    assert "theme" in reached
    assert reached[-1] == "mean %"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator("#board th:nth-child(2)").get_attribute("aria-sort") == "ascending"
    table = page.locator("#board table")
    assert cells(table, 2) == sorted(cells(table, 2))


def test_without_javascript_the_findings_and_rates_are_there(chromium, report):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#board tbody tr").count() == 2
    assert "need JavaScript" in page.locator("main").inner_text()
    context.close()


@pytest.fixture(scope="module")
def board(report):
    """The board of the same models."""
    out = report.parent.parent / "board.html"
    told = CliRunner().invoke(cli.app, ["leaderboard", str(report.parent.parent / "results"), "--out", str(out)])
    assert told.exit_code == 0, told.output
    return out


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 380)])
def test_the_board_opens_offline_without_a_serious_barrier_and_its_names_run_nothing(chromium, board, scheme, width):
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True)
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto(board.as_uri())
    assert requests == [board.as_uri()]
    assert errors == []
    assert page.locator("table").count() > 1
    assert page.evaluate("window.hacked") is None
    assert "<img src=x" in page.locator("table").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    context.close()
