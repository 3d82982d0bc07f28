"""A search in bfloat16 keeps what the network as it is takes for adversarial, and nothing else."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from affine import affine, distance, middle
from torch import nn

from brittle import (
    APGD,
    DDN,
    FGSM,
    PGD,
    Attack,
    BoundaryDescent,
    Cascade,
    Classifier,
    DeepFool,
    InputError,
    Lp,
    Polish,
    RandomNoise,
    Square,
    Targeted,
    run,
)
from brittle.core.verification import WORTH

OFFSET = 300.0
"""Of every logit: in bfloat16 numbers of this size lie 2 apart, and the margins here are less than that."""
BITS = {"precision": "bf16"}
L2 = Lp(2)


def shifted(classes: int = 4) -> Classifier:
    """An affine network in float32 whose decisions bfloat16 cannot see."""
    network = affine(classes)
    module = network.module.float()
    with torch.no_grad():
        module[1].bias += OFFSET + torch.linspace(0, 0.9, classes)
    return Classifier(module)


IMAGES = middle(16).float()


def truly(classifier: Classifier, result, labels: torch.Tensor) -> torch.Tensor:
    """Which of the images returned the network as it is takes for another class."""
    with torch.no_grad():
        return classifier.module(result.adversarial).argmax(1) != labels


def labels_of(classifier: Classifier) -> torch.Tensor:
    with torch.no_grad():
        return classifier.module(IMAGES).argmax(1)


@pytest.mark.parametrize(
    ("attack", "threat"),
    [
        (FGSM(), Lp("inf", 0.02)),
        (PGD(steps=8), Lp("inf", 0.02)),
        (PGD(steps=8), Lp(2, 0.1)),
        (APGD(steps=10), Lp("inf", 0.02)),
        (DDN(steps=30), L2),
        (DeepFool(), L2),
        (DeepFool(), Lp("inf")),
        (Polish(DeepFool()), L2),
    ],
    ids=str,
)
def test_nothing_is_kept_that_only_bfloat16_takes_for_adversarial(attack, threat):
    classifier = shifted()
    labels = labels_of(classifier)
    result = run(attack, classifier, IMAGES, labels, threat=threat, **BITS)
    assert result.success.any()
    assert truly(classifier, result, labels)[result.success].all()
    sizes = threat.size(IMAGES, result.adversarial)
    torch.testing.assert_close(result.size[result.success], sizes[result.success])
    nearest = distance(classifier, IMAGES, labels, 2 if threat.p == 2 else 1)
    assert (result.size[result.success] >= nearest[result.success] * (1 - 1e-4)).all()
    assert int(result.disputed.sum()) > 0


def test_bfloat16_alone_would_report_what_is_none():
    """Otherwise the network above would test nothing."""
    classifier = shifted()
    labels = labels_of(classifier)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        seen = classifier.module(IMAGES)
    assert (seen.argmax(1) != labels).any()
    assert (seen == seen.amax(1, keepdim=True)).sum(1).gt(1).any(), "ties"


@pytest.mark.parametrize("attack", [DeepFool(), BoundaryDescent()], ids=str)
def test_the_smallest_changes_are_those_of_the_closed_form(attack):
    """The search sees the network's own logits where bfloat16 leaves the verdict open, and its slopes are near."""
    classifier = shifted()
    labels = labels_of(classifier)
    result = run(attack, classifier, IMAGES, labels, threat=L2, **BITS)
    nearest = distance(classifier, IMAGES, labels, 2)
    assert result.success.all()
    assert (result.size <= 1.05 * nearest + 3e-3).all()


def test_where_bfloat16_says_no_and_the_network_yes_it_is_a_success():
    """Class 1 overtakes class 0 by what bfloat16 rounds away; the last pass sees it, at no further cost."""

    class Rounded(nn.Module):
        def forward(self, x):
            lead = x.flatten(1).mean(1) - 0.5
            if torch.is_autocast_enabled("cpu"):
                lead = torch.where(lead > 0, -0.005, lead)  # beyond any doubt, and nearer than the clean image
            return torch.stack([torch.zeros_like(lead), lead], 1)

    x = torch.full((3, 1, 2, 2), 0.49)
    result = run(FGSM(), Classifier(Rounded()), x, torch.zeros(3, dtype=torch.int64), threat=Lp("inf", 0.1), **BITS)
    assert result.success.all()
    assert result.verified.tolist() == [0, 0, 0]
    torch.testing.assert_close(result.size, torch.full((3,), 0.1), atol=1e-6, rtol=0)


