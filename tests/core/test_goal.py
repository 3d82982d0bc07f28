"""Goals: when they are met, and by how much."""

import pytest
import torch
from affine import convolutional, middle

from brittle import PGD, DeepFool, InputError, LeastLikely, Lp, Targeted, Untargeted, run

LOGITS = torch.tensor([[1.0, 4.0, 2.0], [3.0, 0.0, -1.0]])


def test_untargeted_by_hand():
    goal = Untargeted(torch.tensor([1, 1]))
    assert goal.met(LOGITS).tolist() == [False, True]
    assert goal.margin(LOGITS).tolist() == [-2, 3]


def test_targeted_by_hand():
    goal = Targeted(torch.tensor([2, 0]))
    assert goal.met(LOGITS).tolist() == [False, True]
    assert goal.margin(LOGITS).tolist() == [-2, 3]
    assert goal.rows(torch.tensor([1])).labels.tolist() == [0]


def test_least_likely_is_fixed_at_the_clean_image():
    assert LeastLikely().at(LOGITS).labels.tolist() == [0, 2]


def test_least_likely_ends_at_the_least_likely_class():
    classifier, images = convolutional(), middle()
    least = classifier.logits(images).argmin(1)
    result = run(PGD(steps=30), classifier, images, goal=LeastLikely(), threat=Lp("inf", 0.4))
    same = run(PGD(steps=30), classifier, images, goal=Targeted(least), threat=Lp("inf", 0.4))
    assert result.success.any()
    assert torch.equal(result.prediction[result.success], least[result.success])
    assert torch.equal(result.adversarial, same.adversarial)


def test_a_goal_may_ask_for_confidence():
    logits = torch.tensor([[0.0, 3.0], [0.0, 5.0]])
    labels = torch.zeros(2, dtype=torch.int64)
    assert Untargeted(labels, confidence=4.0).met(logits).tolist() == [False, True]
    assert Targeted(1 - labels, confidence=4.0).met(logits).tolist() == [False, True]
    with pytest.raises(InputError, match="confidence is -1"):
        Untargeted(labels, confidence=-1)


def test_an_attack_reaches_the_confidence_asked_for():
    classifier, images = convolutional(), middle()
    labels = classifier.logits(images).argmax(1)
    goal = Untargeted(labels, confidence=2.0)
    result = run(PGD(steps=30, loss="margin"), classifier, images, goal=goal, threat=Lp("inf", 0.3))
    assert result.success.any()
    assert (result.margin[result.success] >= 2).all()


def test_confidence_asks_for_a_margin():
    assert Untargeted(torch.tensor([1, 1]), confidence=3.0).met(LOGITS).tolist() == [False, True]
    assert Untargeted(torch.tensor([1, 1]), confidence=3.1).met(LOGITS).tolist() == [False, False]
    with pytest.raises(InputError, match=r"confidence is -1\.0; expected a margin in logits, at least 0"):
        Targeted(torch.tensor([0]), confidence=-1.0)


@pytest.mark.parametrize("attack", [PGD(steps=30, loss="margin"), DeepFool()], ids=["pgd", "deepfool"])
def test_a_goals_confidence_holds_for_every_success(attack):
    classifier, images = convolutional(), middle()
    clean = classifier.logits(images).argmax(1)
    plain, sure = (
        run(attack, classifier, images, clean, goal=Untargeted(clean, confidence=kappa), threat=Lp("inf", 0.3), batch=5)
        for kappa in (0.0, 2.0)
    )
    assert sure.success.all()
    assert (sure.margin >= 2).all()
    assert (plain.margin < 2).any()
    assert isinstance(attack, PGD) or (sure.size > plain.size).all()  # PGD's sizes are those of its path
