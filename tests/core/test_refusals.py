"""What is invalid is refused with the figures seen and the way out."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from affine import middle
from torch import nn

from brittle import (
    FGSM,
    PGD,
    Attack,
    BasicIterative,
    BoundsError,
    Cascade,
    Classifier,
    DeepFool,
    Flow,
    InputError,
    LabelError,
    Lp,
    ModelError,
    Pixels,
    RandomDirection,
    RandomNoise,
    Restarts,
    SmallestRadius,
    Targeted,
    Untargeted,
    run,
)
from brittle.core.inputs import as_images, as_labels

RADIUS = Lp("inf", 0.1)
IMAGES = middle(6).float()


def network(classes: int = 3, *tail: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, classes), *tail)


def attacked(images=IMAGES, labels=None, classifier=None, **options):
    return run(FGSM(), classifier or Classifier(network()), images, labels, threat=RADIUS, **options)


def having(value: float, image: int = 2, images: torch.Tensor = IMAGES) -> torch.Tensor:
    images = images.clone()
    images[image, 0, 1, 1] = value
    return images


@pytest.mark.parametrize(
    ("images", "bounds", "message"),
    [
        (having(1.25), (0, 1), r"from 0\.3\d+ to 1.25 \(image 2 is the first outside 0..1\); clamp them, or say the"),
        ((IMAGES - 0.5) / 0.25, (0, 1), r"from -0.7\d+ to 0.7\d+ \(image 0 .*\); they look normalised: .* inside the"),
        (IMAGES * 200, (0, 1), r"to 140 \(image 0 .* divide them by 255, give them as uint8, or .*bounds=\(0, 255\)"),
        (having(-400.0), (0, 1), r"from -400 to .* \(image 2 .* clamp them"),
        (having(300.0), (0, 255), r"to 300 \(image 2 is the first outside 0..255\); clamp them"),
        (having(torch.nan), (0, 1), r"image 2 holds NaN or infinite values; expected 0..1"),
        (having(torch.inf, 4), (0, 1), r"image 4 holds NaN or infinite values; expected 0..1"),
        (having(-torch.inf, 4), (0, 1), r"image 4 holds NaN or infinite values"),
    ],
)  # fmt: skip
def test_values_outside_the_box(images, bounds, message):
    with pytest.raises(BoundsError, match=message):
        attacked(images, classifier=Classifier(network(), bounds))


def test_values_outside_by_rounding_alone_are_clamped_and_leave_no_trace():
    result = attacked(having(-5e-7, 1, having(1 + 5e-7)))
    assert result.adversarial.min() >= 0
    assert result.adversarial.max() <= 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[0], r"shape \(1, 3, 4\); expected \(n, channels, height, width\); a single image needs images\[None\]"),
        (IMAGES.flatten(1), r"shape \(6, 12\); expected \(n, channels, height, width\)$"),
        ((IMAGES * 255).long(), r"the images are torch.int64; expected floats in 0..1, or uint8"),
        (IMAGES.bool(), r"the images are torch.bool"),
        (np.full((2, 1, 3, 4), "x"), r"an array of <U1; expected numbers"),
        (np.full((2, 1, 3, 4), None), r"an array of object; expected numbers"),
    ],
)
def test_images_of_another_shape_or_type(images, message):
    with pytest.raises(InputError, match=message):
        attacked(images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(5, dtype=torch.int64), r"there are 5 labels of shape \(5,\) for 6 images; expected one per image"),
        (torch.eye(3)[[0, 1, 2, 0, 1, 2]], r"the labels have shape \(6, 3\): one-hot rows\? give their argmax\(1\)"),
        (torch.zeros(6, 1, dtype=torch.int64), r"the labels have shape \(6, 1\); expected \(6,\): give their \[:, 0\]"),
        (torch.zeros(6), r"the labels are torch.float32; expected whole numbers \(int64\)"),
        (torch.zeros(6, dtype=torch.bool), r"the labels are torch.bool; expected whole numbers"),
        (torch.tensor([0, 1, 2, 3, 9, 0]), r"2 of the labels .* image 3 has 3, the network has 3 outputs, .*0 to 2"),
        (torch.tensor([0, 1, -1, 0, 0, 0]), r"1 of the labels .* image 2 has -1, the network has 3 outputs"),
        (np.array(["cat"] * 6), r"the labels are an array of <U3; expected numbers"),
    ],
)
def test_labels_that_are_not_the_images_classes(labels, message):
    with pytest.raises(LabelError, match=message):
        attacked(labels=labels)


def test_a_wrong_label_far_behind_is_named_before_anything_is_attacked():
    labels = torch.tensor([0, 0, 0, 0, 0, 7])
    seen = []
    with pytest.raises(LabelError, match="image 5 has 7"):
        attacked(labels=labels, batch=2, progress=seen.append)
    with pytest.raises(LabelError, match="1 of the targets are no class of the network: image 5 has 7"):
        attacked(goal=Targeted(labels), batch=2, progress=seen.append)
    assert seen == []


@pytest.mark.parametrize(("goal", "what"), [(Targeted, "targets"), (Untargeted, "labels of the goal")])
def test_goals_of_another_number_of_images(goal, what):
    with pytest.raises(LabelError, match=rf"there are 4 {what} of shape \(4,\) for 6 images"):
        attacked(goal=goal(torch.zeros(4, dtype=torch.int64)))


def test_identities_of_another_number():
    with pytest.raises(LabelError, match=r"there are 2 ids of shape \(2,\) for 6 images"):
        attacked(ids=torch.arange(2))


class Fixed(nn.Module):
    """Returns what it is told, whatever it sees."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.full((6, 3), torch.nan), "NaN or infinite for 6 of 6 images; look at the weights and at the"),
        (torch.eye(6).log(), "NaN or infinite for 6 of 6 images"),
        (torch.zeros(6, 3, 2), r"returns shape \(6, 3, 2\) for 6 images; .*; for a depth for every pixel"),
        (torch.zeros(5, 3), r"returns shape \(5, 3\) for 6 images; expected \(6, classes\)"),
        (torch.zeros(6), r"returns shape \(6,\) for 6 images; expected \(6, classes\)"),
        ((torch.zeros(6, 3), None), "the network returns a tuple of 2; expected a tensor of logits, or an object with"),
        ({"out": torch.zeros(6, 3)}, "the network returns a dict with 'out'; expected a tensor of logits"),
        (torch.zeros(6, 1), r"one output per image, so there is no second class .* Classifier\(module, binary=True\)"),
    ],
)  # fmt: skip
def test_outputs_that_are_not_logits(output, message):
    with pytest.raises(ModelError, match=message):
        attacked(classifier=Classifier(Fixed(output)))


