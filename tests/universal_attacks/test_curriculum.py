"""TRM-UAP and PSP-UAP: their losses by hand, their schedules, their artificial images and views."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle import ActivationAscent, Classifier, find_universal
from brittle.errors import InputError, ModelError
from brittle.threats import Lp
from brittle.universal_attacks.artificial import grey_noise_views, mosaics
from brittle.universal_attacks.excitation import ActivationState
from brittle.universal_attacks.layers import layers_of
from brittle.universal_attacks.pseudo_semantics import Views, crops
from brittle.universal_attacks.psp_uap import PSPUAP, resistance
from brittle.universal_attacks.search import Pass, UniversalProblem
from brittle.universal_attacks.trm_uap import TRMUAP

SHAPE, RADIUS = (3, 8, 8), 10 / 255
DRAWS = torch.Generator


def network():
    """Three convolutions, the last of which has no activation before the classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second, third = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 1)
        parts = (first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True), third, nn.Flatten(), nn.Linear(32, 5))
        return Classifier(nn.Sequential(*parts).double())


def problem(shape=SHAPE):
    return UniversalProblem(network(), shape, Lp("inf", RADIUS), seed=1)


def by_hand(module, images):
    first = module[0](images)
    second = module[2](first.relu())
    return [first, second, module[4](second.relu())]


def images_of(count=3, seed=0):
    return torch.rand(count, *SHAPE, generator=DRAWS().manual_seed(seed), dtype=torch.float64)


def course_at(steps, raw=None):
    raw = torch.zeros(SHAPE, dtype=torch.float64) if raw is None else raw
    return ActivationState(raw, raw, raw, steps)


@pytest.mark.parametrize(("positive", "negative"), [(1.0, 0.4), (0.4, 1.0), (0.0, 1.0), (1.0, 0.0), (0.7, 0.7)])
def test_the_loss_is_of_positive_and_negative_parts_of_the_first_layers(positive, negative):
    asked, method = problem(), TRMUAP(positive=positive, negative=negative, balance=0.5)
    given, change = images_of(), torch.full(SHAPE, 0.01, dtype=torch.float64)
    layers = layers_of(asked.classifier.module, given, kind="convolutions")
    found = method.objective(method.sizes(asked, layers, given, change, DRAWS()))
    outputs, wanted = by_hand(asked.classifier.module, given + change), 0.0
    for place, output in enumerate(outputs):
        if place < (max(1, int(3 * positive)) if positive else 0):
            wanted -= math.log(output.detach().relu().square().sum().item() / 2 + 1e-9)
        if place < (max(1, int(3 * negative)) if negative else 0):
            wanted += 0.5 * math.log((-output).detach().relu().square().sum().sqrt().item() / 2 + 1e-9)
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_a_silent_layer_leaves_a_finite_gradient():
    sizes = torch.zeros(2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(TRMUAP().objective(sizes), sizes)
    assert torch.isfinite(gradient).all()


def test_a_sample_weighs_by_how_it_resists():
    asked, method = problem(), PSPUAP(positive=0.7, temperature=1.5, varied=False)
    given, change = images_of(), 0.1 * images_of(1, 5)[0]
    module = asked.classifier.module
    layers = layers_of(module, given, kind="convolutions")
    found = method.sizes(asked, layers, given, change, DRAWS())
    still, moved = ((module(one) / 1.5).softmax(1) for one in (given, given + change))
    divergence = (still * (still / moved).log()).sum(1) * 1.5**2
    outputs = by_hand(module, given + change)
    wanted = [(output.square().flatten(1).sum(1) / divergence).sum().item() for output in outputs]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64))
    assert method.objective(found).item() == pytest.approx(-sum(math.log(one / 2) for one in wanted[:2]))
    plain = replace(method, weighted=False).sizes(asked, layers, given, change, DRAWS())
    torch.testing.assert_close(plain, torch.stack([output.relu().square().sum() for output in outputs]))


def test_what_changes_nothing_weighs_much_and_not_infinitely():
    logits = torch.randn(4, 5, generator=DRAWS().manual_seed(0))
    assert torch.isfinite(resistance(logits, logits, 2.0)).all()
    assert (resistance(logits, logits, 2.0) > resistance(logits, logits + torch.eye(5)[:4], 2.0)).all()


def test_crops_carry_the_perturbation_and_pass_no_gradient():
    asked, method = problem(), PSPUAP(prior="none", copies=4)
    raw = torch.full(SHAPE, RADIUS, dtype=torch.float64).requires_grad_()
    background = method.background(asked, DRAWS().manual_seed(0), course_at(0, raw.detach()))
    torch.testing.assert_close(background, torch.full((4, *SHAPE), 0.5 + RADIUS, dtype=torch.float64))
    assert not background.requires_grad


