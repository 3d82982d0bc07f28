"""ADef against algorithm 1 written out again with scipy, against brute force, and what it does at the ends."""

import math

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from scipy import ndimage
from torch import Tensor, nn

from brittle import ADef, Classifier, Flow, InputError, Targeted, run

PUBLISHED = {"nudge": 0.0, "stride": math.inf, "smoothing": 0.5}


def bent(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, image.shape[1:]), indexing="ij")) + field
    return np.stack([ndimage.map_coordinates(plane, grid, order=1, mode="nearest") for plane in image])


def gaussian(field: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(field, (0, 0.5, 0.5), mode="constant", truncate=4)


def length(field: np.ndarray) -> float:
    return float(np.hypot(*field).max())


def algorithm_1(
    classifier: Classifier, image: np.ndarray, candidates: int, steps: int, radius: float
) -> tuple[float, list[float]]:
    """One image, step by step; the T-norm of the field that broke it (infinite for none), and the margins seen."""

    def look(field: np.ndarray) -> tuple[Tensor, Tensor]:
        leaf = torch.from_numpy(bent(image, field))[None].requires_grad_()
        return leaf, classifier.module(leaf)[0]

    field, margins, nearest = np.zeros((2, *image.shape[1:])), [], (-math.inf, np.empty(0))
    leaf, logits = look(field)
    label, *others = logits.argsort(descending=True).tolist()
    for step in range(steps + 1):
        margins.append(float((logits[others].max() - logits[label]).detach()))
        if int(logits.argmax()) != label and length(field) <= radius:
            return length(field), margins
        if margins[-1] > nearest[0] and length(field) <= radius:
            nearest = margins[-1], field
        if length(field) >= radius or step == steps:
            break
        totals, shown = [], leaf.detach()[0].numpy()
        down, right = np.gradient(shown, axis=1), np.gradient(shown, axis=2)
        for other in others[:candidates]:
            f = logits[other] - logits[label]
            slope = torch.autograd.grad(f, leaf, retain_graph=True)[0][0].numpy()
            once = gaussian(np.stack([(slope * down).sum(0), (slope * right).sum(0)]))
            totals.append(field - float(f.detach()) * gaussian(once) / (once**2).sum())
        field = min(totals, key=length)
        leaf, logits = look(field)
    field = nearest[1] * (min(1.2, radius / length(nearest[1])) if nearest[1].any() else 1)
    logits = look(field)[1]
    margins.append(float((logits[others].max() - logits[label]).detach()))
    return (length(field) if int(logits.argmax()) != label else math.inf), margins


@pytest.mark.parametrize(("candidates", "channels", "radius"), [(1, 1, 2.0), (3, 1, 0.5), (1, 3, math.inf)])
def test_it_is_algorithm_1(candidates, channels, radius):
    """But for images that end on the boundary to the last bit, on whichever side."""
    classifier, images = convolutional(channels), middle(8, (channels, 6, 5))
    attack = ADef(steps=6, candidates=candidates, **PUBLISHED)
    result = run(attack, classifier, images, threat=Flow(radius), trace=True)
    compared, broken = 0, 0
    for row, image in enumerate(images):
        size, margins = algorithm_1(classifier, image.numpy(), candidates, 6, radius)
        undecided = next((step for step, margin in enumerate(margins) if abs(margin) < 1e-9), None)
        ours = result.trace[row][~result.trace[row].isnan()][:undecided].tolist()
        assert ours == pytest.approx(margins[:undecided], abs=1e-9)
        compared += undecided is None
        if undecided is None:
            assert float(result.size[row]) == pytest.approx(size, rel=1e-9)
            assert len(ours) == len(margins)
            broken += math.isfinite(size)
    assert compared >= 4
    assert broken >= 2


class OnePixel(nn.Module):
    """Sees one pixel: class 1 where its value is above a threshold."""

    def __init__(self, row: int, column: int, threshold: float):
        super().__init__()
        self.row, self.column, self.threshold = row, column, threshold

    def forward(self, x: Tensor) -> Tensor:
        over = 7 * (x[:, :, self.row, self.column].sum(1) - self.threshold)
        return torch.stack([torch.zeros_like(over), over], 1)


def test_on_a_ramp_the_first_step_is_the_closed_form():
    ramp = (torch.arange(9, dtype=torch.float64) / 10).reshape(1, 1, 1, 9)
    for threshold, distance in ((0.47, 0.7), (0.62, 2.2)):
        network = Classifier(OnePixel(0, 4, threshold))
        result = run(ADef(steps=1, smoothing=0.0, stride=math.inf), network, ramp, threat=Flow(math.inf))
        assert float(result.size) == pytest.approx(distance * 1.02)
        assert result.field[0, 1, 0, 4] == result.size[0]
        assert int((result.field != 0).sum()) == 1


def test_it_comes_near_the_smallest_displacement_that_a_dense_search_finds():
    """What one pixel can be made to show is known for every displacement, so that the least one is found by looking."""
    down, right = torch.meshgrid(*(torch.arange(12, dtype=torch.float64) / 12,) * 2, indexing="ij")
    image = (0.1 + 0.5 * down**2 + 0.3 * right + 0.1 * torch.sin(3 * right * down))[None, None]
    grid = np.linspace(-4, 4, 1601)
    steps = np.stack(np.meshgrid(grid, grid, indexing="ij"))
    shown = ndimage.map_coordinates(image[0, 0].numpy(), steps + 5, order=1, mode="nearest")
    for threshold in (0.42, 0.5, 0.58):
        least = np.hypot(*steps)[shown > threshold].min()
        result = run(ADef(smoothing=0.0), Classifier(OnePixel(5, 5, threshold)), image, threat=Flow(math.inf))
        assert 0.5 < least < 4
        assert least - 0.01 <= float(result.size) <= 1.05 * least


def test_every_candidate_costs_a_way_back():
    classifier, images = convolutional(), middle(2, (1, 6, 5))
    for candidates, passes in ((1, 1), (2, 2), (99, 3)):
        result = run(ADef(steps=5, candidates=candidates), classifier, images, threat=Flow(math.inf), batch=1)
        assert result.success.any()
        assert (result.backward == passes * result.iterations).all()


def test_targets_are_reached():
    classifier, images = convolutional(), middle(12, (1, 6, 5))
    targets = classifier.logits(images).topk(3, dim=1).indices[:, 1]
    result = run(ADef(steps=20, smoothing=0.0), classifier, images, goal=Targeted(targets), threat=Flow(math.inf))
    assert result.success.sum() >= 4
    assert (result.prediction[result.success] == targets[result.success]).all()


def test_the_overshoot_is_for_those_alone_that_are_not_across():
    """The slope at the pixel is too small for the way uphill of a convex image and too large for a concave one."""
    places = torch.linspace(0, 1, 9, dtype=torch.float64)
    images = torch.stack([0.51 + places.square(), places.sqrt()]).reshape(2, 1, 1, 9)
    network = Classifier(OnePixel(0, 4, 0.8), bounds=(0, 2))
    settings = {"steps": 1, "smoothing": 0.0, "stride": math.inf, "nudge": 0.0}
    without, with_it = (
        run(ADef(overshoot=by, **settings), network, images, threat=Flow(math.inf)) for by in (1.0, 1.2)
    )
    assert without.success.tolist() == [True, False]
    assert with_it.success.tolist() == [True, True]
    assert (with_it.forward - without.forward).tolist() == [0, 1]
    assert torch.equal(with_it.field[0], without.field[0])
    torch.testing.assert_close(with_it.field[1], 1.2 * without.field[1])
    limited = run(ADef(**settings), network, images[1:], threat=Flow(1.1 * without.field[1].abs().max()))
    assert float(limited.field.abs().max()) == pytest.approx(1.1 * float(without.field[1].abs().max()))


def test_an_image_without_slope_stays_as_it_is():
    classifier, images = convolutional(), middle(6, (1, 6, 5))
    alone = run(ADef(steps=5), classifier, images[1:], threat=Flow(2))
    images[0] = 0.5
    result = run(ADef(steps=5), classifier, images, threat=Flow(2))
    assert not result.success[0]
    assert torch.equal(result.field[0], torch.zeros_like(result.field[0]))
    assert torch.equal(result.adversarial[0], images[0])
    torch.testing.assert_close(result.field[1:], alone.field)


@pytest.mark.parametrize(
    "settings",
    [{"steps": 0}, {"candidates": 0}, {"smoothing": -1.0}, {"nudge": -0.1}, {"stride": 0.0}, {"overshoot": 0.9}],
)
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        ADef(**settings)