def test_probabilities():
    with pytest.raises(
        ModelError, match=r"in 0..1 and sum to 1: they look like probabilities.*remove the final softmax"
    ):
        attacked(classifier=Classifier(network(3, nn.Softmax(1))))
    attacked(classifier=Classifier(network(3, nn.Sigmoid())))  # within 0..1 alone is no proof
    attacked(classifier=Classifier(network(3, nn.LogSoftmax(1))))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.full((6, 4), 0.3), r"6 of 6 images it does not: for image 0 they reach from 0.3 to 0.3 and sum to 1.2;"),
        (torch.tensor([[0.5, 0.5]] * 5 + [[1.5, -0.5]]), r"1 of 6 .* for image 5 they reach from -0.5 to 1.5 and sum"),
        (torch.full((6, 3), torch.nan), "probabilities, but for 6 of 6"),
        (torch.full((6, 2), 0.5).log(), "to -1.386; expected .* sum to 1 within 0.001; leave out probabilities=True"),
        (torch.ones(6, 1), r"one output per image, so there is no second class"),
        (torch.zeros(5, 3), r"for image 0 they reach from 0 to 0"),
        ([0.5, 0.5], "the network returns a list"),
    ],
)  # fmt: skip
def test_outputs_that_are_not_the_probabilities_they_were_said_to_be(output, message):
    with pytest.raises(ModelError, match=message):
        attacked(classifier=Classifier(Fixed(output), probabilities=True))


