"""The edges of what the core takes and says: hints in messages, least budgets, errors of the network's own way back."""

import os

import numpy as np
import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

from brittle import (
    BoundsError,
    Classifier,
    DeepFool,
    Goal,
    InputError,
    Lp,
    ModelError,
    Problem,
    Untargeted,
    run,
)
from brittle.base.seeds import Streams
from brittle.classifiers.probabilities import explained, seem_probabilities, seem_sigmoid
from brittle.core.goal import Targeted
from brittle.core.inputs import as_images, check_radius, placed
from brittle.core.record import Record

BOX = Classifier(nn.Identity()).bounds
WIDE = Classifier(nn.Identity(), (0, 2)).bounds


def problem_of(classifier: Classifier, images: Tensor, goal: Goal | None = None, limit: int = 100) -> Problem:
    clean = classifier.logits(images).detach()
    ids, threat = torch.arange(len(images)), Lp(2)
    goal = goal or Untargeted(clean.argmax(1))
    return Problem(classifier, images, clean, goal, threat, ids, Record(images), Streams(0, ids, images.dtype), limit)


class Picture:
    """Has what a picture of Pillow has."""

    @property
    def __array_interface__(self) -> dict[str, int]:
        return {"version": 3}


@pytest.mark.skipif("BRITTLE_SHAPES" in os.environ, reason="the run-time checker refuses these first")
@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ([[0.5]], r"; give torch.as_tensor\(...\) of them$"),
        (((0.5,),), r"; give torch.as_tensor\(...\) of them$"),
        (Picture(), r"; give numpy.asarray\(...\) of it$"),
        ({0.5}, r"; expected a tensor \(n, channels, height, width\)$"),
        (None, r"; expected a tensor \(n, channels, height, width\)$"),
    ],
)
def test_what_is_no_tensor_is_told_how_to_become_one(given: object, mend: str):
    with pytest.raises(InputError, match=mend):
        as_images(given, BOX)  # pyright: ignore[reportArgumentType]


def reaching(lowest: float, highest: float) -> Tensor:
    images = torch.full((2, 1, 1, 2), 0.5)
    images[1, 0, 0] = torch.tensor([lowest, highest])
    return images


@pytest.mark.parametrize(
    ("lowest", "highest", "bounds", "mend"),
    [
        (0.0, 255.0, BOX, "divide them by 255"),
        (0.0, 1.51, BOX, "divide them by 255"),
        (0.0, 1.5, BOX, "clamp them"),
        (0.0, 255.5, BOX, "clamp them"),
        (0.0, 200.0, WIDE, "clamp them"),
        (-0.5, 1.0, BOX, "they look normalised"),
        (-4.9, 5.0, BOX, "they look normalised"),
        (-5.0, 5.0, BOX, "clamp them"),
        (-9.9, 10.0, WIDE, "they look normalised"),
        (-0.0, 3.0, BOX, "divide them by 255"),
    ],
)
def test_images_beyond_the_box_are_told_what_they_look_like(lowest: float, highest: float, bounds, mend: str):
    with pytest.raises(BoundsError, match=rf"\(image 1 is the first outside .*\); {mend}"):
        as_images(reaching(lowest, highest), bounds)


@pytest.mark.parametrize("span", [1.0, 2.0])
def test_values_at_the_tolerance_are_taken_and_beyond_it_refused(span: float):
    classifier = Classifier(nn.Identity().double(), (0, span))
    for low, high in ((-1.0, 0.0), (0.0, 1.0)):
        for beyond in (0.9e-6 * span, 1.1e-6 * span):
            images = torch.tensor([[[[beyond * low, span + beyond * high]]]], dtype=torch.float64)
            if beyond < 1e-6 * span:
                inside = placed(as_images(images, classifier.bounds), classifier)
                assert 0 <= inside.amin() <= inside.amax() <= span
            else:
                with pytest.raises(BoundsError, match="image 0 is the first outside"):
                    as_images(images, classifier.bounds)


@pytest.mark.parametrize(
    ("radius", "bounds", "mend"),
    [
        (255, BOX, "write 255/255 for 255 levels of 255"),
        (256, BOX, "give it in the units of the images"),
        (8, WIDE, "give it in the units of the images"),
    ],
)
def test_a_radius_in_levels_is_told_how_it_is_written(radius: float, bounds, mend: str):
    with pytest.raises(InputError, match=mend):
        check_radius(Lp("inf", radius), torch.zeros(1, 1, 1, 2), bounds)


def test_bytes_in_eighths_are_taken_where_torch_holds_them():
    images = torch.tensor([[[[0.25, 0.5]]]])
    assert torch.equal(as_images(images.to(torch.float8_e4m3fn), BOX), images)
    assert as_images(images.half(), BOX).dtype == torch.float16


@pytest.mark.parametrize(("eot_samples", "least"), [(1, 1), (2, 5), (3, 7)])
def test_the_least_budget_is_named_where_less_is_given(eot_samples: int, least: int):
    for budget, taken in ((least, True), (least - 1, False)):
        options = {"threat": Lp(2), "eot_samples": eot_samples, "budget": budget}
        if taken:
            assert (run(DeepFool(), affine(), middle(2), **options).forward <= budget).all()
        elif budget:
            with pytest.raises(InputError, match=rf"^budget is {budget}; expected at least {least}"):
                run(DeepFool(), affine(), middle(2), **options)


