"""The checks of images attacked once more, on either side of each threshold; and which images these are."""

import math

import numpy as np
import pytest
import torch
from made_up_audits import (
    NOISE,
    ONE_STEP,
    RADIUS,
    SEARCH,
    STEPS,
    Bright,
    Brightens,
    again,
    attempt,
    case,
    images_of,
    repeated,
    result,
    rows,
    verdict,
)
from torch import Tensor

from brittle import Flow, Lp, Pixels, RandomNoise
from brittle.health.repeats import ALLOWED, CONVERGED, RETURNED, SAME, moved
from brittle.health.rerun import MOST, PathObserver, in_turn
from brittle.threats import parse_threat
from brittle.words import plural

WIDE = torch.float64


def test_the_witness_remembers_the_smallest_change_that_counts():
    """Right, wrong but far, wrong within the radius, wrong and smaller, wrong and said in NaN, wrong beyond the box."""
    image = images_of(0.5, dtype=WIDE)[0]
    steps = [0.01, 0.4, 0.25, 0.125, 0.05, 0.02]
    shown = image + images_of(*steps, dtype=WIDE) * torch.tensor([[[1.0, 0], [0, 0]]], dtype=WIDE)
    shown[5, 0, 0, 1] = -1e-9
    said = torch.tensor([[1.0, 0]] + [[0.0, 1]] * 5, dtype=WIDE)
    said[4, 0] = torch.nan
    witness = PathObserver(image, 0, attempt(STEPS, rows(1), Lp("inf", 0.25)), (0.0, 1.0))
    witness(shown[:2], said[:2])
    assert (witness.best, witness.points) == (math.inf, 2)
    witness(shown[2:3], said[2:3])
    assert witness.best == 0.25, "as large as the radius"
    witness(shown[3:4], said[3:4])
    witness(shown[2:3], said[2:3])
    witness(shown[4:], said[4:])
    assert (witness.best, witness.points) == (0.125, 7)


def test_the_witness_of_a_search_has_no_radius_and_measures_in_the_norm_of_the_attack():
    image = images_of(0.25, dtype=WIDE)[0]
    far = image.clone()[None]
    far[0, 0, 0, :2] = torch.tensor([0.55, 0.4])
    said = torch.tensor([[0.0, 1]], dtype=WIDE)
    for p, size in (("1", 0.7), ("2", 0.5), ("inf", 0.4), ("0", 2.0)):
        search, at = (
            PathObserver(image, 0, attempt(STEPS, rows(1), Lp(p, radius)), (0.0, 1.0))
            for radius in (math.inf, size - 0.01)
        )
        for witness in (search, at):
            witness(far, said)
        assert search.best == pytest.approx(size)
        assert at.best == math.inf


def test_deformations_have_no_size_that_images_show():
    assert parse_threat("flow").measured(np.zeros((1, 2, 2)), np.ones((2, 1, 2, 2))).tolist() == [math.inf, math.inf]
    assert parse_threat("pixels").measured(np.zeros((3, 2, 2)), np.ones((2, 3, 2, 2))).tolist() == [4, 4]
    assert parse_threat("0").measured(np.zeros((3, 2, 2)), np.ones((2, 3, 2, 2))).tolist() == [12, 12]


def test_images_are_attacked_again_in_turn_one_that_stood_and_one_that_fell():
    made = case(attempt(STEPS, rows(9, [0, 1, 2, 5], [3, 7])))
    assert in_turn(made, made.attempts[0]) == [4, 0, 6, 1, 8, 2, 5]
    made = case(
        attempt(STEPS, rows(9, [0, 1, 2, 5], [3, 7])), images=images_of(*[0.4] * 4), index=torch.tensor([1, 3, 4, 5])
    )
    assert in_turn(made, made.attempts[0]) == [2, 0, 3], "places among the images shown, not rows"


def costly(count: int, *, forward: object, **options: object):
    """An attempt that broke all, with the passes of each image."""
    plain = {"forward": np.broadcast_to(forward, (count,)), "backward": np.zeros(count, np.int64)}
    return case(attempt(Brightens(), rows(count, range(count), **plain)), thorough=False, **options)