@pytest.mark.parametrize("method", [TRMUAP(), TRMUAP(prior="jigsaw", batch=3), TRMUAP(prior="none"), PSPUAP(copies=7)])
def test_images_become_more_as_published(method):
    doubled = {"gauss": (1600, 2400, 3200), "jigsaw": (1600, 3200), "none": ()}[method.prior]
    count, total, expected = method.batch * method.samples, 0, {}
    for step in range(1, 3501):
        count *= 2 if step in doubled else 1
        total += count
        expected[step] = total
        assert method.batch_at(step - 1) * method.samples == count
    for steps in (1, 1599, 1600, 1601, 2400, 3200, 3500):
        assert method.shown_in(steps) == expected[steps]
    assert method.shown == expected[1]


def test_noise_becomes_wider_and_mosaics_busier(monkeypatch):
    asked, method = problem((3, 48, 48)), TRMUAP()
    drawn = []

    def noted(shape, number, *rest):
        drawn.append(number)
        return images_of()

    for name in ("grey_noise_views", "mosaics"):
        monkeypatch.setattr(f"brittle.universal_attacks.curriculum.{name}", noted)
    for steps in (0, 398, 399, 3999):
        method.background(asked, DRAWS(), course_at(steps))
    assert drawn == [10.0, 10.0, 20.0, 110.0]
    drawn.clear()
    for steps in (0, 598, 599, 4198, 9999):
        replace(method, prior="jigsaw").background(asked, DRAWS(), course_at(steps))
    assert drawn == [1, 1, 2, 7, 7]


def test_noise_has_the_deviation_of_its_channel(monkeypatch):
    monkeypatch.setattr("brittle.universal_attacks.artificial.augmented", lambda images, *_: images)
    views = grey_noise_views((3, 64, 64), 30.0, 4, DRAWS().manual_seed(0))
    for channel, deviation in enumerate((30, 40, 50)):
        assert float(views[:, channel].std()) * 255 == pytest.approx(deviation, rel=0.05)
    widest = grey_noise_views((3, 64, 64), 900.0, 1, DRAWS().manual_seed(0))[:, 0] - 0.5
    assert float(widest.abs().mean()) == pytest.approx(0.312, abs=0.01), "127 grey levels, cut off at the bounds"


def test_a_mosaic_has_one_colour_for_each_cell():
    for cuts in (0, 1, 3):
        flat = mosaics((3, 40, 30), cuts, 5, DRAWS().manual_seed(cuts)).flatten(2)
        kinds = [len(image.unique(dim=1)[0]) for image in flat[:, :1]]
        assert max(kinds) <= (cuts + 1) ** 2
        assert cuts == 0 or max(kinds) > cuts
    one, other = mosaics((3, 12, 12), 1, 2, DRAWS().manual_seed(0))
    assert not torch.equal(one, other)


def test_a_mosaic_is_smoothed_by_the_median_of_a_disk(monkeypatch):
    smooth = mosaics((1, 40, 40), 3, 2, DRAWS().manual_seed(4))
    monkeypatch.setattr("brittle.universal_attacks.artificial.DISK", torch.ones(1, 1).numpy())
    plain = mosaics((1, 40, 40), 3, 2, DRAWS().manual_seed(4))
    assert not torch.equal(smooth, plain)
    for y, x in ((20, 20), (7, 31), (33, 12), (0, 39)):
        near = [
            plain[:, 0, min(max(y + up, 0), 39), min(max(x + right, 0), 39)]
            for up in range(-5, 6)
            for right in range(-5, 6)
            if up * up + right * right <= 25
        ]
        assert torch.equal(smooth[:, 0, y, x], torch.stack(near).median(0).values)


def test_it_validates_halves_and_ends_as_published():
    method = TRMUAP(patience=2)
    course = replace(course_at(5), saturation=0.6)
    assert method.pause(course, 0.6, 200) == (False, True)
    assert method.pause(course, 0.6, 201) == (True, True)
    assert method.pause(course, 0.5, 400) == (False, False)
    assert method.pause(course, 0.5, 401) == (True, False)
    raw = torch.ones(SHAPE, dtype=torch.float64)
    half, counted = method.halved(replace(course, raw=raw), RADIUS, 3)
    assert torch.equal(half.raw, raw / 2)
    assert (half.saturation, counted) == (0.6, 3)
    for scores, ends in (([0.1, 0.1, 0.2], False), ([0.1, 0.1, 0.2, 0.2], True), ([0.0, 0.1, 0.05], True)):
        assert method.finished([Pass(n, score, 0, 1, 1, 0) for n, score in enumerate(scores)]) == ends


def test_views_are_what_they_are_drawn_as():
    count, grey = 6, torch.full((3, 1, 1), 0.5, dtype=torch.float64)
    images, change = images_of(count), 0.1 * images_of(1, 3)
    views = Views.drawn(count, 8, 8, DRAWS().manual_seed(2))
    moved = views.of(images + change, grey) - views.of(images, grey)
    torch.testing.assert_close(moved, views.of(change.expand_as(images) + grey, grey) - grey)  # they are linear
    still = replace(views, kinds=torch.zeros(count, dtype=torch.long), angles=torch.zeros(count))
    torch.testing.assert_close(still.of(images, grey), images)
    louder = replace(views, kinds=torch.ones(count, dtype=torch.long)).of(images, grey)
    torch.testing.assert_close(louder, 0.5 + views.factors.double()[:, None, None, None] * (images - 0.5))
    shuffled = replace(views, kinds=torch.full((count,), 2)).of(images, grey)
    torch.testing.assert_close(shuffled.flatten(2).sort(2).values, images.flatten(2).sort(2).values)
    assert not torch.equal(shuffled, images)


