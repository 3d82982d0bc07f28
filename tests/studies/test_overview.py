"""All studies of a folder, one after the other and on one page."""

import re

import pytest

from brittle.cli.study import show_overview
from brittle.engine.lease import LEASE, LEASES, lease
from brittle.errors import InputError, RunError
from brittle.registry import STUDIES
from brittle.report import write_report
from brittle.report.overview_page import render_overview
from brittle.studies import run_studies
from brittle.studies.bench.all import run_studies as its_home
from brittle.studies.bench.overview import Line, Overview, read_overview


@pytest.fixture
def two(counting, monkeypatch):
    """Two studies of the user's kind under names of their own; the second cannot be set up."""
    from dataclasses import replace

    from brittle.studies.bench.catalogue import STUDIES as CATALOGUE

    def refuses(setting):
        raise RunError("the disk is full")

    one, other = counting.study(), replace(counting.study(), name="failing", cells=refuses)
    monkeypatch.setitem(CATALOGUE._studies, "counting", one)
    monkeypatch.setitem(CATALOGUE._listed, "counting", CATALOGUE._listed["adef"])
    monkeypatch.setitem(CATALOGUE._studies, "failing", other)
    monkeypatch.setitem(CATALOGUE._listed, "failing", CATALOGUE._listed["adef"])
    return ["counting", "failing"]


def test_one_that_fails_does_not_stop_the_others(two, tmp_path):
    told, pages = [], []
    overview = run_studies(
        *(tmp_path,), names=["failing", "counting"], watch=lambda *said: told.append(said), each=pages.append
    )
    assert [line.failed for line in overview.lines] == ["the disk is full", ""]
    line = overview.lines[1]
    assert (line.published, line.beside, line.inside, line.rows, line.measured) == (3, 2, 2, 3, 2)
    assert line.figure == "first, test error: 12.5 %, published 25.0 %"
    assert [page.name for page in pages] == ["counting"]
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions), "the bar does not go back"
    assert fractions[-1] == 1.0
    assert told[0][0].startswith("failing: ")


def test_the_page_can_be_written_again_from_disk(two, tmp_path, capsys):
    overview = run_studies(tmp_path, names=["counting"])
    assert read_overview(tmp_path) == overview
    page = write_report(tmp_path).read_text()
    assert re.search(r"Of 3 published figures 2 have a measured one beside them, 2 lie inside its interval", page)
    assert "12.5 %, published 25.0 %" in page
    assert 'href="counting' not in page, "there is no page of the study to lead to"
    show_overview(overview)
    assert "counting" in capsys.readouterr().out


def test_a_study_that_was_begun_is_said_to_be_unfinished(two, tmp_path):
    run_studies(tmp_path, names=["failing", "counting"])
    lines = {line.name: line.failed for line in read_overview(tmp_path).lines}
    assert lines == {"counting": "", "failing": "begun, and not finished: there is no table yet"}


def test_unknown_names_are_refused_before_anything_runs(counting, tmp_path):
    with pytest.raises(InputError, match="there is no study 'nothing'"):
        run_studies(tmp_path, names=["nothing"])
    with pytest.raises(InputError, match="expected small, full, paper"):
        run_studies(tmp_path, names=["planted-faults"], scale="large")
    with pytest.raises(InputError, match="there is no folder"):
        run_studies(tmp_path, names=["planted-faults"], data=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())
    assert its_home is run_studies
    assert len(STUDIES) > 30


def test_a_page_without_figures_is_small(two, tmp_path):
    run_studies(tmp_path, names=["counting"])
    page = write_report(tmp_path).read_text()
    assert len(page) < 50_000


def test_a_study_that_somebody_works_on_is_left_for_later(two, tmp_path):
    order = []
    with lease(tmp_path / LEASES / f"counting{LEASE}"):
        overview = run_studies(tmp_path, names=two, watch=lambda line, fraction: order.append(line.partition(":")[0]))
    assert list(dict.fromkeys(order)) == ["failing", "counting"]
    assert [line.name for line in overview.lines] == two, "the page keeps the order"


def test_studies_of_which_nothing_is_measured_are_one_line_of_the_page(tmp_path):
    told = (("It rises", "kept"), ("It falls", "not measured"))
    lines = (
        Line("one", "One", "A paper", rows=2, measured=1, pairs={}, orders=told),
        Line("two", "Two", "A paper", rows=3),
    )
    page = render_overview(Overview(tmp_path, lines))
    rows = re.findall(r'<tr><th scope="row">(?:<a[^>]*>)?(\w+)', page)
    assert rows == ["one", "all"]
    assert "Of 1 study nothing can be measured here, as its page says: two." in page
    assert ("It rises" in page, "It falls" in page) == (True, False)
    assert "1 statement more was not measured." in page
