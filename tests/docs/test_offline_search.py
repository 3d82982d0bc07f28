"""The search of the pages, in a browser, from disk: of two pages with the theme and the script of the real ones."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCRIPT = Path("assets", "iframe-worker.js")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.filterwarnings("default::DeprecationWarning"),  # of mkdocs and its theme
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages made as `mkdocs.yml` says, of texts that are soon built."""
    pytest.importorskip("mkdocs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("pages")
    texts = folder / "docs"
    (texts / SCRIPT).parent.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / SCRIPT, texts / SCRIPT)
    (texts / "index.md").write_text("# Start\n\nNothing of interest.\n")
    (texts / "fruit.md").write_text("# Fruit\n\n## Of the tropics\n\nThe mangosteen is purple.\n")
    light = {"nav": ["index.md", "fruit.md"], "hooks": [], "plugins": ["search", "offline"]}
    build(load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(texts), site_dir=str(folder / "site"), **light))
    return folder / "site"


def test_a_word_is_found_from_disk(pages):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked, told = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto((pages / "index.html").as_uri())
        page.locator("[data-md-component=search-query]").press_sequentially("mangosteen")
        found = page.locator(".md-search-result__link").first
        found.wait_for()
        text, address = found.inner_text(), found.get_attribute("href")
        browser.close()
    assert "Fruit" in text
    assert address.startswith((pages / "fruit.html").as_uri())
    assert told == []
    assert [url for url in asked if not url.startswith("file:")] == []
