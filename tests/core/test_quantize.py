"""Adversarial images on the levels of a file: closed forms, brute force over whole lattices, and files."""

import io
import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from PIL import Image
from torch import Tensor, nn

from brittle import (
    PGD,
    Classifier,
    DeepFool,
    InputError,
    Lp,
    Pixels,
    RandomNoise,
    Targeted,
    Threat,
    UnsupportedThreat,
    Untargeted,
    run,
)
from brittle.core.attack import Attack
from brittle.core.ladder import ladder
from brittle.data import open_source
from brittle.models import open_network
from brittle.threats.grid import QuantizationGrid
from brittle.tolerance import TOLERANCE

BYTES = QuantizationGrid(256)


def on_levels(images: Tensor, levels: int = 256) -> Tensor:
    quantization = QuantizationGrid(levels)
    return quantization.images(quantization.numbers(images).round(), images.dtype)


def as_png(images: Tensor) -> Tensor:
    """Save and load every image as a person would, and return what the files hold, as bytes."""
    loaded = []
    for image in (images * 255).round().to(torch.uint8):
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()).save(file, "PNG")
        loaded.append(np.asarray(Image.open(file)).reshape(*image.shape[1:], image.shape[0]))
    return torch.from_numpy(np.stack(loaded)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
def test_levels_are_bit_by_bit_those_of_bytes(dtype: torch.dtype, bounds: tuple[float, float]):
    classifier = Classifier(nn.Identity(), bounds)
    quantization = QuantizationGrid(256, classifier.bounds)
    everything = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    images = quantization.images(everything, dtype)
    numbers = quantization.numbers(images)
    assert torch.equal(numbers.to(torch.uint8), everything)
    assert torch.equal(quantization.settled(images), images)
    read = everything.to(torch.float32) / 255 * classifier.bounds.span + classifier.bounds.lower
    assert torch.equal(images, read.to(dtype))


def test_what_is_nearly_a_level_is_settled_and_all_else_stays():
    images = torch.tensor([100 / 255 + 5e-7, 100.3 / 255]).reshape(1, 1, 1, 2)
    settled = BYTES.settled(images)
    assert settled[0, 0, 0, 0] == torch.tensor(100.0) / 255
    assert settled[0, 0, 0, 1] == images[0, 0, 0, 1]
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert BYTES.settled(images.to(dtype)).dtype == BYTES.rounded(images.to(dtype)).dtype == dtype


@pytest.mark.parametrize("levels", [1, 0, 65537])
def test_numbers_of_levels_that_cannot_be_meant_are_refused(levels: int):
    with pytest.raises(InputError, match=f"quantization is {levels}; expected"):
        run(DeepFool(), affine(), middle(), threat=Lp(2), quantization=levels)


@pytest.mark.parametrize("p", [1, 2, "inf"])
def test_solutions_of_affine_networks_are_on_the_lattice_and_close_to_the_closed_form(p: float | str):
    classifier, threat = affine(), Lp(p)
    images = on_levels(middle(24))
    labels = classifier.logits(images).argmax(1)
    result = run(DeepFool(), classifier, images, threat=threat, quantization=256)
    assert result.success.all()
    assert torch.equal(result.adversarial, on_levels(result.adversarial))
    assert (classifier.logits(result.adversarial).argmax(1) != labels).all()
    least = distance(classifier, images, labels, threat.dual)
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= 1.01 * least + 1 / 255).all()
    torch.testing.assert_close(result.size, threat.size(images, result.adversarial))


@pytest.mark.parametrize("p", [0, 1, 2, "inf"])
def test_no_point_of_the_whole_lattice_is_much_smaller(p: float | str):
    """Three values of nine levels: all 729 points are looked at."""
    classifier, threat, levels = affine(3, (1, 1, 3), seed=3), Lp(p), 9
    images = on_levels(torch.rand(40, 1, 1, 3, generator=torch.Generator().manual_seed(2)).double(), levels)
    labels = classifier.logits(images).argmax(1)
    everything = torch.tensor(list(product(range(levels), repeat=3))).reshape(-1, 1, 1, 3)
    points = QuantizationGrid(levels).images(everything, torch.float64)
    other = classifier.logits(points).argmax(1)
    attack = DeepFool() if p != 0 else Everything()
    result = run(attack, classifier, images, threat=threat, quantization=levels)
    without = run(attack, classifier, images, threat=threat)
    assert torch.equal(result.success, without.success)
    assert result.success.sum() > 20
    ratios = []
    for row in result.success.nonzero()[:, 0]:
        sizes = threat.size(images[row].expand_as(points), points)[other != labels[row]]
        assert result.size[row] >= sizes.min() - 1e-9
        ratios.append(float(result.size[row] / sizes.min()))
    assert np.mean(np.array(ratios) < 1.0001) > 0.6
    assert np.mean(ratios) < 1.15


