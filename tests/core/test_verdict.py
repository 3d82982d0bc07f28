"""What is judged: numbers that are none, points that nobody saw, and images that are wrong from the start."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from affine import convolutional, middle
from torch import Tensor, nn

from brittle import Attack, Classifier, Lp, Problem, Targeted, Untargeted, run


class Said(nn.Module):
    """Says what is written down for each look at the images: (looks, classes); the last line for all later ones."""

    def __init__(self, *looks: list[float]):
        super().__init__()
        self.looks, self.turn, self.own = list(looks), 0, nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        said = self.looks[min(self.turn, len(self.looks) - 1)]
        self.turn += 1
        return torch.tensor(said).expand(len(x), -1) + 0 * self.own


@dataclass(frozen=True)
class Shown(Attack):
    """Shows some images of one value each, one after the other, or all at once."""

    values: tuple[float, ...] = (0.6,)
    together: bool = False
    seen: list[Tensor] = field(default_factory=list, compare=False)

    def perturb(self, problem: Problem) -> None:
        points = torch.stack([torch.full_like(problem.images, value) for value in self.values], 1)
        owners = torch.arange(len(problem)).repeat_interleave(len(self.values))
        looks = (
            [(points.flatten(0, 1), owners)]
            if self.together
            else [(points[:, i], None) for i in range(len(self.values))]
        )
        self.seen.extend(problem.probe(each, of=of, graph=False).met for each, of in looks)


RIGHT, WRONG = [2.0, 1.0], [1.0, 2.0]
IMAGE, LABEL = torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, dtype=torch.int64)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_a_number_that_is_none_meets_no_goal_wherever_it_turns_up(bad: float, place: int):
    """While the attack looks, and in the last look, when the record holds a success already."""
    spoilt = [bad if place == i else value for i, value in enumerate(WRONG)]
    for looks, met, size in (([RIGHT, spoilt, WRONG], False, math.inf), ([RIGHT, WRONG, spoilt], True, math.inf)):
        attack = Shown()
        result = run(attack, Classifier(Said(*looks)), IMAGE, LABEL, threat=Lp("inf"))
        assert attack.seen[0].tolist() == [met]
        assert result.success.tolist() == [False]
        assert result.size.tolist() == [size]
        assert result.nonfinite_outputs.tolist() == [1]
        assert torch.isfinite(result.margin).all()
    good = run(Shown(), Classifier(Said(RIGHT, WRONG)), IMAGE, LABEL, threat=Lp("inf"))
    assert good.success.tolist() == [True]
    assert good.size.tolist() == pytest.approx([0.1])
    assert good.nonfinite_outputs.tolist() == [0]


def test_a_point_without_an_output_is_no_nearest_point_either():
    """Its stand-in, the clean logits, would be nearer than the point that was seen."""
    further, spoilt = [3.0, 1.0], [math.nan, 2.0]
    result = run(
        Shown((0.6, 0.7)), Classifier(Said(RIGHT, further, spoilt, further)), IMAGE, LABEL, threat=Lp("inf"), trace=True
    )
    assert result.adversarial.unique().tolist() == pytest.approx([0.6])
    assert result.trace.tolist()[0] == pytest.approx([-2.0, math.nan], nan_ok=True)


@pytest.mark.parametrize("together", [False, True])
def test_a_point_beyond_the_budget_is_neither_a_success_nor_the_nearest(together: bool):
    """Four passes: the clean image, two points, the last look."""
    further = [3.0, 1.0]
    for looks, value in (([RIGHT, further], 0.6), ([RIGHT, WRONG], 0.6)):
        module, attack = Said(*looks), Shown((0.6, 0.7, 0.8), together)
        result = run(attack, Classifier(module), IMAGE, LABEL, threat=Lp("inf"), budget=4, trace=True)
        assert result.adversarial.unique().tolist() == pytest.approx([value])
        assert result.forward.tolist() == [4]
        assert torch.cat(attack.seen).tolist() == [looks[1] == WRONG] * 2 + [False]
    assert module.turn <= 4


def test_without_a_pass_for_the_last_look_nothing_is_attacked():
    for budget, looks in ((1, 1), (2, 2), (3, 3)):
        module = Said(RIGHT, WRONG)
        result = run(Shown(), Classifier(module), IMAGE, LABEL, threat=Lp("inf"), budget=budget)
        assert module.turn == looks
        assert result.success.tolist() == [budget > 2]
        assert result.forward.tolist() == [looks]
        assert result.margin.tolist() == [-1.0 if budget == 1 else 1.0]


@pytest.mark.parametrize("quantization", [None, 256])
def test_an_image_that_is_wrong_from_the_start_has_size_0_whatever_the_last_look_says(quantization: int | None):
    """A network that draws random numbers may be right about the same image a moment later."""
    labels = torch.tensor([0, 1])
    module = Said(RIGHT, RIGHT, WRONG)
    images = torch.full((2, 1, 2, 2), 100 / 255)
    result = run(Shown(), Classifier(module), images, labels, threat=Lp("inf"), quantization=quantization)
    assert result.already.tolist() == [False, True]
    assert result.size.tolist() == [math.inf, 0.0]
    assert result.success.tolist() == [False, False]
    assert torch.equal(result.adversarial[1], images[1])
    if quantization:
        assert result.size_unrounded.tolist()[1] == 0.0


def test_sizes_and_successes_of_wrong_images_beside_right_ones():
    """Wrong but not at its target, an image is attacked and no success; at its target it has size 0."""
    classifier, images = convolutional(), middle(6)
    clean = classifier.logits(images).argmax(1)
    targets, labels = (clean + 1) % 4, clean.clone()
    labels[:2] = (clean[:2] + 2) % 4
    targets[1] = clean[1]
    points = images.clone()
    other = {int(label): image for label, image in zip(clean, images, strict=True)}

    @dataclass(frozen=True)
    class Given(Attack):
        def perturb(self, problem: Problem) -> None:
            shown.append(problem.ids.tolist())
            problem.probe(points[problem.ids])

    shown: list[list[int]] = []
    for row, target in enumerate(targets):
        points[row] = other.get(int(target), images[row])
    reached = classifier.logits(points).argmax(1) == targets
    result = run(Given(), classifier, images, labels, goal=Targeted(targets), threat=Lp(2))
    assert shown == [[0, 2, 3, 4, 5]]
    assert result.already.tolist() == [False, True, False, False, False, False]
    assert result.size[1] == 0
    assert not result.success[:2].any()
    assert torch.equal(result.success[2:], reached[2:])
    found = reached & ~result.already
    torch.testing.assert_close(result.size[found], Lp(2).size(images, points)[found])
    assert found[2:].any()


def test_a_goal_met_from_the_start_is_nothing_to_attack_even_with_confidence():
    """An image that is wrong by less than the confidence has not met the goal."""
    for confidence, already in ((0.5, True), (1.0, True), (1.5, False)):
        module, attack = Said(WRONG, [1.0, 4.0]), Shown()
        goal = Untargeted(LABEL, confidence=confidence)
        result = run(attack, Classifier(module), IMAGE, goal=goal, threat=Lp("inf"))
        assert result.already.tolist() == [already]
        assert len(attack.seen) == (not already)
        assert result.size.tolist() == pytest.approx([0.0 if already else 0.1])
        assert result.success.tolist() == [not already]
