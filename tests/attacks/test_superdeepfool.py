"""SuperDeepFool: it ends at right angles to curved boundaries, and on them."""

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from scipy.optimize import minimize
from torch import Tensor, nn

from brittle import Classifier, DeepFool, InputError, Lp, SuperDeepFool, run


class Bent(nn.Module):
    """Class 1 beyond an ellipse (with -1 within it), whose nearest point Newton's steps along the slope miss."""

    def __init__(self, sign: int = 1):
        super().__init__()
        self.sign = sign

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1) - 0.5
        value = 9 * flat[:, 0] ** 2 + flat[:, 1] ** 2 + 25 * flat[:, 2] ** 2 + 0.3 * flat[:, 0] - 0.12
        return torch.stack([torch.zeros_like(value), self.sign * value], 1)


def nearest(image: Tensor) -> float:
    """The distance to the ellipse by sequential quadratic programming, the best of many starts."""
    x, random = image.flatten().numpy(), np.random.default_rng(0)

    def value(point: np.ndarray) -> float:
        return float(Bent()(torch.from_numpy(point).reshape(1, 1, 1, 3))[0, 1])

    found = [
        minimize(
            lambda y: ((y - x) ** 2).sum(),
            x + 0.2 * random.normal(size=3),
            method="SLSQP",
            constraints={"type": "eq", "fun": value},
            options={"ftol": 1e-12},
        )
        for _ in range(6)
    ]
    return min(float(np.sqrt(one.fun)) for one in found if one.success)


def test_it_comes_nearer_to_a_curved_boundary_than_deepfool():
    classifier, images = Classifier(Bent()), 0.5 + 0.15 * (middle(6, (1, 1, 3)) - 0.5)
    plain, mine = (run(attack, classifier, images, threat=Lp(2)) for attack in (DeepFool(), SuperDeepFool()))
    least = torch.tensor([nearest(image) for image in images], dtype=torch.float64)
    assert mine.success.all()
    assert (mine.size >= least * (1 - 1e-6)).all()
    assert (mine.size <= plain.size).all()
    assert (mine.size / least).median() < 1.01
    assert (plain.size / least).median() > 1.02


def test_the_last_halvings_bring_it_onto_the_boundary():
    far, near = (run(SuperDeepFool(search=n), convolutional(), middle(), threat=Lp(2)) for n in (0, 16))
    assert (near.size < far.size).all()
    assert near.margin.max() < 0.01 * far.margin.median()
    assert (near.forward == far.forward + 16).all()
    assert torch.equal(near.backward, far.backward)


def test_rounds_are_bounded_and_end_where_they_gain_nothing():
    classifier, images = Classifier(Bent(-1)), 0.8 + 0.4 * (middle(6, (1, 1, 3)) - 0.5)
    one, usual, all_of_them = (
        run(SuperDeepFool(steps=steps, gain=gain), classifier, images, threat=Lp(2))
        for steps, gain in ((1, 0.01), (100, 0.01), (100, 0))
    )
    assert (one.iterations <= usual.iterations).all()
    assert one.iterations.sum() < usual.iterations.sum() <= all_of_them.iterations.sum()
    assert (usual.size <= one.size * (1 + 1e-3)).all()


def test_deepfools_settings_are_those_of_the_walk():
    """On affine networks DeepFool's first step goes (1 + overshoot) times the distance."""
    classifier, images = affine(classes=5), middle(6)
    labels = classifier.logits(images).argmax(1)
    least, seen = distance(classifier, images, labels, 2), []
    handle = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    for overshoot in (0.02, 0.3):
        seen.clear()
        run(SuperDeepFool(overshoot=overshoot), classifier, images, threat=Lp(2))
        torch.testing.assert_close((seen[2] - images).flatten(1).norm(dim=1), (1 + overshoot) * (least + 1e-4))  # nudge
    handle.remove()
    few, many = (run(SuperDeepFool(candidates=n, search=0), classifier, images, threat=Lp(2)) for n in (2, 5))
    assert (few.backward < many.backward).all()
    assert (many.size >= least).all()
    assert (many.size <= 1.05 * least).all()
    stuck = Classifier(Slow())
    for walk in (1, 4):
        result = run(SuperDeepFool(walk=walk), stuck, torch.full((2, 1, 1, 2), 0.5), threat=Lp(2))
        assert (result.iterations == walk).all()


def test_projections_are_added_up_where_that_is_asked_for():
    """The first projection is the same; after it the sum leads past the boundary that single ones approach."""
    classifier, images = Classifier(Bent(-1)), 0.8 + 0.4 * (middle(6, (1, 1, 3)) - 0.5)
    paths: dict[bool, list[Tensor]] = {False: [], True: []}
    for add_up, seen in paths.items():
        handle = classifier.module.register_forward_pre_hook(
            lambda _, given, seen=seen: seen.append(
                (given[0].detach() - images[: len(given[0])]).flatten(1).norm(dim=1)
            )
        )
        result = run(SuperDeepFool(add_up=add_up, search=0, gain=0), classifier, images, threat=Lp(2), batch=1)
        handle.remove()
        assert result.success.all()
    single, summed = (torch.cat(seen) for seen in paths.values())
    assert torch.equal(single[:3], summed[:3])
    assert len(summed) < len(single)
    assert summed.max() > 1.2 * single.max()


class Slow(nn.Module):
    """Promises a boundary nearby, and never has one."""

    def forward(self, x: Tensor) -> Tensor:
        value = (x.flatten(1)[:, 0] * 1000).sin() * 1e-3
        return torch.stack([value * 0 + 1, value], 1)


@pytest.mark.parametrize("settings", [{"gain": 1.0}, {"search": -1}, {"steps": 0}, {"candidates": 1}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SuperDeepFool(**settings)