@dataclass(frozen=True)
class Everything(Attack):
    """Moves every value to the far end that the gradient points to."""

    threats = ("l0", "l2", "linf", "pixels")

    def perturb(self, problem) -> None:
        probe = problem.probe(problem.images)
        problem.probe(problem.images + 2 * problem.classifier.bounds.span * probe.gradient(problem.goal.margin).sign())


def test_every_rung_is_the_smallest_for_its_linearised_margin():
    """Against all choices among the neighbours of a point: three values, three levels each at most."""
    clean = torch.tensor([5.0, 5.0, 5.0]).reshape(1, 1, 1, 3)
    centre = torch.tensor([6.4, 5.0, 3.7]).reshape(1, 1, 1, 3)
    slope = torch.tensor([0.3, 1.0, -0.7]).reshape(1, 1, 1, 3)
    for p in (1, 2):
        rungs = ladder(Lp(p), clean, centre, slope, torch.zeros(1), 10)
        neighbours = torch.tensor(list(product([6, 7], [4, 5, 6], [3, 4]))).reshape(-1, 1, 1, 3).float()
        margins = ((neighbours - centre) * slope).flatten(1).sum(1)
        sizes = Lp(p).size(clean.expand_as(neighbours), neighbours)
        for rung in range(int(rungs.top) + 1):
            point = rungs.at(torch.tensor([rung]))
            predicted = ((point - centre) * slope).sum()
            torch.testing.assert_close(rungs.curve[0, rung], predicted)
            assert Lp(p).size(clean, point) <= sizes[margins >= predicted - 1e-6].min() + 1e-6
            assert int(rungs.first(predicted[None] - 1e-6)) <= rung
    ball = ladder(Lp("inf"), clean, centre, slope, torch.zeros(1), 10)
    assert ball.at(torch.tensor([1])).flatten().tolist() == [6, 6, 4]
    assert ball.at(ball.top).flatten().tolist() == [7, 6, 3]
    assert (ball.curve.diff() >= 0).all()


@pytest.mark.parametrize("p", [1, 2])
def test_on_random_ladders_every_rung_is_the_smallest_for_its_linearised_margin(p: int):
    """Near the clean image and far from it, at levels and between them, at the ends of the box, with zero slopes."""
    generator = torch.Generator().manual_seed(11)
    for turn in range(30):
        clean, centre = (10 * torch.rand(1, 1, 1, 4, generator=generator, dtype=torch.float64) for _ in range(2))
        clean = clean.round() if turn % 2 else clean
        centre = (clean + (centre - 5) / 4).clamp(0, 10) if turn % 3 else centre
        centre[..., 0] = centre[..., 0].round()
        slope = torch.randn(centre.shape, generator=generator, dtype=torch.float64)
        slope[..., 3] = 0.0 if turn % 5 == 0 else slope[..., 3]
        rungs = ladder(Lp(p), clean, centre, slope, torch.full((1,), 0.7, dtype=torch.float64), 10)
        near = [
            sorted({max(0, math.ceil(c) - 1), min(10, math.floor(c) + 1), round(c)}) for c in centre.flatten().tolist()
        ]
        points = torch.tensor(list(product(*near))).double().reshape(-1, 1, 1, 4)
        margins = 0.7 + ((points - centre) * slope).flatten(1).sum(1)
        sizes = Lp(p).size(clean.expand_as(points), points)
        assert int(rungs.top) > 0
        for rung in range(int(rungs.top) + 1):
            point = rungs.at(torch.tensor([rung]))
            torch.testing.assert_close(rungs.curve[0, rung], 0.7 + ((point - centre) * slope).sum())
            assert Lp(p).size(clean, point) <= sizes[margins >= rungs.curve[0, rung] - 1e-9].min() + 1e-9
        largest = margins.max()
        torch.testing.assert_close(rungs.curve[0, int(rungs.top)], largest)


@pytest.mark.parametrize("threat", [Lp(0), Lp(1), Lp(2), Lp("inf"), Pixels(4)], ids=lambda threat: threat.name)
def test_an_image_has_the_same_ladder_alone_and_among_others(threat: Threat):
    generator = torch.Generator().manual_seed(2)
    clean, centre, slope = (10 * torch.rand(3, 5, 2, 1, 3, generator=generator, dtype=torch.float64)).unbind()
    clean, slope, margin = clean.round(), slope - 5, torch.linspace(-3, 4, 5, dtype=torch.float64)
    together = ladder(threat, clean, centre, slope, margin, 10)
    for row in range(5):
        alone = ladder(threat, *(each[row, None] for each in (clean, centre, slope, margin)), 10)
        assert together.top[row] == alone.top
        for rung in range(int(alone.top) + 1):
            torch.testing.assert_close(together.curve[row, rung], alone.curve[0, rung])
            at = torch.full((5,), rung)
            assert torch.equal(together.at(at)[row], alone.at(at[:1])[0])