class Counted(nn.Module):
    """A network that counts the images that it is shown, in bfloat16 and as it is."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.hurried, self.full, self.without_slopes = inner, 0, 0, 0

    def forward(self, x):
        if torch.is_autocast_enabled("cpu"):
            self.hurried += len(x)
            self.without_slopes += 0 if x.requires_grad else len(x)
        else:
            self.full += len(x)
        return self.inner(x)


def far() -> nn.Module:
    """A network whose margins are steep: bfloat16 seldom matters."""
    return affine().module.float()


@pytest.mark.parametrize(("attack", "threat"), [(PGD(steps=10), Lp("inf", 0.05)), (DeepFool(), L2), (DDN(20), L2)])
def test_every_pass_is_counted(attack, threat):
    module = Counted(far())
    result = run(attack, Classifier(module), IMAGES, threat=threat, **BITS)
    assert module.hurried + module.full == int(result.forward.sum())
    assert module.full == 2 * len(IMAGES) + int(result.verified.sum()), "the clean pass, the last one, and verification"
    assert module.hurried > 0


def test_far_from_doubt_one_pass_for_each_image_verifies():
    result = run(PGD(steps=10), Classifier(far()), IMAGES, threat=Lp("inf", 0.2), **BITS)
    assert result.success.all()
    assert result.verified.tolist() == [1] * len(IMAGES)
    assert not result.disputed.any()


def test_as_the_network_is_nothing_is_counted_twice():
    usual = run(PGD(steps=10), Classifier(far()), IMAGES, threat=Lp("inf", 0.2))
    named = run(PGD(steps=10), Classifier(far()), IMAGES, threat=Lp("inf", 0.2), precision="float32")
    assert usual.verified is None
    assert usual.disputed is None
    assert torch.equal(usual.adversarial, named.adversarial)
    assert torch.equal(usual.forward, named.forward)


def test_a_gain_that_is_worth_no_pass_is_not_looked_at():
    """DDN goes on shrinking at the boundary; what it gains there below a fraction of the size stays unknown."""
    result = run(DDN(steps=200), Classifier(far()), IMAGES, threat=L2, **BITS)
    usual = run(DDN(steps=200), Classifier(far()), IMAGES, threat=L2)
    assert (result.verified < 200).all()
    assert (result.size <= usual.size * 1.1 + 2e-3 + WORTH).all()


@pytest.mark.parametrize("budget", [3, 4, 6, 9])
def test_no_image_is_shown_more_often_than_its_budget_allows(budget):
    module = Counted(far())
    labels = module.inner(IMAGES).argmax(1)
    result = run(DDN(steps=30), Classifier(module), IMAGES, labels, threat=L2, budget=budget, **BITS)
    assert (result.forward <= budget).all()
    assert module.hurried + module.full == int(result.forward.sum())
    assert truly(Classifier(module.inner), result, labels)[result.success].all()


def test_rows_do_not_depend_on_who_is_beside_them():
    classifier = Classifier(far())
    whole = run(DDN(steps=20), classifier, IMAGES, threat=L2, **BITS)
    each = run(DDN(steps=20), classifier, IMAGES, threat=L2, batch=3, **BITS)
    assert torch.equal(whole.success, each.success)
    torch.testing.assert_close(whole.size, each.size, rtol=0.05, atol=1e-4)


def test_the_grid_is_searched_with_the_network_as_it_is():
    module = Counted(far())
    result = run(PGD(steps=5), Classifier(module), IMAGES, threat=Lp("inf", 0.2), quantization=256, **BITS)
    assert result.success.all()
    assert truly(Classifier(module.inner), result, module.inner(IMAGES).argmax(1)).all()
    levels = result.adversarial * 255
    assert (levels - levels.round()).abs().max() < 1e-3
    assert module.full > 3 * len(IMAGES), "clean, verified, last, and the ladder"


def test_targets_and_confidence_are_verified_too():
    classifier = shifted()
    labels = labels_of(classifier)
    goal = Targeted((labels + 1) % 4)
    result = run(PGD(steps=20), classifier, IMAGES, goal=goal, threat=Lp(2, 1.0), confidence=0.05, **BITS)
    assert result.success.any()
    with torch.no_grad():
        logits = classifier.module(result.adversarial)
    assert (logits.argmax(1) == goal.labels)[result.success].all()


def test_draws_of_a_randomised_network_are_averaged_and_counted():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = far()

        def forward(self, x):
            return self.inner(x + 0.001 * torch.randn_like(x))

    module = Counted(Noisy())
    result = run(PGD(steps=4), Classifier(module), IMAGES, threat=Lp("inf", 0.2), eot_samples=3, **BITS)
    assert result.success.all()
    assert module.hurried + module.full == int(result.forward.sum())


@pytest.mark.parametrize("attack", [Square(queries=5), RandomNoise(), Cascade((RandomNoise(), Square(queries=5)))])
def test_what_goes_by_answers_alone_is_refused(attack):
    with pytest.raises(InputError, match=r"goes by the network's answers, .* others in bf16"):
        run(attack, Classifier(far()), IMAGES, threat=Lp("inf", 0.1), **BITS)


def test_within_another_attack_it_asks_the_network_as_it_is():
    module = Counted(far())
    attack = Cascade((RandomNoise(draws=2), FGSM()))
    run(attack, Classifier(module), IMAGES, threat=Lp("inf", 1e-4), **BITS)
    assert module.hurried == module.without_slopes + len(IMAGES) == 3 * len(IMAGES), "clean, and FGSM's two"
    assert module.full == (1 + 2 + 1) * len(IMAGES)


def test_what_bfloat16_makes_of_the_weights_is_taken_off():
    """A network whose outputs lack the same everywhere is seen as it is, at the cost of a look at the clean images."""

    class Lacking(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = far()

        def forward(self, x):
            with torch.autocast("cpu", enabled=False):
                logits = self.inner(x)
            return logits + torch.arange(4) * 5 if torch.is_autocast_enabled("cpu") else logits

    usual = run(DeepFool(), Classifier(Lacking()), IMAGES, threat=L2)
    result = run(DeepFool(), Classifier(Lacking()), IMAGES, threat=L2, **BITS)
    torch.testing.assert_close(result.size, usual.size, rtol=1e-3, atol=1e-4)
    assert (result.forward <= usual.forward + 1 + result.verified + 2).all()


@dataclass(frozen=True)
class Several(Attack):
    """Shows points that are no success, several of an image at once, and then one that is."""

    gradients: ClassVar[bool] = True
    count: int = 3

    def perturb(self, problem):
        of = torch.arange(len(problem)).repeat_interleave(self.count)
        steps = 0.01 * (1 + torch.arange(self.count).repeat(len(problem)))
        problem.probe(problem.images[of] + steps[:, None, None, None], of=of)
        problem.probe(problem.images + 0.12)


def test_what_is_lacking_is_counted_once_for_an_image_that_is_shown_several_points():
    class Favours(nn.Module):
        """In bfloat16 for class 1, wherever it is not the clean image."""

        def forward(self, x):
            lead = x.flatten(1).double().mean(1) - 0.5
            if torch.is_autocast_enabled("cpu"):
                lead = lead + (lead > -0.0999) * 5
            return torch.stack([torch.zeros_like(lead), lead], 1).float()

    x = torch.full((4, 1, 2, 2), 0.4)
    result = run(Several(), Classifier(Favours()), x, torch.zeros(4, dtype=torch.int64), threat=Lp("inf"), **BITS)
    assert result.success.all()
    torch.testing.assert_close(result.size, torch.full((4,), 0.12))
    assert result.disputed.tolist() == [3] * 4
    assert result.verified.tolist() == [4] * 4


def test_the_margin_is_that_of_the_network_as_it_is():
    classifier = shifted()
    labels = labels_of(classifier)
    result = run(PGD(steps=8), classifier, IMAGES, labels, threat=Lp(2, 0.05), **BITS)
    with torch.no_grad():
        logits = classifier.module(result.adversarial)
    own = logits.gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(result.margin, logits.scatter(1, labels[:, None], -math.inf).amax(1) - own)
