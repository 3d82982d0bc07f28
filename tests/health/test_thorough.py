"""The expensive checks, on either side of each threshold."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from made_up_audits import NOISE, ONE_STEP, SEARCH, STEPS, Bright, Brightens, attempt, case, images_of, rows, verdict
from torch import Tensor

from brittle import Attack, Cascade, Flow, Lp, Restarts
from brittle.core.problem import Problem
from brittle.health.thorough import ALL_GUESSING, MORE_DRAWS, MORE_RESTARTS, MORE_STEPS, doubled
from brittle.words import plural


@dataclass(frozen=True)
class Slow(Brightens):
    """Raises the first pixel where an image's flag, in its second pixel, is at most a tenth of the steps."""

    steps: int = 2

    def perturb(self, problem: Problem) -> None:
        near = problem.images[:, 0, 0, 1] <= self.steps / 10 + 1e-6
        moved = problem.images.clone()
        moved[:, 0, 0, 0] += torch.where(near, float(problem.threat.radius), 0.0)
        problem.probe(moved, graph=False)


@dataclass(frozen=True)
class Lucky(Slow):
    """The same, by its restarts; and where the flag is 1, by its seed alone: for half of all seeds."""

    restarts: int = 2

    def perturb(self, problem: Problem) -> None:
        flag = problem.images[:, 0, 0, 1]
        odd = problem.streams._seed % 2 == 1
        near = (flag <= self.restarts / 10 + 1e-6) | ((flag == 1) & odd)
        moved = problem.images.clone()
        moved[:, 0, 0, 0] += torch.where(near, float(problem.threat.radius), 0.0)
        problem.probe(moved, graph=False)


@dataclass(frozen=True)
class Seeks(Attack):
    """A search that ends so far from the image as the steps allow: 0.2 above it after 4."""

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    steps: int = 2

    def perturb(self, problem: Problem) -> None:
        moved = problem.images.clone()
        moved[:, 0, 0, 0] += 0.8 / self.steps
        problem.probe(moved, graph=False)


def slow(count: int, falling: int, attack: Attack | None = None, **options: object):
    """Images that all stood, of which some fall to twice the steps."""
    images = images_of(*[0.45] * count, flags=[0.4] * falling + [0.5] * (count - falling))
    return case(attempt(attack or Slow(), rows(count)), images=images, **options)


@pytest.mark.parametrize(
    ("count", "falling", "status"),
    [
        (200, 0, "pass"),
        (200, 2, "pass"),
        (199, 2, "warn"),
        (200, 10, "warn"),
        (200, 11, "fail"),
        (10, 1, "pass"),
        (10, 2, "fail"),
    ],
)
def test_twice_the_steps(count: int, falling: int, status: str):
    """Up to 1 % of the images, or a single one, may fall anew."""
    finding = MORE_STEPS(slow(count, falling))
    assert verdict(finding) == (status, falling / count if falling > 1 else 0.0)
    assert finding.text == (
        f"Slow with twice the steps: {falling} of {count} images that stood fell, of {count} in all"
    )


def test_only_images_that_stood_count_as_falling_anew():
    images = images_of(*[0.45] * 8, flags=[0.4] * 8)
    attempts = [
        attempt(Slow(), rows(8, [0, 1], [7])),
        attempt(NOISE, rows(8, [1, 2])),
        attempt(STEPS, rows(8), Lp("2", 9.0)),
    ]
    finding = MORE_STEPS(case(*attempts, images=images))
    assert finding.text == "Slow with twice the steps: 4 of 4 images that stood fell, of 8 in all"
    assert verdict(MORE_STEPS(case(attempt(Slow(), rows(4, range(4))), images=images[:4]))) == ("pass", 0.0)
    assert MORE_STEPS(case(attempt(Slow(), rows(4, range(4))), images=images[:4])).text == "None of 4 images stood"
    beyond = case(attempt(Slow(), rows(4)), attempt(NOISE, rows(4, range(4), size=0.2)), images=images[:4])
    assert MORE_STEPS(beyond).text.startswith("Slow with twice the steps: 4 of 4"), "broken by more than was asked"


