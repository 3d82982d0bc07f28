"""No image is shown to the network more often than the budget, whatever the attack does; counted at the network."""

from dataclasses import dataclass

import pytest
import torch
from affine import convolutional, middle
from cases import CASES, Case
from torch import Tensor

from brittle import PGD, Attack, Classifier, InputError, Lp, Problem, run


class Counter:
    """A network that counts the images it is shown, and gives no gradients."""

    def __init__(self):
        self.shown = 0
        self.network = convolutional()

    def __call__(self, images: Tensor) -> Tensor:
        self.shown += len(images)
        return self.network.logits(images.detach().double()).detach()


SILENT = {str(case): case for case in CASES if not case.attack.gradients}
LOUD = {type(case.attack): case for case in CASES if case.attack.gradients}


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("case", SILENT.values(), ids=SILENT)
def test_a_black_box_is_never_asked_more_often(case: Case, budget: int):
    for count, batch in ((1, 256), (3, 2)):
        box = Counter()
        result = run(
            case.attack, Classifier(box), middle(count).float(), threat=case.threat, budget=budget, batch=batch
        )
        assert box.shown == int(result.forward.sum())
        assert (result.forward <= budget).all()
        assert (result.backward == 0).all()
        assert not (result.success & (result.forward < 3)).any()


@pytest.mark.parametrize("case", LOUD.values(), ids=str)
def test_attacks_by_gradients_keep_to_it_too(case: Case):
    for budget in (1, 2, 5):
        classifier, shown = convolutional(), []
        note = shown.append
        handle = classifier.module.register_forward_hook(lambda _, images, __, note=note: note(len(images[0])))
        result = run(case.attack, classifier, middle(3), threat=case.threat, budget=budget)
        handle.remove()
        assert sum(shown) == int(result.forward.sum())
        assert (result.forward <= budget).all()


@dataclass(frozen=True)
class Greedy(Attack):
    """Asks about many points of each image at once, again and again, and for their gradients."""

    graph: bool

    def perturb(self, problem: Problem) -> None:
        of = torch.arange(len(problem)).repeat(5)
        for turn in range(4):
            noise = torch.linspace(-0.5, 0.5, len(of), dtype=torch.float64)[:, None, None, None] * (turn + 1)
            Greedy.seen = probe = problem.probe(problem.images[of] + noise, of=of, graph=self.graph)
            if self.graph:
                Greedy.slope = probe.gradient(problem.rows(of).goal.margin)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("batch", [4, 256])
def test_an_attack_that_ignores_it_is_not_heard(graph, batch):
    images = middle(6)
    result = run(Greedy(graph), convolutional(), images, threat=Lp("inf"), budget=9, batch=batch)
    assert (result.forward <= 9).all()
    last = Greedy.seen
    assert not last.met.any()
    torch.testing.assert_close(last.logits, last.problem.clean)
    if graph:
        assert (Greedy.slope == 0).all()


def test_the_points_that_are_heard_are_the_first():
    classifier, images = convolutional(), middle(1)
    result = run(Greedy(False), classifier, images, threat=Lp("inf"), budget=5, trace=True)
    label = classifier.logits(images).argmax(1)
    offsets = torch.linspace(-0.5, 0.5, 5, dtype=torch.float64)[:3]
    points = (images + offsets[:, None, None, None]).clamp(0, 1)
    logits = classifier.logits(points).detach()
    others = logits.scatter(1, label.expand(3)[:, None], -torch.inf).amax(1)
    best = int((others - logits[:, label[0]]).argmax())
    assert result.forward.tolist() == [5]
    changes = (result.adversarial - points).abs().flatten(1).amax(1)
    assert int(changes.argmin()) == best or result.success.all()


def test_it_changes_nothing_where_it_suffices():
    images, attack = middle(8), PGD(steps=5, restarts=2)
    free = run(attack, convolutional(), images, threat=Lp("inf", 0.02))
    most = int((free.forward + free.backward).max())
    same = run(attack, convolutional(), images, threat=Lp("inf", 0.02), budget=most + 1)
    assert torch.equal(same.adversarial, free.adversarial)
    assert torch.equal(same.forward, free.forward)


@pytest.mark.parametrize(("eot_samples", "least"), [(1, 1), (2, 5), (3, 7)])
def test_the_least_budget_is_what_judging_alone_takes(eot_samples: int, least: int):
    """With EOT: one look that checks the outputs, the samples of the clean image and those of the last look."""
    box = Counter()
    result = run(
        PGD(steps=3), Classifier(box), middle(2).float(), threat=Lp(2, 0.5), budget=least, eot_samples=eot_samples
    )
    assert (result.forward == least).all()
    assert box.shown == 2 * least
    assert not result.success.any()
    if least > 1:
        with pytest.raises(InputError, match=f"budget is {least - 1}; expected at least {least}"):
            run(
                PGD(steps=3),
                Classifier(box),
                middle(2).float(),
                threat=Lp(2, 0.5),
                budget=least - 1,
                eot_samples=eot_samples,
            )
