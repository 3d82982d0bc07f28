"""The rows of a part by hand: what they say of images that were wrong, of NaN, of 8 bits, and which become pictures."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brittle import PGD, Classifier, Lp, RandomNoise, run
from brittle.evaluation.gallery import PER_END, GallerySelection
from brittle.evaluation.part import rows_of, survives_rounding, without_final_query
from brittle.maths.quantization import rounded
from brittle.metrics.rows import COLUMNS
from brittle.runs.schema import SCHEMA


class Steps(nn.Module):
    """Class 1 where the first pixel is above `at`; what is said of that is NaN in `undefined`."""

    def __init__(self, at: float = 0.5, undefined: tuple[float, float] = (9.0, 9.0), scale: float = 1.0):
        super().__init__()
        self.at, self.undefined, self.scale = at, undefined, scale

    def forward(self, images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0] / self.scale
        logits = 10 * torch.stack([2 * self.at - first, first], 1)
        low, high = self.undefined
        logits[:, 1] = torch.where((first >= low) & (first <= high), torch.nan, logits[:, 1])
        return logits


def images_of(*first: float) -> Tensor:
    images = torch.zeros(len(first), 3, 2, 4)
    images[:, 0, 0, 0] = torch.tensor(first)
    return images


def table_of(module: nn.Module, images: Tensor, labels: Tensor, attack=None, threat=None, kept=(), **options):
    classifier = Classifier(module)
    result = run(
        attack or RandomNoise(draws=50), classifier, images, labels, threat=threat or Lp("inf", 0.1), **options
    )
    survives = survives_rounding(classifier, result, labels, 8)
    about = {"index": list(range(len(images))), "name": [f"image {row}" for row in range(len(images))]}
    return rows_of(result, images, labels, survives, about, np.array(kept, dtype=np.int64))


def test_an_image_that_was_wrong_has_size_0_in_every_norm_and_is_no_success():
    images = images_of(0.45, 0.7, 0.2)
    table = table_of(Steps(), images, torch.zeros(3, dtype=torch.int64)).to_pydict()
    assert table["correct"] == [True, False, True]
    assert table["success"] == table["rounded_success"] == [True, False, False]
    assert [table[name][1] for name in ("size", "l0", "l1", "l2", "linf", "pixels")] == [0] * 6
    assert table["size"][2] == np.inf
    assert 0.05 < table["size"][0] <= 0.1 + 1e-6
    assert table["clean_prediction"] == [0, 1, 0]
    assert table["prediction"][:2] == [1, 1]
    assert set(COLUMNS) <= set(table)


def test_the_rows_tell_the_form_and_the_norms_of_the_images():
    images = images_of(0.5, 0.25)
    images[:, 2, 1, 3] = 0.25
    table = table_of(Steps(), images, torch.zeros(2, dtype=torch.int64), kept=[1])
    assert table.schema.equals(SCHEMA)
    plain = table.to_pydict()
    assert (plain["channels"], plain["height"], plain["width"]) == ([3, 3], [2, 2], [4, 4])
    assert plain["image_l1"] == [0.75, 0.5]
    assert plain["image_l2"] == pytest.approx([(0.25 + 0.0625) ** 0.5, 0.125**0.5])
    assert plain["image_linf"] == [0.5, 0.25]
    assert plain["name"] == ["image 0", "image 1"]
    assert plain["size_unrounded"] == plain["field"] == [None, None]
    assert plain["original"][0] is plain["adversarial"][0] is None
    assert np.frombuffer(plain["original"][1], "<f4").reshape(3, 2, 4).tolist() == images[1].tolist()
    moved = np.frombuffer(plain["adversarial"][1], "<f4").reshape(3, 2, 4)
    assert float(np.abs(moved - images[1].numpy()).max()) == pytest.approx(plain["linf"][1])


def test_a_lattice_keeps_the_size_that_was_found_without_one():
    threat = Lp("inf", 0.3)
    table = table_of(
        Steps(0.45), images_of(0.25), torch.zeros(1, dtype=torch.int64), PGD(steps=3), threat, quantization=5
    ).to_pydict()
    assert table["success"] == [True]
    assert table["size"] == [0.25]
    assert 0.2 < table["size_unrounded"][0] <= 0.3 + 1e-6
    assert table["size_unrounded"][0] != 0.25


def test_success_after_rounding_is_judged_again_for_the_images_that_fell():
    """Beyond 1/2 by less than half a level rounding takes the change back; NaN after rounding is no example."""
    levels = torch.tensor([127.4, 127.6, 130.0, 100.0]) / 255
    result = run(
        RandomNoise(draws=1),
        Classifier(Steps()),
        images_of(0.4, 0.4, 0.4, 0.4),
        torch.zeros(4, dtype=torch.int64),
        threat=Lp("inf", 0.01),
    )
    for name, value in (
        ("adversarial", images_of(*levels.tolist())),
        ("success", torch.tensor([True, True, True, False])),
    ):
        object.__setattr__(result, name, value)
    labels = torch.zeros(4, dtype=torch.int64)
    at = Classifier(Steps(127.3 / 255))
    assert survives_rounding(at, result, labels, 8).tolist() == [False, True, True, False]
    asked: list[int] = []
    counted = Classifier(lambda images: (asked.append(len(images)), Steps()(images))[1])
    survives_rounding(counted, result, labels, 2)
    assert asked == [2, 1], "no others are looked at, a batch at a time"
    undefined = Classifier(Steps(0.45, (127.9 / 255, 128.1 / 255)))
    assert survives_rounding(undefined, result, labels, 8).tolist() == [True, False, True, False]
    assert survives_rounding(at, result, labels + 1, 8).tolist() == [True, False, False, False]
    object.__setattr__(result, "success", torch.zeros(4, dtype=torch.bool))
    assert survives_rounding(counted, result, labels, 2).tolist() == [False] * 4
    assert asked == [2, 1]


def test_a_randomised_network_is_judged_by_the_mean_of_as_many_draws_from_its_seed():
    class Noisy(Steps):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) + torch.randn(len(images), 2) * 3

    images = images_of(*[0.5 + 0.004 * (row - 20) for row in range(40)])
    labels = torch.zeros(40, dtype=torch.int64)
    result = run(RandomNoise(draws=1), Classifier(Steps(9.0)), images, labels, threat=Lp("inf", 0.01))
    object.__setattr__(result, "success", torch.ones(40, dtype=torch.bool))
    object.__setattr__(result, "adversarial", images)
    classifier = Classifier(Noisy())

    def judged(**options: int) -> list[bool]:
        return survives_rounding(classifier, result, labels, 64, **options).tolist()

    truth = (images[:, 0, 0, 0] > 0.5).tolist()

    def misses(found: list[bool]) -> int:
        return sum(one != other for one, other in zip(found, truth, strict=True))

    assert misses(judged(eot_samples=32)) < misses(judged(eot_samples=1))
    assert judged(eot_samples=2, seed=3) == judged(eot_samples=2, seed=3) != judged(eot_samples=2, seed=4)


def test_rounding_is_that_of_8_bits_within_the_bounds():
    values = torch.tensor([0.0, 0.4, 0.6, 254.4, 254.6, 255.0]) / 255
    assert (rounded(values) * 255).round().tolist() == [0, 0, 1, 254, 255, 255]
    wide = rounded(4 * values - 1, -1.0, 4.0)
    assert wide.tolist() == pytest.approx([4 * level / 255 - 1 for level in (0, 0, 1, 254, 255, 255)], abs=1e-6)


@pytest.mark.parametrize(
    ("budget", "eot_samples", "left"),
    [(None, 1, None), (100, 1, 99), (2, 1, 1), (1, 1, 1), (100, 20, 80), (21, 20, 1), (20, 20, 1)],
)
def test_what_a_budget_leaves_before_saving(budget: int | None, eot_samples: int, left: int | None):
    assert without_final_query(budget, eot_samples) == left


def test_the_pictures_of_a_part_are_its_easiest_and_hardest_broken_images():
    sizes = np.array([5.0, 1, 9, 2, 8, 3, 7, 4, 6, 0.5, 99])
    success = np.arange(11) < 9
    extremes = GallerySelection()
    assert extremes.take(sizes, success).tolist() == [1, 2, 3, 4, 5, 6, 7, 8], "1 to 4, and 6 to 9"
    assert (extremes.easy, extremes.hard) == ([1, 2, 3, 4], [9, 8, 7, 6])
    assert PER_END == 4
    assert extremes.take(np.array([3.5, 6.5, 5.0, 4.5]), np.ones(4, bool)).tolist() == [0, 1]
    assert (extremes.easy, extremes.hard) == ([1, 2, 3, 3.5], [9, 8, 7, 6.5])
    assert extremes.take(np.array([4.0, 6.0]), np.ones(2, bool)).tolist() == []
    assert extremes.take(np.array([0.5]), np.zeros(1, bool)).tolist() == []
    assert extremes.take(np.array([3.5, 6.5]), np.ones(2, bool)).tolist() == [], "as hard as one that is kept"
    few = GallerySelection()
    assert few.take(np.array([2.0, 1.0]), np.ones(2, bool)).tolist() == [0, 1]
    assert (few.easy, few.hard) == ([1, 2], [2, 1])
