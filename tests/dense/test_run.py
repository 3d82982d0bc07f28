"""`run_dense`: what it says of every image, and what it does not take."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from brittle import (
    PGD,
    Attack,
    Classifier,
    InputError,
    LabelError,
    Lp,
    PixelDescent,
    Problem,
    Restarts,
    run_dense,
)
from dense.pointwise import distances, middle, pointwise

LINF, QUICK = Lp("inf"), PixelDescent(steps=20)


@dataclass(frozen=True)
class Shift(Attack):
    """Adds a number everywhere."""

    dense: ClassVar[bool] = True
    by: float = 0.1

    def perturb(self, problem: Problem) -> None:
        problem.probe(problem.images + self.by)


@dataclass(frozen=True)
class Idle(Attack):
    """Proposes nothing."""

    dense: ClassVar[bool] = True

    def perturb(self, problem: Problem) -> None:
        pass


class Threshold(nn.Module):
    """A pixel is of class 1 where its value is above 0.6, of class 0 elsewhere; another size than the image's."""

    def forward(self, images):
        cut = images[:, :1, ::2]
        return torch.cat([torch.zeros_like(cut), cut - 0.6], 1)


def threshold():
    return Classifier(Threshold())


RAMP = torch.linspace(0.1, 0.5, 8).reshape(1, 1, 4, 2)
"""Its rows 0 and 2 are seen: 0.10, 0.16, 0.33, 0.39."""


def test_the_share_decides_and_is_measured_in_the_output():
    tall = RAMP.expand(1, 1, 4, 2)
    for by, share in ((0.22, 0.25), (0.28, 0.5), (0.45, 0.75), (0.51, 1.0)):
        result = run_dense(Shift(by), threshold(), tall, share=share, threat=LINF)
        assert result.success.tolist() == [True]
        assert result.share.tolist() == [share]
        assert result.map.shape == (1, 2, 2)
        assert result.size.item() == pytest.approx(by, abs=1e-6)
        short = run_dense(Shift(by - 0.02), threshold(), tall, share=share, threat=LINF)
        assert short.success.tolist() == [False]
        assert short.size.tolist() == [torch.inf]


def test_what_is_found_holds_in_a_fresh_pass_and_is_measured_anew():
    classifier, images = pointwise(), middle()
    result = run_dense(QUICK, classifier, images, share=0.9, threat=LINF)
    clean, after = (classifier.module(x).argmax(1) for x in (images, result.adversarial))
    assert torch.equal(result.clean_map, clean)
    assert torch.equal(result.map, after)
    torch.testing.assert_close(result.share, (clean != after).double().mean((1, 2)))
    assert torch.equal(result.success, (result.share >= 0.9))
    torch.testing.assert_close(result.size, (result.adversarial - images).abs().amax((1, 2, 3)))
    assert not result.clean_share.any()


def test_pixels_that_are_wrong_before_count_as_wrong():
    classifier, images = pointwise(), middle(2)
    labels = classifier.module(images).argmax(1)
    labels[0] = (labels[0] + 1) % 3
    labels[1, :3] = (labels[1, :3] + 1) % 3
    result = run_dense(QUICK, classifier, images, labels, share=0.6, threat=LINF)
    assert result.already.tolist() == [True, False]
    assert result.clean_share.tolist() == [1.0, 0.5]
    assert result.size[0] == 0
    assert not result.success[0]
    assert torch.equal(result.adversarial[0], images[0])
    assert result.forward.tolist()[0] == 2


@pytest.mark.parametrize("how", ["counted", "void"])
def test_pixels_that_do_not_count_are_left_out(how):
    classifier, images = pointwise(), middle(1)
    labels = classifier.module(images).argmax(1)
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, :2] = True
    given = {"counted": mask} if how == "counted" else {"void": 255}
    asked = labels if how == "counted" else torch.where(mask, labels, 255)
    result = run_dense(PixelDescent(steps=60), classifier, images, asked, share=1.0, threat=LINF, **given)
    least = float(distances(classifier, images, 1)[0, :12].max())
    assert least <= float(result.size) <= 1.1 * least
    moved = (result.adversarial - images).abs().amax(1)[0]
    assert not moved[2:].any(), "pixels that do not count and see none that does stay as they are"


class Counted(nn.Module):
    """Counts its passes."""

    def __init__(self, module):
        super().__init__()
        self.module, self.forwards, self.backwards = module, 0, 0

    def forward(self, images):
        outputs = self.module(images)
        self.forwards += len(images)
        if outputs.requires_grad:
            outputs.register_hook(lambda _: setattr(self, "backwards", self.backwards + len(images)))
        return outputs