@pytest.mark.parametrize(
    ("fraction", "status"), [(-0.5, "pass"), (0.019, "pass"), (0.021, "warn"), (0.099, "warn"), (0.101, "fail")]
)
def test_searches_with_twice_the_steps(fraction: float, status: str):
    """Sizes then that are by so much larger than 0.2, the size now; the median is of the images broken."""
    images = images_of(*[0.45] * 5)
    sizes = np.array([0.001, 0.2 / (1 - fraction), 9.0, 1.0, 1.0])
    made = case(attempt(Seeks(), rows(5, [0, 1, 2], size=sizes), Lp("inf")), images=images)
    finding = MORE_STEPS(made)
    assert verdict(finding) == (status, pytest.approx(max(fraction, 0), abs=1e-6))
    assert finding.text == f"Seeks with twice the steps: the median change is {max(fraction, 0):.1%} smaller"


def test_the_search_that_gains_the_least_is_the_one_that_counts():
    images = images_of(*[0.45] * 3)

    def of(size: float, title: str):
        return attempt(Seeks(), rows(3, range(3), size=size), Lp("inf"), title=title)

    some = [of(0.5, "far"), of(0.2 / 0.97, "near"), of(0.3, "middling")]
    assert MORE_STEPS(case(*some, images=images)).text.startswith("near with twice the steps")
    nothing = attempt(Seeks(), rows(3), Lp("inf"), title="broke nothing")
    assert verdict(MORE_STEPS(case(of(0.5, "far"), nothing, images=images))) == ("pass", 0.0)
    zero = attempt(Seeks(), rows(3, range(3), size=0.0), Lp("inf"))
    assert verdict(MORE_STEPS(case(zero, images=images))) == ("pass", 0.0)
    for other in (
        attempt(ONE_STEP, rows(3)),
        attempt(NOISE, rows(3)),
        attempt(Cascade((ONE_STEP,)), rows(3), Lp("inf", 0.1)),
    ):
        assert MORE_STEPS(case(other)).status == "skipped"


def test_an_attack_at_the_radius_goes_before_a_search():
    images = images_of(*[0.45] * 3, flags=[0.4] * 3)
    made = case(attempt(Seeks(), rows(3, range(3)), Lp("inf")), attempt(Slow(), rows(3, [0])), images=images)
    assert MORE_STEPS(made).status == "pass", "the search broke every image"
    made = case(attempt(Seeks(), rows(3), Lp("inf")), attempt(Slow(), rows(3, [0])), images=images)
    assert MORE_STEPS(made).text.startswith("Slow with twice the steps: 2 of 2")


def test_doubling():
    assert doubled(Slow(steps=3), "steps") == Slow(steps=6)
    assert doubled(Restarts(Slow(steps=3), 2), "steps") == Restarts(Slow(steps=6), 2)
    assert doubled(Restarts(Restarts(Slow(steps=3), 2), 4), "steps") == Restarts(Restarts(Slow(steps=6), 2), 4)
    assert doubled(Restarts(ONE_STEP, 2), "steps") is None
    assert doubled(Cascade((Slow(),)), "steps") is None
    assert doubled(Slow(), "lame") is None, "no whole number"


@pytest.mark.parametrize(("falling", "status"), [(0, "pass"), (2, "pass"), (3, "warn"), (11, "fail")])
def test_twice_the_restarts_and_another_seed(falling: int, status: str):
    finding = MORE_RESTARTS(slow(200, falling, Lucky()))
    assert verdict(finding) == (status, falling / 200 if falling > 1 else 0.0)
    assert finding.text.startswith(f"Lucky with twice the restarts and another seed: {falling} of 200 images")


def test_the_seed_is_the_next_one_and_what_has_no_restarts_gets_two():
    images = images_of(*[0.45] * 4, flags=[1.0] * 4)
    for seed, status in ((0, "fail"), (1, "pass"), (2, "fail")):
        assert MORE_RESTARTS(case(attempt(Lucky(), rows(4)), images=images, seed=seed)).status == status
        assert MORE_STEPS(case(attempt(Lucky(), rows(4)), images=images, seed=seed + 1)).status == status
    asked: list[int] = []

    class Counts(Bright):
        def forward(self, given: Tensor) -> Tensor:
            asked.append(len(given))
            return super().forward(given)

    MORE_RESTARTS(case(attempt(Slow(), rows(4)), images=images, module=Counts()))
    assert len(asked) == 1 + 2 + 1, "the clean images, two runs, and a look at what comes out"
    assert MORE_RESTARTS(case(attempt(ONE_STEP, rows(4)))).status == "skipped"
    assert MORE_RESTARTS(case(attempt(Seeks(), rows(4, [0]), Lp("inf")))).status == "skipped"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("brittle.health.thorough.DRAWS", 64)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("first", "number"), [((0.3, 0.3), 0), ((0.45, 0.3), 1), ((0.45, 0.45), 2)])
