"""Free training: algorithm 1 of Shafahi et al. by hand, its bounds, its bits, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle import PGD, Lp
from brittle.errors import InputError, UnsupportedThreat
from brittle.training import FreeTraining, HeldOut, PlainTraining, fit
from brittle.training.named import seeded
from training.test_fit import (
    SETTINGS,
    build,
    data,
    interrupt_and_go_on,
    same,
    train_and_kill,
)

EPS = 0.1
FREE = FreeTraining(Lp("inf", EPS), replays=3)
SHORT = replace(SETTINGS, epochs=3, batch=34)


def freely(training=FREE, settings=SHORT, **options):
    module = seeded(build, 5)
    return module, fit(module, *data(), settings=settings, adversarial=training, **options)


def test_steps_and_perturbation_are_those_of_the_algorithm():
    """A linear network, two batches, the second one smaller; every gradient is taken by hand."""
    images, labels = data(10)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    weights = [weight.detach().clone().requires_grad_() for weight in module.parameters()]
    settings = PlainTraining(epochs=1, batch=6, rate=0.1, schedule="constant", momentum=0.0, decay=0.0)
    order: list[torch.Tensor] = []

    class Watched(FreeTraining):
        def in_epoch(self, seed):
            made = super().in_epoch(seed)
            shown = made.on

            def on(images, truth, chosen, epochs):
                order.append(chosen)
                return shown(images, truth, chosen, epochs)

            made.on = on
            return made

    fit(module, images, labels, settings=settings, adversarial=Watched(Lp("inf", EPS), 3, step_size=0.7))
    assert [len(chosen) for chosen in order] == [6] * 3 + [4] * 3
    delta = torch.zeros(6, 1, 6, 6)
    for chosen in order:
        some = delta[: len(chosen)]
        moved = (images[chosen] + some).clamp(0, 1).requires_grad_()
        loss = functional.cross_entropy(functional.linear(moved.flatten(1), *weights), labels[chosen])
        *by_weights, by_image = torch.autograd.grad(loss, [*weights, moved])
        weights = [(w - 0.1 * g).detach().requires_grad_() for w, g in zip(weights, by_weights, strict=True)]
        some.copy_((some + 0.7 * EPS * by_image.sign()).clamp(-EPS, EPS))
    for weight, wanted in zip(module.parameters(), weights, strict=True):
        torch.testing.assert_close(weight, wanted)


def test_one_replay_without_a_perturbation_is_plain_training():
    free, history = freely(FreeTraining(Lp("inf", 0.0), replays=1))
    plain, expected = freely(None)
    assert same(free, plain)
    assert [epoch.loss for epoch in history.epochs] == [epoch.loss for epoch in expected.epochs]
    assert not same(freely(FreeTraining(Lp("inf", EPS), replays=1))[0], plain)


def test_radius_and_box_are_kept_and_reached():
    images, labels = data(12)
    module, shown = seeded(build, 5), images
    change = FREE.in_epoch(0)
    for number in range(9):
        shown = change.on(images, labels, torch.arange(12), number)
        loss, logits = change.objective.loss(module, images, shown, labels)
        loss.backward()
        change.note(logits, labels)
        assert float(shown.min()) >= 0
        assert float(shown.max()) <= 1
        assert float((shown - images).abs().max()) <= EPS + 1e-6
        assert float(change.delta.abs().max()) <= EPS + 1e-6
    assert float((shown - images).abs().max()) == pytest.approx(EPS, abs=1e-6)
    smaller = change.on(images[:5], labels[:5], torch.arange(5), 9)
    torch.testing.assert_close(smaller, (images[:5] + change.delta[:5]).clamp(0, 1))


def test_the_radius_grows_over_the_warm_up():
    warm = replace(FREE, warmup=2.0)
    assert [warm.radius_at(epochs) for epochs in (0.0, 1.0, 2.0, 5.0)] == [0.0, EPS / 2, EPS, EPS]
    assert [warm.whole_at(epoch) for epoch in (1, 2)] == [False, True]
    _, history = freely(warm)
    radii = [epoch.radius for epoch in history.epochs]
    assert radii == pytest.approx([EPS / 3, EPS * 5 / 6, EPS])


def test_a_network_trained_for_free_withstands_more():
    def standing(training):
        held = HeldOut(*data(100, seed=1), PGD(steps=10), Lp("inf", 0.35), keep="last")
        _, history = freely(training, replace(SHORT, epochs=12), held_out=held)
        return history.epochs[-1].held_out_robust_accuracy

    assert standing(FreeTraining(Lp("inf", 0.35), replays=4)) > standing(None) + 0.1


def test_held_out_images_are_attacked_within_its_radius_and_a_collapse_is_seen():
    held = HeldOut(*data(40, seed=1), PGD(steps=2), keep="last")
    _, history = freely(held_out=held)
    assert all(epoch.held_out_robust_accuracy is not None for epoch in history.epochs)
    assert all(epoch.held_out_own_accuracy is None for epoch in history.epochs)
    first, second = history.epochs[:2]
    fallen = [replace(first, held_out_robust_accuracy=0.8), replace(second, held_out_robust_accuracy=0.1)]
    assert held.judged(fallen, FREE).collapsed
    assert not held.judged(fallen, replace(FREE, warmup=2.0)).collapsed


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    interrupt_and_go_on(freely, tmp_path / "state")


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    train_and_kill(freely, tmp_path / "state")
    resumed, history = freely(checkpoint=tmp_path / "state")
    assert history.resumed == 1
    assert same(resumed, freely()[0])


def test_weights_move_from_the_first_step_on_and_no_hook_stays():
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    before = module[1].weight.detach().clone()
    fit(module, *data(12), settings=PlainTraining(epochs=1, batch=12), adversarial=replace(FREE, replays=1))
    assert not torch.equal(module[1].weight, before)
    assert not module._forward_pre_hooks


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: FreeTraining(Lp("inf", EPS), replays=0), "replays is 0"),
        (lambda: FreeTraining(Lp("inf")), "the radius is inf"),
        (lambda: FreeTraining(Lp("inf", torch.tensor([0.1]))), "one finite number"),
        (lambda: FreeTraining(Lp("inf", EPS), warmup=-1.0), "warmup is -1"),
        (lambda: freely(FreeTraining(Lp("inf", 8.0))), "write 8/255"),
    ],
)
def test_invalid_settings_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_another_norm_is_refused():
    with pytest.raises(UnsupportedThreat, match="got l2, expected linf"):
        FreeTraining(Lp(2, 1.0))