def test_a_point_beyond_the_end_of_the_box_is_never_proposed():
    clean = torch.tensor([0.0, 10.0]).reshape(1, 1, 1, 2)
    for threat in (Lp(1), Lp(2), Lp("inf")):
        for slope in (-1.0, 1.0):
            rungs = ladder(threat, clean, clean, torch.full_like(clean, slope), torch.zeros(1), 10)
            for rung in range(int(rungs.top) + 1):
                point = rungs.at(torch.tensor([rung]))
                assert 0 <= point.min() <= point.max() <= 10


@pytest.mark.parametrize("p", [1, 2, "inf"])
def test_every_success_stays_one_on_a_curved_network(p: float | str):
    """Where rounding to the nearest level loses many."""
    classifier, images = convolutional(), on_levels(middle(40))
    labels = classifier.logits(images).argmax(1)
    loose = run(DeepFool(), classifier, images, threat=Lp(p))
    tight = run(DeepFool(), classifier, images, threat=Lp(p), quantization=256)
    assert loose.success.all()
    assert tight.success.all()
    nearest = classifier.logits(on_levels(loose.adversarial)).argmax(1) != labels
    assert nearest.float().mean() < 0.9
    torch.testing.assert_close(tight.size_unrounded, loose.size)
    torch.testing.assert_close(tight.quantization_cost, tight.size - loose.size)
    assert (tight.size <= 1.02 * loose.size + 1.5 / 255).all()
    assert loose.size_unrounded is None
    assert loose.quantization_cost is None


def test_the_radius_of_each_image_is_kept():
    classifier, images = convolutional(), on_levels(middle(12))
    free = run(DeepFool(), classifier, images, threat=Lp("inf"))
    radii = free.size * torch.linspace(0.9, 1.6, 12, dtype=torch.float64)
    result = run(PGD(steps=20), classifier, images, threat=Lp("inf", radii), quantization=256)
    assert result.success.sum() > 4
    assert (result.linf <= radii + TOLERANCE)[result.success].all()
    two = run(PGD(steps=20), classifier, images, threat=Lp(2, free.l2 * 1.2), quantization=256)
    assert two.success.sum() > 4
    assert (two.l2 <= free.l2 * 1.2 + TOLERANCE)[two.success].all()


@pytest.mark.parametrize("span", [1.0, 255.0])
def test_a_level_beyond_the_radius_by_less_than_the_tolerance_is_allowed_whatever_the_span(span: float):
    """Every step of the search takes sizes in the units of the bounds."""
    weight = torch.zeros(2, 12).double()
    weight[1, 1] = 1 / span
    layer = nn.Linear(12, 2).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.tensor([102.5 / 255, 0.0]))  # broken from three levels up in the second value
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer), bounds=(0, span))
    images = torch.full((2, 1, 3, 4), 100 / 255 * span).double()
    exact = 3 / 255 * span
    radius = torch.tensor([exact - 5e-7 * span, exact - 2e-6 * span], dtype=torch.float64)
    points = images.clone()
    points[:, 0, 0, 1] += 2.999 / 255 * span
    result = run(Given(points), classifier, images, threat=Lp(2, radius), quantization=256)
    assert result.size_unrounded.isfinite().all()
    assert result.success.tolist() == [True, False]
    assert float(result.size[0]) == pytest.approx(exact, rel=1e-5)


@dataclass(frozen=True)
class Given(Attack):
    """Proposes the points that it was given."""

    points: Tensor

    def perturb(self, problem) -> None:
        problem.probe(self.points[problem.ids])


def test_no_level_within_the_radius_is_no_success():
    classifier, images = affine(), on_levels(middle(12), 9)
    threat = Lp("inf", 0.1)  # the nearest of nine levels is 1/8 away
    assert run(PGD(steps=5), classifier, images, threat=threat).success.any()
    result = run(PGD(steps=5), classifier, images, threat=threat, quantization=9)
    assert not result.success.any()
    assert torch.isinf(result.size).all()
    assert torch.isfinite(result.size_unrounded).any()
    assert torch.equal(result.adversarial, on_levels(result.adversarial, 9))


