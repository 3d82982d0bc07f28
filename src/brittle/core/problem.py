"""A batch of independent problems, through which alone an attack sees the network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.base.seeds import Streams
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import eot_outputs
from brittle.classifiers.manner import grain_of
from brittle.classifiers.refusals import folded, of_classes, widened
from brittle.core.goal import Goal
from brittle.core.graph import Graph, completed
from brittle.core.probe import Probe as Probe
from brittle.core.record import Record
from brittle.core.verification import Claims, verified
from brittle.errors import InputError
from brittle.threats import Lp, Threat
from brittle.types import Images, Labels, Logits, Mask, PerImage, Points

UNCERTAIN = 16
"""Units in the last place (`Problem.unit`) by which a network may answer otherwise in another batch. Of many points
the smallest is one that this may undo; where the smallest change is searched for, it takes more to count."""


class WrongPoints(InputError):
    """Points of another shape than the images', without the name of who asked about them."""


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
        homes: of a network that may refuse images, the class of each image that a refusal is counted for, (n,), so that
            logits here are those of the classes alone; None of others, and where the attack knows nothing of refusals.
        plain: the network as it judges, where `classifier` is how a hurried search asks it (`SearchMode`); None where
            they are one.
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
    homes: Labels | None = None
    plain: Classifier | None = None

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

    @property
    def grain(self) -> float:
        """By what fraction numbers of the network that judges round where it calculates in halves, otherwise 0."""
        return grain_of((self.plain or self.classifier).module)

    def in_full(self) -> "Problem":
        """Return the same problem with the network as it judges."""
        return self if self.plain is None else replace(self, classifier=self.plain, plain=None)

    def noise(self, logits: Logits) -> PerImage | float:
        """Return by how much logits differ by rounding alone, of a network that calculates in halves; otherwise 0."""
        return grain * logits.abs().amax(1) if (grain := self.grain) else 0.0

    def unit(self, logits: Logits) -> PerImage:
        """Return one unit in the last place of the largest logit of each image, here or where it is clean.

        At the boundary of two classes both may be near 0, and round as the sums do that they are made of.
        """
        largest = torch.maximum(logits.abs().amax(1), self.clean.abs().amax(1))
        return torch.finfo(logits.dtype).eps * largest

    @property
    def solved(self) -> Mask:
        """Which images have a recorded point that meets the goal within this problem's threat."""
        size = self.record.size[self.ids]
        return torch.isfinite(size) & self.threat.allows(size, self.classifier.bounds.span)

    def probe(self, x: Points, *, of: Tensor | None = None, graph: bool = True) -> Probe:
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
        keeps = graph and of is None and len(x) <= self.max_points
        with torch.no_grad():
            proposed, points = owners.threat.seen(owners.images, x.detach(), self.classifier.bounds)
            if points.shape != x.shape and owners.threat.on_images:
                name = type(owners.threat).__name__
                raise InputError(f"{name}.apply turned points of shape {tuple(x.shape)} into {tuple(points.shape)}")
            shown = points.detach().requires_grad_() if keeps else points
            with torch.set_grad_enabled(keeps):
                ask, asked, rows = owners._charged(shown)
                seen = owners._seen(shown, ask(asked), rows)
            logits, met = owners._offered(proposed, points, seen, affordable, distinct=of is None, keeps=keeps)
        return Probe(owners, points, logits, met, None, seen if keeps else None)

    def looked_at(self, points: Images) -> Graph:
        """Make one forward pass without a way back; the points are counted but neither judged nor recorded."""
        ask, asked, rows = self._charged(points)
        return self._seen(points, ask(asked), rows)

    def look(self, points: Images) -> Graph:
        """Make one forward pass with its way back; the points are counted but neither judged nor recorded."""
        leaf = points.detach().requires_grad_()
        with torch.enable_grad():
            ask, asked, rows = self._charged(leaf)
            return self._seen(leaf, ask(asked), rows)

    def unrecorded(self, points: Images) -> Probe:
        """Look at points as a probe, to differentiate them; `met` says nothing of their size."""
        seen = self.look(points)
        logits = seen.logits
        return Probe(self, points, logits, self.goal.met(logits), None, seen)

    def judge(self, points: Images) -> Logits:
        """Evaluate points without a way back, at most `max_points` at a time; counted but not recorded."""
        return self.looked_at(points).logits

    def _charged(self, points: Images) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor | None]:
        """Count the passes of the points that the budget allows, before they are made: what fails has been asked too.

        Returns:
            What gives outputs, (m, k) or (eot_samples, m, k); the points to give it; which they are, None for all.
        """
        if points.shape != self.images.shape:
            raise WrongPoints(
                f"asked the network about points of shape {tuple(points.shape)}; expected {tuple(self.images.shape)}, "
                "one for each image, or for several problem.probe(points, of=...)"
            )
        rows = self.record.affordable(self.ids, self.eot_samples)
        ids, asked = (self.ids, points) if rows is None else (self.ids[rows], points[rows])
        self.record.count(ids, forward=self.eot_samples)
        if rows is not None and not len(rows):
            return lambda _: widened(self.classifier, self.clean[:0]), asked, rows
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
        if self.plain is not None and self.record.lag is not None:
            outputs = outputs + self.record.lag[self.ids if rows is None else self.ids[rows]]
        seen = completed(points, outputs, widened(self.classifier, self.clean), rows)
        if self.classifier.rejects:
            seen.reading = self._read
        self.record.note_nonfinite(self.ids, outputs=seen.unusable)
        return seen

    def _read(self, outputs: Tensor, places: Tensor | None) -> Logits:
        """Return the logits of the classes, with refusals counted where the attack knows of them."""
        if self.homes is None:
            return of_classes(self.classifier, outputs)
        return folded(self.classifier, outputs, self.homes if places is None else self.homes[places])

    def _offered(
        self, proposed: Points, points: Images, seen: Graph, affordable: Tensor | None, *, distinct: bool, keeps: bool
    ) -> tuple[Logits, Mask]:
        """Judge points by their logits and offer them to the record; return these, and which meet the goal."""
        size, logits = self.threat.size(self.images, proposed), seen.logits
        allowed = self.threat.allows(size, self.classifier.bounds.span)
        met, margin = self.verdict(logits, allowed, seen.unusable, affordable)
        if not allowed.is_cpu or not bool(allowed.all()):
            size = size.where(allowed, torch.inf)
        holds = met
        if self.plain is not None:
            found, holds = verified(self, points, Claims(seen, logits, size, met, margin), keeps=keeps)
            logits, size, met, margin = found.logits, found.size, found.met, found.margin
        self.record.offer(self.ids, proposed, size, holds, margin, distinct=distinct)
        return logits, met

    def verdict(
        self, logits: Logits, allowed: Mask, unusable: Mask | None, affordable: Tensor | None
    ) -> tuple[Mask, PerImage]:
        """Say which points meet the goal, and by what margin.

        Args:
            logits: (m, k).
            allowed: which changes are, (m,).
            unusable: for which points the network has no finite output, (m,); None for none.
            affordable: which points the network has seen, (r,); None for all.
        """
        margin = self.goal.margin(logits)
        if affordable is not None:
            margin = torch.full_like(margin, -torch.inf).index_copy_(0, affordable, margin[affordable])
        if unusable is not None:
            margin = margin.masked_fill(unusable, -torch.inf)
        met = self.goal.met(logits)
        if not met.is_cpu or bool(met.any()):  # to look costs no synchronisation there
            met = met & allowed & torch.isfinite(margin)
            if self.record.doubts and not (self.threat.bounded or self.grain):
                met = met & (margin >= self.goal.confidence + UNCERTAIN * self.unit(logits))
        return met, margin
