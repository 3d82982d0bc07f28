"""Adversarial training: the step in closed form, what it leaves alone, fraction and radius, what it tells."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle import FGSM, PGD, Classifier, DeepFool, Lp, RandomNoise, Restarts, SmallestRadius, run
from brittle.core.attack import Attack
from brittle.errors import InputError, UnsupportedThreat
from brittle.training import AdversarialTraining, PlainTraining, fit, train_named, training_story
from brittle.training.named import seeded
from training.test_fit import SETTINGS, build, data, design, same

HARD = AdversarialTraining(PGD(steps=2), Lp("inf", 0.1))
SHORT = replace(SETTINGS, epochs=3, batch=34)


def trained(adversarial=HARD, settings=SHORT, checkpoint=None, **options):
    module = seeded(build, 5)
    history = fit(module, *data(), settings=settings, adversarial=adversarial, checkpoint=checkpoint, **options)
    return module, history


def linear():
    """A linear network of two classes, and images far enough from the box."""
    generator = torch.Generator().manual_seed(3)
    images = 0.4 + 0.2 * torch.rand(24, 1, 3, 4, generator=generator, dtype=torch.float64)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.randn(2, 12, generator=generator, dtype=torch.float64))
        module[1].bias.copy_(-module[1].weight.sum(1) / 2)
    return module, images, torch.arange(24) % 2


def worst_logistic(module, images, labels, radius):
    """Mean of log(1 + exp(-y (w.x + c) + radius ||w||_1)): the inner maximum in closed form."""
    weight, bias = module[1].weight, module[1].bias
    slope = weight[1] - weight[0]
    sign = 2 * labels - 1
    margin = sign * (images.flatten(1) @ slope + bias[1] - bias[0])
    return functional.softplus(-margin + radius * slope.abs().sum()).mean()


ONE_STEP = PlainTraining(epochs=1, batch=24, rate=0.1, schedule="constant", momentum=0.0, decay=0.0)


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=1, step_size=0.25), PGD(steps=7)])
def test_on_a_linear_network_the_step_is_that_of_the_closed_form(attack):
    module, images, labels = linear()
    loss = worst_logistic(module, images, labels, 0.1)
    gradients = torch.autograd.grad(loss, [module[1].weight, module[1].bias])
    expected = [w.detach() - 0.1 * g for w, g in zip((module[1].weight, module[1].bias), gradients, strict=True)]
    history = fit(module, images, labels, settings=ONE_STEP, adversarial=AdversarialTraining(attack, Lp("inf", 0.1)))
    assert history.epochs[0].adversarial_loss == pytest.approx(loss.item(), rel=1e-10)
    assert history.epochs[0].loss == history.epochs[0].adversarial_loss
    assert history.epochs[0].clean_loss == pytest.approx(worst_logistic(*linear(), 0.0).item(), rel=1e-10)
    torch.testing.assert_close([module[1].weight.detach(), module[1].bias.detach()], expected, rtol=1e-9, atol=1e-12)


def test_in_l2_the_inner_maximum_is_that_of_the_2_norm():
    module, images, labels = linear()
    slope = (module[1].weight[1] - module[1].weight[0]).detach()
    expected = worst_logistic(module, images, labels, 0.1 * (slope.norm() / slope.abs().sum()))
    history = fit(module, images, labels, settings=ONE_STEP, adversarial=AdversarialTraining(FGSM(), Lp(2, 0.1)))
    assert history.epochs[0].adversarial_loss == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=2), PGD(steps=2, restarts=2)])
def test_with_radius_0_the_weights_are_those_of_plain_training_bit_for_bit(attack):
    attacked, history = trained(AdversarialTraining(attack, Lp("inf", 0.0)))
    module, expected = trained(None)
    assert same(attacked, module)
    assert [epoch.loss for epoch in history.epochs] == [epoch.loss for epoch in expected.epochs]
    assert not same(trained()[0], module)


def test_clean_epochs_are_those_of_plain_training():
    settings = replace(SHORT, epochs=2, schedule="constant")
    attacked, history = trained(replace(HARD, clean_epochs=2), settings)
    assert same(attacked, trained(None, settings)[0])
    assert history.epochs == trained(None, settings)[1].epochs
    _, history = trained(replace(HARD, clean_epochs=1), settings)
    assert [epoch.adversarial_loss is None for epoch in history.epochs] == [True, False]
    assert [epoch.radius for epoch in history.epochs] == [None, 0.1]


def test_it_makes_a_network_robust():
    settings = replace(SETTINGS, epochs=6)
    images, labels = data(200, seed=1)
    survived = []
    for module in (trained(None, settings)[0], trained(replace(HARD, threat=Lp("inf", 0.2)), settings)[0]):
        result = run(PGD(steps=20), Classifier(module), images, labels, threat=Lp("inf", 0.2))
        survived.append(float(((result.clean_prediction == labels) & ~result.success).float().mean()))
    assert survived[1] > survived[0] + 0.1
    assert survived[1] > 0.7


class Watched(nn.Module):
    """Notes, pass by pass, whether the network was in train mode, and whether its weights asked for gradients."""

    def __init__(self):
        super().__init__()
        self.inner, self.seen = seeded(build, 5), []

    def forward(self, images):
        modes = {part.training for part in self.modules()}
        wanted = {weight.requires_grad for weight in self.parameters()}
        assert len(modes) == len(wanted) == 1
        self.seen.append((len(images), modes.pop(), wanted.pop()))
        return self.inner(images)


def test_the_attack_is_made_in_eval_mode_and_the_step_in_train_mode():
    module = Watched().eval()
    settings = replace(SHORT, epochs=1, batch=50)
    Classifier(module).logits(data()[0])  # from here on it is known which order in memory the network takes
    module.seen.clear()
    fit(module, *data(), settings=settings, adversarial=replace(HARD, fraction=0.5))
    one = [(25, False, False)] * 4 + [(50, True, True)]  # the clean images, the start and its two steps, the step
    assert module.seen[1:] == one * 2
    assert not module.training


def test_the_global_random_state_is_neither_used_nor_changed():
    torch.manual_seed(1)
    first, _ = trained()
    state = torch.get_rng_state()
    torch.rand(7)
    assert same(first, trained()[0])
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


class Keeps(nn.Sequential):
    """Keeps what it is trained on."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.seen = []

    def forward(self, images):
        if self.training:
            self.seen.append(images.detach().clone())
        return super().forward(images)


