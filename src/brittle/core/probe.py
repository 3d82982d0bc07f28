"""What an attack is given of points that the network has just seen: the verdict, and the way back to the images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.classifiers.callable_module import no_gradients
from brittle.classifiers.slopes import slope_of
from brittle.core.graph import Graph
from brittle.core.nonfinite import filled, retreat
from brittle.types import Images, Logits, Mask, PerImage

if TYPE_CHECKING:  # problems make probes
    from brittle.core.problem import Problem


@dataclass(frozen=True)
class Probe(Rows):
    """Points that the network has just seen.

    Attributes:
        problem: the problems that the points belong to, row by row.
        points: the images that were seen, (m, c, h, w), within the box.
        logits: (m, k), detached.
        met: whether the goal is met and the change allowed.
        places: where each point stands in the graph, which may hold points that have left since; None while it holds
            these alone, in their order.
        graph: the forward pass; None where there is none.
    """

    problem: "Problem"
    points: Images
    logits: Logits
    met: Mask
    places: Tensor | None
    graph: Graph | None

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, keep: Tensor) -> "Probe":
        """Return the probe of some points alone."""
        cut = super().rows(keep)
        return replace(cut, places=keep) if self.places is None else cut

    @property
    def unusable(self) -> Mask | None:
        """Which points the network has no finite output for, (m,); None where that is none, or there is no graph."""
        return None if self.graph is None or self.graph.unusable is None else self._here(self.graph.unusable)

    def gradient(self, value: Callable[[Logits], PerImage]) -> Images:
        """Differentiate one value per point.

        The graph serves one call, for all the points that need it: a second one makes a forward pass of its own, which
        counts.

        Args:
            value: from logits (m, k) to (m,); value i may depend on row i alone.

        Returns:
            d value[i] / d point[i], (m, c, h, w).
        """
        if len(self) > self.problem.max_points:
            return self.gradients(lambda logits: value(logits)[:, None])[:, 0]
        if self.graph is None or self.graph.spent:
            return self._upon(self.problem.look(self.points))._back(value, keep=False)
        return self._back(value, keep=False)

    def gradients(self, values: Callable[[Logits], Tensor]) -> Tensor:
        """Differentiate several values per point, with one backward pass for each.

        Args:
            values: from logits (m, k) to (m, j); row i may depend on row i alone.

        Returns:
            d values[i, j] / d point[i], (m, j, c, h, w).
        """
        if len(self) <= self.problem.max_points:
            return torch.stack([gradients for _, _, gradients in self.sweep(lambda logits, _: values(logits))], 1)
        seen = self.logits.detach().requires_grad_()
        with torch.enable_grad():
            columns = values(seen).sum(0)
        slopes = [torch.autograd.grad(column, seen, retain_graph=True)[0] for column in columns]
        parts = torch.arange(len(self), device=self.points.device).split(self.problem.max_points)
        return torch.cat([self.rows(part)._chained([slope[part] for slope in slopes]) for part in parts])

    def _chained(self, slopes: list[Logits]) -> Tensor:
        """Carry derivatives by the logits back to the points."""
        return self.gradients(lambda logits: torch.stack([(slope * logits).sum(1) for slope in slopes], 1))

    def sweep(
        self, values: Callable[[Logits, Tensor], Tensor], depth: Tensor | None = None
    ) -> Iterator[tuple[int, Tensor, Images]]:
        """Differentiate column by column, holding one column's gradients at a time.

        An image is charged a backward pass for each column that it needs, whoever is in the batch beside it. A pass
        goes through the whole graph: images that need no more of it ride along and are not charged.

        Args:
            values: from the logits of some of the points and their positions among the points, (r, k) and (r,), to (r,
                j).
            depth: how many of its first columns each point needs, (m,), where these numbers differ; all by default.
                Where most need one column, the few that need more are looked at once more, alone: one forward pass
                for each of them, instead of a backward pass of the whole batch for each of their columns.

        Yields:
            The column, the positions (r,) of the points that need it, and their gradients (r, c, h, w).
            More than `max_points` points are differentiated in parts, one part after the other.
        """
        everyone = torch.arange(len(self), device=self.points.device)
        if len(self) > self.problem.max_points:
            for part in everyone.split(self.problem.max_points):
                within = self.rows(part).sweep(
                    lambda logits, at, part=part: values(logits, part[at]), None if depth is None else depth[part]
                )
                yield from ((j, part[rows], gradients) for j, rows, gradients in within)
            return
        columns = values(self.logits, everyone).shape[1]
        if depth is None:
            yield from self._columns(values, everyone, range(columns))
            return
        depth = depth.clamp_max(columns)
        for first in range(2):
            rows = (depth > first).nonzero()[:, 0]
            if len(rows):
                some = self if len(rows) == len(self) else self.rows(rows)
                yield from some._columns(values, rows, range(first, 1 if first == 0 else columns), depth[rows])

    def _columns(
        self, values: Callable[[Logits, Tensor], Tensor], at: Tensor, columns: range, depth: Tensor | None = None
    ) -> Iterator[tuple[int, Tensor, Images]]:
        """Differentiate some columns of points that stand at the positions `at` of a sweep, through one graph."""
        probe, stop = self, columns.stop if depth is None else min(columns.stop, int(depth.amax()))
        for j in range(columns.start, stop):
            if depth is not None and len(needing := (depth > j).nonzero()[:, 0]) < len(probe):
                probe, at, depth = probe.rows(needing), at[needing], depth[needing]
            if probe.graph is None or probe.graph.spent:  # a compiled network's graph serves once
                probe = probe._upon(probe.problem.look(probe.points))
            yield j, at, probe._back(lambda logits, at=at, j=j: values(logits, at)[:, j], keep=j + 1 < stop)

    def _upon(self, graph: Graph) -> "Probe":
        """Return the same points with a forward pass of theirs alone."""
        return replace(self, graph=graph, places=None)

    def _here(self, values: Tensor) -> Tensor:
        """Return of what is known of all points in the graph that of these."""
        return values if self.places is None else values[self.places]

    def _back(self, value: Callable[[Logits], PerImage], *, keep: bool) -> Images:
        graph = self.graph
        assert graph is not None
        if not graph.outputs.requires_grad:
            raise no_gradients("its outputs do not depend on the images in a way that torch can differentiate")
        with torch.enable_grad():
            total = graph.summed(value, self.places)
        gradients, kept = slope_of(total, graph.leaf, self.problem.classifier.module, keep=keep)
        if gradients is None:
            raise no_gradients("one of its layers passes no gradient on to the images")
        gradients, graph.spent = gradients.contiguous(), not kept
        problem = self.problem
        shown = None if graph.shown is None else self._here(graph.shown)
        ids = problem.ids if shown is None else problem.ids[shown]
        problem.record.count(ids, backward=graph.eot_samples)
        found = filled(problem.record, problem.ids, self._here(gradients), self.unusable, shown)
        if self.unusable is None:
            return found
        turn = problem.record.forward[problem.ids]
        return retreat(found, self.unusable, problem.images, self.points, turn, value(self.logits))
