"""What a result is in the hand: five lines, rates with intervals, a curve, a file, and a view for notebooks."""

import base64
import io
import math
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import brittle
from brittle import PGD, Classifier, DeepFool, InputError, Lp, RunError, Targeted, metrics, run, security_curve
from brittle.metrics import proportion, quantile
from brittle.metrics.curve_figure import curve_figure

PLACES = [0.1, 0.2, 0.45, 0.55, 0.7, 0.9]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Class 1 where the only value is above one half: the distance to the boundary is known."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-20.0], [20.0]]))
        network[1].bias.copy_(torch.tensor([10.0, -10.0]))
    return Classifier(network)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.tensor(PLACES)[:, None, None, None]


LABELS = torch.tensor([0, 0, 0, 1, 1, 0])
"""The last one is wrong."""


@pytest.fixture(scope="module")
def search(classifier, images) -> brittle.Result:
    return run(DeepFool(), classifier, images, LABELS, threat=Lp("inf"))


@pytest.fixture(scope="module")
def ascent(classifier, images) -> brittle.Result:
    return run(PGD(steps=5, random_start=False), classifier, images, LABELS, threat=Lp("inf", 0.1))


def test_rates_are_those_of_the_images_that_count(search, ascent):
    assert search.clean_accuracy == proportion(5, 6)
    assert search.success_rate == proportion(5, 5)
    assert search.robust_accuracy == proportion(0, 6)
    assert ascent.success_rate == proportion(2, 5), "0.45 and 0.55 are within 0.1 of one half"
    assert ascent.robust_accuracy == proportion(3, 6)
    assert [*ascent.summary()] == ["clean_accuracy", "robust_accuracy", "success_rate"]
    assert search.summary()["median_size"] == quantile(search.size[:5].double().numpy(), 0.5)


