"""Every registered threat keeps the contract; one that measures too little, and one that projects too far, do not."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from affine import convolutional, middle

from brittle import ColourShift, Lp, RandomNoise, SmallestRadius, Threat, run
from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.errors import InputError, UnsupportedThreat
from brittle.threats import THREATS, described, parse_threat
from brittle.tolerance import TOLERANCE

RADII = {"l0": 3.0, "l1": 1.0, "l2": 0.4, "pixels": 2.0, "flow": 0.8, "patch": 2.0, "frame": 1.0}
"""A radius that images of 3 x 4 leave room for; 0.1 for others."""
BOX = Bounds()


def clean() -> torch.Tensor:
    return middle(4, (3, 3, 4))


def radius_of(threat: Threat) -> float:
    return RADII.get(threat.name, 0.1)


def drawn(threat: Threat) -> torch.Tensor:
    images, ids = clean(), torch.arange(4)
    return threat.draw(images, Streams(0, ids, images.dtype), ids, BOX)


def far(threat: Threat) -> torch.Tensor:
    """Points far beyond the radius."""
    points = threat.zero(clean())
    spread = torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    return points + 20 * radius_of(threat) * spread


def zero_changes_nothing(threat: Threat) -> None:
    zero = threat.zero(clean())
    assert torch.equal(threat.apply(clean(), zero, BOX), clean())
    assert threat.size(clean(), zero).tolist() == [0] * 4


def stays_in_the_box(threat: Threat) -> None:
    _, images = threat.seen(clean(), far(threat), BOX)
    assert images.shape == clean().shape
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert torch.equal(images, threat.apply(clean(), far(threat), BOX))


def projects_to_what_is_allowed(threat: Threat) -> None:
    """What is projected is allowed, and what is allowed stays as it is."""
    assert not bool(threat.allows(threat.size(clean(), far(threat))).any())
    near = threat.project(clean(), far(threat))
    assert bool(threat.allows(threat.size(clean(), near)).all())
    torch.testing.assert_close(threat.project(clean(), near), near)


def measures_more_where_more_changes(threat: Threat) -> None:
    """A change that is seen has a size, and half a change no larger one."""
    zero, points = threat.zero(clean()), far(threat)
    whole, half = threat.size(clean(), points), threat.size(clean(), zero + (points - zero) / 2)
    assert bool((whole > 0).all())
    assert bool((half <= whole * (1 + TOLERANCE)).all())
    assert threat.counts or bool((half < whole).all())


def draws_what_is_allowed(threat: Threat) -> None:
    points = drawn(threat)
    assert bool(threat.allows(threat.size(clean(), points)).all())
    assert torch.equal(points, drawn(threat))
    assert not torch.equal(points[0], points[1])


def reaches_no_farther_than_it_says(threat: Threat) -> None:
    most = threat.max_size(clean(), BOX)
    assert most.shape == (4,)
    assert bool((most >= radius_of(threat)).all())
    if threat.on_images:
        assert bool((threat.size(clean(), torch.ones_like(clean())) <= most * (1 + TOLERANCE)).all())


def is_measured_by_other_code_alike(threat: Threat) -> None:
    moved = threat.apply(clean(), drawn(threat), BOX)
    other = threat.measured(clean().double().numpy(), moved.double().numpy())
    if threat.on_images:
        torch.testing.assert_close(torch.from_numpy(other), threat.size(clean(), moved).double(), rtol=1e-5, atol=1e-6)
    else:
        assert other.tolist() == [torch.inf] * 4


def carries_gradients_back(threat: Threat) -> None:
    """The gradient by the points agrees with differences, where images lie well within the box."""
    points = (drawn(threat) - threat.zero(clean())).double() * 0.5 + threat.zero(clean()).double()
    images, weights = clean().double(), torch.linspace(-1, 1, clean().numel(), dtype=torch.float64).reshape(4, 3, 3, 4)
    found = threat.pulled_back(images, points, weights, BOX)
    assert found.shape == points.shape
    step = torch.randn(points.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1e-7
    ahead, behind = (threat.apply(images, points + sign * step, BOX) for sign in (1, -1))
    inside = ((ahead > 0) & (ahead < 1)).flatten(1).all(1)
    assert bool(inside.any())
    rise = ((ahead - behind) * weights).flatten(1).sum(1) / 2
    torch.testing.assert_close((found * step).flatten(1).sum(1)[inside], rise[inside], rtol=1e-4, atol=1e-12)


def climbs_steepest(threat: Threat) -> None:
    """The steepest direction has size 1 and no random one of that size gains more; or there is none."""
    gradient = torch.randn(threat.zero(clean()).shape, generator=torch.Generator().manual_seed(2), dtype=clean().dtype)
    if not threat.generic and not isinstance(threat, Lp):
        with pytest.raises(UnsupportedThreat, match=threat.name):
            threat.steepest(gradient)
        return
    steepest = threat.steepest(gradient)
    zero = threat.zero(clean())
    torch.testing.assert_close(threat.size(clean(), zero + steepest), torch.ones(4, dtype=zero.dtype))
    other = threat.within(1.0).draw(clean(), Streams(1, torch.arange(4), clean().dtype), torch.arange(4), BOX) - zero
    assert bool(((gradient * (steepest - other)).flatten(1).sum(1) >= -1e-4).all())


def speaks_for_itself(threat: Threat) -> None:
    assert threat.title
    assert threat.kind
    assert 0 < threat.default_radius < torch.inf
    assert "0.25" in threat.sentence("0.25")
    assert parse_threat(threat.name, radius_of(threat)) == threat
    assert parse_threat(f"{threat.name}:{radius_of(threat)}") == threat
    assert described(threat.name).title == threat.title


def is_searched(threat: Threat) -> None:
    """An attack that draws at random keeps it, at a radius and around it, and the result has its size."""
    images = middle(4)
    for attack, question in (
        (RandomNoise(5), threat),
        (SmallestRadius(RandomNoise(2), steps=4), threat.within(torch.inf)),
    ):
        result = run(attack, convolutional(), images, threat=question)
        assert bool((result.size[result.success] <= result.sizes[threat.name][result.success] * (1 + 1e-5)).all())
        assert bool(question.allows(result.size[result.success]).all())
        assert (result.perturbation is None) == threat.on_images
        if result.perturbation is not None:
            assert torch.equal(threat.apply(images, result.perturbation, BOX), result.adversarial)
            assert torch.equal(threat.size(images, result.perturbation), result.sizes[threat.name])


CLAUSES: list[Callable[[Threat], None]] = [
    zero_changes_nothing,
    stays_in_the_box,
    projects_to_what_is_allowed,
    measures_more_where_more_changes,
    draws_what_is_allowed,
    reaches_no_farther_than_it_says,
    is_measured_by_other_code_alike,
    carries_gradients_back,
    climbs_steepest,
    speaks_for_itself,
    is_searched,
]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("name", THREATS)
def test_keeps_the_contract(name: str, clause: Callable[[Threat], None]):
    threat = parse_threat(name)
    if clause is climbs_steepest and name in ("l0", "l1"):
        pytest.skip("a norm whose steepest direction is one entry of many: see the tests of norms")
    clause(threat.within(radius_of(threat)))


@dataclass(frozen=True)
class Understated(ColourShift):
    """Says that every shift is half as large as it is in its images."""

    def changed(self, clean, moved, bounds):
        return super().changed(clean, moved, bounds) + 0.1


@dataclass(frozen=True)
class Overreaching(ColourShift):
    """Projects on a larger radius than it allows."""

    def project(self, clean, moved):
        return ColourShift(2 * self.radius).project(clean, moved)


@dataclass(frozen=True, init=False)
class Miscounting(Lp):
    """Measures half of the change."""

    def size(self, clean, moved):
        return super().size(clean, moved) / 2


@pytest.mark.parametrize(
    ("cheat", "clause"),
    [
        (Understated(0.1), zero_changes_nothing),
        (Overreaching(0.1), projects_to_what_is_allowed),
        (Miscounting(2, 0.4), is_measured_by_other_code_alike),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_cheat_fails_the_contract(cheat: Threat, clause: Callable[[Threat], None]):
    with pytest.raises(AssertionError):
        clause(cheat)


@pytest.mark.parametrize("text", ["l3", "", "linf:", "linf:x", "flow:-1", "colour:nan"])
def test_what_is_no_threat_is_refused(text: str):
    with pytest.raises(InputError, match=r"expected"):
        parse_threat(text)


def test_older_names_of_norms_are_read():
    assert [parse_threat(old).name for old in ("0", "1", "2", "inf")] == ["l0", "l1", "l2", "linf"]
    assert parse_threat("linf:8/255", 0.3) == Lp("inf", 8 / 255)
    assert (described("elsewhere").title, described("elsewhere").sentence("3")) == (
        "elsewhere",
        "A change of at most 3 in elsewhere",
    )
