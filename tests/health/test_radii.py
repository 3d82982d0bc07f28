"""The checks at larger radii, on either side of each threshold, and how many images they look at."""

import pytest
import torch
from made_up_audits import (
    NOISE,
    ONE_STEP,
    SEARCH,
    STEPS,
    Bright,
    Brightens,
    attempt,
    case,
    images_of,
    rows,
    verdict,
)
from torch import Tensor

from brittle import Flow, Lp
from brittle.health.radii import GUESSING, UNBOUNDED, WIDER, grey_images, standing, strongest


class Recording(Bright):
    """Keeps how many images each pass had."""

    def forward(self, images: Tensor) -> Tensor:
        self.__dict__.setdefault("sizes", []).append(len(images))
        return super().forward(images)


def test_the_strongest_broke_the_most_and_is_the_cheapest_of_these():
    dear, cheap = ({"forward": [passes] * 9} for passes in (20, 5))
    attempts = [
        attempt(STEPS, rows(9, range(4)), title="fewer"),
        attempt(STEPS, rows(9, range(5), **dear), title="dear"),
        attempt(STEPS, rows(9, range(2, 7), **cheap), title="cheap"),
        attempt(ONE_STEP, rows(9, range(9)), title="one step"),
        attempt(NOISE, rows(9, range(9)), title="no gradients"),
        attempt(SEARCH, rows(9, range(9)), title="no radius"),
        attempt(STEPS, rows(9, range(9)), Flow(1.0), title="deformations"),
    ]
    for order in (1, -1):
        best = strongest(case(*attempts[::order]))
        assert best is not None
        assert best.title == "cheap"
    assert strongest(case(*attempts[3:])) is None
    far = attempt(STEPS, rows(9, range(9), size=0.2), title="beyond its own radius")
    best = strongest(case(far, attempts[0]))
    assert best is not None
    assert best.title == "fewer"


@pytest.mark.parametrize(
    ("small", "large", "status", "lost"),
    [(40, 40, "pass", 0), (40, 41, "pass", 0), (40, 38, "warn", 2), (39, 37, "fail", 2), (40, 37, "fail", 3)],
)
def test_an_attack_at_two_radii_of_the_plan(small: int, large: int, status: str, lost: int):
    one = attempt(ONE_STEP, rows(50, range(small)), Lp("inf", 0.1), title="small")
    other = attempt(ONE_STEP, rows(50, range(large)), Lp("inf", 0.2), title="large")
    for order in (1, -1):
        finding = WIDER(case(*[one, other][::order]))
        assert verdict(finding) == (status, lost / small)
        assert finding.text == f"large broke {large}, small {small}"


def test_only_radii_of_the_same_attack_and_norm_are_compared():
    one = attempt(ONE_STEP, rows(9, range(9)), Lp("inf", 0.1))
    for other in (
        attempt(type(ONE_STEP)(loss="margin"), rows(9), Lp("inf", 0.2)),
        attempt(ONE_STEP, rows(9), Lp("2", 0.2)),
        attempt(ONE_STEP, rows(9), Lp("inf", 0.1)),
        attempt(ONE_STEP, rows(9), Lp("inf")),
    ):
        assert WIDER(case(one, other)).status == "skipped"
    noise = [attempt(NOISE, rows(9, range(count)), Lp("inf", radius)) for count, radius in ((9, 0.1), (0, 0.2))]
    assert WIDER(case(*noise)).status == "skipped", "it needs no gradients, and rises by chance"


def flagged(count: int, lame: int, *, first: float = 0.45) -> Tensor:
    """Images of which the first ones carry the flag of `Brightens`."""
    return images_of(*[first] * count, flags=[1.0] * lame + [0.0] * (count - lame))


@pytest.mark.parametrize(("lame", "status"), [(0, "pass"), (2, "warn"), (3, "fail"), (40, "fail")])
def test_what_fell_falls_at_twice_the_radius(lame: int, status: str):
    """Images at 0.45 fall within 0.1; those with a flag do not within 0.2."""
    made = case(attempt(Brightens(lame=0.15), rows(40, range(40))), images=flagged(40, lame))
    finding = WIDER(made)
    assert verdict(finding) == (status, lame / 40)
    assert finding.text == f"of 40 images that Brightens broke, {40 - lame} fall at twice the radius"


def test_at_twice_the_radius_and_not_at_more_or_less():
    for lame, status in ((0.2001, "pass"), (0.1999, "fail")):
        made = case(attempt(Brightens(lame=lame), rows(9, range(9))), images=flagged(9, 9))
        assert WIDER(made).status == status
    made = case(attempt(Brightens(), rows(1, [0])), images=images_of(0.301))
    assert WIDER(made).status == "pass", "0.301 + 0.2 is beyond 1/2"


