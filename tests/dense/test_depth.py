"""Depths of pixels beside smallest changes in closed form, and what is refused."""

import math

import pytest
import torch
from torch import nn

from brittle import Classifier, InputError, LabelError, Lp, ModelError, PixelDescent, run_dense
from brittle.dense.depth_estimator import DepthEstimator
from brittle.dense.depth_goal import DepthsAway, DepthsTo
from brittle.dense.goal import needed_of
from brittle.maths.depth_ratio import FLOOR
from brittle.metrics import depth_errors
from dense.pointwise import middle

THREATS = {"linf": Lp("inf"), "l2": Lp(2)}
WITHIN = {"linf": 1.02, "l2": 1.15}
"""How near to the smallest change the search comes with 60 steps, where it is known and all pixels are asked for."""
SOME = {"linf": 1.02, "l2": 1.5}
"""Likewise where the search must choose among the pixels."""
STEP = math.log(1.25)


class Exponential(nn.Module):
    """The depth exp(w x + b) of every pixel alone, in float64."""

    def __init__(self, channels: int = 2, scale: float = 1.0):
        super().__init__()
        weight = 4 * torch.randn(channels, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        self.weight, self.scale = nn.Parameter(weight), scale

    def logs(self, images):
        return torch.einsum("nchw,c->nhw", images - 0.5, self.weight)

    def forward(self, images):
        return self.scale * self.logs(images).exp()


def depths(scale=1.0):
    return Classifier(Exponential(scale=scale))


def truth(network, images, spread=0.2):
    """Depths beside the network's, too far and too near by up to a factor e^spread."""
    noise = torch.rand(images.shape[0], 6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return network.module(images).detach() * ((2 * noise - 1) * spread).exp()


def smallest(network, distances, needed, norm):
    """The smallest change that has so many pixels go a way in log depth, (n,)."""
    weight = network.module.weight.detach()
    by = distances.clamp_min(0).flatten(1).sort(1).values / (weight.abs().sum() if norm == "linf" else weight.norm())
    return by[:, needed - 1] if norm == "linf" else by[:, :needed].square().sum(1).sqrt()


def off(network, images, true):
    return network.module.logs(images).detach() + math.log(network.module.scale) - true.log()


@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize(("share", "needed"), [(0.5, 18), (0.9, 33), (1.0, 36)])
def test_depths_leave_true_ones_by_little_more_than_the_smallest_change(norm, share, needed):
    network, images = depths(), middle()
    true = truth(network, images)
    result = run_dense(
        PixelDescent(steps=60), network, images, true, share=share, threat=THREATS[norm], task="depth", batch=4
    )
    least = smallest(network, STEP - off(network, images, true).abs(), needed, norm)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * SOME[norm]).all(), (result.size / least).tolist()


@pytest.mark.parametrize("norm", THREATS)
def test_depths_leave_the_clean_ones_by_little_more_than_the_smallest_change(norm):
    network, images = depths(), middle()
    result = run_dense(PixelDescent(steps=60), network, images, threat=THREATS[norm], task="depth", share=1.0, batch=4)
    least = smallest(network, torch.full((4, 36), STEP), 36, norm)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * WITHIN[norm]).all(), (result.size / least).tolist()


@pytest.mark.parametrize("norm", THREATS)
def test_depths_reach_others_by_little_more_than_the_smallest_change(norm):
    network, images = depths(), middle()
    half = network.module(images).detach() / 2
    result = run_dense(
        PixelDescent(steps=60), network, images, targets=half, threat=THREATS[norm], task="depth", share=1.0, batch=4
    )
    least = smallest(network, torch.full((4, 36), math.log(2) - STEP), 36, norm)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * WITHIN[norm]).all(), (result.size / least).tolist()
    assert ((result.map / half).log().abs() < STEP).all()


@pytest.mark.parametrize("ratio", [1.1, 1.25**2])
def test_the_ratio_is_the_one_that_is_given(ratio):
    network, images = depths(), middle(2)
    result = run_dense(
        PixelDescent(steps=60), network, images, threat=THREATS["linf"], task="depth", share=1.0, ratio=ratio
    )
    least = math.log(ratio) / float(network.module.weight.detach().abs().sum())
    assert result.size.tolist() == pytest.approx([least] * 2, rel=0.02)
    changed = (result.map / result.clean_map).log().abs().amin((1, 2))
    assert (changed >= math.log(ratio)).all()