def test_a_single_output_that_is_no_probability():
    with pytest.raises(ModelError, match=r"for 1 of 6 .* image 3 .* expected a number in 0..1; leave out"):
        attacked(classifier=Classifier(Fixed(torch.tensor([0, 0.5, 1, 1.2, 0, 0])), binary=True, probabilities=True))


def test_a_network_that_is_nan_for_some_images_alone():
    class Sometimes(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] + (x.amax((1, 2, 3)) == 1)[:, None].float().log() * 0

    with pytest.raises(ModelError, match="NaN or infinite for 5 of 6 images"):
        attacked(having(1.0), classifier=Classifier(Sometimes()))


@pytest.mark.parametrize("shape", [(6, 2), (6, 3, 1), (5, 1)])
def test_a_binary_network_with_other_outputs(shape):
    with pytest.raises(ModelError, match=rf"shape {re.escape(str(shape))} for 6 images and was said to be binary"):
        attacked(classifier=Classifier(Fixed(torch.zeros(shape)), binary=True))


@pytest.mark.parametrize("bounds", [(1, 0), (0.5, 0.5), (0, torch.inf), (torch.nan, 1)])
def test_bounds_that_hold_nothing(bounds):
    with pytest.raises(InputError, match=r"the bounds are .* and .*; expected two|bounds is a tuple; expected Bounds"):
        Classifier(network(), bounds)


