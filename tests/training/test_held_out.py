"""Images that no step is made on decide what a training keeps, when it ends, and whether it has collapsed."""

import signal
from dataclasses import replace

import pytest
import torch
from forked import ending, kill
from torch import nn

from brittle import FGSM, PGD, InputError, Lp
from brittle.training import AdversarialTraining, HeldOut, PlainTraining, accuracy, fit, robust_accuracy
from brittle.training.epoch import Epoch
from brittle.training.named import seeded
from training.test_fit import SETTINGS, build, data, same

HARD = AdversarialTraining(PGD(steps=2), Lp("inf", 0.1))
ASIDE = data(40, seed=7)


def epoch(number, clean=0.9, robust=None, own=None):
    return Epoch(
        number, 0.0, 1.0, 0.0, held_out_accuracy=clean, held_out_robust_accuracy=robust, held_out_own_accuracy=own
    )


def trained(held_out, adversarial=HARD, settings=SETTINGS, **options):
    module = seeded(build, 5)
    return module, fit(module, *data(), settings=settings, adversarial=adversarial, held_out=held_out, **options)


def test_each_epoch_is_measured_clean_under_a_few_steps_and_under_its_own_attack():
    seen = []
    held = HeldOut(*ASIDE, attack=PGD(steps=4), keep="last")
    module, history = trained(held, progress=seen.append)
    last = history.epochs[-1]
    assert seen[-1] == last
    assert last.held_out_accuracy == accuracy(module, *ASIDE)
    for name, attack in (("held_out_robust_accuracy", PGD(steps=4)), ("held_out_own_accuracy", PGD(steps=2))):
        from brittle.training.epoch import epoch_seed

        seed = epoch_seed(SETTINGS.seed, 0, "held out")
        assert getattr(last, name) == robust_accuracy(module, *ASIDE, attack, HARD.threat, seed).value
    assert history.kept == SETTINGS.epochs


def test_what_is_measured_changes_nothing_of_the_training():
    plain, _ = trained(None)
    module, _ = trained(HeldOut(*ASIDE, attack=PGD(steps=4), keep="last"))
    assert same(module, plain)


def test_the_best_epoch_is_kept(monkeypatch):
    robust, states = iter([0.2, 0.6, 0.4, 0.6]), []

    def measured(self, module, epoch, adversarial, seed):
        states.append({name: tensor.clone() for name, tensor in module.state_dict().items()})
        return replace(epoch, held_out_accuracy=0.9, held_out_robust_accuracy=next(robust))

    monkeypatch.setattr(HeldOut, "measured", measured)
    module, history = trained(HeldOut(*ASIDE, attack=PGD(steps=4)))
    assert history.kept == 2, "the first of equals"
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in module.state_dict().items())
    assert "ends with the weights of epoch 2, the best of 4" in history.remarks[0]


def test_patience_ends_a_training(monkeypatch):
    robust = iter([0.5, 0.6, 0.3, 0.2, 0.9])
    monkeypatch.setattr(
        HeldOut, "measured", lambda self, module, epoch, *_: replace(epoch, held_out_robust_accuracy=next(robust))
    )
    _, history = trained(HeldOut(*ASIDE, attack=PGD(), patience=2), settings=replace(SETTINGS, epochs=5))
    assert (len(history.epochs), history.kept) == (4, 2)
    assert "stopped after 4 of 5 epochs" in history.remarks[0]


def test_epochs_at_a_radius_that_grows_are_no_choice_where_there_are_others():
    hard = replace(HARD, warmup=2.0, clean_epochs=1)
    held = HeldOut(*ASIDE, attack=PGD())
    epochs = [epoch(number, robust=robust) for number, robust in ((1, 0.9), (2, 0.8), (3, 0.3), (4, 0.4))]
    assert held.best(epochs, hard).number == 4
    assert held.best(epochs[:2], hard).number == 1
    assert held.best(epochs, None).number == 1
    assert not replace(held, patience=1).over(epochs[:2], hard)


@pytest.mark.parametrize(
    ("before", "robust", "own", "collapsed"),
    [
        ([], 0.1, 0.6, True),  # it hides from its own attack
        ([], 0.4, 0.6, False),
        ([0.5], 0.2, 0.2, True),  # it has lost what it had
        ([0.5], 0.3, 0.3, False),
        ([], 0.01, 0.1, False),  # there was nothing to lose
    ],
)
def test_a_collapse_is_told(before, robust, own, collapsed):
    held = HeldOut(*ASIDE, attack=PGD(steps=10))
    epochs = [epoch(number + 1, robust=one, own=one) for number, one in enumerate(before)]
    last = epoch(len(before) + 1, robust=robust, own=own)
    assert held.judged([*epochs, last], HARD).collapsed is collapsed
    assert not held.judged([*epochs, last], replace(HARD, warmup=9.0)).collapsed, "the radius still grows"
    assert not held.judged([*epochs, last], None).collapsed


class Hides(nn.Module):
    """Right, with gradients that point the wrong way for one step and vanish nowhere: FGSM fails, more steps do not."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        x = images.flatten(1).mean(1)
        bump = torch.where((x - 0.5).abs() > 0.09, 4 * torch.ones_like(x), 10 * (0.05 - (x - 0.5).abs()) + 0 * x)
        lead = bump + self.weight
        return torch.stack([lead, torch.zeros_like(lead)], 1)


def test_a_network_that_hides_from_one_step_is_said_to_have_collapsed():
    images, labels = torch.full((40, 1, 2, 2), 0.5), torch.zeros(40, dtype=torch.int64)
    one_step = AdversarialTraining(FGSM(), Lp("inf", 0.1))
    held = HeldOut(images, labels, attack=PGD(steps=10, step_size=0.02), keep="last")
    settings = PlainTraining(epochs=1, batch=40, rate=1e-6)
    history = fit(Hides(), images, labels, settings=settings, adversarial=one_step, held_out=held)
    (only,) = history.epochs
    assert only.held_out_own_accuracy == 1.0
    assert only.held_out_robust_accuracy == 0.0
    assert history.collapsed == (1,)
    assert "hides from the attack it is trained on" in history.remarks[-1]


def test_killed_with_kill_9_it_goes_on_to_the_same_bits_and_the_same_best(tmp_path):
    def run(**options):
        return trained(HeldOut(*ASIDE, attack=PGD(steps=4)), settings=replace(SETTINGS, rate=1.5), **options)

    whole, expected = run()
    assert expected.kept != SETTINGS.epochs, "the last epoch is not the best, or nothing is tested"
    for stop in range(1, SETTINGS.epochs):
        state = tmp_path / f"state {stop}"
        assert ending(lambda state=state: run(checkpoint=state, progress=kill)) == -signal.SIGKILL
        module, history = run(checkpoint=state)
        assert history == expected
        assert same(module, whole)
    again, history = run(checkpoint=tmp_path / "state 1")
    assert (history.resumed, history.kept) == (SETTINGS.epochs, expected.kept)
    assert same(again, whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images": ASIDE[0][:0], "labels": ASIDE[1][:0]}, "0 held-out images"),
        ({"labels": ASIDE[1][:3]}, "40 held-out images with 3 labels"),
        ({"patience": 0}, "patience"),
        ({"threat": Lp("inf", 0.1)}, "beside an attack"),
        ({"threat": Lp("inf"), "attack": FGSM()}, "radius"),
    ],
)
def test_what_decides_nothing_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        HeldOut(**{"images": ASIDE[0], "labels": ASIDE[1], **options})