def test_a_target_is_reached_with_confidence():
    classifier, images = affine(), on_levels(middle(12))
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    goal = Targeted(targets, confidence=0.2)
    result = run(PGD(steps=40), classifier, images, goal=goal, threat=Lp("inf", 0.4), quantization=256)
    assert result.success.sum() > 6
    assert (result.margin[result.success] >= 0.2).all()
    assert (result.prediction == targets)[result.success].all()
    assert torch.equal(result.adversarial, on_levels(result.adversarial))


class Level(nn.Module):
    """Logits (top, top + how far the value lies beyond a level): exact in floating point on 257 levels."""

    def __init__(self, level: int, beyond: float, top: float, dtype: torch.dtype):
        super().__init__()
        self.level, self.beyond, self.top = level, beyond, nn.Parameter(torch.tensor(top, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        value = x.flatten(1)[:, 0]
        return torch.stack([0 * value + self.top, self.top + (value - self.level / 256 + self.beyond)], 1)


@dataclass(frozen=True)
class Constant(Attack):
    """Proposes images of one value."""

    value: float

    def perturb(self, problem) -> None:
        problem.probe(torch.full_like(problem.images, self.value))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("top", [1.0, -4.0])
@pytest.mark.parametrize("confidence", [0.0, 0.125])
def test_a_margin_within_the_rounding_noise_of_the_logits_does_not_suffice(dtype, top, confidence):
    """16 units in the last place of the largest logit, whatever its sign; with 15 the next level is taken."""
    unit = torch.finfo(dtype).eps * abs(top)
    image = torch.full((1, 1, 1, 1), 100 / 256, dtype=dtype)
    labels = torch.zeros(1, dtype=torch.int64)
    first = 130 + int(256 * confidence)
    for units, level in ((15, first + 1), (20, first), (-20, first + 1)):
        classifier = Classifier(Level(130, units * unit, top, dtype))
        goal = Untargeted(labels, confidence=confidence)
        result = run(Constant((first + 2) / 256), classifier, image, labels, goal=goal, threat=Lp(2), quantization=257)
        assert result.success.all()
        assert float(result.adversarial) * 256 == level


def test_two_channels_and_bounds_of_bytes():
    classifier = convolutional(channels=2, scale=255.0)
    images = middle(8, (2, 3, 4), span=255.0).round()
    result = run(DeepFool(), classifier, images, threat=Lp(2), quantization=256)
    assert result.success.all()
    assert torch.equal(result.adversarial, result.adversarial.round())


def test_pixels_that_were_not_changed_stay_and_one_pixel_suffices_where_it_does():
    """The first value decides alone; an attack that changes all of them is cut back to its pixel."""
    weight = torch.zeros(2, 12).double()
    weight[1, 0], weight[1, 1:] = 4.0, 0.01
    layer = nn.Linear(12, 2).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.tensor([2.2, 0.0]))
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer))
    images = torch.full((1, 2, 2, 3), 0.4).double()
    images = on_levels(images)
    for threat, size in ((Pixels(6), 1), (Lp(0), 1)):
        result = run(Everything(), classifier, images, threat=threat, quantization=256)
        assert result.success.all()
        assert result.size.tolist() == [size]
        assert result.size_unrounded.tolist() == [6 if isinstance(threat, Pixels) else 12]


@pytest.mark.parametrize("threat", [Lp(0), Pixels(3)])
def test_counted_changes_of_an_image_between_the_levels_are_refused(threat: Threat):
    images = on_levels(middle(2))
    images[1, 0, 0, :2] += 0.001
    with pytest.raises(InputError, match="2 values of image 1 lie between the 256 levels"):
        run(Everything(), affine(), images, threat=threat, quantization=256)


def test_sizes_that_are_not_those_of_a_difference_are_refused():
    @dataclass(frozen=True)
    class Odd(Pixels):
        pass

    class Flow(Threat):
        name = "flow"
        on_images = False
        size = project = draw = max_size = None

    BYTES.check(Odd(3), on_levels(middle(1)))
    with pytest.raises(UnsupportedThreat, match="flow"):
        BYTES.check(Flow(1.0), middle(1))


def test_an_image_between_the_levels_is_moved_to_them_and_measured_from_where_it_was():
    classifier, images = affine(), middle(12)
    assert not torch.equal(images, on_levels(images))
    for p in (2, "inf"):
        result = run(DeepFool(), classifier, images, threat=Lp(p), quantization=256)
        assert result.success.all()
        assert torch.equal(result.adversarial, on_levels(result.adversarial))
        torch.testing.assert_close(result.size, Lp(p).size(images, result.adversarial))