def test_every_image_draws_anew_in_every_epoch():
    images, labels = torch.full((4, 1, 6, 6), 0.5), torch.arange(4) % 2
    module, hard = Keeps(nn.Flatten(), nn.Linear(36, 2)), AdversarialTraining(RandomNoise(draws=1), Lp("inf", 0.1))
    fit(module, images, labels, settings=PlainTraining(epochs=2, batch=4), adversarial=hard)
    noise = torch.cat(module.seen) - 0.5
    assert len({tuple(one.flatten().tolist()) for one in noise}) == 8
    assert noise.abs().amax() <= 0.1 + 1e-6


def test_attacks_at_a_radius_are_told_from_those_that_search_for_the_smallest():
    climbing = [FGSM(), PGD(), Restarts(PGD(), 2)]
    assert all(AdversarialTraining(attack, Lp("inf", 0.1)).fixed_radius for attack in climbing)
    searching = [DeepFool(), SmallestRadius(PGD())]
    assert not any(AdversarialTraining(attack, Lp("inf", 0.1)).fixed_radius for attack in searching)


@dataclass(frozen=True)
class Whitens(Attack):
    """Proposes white images."""

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    needs_radius: ClassVar[bool] = True

    def perturb(self, problem):
        problem.probe(torch.ones_like(problem.images), graph=False)


@pytest.mark.parametrize(("fraction", "attacked"), [(1.0, 10), (0.5, 5), (0.26, 3), (0.001, 1)])
def test_the_share_of_the_batch_is_attacked_and_the_rest_stays(fraction, attacked):
    images, labels = data(10)
    module = Keeps(nn.Flatten(), nn.Linear(36, 2))
    hard = AdversarialTraining(Whitens(), Lp("inf", 1.0), fraction=fraction)
    history = fit(module, images, labels, settings=PlainTraining(epochs=1, batch=10), adversarial=hard)
    white = (module.seen[0] == 1).flatten(1).all(1)
    assert white.tolist() == [True] * attacked + [False] * (10 - attacked)
    assert 0 <= history.epochs[0].adversarial_accuracy <= 1


def test_the_radius_grows_with_the_steps():
    hard = replace(HARD, warmup=2.0, clean_epochs=1)
    radii = [hard.threat_at(done) for done in (0, 0.99, 1, 2, 2.5, 3, 9)]
    assert radii[:2] == [None, None]
    assert [threat.radius for threat in radii[2:]] == pytest.approx([0, 0.05, 0.075, 0.1, 0.1])
    assert AdversarialTraining(DeepFool(), Lp(2)).threat_at(0).radius == float("inf")
    _, history = trained(replace(HARD, warmup=2.0))
    last = 2 / 3  # an epoch's third step of three begins when two are done
    assert [epoch.radius for epoch in history.epochs] == pytest.approx([0.05 * last, 0.05 * (1 + last), 0.1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"threat": Lp("inf")}, InputError, "works within a radius"),
        ({"threat": Lp(0, 3)}, UnsupportedThreat, "l0"),
        ({"threat": Lp("inf", torch.ones(3))}, InputError, "one number"),
        *(({"fraction": fraction}, InputError, "fraction") for fraction in (0.0, 1.1, float("nan"))),
        ({"warmup": -1.0}, InputError, "warmup"),
        ({"clean_epochs": -1}, InputError, "clean_epochs"),
        ({"attack": DeepFool(), "threat": Lp(2), "warmup": 1.0}, InputError, "clean_epochs"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        replace(HARD, **options)


def test_the_story_tells_of_the_attack():
    hard = AdversarialTraining(PGD(steps=2, step_size=0.01), Lp("inf", 0.3), fraction=0.5)
    _, history = trained(hard, replace(SHORT, epochs=1))
    story = json.loads(json.dumps(training_story("small", "brittle train small", history, {})))
    assert story["adversarial"]["attack"].startswith("PGD(steps=2, step_size=0.01")
    assert story["adversarial"]["threat"] == "Lp(radius=0.3, p=inf)"
    assert story["adversarial"]["fraction"] == 0.5
    assert "adversarial" not in training_story("small", "", trained(None, replace(SHORT, epochs=1))[1], {})


def test_a_named_architecture_is_trained_likewise():
    module, history = train_named(design("small"), *data(), settings=replace(SHORT, seed=5), adversarial=HARD)
    expected = seeded(build, 5)
    fit(expected, *data(), settings=replace(SHORT, seed=5), adversarial=HARD)
    assert same(module, expected)
    assert history.adversarial == HARD
