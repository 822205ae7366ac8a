"""The documentation in a browser, opened as files: search finds, the copy button copies commands, nothing is loaded."""

import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright (the extra dev)")

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package) on the path"),
]
# A page from a file has no clipboard to read: what would be written there is kept.
CLIPBOARD = """
window.copied = [];
Object.defineProperty(navigator, "clipboard", {value: {writeText: async text => { window.copied.push(text); }}});
document.execCommand = () => window.copied.push(document.activeElement.value ?? String(getSelection()));
"""


@pytest.fixture(scope="module")
def page(site):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.seen = []
        page.on("request", lambda request: page.seen.append(request.url))
        page.on("pageerror", lambda error: page.seen.append(str(error)))
        page.add_init_script(CLIPBOARD)
        page.goto((site / "index.html").as_uri())
        yield page
        assert [what for what in page.seen if not what.startswith(("file:", "data:", "blob:"))] == []
        browser.close()


def test_the_copy_button_copies_commands_without_prompts_and_output(page):
    for button in page.locator("button[title*=opy]").all():
        button.click(force=True)
    copied = page.evaluate("window.copied")
    # Of docs/index.html: one command alone, one of several lines, and two with output between them.
    install, several, with_output = copied
    assert install == 'pip install ".[vllm]"'
    assert several.startswith("persona-refusal register\nlm_eval --model vllm --model_args ")
    assert several.endswith("--log_samples \\\n    --output_path results")
    assert with_output == "persona-refusal rates results\npersona-refusal report results --out report"


def test_search_works_in_pages_opened_as_files(page):
    page.locator(".md-search__button").click()
    page.keyboard.type("iota")
    # The results are in a tree of their own, which Playwright's selectors enter.
    found = page.get_by_text("Importance of factors")
    found.first.wait_for(timeout=20_000)
    found.first.click()
    page.wait_for_url("**/method.html*", timeout=20_000)
