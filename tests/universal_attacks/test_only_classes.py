"""Images of some classes are fooled and the others left: loss, batches, score, and the whole way to the page."""

import json

import pytest
import torch
from affine import convolutional
from typer.testing import CliRunner

from brittle import InputError, Lp
from brittle.cli import app
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.universal import universal
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.objective import away
from brittle.universal_attacks.only_classes import OnlyClasses
from brittle.universal_attacks.search import UniversalProblem, find_universal


def test_either_side_pulls_with_the_same_weight_however_many_there_are():
    clean = torch.tensor([[5.0, 0, 0], [0, 5, 0], [0, 5, 0], [0, 0, 5]])
    moved = clean.roll(1, 1)
    some, margin = OnlyClasses((0,)), away("margin", 100.0)
    pulls = some.aim(margin)(moved, clean)
    assert pulls.mean() == pytest.approx(0.0, abs=1e-6)
    assert pulls[0] == pytest.approx(4 * 5.0)
    assert pulls[1:].tolist() == pytest.approx([-4 * 5 / 3] * 3)


def test_half_of_every_batch_is_of_the_classes_and_all_others_are_seen_once():
    clean = torch.tensor([3, 0, 1, 0, 3, 1, 0, 2, 2, 2, 1])
    parts = OnlyClasses((3,)).parts(clean, 4, torch.Generator().manual_seed(0))
    for part in parts[:-1]:
        assert (clean[part] == 3).sum() == 2
    others = torch.cat([part[clean[part] != 3] for part in parts])
    assert sorted(others.tolist()) == [place for place in range(11) if clean[place] != 3]


def test_the_score_is_the_difference_of_both_rates():
    classifier = convolutional()
    some = ImageSet(classifier, torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(1)))
    first = int(some.clean[0])
    moved = torch.where(some.clean == first, (some.clean + 1) % 3, some.clean)
    assert some.score(moved, only=[first]) == 1.0
    assert some.score(some.clean, only=[first]) == 0.0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    asked = {"attack": "ascent:passes=15,classes=3+8", "eps": 0.2, "max_images": 220, "held_out": 100}
    return universal("digits-lenet", "digits", tmp_path_factory.mktemp("only") / "v", **asked)


def test_digits_of_two_classes_are_fooled_and_the_others_left(made):
    assert made.only == [3, 8]
    assert made.fooled_of.value > 0.7
    assert made.fooled_beside.value < 0.3
    plain = UniversalAscent(passes=30)
    assert plain.only == ()
    assert made.fooled_of.n + made.fooled_beside.n == 100


def test_page_terminal_and_json_tell_both_sides(made, tmp_path):
    words = ["universal", "digits-lenet", "--data", "digits", "--eps", "0.2", "--max-images", "60"]
    words += ["--attack", "ascent:passes=2,classes=3+8", "--out", str(tmp_path / "v")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "fooled of them" in ran.output
    assert "fooled of others" in ran.output
    page = (tmp_path / "v" / "report.html").read_text()
    assert "It shall fool images of the classes 3, 8 alone" in page
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert told["only"] == [3, 8]
    assert told["fooled_of"]["n"] + told["fooled_beside"]["n"] == 30


def test_where_no_such_image_is_kept_aside_the_rate_is_left_open(tmp_path):
    made = universal(
        "digits-lenet", "digits", tmp_path / "v", attack="ascent:passes=1,classes=3", eps=0.2, max_images=30, held_out=1
    )
    assert [made.fooled_of, made.fooled_beside].count(None) == 1


def test_classes_that_no_image_has_are_refused_before_the_search():
    classifier = convolutional()
    some = ImageSet(classifier, torch.rand(6, 1, 6, 5, generator=torch.Generator().manual_seed(1)))
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.1), some)
    absent = next(one for one in range(4) if not bool((some.clean == one).any()))
    with pytest.raises(InputError, match=f"none of the 6 images for the classes {absent}"):
        find_universal(UniversalAscent(classes=(absent,)), problem)
    with pytest.raises(InputError, match="the classes have 7; the network has the classes 0 to 3"):
        find_universal(UniversalAscent(classes=(int(some.clean[0]), 7)), problem)
    with pytest.raises(InputError, match="expected each once"):
        UniversalAscent(classes=(1, 1))
    with pytest.raises(InputError, match="neither with a target"):
        UniversalAscent(classes=(1,), target=2)
    with pytest.raises(InputError, match="classes=x"):
        parse_universal("ascent:classes=x")