@pytest.mark.parametrize("attack", [PGD(), FGSM(), BasicIterative(), RandomNoise()], ids=lambda a: type(a).__name__)
def test_no_radius_where_one_is_needed(attack):
    name = type(attack).__name__
    with pytest.raises(
        InputError,
        match=rf"{name} works within a radius and linf was given none; give a finite one .*Lp\('inf', radius\)",
    ):
        run(attack, Classifier(network()), IMAGES, threat=Lp("inf"))
    some = torch.tensor([0.1] * 5 + [torch.inf])
    with pytest.raises(InputError, match=rf"{name} works within a radius"):
        run(attack, Classifier(network()), IMAGES, threat=Lp("inf", some))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PGD(steps=0), "steps is 0; expected at least 1"),
        (lambda: PGD(restarts=0), "restarts is 0; expected at least 1"),
        (lambda: PGD(step_size=-0.1), "step_size is -0.1; expected at least 0"),
        (lambda: PGD(kappa=-1), "kappa is -1; expected at least 0"),
        (lambda: PGD(sparsity=1.0), "sparsity is 1.0; expected a fraction from 0 up to, but not including, 1"),
        (lambda: PGD(sparsity=-0.1), "sparsity is -0.1; expected a fraction from"),
        (lambda: DeepFool(steps=0), "steps is 0; expected at least 1"),
        (lambda: DeepFool(overshoot=-0.02), "overshoot is -0.02; expected at least 0"),
        (lambda: DeepFool(overshoot=float("nan")), "overshoot is nan; expected a number"),
        (lambda: DeepFool(candidates=1), "candidates is 1; expected at least 2"),
        (lambda: DeepFool(nudge=-1.0), "nudge is -1.0; expected at least 0"),
        (lambda: DeepFool(slack=0.5), "slack is 0.5; expected at least 1"),
        (lambda: DeepFool(box=-0.5), "box is -0.5; expected a fraction from 0"),
        (lambda: DeepFool(box=1.5), "box is 1.5; expected a fraction from 0"),
        (lambda: BasicIterative(step_size=-1.0), "step_size is -1.0; expected at least 0"),
        (lambda: BasicIterative(steps=0), "steps is 0; expected at least 1"),
        (lambda: RandomNoise(draws=0), "draws is 0; expected at least 1"),
        (lambda: RandomDirection(directions=0), "directions is 0; expected at least 1"),
        (lambda: RandomDirection(doublings=-1), "doublings is -1; expected at least 0"),
        (lambda: RandomDirection(bisections=-1), "bisections is -1; expected at least 0"),
        (lambda: attacked(batch=0), "batch is 0; expected at least 1"),
        (lambda: attacked(budget=0), "budget is 0; expected at least 1"),
    ],
)
def test_hyper_parameters_that_mean_nothing(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_dlr_needs_classes():
    two, three = Classifier(network(2)), Classifier(network(3))
    with pytest.raises(
        InputError, match="DLR loss of an untargeted attack needs 3 classes, the network has 2; use loss=margin"
    ):
        run(PGD(loss="dlr"), two, IMAGES, threat=RADIUS)
    aim = Targeted((three.logits(IMAGES).argmax(1) + 1) % 3)
    with pytest.raises(InputError, match="DLR loss of a targeted attack needs 4 classes, the network has 3"):
        run(PGD(loss="dlr"), three, IMAGES, goal=aim, threat=RADIUS)


def unchecked(function):
    """The function without the tests' type checker, as in production."""
    return getattr(function, "__wrapped__", function)


def test_what_is_no_tensor_at_all():
    with pytest.raises(InputError, match=r"the images are a list; expected a tensor \(n, channels, height, width\)"):
        unchecked(as_images)([[1.0]], Classifier(network()).bounds)
    with pytest.raises(LabelError, match=r"the labels are a list; expected an int64 tensor \(6,\)"):
        unchecked(as_labels)([1, 2], IMAGES)
    with pytest.raises(
        ModelError,
        match=r"the network is 'network.pt2'; expected a torch.nn.Module from images to logits, or another",
    ):
        unchecked(Classifier.__init__)(object.__new__(Classifier), "network.pt2")
    with pytest.raises(ModelError, match=r"the network is the class Fixed; expected"):
        Classifier(Fixed)


def test_a_network_whose_outputs_vanish_is_not_refused():
    """A constant two-class network is poor, but a network."""
    assert len(attacked(classifier=Classifier(network(2)))) == 6


def test_an_attack_whose_images_nobody_would_look_at():
    @dataclass(frozen=True)
    class Returning(Attack):
        """Returns what it found, as other libraries' attacks do."""

        def perturb(self, problem):
            return problem.images + 0.1

    for attack in (Returning(), Restarts(Returning(), 2), Cascade((FGSM(), Returning())), SmallestRadius(Returning())):
        with pytest.raises(InputError, match=r"Returning.perturb returned a Tensor, which nothing looks at; show"):
            run(attack, Classifier(network()), IMAGES, threat=RADIUS)


@pytest.mark.parametrize(
    ("threat", "message"),
    [
        (Lp("inf", 8), r"the linf radius 8 allows more than any change of such images can be \(at most 1\).* 8/255"),
        (Lp("inf", 8.0), r"write 8/255 for 8 levels of 255"),
        (Lp(2, 100), r"the l2 radius 100 allows more than .* \(at most 3.46"),
        (Lp(0, 13), r"the l0 radius 13 allows more than .* \(at most 12\)"),
        (Pixels(13), r"the pixels radius 13 allows more"),
        (Flow(50), r"the flow radius 50 allows more"),
    ],
)
def test_a_radius_larger_than_any_change(threat, message):
    with pytest.raises(InputError, match=message):
        run(RandomNoise(draws=2), Classifier(network()), IMAGES, threat=threat)


def test_radii_that_reach_all_there_is_are_taken():
    for threat in (Lp("inf", 1.0), Lp(2, 12**0.5), Lp(0, 12), Lp("inf", torch.full((6,), 2.0))):
        assert len(run(RandomNoise(draws=2), Classifier(network()), IMAGES, threat=threat)) == 6
    wide = Classifier(network(), bounds=(0, 255))
    assert len(run(RandomNoise(draws=2), wide, IMAGES * 255, threat=Lp("inf", 8))) == 6
