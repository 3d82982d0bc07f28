"""The median of the smallest changes: one number, the smallest per image over all searches, wherever it is shown."""

import numpy as np
import pytest
from made_up import plan, searching

from brittle import metrics, terminal
from brittle.maths.intervals import quantile_ranks
from brittle.metrics.formats import THIN
from brittle.report.run_data import RunData, load_run_data
from brittle.report.sections import cards, class_table
from brittle.report.verdict import verdict
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise


def evidence_of(run) -> RunData:
    return load_run_data(RunFolder.open(run))


def said(evidence: RunData) -> str:
    found = verdict(evidence)
    return (found.headline + " " + " ".join(found.sentences)).replace(THIN, " ")


def test_the_median_is_one_number_everywhere(make_run, capsys):
    """Two searches: the smallest change of each image over both, on the page, in JSON and in the terminal."""
    searches = [searching("deepfool"), searching("other")]
    run = make_run(radius=None, attacks=searches, classes=["only one"])
    folder = RunFolder.open(run)
    sizes = np.min([metrics.minimal_sizes(folder.table(attack.key), "inf") for attack in searches], axis=0)
    median, n = float(np.median(sizes)), len(sizes)
    assert median < min(metrics.median_size(folder.table(attack.key)).value for attack in searches)
    evidence = evidence_of(run)
    written = evidence.units.size(median, "inf")
    assert said(evidence_of(run)).startswith(f"Half of the images fall to a change of {written} (L∞).")
    assert f"a change of {written} or less (L∞, the smallest per image over 2 searches)" in said(evidence_of(run))
    (card,) = [card for card in cards(evidence) if card.title.startswith("Median")]
    assert card.value == written
    ((*_, cell),) = class_table(evidence).rows
    assert cell.text == written
    ends = np.sort(sizes)[[rank - 1 for rank in quantile_ranks(n, 0.5, 0.95)]]
    assert cell.note == evidence.units.bounds(*ends, "inf")
    assert card.note.startswith(cell.note)
    summary = summarise(folder)
    plain = summary.plain()
    assert plain["median"] == pytest.approx({"value": median, "low": ends[0], "high": ends[1], "n": n})
    assert plain["interval_level"] == 0.95
    terminal.show_summary(summary)
    interval = evidence.units.bounds(*ends, "inf")
    assert f"median change    {written}  (95 % interval {interval}, n = {n})" in capsys.readouterr().err


def test_a_median_of_a_handful_has_no_interval(make_run):
    run = make_run(radius=None, attacks=[searching("deepfool")], images=5, clean=1.1)
    (card,) = [card for card in cards(evidence_of(run)) if card.title.startswith("Median")]
    assert card.note == "too few for an interval, found by deepfool"
    plain = summarise(RunFolder.open(run)).plain()
    assert plain["median"]["value"] > 0
    assert (plain["median"]["low"], plain["median"]["high"]) == (None, None)


def test_without_a_search_there_is_no_median(make_run):
    run = make_run(attacks=plan()[:3])
    assert evidence_of(run).smallest is None
    assert summarise(RunFolder.open(run)).plain()["median"] is None


def test_searches_that_broke_nothing_are_not_compared(make_run):
    run = make_run(radius=None, attacks=[searching("deepfool"), searching("other")], never=1.1)
    assert evidence_of(run).optimality == {}
    assert "No image fell." in said(evidence_of(run))