@pytest.fixture(scope="module")
def pushed() -> brittle.Result:
    """A targeted run that pushes one of three images into a wrong class that is not the target."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 3))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-20.0], [20.0], [15.0]]))
        network[1].bias.copy_(torch.tensor([10.0, -10.0, -8.0]))
    places, labels = torch.tensor([0.1, 0.4, 0.45])[:, None, None, None], torch.zeros(3, dtype=torch.int64)
    goal, attack = Targeted(torch.full((3,), 2)), PGD(steps=5, random_start=False)
    return run(attack, Classifier(network), places, labels, goal=goal, threat=Lp("inf", 0.2))


def test_an_image_pushed_into_another_wrong_class_is_not_robust(pushed):
    assert pushed.prediction.tolist() == [0, 0, 1]
    assert pushed.success_rate == proportion(0, 3), "the goal's"
    assert pushed.robust_accuracy == proportion(2, 3) == pushed.summary()["robust_accuracy"]
    assert metrics.robust_accuracy([pushed.to_arrow()]) == proportion(2, 3)
    assert metrics.robust_accuracy([pushed.to_arrow()], "linf", 0.2) == proportion(2, 3)
    assert pushed.to_arrow()["target"].to_pylist() == [2, 2, 2]


def test_the_goal_is_said_wherever_a_result_is(pushed, search, classifier, images):
    told = "PGD(steps=5, random_start=False), targeted, linf up to 51/255, 3 images"
    assert str(pushed).splitlines()[0] == told
    assert told in pushed._repr_html_()
    curve = security_curve(pushed, [0.2])
    assert (curve.goal, curve.accuracy[0]) == ("targeted", proportion(3, 3))
    assert curve.table().column_names[1] == "goal_not_reached"
    assert "targeted" in pushed.plot([0.2]).layout.yaxis.title.text
    assert security_curve(search).plot().layout.yaxis.title.text == "robust accuracy"
    assert "target" not in search.to_arrow().column_names
    least = run(DeepFool(), classifier, images, LABELS, goal=brittle.LeastLikely(), threat=Lp("inf"))
    assert least.headline() == "DeepFool(), targeted at the least likely class, linf of any size, 6 images"
    with pytest.raises(InputError, match=r"different goals \(any other class, targeted at the least likely class\)"):
        security_curve([search, least])
    goals = [Targeted(torch.full((6,), target)) for target in (0, 1)]
    with pytest.raises(InputError, match="different targets"):
        security_curve([run(DeepFool(), classifier, images, goal=goal, threat=Lp("inf")) for goal in goals])


def test_the_printed_result_is_five_lines_in_one_unit(search, ascent):
    head, clean, success, robust, size = str(search).splitlines()
    assert (head, repr(search)) == ("DeepFool(), linf of any size, 6 images", str(search))
    assert clean.startswith("clean accuracy   83.3%  (95 % interval ")
    assert success.startswith("success rate     100.0%")
    assert robust.startswith("robust accuracy  0.0%")
    assert re.match(r"median change    [0-9.]+/255  \(no interval, n = 5\)", size)
    head, *_, size = str(ascent).splitlines()
    assert head == "PGD(steps=5, random_start=False), linf up to 25.5/255, 6 images"
    assert size == "largest change   25.5/255  (of 2 that are broken)"


def test_without_labels_there_is_no_accuracy(classifier, images):
    result = run(DeepFool(), classifier, images, threat=Lp(2))
    assert result.success_rate == proportion(6, 6)
    for name in ("clean_accuracy", "robust_accuracy"):
        with pytest.raises(InputError, match="there were no labels"):
            getattr(result, name)
    assert [*result.summary()] == ["success_rate", "median_size"]
    assert len(str(result).splitlines()) == 3


def test_images_that_are_at_their_target_already_are_not_tried(classifier, images):
    result = run(DeepFool(), classifier, images, goal=Targeted(torch.ones(6, dtype=torch.int64)), threat=Lp(2))
    assert result.success_rate == proportion(3, 3)


def test_without_an_image_to_break_there_is_no_rate_and_that_is_said(classifier, images):
    none = "success rate     none, as there was no image to break"
    right = run(DeepFool(), classifier, images, threat=Lp(2))
    wrong = run(DeepFool(), classifier, images, 1 - right.clean_prediction, threat=Lp(2))
    assert [line for line in str(wrong).splitlines() if line.startswith("success")] == [none]
    result = run(DeepFool(), classifier, images[:0], LABELS[:0], threat=Lp(2))
    assert str(result) == f"DeepFool(), l2 of any size, 0 images\n{none}"
    assert result.success_rate is wrong.success_rate is None
    assert result.summary() == {}


def test_a_result_made_by_hand_says_what_it_can(search):
    assert str(replace(search, terms=None)).splitlines()[0] == "6 images"
    assert "<img" not in replace(search, terms=None)._repr_html_()


def test_the_table_is_what_metrics_take(search):
    table = search.to_arrow()
    assert table.column_names[:3] == ["index", "label", "correct"]
    assert metrics.robust_accuracy([table]) == search.robust_accuracy
    assert metrics.success_rate(table) == search.success_rate


def test_rows_are_written_as_csv_once(search, tmp_path):
    path = search.to_csv(tmp_path / "rows.csv")
    head, *rows = path.read_text().splitlines()
    assert head.startswith('"index","label","correct"')
    assert len(rows) == 6
    with pytest.raises(RunError, match="exists, and stays as it is"):
        search.to_csv(path)
    search.to_csv(path, force=True)


def test_the_curve_of_a_search_is_the_distribution_of_distances(search):
    curve = security_curve(search, [0.0, 0.1, 0.35, 0.5])
    distances = np.abs(np.array(PLACES[:5]) - 0.5) * (1 + 0.03)
    expected = [float((distances > radius).sum()) / 6 for radius in (0.0, 0.1, 0.35, 0.5)]
    assert [one.value for one in curve.accuracy] == pytest.approx(expected)
    assert curve.accuracy[0] == search.clean_accuracy
    assert curve.norm == "linf"
    assert curve.table().column_names == ["radius", "robust_accuracy", "low", "high", "n"]


def test_attacks_within_radii_make_a_curve_together(classifier, images):
    attack = PGD(steps=5, random_start=False)
    results = [run(attack, classifier, images, LABELS, threat=Lp("inf", eps)) for eps in (0.1, 0.25, 0.45)]
    curve = security_curve(results, [0.05, 0.1, 0.25, 0.45])
    assert [round(6 * one.value) for one in curve.accuracy] == [5, 3, 2, 0]


def test_curves_of_different_things_are_refused(search, classifier, images):
    with pytest.raises(InputError, match="at least one"):
        security_curve([])
    with pytest.raises(InputError, match="norms l2, linf"):
        security_curve([search, run(DeepFool(), classifier, images, LABELS, threat=Lp(2))])
    with pytest.raises(InputError, match="6, 5 images"):
        security_curve([search, run(DeepFool(), classifier, images[:5], LABELS[:5], threat=Lp("inf"))])
    each = run(PGD(steps=1), classifier, images, LABELS, threat=Lp("inf", torch.full((6,), 0.1)))
    with pytest.raises(InputError, match="a radius of its own"):
        security_curve(each)
    assert "linf up to 25.5/255, 6 images" in each.headline()


def test_plots_are_figures_that_show_nothing_by_themselves(search, ascent):
    line = search.plot().data[-1]
    assert (line.mode, line.line.color) == ("lines", "#0072b2")
    assert max(line.x) == pytest.approx(255 * float(search.size[search.success].max()) * 1.05, rel=1e-4)
    assert search.plot().layout.xaxis.title.text == "largest change, L∞ in 1/255"
    (point,) = curve_figure(security_curve(ascent, [0.1]), "").data
    assert (point.x, point.y) == ((0.1,), (0.5,))


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_a_notebook_sees_a_few_changed_images_beside_their_originals(search):
    html = search._repr_html_()
    shown = pictures(html)
    assert len(shown) == 3 * 4
    for at in range(4):
        original, change, changed = (int(one.getpixel((0, 0))) for one in shown[3 * at : 3 * at + 3])
        assert original == round(255 * PLACES[at])
        assert changed == round(255 * float(search.adversarial[at]))
        assert (change > 128) == (changed > original)
    assert "0 → 1" in html
    assert "<script" not in html


def test_originals_are_kept_as_they_were(classifier, images):
    given = images.clone()
    result = run(DeepFool(), classifier, given, LABELS, threat=Lp(2))
    given.zero_()
    assert pictures(result._repr_html_())[0].getpixel((0, 0)) == round(255 * PLACES[0])


def test_images_of_other_bounds_are_drawn_on_their_scale():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-1.0], [1.0]]))
        network[1].bias.copy_(torch.tensor([127.5, -127.5]))
    wide = Classifier(network, brittle.Bounds(0, 255))
    result = run(DeepFool(), wide, torch.full((1, 1, 1, 1), 51.0), threat=Lp(2))
    assert pictures(result._repr_html_())[0].getpixel((0, 0)) == 51
    assert math.isfinite(float(result.size))


def test_nothing_is_said_where_nothing_was_looked_for(classifier, images, search):
    ascent = run(PGD(steps=3), classifier, images, LABELS, threat=Lp("inf", 0.1))
    with pytest.raises(InputError, match=r"looked for changes up to 0\.1 alone"):
        security_curve(ascent, [0.1, 0.2])
    assert security_curve([ascent, search], [0.1, 0.2]).radii.tolist() == [0.1, 0.2]
    for radius in (-0.1, math.nan):
        with pytest.raises(InputError, match=r"radi"):
            security_curve(search, [radius])


def test_radii_in_other_units_are_refused(search):
    with pytest.raises(InputError, match="write 8/255 for 8 levels"):
        security_curve(search, [8, 16])


def test_arguments_of_other_libraries_are_told_where_they_go(classifier, images):
    for given, says in (({"targeted": True}, "goal="), ({"batch_size": 8}, "batch="), ({"sed": 1}, "'seed'")):
        with pytest.raises(TypeError, match=rf"^run\(\) got an unexpected keyword argument .*{says}"):
            run(DeepFool(), classifier, images, threat=Lp(2), **given)
    with pytest.raises(TypeError, match=r"^PGD\(\) .*'eps'; the radius goes in threat="):
        PGD(eps=0.1)
    assert brittle.SimBA(epsilon=0.1).epsilon == 0.1


@pytest.mark.skipif("BRITTLE_SHAPES" in os.environ, reason="the run-time checker refuses these first")
def test_what_is_no_result_and_no_list_of_radii_is_refused(search):
    with pytest.raises(InputError, match=r"radii is 0\.1"):
        security_curve(search, 0.1)
    with pytest.raises(InputError, match=r"expected results of brittle\.run"):
        security_curve("x", [0.1])
