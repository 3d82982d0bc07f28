"""What is known of each image of a batch: its best point so far, and the passes it has cost."""

import torch
from torch import Tensor

from brittle.base.rows import column
from brittle.types import Mask, PerImage, Points


class Record:
    """The best point per image, kept by the probe and by nobody else.

    Best is the smallest change that meets the goal, and of equal ones that with the largest margin; until there is one,
    the allowed point with the largest margin.

    Args:
        nothing: the points that change nothing (n, d, h, w), the first best ones: usually the clean images.
        budget: most passes (forward plus backward) of an image, after which its points are no longer looked at; none by
            default.
        trace: keep the margin of every point looked at.

    Attributes:
        best: (n, d, h, w).
        size: (n,), infinite where the goal was not met.
        forward, backward, iterations: (n,) int64.
        nonfinite_outputs: points of each image that the network had no finite output for, (n,) int64.
        nonfinite_gradients: gradients of each image that were not finite at points that had one, (n,) int64.
    """

    def __init__(self, nothing: Points, *, budget: int | None = None, trace: bool = False):
        n = len(nothing)
        self.best = nothing.clone()
        self.size = nothing.new_full((n,), torch.inf)
        self._margin = nothing.new_full((n,), -torch.inf)
        self.forward, self.backward, self.iterations = torch.zeros(3, n, dtype=torch.int64, device=nothing.device)
        self.nonfinite_outputs, self.nonfinite_gradients = (
            torch.zeros_like(self.forward),
            torch.zeros_like(self.forward),
        )
        self._budget = budget
        self.trace: list[tuple[Tensor, Tensor]] | None = [] if trace else None

    def count(self, ids: Tensor, *, forward: int = 0, backward: int = 0) -> None:
        """Add passes to images; an image that stands several times in `ids` is charged for each."""
        if forward:
            self.forward.index_add_(0, ids, torch.full_like(ids, forward))
        if backward:
            self.backward.index_add_(0, ids, torch.full_like(ids, backward))

    def note_nonfinite(self, ids: Tensor, *, outputs: Mask | None = None, gradients: Mask | None = None) -> None:
        """Count points whose outputs, or whose gradients, are not finite; (m,) like `ids`, None for none."""
        if outputs is not None:
            self.nonfinite_outputs.index_add_(0, ids, outputs.to(torch.int64))
        if gradients is not None:
            self.nonfinite_gradients.index_add_(0, ids, gradients.to(torch.int64))

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
        cost = size.where(met, torch.inf)
        margin = margin.where(torch.isfinite(size), -torch.inf)
        if not distinct:
            first = _best_of_each(ids, cost, margin)
            ids, points, cost, margin = ids[first], points[first], cost[first], margin[first]
        known = self.size[ids]
        better = (cost < known) | ((cost == known) & (margin > self._margin[ids]))
        if better.is_cpu:  # looking at the mask costs no synchronisation there: copy only the images that change
            rows = better.nonzero()[:, 0]
            self.best.index_copy_(0, ids[rows], points[rows])
        else:
            self.best[ids] = torch.where(column(better, points), points, self.best[ids])
        self.size[ids] = torch.minimum(cost, known)
        self._margin[ids] = torch.where(better, margin, self._margin[ids])


def _best_of_each(ids: Tensor, cost: Tensor, margin: Tensor) -> Tensor:
    """Return the position of each image's cheapest point; where costs are equal, of the largest margin."""
    order = margin.argsort(descending=True, stable=True)
    order = order[cost[order].argsort(stable=True)]
    order = order[ids[order].argsort(stable=True)]
    ordered = ids[order]
    head = torch.ones_like(ordered, dtype=torch.bool)
    head[1:] = ordered[1:] != ordered[:-1]
    return order[head]
