"""A batch of independent problems, and the probe: the one way in which an attack sees the network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier, no_gradients
from brittle.classifiers.eot import eot_outputs
from brittle.classifiers.manner import grain_of
from brittle.classifiers.slopes import slope_of
from brittle.core.goal import Goal
from brittle.core.graph import Graph, completed
from brittle.core.nonfinite import filled, retreat
from brittle.core.record import Record
from brittle.threats import Lp, Threat
from brittle.types import Images, Labels, Logits, Mask, PerImage, Points


@dataclass(frozen=True)
class Problem(Rows):
    """Images to be broken, each on its own, and everything that judges the attempts.

    Attributes:
        classifier: the network under attack.
        images: the clean images, (n, c, h, w).
        clean: their logits.
        goal: what to reach.
        threat: what is allowed.
        ids: position of each image in the record, (n,) int64.
        record: best points and passes, shared by all cuts of the problem.
        streams: random streams, shared likewise.
        max_points: most images in one forward pass.
        eot_samples: how often every point is looked at, each time with fresh random numbers of a randomised network. It
            is judged by its mean logits, and gradients are the means over the samples (expectation over transformation,
            Athalye et al., ICML 2018).
    """

    classifier: Classifier
    images: Images
    clean: Logits
    goal: Goal
    threat: Threat
    ids: Tensor
    record: Record
    streams: Streams
    max_points: int
    eot_samples: int = 1

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> Labels:
        """The class that each image starts from: the goal's label, or for targeted goals the clean prediction."""
        return self.clean.argmax(1) if self.goal.targeted else self.goal.labels

    @property
    def lp(self) -> Lp:
        """The threat, for attacks that know norms alone: `Attack.check` lets no other threat come to them."""
        assert isinstance(self.threat, Lp)
        return self.threat

    def noise(self, logits: Logits) -> PerImage | float:
        """Return by how much logits differ by rounding alone, of a network that calculates in halves; otherwise 0."""
        return grain * logits.abs().amax(1) if (grain := grain_of(self.classifier.module)) else 0.0

    @property
    def solved(self) -> Mask:
        """Which images have a recorded point that meets the goal within this problem's threat."""
        size = self.record.size[self.ids]
        return torch.isfinite(size) & self.threat.allows(size, self.classifier.bounds.span)

    def probe(self, x: Points, *, of: Tensor | None = None, graph: bool = True) -> "Probe":
        """Evaluate points, judge them and offer them to the record.

        Args:
            x: points as the threat understands them (m, d, h, w): images, clamped to the box first, or fields.
            of: which image of this problem each point belongs to, (m,); by default point i belongs to image i.
            graph: keep the way back, so that `gradient` costs no second forward pass. With `of` there is none to keep:
                whether several points of each image fit into one pass depends on how many images there are.

        Returns:
            The points as the network saw them. More than `max_points` points are evaluated in parts, without a graph.
            Points beyond an image's budget are not evaluated: they have the logits of its clean image, no gradient, and
            never meet the goal. The same logits stand in for outputs that are not finite, whose gradient leads back to
            the clean image.
        """
        owners = self if of is None else self.rows(of)
        affordable = self.record.affordable(owners.ids)
        with torch.no_grad():
            proposed, points = owners.threat.seen(owners.images, x.detach(), self.classifier.bounds)
        keeps = graph and of is None and len(points) <= self.max_points
        shown = points.detach().requires_grad_() if keeps else points
        with torch.set_grad_enabled(keeps):
            ask, asked, rows = owners._charged(shown)
            seen = owners._seen(shown, ask(asked), rows)
        logits = seen.logits
        met = owners._offered(proposed, logits, seen.unusable, affordable, distinct=of is None)
        places = torch.arange(len(met), device=met.device)
        return Probe(owners, points, logits, met, places, seen if keeps else None)

    def look(self, points: Images) -> Graph:
        """Make one forward pass with its way back; the points are counted but neither judged nor recorded."""
        leaf = points.detach().requires_grad_()
        with torch.enable_grad():
            ask, asked, rows = self._charged(leaf)
            return self._seen(leaf, ask(asked), rows)

    def judge(self, points: Images) -> Logits:
        """Evaluate points without a way back, at most `max_points` at a time; counted but not recorded."""
        ask, asked, rows = self._charged(points)
        return self._seen(points, ask(asked), rows).outputs.mean(0)

    def _charged(self, points: Images) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor | None]:
        """Count the passes of the points that the budget allows, before they are made: what fails has been asked too.

        Returns:
            What gives outputs, (m, k) or (eot_samples, m, k); the points to give it; which they are, None for all.
        """
        rows = self.record.affordable(self.ids, self.eot_samples)
        ids, asked = (self.ids, points) if rows is None else (self.ids[rows], points[rows])
        self.record.count(ids, forward=self.eot_samples)
        if rows is not None and not len(rows):
            return lambda _: self.clean[:0], asked, rows
        if self.eot_samples == 1 and len(asked) <= self.max_points:
            return self.classifier.logits, asked, rows
        return (
            partial(
                eot_outputs,
                self.classifier,
                eot_samples=self.eot_samples,
                streams=self.streams,
                max_points=self.max_points,
            ),
            asked,
            rows,
        )

    def _seen(self, points: Images, outputs: Tensor, rows: Tensor | None) -> Graph:
        """Return a forward pass of all points, of which the network has seen those at the positions `rows`."""
        seen = completed(points, outputs, self.clean, rows)
        self.record.note_nonfinite(self.ids, outputs=seen.unusable)
        return seen

    @torch.no_grad()
    def _offered(
        self, proposed: Points, logits: Logits, unusable: Mask | None, affordable: Tensor | None, *, distinct: bool
    ) -> Mask:
        """Judge points by their logits and offer them to the record; return which meet the goal within the threat."""
        size = self.threat.size(self.images, proposed)
        allowed = self.threat.allows(size, self.classifier.bounds.span)
        margin = self.goal.margin(logits)
        if affordable is not None:
            margin = torch.full_like(margin, -torch.inf).index_copy_(0, affordable, margin[affordable])
        if unusable is not None:
            margin = margin.masked_fill(unusable, -torch.inf)
        met = self.goal.met(logits) & allowed & torch.isfinite(margin)
        self.record.offer(self.ids, proposed, size.where(allowed, torch.inf), met, margin, distinct=distinct)
        return met