def test_random_changes(first: tuple[float, float], number: int):
    """Of the draws within 0.1 of 0.45 every fourth is beyond 1/2, of those around 0.3 none."""
    table = rows(3, [2], forward=[128, 0, 0], backward=[0, 0, 0])
    made = case(attempt(STEPS, table), images=images_of(*first, 0.45))
    finding = MORE_DRAWS(made)
    assert verdict(finding) == ("fail" if number else "pass", number / 2)
    assert finding.text == f"{number} of 2 images that stood fell to one of 64 random changes"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("passes", "eot_samples", "looked"),
    [(0, 1, 1), (64 * 2 - 1, 1, 1), (64 * 2, 1, 2), (64 * 99, 1, 10), (64 * 12, 4, 3)],
)
def test_random_changes_take_no_more_passes_than_the_audit(passes: int, eot_samples: int, looked: int):
    table = rows(12, forward=[passes] + [0] * 11, backward=[0] * 12)
    made = case(attempt(STEPS, table), images=images_of(*[0.45] * 12), eot_samples=eot_samples, batch=16)
    finding = MORE_DRAWS(made)
    assert verdict(finding) == ("fail", 1.0)
    assert finding.text == f"{looked} of {plural(looked, 'image')} that stood fell to one of 64 random changes"
    assert 0 <= made.meter.passes - 64 * looked * eot_samples < 16 * eot_samples, "a batch more at most"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("batch", [2, 7, 64, 500])
def test_random_changes_do_not_depend_on_the_batch(batch: int):
    """Some fall and some do not: of the draws around 0.4015 one in 133 is beyond 1/2."""
    images = images_of(*[0.4 + 0.0015 * row for row in range(10)])
    table = rows(10, forward=[64 * 10] + [0] * 9, backward=[0] * 10)
    finding = MORE_DRAWS(case(attempt(STEPS, table), images=images, batch=batch))
    assert finding.text.startswith("7 of 10 images"), finding.text


@pytest.mark.usefixtures("few")
def test_what_random_changes_need():
    assert MORE_DRAWS(case(attempt(STEPS, rows(2)), threat=Lp("inf"))).text == "There is no radius to draw from."
    assert MORE_DRAWS(case(attempt(STEPS, rows(2, [0, 1])))).text == "No image stood."
    one = case(attempt(STEPS, rows(3, [0])), images=images_of(0.45, 0.3, 0.3))
    assert verdict(MORE_DRAWS(one)) == ("pass", 0.0), "what had fallen does not count"


@pytest.mark.parametrize(("lame", "status"), [(0, "pass"), (2, "warn"), (3, "fail")])
def test_every_attack_with_room_for_the_way_to_grey(lame: int, status: str):
    images = images_of(*[0.4] * 20, flags=[1.0] * lame + [0.0] * (20 - lame))
    bad, good = attempt(Brightens(lame=0.3), rows(20), title="bad"), attempt(Brightens(), rows(20), title="good")
    for order in (1, -1):
        finding = ALL_GUESSING(case(*[bad, good][::order], images=images, module=Bright(at=0.45)))
        assert verdict(finding) == (status, lame / 20)
    if lame:
        assert finding.text == f"bad left {lame} of 20 standing, the most of 2"


def test_which_attacks_are_given_room():
    def status(*attempts, **options: object) -> str:
        return ALL_GUESSING(case(*attempts, **{"module": Bright(at=0.45), **options})).status

    fine = attempt(Brightens(lame=9), rows(2))
    assert status(fine) == "pass"
    assert status(fine, threat=Flow(1.0)) == "skipped"
    assert status(fine, module=Bright(at=0.6)) == "skipped"
    for other in (
        attempt(ONE_STEP, rows(2)),
        attempt(SEARCH, rows(2)),
        attempt(NOISE, rows(2)),
        attempt(STEPS, rows(2), Lp("2", 0.1)),
    ):
        assert status(other) == "skipped"


@pytest.mark.usefixtures("few")
def test_random_changes_at_which_the_network_says_nan_break_nothing():
    class Undefined(Bright):
        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            logits[:, 1] = torch.where(images[:, 0, 0, 0] > 0.5, torch.nan, logits[:, 1])
            return logits

    made = case(attempt(STEPS, rows(2)), images=images_of(0.45, 0.45), module=Undefined())
    assert verdict(MORE_DRAWS(made)) == ("pass", 0.0)