def test_the_unit_of_depth_does_not_matter():
    images = middle(2)
    one, other = (
        run_dense(PixelDescent(steps=30), depths(scale), images, threat=THREATS["linf"], task="depth")
        for scale in (1.0, 1e4)
    )
    torch.testing.assert_close(one.size, other.size)
    torch.testing.assert_close(one.errors["absolute"], other.errors["absolute"])


def test_the_errors_are_those_of_the_metrics():
    network, images = depths(), middle(3)
    true = truth(network, images)
    result = run_dense(PixelDescent(steps=20), network, images, true, threat=THREATS["linf"], task="depth", share=0.9)
    for name, maps in (("clean_", result.clean_map), ("", result.map)):
        errors = depth_errors(true.numpy(), maps.numpy())
        assert result.errors[f"{name}absolute"].tolist() == pytest.approx(errors.absolute.tolist())
        assert result.errors[f"{name}within"].tolist() == pytest.approx(errors.within[:, 0].tolist())
    assert result.share.tolist() == pytest.approx((1 - result.errors["within"]).tolist())
    assert {"absolute", "clean_within"} <= {*result.table().column_names}


def test_pixels_without_a_depth_do_not_count():
    network, images = depths(), middle(1)
    true = truth(network, images)
    true[0, 2:] = torch.tensor([0.0, -1.0, torch.nan, torch.inf, 0.0, -torch.inf], dtype=torch.float64)
    true[0, 0, 0] = torch.nan
    result = run_dense(PixelDescent(steps=60), network, images, true, threat=THREATS["linf"], task="depth", share=1.0)
    distances = (STEP - off(network, images, true).abs())[0, :2].flatten()[1:]
    least = float(smallest(network, distances[None], 11, "linf")[0])
    assert least <= float(result.size) <= 1.02 * least
    assert not (result.adversarial - images).abs().amax(1)[0, 2:].any()
    with pytest.raises(InputError, match="no pixel of image 0 counts"):
        run_dense(PixelDescent(), network, images, true * 0, threat=THREATS["linf"], task="depth")


def test_where_the_network_says_0_there_is_no_depth_to_leave():
    class Cut(nn.Module):
        def forward(self, images):
            return (images[:, :1] - 0.2).clamp_min(0)

    images = torch.tensor([0.1, 0.6, 0.7]).reshape(1, 1, 1, 3)
    result = run_dense(
        PixelDescent(steps=60), Classifier(Cut()), images, threat=THREATS["linf"], task="depth", share=1.0
    )
    assert result.success.all()
    assert float(result.size) == pytest.approx(0.5 * 0.25, rel=0.03), "farther or nearer, by the larger of both depths"
    assert float(result.adversarial[0, 0, 0, 0]) == pytest.approx(0.1)


def goals(values, labels, share=1.0, ratio=1.25):
    counted = torch.ones_like(labels, dtype=torch.bool)
    asked = {"labels": labels, "counted": counted, "needed": needed_of(counted, share), "ratio": ratio}
    return DepthsAway(**asked), DepthsTo(**asked), values


def test_the_goal_is_met_where_the_ratio_is_reached():
    values = torch.tensor([[2.0, 2.4, 2.5, 1.59, 1.61, 9.0, 0.0]], dtype=torch.float64)
    away, to, _ = goals(values, torch.full((1, 7), 2.0, dtype=torch.float64))
    right = torch.maximum(values / 2, 2 / values.clamp_min(1e-9)) < 1.25
    assert torch.equal(to.won(values), right)
    assert torch.equal(away.won(values) | to.won(values), torch.ones_like(right))
    assert not (away.won(values) & to.won(values)).any()
    assert float(away.share(values)) == pytest.approx(4 / 7)
    assert away.margins(values).tolist() == (-to.margins(values)).tolist()
    assert away.margins(values)[0, 5] == pytest.approx(math.log(9 / 2 / 1.25))