def test_only_images_that_fell_have_to_fall_again_and_the_pairs_add_up():
    images = flagged(9, 4)
    pairs = [
        attempt(ONE_STEP, rows(9, range(count), [8]), Lp("inf", radius), title=title)
        for count, radius, title in ((8, 0.1, "small"), (6, 0.2, "large"))
    ]
    strong = attempt(Brightens(lame=0.15), rows(9, range(2, 8), [8]))
    finding = WIDER(case(*pairs, strong, images=images))
    assert verdict(finding) == ("fail", (2 + 2) / (8 + 6))
    assert finding.text == "large broke 6, small 8; of 6 images that Brightens broke, 4 fall at twice the radius"
    assert WIDER(case(attempt(Brightens(), rows(9)), images=images)).status == "skipped"


@pytest.mark.parametrize(
    ("passes", "looked"),
    [
        (0, 1),  # one image at least
        (1499, 1),  # 0.4 % of the audit's passes are 5.996; three an image
        (1500, 2),
        (2249, 2),
        (2250, 3),
        (10_000, 13),  # 40 passes
        (20_000, 20),
        (100_000, 20),
    ],
)
def test_standing_images_are_looked_at_as_far_as_there_is_room(passes: int, looked: int):
    forward = [passes] + [0] * 19
    module = Recording()
    of = attempt(Brightens(lame=0.15), rows(20, forward=forward, backward=[0] * 20))
    made = case(of, images=flagged(20, 2), thorough=False, module=module)
    assert standing(made, of, list(range(20)), torch.full((20,), 0.2)) == (min(looked, 2), looked)
    parts = module.sizes[::3]
    assert sum(parts) == looked
    assert parts[0] == 1
    assert all(part <= 2 * sum(parts[:number]) for number, part in enumerate(parts) if number)


def test_a_thorough_look_is_at_all_of_them():
    module = Recording()
    of = attempt(Brightens(), rows(20, forward=[0] * 20, backward=[0] * 20))
    made = case(of, images=flagged(20, 0), module=module)
    assert standing(made, of, [3, 4, 5, 6, 7], torch.full((20,), 0.2)) == (0, 5)
    assert module.sizes[::3] == [1, 2, 2]


def test_each_image_stands_at_its_own_radius_and_one_that_is_wrong_does_not_stand():
    of = attempt(Brightens(), rows(4))
    made = case(of, images=images_of(0.1, 0.3, 0.45, 0.6))
    needed = torch.tensor([0.41, 0.21, 0.06, 0.0])
    assert standing(made, of, [0, 1, 2, 3], needed) == (0, 4)
    assert standing(made, of, [2, 0, 1], needed) == (0, 3)
    assert standing(made, of, [0, 1, 2], needed - 0.02) == (3, 3)
    assert standing(made, of, [0, 2, 1], needed.flip(0)) == (2, 3)


GREY = Bright(at=0.45)
"""Calls a flat grey image class 1."""


def test_grey_proves_an_image_to_be_breakable_and_lies_so_far_from_it():
    images = images_of(0.1, 0.4, 0.2, 0.3)
    images[1, 0, 1, 1] = 0.5
    images[1, 0, 0, 1] = images[1, 0, 1, 0] = 0.5
    labels = torch.tensor([0, 0, 1, 0])
    made = case(attempt(STEPS, rows(4, (), [3])), images=images, labels=labels, module=GREY)
    places, distance = grey_images(made)
    assert places == [0, 1], "one has the class of grey, and one was wrong"
    assert distance.tolist() == pytest.approx([0.5, 0.1, 0.5, 0.5])
    made = case(attempt(STEPS, rows(4)), images=images, module=Bright(at=2.3), bounds=(0.0, 4.0), threat=Lp("inf", 0.1))
    assert grey_images(made)[0] == [], "grey is the middle of the bounds, 2, and of class 0"
    assert grey_images(made)[1].tolist() == [2, pytest.approx(1.6), 2, 2]
    wide = case(attempt(STEPS, rows(4)), images=images, module=Bright(at=1.9), bounds=(0.0, 4.0))
    assert grey_images(wide)[0] == [0, 1, 2, 3]


@pytest.mark.parametrize(("missed", "status"), [(0, "pass"), (2, "warn"), (3, "fail")])
def test_searches_find_no_longer_way_than_that_to_grey(missed: int, status: str):
    """Of ten classes one in ten is a warning; 0.5 is the way to grey, to a relative 1e-4."""
    sizes = [0.50006] * missed + [0.50004] * (20 - missed)
    table = rows(20, range(20), size=sizes)
    finding = GUESSING(case(attempt(SEARCH, table), module=Bright(10, at=0.45)))
    assert verdict(finding) == (status, missed / 20)
    assert finding.text == f"DeepFool needed more than the way to grey for {missed} of 20"