@pytest.mark.parametrize(
    ("ids", "message"), [(torch.arange(3), "there are 3 ids"), (torch.rand(2), "the ids are torch.float32")]
)
def test_identities_that_are_none_are_refused_by_that_name(ids: Tensor, message: str):
    with pytest.raises(InputError, match=message):
        run(DeepFool(), affine(), middle(2), threat=Lp(2), ids=ids)


def test_targets_and_labels_of_goals_are_named_apart():
    wrong = torch.tensor([0, 9])
    for goal, name in ((Targeted(wrong), "of the targets are"), (Untargeted(wrong), "of the labels of the goal are")):
        with pytest.raises(InputError, match=f"1 {name} no class"):
            run(DeepFool(), affine(), middle(2), goal=goal, threat=Lp(2))


class Trips(torch.autograd.Function):
    """An error of its own on the first way back, none on the second."""

    tripped = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *gradients):
        Trips.tripped += 1
        if Trips.tripped == 1:
            raise RuntimeError("the user's own trouble")
        return gradients[0]


class Stumbling(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = affine().module

    def forward(self, x: Tensor) -> Tensor:
        return Trips.apply(self.inner(x))  # pyright: ignore[reportReturnType]


def test_an_error_on_the_way_back_that_is_the_networks_own_is_not_tried_again():
    """DeepFool goes back through one graph for several classes, as compiled networks do not let it."""
    Trips.tripped = 0
    with pytest.raises(RuntimeError, match="the user's own trouble"):
        run(DeepFool(), Classifier(Stumbling()), middle(2), threat=Lp(2))
    assert Trips.tripped == 1


class OptimizedModule(nn.Module):
    """Goes by the name of what torch.compile makes, and takes leaves alone, as that does without a warning."""

    def __init__(self):
        super().__init__()
        self.inner, self.leaves = convolutional().module, []

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            self.leaves.append(x.is_leaf)
        return self.inner(x)


def test_compiled_networks_are_given_leaves():
    compiled = OptimizedModule()
    expected = run(DeepFool(), Classifier(compiled.inner), middle(3), threat=Lp(2))
    found = run(DeepFool(), Classifier(compiled), middle(3), threat=Lp(2))
    assert compiled.leaves
    assert all(compiled.leaves)
    torch.testing.assert_close(found.size, expected.size)


@pytest.mark.parametrize(
    "said",
    [
        torch.zeros(2, dtype=torch.bool), torch.zeros(2), torch.zeros(2, 3),
        torch.zeros(2, 1, dtype=torch.int64), torch.zeros(3, dtype=torch.int64),
    ],
)  # fmt: skip
def test_class_numbers_are_whole_numbers_one_for_each_image(said: Tensor):
    with pytest.raises(ModelError, match=rf"returns shape .* of {said.dtype} for 2 images; expected whole numbers"):
        Classifier(lambda images: said, labels=3).logits(torch.zeros(2, 1, 1, 1))


def test_whole_numbers_of_every_type_are_classes():
    for kind in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        logits = Classifier(lambda images, kind=kind: torch.tensor([0, 2]).to(kind), labels=3).logits(
            torch.zeros(2, 1, 1, 1)
        )
        assert logits.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_without_a_graph_no_point_is_known_to_be_unusable():
    problem = problem_of(affine(), middle(3))
    assert problem.probe(problem.images, graph=False).unusable is None
    assert problem.probe(problem.images).unusable is None


def test_a_value_beyond_one_is_no_probability_however_coarsely_its_row_is_rounded():
    """Sixty classes in hundredths may sum to 1.3, but no class may say 1.2."""
    rows = torch.zeros(40, 60)
    rows[:, 0] = 1.2
    rows[torch.arange(40), 1 + torch.arange(40)] = 0.05
    assert explained(rows) == pytest.approx(0.3)
    assert not seem_probabilities(rows)
    rows[:, 0] = 1.0
    assert seem_probabilities(rows)


@pytest.mark.parametrize(("extra", "seem"), [(3, True), (5, False)])
def test_halves_explain_two_units_in_the_last_place_and_no_more(extra: int, seem: bool):
    """Rows of bfloat16, whose sum is so many 256ths beyond 1: two units in the last place of 1 are 4 of them."""
    first = torch.arange(130, 170).float() / 256
    rows = torch.stack([first, (256 + extra) / 256 - first], 1)
    assert torch.equal(rows.bfloat16().float(), rows)
    assert seem_probabilities(rows) == seem


def test_a_sigmoid_is_told_by_eight_images_on_both_sides_of_a_half():
    eight = torch.linspace(0.0, 1.0, 8)
    assert seem_sigmoid(eight)
    assert not seem_sigmoid(eight[:7] + 0.1)
    assert not seem_sigmoid(torch.linspace(0.5, 1.0, 9))
    assert not seem_sigmoid(torch.linspace(0.0, 0.5, 9))
    assert not seem_sigmoid(torch.linspace(-0.1, 1.0, 9))
    assert not seem_sigmoid(torch.linspace(0.0, 1.1, 9))


def test_arrays_of_every_kind_of_number_are_read():
    for kind in (np.uint8, np.float16, np.float32, np.float64, ">f4", ">f8"):
        images = as_images(np.zeros((1, 1, 2, 2), kind), BOX)
        assert images.is_floating_point()
        assert not images.any()
    for kind in (np.complex64, np.longdouble, "U1"):
        with pytest.raises(InputError, match="expected numbers"):
            as_images(np.zeros((1, 1, 2, 2), kind), BOX)
