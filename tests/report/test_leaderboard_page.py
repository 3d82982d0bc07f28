"""Leaderboards from made-up rows: order, tables, what has no rank, the files, and the page."""

import csv
import json
import shutil

import pytest
from made_up import Recipe, fail_a_check, plan

from brittle import InputError, RunError
from brittle.evaluation.compare import compare
from brittle.evaluation.leaderboard import leaderboard, model_info
from brittle.metrics import paired_rates
from brittle.report import write_report
from brittle.runs.comparable import on_shared_images
from brittle.runs.leaderboard import read_leaderboard
from brittle.runs.manifest import AttackInfo
from brittle.runs.store import RunFolder

RECIPE = Recipe(images=100, attacks=plan(0.05), radius=0.05, pictures=0)


@pytest.fixture
def made(make_runs):
    """Make up a run folder by its name, of the same images as every other."""
    return make_runs(RECIPE)


def test_the_most_robust_comes_first_and_each_with_its_lead(made):
    weak, strong, middle = made("weak", typical=0.02), made("strong", typical=0.2), made("middle", typical=0.05)
    (board,) = leaderboard(weak, strong, middle).tables
    assert [(row.rank, row.run) for row in board.rows] == [(1, "strong"), (2, "middle"), (3, "weak")]
    assert board.rows[0].lead is None
    one, other = on_shared_images([RunFolder.open(strong), RunFolder.open(middle)])
    assert board.rows[1].lead == paired_rates(one.standing, other.standing).chance < 0.01
    assert [row.robust.value for row in board.rows] == sorted((row.robust.value for row in board.rows), reverse=True)


def test_an_audit_that_may_flatter_comes_last_without_a_rank(made):
    (board,) = leaderboard(fail_a_check(made("strong", typical=0.2)), made("weak")).tables
    assert [(row.rank, row.run) for row in board.rows] == [(1, "weak"), (None, "strong")]
    assert board.rows[1].failed == ["Gradients"]
    assert model_info(board, board.rows[1])["unreliable"] is True


def test_other_questions_have_tables_of_their_own(made):
    found = leaderboard(made("one"), made("two", radius=0.1, attacks=plan(0.1)), made("three"), made("four", images=50))
    assert [[row.run for row in board.rows] for board in found.tables] == [["one", "three"], ["two"], ["four"]]


def test_the_files_say_the_same_as_the_table(made, tmp_path):
    run = made("[one]")
    (run / "model_info.json").write_text(
        json.dumps({"name": "A <network>", "link": "https://example.org/1", "venue": "ICML 2026", "reported": "40.1"})
    )
    found = leaderboard(run, made("two", typical=0.02), out=tmp_path / "board")
    assert read_leaderboard(tmp_path / "board") == found
    rows = [*csv.DictReader((tmp_path / "board" / "leaderboard.csv").read_text().splitlines())]
    assert [row["run"] for row in rows] == ["[one]", "two"]
    assert [float(row["robust"]) for row in rows] == [row.robust.value for row in found.tables[0].rows]
    card = json.loads((tmp_path / "board" / "model_info" / "-one-.json").read_text())
    assert (card["name"], card["venue"], card["reported"]) == ("A <network>", "ICML 2026", "40.1")
    assert card["external"] == f"{100 * found.tables[0].rows[0].robust.value:.2f}"
    assert "autoattack_acc" not in card
    page = write_report(tmp_path / "board").read_text()
    assert '<a href="https://example.org/1" rel="noreferrer">A &lt;network&gt;</a>' in page
    assert "<network>" not in page
    assert page.count('<table class="sortable"') == 1


def test_of_absolute_paths_the_last_name_is_shown(made, tmp_path):
    run = made("one", network="/secret/place/net.py:make", data="/secret/place/val")
    board, found = tmp_path / "board", leaderboard(run, out=tmp_path / "board")
    assert found.tables[0].rows[0].network == "net.py:make"
    files = [board / "leaderboard.json", board / "leaderboard.csv", board / "model_info" / "one.json"]
    assert not [file for file in (*files, write_report(board)) if "secret" in file.read_text()]
    compare(run, made("two", network="/secret/place/net.py:make", data="/secret/place/val"), out=tmp_path / "both")
    assert "secret" not in (tmp_path / "both" / "comparison.json").read_text()


def test_autoattack_has_a_field_of_its_own_where_it_ran(made):
    settings = {"version": "standard"}
    aa = AttackInfo(
        key="aa", spec="autoattack", name="autoattack", settings=settings, kind="fixed", norm="linf", radius=0.05
    )
    (board,) = leaderboard(made("one", attacks=[*plan(0.05)[:2], aa], clean=1.0)).tables
    (row,) = board.rows
    assert row.autoattack == pytest.approx(row.robust.value, abs=0.02)
    assert model_info(board, row)["autoattack_acc"] == f"{100 * row.autoattack:.2f}"
    other = aa.model_copy(update={"settings": {"version": "rand"}})
    assert leaderboard(made("two", attacks=[other])).tables[0].rows[0].autoattack is None


def test_links_that_are_no_pages_are_not_followed(made, tmp_path):
    run = made("one")
    (run / "model_info.json").write_text(json.dumps({"name": "n", "link": "javascript:void"}))
    leaderboard(run, out=tmp_path / "board")
    assert "javascript:void" not in write_report(tmp_path / "board").read_text()


def test_what_cannot_be_ranked_is_refused(made, tmp_path):
    run = made("one")
    with pytest.raises(InputError, match="no run is given"):
        leaderboard()
    with pytest.raises(InputError, match="given twice"):
        leaderboard(run, run)
    with pytest.raises(RunError, match="is not finished"):
        leaderboard(made("two", done={"noise": 1}))
    empty = made("empty")
    shutil.rmtree(empty / "parts" / "fgsm")
    with pytest.raises(RunError, match=r"empty is marked as finished and lacks rows"):
        leaderboard(run, empty)
    with pytest.raises(InputError, match=r"a run is 3; expected the path of a run folder"):
        leaderboard(run, 3)
    (run / "model_info.json").write_text(json.dumps({"author": "somebody"}))
    with pytest.raises(RunError, match="any of the fields name, link, authors"):
        leaderboard(run)


def test_a_leaderboard_of_other_audits_stays_unless_asked(made, tmp_path):
    one, two, out = made("one"), made("two", attacks=plan(0.05)[:3]), tmp_path / "board"
    leaderboard(one, out=out)
    leaderboard(one, two, out=out)
    with pytest.raises(RunError, match="holds a leaderboard with other audits"):
        leaderboard(two, out=out)
    leaderboard(two, out=out, force=True)
    assert [row.run for row in read_leaderboard(out).tables[0].rows] == ["two"]
