"""What each of the three attacks of Carlini & Wagner does on its own."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import Tensor, nn

from brittle import CarliniWagnerL0, CarliniWagnerL2, CarliniWagnerLinf, Classifier, Lp, Pixels, Targeted, run
from brittle.attacks.carlini_wagner_l0 import FRACTION, LEAST, thinned

L0 = CarliniWagnerL0(steps=20, learning_rate=0.1, candidates=1)


def linear(*rows: list[float], bias: list[float]) -> Classifier:
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(rows[0]), len(rows))).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor(rows))
        module[1].bias.copy_(torch.tensor(bias))
    return Classifier(module)


def constants_tried(monkeypatch, attack: CarliniWagnerL2, classifier: Classifier, image: torch.Tensor) -> list[float]:
    """The constants of an image, one after the other."""
    seen: list[float] = []
    step = CarliniWagnerL2._step

    def watched(self, problem, probe, search, box):
        seen.append(float(search.constant[0]))
        return step(self, problem, probe, search, box)

    with monkeypatch.context() as patch:
        patch.setattr(CarliniWagnerL2, "_step", watched)
        run(attack, classifier, image, threat=Lp(2))
    return [after for before, after in pairwise([0.0, *seen]) if after != before]


def test_the_constant_grows_tenfold_to_the_first_success_and_is_then_bisected(monkeypatch):
    classifier, images = affine(classes=2), middle(20)
    far = distance(classifier, images, classifier.logits(images).argmax(1), 2).argmax()
    attack = CarliniWagnerL2(searches=3, steps=30, learning_rate=0.02, constant=1e-3)
    tried = constants_tried(monkeypatch, attack, classifier, images[far : far + 1])
    failed = [value for value, after in pairwise(tried) if after > 5 * value]
    torch.testing.assert_close(tried[: len(failed) + 1], [1e-3 * 10**power for power in range(len(failed) + 1)])
    first, middle_one = tried[len(failed)], tried[len(failed) + 1]
    assert middle_one == pytest.approx((failed[-1] + first) / 2)
    assert len(tried) == len(failed) + 3, "three constants from the first success on"
    published = constants_tried(monkeypatch, replace(attack, carry=False), classifier, images[far : far + 1])
    assert published == pytest.approx([1e-3, 1e-2, 1e-1])


def test_what_early_stops_save_never_costs_more_than_was_asked_for():
    attack = CarliniWagnerL2(searches=2, steps=20, learning_rate=0.001, constant=1e-3)
    result = run(attack, affine(), middle(), threat=Lp(2))
    assert (result.iterations <= 40).all()
    assert (result.iterations > 30).any()


def test_an_early_stop_ends_at_once_where_nothing_is_gained():
    flat = linear([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], bias=[2.0, 0.0])
    images = torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64)
    attack = CarliniWagnerL2(searches=2, steps=50, constant=1e-3, carry=False)
    assert run(attack, flat, images, threat=Lp(2)).iterations[0] == 2 * 11  # the second look after 5 steps each
    assert run(replace(attack, abort_early=False), flat, images, threat=Lp(2)).iterations[0] == 100


def test_the_best_point_counts_and_not_the_last():
    attack = CarliniWagnerLinf(steps=10, learning_rate=0.05, refinements=0)
    result = run(attack, convolutional(), middle(4), threat=Lp("inf"), trace=True)
    last = torch.stack([row[~row.isnan()][-1] for row in result.trace])
    assert (last < 0).any(), "every path ends beyond the boundary, so that this shows nothing"
    assert result.success.all()
    assert (result.margin >= 0).all()


def test_nothing_that_is_frozen_or_has_hardly_moved_differs_from_the_clean_image():
    classifier, images = convolutional(channels=3), middle(4, (3, 5, 4)).float().double()
    result = run(L0, classifier, images, threat=Pixels(math.inf))
    changed = (result.adversarial != images).any(1).flatten(1)
    assert result.success.all()
    assert (changed.sum(1) == result.size).all()
    assert (result.size < 10).all()
    distances = (result.adversarial - images).abs().amax(1).flatten(1)
    assert (distances[changed] >= LEAST).all()
    assert (distances[~changed] == 0).all()


def test_a_pixel_counts_once_and_a_channel_by_itself():
    first = [0.0] * 12
    second = [0.0] * 12
    second[0] = second[4] = second[8] = 1.0  # the three channels of the first of four pixels
    second[1] = 1.5
    classifier = linear(first, second, bias=[3.45, 0.0])  # 1.2 are lacking; a pixel has at most 3 * 0.5 or 0.75 to give
    image = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)
    attack = replace(L0, steps=60)
    pixels = run(attack, classifier, image, threat=Pixels(math.inf))
    assert (pixels.size[0], pixels.l0[0]) == (1, 3)
    values = run(attack, classifier, image, threat=Lp(0))
    assert (values.size[0], values.l0[0]) == (2, 2)
    assert values.adversarial[0, 0, 0, 1] != 0.5


def test_a_round_freezes_as_many_as_published_and_what_has_not_moved():
    weight = torch.arange(1, 41, dtype=torch.float64)[None] / 1e5
    moved = torch.ones(1, 40, dtype=torch.bool)
    moved[0, 39] = False
    left = thinned(weight, moved)
    count = math.ceil(FRACTION * math.sqrt(39))
    assert left[0].tolist() == [False] * count + [True] * (39 - count) + [False]
    heavy = thinned(weight + 0.02, moved)
    assert heavy[0].tolist() == [False] + [True] * 38 + [False]


def test_of_several_rivals_the_one_with_the_fewest_pixels_counts():
    nothing, near, sparse = [0.0] * 9, [0.9] * 8 + [0.0], [0.0] * 8 + [6.0]
    classifier = linear(nothing, near, sparse, bias=[0.5, -3.2, -3.5])
    image = torch.full((1, 1, 3, 3), 0.5, dtype=torch.float64)
    one, two = (run(replace(L0, candidates=count), classifier, image, threat=Pixels(math.inf)) for count in (1, 2))
    assert (one.prediction[0], one.size[0]) == (1, 1)
    assert two.size[0] <= one.size[0]
    assert two.forward[0] > one.forward[0]


def test_the_maximum_norm_is_squeezed_below_what_the_published_rounds_reach():
    classifier, images = convolutional(), middle(6)
    attack = CarliniWagnerLinf(steps=20, learning_rate=0.02, refinements=0)
    rough = run(attack, classifier, images, threat=Lp("inf"))
    fine = run(replace(attack, refinements=3), classifier, images, threat=Lp("inf"))
    assert rough.success.all()
    assert (fine.size <= rough.size).all()
    assert (fine.size < rough.size).any()
    assert (fine.size > 0.85 * rough.size).all()


def test_published_settings_run_and_reach_a_target():
    classifier, images = convolutional(), middle(2)
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    published = {"abort_early": False, "skip": False, "shrink": 0.999999}
    for attack, threat in (
        (CarliniWagnerL0(steps=5, learning_rate=0.2, candidates=0, **published), Pixels(math.inf)),
        (CarliniWagnerLinf(steps=5, learning_rate=0.2, refinements=0, project=False, **published), Lp("inf")),
    ):
        result = run(attack, classifier, images, goal=Targeted(targets), threat=threat)
        assert (result.prediction == targets).all()


def test_the_first_constant_is_the_least_doubling_that_suffices_on_a_linear_network():
    """There |d|^2 + c f(x + d) is least at d = -c grad f / 2, which takes f to 0 from c = 2 f / |grad f|^2."""
    generator = torch.Generator().manual_seed(0)
    slope = torch.randn(40, 1, 2, 3, generator=generator, dtype=torch.float64)
    lacking = 10 ** (4 * torch.rand(40, generator=generator, dtype=torch.float64) - 3)
    attack, none = CarliniWagnerL0(constant=1e-3), torch.zeros(40, dtype=torch.float64)
    constant = attack._begun(none, lacking, slope)

    def left(c: Tensor) -> Tensor:
        return lacking - (c / 2) * slope.flatten(1).square().sum(1)

    assert (left(constant) <= 1e-12).all()
    first = constant == 1e-3
    assert (left(constant / 2) > 0)[~first].all()
    assert 0 < first.sum() < 40
    doublings = (constant / 1e-3).log2()
    torch.testing.assert_close(doublings, doublings.round())
    torch.testing.assert_close(attack._begun(none + 0.7, lacking, slope), none + 0.7)
