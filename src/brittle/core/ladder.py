"""Points of a quantization grid around a point, in order: each has more of a linearised margin, and a larger size."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.base.rows import Rows, column
from brittle.threats import Lp, Threat
from brittle.types import Images, Mask, PerImage


@dataclass(frozen=True)
class Neighbourhood(Rows):
    """The levels next to a point: floor and ceiling of each value, or one to each side of a value that is a level.

    Attributes:
        clean: the clean image, in levels.
        centre: the point, in levels.
        lowest, highest: least and greatest neighbour of each value.
    """

    clean: Images
    centre: Images
    lowest: Images
    highest: Images

    @classmethod
    def around(cls, clean: Images, centre: Images, top: int) -> "Neighbourhood":
        """Return the neighbourhood within levels 0..top."""
        return cls(clean, centre, (centre.ceil() - 1).clamp(0, top), (centre.floor() + 1).clamp(0, top))

    @property
    def nearest(self) -> Images:
        """The neighbours nearest to the clean image."""
        return torch.maximum(torch.minimum(self.clean.round(), self.highest), self.lowest)

    def along(self, slope: Images) -> Images:
        """The neighbours farthest along a slope; where it is zero, the nearest to the centre."""
        sides = torch.where(slope > 0, self.highest, self.lowest)
        return torch.where(slope == 0, self.centre.round(), sides)


@dataclass(frozen=True)
class CandidatePath(Rows, ABC):
    """Points of the quantization grid of each image in rising order of size.

    Attributes:
        top: number of the last rung, (n,) int64.
        curve: predicted margin at each rung, (n, longest + 1); what stands beyond `top` means nothing.
    """

    top: Tensor
    curve: Tensor

    @abstractmethod
    def at(self, rung: Tensor) -> Images:
        """Return the points at rungs (n,), in levels."""

    def first(self, margin: PerImage) -> Tensor:
        """Return the first rung at which at least this margin is predicted; the last one where there is none."""
        enough = self.curve >= margin[:, None]
        rung = torch.where(enough.any(1), enough.to(torch.uint8).argmax(1), self.top)
        return torch.minimum(rung, self.top)

    def highest(self, allowed: Callable[[Images], Mask]) -> Tensor:
        """Return the last rung whose point is allowed, by bisection; 0 where not even the first one is."""
        low, high = torch.zeros_like(self.top), self.top
        while bool((low < high).any()):
            middle = (low + high + 1) // 2
            fits = allowed(self.at(middle))
            low, high = torch.where(fits, middle, low), torch.where(fits, high, torch.minimum(high, middle - 1))
            high = torch.maximum(low, high)
        return low


@dataclass(frozen=True)
class _Moves(CandidatePath):
    """One value moved per rung, that with the most margin for its size first.

    Attributes:
        base: the point of rung 0.
        moves: by how many levels each move changes the values, (n, moves per value, c, h, w).
        rank: at which rung each move has been made, less one, broadcastable to `moves`.
    """

    base: Images
    moves: Tensor
    rank: Tensor

    def at(self, rung: Tensor) -> Images:
        """Return the clean-most neighbours with the first `rung` moves made."""
        return self.base + (self.moves * (self.rank < column(rung, self.moves))).sum(1)


@dataclass(frozen=True)
class _Ball(CandidatePath):
    """Rung r holds the values farthest along the slope that are within r levels of the clean image."""

    clean: Images
    corner: Images

    def at(self, rung: Tensor) -> Images:
        """Return the corner, cut off at `rung` levels from the clean image."""
        reach = column(rung, self.clean)
        return torch.maximum(torch.minimum(self.corner, (self.clean + reach).floor()), (self.clean - reach).ceil())


def ladder(threat: Threat, clean: Images, centre: Images, slope: Images, margin: PerImage, top: int) -> CandidatePath:
    """Return the ladder of a threat.

    For l1 and l2 a rung is one more value moved one level along the slope, in the order of what that adds to the size
    (l2: to its square) for the margin it gains: for the linearised margin every rung is the smallest change among the
    neighbours that reaches its margin. For linf it is one more level for all values. For l0 and pixels only values
    that are changed already are moved, and a rung is one more of them that stays changed.

    Args:
        threat: an Lp or Pixels.
        clean: the clean images, in levels.
        centre: the points around which the margin is linearised, in levels.
        slope: of the margin, per level.
        margin: at the centre, beyond what is demanded.
        top: number of the highest level.
    """
    near = Neighbourhood.around(clean, centre, top)
    if isinstance(threat, Lp) and threat.p == torch.inf:
        return _ball(near, slope, margin)
    if isinstance(threat, Lp) and threat.p > 0:
        return _values(near, slope, margin, threat.p)
    return _sparse(near, slope, margin, pixels=not isinstance(threat, Lp))


def _dot(slope: Images, change: Images) -> PerImage:
    return (slope * change).flatten(1).sum(1)


def _ball(near: Neighbourhood, slope: Images, margin: PerImage) -> CandidatePath:
    corner = near.along(slope)
    top = (corner - near.clean).abs().flatten(1).amax(1).ceil().to(torch.int64)
    ball = _Ball(top, margin[:, None], near.clean, corner)
    rungs = range(int(top.amax()) + 1)
    predicted = [margin + _dot(slope, ball.at(torch.full_like(top, rung)) - near.centre) for rung in rungs]
    return _Ball(top, torch.stack(predicted, 1), near.clean, corner)


def _values(near: Neighbourhood, slope: Images, margin: PerImage, p: float) -> CandidatePath:
    base, sign = near.nearest, slope.sign()
    moves, keys = [], []
    for step in range(2):  # a neighbourhood has at most three levels
        start = base + step * sign
        end = start + sign
        possible = (sign != 0) & (end >= near.lowest) & (end <= near.highest)
        price = (end - near.clean).abs() ** p - (start - near.clean).abs() ** p
        moves.append(sign * possible)
        keys.append(torch.where(possible, price / slope.abs(), torch.inf))
    moved, key = torch.stack(moves, 1), torch.stack(keys, 1).flatten(1)
    order = key.argsort(dim=1, stable=True)
    gains = (moved * slope[:, None]).flatten(1).gather(1, order)
    start = margin + _dot(slope, base - near.centre)
    curve = torch.cat([start[:, None], start[:, None] + gains.cumsum(1)], 1)
    return _Moves((moved != 0).flatten(1).sum(1), curve, base, moved, _ranks(order).reshape(moved.shape))


def _sparse(near: Neighbourhood, slope: Images, margin: PerImage, *, pixels: bool) -> CandidatePath:
    changed = near.centre != near.clean
    moves = torch.where(changed, near.along(slope) - near.clean, 0.0)
    gain, live = slope * moves, moves != 0
    if pixels:
        gain, live = gain.sum(1, keepdim=True), live.any(1, keepdim=True)
    order = torch.where(live, gain, -torch.inf).flatten(1).argsort(dim=1, descending=True, stable=True)
    start = margin + _dot(slope, near.clean - near.centre)
    rising = gain.flatten(1).gather(1, order).cumsum(1)
    curve = torch.cat([start[:, None], start[:, None] + rising], 1)
    rank = _ranks(order).reshape(len(gain), 1, *gain.shape[1:])
    return _Moves(live.flatten(1).sum(1), curve, near.clean, moves[:, None], rank)


def _ranks(order: Tensor) -> Tensor:
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)
