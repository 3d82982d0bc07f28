"""The grid against a plain loop over all of it with scipy's interpolation, and what the search promises."""

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from scipy import ndimage
from torch import Tensor

from brittle import Classifier, Flow, InputError, RotationTranslation, Targeted, UnsupportedThreat, run
from brittle.threats import Lp


def posed(image: np.ndarray, angle: float, down: float, right: float) -> tuple[np.ndarray, float]:
    """Turn an image (h, w) against the clock about its centre, then move it; and how far the farthest pixel went."""
    height, width = image.shape
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(float)
    centre = np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    back = places - centre - np.array([down, right])[:, None, None]
    turn = math.radians(angle)
    origin = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    from_where = np.einsum("ij,jhw->ihw", origin, back) + centre
    length = np.hypot(*(from_where - places)).max()
    return ndimage.map_coordinates(image, from_where, order=1, mode="nearest"), float(length)


def brute_force(classifier: Classifier, image: Tensor, label: int) -> np.ndarray:
    """The T-norms of all candidates of the paper's grid that break an image."""
    height, width = image.shape[1:]
    candidates = [
        posed(image[0].numpy(), angle, down, right)
        for angle in np.linspace(-30, 30, 31)
        for down in np.linspace(-1, 1, 5) * 3 / 28 * height
        for right in np.linspace(-1, 1, 5) * 3 / 28 * width
    ]
    assert len(candidates) == 775
    logits = classifier.logits(torch.from_numpy(np.stack([moved for moved, _ in candidates]))[:, None])
    return np.array([length for _, length in candidates])[(logits.argmax(1) != label).numpy()]


def test_the_grid_finds_what_a_loop_over_all_of_it_finds():
    classifier, images = convolutional(), middle(5, (1, 6, 5))
    labels = classifier.logits(images).argmax(1)
    breaking = [brute_force(classifier, image, int(label)) for image, label in zip(images, labels, strict=True)]
    for radius in (math.inf, 1.0):
        result = run(RotationTranslation(), classifier, images, threat=Flow(radius))
        expected = [min(lengths[lengths <= radius], default=math.inf) for lengths in breaking]
        assert 1 <= sum(map(math.isfinite, expected)) <= 4
        np.testing.assert_allclose(result.size.numpy(), expected, rtol=1e-9)
        assert (result.backward == 0).all()
        if radius == math.inf:  # all of it has been tried, but for what changes nothing; and the two looks of `run`
            assert (result.forward[~result.success] == 774 + 2).all()


def test_only_what_the_radius_allows_is_tried():
    classifier, images = convolutional(), middle(8, (1, 6, 5))
    radii = torch.tensor([0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, math.inf], dtype=torch.float64)
    result = run(RotationTranslation(), classifier, images, threat=Flow(radii))
    free = run(RotationTranslation(), classifier, images, threat=Flow(math.inf))
    expected = torch.where(free.size <= radii, free.size, torch.inf)
    assert torch.equal(result.size, expected)
    assert (result.forward <= free.forward).all()
    assert result.forward[0] == 2


def test_passes_do_not_depend_on_who_shares_them():
    classifier, images = convolutional(), middle(6, (1, 6, 5))
    attack = RotationTranslation(angles=3, shifts=3)
    whole = run(attack, classifier, images, threat=Flow(math.inf))
    for batch in (4,):
        part = run(attack, classifier, images, threat=Flow(math.inf), batch=batch)
        assert torch.equal(part.forward, whole.forward)
        torch.testing.assert_close(part.size, whole.size)


def test_few_fields_are_made_at_a_time():
    classifier, images = convolutional(), middle(6, (1, 6, 5))
    most = 0

    def widest(_: object, inputs: tuple[Tensor, ...]) -> None:
        nonlocal most
        most = max(most, len(inputs[0]))

    handle = classifier.module.register_forward_pre_hook(widest)
    run(
        RotationTranslation(angles=7, shifts=3, degrees=0.001, reach=0.0),
        classifier,
        images,
        threat=Flow(math.inf),
        batch=40,
    )
    handle.remove()
    assert 32 < most <= 40


def test_random_candidates_are_within_the_limits_and_the_smallest_success_counts():
    """A network that any movement misleads returns the mildest candidate."""

    class Still(torch.nn.Module):
        def __init__(self, clean: Tensor):
            super().__init__()
            self.clean = clean

        def forward(self, x: Tensor) -> Tensor:
            moved = (x - self.clean).abs().flatten(1).amax(1) > 1e-6
            return torch.stack([torch.ones_like(x[:, 0, 0, 0]), 3.0 * moved], 1) - 0.5

    image = middle(1, (1, 8, 8))
    classifier = Classifier(Still(image))
    attack = RotationTranslation("random", draws=50, degrees=0, reach=0.25)
    sizes = [float(run(replace(attack, draws=draws), classifier, image, threat=Flow(9)).size) for draws in (1, 5, 50)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < sizes[0] <= 2 * math.sqrt(2)
    result = run(attack, classifier, image, threat=Flow(9))
    assert result.forward == 3  # the clean image, the mildest candidate, the verdict
    assert (result.field == result.field[..., :1, :1]).all()
    assert (result.field.abs() <= 2).all()


def test_targets_are_reached_and_nothing_else():
    classifier, images = convolutional(), middle(12, (1, 6, 5))
    labels = classifier.logits(images).argmax(1)
    free = run(RotationTranslation(angles=13, degrees=180, reach=0.5), classifier, images, threat=Flow(math.inf))
    targets = (labels + 1) % 4
    aimed = run(
        RotationTranslation(angles=13, degrees=180, reach=0.5),
        classifier,
        images,
        goal=Targeted(targets),
        threat=Flow(math.inf),
    )
    assert aimed.success.any()
    assert (aimed.prediction[aimed.success] == targets[aimed.success]).all()
    assert (aimed.size[aimed.success] >= free.size[aimed.success]).all()


def test_a_network_that_shows_only_probabilities_is_enough():
    inner = convolutional()
    box = Classifier(lambda x: inner.logits(x.double()).softmax(1).detach().float(), probabilities=True)
    result = run(RotationTranslation(), box, middle(8, (1, 6, 5)).float(), threat=Flow(math.inf))
    assert result.success.any()


def test_what_cannot_be_meant_is_refused():
    for settings in ({"angles": 0}, {"shifts": 0}, {"draws": 0}, {"degrees": -1.0}, {"reach": -0.1}):
        with pytest.raises(InputError, match=next(iter(settings))):
            RotationTranslation(**settings)
    with pytest.raises(InputError, match="search"):
        inspect.unwrap(RotationTranslation.__init__)(object.__new__(RotationTranslation), search="both")
    with pytest.raises(UnsupportedThreat):
        run(RotationTranslation(), convolutional(), middle(), threat=Lp(2))
    alone = RotationTranslation(angles=1, shifts=1)
    assert not run(alone, convolutional(), middle(3), threat=Flow(math.inf)).success.any()