def test_a_rotation_turns_and_fills_the_corners_with_what_was_there():
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 4, 8] = 1.0
    images[0, 0, 0, 0] = 5.0
    turned = replace(Views.drawn(1, 9, 9, DRAWS()), kinds=torch.zeros(1).long(), angles=torch.tensor([90.0]))
    expected = torch.rot90(images, 1, (2, 3))
    torch.testing.assert_close(turned.of(images, torch.zeros(1, 1, 1)), expected, atol=1e-5, rtol=0)
    slanted = replace(turned, angles=torch.tensor([45.0])).of(images, torch.zeros(1, 1, 1))
    assert float(slanted[0, 0, 0, 0]) == 5.0


def test_draws_keep_to_their_ranges():
    views = Views.drawn(3000, 5, 7, DRAWS().manual_seed(0))
    assert float(views.angles.abs().max()) <= 6
    assert float(views.angles.std()) == pytest.approx(6 * 0.5396, rel=0.05), "a normal variable cut at its deviation"
    assert (float(views.factors.min()) > 0.8, float(views.factors.max()) < 4) == (True, True)
    assert torch.equal(views.kinds.unique(), torch.arange(3))
    for places, length in ((views.rows, 5), (views.columns, 7)):
        assert torch.equal(places.sort(1).values, torch.arange(length).expand(3000, -1))
        unmoved = (places == torch.arange(length)).all(1).double().mean()
        assert 0.45 < float(unmoved) < 0.55


def test_crops_are_parts_of_the_image():
    ramp = torch.linspace(0, 1, 64).expand(500, 1, 64, 64)
    parts = crops(ramp, DRAWS().manual_seed(0))
    width = (parts[:, 0, 0, -1] - parts[:, 0, 0, 0]) * 64 / 63
    assert float(parts.min()) >= 0
    assert float(parts.max()) <= 1
    assert 0.2 < float(width.min()) < 0.35
    assert float(width.max()) <= 1.02
    assert functional.mse_loss(parts[:, :, :1].expand_as(parts), parts) < 1e-12


def test_unweighted_samples_are_shown_once():
    assert (PSPUAP().looks, PSPUAP(weighted=False).looks) == (3, 1)


class Halves(nn.Module):
    """Looks at each image in two halves, one after the other in the batch."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 2, 3), nn.Linear(48, 4)

    def forward(self, x):
        seen = self.conv(torch.cat([x[..., :4], x[..., 4:]])).flatten(1)
        return self.head(torch.cat(seen.chunk(2), 1))


def test_samples_that_a_layer_sees_in_parts_have_no_weights():
    asked = UniversalProblem(Classifier(Halves().double()), SHAPE, Lp("inf", RADIUS))
    with pytest.raises(ModelError, match=r"sees 20 images where 10 are shown.*say weighted=false"):
        find_universal(PSPUAP(iterations=1), asked, lambda _: 0.0)
    found = find_universal(PSPUAP(iterations=1, weighted=False), asked, lambda _: 0.0)
    assert found.made["passes"][0]["forward"] == 10


def test_layers_that_are_louder_than_numbers_go_are_told_of():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 4)).double()
    with torch.no_grad():
        module[0].weight.fill_(1e200)
        module[2].weight.zero_()
    asked = UniversalProblem(Classifier(module), SHAPE, Lp("inf", RADIUS))
    for method in (ActivationAscent(passes=1, steps=1), TRMUAP(iterations=1), PSPUAP(iterations=1)):
        with pytest.raises(ModelError, match="NaN or infinite values"):
            find_universal(method, asked, lambda _: 0.0)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (TRMUAP, {"prior": "range"}, "prior is 'range'; expected 'none' or 'gauss' or 'jigsaw'"),
        (TRMUAP, {"negative": 1.5}, "negative is 1.5; expected a fraction from 0 to 1"),
        (TRMUAP, {"balance": -1.0}, "balance is -1.0; expected at least 0"),
        (PSPUAP, {"temperature": 0.0}, "temperature is 0.0; expected a finite number above 0"),
        (PSPUAP, {"temperature": math.inf}, "temperature is inf; expected a finite number above 0"),
        (PSPUAP, {"positive": 0.0}, "positive is 0.0; expected a fraction above 0"),
        (TRMUAP, {"positive": 0.0, "negative": 0.0}, "positive and negative are both 0"),
        (PSPUAP, {"copies": 0}, "copies is 0; expected at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings, message):
    with pytest.raises(InputError, match=message):
        kind(**settings)
