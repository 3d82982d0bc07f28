"""Generated scenes of boxes, spheres and planes with exact depth, by casting a ray through every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittle.errors import InputError
from brittle.metrics.estimate import Floats

SPHERES = BOXES = 3
"""Of each in a scene."""
FIELD = 0.6
"""Half the width of the view at distance 1."""
DOWN = 0.2
"""How far the view is shifted down at distance 1, so that the floor takes up more of it."""
WALL = (7.5, 10.0)
"""Distance of the wall behind everything."""
HEIGHT = (0.8, 1.6)
"""Of the eye above the floor."""
AMBIENT = 0.25
PART = 32
"""Scenes drawn at a time."""
_NEVER = np.inf


@dataclass(frozen=True)
class Scenes:
    """Pictures with the depth of every pixel.

    Attributes:
        images: (n, 3, h, w), in [0, 1].
        depth: (n, h, w), distance from the plane of the eye, in units of which the eye is about one above the floor.
    """

    images: Floats
    depth: Floats


@dataclass(frozen=True)
class _Hits:
    """What the rays of all scenes meet first so far: depth (n, p), normal and colour (n, p, 3) at that point."""

    depth: Floats
    normal: Floats
    colour: Floats

    def nearer(self, depth: Floats, normal: Floats, colour: Floats) -> "_Hits":
        """Return the hits with those of one more body (per scene) where they are nearer."""
        closer = depth < self.depth
        whole = np.broadcast_to(colour, normal.shape)
        return _Hits(
            np.where(closer, depth, self.depth),
            np.where(closer[..., None], normal, self.normal),
            np.where(closer[..., None], whole, self.colour),
        )


def render(count: int, side: int, seed: int) -> Scenes:
    """Draw scenes: a floor with squares, a wall behind, spheres and boxes on the floor, lit from one side.

    Args:
        count: scenes.
        side: of the square pictures, in pixels.
        seed: of everything random; scene i of a seed is the same however many there are.

    Raises:
        InputError: no scenes, or pictures without pixels.

    Example:
        >>> scenes = render(2, 8, seed=0)
        >>> scenes.images.shape, scenes.depth.shape
        ((2, 3, 8, 8), (2, 8, 8))
    """
    if count < 1 or side < 1:
        raise InputError(f"{count} scenes of {side} x {side} pixels cannot be drawn; expected at least one of each")
    numbers = range(count)
    parts = [_cast(numbers[first : first + PART], side, seed) for first in range(0, count, PART)]
    return Scenes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _cast(numbers: Sequence[int], side: int, seed: int) -> tuple[Floats, Floats]:
    """Return pictures and depth of some scenes of a seed."""
    count = len(numbers)
    draws = np.stack([np.random.default_rng([seed, number]).random(64) for number in numbers])
    place = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(place * FIELD, -place * FIELD - DOWN)
    rays = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    hits = _room(rays, draws[:, :12], WALL[0] + (WALL[1] - WALL[0]) * draws[:, 60:61])
    for number in range(SPHERES):
        hits = hits.nearer(*_sphere(rays, draws[:, 12 + 7 * number : 19 + 7 * number], draws[:, 0]))
    for number in range(BOXES):
        hits = hits.nearer(*_box(rays, draws[:, 33 + 9 * number : 42 + 9 * number], draws[:, 0]))
    light = _unit(np.stack([2 * draws[:, 10] - 1, np.full(count, 1.2), -0.5 - draws[:, 11]], -1))
    lit = np.maximum((hits.normal * light[:, None]).sum(-1), 0)
    colour = hits.colour * (AMBIENT + (1 - AMBIENT) * lit)[..., None]
    images = np.clip(colour, 0, 1).reshape(count, side, side, 3).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), hits.depth.reshape(count, side, side)


def _eye(draw: Floats) -> Floats:
    return HEIGHT[0] + (HEIGHT[1] - HEIGHT[0]) * draw


def _room(rays: Floats, draws: Floats, wall: Floats) -> _Hits:
    """Cast rays (p, 3) at the floor, which has squares of two colours, and at the wall."""
    eye = _eye(draws[:, :1])
    with np.errstate(divide="ignore"):
        floor = np.where(rays[:, 1] < 0, -eye / rays[:, 1], _NEVER)
    down = floor < wall
    depth = np.where(down, floor, wall)
    normal = np.where(down[..., None], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0])
    squares = np.floor(rays[:, 0] * depth) + np.floor(depth)
    light, dark = draws[:, None, 1:4], draws[:, None, 4:7] * 0.5
    ground = np.where((squares % 2 == 0)[..., None], light, dark)
    return _Hits(depth, normal, np.where(down[..., None], ground, draws[:, None, 7:10]))


def _sphere(rays: Floats, draws: Floats, height: Floats) -> tuple[Floats, Floats, Floats]:
    """Cast rays at one sphere for each scene that rests on the floor."""
    radius = 0.25 + 0.5 * draws[:, 0]
    away = 2 + 5 * draws[:, 1]
    centre = np.stack([(2 * draws[:, 2] - 1) * FIELD * away, radius - _eye(height), away], -1)
    along = centre @ rays.T
    square = (rays**2).sum(-1)
    root = along**2 - square * ((centre**2).sum(-1) - radius**2)[:, None]
    depth = np.where(root > 0, (along - np.sqrt(np.maximum(root, 0))) / square, _NEVER)
    reach = np.where(np.isfinite(depth), depth, 0.0)[..., None]
    normal = (reach * rays - centre[:, None]) / radius[:, None, None]
    return depth, normal, draws[:, None, 4:7]


def _box(rays: Floats, draws: Floats, height: Floats) -> tuple[Floats, Floats, Floats]:
    """Cast rays at one box for each scene that stands on the floor, turned about its vertical axis."""
    half = 0.2 + 0.4 * draws[:, 0:3]
    away = 2 + 5 * draws[:, 3]
    centre = np.stack([(2 * draws[:, 4] - 1) * FIELD * away, half[:, 1] - _eye(height), away], -1)
    angle = np.pi * draws[:, 5]
    cosine, sine, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    turn = np.stack([cosine, zero, -sine, zero, one, zero, sine, zero, cosine], -1).reshape(-1, 3, 3)
    start = -(turn @ centre[..., None])[:, None, :, 0]
    heading = rays[None] @ turn.transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(-half[:, None] - start) / heading, (half[:, None] - start) / heading])
    enter, leave = sides.min(0), sides.max(0)
    first, last = enter.max(-1), leave.min(-1)
    depth = np.where((first < last) & (first > 0), first, _NEVER)
    axis = np.eye(3)[enter.argmax(-1)]
    normal = (axis * -np.sign(heading)) @ turn
    return depth, normal, draws[:, None, 6:9]


def _unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
