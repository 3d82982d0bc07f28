"""Accumulated training: its steps by hand, what it keeps from epoch to epoch, its bits, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle import PGD, Lp
from brittle.errors import InputError, UnsupportedThreat
from brittle.training import AccumulatedTraining, HeldOut, PlainTraining, fit
from brittle.training.accumulated import LEVELS
from brittle.training.named import seeded
from training.test_fit import SETTINGS, build, data, interrupt_and_go_on, same, train_and_kill

EPS = 0.1
ACCUMULATED = AccumulatedTraining(Lp("inf", EPS))
SHORT = replace(SETTINGS, epochs=3, batch=34, shift=0, flip=False)


def accumulating(training=ACCUMULATED, settings=SHORT, **options):
    module = seeded(build, 5)
    return module, fit(module, *data(), settings=settings, adversarial=training, **options)


def test_a_step_begins_where_the_epoch_before_ended():
    """A linear network whose weights stay, so that two epochs of one step are two steps by hand."""
    images, labels = data(12)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    memory = ACCUMULATED.memory(images, seed=3)
    delta = memory.float() * (EPS / LEVELS)
    for epoch in range(2):
        for chosen in torch.arange(12).flip(0).split(5):
            found = ACCUMULATED.in_epoch(module, epoch, memory).on(images[chosen], labels[chosen], chosen, epoch)
            shown = (images[chosen] + delta[chosen]).clamp(0, 1).requires_grad_()
            slope = torch.autograd.grad(functional.cross_entropy(module(shown), labels[chosen]), shown)[0]
            moved = (shown - images[chosen] + EPS / 3 * slope.sign()).clamp(-EPS, EPS)
            wanted = (images[chosen] + moved).clamp(0, 1).detach()
            torch.testing.assert_close(found, wanted, atol=2 * EPS / LEVELS, rtol=0)
            delta[chosen] = memory[chosen] * (EPS / LEVELS)
            torch.testing.assert_close(delta[chosen], wanted - images[chosen], atol=2 * EPS / LEVELS, rtol=0)


def test_changes_add_up_to_more_than_a_step():
    images, labels = torch.full((8, 1, 6, 6), 0.5), torch.arange(8) % 2
    module, few = seeded(build, 5), replace(ACCUMULATED, step_size=0.1)
    memory = torch.zeros(images.shape, dtype=torch.int8)
    sizes = [
        float((few.in_epoch(module, 0, memory).on(images, labels, torch.arange(8), 0) - images).abs().max())
        for _ in range(12)
    ]
    assert sizes[0] == pytest.approx(0.1 * EPS, abs=EPS / LEVELS)
    assert sizes[-1] == pytest.approx(EPS, abs=1e-6)
    assert sizes == sorted(sizes)


def test_radius_and_box_are_kept_and_perturbations_grow_with_the_radius():
    images, labels = data(12)
    module, warm = seeded(build, 5), replace(ACCUMULATED, warmup=2.0, steps=3)
    memory = warm.memory(images, 0)
    assert torch.equal(warm.in_epoch(module, 0, memory).on(images, labels, torch.arange(12), 0.0), images)
    for epochs in (0.5, 1.0, 4.0):
        change = warm.in_epoch(module, 0, memory)
        shown = change.on(images, labels, torch.arange(12), epochs)
        assert change.radius == warm.radius_at(epochs) == min(1.0, epochs / 2) * EPS
        assert float((shown - images).abs().max()) <= change.radius + 1e-6
        assert 0 <= float(shown.min()) <= float(shown.max()) <= 1


def test_perturbations_begin_anew_where_they_are_reset():
    resetting = replace(ACCUMULATED, reset=2)
    assert [resetting.begins_anew(number) for number in range(1, 6)] == [True, False, True, False, True]
    assert [ACCUMULATED.begins_anew(number) for number in range(1, 4)] == [True, False, False]
    assert not same(accumulating(resetting)[0], accumulating()[0])


def test_an_epoch_costs_two_passes():
    seen = []
    module = seeded(build, 5)
    module.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    images, labels = data(12)
    fit(module, images, labels, settings=replace(SHORT, epochs=1, batch=12), adversarial=ACCUMULATED)
    assert [count for count in seen if count == 12] == [12, 12]


def test_a_network_trained_so_withstands_more():
    def standing(training):
        held = HeldOut(*data(100, seed=1), PGD(steps=10), Lp("inf", 0.35), keep="last")
        _, history = accumulating(training, replace(SHORT, epochs=12), held_out=held)
        return history.epochs[-1].held_out_robust_accuracy

    assert standing(AccumulatedTraining(Lp("inf", 0.35))) > standing(None) + 0.1


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    interrupt_and_go_on(accumulating, tmp_path / "state")


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    train_and_kill(accumulating, tmp_path / "state")
    resumed, history = accumulating(checkpoint=tmp_path / "state")
    assert history.resumed == 1
    assert same(resumed, accumulating()[0])


def test_mixed_precision_trains_to_other_weights_of_the_same_type(tmp_path):
    mixed, history = accumulating(settings=replace(SHORT, precision="mixed"))
    full, expected = accumulating()
    assert not same(mixed, full)
    assert all(weight.dtype == torch.float32 for weight in mixed.parameters())
    for one, other in zip(history.epochs, expected.epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.05)


def test_in_full_precision_the_callers_autocast_stays():
    kinds = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(36, 2)

        def forward(self, images):
            said = self.inner(images.flatten(1))
            kinds.append(said.dtype)
            return said

    with torch.autocast("cpu", torch.bfloat16):
        fit(Watched(), *data(12), settings=replace(SHORT, epochs=1, batch=12), adversarial=ACCUMULATED)
    assert set(kinds) == {torch.bfloat16}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AccumulatedTraining(Lp("inf", EPS), steps=0), "steps is 0"),
        (lambda: AccumulatedTraining(Lp("inf", EPS), reset=0), "reset is 0"),
        (lambda: AccumulatedTraining(Lp("inf", EPS), step_size=0.0), "step_size is 0.0; expected a fraction"),
        (lambda: AccumulatedTraining(Lp("inf")), "the radius is inf"),
        (lambda: accumulating(settings=replace(SHORT, shift=2)), "set shift=0"),
        (lambda: accumulating(settings=replace(SHORT, flip=True)), "flip=False"),
        (lambda: accumulating(AccumulatedTraining(Lp("inf", 8.0))), "write 8/255"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_other_norms_are_refused():
    with pytest.raises(UnsupportedThreat, match="accumulated training"):
        AccumulatedTraining(Lp(2, EPS))


def test_settings_name_the_precisions():
    with pytest.raises(InputError, match="'full' or 'mixed'"):
        PlainTraining(precision="half")
