"""Comparisons of audits from made-up rows: their figures, what cannot be compared, the gate, and the page."""

import dataclasses
import json
import re

import numpy as np
import pytest
from made_up import Recipe, build, fail_a_check, plan, searching

from brittle import InputError, RunError
from brittle.cli.compare import _show
from brittle.evaluation.compare import compare
from brittle.evaluation.drop import DropGate
from brittle.evaluation.gate import ExitCode
from brittle.report import write_report
from brittle.runs.checkpoint import sealed
from brittle.runs.comparison import read_comparison
from brittle.runs.comparison_words import comparison_headline, points
from brittle.runs.store import RunFolder

PICTURE = '<img src="data:image/png;base64,'
RECIPE = Recipe(images=200, attacks=plan(0.05), radius=0.05)


@pytest.fixture
def made(make_runs):
    """Make up a run folder by its name, of the same images as every other."""
    return make_runs(RECIPE)


def standing(path):
    folder = RunFolder.open(path)
    tables = [folder.table(info.key) for info in folder.manifest.attacks]
    fallen = np.any([t["success"].to_numpy() & (t["linf"].to_numpy() <= 0.05 + 1e-6) for t in tables], axis=0)
    return tables[0]["correct"].to_numpy() & ~fallen


def test_the_figures_are_those_of_the_rows(made):
    before, after = made("before"), made("after", typical=0.04)
    found = compare(before, after)
    ((other, difference),) = found.others
    sides = standing(before), standing(after)
    lost = np.flatnonzero(sides[0] & ~sides[1])
    assert (found.images, other.name, found.first.name) == (200, "after", "before")
    assert difference.robust.lost == len(lost) > 5
    assert difference.robust.gained == (sides[1] & ~sides[0]).sum() == 0
    assert difference.robust.difference.value == pytest.approx(sides[1].mean() - sides[0].mean())
    assert [one.index for one in difference.changed] == lost.tolist()
    assert difference.factor is not None
    assert difference.factor.value == pytest.approx(0.8, rel=0.02), "every change is smaller by a fifth"
    assert difference.clean.difference.value == 0
    assert sum(one.before - one.after for one in difference.classes) == len(lost)
    sizes = [one.size for one in difference.newly_broken]
    assert sizes == sorted(sizes)
    assert 0.04 <= sizes[0] <= sizes[-1] <= 0.05 + 1e-6


def test_images_that_one_audit_alone_has_are_told_of(made, tmp_path, capsys):
    few, many = made("few", images=60), made("many", images=150)
    found = compare(few, many, out=tmp_path / "c", pictures=0)
    note = f"{many} has 150 images: the 60 in common are compared"
    assert (found.images, found.notes) == (60, [note])
    _show(found)
    assert note in " ".join(capsys.readouterr().err.split())
    assert note in write_report(tmp_path / "c").read_text()


def test_a_run_and_its_like_do_not_differ(made):
    ((_, difference),) = compare(made("one"), made("two")).others
    assert (difference.robust.lost, difference.robust.chance, difference.changed) == (0, 1.0, [])
    assert difference.least_drop < 0 < difference.most_drop


def test_a_fall_of_the_clean_accuracy_is_in_the_headline(made):
    weak = {"typical": 0.001, "radius": 0.2, "attacks": plan(0.2)}
    comparison = compare(made("one", clean=1.0, **weak), made("two", clean=0.7, **weak))
    ((_, difference),) = comparison.others
    text = comparison_headline("two", difference)
    assert text.startswith("No difference in robust accuracy is shown for two; but clean accuracy fell by ")
    fall = points(difference.clean.difference.value)[1:]
    assert f"by {fall} points (−" in text
    assert "smallest change" not in text
    shrunk = compare(made("a"), made("b", typical=0.04)).others[0][1]
    assert "; the smallest change shrank to 0.8" in comparison_headline("b", shrunk)


def test_images_wrong_before_any_attack_are_said_to_be(made):
    ((_, difference),) = compare(made("one", clean=1.0), made("two", clean=0.5)).others
    wrong = [one for one in difference.changed if one.wrong]
    assert wrong
    assert {one.attack for one in wrong} == {""}
    assert all(one.prediction != one.label for one in wrong)
    assert not {one.index for one in wrong} & {one.index for one in difference.newly_broken}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"radius": 0.1, "attacks": plan(0.1)}, "norm and radius: linf 0.05, the other linf 0.1"),
        ({"attacks": plan(0.05)[:2]}, "attacks: noise at 0.05; fgsm at 0.05; pgd"),
        ({"quantization": 256}, "quantization: None, the other 256"),
    ],
)
def test_what_cannot_be_compared_is_named(made, choices, said):
    with pytest.raises(RunError, match="cannot be compared") as caught:
        compare(made("one"), made("two", **choices))
    assert said in str(caught.value)


def test_attacks_in_another_order_are_the_same(made):
    assert compare(made("one"), made("two", attacks=plan(0.05)[::-1])).images == 200


def test_unfinished_runs_and_too_few_are_refused(made):
    one = made("one")
    with pytest.raises(RunError, match="is not finished; give its command again"):
        compare(one, made("two", done={"noise": 1}, block=100))
    with pytest.raises(InputError, match="1 run is given; expected at least two"):
        compare(one)
    with pytest.raises(InputError, match="given twice"):
        compare(one, one)


