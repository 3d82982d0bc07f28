"""Momentum, diverse inputs and smooth gradients: options of the iterative attacks for changes that break others."""

import math

import pytest
import torch
from torch import Tensor, nn

from brittle import PGD, BasicIterative, Classifier, InputError, Lp, run
from brittle.attacks.input_diversity import Placement
from brittle.attacks.transferable import smoothed
from brittle.base.seeds import Streams
from brittle.core.goal import ALL_THE_WAY
from brittle.threats import THREATS

RADIUS, STRIDE, STEPS = 0.08, 0.02, 6


class Watched(nn.Module):
    """A small smooth network that keeps what it is shown."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.layer, self.last = nn.Conv2d(2, 6, 3, padding=1), nn.Linear(6 * 144, 5)
        for weights in self.parameters():
            weights.data = torch.randn(weights.shape, generator=generator) * 0.3
        self.scale, self.seen = scale, list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return self.last(torch.tanh(self.layer(images / self.scale)).flatten(1))


def images_of(count: int = 3) -> Tensor:
    return torch.rand((count, 2, 12, 12), generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1


def shown(attack: BasicIterative, count: int = 3) -> list[Tensor]:
    """What a network is shown in the steps of an attack that goes on to the last one."""
    network = Watched()
    run(attack, Classifier(network), images_of(count), threat=Lp("inf", RADIUS), confidence=ALL_THE_WAY)
    return network.seen[-STEPS - 2 : -1]  # clean images come before, and what is returned last


def by_hand(momentum: float, kernel: int) -> list[Tensor]:
    """The same steps, written after the papers."""
    network, clean = Watched(), images_of()
    labels, memory, points = network(clean).argmax(1), torch.zeros_like(clean), [clean]
    weights = torch.exp(-0.5 * torch.linspace(-3, 3, kernel).square())
    square = torch.outer(weights, weights) / weights.sum().square()
    for _ in range(STEPS):
        here = points[-1].clone().requires_grad_()
        nn.functional.cross_entropy(network(here), labels, reduction="sum").backward()
        assert here.grad is not None
        gradient = here.grad
        if kernel > 1:
            stacked = square.expand(2, 1, kernel, kernel)
            gradient = nn.functional.conv2d(gradient, stacked, padding=kernel // 2, groups=2)
        if momentum:
            memory = momentum * memory + gradient / gradient.abs().sum((1, 2, 3), keepdim=True)
            gradient = memory
        moved = points[-1] + STRIDE * gradient.sign()
        points.append(moved.clamp(clean - RADIUS, clean + RADIUS).clamp(0, 1))
    return points


@pytest.mark.parametrize(("momentum", "kernel"), [(0.0, 1), (1.0, 1), (0.6, 1), (0.0, 5), (1.0, 5)])
def test_the_path_is_that_of_the_papers(momentum: float, kernel: int):
    found = shown(BasicIterative(step_size=STRIDE, steps=STEPS, momentum=momentum, kernel=kernel))
    expected = by_hand(momentum, kernel)
    assert len(found) == len(expected) == STEPS + 1
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine - theirs).abs().gt(1e-6).float().mean() < 0.002  # a gradient near 0 may round to either sign


class Plateau(nn.Module):
    """A network of two classes whose gradient is 0 on the way to the boundary, at values of 0.4 to 0.5."""

    def forward(self, images: Tensor) -> Tensor:
        value = images.mean((1, 2, 3))
        rise = value.clamp_max(0.4) - 0.4 + (value - 0.5).clamp_min(0)
        return torch.stack([torch.full_like(value, 0.15), rise], 1)


@pytest.mark.parametrize("attack", [BasicIterative, PGD], ids=lambda kind: kind.__name__)
def test_a_gradient_of_zero_does_not_end_a_search_with_momentum(attack: type):
    image, plain = torch.full((1, 1, 2, 2), 0.37), {"step_size": 0.02, "steps": 20}
    plain |= {"random_start": False} if attack is PGD else {}
    stuck = run(attack(**plain), Classifier(Plateau()), image, threat=Lp("inf", 0.35))
    assert not stuck.success.any()  # without momentum the plateau is the end
    result = run(attack(**plain, momentum=1.0), Classifier(Plateau()), image, threat=Lp("inf", 0.35))
    assert result.success.all()
    assert torch.isfinite(result.adversarial).all()


def test_no_slope_anywhere_gives_no_nan():
    flat = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(8, 3)))
    nn.init.zeros_(flat.module[1].weight)
    attack = BasicIterative(steps=3, momentum=1.0, diversity=1.0, kernel=3)
    result = run(attack, flat, torch.rand(2, 2, 2, 2), threat=Lp("inf", 0.1))
    assert torch.isfinite(result.adversarial).all()


def placed(images: Tensor, probability: float = 1.0, seed: int = 0) -> Placement:
    ids = torch.arange(len(images))
    return Placement.drawn(images, probability, Streams(seed, ids), ids)


@pytest.mark.parametrize("sides", [(12, 12), (9, 31), (1, 1), (224, 40)])
def test_gradients_come_back_by_the_transpose(sides: tuple[int, int]):
    images, other = torch.rand(5, 3, *sides).double(), torch.rand(5, 3, *sides).double()
    where = placed(images)
    forth, back = (where.of(images, 0.0) * other).sum((1, 2, 3)), (images * where.back(other)).sum((1, 2, 3))
    torch.testing.assert_close(forth, back)


def test_an_image_shows_its_pixels_in_order_within_a_smaller_frame():
    images = torch.arange(1.0, 401).reshape(1, 1, 20, 20)
    sizes = set[int]()
    for seed in range(40):
        where = placed(images, seed=seed)
        frame = where.of(images, 0.0)[0, 0]
        inside = frame[frame > 0].reshape(int(where.inside_rows.sum()), int(where.inside_columns.sum()))
        assert inside.shape[0] == inside.shape[1]
        assert (inside.diff(dim=0) >= 20).all()  # every row shown is another one, none twice
        assert (inside.diff(dim=1) >= 1).all()
        sizes.add(inside.shape[0])
    assert sizes == {18, 19}  # 299/330 of 20 and more, less than 20


def test_a_probability_of_a_half_moves_half_the_images():
    images = torch.rand(400, 1, 12, 12)
    moved = (placed(images, 0.5).of(images, 0.0) != images).flatten(1).any(1)
    assert 150 < int(moved.sum()) < 250
    assert not (placed(images, 0.0).of(images, 0.0) != images).any()


def test_diverse_inputs_cost_no_pass_more_and_the_last_point_is_shown_as_it_is():
    clean = images_of()
    seen = shown(BasicIterative(step_size=STRIDE, steps=STEPS, diversity=1.0))
    assert len(seen) == STEPS + 1
    for frame in seen[:-1]:
        assert (frame == 0).flatten(1).any(1).all()  # the border
    assert (seen[-1] - clean).abs().amax() <= RADIUS + 1e-6


def test_what_is_shown_elsewhere_is_never_returned():
    attack = BasicIterative(step_size=STRIDE, steps=STEPS, diversity=1.0, momentum=1.0)
    result = run(attack, Classifier(Watched()), images_of(8), threat=Lp("inf", RADIUS))
    assert (result.adversarial - images_of(8)).abs().amax() <= RADIUS + 1e-6
    assert result.success.any()


@pytest.mark.parametrize("threat", [Lp("inf", RADIUS), Lp(2, 1.0), Lp(1, 9.0)], ids=lambda one: one.name)
def test_all_options_together_do_not_depend_on_neighbours_or_bounds(threat: Lp):
    attack, images = PGD(steps=4, diversity=0.7, momentum=0.9, kernel=3), images_of(6)
    together = run(attack, Classifier(Watched()), images, threat=threat, confidence=ALL_THE_WAY)
    apart = run(attack, Classifier(Watched()), images, threat=threat, confidence=ALL_THE_WAY, batch=1)
    torch.testing.assert_close(together.adversarial, apart.adversarial)
    wide = Lp(threat.p, threat.radius * 255)
    scaled = run(attack, Classifier(Watched(255.0), (0, 255)), images * 255, threat=wide, confidence=ALL_THE_WAY)
    difference = (scaled.adversarial / 255 - together.adversarial).abs()
    assert difference.gt(1e-5).float().mean() < 0.01  # a gradient near 0 may round to either sign


def test_a_kernel_spreads_a_single_value_by_a_gaussian():
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    spread = smoothed(point, 7)[0, 0]
    assert float(spread.sum()) == pytest.approx(1)
    assert float(spread[7, 8] / spread[7, 7]) == pytest.approx(math.exp(-0.5))  # a third of the reach is 1 pixel
    assert not spread[7, 11:].any()


def test_a_kernel_loses_beyond_the_border():
    assert float(smoothed(torch.ones(1, 2, 9, 9), 5)[0, 0, 0, 0]) < 0.7


def test_options_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="kernel is 4; expected an odd number of rows, such as 5"):
        BasicIterative(kernel=4)
    with pytest.raises(InputError, match="diversity"):
        BasicIterative(diversity=1.5)
    with pytest.raises(InputError, match="momentum"):
        PGD(momentum=-1.0)
    colour = THREATS["colour"](0.1)
    with pytest.raises(InputError, match="leave both out"):
        run(PGD(diversity=0.5), Classifier(Watched()), images_of(), threat=colour)