def test_searches_by_gradients_in_the_norm_of_the_question_are_taken_together():
    made = case(
        attempt(SEARCH, rows(4, range(3)), title="one"),
        attempt(SEARCH, rows(4, range(4)), title="two"),
        attempt(SEARCH, rows(4), Lp("2"), title="in another norm"),
        attempt(NOISE, rows(4), Lp("inf"), title="by chance"),
        module=Bright(8, at=0.45),
    )
    finding = GUESSING(made)
    assert verdict(finding) == ("warn", 1 / 8)
    assert finding.text == (
        "one needed more than the way to grey for 1 of 4; two needed more than the way to grey for 0 of 4"
    )


@pytest.mark.parametrize(("lame", "status"), [(0, "pass"), (2, "warn"), (3, "fail")])
def test_attacks_with_room_for_the_way_to_grey(lame: int, status: str):
    made = case(attempt(Brightens(lame=0.3), rows(20)), module=Bright(10, at=0.45), images=flagged(20, lame, first=0.4))
    finding = GUESSING(made)
    assert verdict(finding) == (status, lame / 20)
    assert finding.text == f"Brightens with room for that way left {lame} of 20 standing"


def test_each_image_is_given_its_own_way_to_grey():
    images = torch.full((3, 1, 2, 2), 0.5)
    images[:, 0, 0, 0] = torch.tensor([0.42, 0.3, 0.1])
    made = case(attempt(Brightens(lame=0.401), rows(3)), module=Bright(at=0.499), images=images)
    assert verdict(GUESSING(made)) == ("pass", 0.0)


@pytest.mark.parametrize(
    ("missed", "lame", "status"), [(0, 0, "pass"), (1, 0, "warn"), (9, 0, "warn"), (9, 1, "warn"), (0, 5, "fail")]
)
def test_a_search_that_misses_beside_an_attack_at_the_radius(missed: int, lame: int, status: str):
    made = case(
        attempt(SEARCH, rows(20, range(missed, 20))),
        attempt(Brightens(lame=0.3), rows(20)),
        module=Bright(10, at=0.45),
        images=flagged(20, lame, first=0.4),
    )
    assert verdict(GUESSING(made)) == (status, lame / 20)
    assert GUESSING(made).text.startswith(f"DeepFool needed more than the way to grey for {missed} of 20; Brightens")


def test_guessing_needs_a_grey_image_and_an_attack():
    table = rows(4)
    assert "of this kind" in GUESSING(case(attempt(STEPS, table), threat=Flow(1.0))).text
    assert "No image was right" in GUESSING(case(attempt(STEPS, table), module=Bright(at=0.6))).text
    assert "There was no search" in GUESSING(case(attempt(NOISE, table), module=GREY)).text
    other = attempt(Brightens(), table, Lp("2", 0.1))
    assert "There was no search" in GUESSING(case(other, module=GREY)).text, "of another norm than the question's"
    beside = case(other, attempt(SEARCH, rows(4, range(4))), module=GREY)
    assert verdict(GUESSING(beside)) == ("pass", 0.0)
    assert "Brightens" not in GUESSING(beside).text


@pytest.mark.parametrize(("count", "lame", "status"), [(20, 0, "pass"), (20, 1, "warn"), (19, 1, "fail")])
def test_an_attack_with_all_the_room(count: int, lame: int, status: str):
    """The farthest corner is 1 away; what has a flag does not fall there."""
    made = case(attempt(Brightens(lame=0.99), rows(count)), images=flagged(count, lame))
    finding = UNBOUNDED(made)
    assert verdict(finding) == (status, lame / count)
    assert finding.text == f"Brightens at a radius that allows every image left {lame} of {count} standing"


def test_all_the_room_is_the_box_and_only_right_images_count():
    images = images_of(0.3, 0.3, 0.3, flags=[0.3] * 3)
    images[:, 0, 1] = 0.3
    of = attempt(Brightens(lame=0.71), rows(3, (), [1]))
    assert UNBOUNDED(case(of, images=images)).text.endswith("left 0 of 2 standing")
    of = attempt(Brightens(lame=0.69), rows(3, (), [1]))
    assert UNBOUNDED(case(of, images=images)).text.endswith("left 2 of 2 standing")
    assert UNBOUNDED(case(attempt(ONE_STEP, rows(3)))).status == "skipped"
    assert UNBOUNDED(case(attempt(STEPS, rows(3, (), range(3))))).text == "No image was right before."


def test_a_grey_image_of_which_the_network_says_nan_proves_nothing():
    """As networks do that divide by an image's own contrast."""

    class Contrast(Bright):
        def forward(self, images: Tensor) -> Tensor:
            spread = images.flatten(1).std(1)[:, None]
            return super().forward(images) * spread / spread

    labels, images = torch.ones(3, dtype=torch.int64), images_of(0.6, 0.7, 0.8)
    made = case(attempt(STEPS, rows(3)), attempt(SEARCH, rows(3)), module=Contrast(), images=images, labels=labels)
    assert grey_images(made)[0] == []
    assert GUESSING(made).status == "skipped"
