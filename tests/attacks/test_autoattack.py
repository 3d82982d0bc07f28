"""AutoAttack: its members, the worst case over them, and networks with few classes."""

import pytest
import torch
from affine import affine, convolutional, middle

from brittle import APGD, FAB, Attack, AutoAttack, InputError, Lp, Square, Targeted, run

CHEAP = {"steps": 4, "queries": 8}


def described(members: tuple[Attack, ...]) -> list[str]:
    """Say of each member what differs from the published single attack."""
    found: list[str] = []
    for member in members:
        if isinstance(member, APGD):
            found.append(f"apgd {member.loss} {member.targets} {member.restarts}")
        elif isinstance(member, FAB):
            found.append(f"fab {member.targets} {member.restarts}")
        else:
            assert isinstance(member, Square)
            found.append(f"square {member.queries}")
    return found


def test_members_are_the_published_ones():
    standard = ["apgd cross_entropy 0 1", "apgd cross_entropy 9 1", "fab 9 1", "square 5000"]
    assert described(AutoAttack().members("linf", 10)) == standard
    assert described(AutoAttack().members("l2", 1000)) == standard
    assert described(AutoAttack().members("l1", 10)) == [
        "apgd cross_entropy 0 5",
        "apgd cross_entropy 5 1",
        *standard[2:],
    ]
    assert described(AutoAttack("plus").members("linf", 10)) == [
        "apgd cross_entropy 0 5",
        "apgd dlr 0 5",
        "fab 0 5",
        "square 5000",
        "apgd cross_entropy 9 1",
        "fab 9 1",
    ]
    assert described(AutoAttack("rand").members("linf", 10)) == ["apgd cross_entropy 0 1", "apgd dlr 0 1"]
    assert not AutoAttack().members("linf", 10)[3].rescaled
    assert all(getattr(member, "steps", 100) == 100 for member in AutoAttack("plus").members("linf", 10))


def test_with_few_classes_the_losses_that_exist_are_used():
    assert described(AutoAttack().members("linf", 3))[1] == "apgd dlr 0 1"
    assert described(AutoAttack().members("linf", 2))[1] == "apgd margin 0 1"
    assert described(AutoAttack("rand").members("linf", 2))[1] == "apgd margin 0 1"
    assert "apgd cross_entropy 9 1" not in described(AutoAttack("plus").members("linf", 3))


REACH = {"linf": 1.0, "l2": 12**0.5, "l1": 12.0}
"""Radii that allow every image of twelve values."""


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_every_version_runs_on_any_number_of_classes(classes, version, norm):
    attack = AutoAttack(version, eot_samples=2, **CHEAP)
    result = run(attack, affine(classes=classes), middle(3), threat=Lp(norm, 0.3))
    assert result.success.shape == (3,)
    huge = run(attack, affine(classes=classes), middle(3), threat=Lp(norm, REACH[norm]))
    assert huge.success.all()


def test_no_member_alone_breaks_an_image_that_the_ensemble_does_not():
    """With one image a batch the members' random draws differ between the two, hence networks with exact optima."""
    classifier, images = affine(classes=6, seed=2), middle(12)
    threat = Lp("inf", 0.03)
    whole = run(AutoAttack(steps=8, queries=20), classifier, images, threat=threat)
    alone = [run(one, classifier, images, threat=threat) for one in AutoAttack(steps=8, queries=20).members("linf", 6)]
    for one in alone:
        assert (whole.success >= one.success).all()
    assert whole.success.any()
    assert not whole.success.all()


def test_images_are_only_attacked_until_they_are_broken():
    classifier, images = convolutional(), middle(20)
    whole = run(AutoAttack(**CHEAP), classifier, images, threat=Lp("inf", 0.05))
    first = run(APGD(steps=4), classifier, images, threat=Lp("inf", 0.05))
    assert first.success.any()
    assert torch.equal(whole.forward[first.success], first.forward[first.success])


def test_for_randomised_networks_every_gradient_is_averaged():
    classifier, images = convolutional(), middle(2)
    result = run(AutoAttack("rand", steps=3, eot_samples=5), classifier, images, threat=Lp("inf", 1e-9))
    assert (result.backward == 2 * 3 * 5).all()
    assert (result.forward == 2 * 4 * 5 + 2).all()


def test_a_target_is_aimed_at():
    classifier, images = affine(), middle()
    goal = Targeted((classifier.logits(images).argmax(1) + 1) % 4)
    result = run(AutoAttack(steps=20, queries=20), classifier, images, goal=goal, threat=Lp("inf", 0.5))
    assert result.success.any()
    assert torch.equal(result.prediction[result.success], goal.labels[result.success])


@pytest.mark.parametrize("settings", [{"steps": 0}, {"queries": 0}, {"eot_samples": 0}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        AutoAttack(**settings)


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_steps_and_queries_are_those_of_every_member(version: str, norm: str):
    for classes, targeted in ((10, False), (3, False), (10, True)):
        members = AutoAttack(version, steps=7, queries=11).members(norm, classes, targeted=targeted)
        assert [member.steps for member in members if not isinstance(member, Square)] == [7] * (
            len(members) - (version != "rand")
        )
        assert [member.queries for member in members if isinstance(member, Square)] == [11] * (version != "rand")
