"""The page in a real browser: light, dark and on a phone, without a network."""

import io
import itertools
import shutil

import numpy as np
import pytest
from made_up import Recipe, build, plan
from PIL import Image
from playwright.sync_api import sync_playwright

from brittle.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
EVIL = ["<img src=x onerror=\"document.title='owned'\">", "</script><script>document.title='owned'</script>"]
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="no Chromium on this machine (Debian: apt-get install chromium): the page cannot be looked at",
)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A run with names that are markup, many attacks and pictures."""
    names = [*EVIL, *(f"a rather long name of class {number}" for number in range(8))]
    recipe = Recipe(images=60, classes=names, attacks=plan(0.05), radius=0.05, network="<b>net.pt2")
    return write_report(build(tmp_path_factory.mktemp("report"), recipe))


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    """Photographs of a thousand classes."""
    names = [f"c{number}" for number in range(1000)]
    recipe = Recipe(images=80, classes=names, shape=(3, 224, 224), pictures=1, attacks=plan()[2:])
    return write_report(build(tmp_path_factory.mktemp("long"), recipe))


@pytest.fixture(scope="module")
def look(browser):
    """Open a page, and fail at the end if it complained or asked for anything but itself."""
    opened = []

    def open_page(path, width=1200, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="light", **options)
        page = context.new_page()
        told, asked = [], []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.locator(".figure").first.wait_for()
        opened.append((context, path, told, asked))
        return page

    yield open_page
    for context, path, told, asked in opened:
        context.close()
        assert told == []
        assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


@pytest.fixture(scope="module")
def page(look, report):
    """The report on a desk; its tests leave it light, as they found it."""
    return look(report)


def switch(page, scheme):
    """Change the system's colours and wait until the page has followed."""
    page.emulate_media(color_scheme=scheme)
    page.locator(f"html[data-theme={scheme}]").wait_for()


def pixels(page, **options):
    return np.asarray(Image.open(io.BytesIO(page.screenshot(**options))).convert("L")).astype(float)


def test_headings_and_names(page):
    assert page.title() == "How brittle is <b>net.pt2?"
    assert page.locator("h1").inner_text() == page.title()
    headings = page.locator("h2").all_inner_texts()
    assert headings[1:] == [
        "Attacks",
        "Robust accuracy against the size of the change",
        "Sizes of the smallest changes",
        "Class by class",
        "What becomes what",
        "Pictures",
        "How far to trust this",
        "Settings",
    ]
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "no level is skipped"
    assert EVIL[0] in page.locator("#classes-table").inner_text()
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    names = page.locator("#plot-confusion text").all_text_contents()
    assert sum(name.startswith("<img src") for name in names) == 2
    assert page.locator(".drawing foreignObject, .drawing a, .drawing img").count() == 0
    broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).length")
    assert broken == 0
    small = page.locator(".shot img").first
    assert small.evaluate("(image) => getComputedStyle(image).imageRendering") == "pixelated"


def test_light_dark_and_the_switch(page):
    figure = page.locator("#plot-security").bounding_box()
    shots = {}
    for scheme in ("light", "dark"):
        switch(page, scheme)
        shots[scheme] = [pixels(page), pixels(page, clip=figure, full_page=True)]
        for shot in shots[scheme]:
            assert shot.std() > 5, "a blank page has no contrast"
    for light, dark in zip(shots["light"], shots["dark"], strict=True):
        assert np.median(dark) < 60 < 200 < np.median(light), "the figures change with the page"
    page.locator("#theme").click()
    assert np.median(pixels(page)) > 200
    assert page.locator("#theme").inner_text() == "Dark"
    page.evaluate("localStorage.clear()")
    switch(page, "light")


