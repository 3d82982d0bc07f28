"""Titles of the user's: on every page, as text, and still there when the page is written again."""

import re

import pytest
import typer
from typer.testing import CliRunner

from brittle.cli import app
from brittle.errors import InputError
from brittle.report import write_report
from brittle.report.titles import LONGEST, title_in

ODD = "</title><script>alert(1)</script> \"two\"\n & 'three' \u202e"
HEADS = re.compile(r'<title>(.*?)</title>.*<h1>(.*?)</h1>\n(?:<p class="named">(.*?)</p>)?', re.DOTALL)


def heads(page):
    return HEADS.search(page.read_text(encoding="utf-8")).groups()


def test_a_title_stands_above_our_own_as_text(make_run):
    run = make_run(images=4)
    tab, heading, none = heads(write_report(run))
    assert none is None
    title, first, below = heads(write_report(run, title=ODD))
    shown = "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; &#34;two&#34; &amp; &#39;three&#39; \\u202e"
    assert (title, first, below) == (shown, shown, heading)
    assert tab != title


def test_a_page_keeps_its_title_until_it_gets_another(make_run, tmp_path):
    run = make_run(images=4)
    own = write_report(run).read_bytes()
    titled = write_report(run, title=ODD).read_bytes()
    assert write_report(run).read_bytes() == titled != own
    assert write_report(run, tmp_path / "elsewhere.html").read_bytes() == titled
    assert title_in(write_report(run, title="another")) == "another"
    assert write_report(run, title=" ").read_bytes() == own


def test_a_long_title_is_refused_before_anything_is_written(make_run):
    run = make_run(images=4)
    with pytest.raises(InputError, match=rf"has {LONGEST + 1} characters; expected {LONGEST} at most"):
        write_report(run, title="x" * (LONGEST + 1))
    assert not (run / "report.html").exists()
    assert heads(write_report(run, title="<" * LONGEST))[0] == "&lt;" * LONGEST


def test_a_page_that_was_changed_gives_no_long_title(make_run):
    page = write_report(make_run(images=4), title="mine")
    page.write_text(page.read_text().replace('content="mine"', f'content="{"x" * (LONGEST + 1)}"'))
    assert title_in(page) == ""
    page.write_text("<title>none of ours</title>")
    assert title_in(page) == ""
    assert title_in(page.parent) == ""


def test_the_command_keeps_a_title_too(make_run, tmp_path):
    run = make_run(images=4)
    for words in (["--title", "Digits, second try"], []):
        done = CliRunner().invoke(app, ["report", str(run), *words])
        assert done.exit_code == 0, done.output
        assert heads(run / "report.html")[0] == "Digits, second try"


def test_every_command_that_writes_a_page_takes_a_title():
    commands = typer.main.get_command(app).commands
    without = {name for name, one in commands.items() if not any("--title" in each.opts for each in one.params)}
    assert without == {"apply", "demo", "list", "serve"}, "none of these writes a page of its own"