@pytest.mark.parametrize(
    ("forward", "places"),
    [
        ([16, *[12] * 82], [0]),  # 1.6 % of the 1,000 passes: 16
        ([17, *[983 / 82 // 1] * 82], [1]),
        ([8, 8, 8, *[12] * 81, 4], [0, 1]),
        ([500, 400, 300], [2]),  # no room for any: the cheapest
    ],
)
def test_as_many_images_are_attacked_again_as_there_is_room_for(forward: list[int], places: list[int]):
    made = costly(len(forward), forward=np.array(forward, np.int64))
    assert [one.place for one in made.repeats] == places


def test_no_more_than_enough_images_are_attacked_again():
    made = costly(3000, forward=1, images=images_of(*[0.45] * 50))
    assert [one.place for one in made.repeats] == list(range(MOST))
    assert MOST == 32


def test_each_image_is_attacked_as_in_the_audit_alone_with_its_own_random_numbers_and_a_trace():
    images, index = images_of(0.42, 0.44, 0.46), torch.tensor([2, 5, 7])
    table = rows(8, [2, 5, 7])
    made = case(attempt(RandomNoise(draws=4), table), images=images, index=index, quantization=5, seed=3)
    found = made.repeats
    assert [(one.place, one.row) for one in found] == [(0, 2), (1, 5), (2, 7)]
    assert all(len(one.result) == 1 and one.result.trace is not None for one in found)
    assert all(one.witness.points == int(one.result.forward[0]) for one in found)
    assert all(torch.equal(one.witness.image, images[one.place]) for one in found)
    for one in found:
        levels = one.result.adversarial * 4
        assert torch.equal(levels, levels.round()), "on the grid of the audit"
    other = case(attempt(RandomNoise(draws=4), table), images=images, index=index, seed=3, quantization=None).repeats
    same = case(attempt(RandomNoise(draws=4), table), images=images, index=index, seed=3, quantization=None).repeats
    seeds = case(attempt(RandomNoise(draws=4), table), images=images, index=index, seed=4, quantization=None).repeats
    assert all(torch.equal(a.result.adversarial, b.result.adversarial) for a, b in zip(other, same, strict=True))
    assert not any(torch.equal(a.result.adversarial, b.result.adversarial) for a, b in zip(other, seeds, strict=True))


def same_of(*pairs: tuple[tuple[bool, float], tuple[bool, float]]) -> tuple[str, float | None]:
    """The verdict on results that were (success, size) and are so now."""
    then, now = zip(*pairs, strict=True)
    table = rows(len(pairs), success=[one[0] for one in then]).set_column(
        rows(1).column_names.index("size"), "size", [[one[1] for one in then]]
    )
    made = case(attempt(SEARCH, table))
    found = [
        again(made.attempts[0], result(made.images[:1], success=hit, size=size), place)
        for place, (hit, size) in enumerate(now)
    ]
    return verdict(SAME(repeated(made, *found)))


@pytest.mark.parametrize(
    ("count", "other", "status"),
    [(20, 0, "pass"), (20, 2, "pass"), (20, 3, "warn"), (20, 5, "warn"), (20, 6, "fail")],
)
def test_results_that_come_out_otherwise(count: int, other: int, status: str):
    pairs = [((True, 1.0), (True, 1.5))] * other + [((True, 1.0), (True, 1.0))] * (count - other)
    assert same_of(*pairs) == (status, other / count)


@pytest.mark.parametrize(
    ("then", "now", "differs"),
    [
        ((True, 1.0), (True, 0.981), False),  # 2 % of the larger one
        ((True, 1.0), (True, 0.979), True),
        ((True, 0.981), (True, 1.0), False),
        ((True, 0.979), (True, 1.0), True),
        ((True, 0.5), (True, 0.5), False),
        ((False, math.inf), (False, math.inf), False),
        ((True, 1.0), (False, math.inf), True),
        ((False, math.inf), (True, 1.0), True),
        ((False, 1.0), (True, 1.0), True),
    ],
)
def test_when_a_result_is_another(then, now, differs: bool):
    assert same_of((then, now))[1] == float(differs)


def test_what_came_out_otherwise_is_named_once():
    made = case(attempt(STEPS, rows(6, range(6))), attempt(SEARCH, rows(6, range(6))))
    steps, search = made.attempts
    sizes = [0.05, 0.05, 0.9, 0.9, 0.9, 0.05]
    found = [again(steps, result(made.images[:1], size=size), place) for place, size in enumerate(sizes)]
    made = repeated(made, *found, again(search, result(made.images[:1], size=0.9), 3))
    assert SAME(made).text == "4 of 7 results came out otherwise, each image alone and with its seed: PGD, DeepFool"
    assert SAME(repeated(made)).status == "skipped"


def allowed(shift: float, *, first: float = 0.45, success: bool = True, threat: Lp | None = None, **options: object):
    """The verdict on one success that moved the first pixel by so much."""
    image = images_of(first, dtype=WIDE)
    moved_one = image.clone()
    moved_one[0, 0, 0, 0] += shift
    made = case(attempt(STEPS, rows(1, [0]), threat), images=image, **options)
    return ALLOWED(repeated(made, again(made.attempts[0], result(moved_one, success=success))))


@pytest.mark.parametrize(
    ("shift", "options", "said"),
    [
        (0.1, {}, (0, 0, 0)),
        (0.1 + 0.9e-6, {}, (0, 0, 0)),
        (0.1 + 1.1e-6, {}, (1, 0, 0)),
        (0.01, {}, (0, 0, 1)),  # does not reach the other class
        (0.6, {"threat": Lp("inf", 1.0)}, (0, 1, 0)),
        (0.55, {"threat": Lp("inf", 1.0)}, (0, 0, 0)),  # onto the bound itself
        (0.55 + 1e-12, {"threat": Lp("inf", 1.0)}, (0, 1, 0)),
        (0.3, {"threat": Lp("inf")}, (0, 0, 0)),  # a search has no radius
        (0.1 + 3.9e-6, {"bounds": (0.0, 4.0)}, (0, 0, 0)),  # of the span
        (0.1 + 4.1e-6, {"bounds": (0.0, 4.0)}, (1, 0, 0)),
        (3.0 + 2.9e-6, {"bounds": (0.0, 4.0), "threat": Lp("inf", 3.0)}, (0, 0, 0)),
        (8.0 + 7.9e-6, {"bounds": (-10.0, -6.0), "threat": Lp("inf", 8.0)}, (0, 1, 0)),  # of the radius
        (8.0 + 8.1e-6, {"bounds": (-10.0, -6.0), "threat": Lp("inf", 8.0)}, (1, 1, 0)),
    ],
)
def test_radius_box_and_label_in_a_second_pass(shift: float, options, said: tuple[int, int, int]):
    module = Bright().double()
    module.register_buffer("wide", torch.zeros(1, dtype=WIDE))
    finding = allowed(shift, module=module, **options)
    beyond, outside, right = said
    assert verdict(finding) == ("fail" if any(said) else "pass", float(sum(said)))
    assert finding.text.startswith(
        f"of 1 change {beyond} are beyond the radius, {outside} leave the box, {right} are no success"
    )


def test_the_largest_of_the_changes_is_told():
    assert allowed(0.08).text.endswith("; the largest is 0.800000 of its radius")
    assert "largest" not in allowed(0.08, threat=Lp("inf")).text
    image = images_of(0.45, dtype=WIDE)
    made = case(attempt(STEPS, rows(3, [0])), images=image)
    found = []
    for shift in (0.06, 0.09, 0.07):
        moved_one = image.clone()
        moved_one[0, 0, 0, 0] += shift
        found.append(again(made.attempts[0], result(moved_one)))
    finding = ALLOWED(repeated(made, *found, again(made.attempts[0], result(image, success=False))))
    assert finding.text.startswith("of 3 changes 0 are beyond")
    assert finding.text.endswith("; the largest is 0.900000 of its radius")
    assert ALLOWED(repeated(made, again(made.attempts[0], result(image, success=False)))).status == "skipped"


def returned(*repeats: tuple[bool, float, float], threat: object = None, **options: object):
    """The finding about attacks that returned (success, size) while a witness saw a smaller change."""
    made = case(attempt(STEPS, rows(1), threat), **options)
    found = [
        again(made.attempts[0], result(made.images[:1], success=hit, size=size), seen=seen, points=1000)
        for hit, size, seen in repeats
    ]
    return RETURNED(repeated(made, *found))


@pytest.mark.parametrize(
    ("success", "size", "seen", "status"),
    [
        (True, 1.0, 1.0, "pass"),
        (True, 1.0, 0.99991, "pass"),  # to a relative 1e-4
        (True, 1.0, 0.99989, "fail"),
        (True, 1.0, math.inf, "pass"),
        (False, math.inf, math.inf, "pass"),
        (False, math.inf, 0.5, "fail"),
    ],
)
def test_the_best_point_on_the_path(success: bool, size: float, seen: float, status: str):
    finding = returned((success, size, seen))
    assert verdict(finding) == (status, float(status == "fail"))


def test_what_was_lost_on_the_path_is_told_apart():
    finding = returned((False, math.inf, 0.5), (True, 1.0, 0.5), (True, 1.0, 0.5), (True, 1.0, 1.0))
    assert finding.text == (
        "4,000 points seen for 4 results: 1 broken in silence, 2 with a smaller change on the path (PGD)"
    )
    assert finding.value == 3
    fine = (True, 1.0, 0.5)
    assert returned(fine, quantization=256).status == "skipped"
    assert returned(fine, eot_samples=2).status == "skipped"
    assert returned(fine, eot_samples=1).status == "fail"
    assert returned(fine, threat=Flow(2.0)).status == "skipped"
    assert returned(fine, threat=Pixels(2)).status == "fail"
    assert returned().status == "skipped"


def path(last: float, over: int = 10, length: int = 41) -> list[float]:
    """Margins that reach 20 in all, `last` of it over the last points."""
    return [0.0] + [20.0 - last] * (length - over - 1) + [20.0] * over


def converged(*traces: list[float], broken: int = 0, attack=STEPS, threat=None):
    made = case(attempt(attack, rows(1), threat))
    (of,) = made.attempts
    found = [again(of, result(made.images[:1], success=False, trace=trace)) for trace in traces]
    return CONVERGED(repeated(made, *found, *[again(of, result(made.images[:1], trace=[0.0, 9.0]))] * broken))


STILL, MOVES = path(1.0), path(1.1)
"""5 % and 5.5 % over the last ten points."""


@pytest.mark.parametrize(
    ("traces", "status"),
    [
        ([STILL] * 4, "pass"),
        ([MOVES] + [STILL] * 3, "pass"),  # a quarter
        ([MOVES] + [STILL] * 2, "warn"),
        ([MOVES] * 2 + [STILL] * 2, "warn"),  # half
        ([MOVES] * 2 + [STILL], "fail"),
        ([MOVES] * 3, "fail"),
        ([MOVES] * 2, "warn"),  # fewer than three are no verdict
        ([MOVES], "warn"),
        ([STILL] * 2, "pass"),
    ],
)
def test_attacks_that_converged(traces: list[list[float]], status: str):
    moving = sum(trace is MOVES for trace in traces)
    finding = converged(*traces, broken=5)
    assert verdict(finding) == (status, moving / len(traces))
    largest = "5.5%" if moving else "5.0%"
    assert finding.text == (
        f"{moving} of {plural(len(traces), 'unbroken image')} had a margin still growing, by {largest} at most"
    )


def test_only_unbroken_images_of_iterative_attacks_at_a_radius_have_to_converge():
    assert verdict(converged(broken=3)) == ("pass", 0.0)
    assert converged(broken=3).text == "Every image attacked again by an iterative attack at a radius was broken"
    assert converged(MOVES, attack=ONE_STEP).status == "skipped"
    assert converged(MOVES, threat=Lp("inf")).status == "skipped"
    assert converged(MOVES, attack=NOISE).status == "skipped"
    assert converged().status == "skipped"


@pytest.mark.parametrize(
    ("margins", "fraction"),
    [
        (path(1.0, over=10, length=40), 0.05),
        (path(1.0, over=10, length=39), 0.0),  # nine are the last quarter of 39
        (path(1.0, over=9, length=39), 0.05),
        (path(1.0, over=10, length=400), 0.05),
        (path(1.0, over=11, length=400), 0.0),
        (path(1.0, over=1, length=7), 0.05),
        (path(1.0, over=2, length=8), 0.05),
        ([0.0, 20.0], 1.0),
        ([3.0, 3.0], 0.0),
        ([20.0, 3.0, 1.0], 0.0),  # the best so far, not the last
        ([math.nan, 0.0, math.nan, 19.0, math.nan, 20.0], 0.05),
        ([math.nan, math.nan], 0.0),
        ([-math.inf, 5.0], 0.0),
        ([-10.0, 9.0, 10.0], 0.05),
    ],
)
def test_how_far_a_margin_moved_at_the_end(margins: list[float], fraction: float):
    with np.errstate(all="raise"):
        assert moved(np.array(margins)) == pytest.approx(fraction)


def test_a_network_that_says_nan_gives_a_trace_with_gaps_and_no_success():
    """Beyond 0.45 this network says NaN: nothing there counts, and what is left of the path is judged."""

    class Breaks(Bright):
        def forward(self, images: Tensor) -> Tensor:
            return torch.where(images[:, :1, 0, 0] > 0.45, torch.nan, super().forward(images))

    made = case(attempt(Brightens(), rows(1)), module=Breaks(), images=images_of(0.42), threat=Lp("inf", RADIUS))
    (one,) = made.repeats
    assert not bool(one.result.success[0])
    assert int(one.result.nonfinite_outputs[0]) >= 1
    assert one.witness.best == math.inf
    assert verdict(CONVERGED(made)) == ("pass", 0.0)
