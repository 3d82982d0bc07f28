"""The published algorithm, against a plain loop over single images."""

import math

import pytest
import torch
from affine import affine, convolutional

from brittle import DeepFool, InputError, Lp, Untargeted, run
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import UniversalProblem, find_universal
from brittle.universal_attacks.uap import UniversalDeepFool


def plainly(problem: UniversalProblem, passes: int, steps: int) -> torch.Tensor:
    """Algorithm 1 of the paper as it stands there: one image after the other, nothing asked ahead."""
    images, classifier, v = problem.given(), problem.classifier, problem.zeros()
    for number in range(passes):
        for row in torch.randperm(len(images), generator=problem.generator(number)).tolist():
            image = images.at(torch.tensor([row]))
            with torch.no_grad():
                clean, now = (classifier.logits(one).argmax(1) for one in (image, (image + v).clamp(0, 1)))
            if now != clean:
                continue
            moved = (image + v).clamp(0, 1)
            found = run(DeepFool(steps=steps), classifier, moved, goal=Untargeted(clean), threat=Lp(2))
            if found.success[0]:
                v = v + (found.adversarial - moved)[0]
                if problem.threat.p == math.inf:
                    v = v.clamp(-problem.radius, problem.radius)
                else:
                    v = v * min(1.0, problem.radius / float(v.norm()))
    return v


@pytest.mark.parametrize(("p", "radius"), [("inf", 0.08), (2, 0.4)])
@pytest.mark.parametrize("ahead", [1, 7])
def test_asking_ahead_changes_nothing(p, radius, ahead):
    classifier = convolutional()
    images = torch.rand(9, 1, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    some = ImageSet(classifier, images)
    problem = UniversalProblem(classifier, some.shape, Lp(p, radius), some)
    found = find_universal(UniversalDeepFool(DeepFool(steps=10), rate=1.0, passes=2, ahead=ahead), problem)
    assert torch.allclose(found.tensor, plainly(problem, 2, 10), atol=1e-12)


def test_it_ends_when_the_rate_is_reached():
    classifier = affine(classes=2, shape=(1, 3, 4))
    images = 0.5 + 0.02 * torch.randn(20, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    some = ImageSet(classifier, images)
    same = some.clean == some.clean[0]
    one_class = ImageSet(classifier, images[same])
    problem = UniversalProblem(classifier, some.shape, Lp(2, 5.0), one_class)
    found = find_universal(UniversalDeepFool(DeepFool(steps=10), rate=0.9), problem)
    assert found.made["passes"][-1]["score"] >= 0.9
    assert len(found.made["passes"]) < 4


def test_on_an_affine_network_of_two_classes_it_is_the_farthest_of_one_side():
    """All steps share one normal: v grows along it until the farthest image of a single class has crossed."""
    classifier = affine(classes=2, shape=(1, 3, 4))
    images = 0.5 + 0.02 * torch.randn(20, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every = ImageSet(classifier, images)
    some = ImageSet(classifier, images[every.clean == every.clean[0]])
    weight = classifier.module[1].weight.detach()
    normal = (weight[1] - weight[0]).reshape(1, 3, 4)
    with torch.no_grad():
        logits = classifier.logits(some.images)
    farthest = float((logits[:, 0] - logits[:, 1]).abs().max() / normal.norm())
    problem = UniversalProblem(classifier, some.shape, Lp(2, 5.0), some)
    found = find_universal(UniversalDeepFool(DeepFool(steps=10), rate=1.0), problem)
    assert float((found.tensor * normal).sum().abs() / normal.norm()) == pytest.approx(found.size, rel=1e-9)
    assert farthest <= found.size <= 1.05 * farthest


def test_at_full_length_it_ends_on_the_sphere_as_in_the_authors_code():
    classifier = convolutional()
    images = torch.rand(9, 1, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    some = ImageSet(classifier, images)
    sizes = {}
    for name, radius in (("l2", 1.0), ("linf", 1.0)):
        problem = UniversalProblem(classifier, some.shape, Lp(name[1:], radius), some)
        for full_length in (False, True):
            method = UniversalDeepFool(DeepFool(steps=10), passes=1, full_length=full_length)
            sizes[name, full_length] = find_universal(method, problem).size
    assert sizes["l2", True] == pytest.approx(1, abs=1e-6)
    assert sizes["l2", True] <= 1
    assert sizes["l2", False] < 0.9
    assert sizes["linf", True] == sizes["linf", False] < 1


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="rate is 0"):
        UniversalDeepFool(DeepFool(), rate=0)
    with pytest.raises(InputError, match="passes"):
        UniversalDeepFool(DeepFool(), passes=0)


def in_blocks(problem: UniversalProblem, steps: int, together: int) -> torch.Tensor:
    """One pass in which the steps of so many standing images are found from the same v, plainly."""
    images, classifier, v = problem.given(), problem.classifier, problem.zeros()

    def stands(row: int, v: torch.Tensor) -> bool:
        both = torch.cat([images.at(torch.tensor([row])), (images.at(torch.tensor([row])) + v).clamp(0, 1)])
        with torch.no_grad():
            clean, now = classifier.logits(both).argmax(1)
        return bool(clean == now)

    order = torch.randperm(len(images), generator=problem.generator(0)).tolist()
    while order:
        block: list[int] = []
        while order and len(block) < together:
            row = order.pop(0)
            block += [row] if stands(row, v) else []
        found = []
        for row in block:
            moved = (images.at(torch.tensor([row])) + v).clamp(0, 1)
            one = run(DeepFool(steps=steps), classifier, moved, threat=Lp(2))
            found.append((one.adversarial - moved)[0] if one.success[0] else None)
        for row, step in zip(block, found, strict=True):
            if step is not None and stands(row, v):
                v = problem.project(v + step)
    return v


@pytest.mark.parametrize("together", [1, 2, 4, 30])
def test_steps_of_several_are_found_from_the_same_v_and_left_out_where_they_are_not_needed(together):
    classifier = convolutional()
    images = torch.rand(13, 1, 6, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    some = ImageSet(classifier, images)
    problem = UniversalProblem(classifier, some.shape, Lp("inf", 0.08), some)
    method = UniversalDeepFool(DeepFool(steps=10), rate=1.0, passes=1, ahead=30, together=together)
    found = find_universal(method, problem)
    assert torch.allclose(found.tensor, in_blocks(problem, 10, together), atol=1e-12)
    with pytest.raises(InputError, match="together is 0"):
        UniversalDeepFool(DeepFool(), together=0)
