"""stAdv against scipy's L-BFGS on the same function, and what its parameters promise."""

import math

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from scipy.optimize import minimize

from brittle import Classifier, Flow, InputError, SpatiallyTransformed, Targeted, Untargeted, run
from brittle.maths import geometry

SHAPE = (1, 6, 5)
_descents: list[list[torch.Tensor]] = []


class Watched(SpatiallyTransformed):
    """Keeps the function's value and tau of the first image at every place that its descent comes to."""

    def step(self, problem, state, probe):
        """Step, and keep what became of it."""
        state = super().step(problem, state, probe)
        _descents[-1].append(torch.stack([state.here.value(state.tau)[0], state.tau[0]]))
        return state


def slanted() -> torch.Tensor:
    """An image that is a plane, so that no displacement within it has a kink."""
    down, right = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in SHAPE[1:]), indexing="ij")
    return (0.3 + 0.05 * down + 0.04 * right)[None, None]


def by_scipy(classifier: Classifier, image: torch.Tensor, kappa: float, tau: float, softness: float) -> float:
    """The smallest value that scipy's L-BFGS finds."""
    label = int(classifier.logits(image).argmax())

    def function(flat: np.ndarray) -> tuple[float, np.ndarray]:
        field = torch.from_numpy(flat).reshape(1, 2, *SHAPE[1:]).requires_grad_()
        logits = classifier.module(geometry.warp(image, field))[0]
        others = torch.cat([logits[:label], logits[label + 1 :]]).max()
        value = (kappa - others + logits[label]).clamp_min(0) + tau * geometry.variation(field, softness)[0]
        (gradient,) = torch.autograd.grad(value, field)
        return float(value.detach()), gradient.flatten().numpy()

    return float(minimize(function, np.zeros(2 * math.prod(SHAPE[1:])), jac=True, method="L-BFGS-B").fun)


def test_it_descends_as_far_as_scipys_on_the_same_function():
    """With a margin that is out of reach, so that the function has no kink there either."""
    classifier, image, kappa = convolutional(seed=2), slanted(), 50.0
    goal = Untargeted(classifier.logits(image).argmax(1), kappa)
    _descents.append([])
    run(Watched(tau=0.5, softness=0.3, decrease=0.0, steps=30), classifier, image, goal=goal, threat=Flow(math.inf))
    values, tau = torch.stack(_descents[-1]).T
    theirs = by_scipy(classifier, image, kappa, 0.5, 0.3)
    assert (tau == 0.5).all()
    assert (values.diff() <= 1e-12).all()
    assert float(values[0] - values[-1]) >= 0.97 * (float(values[0]) - theirs) > 1


def test_the_heavier_the_variation_weighs_the_smoother_is_the_field():
    classifier, images = convolutional(), middle(8, SHAPE)
    light, heavy = (
        run(SpatiallyTransformed(tau=tau, steps=20), classifier, images, threat=Flow(math.inf)) for tau in (0.0, 0.3)
    )
    both = light.success & heavy.success
    assert both.sum() >= 3
    rough, smooth = (geometry.variation(result.field[both]).mean() for result in (light, heavy))
    assert smooth < 0.8 * rough


def test_where_tau_is_too_large_it_is_relaxed():
    classifier, images = convolutional(), middle(8, SHAPE)
    usual = run(SpatiallyTransformed(steps=30), classifier, images, threat=Flow(math.inf))
    absurd = run(SpatiallyTransformed(steps=30, tau=50.0), classifier, images, threat=Flow(math.inf))
    assert usual.success.sum() >= 5
    assert absurd.success.sum() >= usual.success.sum() - 1


def test_a_radius_is_used_up_to_its_rim():
    """Free fields are longer than they need be: within a radius, some of those images fall all the same."""
    classifier, images = convolutional(), middle(8, SHAPE)
    free = run(SpatiallyTransformed(steps=20), classifier, images, threat=Flow(math.inf))
    radii = 0.8 * free.size
    tight = run(SpatiallyTransformed(steps=20), classifier, images, threat=Flow(radii))
    assert (tight.size[tight.success] <= radii[tight.success] * (1 + 1e-6)).all()
    assert (tight.success & free.success).sum() >= 1


def test_targets_and_margins_are_reached():
    classifier, images = convolutional(), middle(8, SHAPE)
    targets = classifier.logits(images).topk(2, dim=1).indices[:, 1]
    for goal in (Targeted(targets), Targeted(targets, 0.5)):
        result = run(SpatiallyTransformed(steps=20), classifier, images, goal=goal, threat=Flow(math.inf))
        found = result.success
        assert found.sum() >= 3
        assert (result.prediction[found] == targets[found]).all()
        assert (result.margin[found] >= goal.confidence).all()


def test_an_image_that_lacks_nothing_costs_no_way_back():
    classifier, images = convolutional(), middle(8, SHAPE)
    settled = run(SpatiallyTransformed(steps=20), classifier, images[1:2], threat=Flow(math.inf))
    assert settled.success.any()
    assert (settled.backward < settled.iterations)[settled.success].any()
    assert (settled.backward <= settled.iterations).all()


def test_an_image_without_slope_leaves_at_once():
    classifier, images = convolutional(), middle(3, SHAPE)
    images[1] = 0.5
    result = run(SpatiallyTransformed(steps=8), classifier, images, threat=Flow(math.inf))
    assert result.iterations[1] == 1
    assert torch.equal(result.field[1], torch.zeros_like(result.field[1]))
    assert torch.isfinite(result.field).all()


def test_outputs_that_are_no_numbers_do_no_harm():
    class Breaking(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.clean = convolutional().module, middle(4, SHAPE)

        def forward(self, x):
            logits = self.inner(x)
            moved = (x - self.clean[:1]).abs().flatten(1).amax(1) > 1e-9
            known = (x[:, :, :1, :1] - self.clean[0, :, :1, :1]).abs().flatten(1).amax(1) < 1e-9
            return torch.where((moved & known)[:, None], torch.nan, logits)

    result = run(SpatiallyTransformed(steps=10), Classifier(Breaking()), middle(4, SHAPE), threat=Flow(math.inf))
    assert torch.isfinite(result.field).all()
    assert result.success[1:].any()


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"tau": -1.0}, {"memory": 0}, {"decrease": -1.0}, {"softness": 0.0}, {"stride": 0.0}]
)
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SpatiallyTransformed(**settings)