def test_of_two_audits_of_a_defence_one_is_to_be_named(made, tmp_path):
    for name in ("naive", "adaptive"):
        build(tmp_path / "defended" / name, RECIPE)
    with pytest.raises(RunError, match=r"two audits of a defended network; give .*adaptive"):
        compare(made("one"), tmp_path / "defended")


def test_the_gate_fails_where_a_drop_is_shown(made):
    before, after, same = made("before"), made("after", typical=0.03), made("same")
    fallen = compare(before, after)
    least = fallen.others[0][1].least_drop
    assert least > 0.1
    assert DropGate.of(fallen, 0.1).code is ExitCode.BELOW_GATE
    assert DropGate.of(fallen, least + 0.01).code is ExitCode.DONE
    alike = compare(before, same)
    assert DropGate.of(alike, 0.0).code is ExitCode.DONE
    strict = DropGate.of(alike, 0.0, strict=True)
    assert (strict.code, "cannot be ruled out" in strict.reason) == (ExitCode.BELOW_GATE, True)
    assert DropGate.of(alike, 0.05, strict=True).code is ExitCode.DONE


def test_the_gate_does_not_trust_an_audit_whose_checks_failed(made):
    before, after = made("before"), made("after")
    fail_a_check(after)
    found = compare(before, after)
    assert DropGate.of(found, 0.02).code is ExitCode.UNRELIABLE
    assert DropGate.of(found, 0.02, ignore_health=True).code is ExitCode.DONE


def test_ends_of_several_drops_hold_together(made):
    runs = [made(name, typical=size) for name, size in (("a", 0.05), ("b", 0.048), ("c", 0.048))]
    alone, together = compare(*runs[:2]), compare(*runs)
    assert (alone.level, together.level) == (pytest.approx(0.95), pytest.approx(0.975))
    assert together.others[0][1].least_drop < alone.others[0][1].least_drop


def test_the_page_says_what_changed_and_shows_it(made, tmp_path):
    before, after = made("before"), made("<after>", typical=0.04)
    found = compare(before, after, out=tmp_path / "out", pictures=2)
    page = write_report(tmp_path / "out").read_text()
    ((_, difference),) = found.others
    assert read_comparison(tmp_path / "out") == found
    assert "&lt;after&gt; is less robust" in page
    assert "<after>" not in page
    assert f"All {difference.robust.lost} that stood before and do not now" in page
    assert found.notes or page.count(PICTURE) == 4
    assert re.findall(r"<span>(.*?)</span></li>", page)[:2] == ["before", "&lt;after&gt;"]
    assert f"<title>0\nbefore: {found.first.clean.value:.1%}\n" in page


def test_pictures_that_the_audit_kept_are_shown_without_the_network(made, tmp_path):
    many = {"pictures": 100, "network": "nowhere.pt2"}
    compare(made("before", **many), made("after", typical=0.04, **many), out=tmp_path / "out", pictures=3)
    assert write_report(tmp_path / "out").read_text().count(PICTURE) == 6
    assert not read_comparison(tmp_path / "out").notes


def test_pictures_that_there_are_not_are_told_of(made, tmp_path):
    none = {"pictures": 0, "network": "nowhere.pt2"}
    found = compare(made("before", **none), made("after", typical=0.04, **none), out=tmp_path / "out", pictures=3)
    assert "3 of 3 pictures" in found.notes[0]
    assert "nowhere.pt2" in found.notes[0]


def test_another_comparison_stays_unless_asked(made, tmp_path):
    one, two = made("one"), made("two", typical=0.04)
    compare(one, two, out=tmp_path / "out", pictures=0)
    compare(one, two, out=tmp_path / "out", pictures=0)
    build(tmp_path / "four", dataclasses.replace(RECIPE, images=200, attacks=[searching("deepfool")]))
    other = build(tmp_path / "five", dataclasses.replace(RECIPE, attacks=[searching("deepfool")]))
    with pytest.raises(RunError, match="comparison of other audits"):
        compare(tmp_path / "four", other, out=tmp_path / "out", pictures=0)
    compare(tmp_path / "four", other, out=tmp_path / "out", pictures=0, force=True)


@pytest.mark.parametrize(
    "change", [lambda plain: {**plain, "images": 3}, lambda plain: sealed({**plain, "audits": []})]
)
def test_a_damaged_comparison_is_refused(made, tmp_path, change):
    compare(made("one"), made("two"), out=tmp_path / "out", pictures=0)
    path = tmp_path / "out" / "comparison.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RunError, match=r"comparison\.json"):
        write_report(tmp_path / "out")


def test_points_have_a_sign_but_for_none():
    assert [points(value) for value in (-0.0004, 0.0206, -0.021)] == ["0.0", "+2.1", "−2.1"]


def test_attacks_at_one_radius_alone_give_no_curve(make_runs, tmp_path):
    fixed = plan(0.05)[:3]
    made = make_runs(Recipe(images=40, attacks=fixed, radius=0.05, pictures=0))
    compare(made("one"), made("two", seed=1), out=tmp_path / "c", pictures=0)
    page = write_report(tmp_path / "c").read_text()
    assert "<p>No curve: all attacks were run at one radius, L∞ 12.8/255, and say nothing below it." in page
    assert "Curves of robust accuracy" not in page
