"""The fast ensemble: its members, its order of classes, and what it breaks."""

from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, middle

from brittle import APGD, AutoAttack, Classifier, FastEnsemble, InputError, Lp, Problem, Targeted, Untargeted, run
from brittle.attacks.objective import near_classes, top_other_classes
from brittle.base.seeds import Streams
from brittle.core.record import Record

REACH = {"linf": 1.0, "l2": 12**0.5, "l1": 12.0}
"""Radii that allow every image of twelve values."""
NORMS = list(REACH)


def problem_of(classifier, images, threat):
    clean = classifier.logits(images).detach()
    ids = torch.arange(len(images))
    record, streams = Record(threat.zero(images)), Streams(0, ids, images.dtype)
    return Problem(classifier, images, clean, Untargeted(clean.argmax(1)), threat, ids, record, streams, 100)


@pytest.mark.parametrize("norm", NORMS)
def test_near_classes_are_those_whose_planes_are_nearest(norm):
    """On an affine network the distance to each class is gap / dual norm of the difference of weights."""
    classifier, images, threat = affine(classes=7, seed=3), middle(9), Lp(norm, 0.1)
    problem = problem_of(classifier, images, threat)
    weights = classifier.module[1].weight.detach()
    logits, labels = problem.clean, problem.goal.labels
    apart = torch.linalg.vector_norm(weights[None] - weights[labels][:, None], ord=threat.dual, dim=2)
    distance = (logits.gather(1, labels[:, None]) - logits) / apart
    distance.scatter_(1, labels[:, None], torch.inf)
    wanted = distance.argsort(1)[:, :6]
    assert torch.equal(near_classes(problem), wanted)
    assert not torch.equal(wanted, top_other_classes(problem, 6)), "otherwise the order would not matter"
    some = problem.rows(torch.tensor([4, 7]))
    assert torch.equal(near_classes(some)[[4, 7]], wanted[[4, 7]]), "rows are by the number of the image"
    assert (problem.record.backward == torch.tensor([6, 6, 6, 6, 12, 6, 6, 12, 6])).all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_first_of_the_near_classes_is_enough_on_an_affine_network(norm):
    classifier, images = affine(classes=7, seed=3), middle(30)
    threat = Lp(norm, {"linf": 0.017, "l2": 0.045, "l1": 0.085}[norm])
    near, likely = (
        run(APGD(steps=30, targets=1, order=order), classifier, images, threat=threat) for order in ("near", "likely")
    )
    every = run(APGD(steps=30, targets=6), classifier, images, threat=threat)
    assert torch.equal(near.success, every.success)
    assert likely.success.sum() <= near.success.sum() < 30
    assert norm == "l1" or likely.success.sum() < near.success.sum()


def test_it_breaks_what_autoattack_breaks_in_a_fraction_of_its_passes():
    classifier, images, threat = convolutional(classes=10), middle(2), Lp("linf", 0.02)
    fast, whole = (
        run(attack, classifier, images, threat=threat) for attack in (FastEnsemble(), AutoAttack(queries=2500))
    )
    assert fast.success.tolist() == whole.success.tolist() == [True, False]
    assert fast.forward.sum() <= whole.forward.sum() / 8
    assert fast.backward.sum() <= whole.backward.sum() / 4


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
@pytest.mark.parametrize("norm", NORMS)
def test_it_runs_on_any_number_of_classes(classes, norm):
    attack = FastEnsemble(steps=8, queries=8)
    result = run(attack, affine(classes=classes), middle(3), threat=Lp(norm, 0.3))
    assert result.success.shape == (3,)
    assert run(attack, affine(classes=classes), middle(3), threat=Lp(norm, REACH[norm])).success.all()


def test_a_target_is_aimed_at():
    classifier, images = affine(), middle()
    goal = Targeted((classifier.logits(images).argmax(1) + 1) % 4)
    result = run(FastEnsemble(steps=20, queries=20), classifier, images, goal=goal, threat=Lp("inf", 0.5))
    assert result.success.all()
    assert torch.equal(result.prediction, goal.labels)


@pytest.mark.parametrize("threat", [Lp("inf", 0.0142), Lp(2, 0.04)])
def test_logits_of_another_scale_get_the_same_verdicts(threat):
    class Times(torch.nn.Module):
        def __init__(self, inner, scale):
            super().__init__()
            self.inner, self.scale = inner, scale

        def forward(self, images):
            return self.scale * self.inner(images)

    attack, classifier, images = FastEnsemble(steps=20, queries=30), convolutional(classes=6), middle(16)
    usual = run(attack, classifier, images, threat=threat)
    assert 0 < usual.success.sum() < 16
    for scale in (0.01, 100.0):
        times = Classifier(Times(classifier.module, scale).eval())
        assert torch.equal(run(attack, times, images, threat=threat).success, usual.success)


def test_members_can_be_left_out_and_are_checked():
    names = [type(one).__name__ for one in FastEnsemble(queries=0).members("l2", 10)]
    assert names == ["APGD", "APGD", "BoundaryDescent"]
    assert [FastEnsemble().members(norm, 10)[2].runs for norm in NORMS] == [1, None, None]
    assert FastEnsemble().members("linf", 10)[1] == APGD(50, targets=3, order="near")
    assert FastEnsemble().members("linf", 3)[1] == APGD(50, restarts=3, loss="dlr")
    assert FastEnsemble().members("linf", 2)[1] == replace(APGD(50, restarts=3), loss="margin")
    assert FastEnsemble().members("linf", 10, targeted=True)[1].loss == "dlr"
    assert [FastEnsemble().members(norm, 10)[1].targets for norm in NORMS] == [3, 2, 3]
    assert [FastEnsemble(steps=20).members(norm, 10)[2].steps for norm in NORMS] == [40, 120, 40]
    assert FastEnsemble(targets=1).members("l2", 10)[1].targets == 1
    for name in ("steps", "targets"):
        with pytest.raises(InputError, match=name):
            FastEnsemble(**{name: 0})
    with pytest.raises(InputError, match="queries"):
        FastEnsemble(queries=-1)
    with pytest.raises(InputError, match="order"):
        APGD(order="far")