def test_images_do_not_influence_each_other():
    classifier, images = convolutional(), on_levels(middle())
    whole = run(DeepFool(), classifier, images, threat=Lp(2), quantization=256)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    mixed = run(DeepFool(), classifier, images[order], ids=order, threat=Lp(2), quantization=256, batch=5)
    assert torch.equal(mixed.adversarial, whole.adversarial[order])
    assert torch.equal(mixed.forward, whole.forward[order])
    again = run(DeepFool(), classifier, images, threat=Lp(2), quantization=256)
    assert torch.equal(again.adversarial, whole.adversarial)


def test_every_pass_is_counted():
    classifier, images = convolutional(), on_levels(middle())
    seen = {"forward": 0, "backward": 0}

    def forward(_: object, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen["forward"] += len(inputs[0])
        if output.requires_grad:
            output.register_hook(lambda gradient: seen.update(backward=seen["backward"] + len(gradient)))

    handle = classifier.module.register_forward_hook(forward)
    result = run(DeepFool(), classifier, images, threat=Lp(2), quantization=256)
    handle.remove()
    assert seen == {"forward": int(result.forward.sum()), "backward": int(result.backward.sum())}


def test_what_is_not_broken_lies_on_the_lattice_too_and_what_was_wrong_already_stays():
    images = on_levels(middle(6))
    labels = convolutional().logits(images).argmax(1)
    labels[:2] = (labels[:2] + 1) % 4
    result = run(PGD(steps=3), convolutional(), images, labels, threat=Lp("inf", 1e-3), quantization=256)
    assert result.already.tolist() == [True, True, False, False, False, False]
    assert (result.size[:2] == 0).all()
    assert (result.size_unrounded[:2] == 0).all()
    assert torch.equal(result.adversarial, on_levels(result.adversarial))
    assert torch.equal(result.adversarial[:2], images[:2])
    assert len(run(DeepFool(), affine(), middle(0), threat=Lp(2), quantization=256)) == 0


def test_a_network_without_gradients_is_rounded_along_the_change():
    inner = convolutional()
    images = on_levels(middle(12))

    def service(points: Tensor) -> Tensor:
        assert not points.requires_grad
        with torch.no_grad():
            return inner.logits(points.double()).to(points.dtype)

    def deaf(points: Tensor) -> Tensor:
        if points.requires_grad:
            raise RuntimeError("no gradients here")
        return service(points)

    classifier = Classifier(deaf)
    images = images.float()
    noise = RandomNoise(draws=50)
    found = run(noise, classifier, images, threat=Lp(2, 1.0))
    result = run(noise, classifier, images, threat=Lp(2, 1.0), quantization=256)
    assert found.success.sum() > 3
    assert torch.equal(result.success, found.success)
    assert (result.backward == 0).all()
    assert (result.size <= 1.001 * found.size + 1 / 255)[found.success].all()


def test_the_budget_keeps_a_quarter_for_the_search():
    classifier, images = convolutional(), on_levels(middle())
    result = run(DeepFool(), classifier, images, threat=Lp(2), budget=80, quantization=256)
    plain = run(DeepFool(), classifier, images, threat=Lp(2), budget=60)
    assert torch.equal(result.success, plain.success)
    assert plain.success.any()
    assert (result.forward > plain.forward)[plain.success].all()
    assert (result.forward <= 80).all()
    for budget in (1, 2, 5, 9):
        tight = run(DeepFool(), classifier, images, threat=Lp(2), budget=budget, quantization=256, trace=True)
        assert (tight.forward <= budget).all()


@pytest.mark.parametrize("p", [2, "inf"])
def test_files_are_adversarial_when_read_back_one_by_one(p: float | str):
    classifier = Classifier(open_network("digits-lenet").module)
    block = next(open_source("digits").blocks(10))
    result = run(DeepFool(), classifier, block.images, block.labels, threat=Lp(p), quantization=256)
    read = as_png(result.adversarial)
    assert torch.equal(read.float() / 255, result.adversarial)
    assert result.success.float().mean() > 0.9
    for row in result.success.nonzero()[:, 0]:
        with torch.no_grad():
            assert classifier.logits(read[row][None].float() / 255).argmax(1) != block.labels[row]
    judged = run(
        RandomNoise(draws=1), classifier, read, block.labels, goal=Untargeted(block.labels), threat=Lp(2, 0.01)
    )
    assert judged.already[result.success].all()
    table = result.table()
    assert "size_unrounded" in table.column_names
    assert (
        "size_unrounded" not in run(RandomNoise(), classifier, block.images[:2], threat=Lp(2, 1)).table().column_names
    )