@pytest.mark.parametrize("which", [0, 1])
def test_slopes_are_finite_differences(which):
    generator = torch.Generator().manual_seed(1)
    labels = 1 + torch.rand(2, 9, generator=generator, dtype=torch.float64)
    values = labels * (torch.randn(2, 9, generator=generator, dtype=torch.float64) / 2).exp()
    values[0, 0], values[0, 1], values[0, 2] = -0.3, 0.0, 0.5 * FLOOR * labels[0, 2]
    goal = goals(values, labels)[which]
    heat = torch.tensor([0.1, 2.0], dtype=torch.float64)
    for measure in (goal.margins, lambda rows: goal.gain(rows, heat), goal.off):
        rows = values.clone().requires_grad_()
        (slope,) = torch.autograd.grad(measure(rows).sum(), rows)
        little = 1e-7
        numeric = (measure(values + little) - measure(values - little)) / (2 * little)
        torch.testing.assert_close(slope, numeric, rtol=1e-4, atol=1e-5)


def test_the_gain_is_the_margin_as_the_heat_goes_to_0():
    values = torch.tensor([[0.5, 1.1, 1.2, 1.9]], dtype=torch.float64)
    away, to, _ = goals(values, torch.ones(1, 4, dtype=torch.float64))
    cold = torch.tensor([1e-4], dtype=torch.float64)
    torch.testing.assert_close(away.gain(values, cold), away.margins(values).clamp_min(0))
    torch.testing.assert_close(to.gain(values, cold), to.margins(values).clamp_max(0))


IMAGES = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channel", [True, False])
def test_depths_come_with_an_axis_of_channels_or_without(channel):
    network = DepthEstimator.of(Classifier(lambda x: x.mean(1, keepdim=channel)))
    assert network.maps(IMAGES).shape == (2, 1, 4, 6)
    assert torch.equal(network.answers(network.maps(IMAGES)), IMAGES.mean(1))
    assert network.logits(IMAGES).shape == (2, 24)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda x: x[:, 0] - 0.5, r"depths reach down to -0\.\d+, for 2 of 2 images below 0.*torch.exp"),
        (lambda x: x[:, 0] / 0, "NaN or infinite for 2 of 2"),
        (lambda x: x, r"shape \(2, 3, 4, 6\).*one class per pixel.*--task segmentation"),
        (lambda x: x.flatten(1), r"shape \(2, 72\) for 2 images.*--task classification"),
        (lambda x: x[:1, 0], r"shape \(1, 4, 6\) for 2 images"),
        (lambda x: {"depth": x}, "returns a dict"),
        (lambda x: x[:, 0, :0], "at least one pixel"),
    ],
)
def test_what_are_no_depths_is_refused(module, message):
    with pytest.raises(ModelError, match=message):
        run_dense(PixelDescent(), Classifier(module), IMAGES, threat=THREATS["linf"], task="depth", batch=2)


@pytest.mark.parametrize("said", [{"binary": True}, {"labels": 5}, {"rejects": True}, {"probabilities": True}])
def test_what_is_said_of_classes_is_refused(said):
    with pytest.raises(ModelError, match=f"{next(iter(said))}="):
        DepthEstimator.of(Classifier(nn.Conv2d(3, 1, 1), **said))


MAPS = torch.ones(2, 6, 6)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"labels": MAPS.long()}, LabelError, "labels are torch.int64; expected floats.*task='segmentation'"),
        ({"targets": MAPS.long()}, LabelError, "targets are torch.int64"),
        ({"labels": MAPS, "targets": MAPS}, InputError, "both labels and targets"),
        ({"labels": MAPS[:, :5]}, LabelError, r"\(5, 6\).*\(6, 6\)"),
        ({"labels": MAPS[:, None]}, LabelError, "axis of one channel"),
        ({"labels": MAPS, "void": 255}, InputError, "void=255 was given, which marks classes"),
        ({"ratio": 1.0}, InputError, "ratio is 1.0; expected a finite number above 1"),
        ({"ratio": math.inf}, InputError, "ratio is inf"),
        ({"task": "depths"}, InputError, "task"),
        ({"task": "segmentation", "ratio": 1.5}, InputError, "ratio=1.5 was given.*task='depth'"),
        ({"task": "segmentation"}, ModelError, r"shape \(2, 6, 6\).*task='depth'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, kind, message):
    asked = {"task": "depth", "threat": THREATS["linf"]} | given
    labels = asked.pop("labels", None)
    with pytest.raises(kind, match=message):
        run_dense(PixelDescent(), depths(), middle(2), labels, batch=2, **asked)


def test_no_images_are_no_trouble():
    assert len(run_dense(PixelDescent(), depths(), middle(0), threat=THREATS["linf"], task="depth")) == 0
