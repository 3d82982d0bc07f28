"""Randomised networks: several samples a point, mean gradients, and parts without a gradient of their own."""

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

from brittle import APGD, FGSM, Classifier, InputError, Lp, ModelError, Surrogate, run
from brittle.base.seeds import Streams
from brittle.classifiers.eot import eot_outputs, mean_logits
from brittle.core.problem import Problem
from brittle.core.record import Record


class Masked(nn.Module):
    """Logits of a linear network whose weights are each kept with probability one half."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        mask = (torch.rand(self.weight.shape) < 0.5).to(x.dtype)
        self.seen.append(mask)
        return x.flatten(1) @ (self.weight * mask)


def masked(eot_samples: int) -> tuple[Masked, Problem]:
    generator = torch.Generator().manual_seed(3)
    network = Masked(torch.randn(12, 4, generator=generator, dtype=torch.float64))
    classifier, images, ids = Classifier(network), middle(5), torch.arange(5)
    streams = Streams(7, ids, images.dtype)
    clean = eot_outputs(classifier, images, eot_samples, streams).mean(0).detach()
    from brittle import Untargeted

    goal = Untargeted(clean.argmax(1))
    network.seen.clear()
    return network, Problem(
        classifier, images, clean, goal, Lp(2), ids, Record(images), streams, max_points=100, eot_samples=eot_samples
    )


def test_a_gradient_is_the_mean_over_the_draws_and_so_are_the_logits():
    network, problem = masked(eot_samples=6)
    probe = problem.probe(problem.images)
    value = lambda logits: logits[:, 1].square()  # noqa: E731
    gradient = probe.gradient(value)
    masks = list(network.seen)
    assert len(masks) == 6
    assert len({float(mask.sum() + mask[:, 0].sum() / 1e3) for mask in masks}) > 3
    with torch.no_grad():
        weights = torch.stack([network.weight * mask for mask in masks])
        flat = problem.images.flatten(1)
        torch.testing.assert_close(probe.logits, flat @ weights.mean(0))
        each = torch.stack([2 * (flat @ one[:, 1])[:, None] * one[:, 1] for one in weights])
    torch.testing.assert_close(gradient.flatten(1), each.mean(0))
    assert (problem.record.forward == 6).all()
    assert (problem.record.backward == 6).all()


def test_with_many_draws_the_gradient_is_that_of_the_expectation():
    network, problem = masked(eot_samples=1600)
    gradient = problem.probe(problem.images).gradient(lambda logits: logits[:, 0])
    expected = (network.weight.detach()[:, 0] / 2).expand(5, -1)
    assert (gradient.flatten(1) - expected).abs().max() < 0.05 * network.weight.detach().abs().max()


def test_a_randomised_network_gives_the_same_rows_for_the_same_seed_and_leaves_the_global_state():
    network, _ = masked(eot_samples=1)
    labels = Classifier(network).logits(middle(8)).argmax(1).detach()
    before = torch.random.get_rng_state()
    first, again, other = (
        run(APGD(steps=5), Classifier(network), middle(8), labels, threat=Lp("inf", 0.2), eot_samples=4, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.adversarial, again.adversarial)
    assert not torch.equal(first.adversarial, other.adversarial)
    assert (first.forward >= 4).all()


def test_every_pass_of_every_draw_is_counted_and_batches_shrink():
    network, _ = masked(eot_samples=1)
    network.seen.clear()
    sizes: list[int] = []
    handle = network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    result = run(FGSM(), Classifier(network), middle(8), threat=Lp("inf", 1e-9), eot_samples=4, batch=8)
    handle.remove()
    assert max(sizes) == 2
    assert int(result.forward.sum()) == sum(sizes)
    with pytest.raises(InputError, match="eot_samples is 0"):
        run(FGSM(), Classifier(network), middle(2), threat=Lp("inf", 0.1), eot_samples=0)


def test_mean_logits_come_from_the_seed_alone_and_each_draw_has_numbers_of_its_own():
    network, images = masked(eot_samples=1)[0], middle(7)
    network.seen.clear()
    classifier, before = Classifier(network), torch.random.get_rng_state()
    with torch.no_grad():
        first = mean_logits(classifier, images, 4, seed=3, batch=12)
        masks = list(network.seen)
        torch.manual_seed(99)
        again = mean_logits(classifier, images, 4, seed=3, batch=12)
        other = mean_logits(classifier, images, 4, seed=4, batch=12)
        parts = [masks[4 * part : 4 * part + 4] for part in range(3)]
        expected = [
            torch.stack([x.flatten(1) @ (network.weight * mask) for mask in part]).mean(0)
            for part, x in zip(parts, images.split(3), strict=True)
        ]
    torch.random.set_rng_state(before)
    assert len(masks) == 12  # 12 images at a time are 3 with 4 samples each
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == 12
    torch.testing.assert_close(first, torch.cat(expected))
    assert torch.equal(again, first)
    assert not torch.equal(other, first)


def test_a_sound_network_is_not_changed_by_draws():
    classifier, images = convolutional(), middle(6)
    once = run(APGD(steps=6), classifier, images, threat=Lp("inf", 0.05))
    thrice = run(APGD(steps=6), classifier, images, threat=Lp("inf", 0.05), eot_samples=3)
    torch.testing.assert_close(once.adversarial, thrice.adversarial)


def quantised(x: Tensor) -> Tensor:
    return (x * 7).round() / 7


def test_a_surrogate_is_exact_forwards_and_goes_back_at_its_own_input():
    """The stage's input is 3 x, so the surrogate's slope must be that of x^2 at 3 x, which is 6 x, times 3."""
    stage = Surrogate(quantised, torch.square)
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    out = stage(3 * x)
    assert torch.equal(out, quantised(3 * x.detach()))
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(gradient, 18 * x.detach())
    with torch.no_grad():
        assert torch.equal(stage(x), quantised(x))


def test_a_quantising_defence_has_no_gradient_until_it_has_a_surrogate():
    inner, images = affine().module, middle()

    class Defended(nn.Module):
        def __init__(self, first: nn.Module):
            super().__init__()
            self.first, self.inner = first, inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(self.first(x))

    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return quantised(x)

    labels = inner(quantised(images)).argmax(1)
    hidden, open_ = (
        run(APGD(steps=20), Classifier(Defended(first)), images, labels, threat=Lp("inf", 0.2))
        for first in (Plain(), Surrogate(quantised))
    )
    assert int(open_.success.sum()) > int(hidden.success.sum())


def test_a_surrogate_of_another_shape_is_refused():
    stage = Surrogate(quantised, lambda x: x[:, :1])
    with pytest.raises(ModelError, match=r"shape \(2, 3\) and its surrogate \(2, 1\)"):
        stage(torch.rand(2, 3, requires_grad=True))