@pytest.mark.parametrize("budget", [None, 21, 3])
def test_passes_are_those_that_are_made(budget):
    counted = Counted(pointwise().module)
    result = run_dense(QUICK, Classifier(counted), middle(3), threat=LINF, budget=budget)
    assert (int(result.forward.sum()), int(result.backward.sum())) == (counted.forwards, counted.backwards)
    if budget is None:
        assert result.forward.tolist() == [23] * 3
        assert result.backward.tolist() == [20] * 3
        assert result.iterations.tolist() == [20] * 3
    else:
        assert (result.forward + result.backward <= budget + 1).all()


def test_neither_the_batch_nor_the_others_in_it_matter():
    classifier, images = pointwise(), middle(5)
    one, three = (run_dense(QUICK, classifier, images, threat=LINF, batch=batch) for batch in (1, 3))
    torch.testing.assert_close(one.adversarial, three.adversarial)
    order = torch.tensor([3, 0, 4, 2, 1])
    turned = run_dense(QUICK, classifier, images[order], threat=LINF, batch=5)
    torch.testing.assert_close(turned.size, one.size[order])


def test_the_same_question_gets_the_same_bits():
    first, second = (run_dense(QUICK, pointwise(), middle(), threat=LINF) for _ in range(2))
    assert torch.equal(first.adversarial, second.adversarial)


def test_other_bounds_give_the_same_in_their_units():
    unit, images = pointwise(), middle().float()

    class Bytes(nn.Module):
        def forward(self, x):
            return unit.module(x.double() / 255)

    plain = run_dense(QUICK, unit, images, threat=LINF)
    other = run_dense(QUICK, Classifier(Bytes(), (0, 255)), images * 255, threat=LINF)
    torch.testing.assert_close(other.size.double() / 255, plain.size.double(), rtol=1e-3, atol=0)


def test_a_confidence_is_won_by_each_pixel_that_is_needed():
    classifier, images = pointwise(), middle(2)
    result = run_dense(PixelDescent(steps=60), classifier, images, threat=LINF, confidence=0.2)
    assert result.success.all()
    assert (result.margin >= 0.2 * (1 - 1e-6)).all()


def test_an_attack_that_does_nothing_breaks_nothing():
    result = run_dense(Idle(), pointwise(), middle(2), threat=LINF)
    assert not result.success.any()
    assert torch.isinf(result.size).all()
    assert torch.equal(result.adversarial, middle(2))


def test_changes_beyond_the_radius_do_not_count():
    assert run_dense(Shift(0.6), threshold(), RAMP, threat=LINF).success.all()
    held = run_dense(Shift(0.6), threshold(), RAMP, threat=Lp("inf", 0.55))
    assert not held.success.any()
    assert torch.equal(held.adversarial, RAMP)


class Hole(nn.Module):
    """Says NaN where the image is bright."""

    def forward(self, images):
        outputs = Threshold()(images)
        return torch.where(images.amax((1, 2, 3), keepdim=True) > 0.9, torch.nan, outputs)


def test_points_without_a_finite_output_do_not_count():
    result = run_dense(Shift(0.6), Classifier(Hole()), RAMP, threat=LINF)
    assert not result.success.any()
    assert result.nonfinite_outputs.tolist() == [1]


def test_the_network_is_left_as_it_was_found():
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 3, 1)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.rand(2, 2, 6, 6)
    kept, state = images.clone(), torch.get_rng_state()
    with torch.no_grad():
        run_dense(QUICK, Classifier(network), images, threat=LINF)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert torch.equal(images, kept)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_are_no_trouble(count):
    result = run_dense(QUICK, pointwise(), middle(count), threat=LINF)
    assert len(result) == count
    assert result.table().num_rows == count


def test_the_table_has_a_column_for_every_number():
    names = run_dense(QUICK, pointwise(), middle(2), threat=LINF).table().column_names
    assert {"size", "linf", "l2", "share", "clean_share", "forward", "seconds"} <= {*names}
    assert not {"adversarial", "map", "clean_map"} & {*names}


def test_bytes_and_arrays_are_taken():
    images = (middle(2) * 255).to(torch.uint8)
    labels = np.zeros((2, 6, 6), dtype=np.uint8)
    assert len(run_dense(QUICK, pointwise(), images, labels, threat=LINF)) == 2


def test_progress_is_told():
    told = []
    run_dense(QUICK, pointwise(), middle(5), threat=LINF, batch=2, progress=told.append)
    assert told == [2, 2, 1]


def test_a_search_around_an_attack_takes_pixels_where_its_attack_does():
    assert run_dense(Restarts(Shift(0.6), 2), threshold(), RAMP, threat=LINF).success.all()


