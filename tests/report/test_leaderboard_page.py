"""Leaderboards from made-up rows: order, tables, what has no rank, the files, and the page."""

import csv
import json
import re
import shutil
from dataclasses import replace

import pytest
from made_up import Recipe, fail_a_check, plan
from typer.testing import CliRunner

from brittle import InputError, RunError
from brittle.cli import app
from brittle.evaluation.compare import compare
from brittle.evaluation.compared_verdicts import verdicts_of
from brittle.evaluation.leaderboard import leaderboard, model_info
from brittle.evaluation.verdicts import verdicts_in
from brittle.metrics import paired_rates
from brittle.metrics.formats import interval
from brittle.report import write_report
from brittle.report.junit import junit
from brittle.report.sarif import sarif
from brittle.runs.comparable import on_shared_images
from brittle.runs.defence import DefenceFolder
from brittle.runs.leaderboard import CLEAR, read_leaderboard
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


def test_neighbours_that_chance_may_have_ordered_are_not_told_apart(made, tmp_path, monkeypatch):
    first, second, weak = made("first", typical=0.05), made("second", typical=0.05, seed=1), made("weak", typical=0.01)
    board = tmp_path / "board"
    (table,) = leaderboard(first, second, weak, out=board).tables
    assert [(one.run, other.run) for one, other in table.ties()] == [tuple(row.run for row in table.rows[:2])]
    assert table.rows[1].lead >= CLEAR > table.rows[2].lead
    page = write_report(board).read_text()
    one, other = (row.run for row in table.rows[:2])
    assert page.count("not told apart from") == 1
    assert re.search(rf"<small>{other}</small><small class=\"tied\">not told apart from [^<]*\({one}\)", page)
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, ["leaderboard", str(first), str(second), str(weak), "--out", str(board)])
    assert f"not told apart   {one} and {other}" in done.output
    assert done.output.count("not told apart ") == 1


def test_clean_accuracies_have_their_intervals_too(made, tmp_path):
    (table,) = leaderboard(made("one"), out=tmp_path / "board").tables
    (row,) = table.rows
    reach = interval(row.clean.estimate)
    assert reach != interval(row.robust.estimate)
    assert f"<small>{reach}</small>" in write_report(tmp_path / "board").read_text()
    (kept,) = csv.DictReader((tmp_path / "board" / "leaderboard.csv").read_text().splitlines())
    assert [float(kept[name]) for name in ("clean_low", "clean_high")] == [row.clean.low, row.clean.high]


def test_networks_of_one_file_are_told_apart_by_their_weights(made, tmp_path):
    runs = [made(name, network="net.py:make", weights=f"/secret/{name}.safetensors") for name in ("old", "new")]
    (table,) = leaderboard(*runs).tables
    expected = [f"net.py:make with weights {name}.safetensors" for name in ("old", "new")]
    assert sorted(row.network for row in table.rows) == sorted(expected)
    comparison = compare(*runs, out=tmp_path / "both")
    assert [one.network for one in comparison.audits] == [
        f"net.py:make with weights {n}.safetensors" for n in ("old", "new")
    ]
    assert "net.py:make with weights new.safetensors" in junit([verdicts_of(comparison)]).decode()
    for made_by in (junit, sarif):
        texts = {made_by([replace(verdicts_in(run), identity="", created=None)]) for run in runs}
        assert len(texts) == 2, "they say of which weights they are"
    (told,) = json.loads(sarif([verdicts_of(comparison)]))["runs"]
    assert told["automationDetails"]["id"] == "brittle/compare/net.py:make with weights new.safetensors/"


def test_folders_of_something_else_are_named_by_what_they_are(made, tmp_path):
    run = made("one")
    leaderboard(run, out=tmp_path / "board")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "attack.json").write_text('{"identity": {}}')
    for function in (leaderboard, compare):
        with pytest.raises(RunError) as seen:
            function(run, tmp_path / "board", tmp_path / "images")
        for said in (
            "board is the folder of a leaderboard",
            "images is a folder of adversarial images",
            "leave them out",
        ):
            assert said in str(seen.value)
    both = DefenceFolder(tmp_path / "both", RunFolder.open(run), RunFolder.open(run))
    for name in ("naive", "adaptive"):
        shutil.copytree(run, both.path / name)
    with pytest.raises(RunError, match=r"two audits of a defended network; give \S+both/adaptive, which counts"):
        leaderboard(both)


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
        leaderboard(made("two", done={"noise": 1}, block=100))
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
