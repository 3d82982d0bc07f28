"""Whether a radius can be meant: at the data that it is for, and beside the one that others use there."""

import math
from collections.abc import Sequence

import torch

from brittle.arguments.numbers import levels_text
from brittle.base.bounds import Bounds
from brittle.core.inputs import check_radius
from brittle.threats import Lp, Threat

UNLIKE = 4.0
"""A radius that was asked for and is so many times smaller or larger than the usual one is said to be."""


def check_reach(threat: Threat, shape: Sequence[int], bounds: Bounds | None = None) -> None:
    """Refuse a radius that is larger than any change of images of this shape (channels, height, width).

    `run` refuses it as well; here it is refused before anything is written or trained.

    Raises:
        InputError: with the radius and the largest change.

    Example:
        >>> from brittle import Lp
        >>> check_reach(Lp("inf", 8 / 255), (3, 32, 32))
    """
    threat.check_asked()
    check_radius(threat, torch.zeros((1, *shape)), bounds or Bounds())


def unusual_radius(threat: Threat, radius: float, shape: Sequence[int], *, asked: bool = True) -> list[str]:
    """Say which radius is usual for images of this shape where the one asked for is far from it.

    A radius that nobody asked for is compared strictly, a number of pixels not at all.

    Example:
        >>> from brittle import Lp
        >>> unusual_radius(Lp("inf"), 0.03, (1, 28, 28))[0].partition(", the usual")[0]
        'the linf radius 0.03 is 10 times smaller than 0.3'
        >>> unusual_radius(Lp("inf"), 0.001, (1, 28, 28))[0].partition(" smaller")[0]
        'the linf radius 0.001 is 300 times'
        >>> unusual_radius(Lp("inf"), 8 / 255, (3, 32, 32)), unusual_radius(Lp(2), 9.0, (1, 8, 8))
        ([], [])
        >>> unusual_radius(Lp(2), 8 / 255, (3, 32, 32))[0].partition("CIFAR-10")[2]
        ': --eps 0.5; 8/255 is usual in linf: --norm linf'
    """
    found = threat.usual_radius(shape)
    if found is None or (threat.counts and not asked):
        return []
    usual, name = found
    ratio = max(radius / usual, usual / radius)
    if ratio < (UNLIKE if asked else 1.01):
        return []
    size, way = "x".join(map(str, shape)), "smaller" if radius < usual else "larger"
    return [
        f"the {threat.name} radius {_written(radius)} is {_times(ratio)} times {way} than {_written(usual)}, the usual "
        f"one for images of {size} such as {name}: --eps {_written(usual)}{_of_another_norm(threat, radius, shape)}"
    ]


def _of_another_norm(threat: Threat, radius: float, shape: Sequence[int]) -> str:
    """Say that a radius which is much too small is just what is usual in linf."""
    linf = Lp("inf")
    usual = linf.usual_radius(shape)
    if threat.name == linf.name or usual is None or not math.isclose(radius, usual[0], rel_tol=0.02):
        return ""
    return f"; {_written(radius)} is usual in {linf.name}: --norm {linf.name}"


def _times(ratio: float) -> str:
    rounded = float(f"{ratio:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _written(radius: float) -> str:
    """Write a radius as people do: in levels of 255 where it is a whole number of them."""
    return levels_text(radius, most=63) or f"{radius:.4g}"
