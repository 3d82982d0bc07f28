"""What is known of each image of a batch: its best point so far, and the passes it has cost."""

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from brittle.base.rows import column
from brittle.core.passes import Passes
from brittle.types import Mask, PerImage, Points

_ENDLESS = torch.tensor(torch.inf)
"""What numbers are compared with at each step, made once."""


class Record:
    """The best point per image, kept by the probe and by nobody else.

    Best is the smallest change that meets the goal, and of equal ones that with the largest margin; until there is one,
    the allowed point with the largest margin.

    Args:
        nothing: the points that change nothing (n, d, h, w), the first best ones: usually the clean images.
        budget: most passes (forward plus backward) of an image, after which its points are no longer looked at; none by
            default.
        trace: keep the margin of every point looked at.
        doubts: whether a search for the smallest change sees margins, and is to win by more than their rounding. One
            that goes by the class alone is not told of what it cannot see.
        on_pass: told after each forward pass of how many points it was.

    Attributes:
        best: (n, d, h, w).
        size: (n,), infinite where the goal was not met.
        passes: how often each image was looked at, differentiated and moved.
        nonfinite_outputs: points of each image that the network had no finite output for, (n,) int64.
        nonfinite_gradients: gradients of each image that were not finite at points that had one, (n,) int64.
        zero_gradients: gradients of each image that were zero in every value, (n,) int64.
        lag: what outputs of a hurried search lack of the network's own, by image, (n, k), as it was last seen; None
            where nothing is to be added.
        verified: points of each image that a hurried search took for adversarial and that were shown to the network as
            it is, (n,) int64; `disputed` those of them that it does not take for adversarial.
    """

    def __init__(
        self,
        nothing: Points,
        *,
        budget: int | None = None,
        trace: bool = False,
        doubts: bool = True,
        on_pass: Callable[[int], None] | None = None,
    ):
        n = len(nothing)
        self.doubts = doubts
        self.best = nothing.clone()
        self.size = nothing.new_full((n,), torch.inf)
        self._margin = nothing.new_full((n,), -torch.inf)
        self.passes = Passes(n, nothing.device)
        counts = torch.zeros(5, n, dtype=torch.int64, device=nothing.device)
        self.nonfinite_outputs, self.nonfinite_gradients, self.zero_gradients, self.verified, self.disputed = counts
        self.lag: Tensor | None = None
        self._budget = budget
        self._broken = False
        self._on_pass = on_pass
        self._everyone: Tensor | None = None
        self.trace: list[tuple[Tensor, Tensor]] | None = [] if trace else None

    @property
    def forward(self) -> Tensor:
        """Forward passes, (n,) int64."""
        return self.passes.of("forward")

    @property
    def backward(self) -> Tensor:
        """Backward passes, (n,) int64."""
        return self.passes.of("backward")

    @property
    def iterations(self) -> Tensor:
        """Steps, (n,) int64."""
        return self.passes.of("iterations")

    def count(self, ids: Tensor, *, forward: int = 0, backward: int = 0) -> None:
        """Add passes to images; an image that stands several times in `ids` is charged for each."""
        self.passes.add(ids, forward=forward, backward=backward)
        if self._on_pass is not None and forward:
            self._on_pass(forward * len(ids))

    def note_nonfinite(self, ids: Tensor, *, outputs: Mask | None = None, gradients: Mask | None = None) -> None:
        """Count points whose outputs, or whose gradients, are not finite; (m,) like `ids`, None for none."""
        if outputs is not None:
            self.nonfinite_outputs.index_add_(0, ids, outputs.to(torch.int64))
        if gradients is not None:
            self.nonfinite_gradients.index_add_(0, ids, gradients.to(torch.int64))

    def note_zero(self, ids: Tensor, gradients: Mask) -> None:
        """Count gradients that are zero in every value; (m,) like `ids`."""
        self.zero_gradients.index_add_(0, ids, gradients.to(torch.int64))

    def note_verified(self, ids: Tensor, *, refused: Mask) -> None:
        """Count points that were shown to the network as it is, and those that it refused."""
        self.verified.index_add_(0, ids, torch.ones_like(ids))
        self.disputed.index_add_(0, ids, refused.to(torch.int64))

    def left(self, over: Mask, ids: Tensor) -> Tensor | None:
        """Return the positions of the images that go on, those not over that have passes left; None where all do.

        Args:
            over: which images want no more, (m,).
            ids: (m,).
        """
        over = over if self._budget is None else over | self.spent(ids)
        if over.is_cpu and len(ids) and not bool(over.any()):
            return None
        keep = torch.logical_not(over).nonzero()[:, 0]
        return None if len(keep) == len(ids) > 0 else keep

    def spent(self, ids: Tensor) -> Mask:
        """Say which images have used up the budget."""
        if self._budget is None:
            return torch.zeros_like(ids, dtype=torch.bool)
        return (self.forward + self.backward)[ids] >= self._budget

    def affordable(self, ids: Tensor, cost: int = 1) -> Tensor | None:
        """Say which of the next points may be looked at: of each image the first ones, as many as it has passes left.

        Args:
            ids: (m,) which image each point belongs to.
            cost: passes that each point takes.

        Returns:
            The positions of these points, or None where all of them may be.
        """
        if self._budget is None:
            return None
        order = ids.argsort(stable=True)
        ordered = ids[order]
        turn = torch.arange(len(ids), device=ids.device) - torch.searchsorted(ordered, ordered)
        within = torch.empty_like(ids, dtype=torch.bool)
        within[order] = (turn + 1) * cost <= (self._budget - self.forward - self.backward)[ordered]
        return None if bool(within.all()) else within.nonzero()[:, 0]

    def offer(
        self, ids: Tensor, points: Points, size: PerImage, met: Mask, margin: PerImage, *, distinct: bool
    ) -> None:
        """Take over the points that are better than what is known.

        Args:
            ids: (m,) which image each point belongs to.
            points: (m, d, h, w).
            size: (m,) of the change; infinite where the threat does not allow it.
            met: (m,) whether the goal is met and the change allowed.
            margin: (m,) signed distance beyond the boundary, in logits.
            distinct: whether no image stands twice in `ids`.
        """
        if self.trace is not None:
            self.trace.append((ids, margin))
        if not distinct:
            first = best_of_each(ids, size.where(met, torch.inf), margin.where(size < _ENDLESS, -torch.inf))
            ids, points, size, met, margin = ids[first], points[first], size[first], met[first], margin[first]
        whole = self._are_all(ids)  # then nothing is to be looked up
        known, lead = (self.size, self._margin) if whole else (self.size[ids], self._margin[ids])
        better = (margin > lead) & (size < _ENDLESS)
        if self._may_break(met):
            cost = size.where(met, torch.inf)
            better = (cost < known) | ((cost == known) & better)
            known = torch.minimum(cost, known)
            self.size = known if whole else self.size.index_copy_(0, ids, known)
        lead = torch.where(better, margin, lead)
        self._margin = lead if whole else self._margin.index_copy_(0, ids, lead)
        self._take(ids, points, better, whole=whole)

    def apart(self, ids: Tensor, nothing: Points) -> "Record":
        """Return a record of the same images that knows no point of those in `ids` yet; passes are counted together.

        Args:
            ids: (n,).
            nothing: the points that change nothing, (n, d, h, w).
        """
        other = copy(self)
        other.best = self.best.index_copy(0, ids, nothing)
        other.size, other._margin = torch.full_like(self.size, torch.inf), torch.full_like(self._margin, -torch.inf)
        other._broken = False
        return other

    def join(self, other: "Record", ids: Tensor) -> None:
        """Take over what a record apart has found for the images in `ids`."""
        size, traced = other.size[ids], self.trace
        met, self.trace = torch.isfinite(size), None  # where every point stands already
        self.offer(ids, other.best[ids], size.where(met, 0.0), met, other._margin[ids], distinct=True)
        self.trace = traced

    def _are_all(self, ids: Tensor) -> bool:
        """Whether these are all images in their order; always False on a GPU, where to look would wait for it."""
        if ids is not self._everyone:
            if len(ids) != len(self.size) or not ids.is_cpu or not torch.equal(ids, torch.arange(len(ids))):
                return False
            self._everyone = ids
        return True

    def _may_break(self, met: Mask) -> bool:
        """Whether an image may have been broken yet; otherwise sizes need no comparison."""
        self._broken = self._broken or not met.is_cpu or bool(met.any())
        return self._broken

    def _take(self, ids: Tensor, points: Points, better: Mask, *, whole: bool) -> None:
        if not better.is_cpu:
            self.best[ids] = torch.where(column(better, points), points, self.best[ids])
            return
        rows = better.nonzero()[:, 0]  # looking at the mask costs no synchronisation here: copy only what changes
        if len(rows) < len(ids):
            self.best.index_copy_(0, ids[rows], points[rows])
        elif whole:
            self.best.copy_(points)
        else:
            self.best.index_copy_(0, ids, points)


def best_of_each(ids: Tensor, cost: Tensor, margin: Tensor, among: Mask | None = None) -> Tensor:
    """Return the position of each image's cheapest point; where costs are equal, of the largest margin.

    Args:
        ids: (m,) which image each point belongs to.
        cost: (m,).
        margin: (m,).
        among: which points count, (m,); all by default.
    """
    if among is not None:
        rows = among.nonzero()[:, 0]
        return rows[best_of_each(ids[rows], cost[rows], margin[rows])]
    order = margin.argsort(descending=True, stable=True)
    order = order[cost[order].argsort(stable=True)]
    order = order[ids[order].argsort(stable=True)]
    ordered = ids[order]
    head = torch.ones_like(ordered, dtype=torch.bool)
    head[1:] = ordered[1:] != ordered[:-1]
    return order[head]
