"""What the attacks of Carlini & Wagner share, against autograd, torch's Adam and the closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import nn

from brittle import (
    CarliniWagnerL0,
    CarliniWagnerL2,
    CarliniWagnerLinf,
    Classifier,
    InputError,
    Lp,
    Pixels,
    Targeted,
    UnsupportedThreat,
    Untargeted,
    run,
)
from brittle.attacks.carlini_wagner import AdamDescent, TanhBox, doubled, out_of_reach, shortfall
from brittle.base.bounds import Bounds

L2 = CarliniWagnerL2(searches=2, steps=25, learning_rate=0.02, constant=1.0)
L0 = CarliniWagnerL0(steps=20, learning_rate=0.1, candidates=1)
LINF = CarliniWagnerLinf(steps=20, learning_rate=0.02)
WITH = [(L2, Lp(2)), (L0, Pixels(math.inf)), (LINF, Lp("inf"))]
NAMES = ["l2", "l0", "linf"]


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(-1.0, 3.0)])
@pytest.mark.parametrize("shrink", [0.9, 0.999999])
def test_the_variable_keeps_the_box_and_leads_back_to_the_image(bounds, shrink):
    box = TanhBox(bounds, shrink)
    images = torch.tensor([bounds.lower, bounds.upper, 0.25, 0.9], dtype=torch.float64).reshape(1, 1, 2, 2)
    variable = box.inward(images)
    torch.testing.assert_close(box.outward(variable), images, atol=1e-9, rtol=0)
    anywhere = box.outward(box.kept(torch.linspace(-50, 50, 101, dtype=torch.float64).reshape(1, 1, 1, 101)))
    torch.testing.assert_close(torch.stack([anywhere.min(), anywhere.max()]), images.flatten()[:2], atol=1e-9, rtol=0)
    leaf = variable.clone().requires_grad_()
    (slope,) = torch.autograd.grad(box.outward(leaf).sum(), leaf)
    torch.testing.assert_close(box.slope(images), slope, atol=1e-9, rtol=1e-6)


def test_the_descent_is_torchs_adam_with_an_age_for_each_image():
    box = TanhBox(Bounds(), 0.999999)
    start = torch.tensor([[0.3, -1.2], [0.5, 0.1]], dtype=torch.float64).reshape(2, 1, 1, 2)
    late = torch.tensor([False, True])
    descent = AdamDescent.at(start)
    for turn in range(12):
        if turn == 5:
            descent = descent.again(late, start)
        descent = descent.moved(2 * descent.variable**3, 0.05, box)
    for row, steps in ((0, 12), (1, 7)):
        leaf = start[row].clone().requires_grad_()
        adam = torch.optim.Adam([leaf], lr=0.05)
        for _ in range(steps):
            leaf.grad = 2 * leaf.detach() ** 3
            adam.step()
        torch.testing.assert_close(descent.variable[row], leaf.detach())
    assert descent.age.tolist() == [12, 7]


def test_what_is_lacking_is_counted_to_the_confidence_and_never_negative():
    logits = torch.tensor([[5.0, 2.0, 1.0], [0.0, 4.0, 3.0]])
    labels = torch.tensor([0, 0])
    assert shortfall(Untargeted(labels), logits).tolist() == [3.0, 0.0]
    assert shortfall(Untargeted(labels, confidence=6.0), logits, 0.5).tolist() == [9.5, 2.5]
    assert shortfall(Targeted(torch.tensor([2, 2])), logits).tolist() == [4.0, 1.0]


def test_constants_double_as_far_as_asked_and_no_farther():
    first = torch.full((5,), 0.5)
    needed = torch.tensor([3.0, 0.1, torch.inf, torch.nan, 30.0])
    assert doubled(first, needed, 20.0).tolist() == [4.0, 0.5, 0.5, 0.5, 0.5]


def test_out_of_reach_is_what_the_box_does_not_allow():
    slope = torch.tensor([2.0, -1.0]).reshape(1, 1, 1, 2).expand(3, 1, 1, 2)
    points = torch.tensor([0.5, 0.75]).reshape(1, 1, 1, 2).expand(3, 1, 1, 2)
    lacking = torch.tensor([1.0, 1.25, 1.5])  # at most 2 * 0.5 + 1 * 0.25 can be gained
    assert out_of_reach(slope, points, torch.zeros_like(slope), torch.ones_like(slope), lacking).tolist() == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(("attack", "threat"), WITH, ids=NAMES)
def test_an_image_alone_gives_what_it_gives_among_others(attack, threat):
    classifier, images = convolutional(), middle(6)
    together = run(attack, classifier, images, threat=threat)
    assert together.success.all()
    assert len(set(together.iterations.tolist())) > 1, "all images ended together, so that this shows nothing"
    alone = run(attack, classifier, images[3:4], threat=threat)
    torch.testing.assert_close(alone.adversarial[0], together.adversarial[3], atol=1e-6, rtol=0)
    assert alone.iterations[0] == together.iterations[3]


@pytest.mark.parametrize(("attack", "threat"), WITH, ids=NAMES)
def test_targets_are_reached_with_the_confidence_asked_for(attack, threat):
    classifier, images = convolutional(), middle(4)
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    plain = run(attack, classifier, images, goal=Targeted(targets), threat=threat)
    assert plain.success.all()
    assert (plain.prediction == targets).all()
    sure = run(attack, classifier, images, goal=Targeted(targets, confidence=0.5), threat=threat)
    assert sure.success.all()
    assert (sure.margin >= 0.5).all()
    assert (sure.size >= plain.size).all()
    assert threat.name == "pixels" or (sure.size > plain.size).all()


@pytest.mark.parametrize(("attack", "threat"), WITH, ids=NAMES)
def test_black_and_white_pixels_move(attack, threat):
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[1.0, -2.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        module[1].bias.copy_(torch.tensor([0.0, 0.5]))
    image = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64).reshape(1, 1, 2, 2)
    attack = replace(attack, steps=80)
    result = run(attack, Classifier(module), image, threat=threat)
    assert result.success.all()
    assert result.adversarial[0, 0, 1, 1] == 0 or threat.name != "pixels"
    gap, normal = 1.0, torch.tensor([1.0, -2.0, 0.5])
    least = {"l2": gap / normal.norm(), "linf": gap / normal.abs().sum(), "pixels": torch.tensor(1.0)}[threat.name]
    assert least * (1 - 1e-9) <= result.size[0] <= 1.05 * least


@pytest.mark.parametrize(
    ("attack", "p"),
    [
        (CarliniWagnerL2(searches=4, steps=40, learning_rate=0.005, constant=1.0), 2),
        (CarliniWagnerL2(6, 60, learning_rate=0.01, constant=0.1, warm=False, carry=False, shrink=0.999999), 2),
        (CarliniWagnerLinf(steps=30, learning_rate=0.01), "inf"),
    ],
    ids=["l2", "l2 as published", "linf"],
)
def test_the_smallest_change_is_found_to_a_few_percent_on_affine_networks(attack, p):
    classifier, images, threat = affine(classes=2), middle(20), Lp(p)  # of more classes, which is sought?
    images = images[distance(classifier, images, classifier.logits(images).argmax(1), 2) > 0.06]
    least = distance(classifier, images, classifier.logits(images).argmax(1), threat.dual)
    assert len(images) == 8
    result = run(attack, classifier, images, threat=threat)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= 1.04 * least).all()


@pytest.mark.parametrize(("attack", "threat"), WITH, ids=NAMES)
def test_a_budget_is_kept(attack, threat):
    result = run(attack, convolutional(), middle(4), threat=threat, budget=9)
    assert ((result.forward + result.backward) <= 9 + 3).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CarliniWagnerL2(searches=0), "searches is 0"),
        (lambda: CarliniWagnerL2(constant=0.0), "constant is 0.0; expected a number above 0"),
        (lambda: CarliniWagnerL0(shrink=1.0), r"shrink is 1.0; expected a fraction between 0 and 1"),
        (lambda: CarliniWagnerL0(candidates=-1), "candidates is -1"),
        (lambda: CarliniWagnerLinf(learning_rate=-1.0), "learning_rate is -1.0"),
        (lambda: CarliniWagnerLinf(decrease=1.0), "decrease is 1.0; expected a factor between 0 and 1"),
        (lambda: CarliniWagnerLinf(steps=0), "steps is 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_other_norms_are_refused():
    for attack, threat in ((L2, Lp("inf")), (L0, Lp(2)), (LINF, Lp(2))):
        with pytest.raises(UnsupportedThreat):
            run(attack, affine(), middle(1), threat=threat)