def contrast(page, selector):
    """Contrast ratio of an element's text with the page, by WCAG 2.1."""
    colors = page.evaluate(
        """(selector) => {
            const paint = (color) => {
                const context = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
                context.fillStyle = color; context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const style = (element) => getComputedStyle(element);
            return [paint(style(document.querySelector(selector)).color), paint(style(document.body).backgroundColor)];
        }""",
        selector,
    )
    linear = [[c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color] for color in colors]
    lights = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, scheme):
    switch(page, scheme)
    for selector in ("p", "small", ".muted", "summary", "thead th", "nav a", "figcaption"):
        assert contrast(page, selector) >= 4.5, selector
    switch(page, "light")


def test_on_a_phone_nothing_sticks_out(look, report, long_report):
    for path in (report, long_report):
        page = look(path, width=320, has_touch=True, is_mobile=True)
        page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert pixels(page).std() > 15
        table = page.locator("#attack-table")
        assert table.evaluate("(table) => table.scrollWidth > table.parentElement.clientWidth"), "it scrolls inside"


def test_tables_sort_and_unfold(look, long_report):
    page = look(long_report)
    rows = page.locator("#classes-table tbody tr")
    visible = page.locator("#classes-table tbody tr:visible")
    assert visible.count() == 20
    page.locator("#classes .more").click()
    assert visible.count() == rows.count() > 20
    head = page.locator("#classes-table thead th").nth(0)
    for expected in ("ascending", "descending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == expected
        names = [int(name[1:]) for name in page.locator("#classes-table tbody tr td:first-child").all_inner_texts()]
        assert names == sorted(names, reverse=expected == "descending")


def test_it_prints_light(page):
    switch(page, "dark")
    page.emulate_media(media="print")
    assert np.median(pixels(page)) > 200
    assert page.locator("nav").is_hidden()
    page.emulate_media(media="screen")
    switch(page, "light")


def test_paper_has_every_row_once(look, long_report):
    page = look(long_report)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("tr:visible").count() == page.locator("tr").count()
    closed = page.locator("details:not(#attack-table details) > :not(summary)")
    assert closed.evaluate_all("(found) => found.every((one) => one.checkVisibility())")
    assert page.locator("#attack-table dl:visible").count() == 0, "they are under the settings"
    assert page.locator("tfoot").first.evaluate("(foot) => getComputedStyle(foot).display") == "table-row-group"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_scripts_everything_is_there(browser, long_report, scheme):
    context = browser.new_context(
        java_script_enabled=False, color_scheme=scheme, viewport={"width": 1000, "height": 800}
    )
    page = context.new_page()
    page.goto(long_report.as_uri())
    figure = page.locator("#plot-security svg.figure")
    assert figure.locator("path.line").count() >= 1
    light = np.median(pixels(page, clip=figure.bounding_box(), full_page=True))
    assert light > 200 if scheme == "light" else light < 60
    assert (
        page.locator("#classes-table tbody tr:visible").count() == page.locator("#classes-table tbody tr").count() > 20
    )
    assert page.locator("#theme").is_hidden()
    assert page.locator(".more").count() == 0, "there is nothing to unfold"
    context.close()


def test_keys_reach_what_scrolls_and_show_where_they_are(look, report):
    page = look(report)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("(link) => link === document.activeElement && link.getBoundingClientRect().left >= 0")
    regions = page.locator(".scroll")
    assert regions.evaluate_all("(all) => all.every((one) => one.tabIndex === 0)")
    named = ":is([role=region][aria-label], pre)"
    assert page.locator(f".scroll:not({named})").count() == 0
    assert page.locator("svg.figure:not([role=img][aria-label])").count() == 0
    regions.first.focus()
    assert regions.first.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"


def test_lines_keep_their_width_and_letters_their_size_on_a_phone(look, report):
    sizes = []
    for width in (1200, 320):
        page = look(report, width=width)
        letters = page.locator("#plot-security text").first
        sizes.append(letters.evaluate("(text) => text.getBoundingClientRect().height"))
        assert page.locator("#plot-security svg.figure").bounding_box()["width"] < width
    assert sizes[0] == sizes[1] > 0
