"""The checks of what the network says, on either side of each threshold."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from made_up_audits import BOX, ONE_STEP, STEPS, Bright, attempt, case, images_of, rows, verdict
from torch import Tensor, nn

from brittle import APGD, PGD, AutoAttack, Cascade, Classifier, FastEnsemble, Restarts
from brittle.health.context import HealthContext
from brittle.health.counting import CountingClassifier
from brittle.health.outputs import (
    ALONE_OR_NOT,
    CLASSES,
    CLEAN,
    IMAGES,
    MODE,
    PROBABILITIES,
    RANDOMISED,
    STABLE,
)


class Says(nn.Module):
    """Says what a function makes of the images, and of how often it has been asked."""

    def __init__(self, says: Callable[[Tensor, int], Tensor]):
        super().__init__()
        self.says, self.asked = says, 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += 1
        return self.says(images, self.asked - 1)


def said(says: Callable[[Tensor, int], Tensor], count: int = 4, **options: object) -> HealthContext:
    return case(attempt(STEPS, rows(count)), module=Says(says), **options)


def spread(lowest: float, highest: float) -> Tensor:
    images = torch.full((3, 1, 2, 2), (lowest + highest) / 2, dtype=torch.float64)
    images[0, 0, 0, 0], images[2, 0, 1, 1] = lowest, highest
    return images


@pytest.mark.parametrize(
    ("lowest", "highest", "bounds", "status"),
    [
        (0.0, 1.0, (0.0, 1.0), "pass"),
        (0.25, 0.375, (0.0, 1.0), "pass"),
        (0.25, 0.34, (0.0, 1.0), "fail"),
        (-0.5, 0.6, (-0.5, 10.5), "pass"),
        (-0.5, 0.59, (-0.5, 10.5), "fail"),
        (-0.9e-6, 1.0, (0.0, 1.0), "pass"),
        (-1.1e-6, 1.0, (0.0, 1.0), "fail"),
        (0.0, 1 + 0.9e-6, (0.0, 1.0), "pass"),
        (0.0, 1 + 1.1e-6, (0.0, 1.0), "fail"),
        (-1.9e-6, 1.0, (0.0, 2.0), "pass"),
        (0.0, 2 + 2.1e-6, (0.0, 2.0), "fail"),
    ],
)
def test_the_range_of_the_images(lowest: float, highest: float, bounds: tuple[float, float], status: str):
    made = case(attempt(STEPS, rows(3)), images=spread(lowest, highest), bounds=bounds)
    assert verdict(IMAGES(made)) == (status, pytest.approx((highest - lowest) / (bounds[1] - bounds[0])))


def test_a_tenth_of_the_bounds_is_enough():
    assert verdict(IMAGES(case(attempt(STEPS, rows(3)), images=spread(0.0, 0.1)))) == ("pass", 0.1)


def test_weights_in_halves_are_a_warning_and_the_types_are_named():
    module = nn.Sequential(Bright(), nn.Linear(2, 2).half(), nn.Linear(2, 2).bfloat16(), nn.Linear(2, 2).half())
    made = case(attempt(STEPS, rows(3)), images=spread(0.0, 1.0), module=module)
    finding = IMAGES(made)
    assert finding.status == "warn"
    assert finding.text == (
        "0 to 1 over 3 images, float32, bounds 0 to 1; weights in bfloat16 and float16: changes finer than bfloat16 "
        "and float16 tells apart are not seen"
    )
    assert IMAGES(case(attempt(STEPS, rows(3)), images=spread(-1.0, 1.0), module=module)).status == "fail"
    wide = case(
        attempt(STEPS, rows(3)), images=spread(0.0, 1.0), module=nn.Sequential(Bright(), nn.Linear(2, 2).double())
    )
    assert IMAGES(wide).text == "0 to 1 over 3 images, float64, bounds 0 to 1"
    assert IMAGES(wide).status == "pass"


def test_modules_in_training_mode_are_counted_and_three_are_named():
    class TurnsOn(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            for part in self[: self.on]:
                part.train()
            return 10 * images.flatten(1)[:, :2]

    for on in range(5):
        module = TurnsOn(*(nn.Dropout() for _ in range(5)))
        module.on = on
        finding = MODE(case(attempt(STEPS, rows(2)), module=module))
        assert verdict(finding) == ("fail" if on else "pass", float(on))
        assert finding.text.startswith(f"{on} of the network's modules in training mode after a forward pass")
        assert finding.text.count("module.") == min(on, 3)


def angle(degrees: float) -> Tensor:
    return torch.tensor([math.cos(degrees), math.sin(degrees)], dtype=torch.float64)


@pytest.mark.parametrize(("turn", "status"), [(0.0, "pass"), (0.99e-4, "pass"), (1.01e-4, "fail")])
def test_logits_that_turn_from_pass_to_pass(turn: float, status: str):
    """Of length 1 they differ by the angle; what is scaled has not turned."""
    made = said(lambda images, turns: (1 + turns) * angle(turn if turns == 3 else 0.0).expand(len(images), 2))
    made.meter.register_buffer("wide", torch.zeros(1, dtype=torch.float64))
    finding = RANDOMISED(made)
    assert verdict(finding) == (status, pytest.approx(turn))
    assert finding.text.endswith("in 5 passes over 4 images, 4 right each time")


def test_the_number_that_is_right_must_be_the_same_each_time():
    """The logits hardly turn, but two images change sides of the boundary in one pass."""

    def answer(images: Tensor, turns: int) -> Tensor:
        near = torch.tensor([[1.0, 1.0 - 1e-6]]).repeat(len(images), 1)
        near[:2] = near[:2].flip(1) if turns == 2 else near[:2]
        return near

    finding = RANDOMISED(said(answer))
    assert finding.status == "fail"
    assert finding.text.endswith("in 5 passes over 4 images, 2 to 4 right each time")
    judged = RANDOMISED(said(answer, eot_samples=3))
    assert judged.status == "warn"
    assert judged.text.endswith("2 to 4 right each time; attacked and judged by the mean over 3 samples")
    assert RANDOMISED(said(lambda images, _: torch.eye(2)[[0] * len(images)], eot_samples=3)).status == "pass"
    assert RANDOMISED(said(answer, eot_samples=1)).status == "fail"


def test_outputs_that_sum_to_1_are_probabilities():
    made = said(lambda images, _: torch.tensor([[0.25, 0.75]]).expand(len(images), 2))
    finding = PROBABILITIES(made)
    assert verdict(finding) == ("fail", None)
    assert finding.text == "outputs from 0.25 to 0.75, every row sums to 1"
    finding = PROBABILITIES(said(lambda images, _: torch.tensor([[0.25, 0.5]]).expand(len(images), 2)))
    assert finding.status == "pass"
    assert finding.text == "outputs from 0.25 to 0.5"


@pytest.mark.parametrize(("slope", "status"), [(1.0, "fail"), (4.0, "pass")])
def test_single_outputs_on_both_sides_of_a_half_are_probabilities(slope: float, status: str):
    images = images_of(*[0.1 * row for row in range(9)])
    classifier = Classifier(Says(lambda given, _: slope * given[:, :1, 0, 0]), binary=True)
    made = case(attempt(STEPS, rows(9)), images=images, meter=CountingClassifier(classifier))
    finding = PROBABILITIES(made)
    assert finding.status == status
    assert finding.text.endswith(", on both sides of 1/2") == (status == "fail")


def test_what_is_said_to_be_probabilities():
    def of(attack: object, certain: int):
        outputs = torch.tensor([[1.0, 0.0]] * certain + [[0.75, 0.25]] * (4 - certain))
        classifier = Classifier(Says(lambda given, _: outputs[: len(given)]), probabilities=True)
        return PROBABILITIES(case(attempt(attack, rows(4)), meter=CountingClassifier(classifier)))

    assert verdict(of(STEPS, 3)) == ("warn", 0.75)
    assert of(STEPS, 3).text.endswith("75% of 4 images have a probability that rounds to 1")
    assert verdict(of(BOX, 1)) == ("pass", 0.25)
    assert of(BOX, 1).text.startswith("Said to be probabilities, and attacked without gradients; 25% of 4")


@pytest.mark.parametrize(
    ("attack", "needed"),
    [
        (STEPS, 2),
        (BOX, 2),
        (PGD(loss="dlr"), 3),
        (APGD(loss="dlr"), 3),
        (APGD(loss="dlr", targets=1), 4),
        (APGD(loss="dlr", targets=3), 4),
        (APGD(loss="dlr", targets=4), 5),
        (APGD(loss="dlr", targets=9), 10),
        (Restarts(PGD(loss="dlr")), 3),
        (Cascade((STEPS, APGD(loss="dlr", targets=4))), 5),
    ],
)
def test_the_fewest_classes_for_which_an_attack_means_what_it_says(attack, needed: int):
    for classes in (needed - 1, needed):
        made = case(
            attempt(ONE_STEP, rows(2)), attempt(attack, rows(2), title="wanting"), module=Bright(max(classes, 2))
        )
        made.__dict__["outputs"] = torch.zeros(5, 2, classes)
        finding = CLASSES(made)
        assert finding.value == classes
        if classes >= 2:
            assert finding.status == ("pass" if classes == needed else "fail")
            assert finding.text == f"{classes} classes" + ("" if classes == needed else ", too few for wanting")


@pytest.mark.parametrize("ensemble", [FastEnsemble(), AutoAttack()])
def test_an_ensemble_that_chooses_its_members_by_the_classes_needs_no_more(ensemble):
    made = case(attempt(ONE_STEP, rows(2)), attempt(ensemble, rows(2)), module=Bright(2))
    made.__dict__["outputs"] = torch.zeros(5, 2, 2)
    assert CLASSES(made).status == "pass"


@pytest.mark.parametrize(("turn", "status"), [(0.0, "pass"), (0.99e-3, "pass"), (1.01e-3, "fail")])
def test_images_alone_and_among_others(turn: float, status: str):
    """Alone the second image is answered by a turned vector; a scaled one is the same."""

    def answer(images: Tensor, _: int) -> Tensor:
        alone = len(images) == 1 and float(images[0, 0, 0, 0]) == 0.25
        return (3 if len(images) == 1 else 1) * angle(turn if alone else 0.0).expand(len(images), 2)

    made = said(answer, images=images_of(0.5, 0.25, 0.125, 0.75))
    made.meter.register_buffer("wide", torch.zeros(1, dtype=torch.float64))
    finding = ALONE_OR_NOT(made)
    assert verdict(finding) == (status, pytest.approx(turn, abs=1e-9))
    off = int(status == "fail")
    assert finding.text.startswith(f"{off} of 4 images answered otherwise alone than in their batch, by ")
    assert ALONE_OR_NOT(said(answer, eot_samples=2)).status == "skipped"


@pytest.mark.parametrize(
    ("count", "other", "eot_samples", "status"),
    [
        (200, 0, 1, "pass"),
        (200, 2, 1, "warn"),  # 1 %
        (199, 2, 1, "fail"),
        (4, 1, 1, "fail"),
        (40, 4, 2, "pass"),  # 10 % by chance
        (39, 4, 2, "warn"),
        (40, 10, 2, "warn"),
        (39, 10, 2, "fail"),
    ],
)
def test_the_clean_accuracy_two_ways(count: int, other: int, eot_samples: int, status: str):
    """The rows say class 1 of the first images, whose label is 0; the network says 0 of all but the last one."""
    images = images_of(*[0.4] * (count - 1), 0.6)
    predicted = np.where(np.arange(count) < other, 1, 0)
    predicted[-1] = 1
    made = case(
        attempt(STEPS, rows(count, clean_prediction=predicted)), images=images, eot_samples=eot_samples, batch=7
    )
    finding = CLEAN(made)
    assert verdict(finding) == (status, other / count)
    assert finding.text == (
        f"{count - 1 - other} of {count} right in the audit, {count - 1} again in reverse order; "
        f"{other} predictions differ"
    )


def rough(fraction: float) -> Callable[[Tensor, int], Tensor]:
    """A network whose margin around 1/2 changes as a power of the step: a quarter leaves `fraction` of it."""

    def answer(images: Tensor, _: int) -> Tensor:
        step = (images[:, 0, 0, 0] - 0.5).abs().double() ** (-math.log(fraction) / math.log(4))
        return torch.stack([10 + 100 * step, 0 * step], 1)

    return answer


@pytest.mark.parametrize(
    ("fraction", "status"), [(0.25, "pass"), (0.499, "pass"), (0.501, "warn"), (0.749, "warn"), (0.751, "fail")]
)
def test_smooth_around_the_images(fraction: float, status: str):
    """Up to half of the change may be left within a quarter of the noise, and up to three quarters with a warning."""
    made = said(rough(fraction), count=60, images=images_of(*[0.5] * 60))
    finding = STABLE(made)
    assert finding.status == status
    assert finding.value == pytest.approx(fraction, abs=1e-4)
    assert finding.text.endswith("; 2 points around each of 60 images")


@pytest.mark.parametrize(("count", "points"), [(8, 10), (10, 10), (11, 9), (12, 8), (40, 2), (60, 2)])
def test_a_hundred_points_in_all_and_from_two_to_ten_around_each_image(count: int, points: int):
    made = said(rough(0.25), count=count, images=images_of(*[0.5] * count))
    finding = STABLE(made)
    assert finding.text.endswith(f"; {points} points around each of {count} images")
    assert made.meter.passes == count * (1 + 2 * points) + 5 * made.probed
    assert STABLE(said(rough(0.25), count=7, images=images_of(*[0.5] * 7))).text == (
        "The surroundings of 7 of the at least 8 images that tell are no sample."
    )


def test_without_thoroughness_two_points_around_as_many_images_as_there_is_room_for():
    for passes, looked in ((0, 8), (9000, 9), (20_000, 20), (90_000, 30)):
        table = rows(30, forward=[passes] + [0] * 29, backward=[0] * 30)
        made = case(attempt(STEPS, table), module=Says(rough(0.25)), images=images_of(*[0.5] * 30), thorough=False)
        assert STABLE(made).text.endswith(f"; 2 points around each of {looked} images")


def test_the_change_is_told_as_a_share_of_the_range_of_the_logits():
    """A margin that grows by 40 for each unit of the first pixel, of logits from 0 to 10."""
    made = said(
        lambda images, _: torch.stack([10 + 40 * (images[:, 0, 0, 0] - 0.5), 0 * images[:, 0, 0, 0]], 1),
        count=100,
        images=images_of(*[0.5] * 100),
    )
    finding = STABLE(made)
    assert finding.status == "pass"
    wide, close = (float(word) for word in re.findall(r"([\d.]+)%", finding.text))
    assert wide == pytest.approx(100 * 40 * 2 / 255 / 10, rel=0.2), "the mean of a uniform step within 4/255"
    assert close == pytest.approx(wide / 4, rel=1e-2)


def test_a_network_that_hardly_changes_has_no_roughness():
    """Its steps are as rough as can be, but smaller than a thousandth of its range."""

    def steps(size: float) -> Callable[[Tensor, int], Tensor]:
        return lambda images, _: torch.stack(
            [10 + size * (images[:, 0, 0, 0] > 0.5), 0 * images[:, 0, 0, 0]], 1
        ).double()

    fine = said(steps(0.019), count=100, images=images_of(*[0.5] * 100))
    assert verdict(STABLE(fine)) == ("pass", 0.0)
    coarse = said(steps(0.03), count=100, images=images_of(*[0.5] * 100))
    assert verdict(STABLE(coarse)) == ("fail", 1.0)


def test_noise_is_as_wide_as_the_bounds_and_stays_within_them():
    shown: list[Tensor] = []

    def answer(images: Tensor, _: int) -> Tensor:
        shown.append(images.clone())
        return torch.stack([10 + images[:, 0, 0, 0], 0 * images[:, 0, 0, 0]], 1)

    made = said(answer, count=50, images=4 * images_of(*[0.5] * 50), bounds=(0.0, 4.0))
    STABLE(made)
    noisy = torch.cat([one for one in shown if not bool((one[:, 0, 0, 0] == 2).all())])
    steps = (noisy[:, 0, 0, 0] - 2).abs()
    assert 0.98 * 4 / 255 * 4 < float(steps.max()) <= 4 / 255 * 4 * (1 + 1e-5)
    assert float(noisy.min()) == 0
    assert float(noisy.max()) == 4
    close = steps[len(steps) // 2 :]
    assert float(close.max()) <= 1 / 255 * 4 * (1 + 1e-5)