@dataclass(frozen=True)
class Probe(Rows):
    """Points that the network has just seen.

    Attributes:
        problem: the problems that the points belong to, row by row.
        points: the images that were seen, (m, c, h, w), within the box.
        logits: (m, k), detached.
        met: whether the goal is met and the change allowed.
        places: where each point stands in the graph, which may hold points that have left since.
        graph: the forward pass; None where there is none.
    """

    problem: Problem
    points: Images
    logits: Logits
    met: Mask
    places: Tensor
    graph: Graph | None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def unusable(self) -> Mask | None:
        """Which points the network has no finite output for, (m,); None where that is none, or there is no graph."""
        return None if self.graph is None or self.graph.unusable is None else self.graph.unusable[self.places]

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
        return replace(self, graph=graph, places=torch.arange(len(self), device=self.points.device))

    def _back(self, value: Callable[[Logits], PerImage], *, keep: bool) -> Images:
        graph = self.graph
        assert graph is not None
        if not graph.outputs.requires_grad:
            raise no_gradients("its outputs do not depend on the images in a way that torch can differentiate")
        whole, eot_samples = len(self) == len(graph.leaf), len(graph.outputs)
        with torch.enable_grad():
            outputs = graph.outputs if whole else graph.outputs[:, self.places]
            total = torch.stack([value(one).sum() for one in outputs]).sum() / eot_samples
        gradients, kept = slope_of(total, graph.leaf, self.problem.classifier.module, keep=keep)
        if gradients is None:
            raise no_gradients("one of its layers passes no gradient on to the images")
        gradients, graph.spent = gradients.contiguous(), not kept
        ids = self.problem.ids if graph.shown is None else self.problem.ids[graph.shown[self.places]]
        self.problem.record.count(ids, backward=eot_samples)
        problem, found = self.problem, gradients if whole else gradients[self.places]
        found = filled(problem.record, problem.ids, found, self.unusable)
        if self.unusable is None:
            return found
        turn = problem.record.forward[problem.ids]
        return retreat(found, self.unusable, problem.images, self.points, turn, value(self.logits))