class Crammed(nn.Module):
    """A network on a device that holds only so many images at once."""

    def __init__(self, room: int):
        super().__init__()
        self.inner, self.room, self.sizes = pointwise().module, room, []

    def forward(self, images):
        self.sizes.append(len(images))
        if len(images) > self.room:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return self.inner(images)


def test_out_of_memory_halves_the_batch_and_goes_on():
    crammed, told = Crammed(2), []
    result = run_dense(QUICK, Classifier(crammed), middle(7), threat=LINF, batch=6, progress=told.append)
    whole = run_dense(QUICK, pointwise(), middle(7), threat=LINF, batch=6)
    torch.testing.assert_close(result.adversarial, whole.adversarial)
    assert result.forward.tolist() == whole.forward.tolist()
    assert [size for size in crammed.sizes if size > 2] == [6, 3]
    assert told == [1] * 7


@pytest.mark.parametrize(("room", "budget"), [(0, None), (2, 20)])
def test_out_of_memory_is_said_where_nothing_can_be_done_again(room, budget):
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run_dense(QUICK, Classifier(Crammed(room)), middle(3), threat=LINF, batch=4, budget=budget)


MAPS = torch.zeros(2, 6, 6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"attack": PGD(), "threat": Lp("inf", 0.1)}, InputError, "PGD goes by one class per image"),
        ({"attack": Restarts(PGD(), 2), "threat": Lp("inf", 0.1)}, InputError, "one class per image"),
        ({"labels": MAPS, "targets": MAPS}, InputError, "both labels and targets"),
        ({"share": 0.0}, InputError, "share is 0.0"),
        ({"share": 99.0}, InputError, "share is 99.0"),
        ({"void": 255}, InputError, "void=255 was given without"),
        ({"labels": MAPS[:1]}, LabelError, r"shape \(1, 6, 6\) for 2 images"),
        ({"labels": MAPS[:, None]}, LabelError, "axis of one channel"),
        ({"labels": MAPS.float()}, LabelError, "float32"),
        ({"labels": [[0]]}, LabelError, "expected an int64 tensor"),
        ({"labels": MAPS[:, :5]}, LabelError, r"\(5, 6\).*\(6, 6\)"),
        ({"labels": MAPS + 255}, LabelError, r"pixel \(0, 0\) of image 0 has 255.*void=255"),
        ({"targets": MAPS - 1}, LabelError, "72 of the targets|36 of the targets"),
        ({"labels": MAPS, "void": 0}, InputError, "no pixel of image 0 counts"),
        ({"counted": MAPS}, InputError, "counted != 0"),
        ({"counted": MAPS[:, :, :5] == 0}, InputError, r"counted.*\(6, 5\)"),
        ({"budget": 2}, InputError, "budget is 2"),
        ({"confidence": -1.0}, InputError, "confidence"),
        ({"batch": 0}, InputError, "batch"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, kind, message):
    asked = {"attack": QUICK, "threat": LINF} | given
    attack, labels = asked.pop("attack"), asked.pop("labels", None)
    with pytest.raises(kind, match=message):
        run_dense(attack, pointwise(), middle(2), labels, **asked)


@dataclass(frozen=True)
class Drawn(Attack):
    """Adds a random number."""

    dense: ClassVar[bool] = True

    def perturb(self, problem: Problem) -> None:
        drawn = problem.streams.uniform(problem.ids, (1,))
        problem.probe((problem.images + 0.5 * drawn[..., None, None]).clamp(0, 1))


def test_an_image_draws_by_its_identity_and_not_by_its_place():
    images = RAMP.expand(3, 1, 4, 2)
    options = {"share": 0.25, "threat": LINF, "seed": 1}
    whole = run_dense(Drawn(), threshold(), images, **options).adversarial
    alone = run_dense(Drawn(), threshold(), images[2:], ids=torch.tensor([2]), **options).adversarial
    other = run_dense(Drawn(), threshold(), images[2:], **options).adversarial
    assert torch.equal(alone[0], whole[2])
    assert torch.equal(other[0], whole[0])
    assert not torch.equal(alone, other)
    with pytest.raises(LabelError, match="ids"):
        run_dense(Drawn(), threshold(), images, ids=torch.tensor([2]), **options)


def test_passes_inside_an_image_are_told():
    told, done = [], []
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    result = run_dense(
        QUICK, Classifier(nn.Conv2d(3, 2, 1)), images, threat=LINF, progress=done.append, on_pass=told.append
    )
    assert done == [1, 1]
    assert sum(told) == int(result.forward.sum())
    assert len(told) > 10
