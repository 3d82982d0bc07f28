"""The study's page: as text, and in a real browser."""

import re
import shutil
from dataclasses import replace

import pytest
from counting_study import Counting
from playwright.sync_api import sync_playwright

from brittle.report import write_report
from brittle.report.study_page import ratio_figure, render_study, write_study
from brittle.studies import run_study
from brittle.studies.bench.study import Order

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "</script><script>document.title='owned'</script>"


@pytest.fixture
def evil(tmp_path):
    rows = ("first", f"<img src=x onerror=\"document.title='owned'\">{EVIL}", "third")
    return run_study(Counting(rows=rows, remark=f"a remark {EVIL}").study(), tmp_path)


def test_names_stay_text(evil):
    page = render_study(evil)
    assert "<img src=x" not in page
    assert page.count("<script") == 1
    names = re.findall(r'text-anchor="end">([^<]*)</text>', page)
    assert names == ["first", '&lt;img src=x onerror="documen…']


def test_figures_stand_beside_the_published_ones_with_their_interval(counting, tmp_path):
    page = render_study(run_study(counting.study(), tmp_path))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells[:3] == [
        "12.5 %<small>0.3–52.7 %</small>",
        '25.0 %<small class="note">inside</small>',
        '0.125<small>0.00316–0.527</small><small class="note">(some were left out)</small>',
    ]
    headline = re.search(r'<h2 id="verdict-title">(.*?)</h2>', page)[1]
    assert headline == "2 of 2 published figures measured again lie inside the measured interval"
    assert "2 of 3 rows measured here." in page
    assert page.count("third") == page.count("1 network is not here: see --data, --models and --scale (third).") == 1
    assert 'colspan="2"' in page


def test_the_figure_draws_measured_and_published(counting, tmp_path):
    result = run_study(counting.study(), tmp_path)
    measured, published = ratio_figure(result, [column for column in result.columns if column.key == "rho"])["data"]
    assert measured["x"] == [0.125, 0.125]
    assert measured["error_x"]["array"] == pytest.approx([0.4015] * 2, abs=1e-3)
    assert published["x"] == [0.2]
    assert published["y"] == [0]
    assert published["marker"]["symbol"].endswith("-open")


def test_a_study_without_numbers_has_a_page_too(counting, tmp_path):
    counting.rows = ("third",)
    page = render_study(run_study(counting.study(), tmp_path))
    assert "plot-ratios" not in page
    assert "Nothing of it can be measured here" in page


def test_a_page_may_go_into_another_folder(counting, tmp_path):
    assert write_study(run_study(counting.study(), tmp_path), tmp_path) == tmp_path / "study.html"


def fits(page):
    """Whether nothing sticks out of the window, once the figure has had time to follow its size."""
    for _ in range(50):
        if page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            return True
        page.wait_for_timeout(100)
    return False


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def test_in_a_browser_the_figure_is_drawn_and_nothing_else_is_asked_for(evil):
    path, told, asked = write_study(evil), [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("#plot-ratios svg.figure")
        assert page.title() == "A count"
        assert page.locator("#plot-ratios .at > circle").count() == 3
        assert page.locator(".study tbody tr").count() == 2
        for width in (1200, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert fits(page), width
        page.locator("#theme").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        browser.close()
    assert told == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


def test_the_page_begins_with_what_was_measured(counting, tmp_path):
    counting.rows = ("third",)
    study = counting.study()
    orders = [Order(text, (("third", "error"), ("third", "rho"))) for text in ("One is larger", "Two are larger")]
    page = render_study(run_study(replace(study, orders=tuple(orders)), tmp_path))
    main = page.partition("<main>")[2]
    assert main.index('id="verdict"') < main.index('id="notes"')
    assert "2 statements of the paper about order were not measured." in page
    assert "One is larger" not in page
    assert "<h3>Row by row</h3>" not in page, "there is nothing to say of a row"
    whole = f"brittle study counting --out {tmp_path.name} --scale small --device cpu --seed 0"
    assert f"<code>{whole}</code>" in page
    (tmp_path / "counting" / "manifest.json").unlink()
    older = write_report(tmp_path / "counting").read_text()
    assert "<code>brittle study counting --scale small --seed 0</code>" in older, "of a version without a manifest"
    assert ("<time " in page, "<time " in older) == (True, False)


def test_a_study_of_words_says_how_often_each(counting, tmp_path):
    result = run_study(counting.study(), tmp_path)
    entries = {place: replace(one, published=None, measured=None) for place, one in result.entries.items()}
    words = {"first": "FAIL", "second": "WARN"}
    entries |= {(row, "rho"): replace(entries[row, "rho"], measured=word) for row, word in words.items()}
    page = render_study(replace(result, entries=entries))
    assert '<p class="lead">rho: 1 FAIL, 1 WARN</p>' in page
    assert "2 of 3 rows measured here" in page
